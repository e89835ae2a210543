/*
 * fuzz.h - what the fuzz targets share. Each target is one LLVMFuzzerTestOneInput; fuzz/replay.c runs a
 * corpus through it without libFuzzer.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdlib.h>

#include "adit.h"
#include "ssh/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that must hold for every input. */
#define ALWAYS(condition) \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

/* An input that is a list of messages: uint16 length, that many bytes; the last may be short. */
static inline bool next_message(struct rd *r, struct span *message)
{
    struct span head = rd_bytes(r, 2);
    if (!rd_ok(r))
        return false;
    size_t n = (size_t)head.p[0] << 8 | head.p[1];
    *message = rd_bytes(r, n < r->n ? n : r->n);
    return message->n > 0;
}

/* malloc with a count, so that a target can say that nothing leaked and that a peer cannot make us hold much.
 */
struct fuzz_memory {
    size_t now, most;
};

static inline void *fuzz_alloc(void *ctx, size_t n)
{
    struct fuzz_memory *m = ctx;
    m->now += n;
    if (m->now > m->most)
        m->most = m->now;
    return malloc(n);
}

static inline void fuzz_release(void *ctx, void *p, size_t n)
{
    struct fuzz_memory *m = ctx;
    if (p != NULL)
        m->now -= n;
    free(p);
}

#endif
