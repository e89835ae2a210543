#include "ssh/compress.h"

#include <string.h>
#include <zlib.h>

enum {
    LEVEL = 6,
    ROOM_FIRST = 4096,
    ROOM_MOST = LIMIT_PACKET + 1 /* to see that there is more */,
    HEAD_LEN = 16
};

/* [RFC 4253 6.2c] */
static const char *const names[] = {
    [COMPRESS_NONE] = "none", [COMPRESS_ZLIB] = "zlib", [COMPRESS_DELAYED] = "zlib@openssh.com"};

bool compress_alg_find(struct span name, enum compress_alg *alg)
{
    for (size_t i = 0; i < ADIT_COUNT(names); i++)
        if (span_is(name, names[i])) {
            *alg = (enum compress_alg)i;
            return true;
        }
    return false;
}

const char *compress_alg_name(enum compress_alg alg)
{
    return names[alg];
}

/* zlib's own bound (deflateBound) for its default memory is n + n / 4096 + n / 16384 + 13, and a flush adds a
 * few. */
size_t compress_overhead(size_t n)
{
    return n / 512 + 64;
}

/* ---- memory: zlib's releases do not say how much, so that each piece begins with its length ---- */

static void *z_alloc(void *ctx, unsigned count, unsigned size)
{
    const struct adit_alloc *memory = ctx;
    size_t n = HEAD_LEN + (size_t)count * size; /* zlib's own constants: some 64 KiB at the most */
    uint8_t *p = memory->alloc(memory->ctx, n);
    if (p == NULL)
        return NULL;
    memset(p, 0, n);
    memcpy(p, &n, sizeof(n));
    return p + HEAD_LEN;
}

static void z_release(void *ctx, void *piece)
{
    const struct adit_alloc *memory = ctx;
    uint8_t *p = (uint8_t *)piece - HEAD_LEN;
    size_t n;
    memcpy(&n, p, sizeof(n));
    adit_wipe(p, n); /* it held what was said */
    memory->release(memory->ctx, p, n);
}

static z_stream stream_of(const struct adit_alloc *memory)
{
    return (z_stream){.zalloc = z_alloc, .zfree = z_release, .opaque = (void *)(uintptr_t)memory};
}

/* Room for one payload. */
struct room {
    uint8_t *p;
    size_t cap;
};

static void room_release(struct room *r, const struct adit_alloc *memory)
{
    if (r->p != NULL) {
        adit_wipe(r->p, r->cap);
        memory->release(memory->ctx, r->p, r->cap);
    }
    *r = (struct room){0};
}

/* At least `need` bytes, of which the first `used` stay. */
static bool room_grow(struct room *r, const struct adit_alloc *memory, size_t need, size_t used)
{
    size_t cap = r->cap < ROOM_FIRST ? ROOM_FIRST : r->cap;
    if (need <= r->cap)
        return true;
    while (cap < need)
        cap *= 2;
    if (cap >= LIMIT_PACKET)
        cap = ROOM_MOST; /* at once: old and new room exist together */
    if (need > cap)
        return false;
    uint8_t *p = memory->alloc(memory->ctx, cap);
    if (p == NULL)
        return false;
    if (used > 0)
        memcpy(p, r->p, used);
    room_release(r, memory);
    *r = (struct room){p, cap};
    return true;
}

/* ---- out ---- */

struct packer {
    const struct adit_alloc *memory;
    z_stream z;
    struct room plain;
};

struct packer *packer_new(const struct adit_alloc *memory)
{
    struct packer *p = memory->alloc(memory->ctx, sizeof(*p));
    if (p == NULL)
        return NULL;
    *p = (struct packer){.memory = memory, .z = stream_of(memory)};
    if (deflateInit(&p->z, LEVEL) == Z_OK)
        return p;
    memory->release(memory->ctx, p, sizeof(*p));
    return NULL;
}

void packer_free(struct packer *p)
{
    if (p == NULL)
        return;
    const struct adit_alloc *memory = p->memory;
    (void)deflateEnd(&p->z);
    room_release(&p->plain, memory);
    adit_wipe(p, sizeof(*p));
    memory->release(memory->ctx, p, sizeof(*p));
}

void packer_idle(struct packer *p)
{
    if (p != NULL)
        room_release(&p->plain, p->memory);
}

bool packer_make_room(struct packer *p, size_t n)
{
    return room_grow(&p->plain, p->memory, n, 0);
}

size_t packer_run(struct packer *p, uint8_t *payload, size_t n)
{
    size_t cap = n + compress_overhead(n);
    adit_assert(n > 0 && n <= p->plain.cap && cap <= UINT32_MAX);
    memcpy(p->plain.p, payload, n);
    p->z.next_in = p->plain.p;
    p->z.avail_in = (unsigned)n;
    p->z.next_out = payload;
    p->z.avail_out = (unsigned)cap;
    int result = deflate(&p->z, Z_PARTIAL_FLUSH);
    adit_assert(result == Z_OK && p->z.avail_in == 0 && p->z.avail_out > 0);
    (void)result;
    return cap - p->z.avail_out;
}

/* ---- in ---- */

struct unpacker {
    const struct adit_alloc *memory;
    z_stream z;
    struct room plain;
};

struct unpacker *unpacker_new(const struct adit_alloc *memory)
{
    struct unpacker *u = memory->alloc(memory->ctx, sizeof(*u));
    if (u == NULL)
        return NULL;
    *u = (struct unpacker){.memory = memory, .z = stream_of(memory)};
    if (inflateInit(&u->z) == Z_OK)
        return u;
    memory->release(memory->ctx, u, sizeof(*u));
    return NULL;
}

void unpacker_free(struct unpacker *u)
{
    if (u == NULL)
        return;
    const struct adit_alloc *memory = u->memory;
    (void)inflateEnd(&u->z);
    room_release(&u->plain, memory);
    adit_wipe(u, sizeof(*u));
    memory->release(memory->ctx, u, sizeof(*u));
}

void unpacker_idle(struct unpacker *u)
{
    if (u != NULL)
        room_release(&u->plain, u->memory);
}

static enum adit_err unpack_failed(int result, struct adit_error *err)
{
    if (result == Z_MEM_ERROR)
        return adit_fail(err, ADIT_E_MEMORY, "no memory for compression");
    return adit_fail(err, ADIT_E_PROTOCOL, "a packet is not compressed as agreed (RFC 4253 §6.2)");
}

/* One step of inflate into the room behind what there is. True: there may be more to come. */
static bool unpack_step(struct unpacker *u, size_t *used, int *result)
{
    u->z.next_out = u->plain.p + *used;
    u->z.avail_out = (unsigned)(u->plain.cap - *used);
    *result = inflate(&u->z, Z_SYNC_FLUSH);
    *used = u->plain.cap - u->z.avail_out;
    return *result == Z_OK && u->z.avail_out == 0 && *used <= LIMIT_PACKET;
}

enum adit_err unpacker_run(struct unpacker *u, struct span packed, struct span *payload,
                           struct adit_error *err)
{
    size_t used = 0;
    int result;
    u->z.next_in = (uint8_t *)(uintptr_t)packed.p; /* zlib has no const without ZLIB_CONST */
    u->z.avail_in = (unsigned)packed.n;
    do {
        if (!room_grow(&u->plain, u->memory, used + 1, used))
            return unpack_failed(Z_MEM_ERROR, err);
    } while (unpack_step(u, &used, &result));
    if (used > LIMIT_PACKET)
        return adit_fail(err, ADIT_E_PROTOCOL, "a compressed packet unpacks to more than %lu bytes",
                         (unsigned long)LIMIT_PACKET);
    /* Z_BUF_ERROR: there was no more, which is known only after the room was just enough. */
    if ((result != Z_OK && result != Z_BUF_ERROR) || u->z.avail_in > 0 || used == 0)
        return unpack_failed(result, err);
    *payload = (struct span){u->plain.p, used};
    return ADIT_E_OK;
}
