/*
 * unhex.h - hexadecimal constants in unit tests: read, and compared with.
 */
#ifndef UNHEX_H
#define UNHEX_H

#include <string.h>

#include "../adit.h"
#include "test.h"

static inline uint8_t hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *at = strchr(digits, c);
    assert_true(c != 0 && at != NULL);
    return (uint8_t)((at - digits) & 15);
}

/* The bytes of hex (spaces are skipped) into out, at most cap; returns their number. */
static inline size_t unhex(uint8_t *out, size_t cap, const char *hex)
{
    size_t n = 0;
    for (; *hex != 0; hex += 2) {
        while (*hex == ' ')
            hex++;
        assert_true(n < cap);
        out[n++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
    }
    return n;
}

/* The n bytes at p are those of hex. */
static inline void assert_hex(const void *p, size_t n, const char *hex)
{
    uint8_t want[4096];
    assert_int_equal(unhex(want, sizeof want, hex), n);
    assert_memory_equal(p, want, n);
}

#endif
