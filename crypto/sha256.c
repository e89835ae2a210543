/*
 * sha256.c - SHA-256's buffer, padding and length; which compression function runs here.
 */
#include "sha256.h"

#include <string.h>

#include "internal.h"
#include "sha256_avx2.h"
#include "sha256_x86.h"

enum { BLOCK_LEN = 64 };

sha256_compress *sha256_compress_choose(void)
{
#ifdef __x86_64__
    if (cpu()->has_sha)
        return sha256_x86_compress;
    if (cpu()->has_avx2)
        return sha256_avx2_compress;
#endif
    return NULL;
}

sha256_compress_two *sha256_compress_two_choose(void)
{
#ifdef __x86_64__
    if (cpu()->has_sha)
        return sha256_x86_compress_two;
#endif
    return NULL;
}

void sha256_init(struct sha256 *s, sha256_compress *compress)
{
    /* FIPS 180-4 §5.3.3. */
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(s, 0, sizeof *s);
    s->compress = compress;
    memcpy(s->h, first, sizeof s->h);
}

void sha256_update(struct sha256 *s, const uint8_t *p, size_t n)
{
    size_t have = (size_t)(s->len % BLOCK_LEN);
    if (n == 0)
        return;
    s->len += n;
    if (have > 0) {
        size_t room = BLOCK_LEN - have, take = n < room ? n : room;
        memcpy(s->buffer + have, p, take);
        if (take < room)
            return;
        s->compress(s->h, s->buffer, 1);
        p += take;
        n -= take;
    }
    if (n >= BLOCK_LEN)
        s->compress(s->h, p, n / BLOCK_LEN);
    memcpy(s->buffer, p + (n - n % BLOCK_LEN), n % BLOCK_LEN);
}

/* How much of n bytes it takes to end the block that has begun. */
static size_t head_len(const struct sha256 *s, size_t n)
{
    size_t have = (size_t)(s->len % BLOCK_LEN), room = have > 0 ? BLOCK_LEN - have : 0;
    return n < room ? n : room;
}

/* Single blocks at either end stay single: of a full packet they are one in a hundred. */
void sha256_update_two(struct sha256 *a, struct span of_a, struct sha256 *b, struct span of_b,
                       sha256_compress_two *two)
{
    size_t head_a = head_len(a, of_a.n), head_b = head_len(b, of_b.n);
    size_t blocks_a = (of_a.n - head_a) / BLOCK_LEN, blocks_b = (of_b.n - head_b) / BLOCK_LEN;
    size_t blocks = blocks_a < blocks_b ? blocks_a : blocks_b;
    sha256_update(a, of_a.p, head_a);
    sha256_update(b, of_b.p, head_b);
    if (blocks > 0) { /* both are at the end of a block */
        two(a->h, of_a.p + head_a, b->h, of_b.p + head_b, blocks);
        a->len += blocks * BLOCK_LEN;
        b->len += blocks * BLOCK_LEN;
        head_a += blocks * BLOCK_LEN;
        head_b += blocks * BLOCK_LEN;
    }
    of_a = span_sub(of_a, head_a, of_a.n);
    of_b = span_sub(of_b, head_b, of_b.n);
    sha256_update(a, of_a.p, of_a.n);
    sha256_update(b, of_b.p, of_b.n);
}

void sha256_end(struct sha256 *s, uint8_t out[32])
{
    enum { LENGTH_AT = BLOCK_LEN - 8 };
    size_t have = (size_t)(s->len % BLOCK_LEN);
    s->buffer[have++] = 0x80;
    memset(s->buffer + have, 0, BLOCK_LEN - have);
    if (have > LENGTH_AT) { /* FIPS 180-4 §5.1.1: the length stands at the end of a block of its own */
        s->compress(s->h, s->buffer, 1);
        memset(s->buffer, 0, BLOCK_LEN);
    }
    store32_be(s->buffer + LENGTH_AT, (uint32_t)(s->len >> 29)); /* in bits */
    store32_be(s->buffer + LENGTH_AT + 4, (uint32_t)(s->len << 3));
    s->compress(s->h, s->buffer, 1);
    for (size_t i = 0; i < 8; i++)
        store32_be(out + 4 * i, s->h[i]);
}
