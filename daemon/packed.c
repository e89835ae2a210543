#include "daemon/packed.h"

#include <stdlib.h>
#include <zlib.h>

enum { HEADER_LEN = 10, TRAILER_LEN = 8 }; /* RFC 1952 §2.3: without a name or other extras */

static void *take(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return calloc(count, size);
}

static void give(void *opaque, void *p)
{
    (void)opaque;
    free(p);
}

/* The size of what was packed: the last four bytes, lowest first. */
static size_t size_of(struct span packed)
{
    const uint8_t *p = packed.p + packed.n - 4;

    return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

static bool unpack(char *out, size_t size, struct span packed)
{
    z_stream z = {.zalloc = take, .zfree = give};
    int result;

    z.next_in = (uint8_t *)(uintptr_t)(packed.p + HEADER_LEN); /* zlib has no const without ZLIB_CONST */
    z.avail_in = (unsigned)(packed.n - HEADER_LEN - TRAILER_LEN);
    z.next_out = (uint8_t *)out;
    z.avail_out = (unsigned)size;
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return false;
    result = inflate(&z, Z_FINISH);
    (void)inflateEnd(&z);
    return result == Z_STREAM_END && z.avail_out == 0;
}

void packed_open(struct buffer *out, struct span packed)
{
    size_t size = size_of(packed);

    out->p = malloc(size + 1);
    out->is_failed = !out->p || !unpack(out->p, size, packed);
    if (out->is_failed)
        return;
    out->p[size] = 0;
    out->len = size;
    out->cap = size + 1;
}
