/*
 * sha256_x86.c - SHA-256's compression by x86's SHA instructions.
 *
 * sha256rnds2 does two rounds on the eight working variables in two registers, which it wants as ABEF and
 * CDGH (the highest lane first); it gives the new ABEF, and the old ABEF is the new CDGH. sha256msg1 and
 * sha256msg2 are the two halves of the message schedule of FIPS 180-4 §6.2.2, four words at a time.
 *
 * One sha256rnds2 waits for the one before it, for about twice the time in which the unit could begin
 * another: two hashes side by side keep it busy.
 */
#include "sha256_x86.h"

#ifdef __x86_64__
#include <immintrin.h>

#define WITH_SHA        __attribute__((target("sha,sse4.1")))
#define INLINE_WITH_SHA static inline __attribute__((target("sha,sse4.1"), always_inline))

/* FIPS 180-4 §4.2.2. */
static const _Alignas(16) uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

struct working {
    __m128i abef, cdgh;
};

/* The message schedule's last 16 words, the oldest first. */
struct words {
    __m128i w0, w1, w2, w3;
};

INLINE_WITH_SHA void four_rounds(struct working *v, __m128i w, const uint32_t k[4])
{
    __m128i wk = _mm_add_epi32(w, _mm_load_si128((const __m128i *)(const void *)k));
    v->cdgh = _mm_sha256rnds2_epu32(v->cdgh, v->abef, wk);
    v->abef = _mm_sha256rnds2_epu32(v->abef, v->cdgh, _mm_shuffle_epi32(wk, 0x0e));
}

/* The four words that follow these sixteen. */
INLINE_WITH_SHA __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(sum, w3);
}

INLINE_WITH_SHA __m128i load_words(const uint8_t *p)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), big_endian);
}

INLINE_WITH_SHA void load_block(struct words *m, const uint8_t *block)
{
    *m = (struct words){load_words(block), load_words(block + 16), load_words(block + 32),
                        load_words(block + 48)};
}

INLINE_WITH_SHA void next_block_words(struct words *m)
{
    m->w0 = next_words(m->w0, m->w1, m->w2, m->w3);
    m->w1 = next_words(m->w1, m->w2, m->w3, m->w0);
    m->w2 = next_words(m->w2, m->w3, m->w0, m->w1);
    m->w3 = next_words(m->w3, m->w0, m->w1, m->w2);
}

INLINE_WITH_SHA void sixteen_rounds(struct working *v, const struct words *m, const uint32_t k[16])
{
    four_rounds(v, m->w0, k);
    four_rounds(v, m->w1, k + 4);
    four_rounds(v, m->w2, k + 8);
    four_rounds(v, m->w3, k + 12);
}

INLINE_WITH_SHA void add_working(struct working *v, const struct working *before)
{
    v->abef = _mm_add_epi32(v->abef, before->abef);
    v->cdgh = _mm_add_epi32(v->cdgh, before->cdgh);
}

INLINE_WITH_SHA void one_block(struct working *v, const uint8_t *block)
{
    const struct working before = *v;
    struct words m;
    load_block(&m, block);
    for (size_t k = 0; k < 48; k += 16) {
        sixteen_rounds(v, &m, round_constants + k);
        next_block_words(&m);
    }
    sixteen_rounds(v, &m, round_constants + 48);
    add_working(v, &before);
}

struct hashing {
    struct working v;
    struct words m;
};

INLINE_WITH_SHA void sixteen_rounds_of_two(struct hashing *a, struct hashing *b, const uint32_t k[16])
{
    four_rounds(&a->v, a->m.w0, k);
    four_rounds(&b->v, b->m.w0, k);
    four_rounds(&a->v, a->m.w1, k + 4);
    four_rounds(&b->v, b->m.w1, k + 4);
    four_rounds(&a->v, a->m.w2, k + 8);
    four_rounds(&b->v, b->m.w2, k + 8);
    four_rounds(&a->v, a->m.w3, k + 12);
    four_rounds(&b->v, b->m.w3, k + 12);
}

/* The words that were used make room for those that come sixteen later. */
INLINE_WITH_SHA void rounds_and_words_of_two(struct hashing *a, struct hashing *b, const uint32_t k[16])
{
    struct words *m = &a->m, *n = &b->m;
    four_rounds(&a->v, m->w0, k);
    four_rounds(&b->v, n->w0, k);
    m->w0 = next_words(m->w0, m->w1, m->w2, m->w3);
    n->w0 = next_words(n->w0, n->w1, n->w2, n->w3);
    four_rounds(&a->v, m->w1, k + 4);
    four_rounds(&b->v, n->w1, k + 4);
    m->w1 = next_words(m->w1, m->w2, m->w3, m->w0);
    n->w1 = next_words(n->w1, n->w2, n->w3, n->w0);
    four_rounds(&a->v, m->w2, k + 8);
    four_rounds(&b->v, n->w2, k + 8);
    m->w2 = next_words(m->w2, m->w3, m->w0, m->w1);
    n->w2 = next_words(n->w2, n->w3, n->w0, n->w1);
    four_rounds(&a->v, m->w3, k + 12);
    four_rounds(&b->v, n->w3, k + 12);
    m->w3 = next_words(m->w3, m->w0, m->w1, m->w2);
    n->w3 = next_words(n->w3, n->w0, n->w1, n->w2);
}

/* No loop: at -O2 gcc would keep it, and move words from register to register at its end. */
INLINE_WITH_SHA void two_blocks(struct hashing *a, const uint8_t *block_a, struct hashing *b,
                                const uint8_t *block_b)
{
    const struct working before_a = a->v, before_b = b->v;
    load_block(&a->m, block_a);
    load_block(&b->m, block_b);
    rounds_and_words_of_two(a, b, round_constants);
    rounds_and_words_of_two(a, b, round_constants + 16);
    rounds_and_words_of_two(a, b, round_constants + 32);
    sixteen_rounds_of_two(a, b, round_constants + 48);
    add_working(&a->v, &before_a);
    add_working(&b->v, &before_b);
}

INLINE_WITH_SHA struct working load_state(const uint32_t h[8])
{
    const __m128i *words = (const __m128i *)(const void *)h;
    __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
    __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
    return (struct working){_mm_alignr_epi8(badc, hgfe, 8), _mm_blend_epi16(hgfe, badc, 0xf0)};
}

INLINE_WITH_SHA void store_state(uint32_t h[8], struct working v)
{
    __m128i *words = (__m128i *)(void *)h;
    __m128i feba = _mm_shuffle_epi32(v.abef, 0x1b), dchg = _mm_shuffle_epi32(v.cdgh, 0xb1);
    _mm_storeu_si128(words, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128(words + 1, _mm_alignr_epi8(dchg, feba, 8));
}

WITH_SHA void sha256_x86_compress(uint32_t h[8], const uint8_t *blocks, size_t count)
{
    struct working v = load_state(h);
    for (; count > 0; count--, blocks += 64)
        one_block(&v, blocks);
    store_state(h, v);
}

WITH_SHA void sha256_x86_compress_two(uint32_t h_a[8], const uint8_t *blocks_a, uint32_t h_b[8],
                                      const uint8_t *blocks_b, size_t count)
{
    struct hashing a = {.v = load_state(h_a)}, b = {.v = load_state(h_b)};
    for (; count > 0; count--, blocks_a += 64, blocks_b += 64)
        two_blocks(&a, blocks_a, &b, blocks_b);
    store_state(h_a, a.v);
    store_state(h_b, b.v);
}

#else
typedef int sha256_x86_is_for_x86_64;
#endif
