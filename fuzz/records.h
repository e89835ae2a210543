/*
 * records.h - a mutator for targets whose input is a head of some bytes and then a list of records
 * (next_message of fuzz.h): it changes one record and keeps the lengths of all right, or it takes one away,
 * or puts one in. Include it in a target after `enum { RECORDS_HEAD = n };`.
 */
#ifndef FUZZ_RECORDS_H
#define FUZZ_RECORDS_H

#include <string.h>

#include "fuzz/fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
/* libFuzzer's own; a program without it never mutates. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max) __attribute__((weak));

enum { RECORDS_MOST = 256, RECORD_LEN_MOST = 4096 };

/* Where the n-th record begins; *count is how many there are. */
static inline size_t records_find(const uint8_t *data, size_t size, size_t n, size_t *count)
{
    size_t at = RECORDS_HEAD, found = size;
    for (*count = 0; at + 2 <= size && *count < RECORDS_MOST; ++*count) {
        if (*count == n)
            found = at;
        size_t len = (size_t)data[at] << 8 | data[at + 1];
        at += 2 + (len < size - at - 2 ? len : size - at - 2);
    }
    return *count == n ? at : found;
}

static inline size_t records_len(const uint8_t *data, size_t size, size_t at)
{
    size_t n = (size_t)data[at] << 8 | data[at + 1];
    return n < size - at - 2 ? n : size - at - 2;
}

/* Puts a record of these bytes at `at`. */
static inline size_t records_put(uint8_t *data, size_t size, size_t max, size_t at, const uint8_t *bytes,
                                 size_t n)
{
    if (max - size < n + 2)
        return size;
    memmove(data + at + 2 + n, data + at, size - at);
    data[at] = (uint8_t)(n >> 8);
    data[at + 1] = (uint8_t)n;
    memcpy(data + at + 2, bytes, n);
    return size + 2 + n;
}

static inline size_t records_drop(uint8_t *data, size_t size, size_t at)
{
    size_t n = 2 + records_len(data, size, at);
    memmove(data + at, data + at + n, size - at - n);
    return size - n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    static uint8_t record[2 * RECORD_LEN_MOST];
    size_t count, other;
    if (size <= RECORDS_HEAD + 2 || seed % 8 == 0)
        return LLVMFuzzerMutate(data, size, max);
    if (seed % 8 == 1)
        return LLVMFuzzerMutate(data, RECORDS_HEAD, RECORDS_HEAD) == RECORDS_HEAD ? size : size;
    (void)records_find(data, size, RECORDS_MOST + 1, &count);
    if (count == 0)
        return LLVMFuzzerMutate(data, size, max);
    size_t at = records_find(data, size, (seed >> 3) % count, &other);
    size_t n = records_len(data, size, at);
    if (n > RECORD_LEN_MOST)
        return LLVMFuzzerMutate(data, size, max);
    memcpy(record, data + at + 2, n);
    if (seed % 8 == 2)
        return count > 1 ? records_drop(data, size, at) : size;
    if (seed % 8 > 4) { /* as it is, at another place */
        size_t to = records_find(data, size, (seed >> 11) % (count + 1), &other);
        return records_put(data, size, max, to, record, n);
    }
    size = records_drop(data, size, at);
    if (n == 0)
        record[n++] = (uint8_t)(seed >> 11);
    size_t room = max - size - 2 < RECORD_LEN_MOST ? max - size - 2 : RECORD_LEN_MOST;
    n = LLVMFuzzerMutate(record, n, n > room ? n : room);
    return records_put(data, size, max, at, record, n);
}

#endif
