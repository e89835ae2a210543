/*
 * json_scarce.h - jansson without memory for one value: each of its allocations fails in turn.
 *
 *     for (long n = 0; json_scarce_goes_on(n); n++) {
 *         json_scarce_begin(n);
 *         ... what is tried ...
 *         json_scarce_end();
 *         ...
 *     }
 */
#ifndef TESTS_JSON_SCARCE_H
#define TESTS_JSON_SCARCE_H

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tests/test.h"

static long json_scarce_left = -1; /* allocations before the one that fails; below zero: it has failed */

static inline void *json_scarce_alloc(size_t n)
{
    if (json_scarce_left-- != 0)
        return malloc(n);
    errno = ENOMEM;
    return NULL;
}

static inline void json_scarce_begin(long n)
{
    json_scarce_left = n;
    json_set_alloc_funcs(json_scarce_alloc, free);
}

static inline void json_scarce_end(void)
{
    json_set_alloc_funcs(malloc, free);
}

/* The last try met its failure: there may be an allocation behind it. */
static inline bool json_scarce_goes_on(long n)
{
    assert_true(n < 10000);
    return n == 0 || json_scarce_left < 0;
}

#endif
