/*
 * hex.h - bytes written as hexadecimal digits, for tests of fixed values.
 */
#ifndef TESTS_HEX_H
#define TESTS_HEX_H

#include <string.h>

#include "../adit.h"

/* The bytes of a text of digit pairs, which must fit out; returns their number. */
static inline size_t hex_bytes(uint8_t *out, size_t cap, const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(hex) / 2;
    assert_true(n <= cap && strlen(hex) % 2 == 0);
    for (size_t i = 0; i < n; i++) {
        const char *hi = strchr(digits, hex[2 * i]), *lo = strchr(digits, hex[2 * i + 1]);
        assert_true(hi != NULL && lo != NULL);
        out[i] = (uint8_t)((hi - digits) << 4 | (lo - digits));
    }
    return n;
}

static inline struct span hex_span(uint8_t *out, size_t cap, const char *hex)
{
    return span_make(out, hex_bytes(out, cap, hex));
}

#endif
