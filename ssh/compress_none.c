/*
 * compress_none.c - instead of compress.c where adit is made without zlib: "none" is the only name.
 */
#include "ssh/compress.h"

bool compress_alg_find(struct span name, enum compress_alg *alg)
{
    *alg = COMPRESS_NONE;
    return span_is(name, "none");
}

const char *compress_alg_name(enum compress_alg alg)
{
    (void)alg;
    return "none";
}

size_t compress_overhead(size_t n)
{
    (void)n;
    return 0;
}

/* ---- Nobody comes here: no other name is ever agreed on. */

struct packer *packer_new(const struct adit_alloc *memory)
{
    (void)memory;
    return NULL;
}

void packer_free(struct packer *p)
{
    (void)p;
}

bool packer_make_room(struct packer *p, size_t n)
{
    (void)p, (void)n;
    return false;
}

size_t packer_run(struct packer *p, uint8_t *payload, size_t n)
{
    (void)p, (void)payload;
    return n;
}

struct unpacker *unpacker_new(const struct adit_alloc *memory)
{
    (void)memory;
    return NULL;
}

void unpacker_free(struct unpacker *u)
{
    (void)u;
}

enum adit_err unpacker_run(struct unpacker *u, struct span packed, struct span *payload,
                           struct adit_error *err)
{
    (void)u, (void)packed;
    *payload = span_make(NULL, 0);
    return adit_fail(err, ADIT_E_UNSUPPORTED, "made without zlib");
}

void packer_idle(struct packer *p)
{
    (void)p;
}

void unpacker_idle(struct unpacker *u)
{
    (void)u;
}
