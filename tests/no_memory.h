/*
 * no_memory.h - a time in which there is no memory: allocations of this thread fail, whoever asks, but libc
 * itself. A test that includes it is linked for it (.wraps in the Makefile).
 */
#ifndef TESTS_NO_MEMORY_H
#define TESTS_NO_MEMORY_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

/* Allocations before the one that fails; negative: none does, or it has been. */
static _Thread_local long no_memory_left = -1;
static _Thread_local bool no_memory_stays, no_memory_came;

/* From now on: the allocation behind n others fails; stays: and all behind it. */
static inline void no_memory_begin(long n, bool stays)
{
    no_memory_left = n;
    no_memory_stays = stays;
    no_memory_came = false;
}

/* True: an allocation has failed. */
static inline bool no_memory_end(void)
{
    no_memory_left = -1;
    no_memory_stays = false;
    return no_memory_came;
}

static inline bool no_memory_is_now(void)
{
    bool is_now = no_memory_left == 0 || (no_memory_came && no_memory_stays);
    if (no_memory_left >= 0)
        no_memory_left--;
    if (is_now)
        errno = ENOMEM;
    no_memory_came = no_memory_came || is_now;
    return is_now;
}

void *__wrap_malloc(size_t n)
{
    return no_memory_is_now() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
    return no_memory_is_now() ? NULL : __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return no_memory_is_now() ? NULL : __real_realloc(p, n);
}

#endif
