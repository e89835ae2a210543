/*
 * sha256_avx2.c - SHA-256's compression by AVX2 and BMI2.
 *
 * The rounds are a chain that only plain registers can follow, with BMI2's rotations into another register.
 * The message schedule of FIPS 180-4 §6.2.2 is not: it is made four words at a time for two blocks at once,
 * one in each half of a vector, while the rounds of the first block run (S. Gulley, V. Gopal: "Fast SHA-256
 * Implementations on Intel Architecture Processors", 2012, describes the schedule in vectors).
 */
#include "sha256_avx2.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#include "adit.h"

#define WITH_AVX2        __attribute__((target("avx2,bmi2")))
#define INLINE_WITH_AVX2 static inline __attribute__((target("avx2,bmi2"), always_inline))

enum { GROUP = 8, GROUPS = 16 }; /* four words of either block, plus their constants; all 64 words of both */

/* FIPS 180-4 §4.2.2. */
static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

/* The schedule's last 16 words of both blocks, the oldest first. */
struct words {
    __m256i w0, w1, w2, w3;
};

INLINE_WITH_AVX2 __m256i load_words(const uint8_t *first, const uint8_t *second)
{
    const __m256i big_endian =
        _mm256_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203, 0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)first);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)second);
    return _mm256_shuffle_epi8(_mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), big_endian);
}

INLINE_WITH_AVX2 __m256i small_sigma0(__m256i x)
{
    __m256i r7 = _mm256_xor_si256(_mm256_srli_epi32(x, 7), _mm256_slli_epi32(x, 25));
    __m256i r18 = _mm256_xor_si256(_mm256_srli_epi32(x, 18), _mm256_slli_epi32(x, 14));
    return _mm256_xor_si256(_mm256_xor_si256(r7, r18), _mm256_srli_epi32(x, 3));
}

/* Of words that stand twice in their 64 bits, where a shift is a rotation: the result is in the lower ones.
 */
INLINE_WITH_AVX2 __m256i small_sigma1(__m256i twice)
{
    __m256i r17 = _mm256_srli_epi64(twice, 17), r19 = _mm256_srli_epi64(twice, 19);
    return _mm256_xor_si256(_mm256_xor_si256(r17, r19), _mm256_srli_epi32(twice, 10));
}

/* The four words that follow these sixteen. The last two of them need the first two. */
INLINE_WITH_AVX2 __m256i next_words(__m256i w0, __m256i w1, __m256i w2, __m256i w3)
{
    const __m256i to_first = _mm256_set_epi64x(-1, 0x0b0a090803020100, -1, 0x0b0a090803020100);
    const __m256i to_last = _mm256_set_epi64x(0x0b0a090803020100, -1, 0x0b0a090803020100, -1);
    __m256i sum = _mm256_add_epi32(_mm256_add_epi32(w0, _mm256_alignr_epi8(w3, w2, 4)),
                                   small_sigma0(_mm256_alignr_epi8(w1, w0, 4)));
    __m256i s1 = small_sigma1(_mm256_shuffle_epi32(w3, 0xfa));
    sum = _mm256_add_epi32(sum, _mm256_shuffle_epi8(s1, to_first));
    s1 = small_sigma1(_mm256_shuffle_epi32(sum, 0x50));
    return _mm256_add_epi32(sum, _mm256_shuffle_epi8(s1, to_last));
}

INLINE_WITH_AVX2 void put_words(uint32_t wk[GROUP], __m256i w, const uint32_t k[4])
{
    __m128i constants = _mm_loadu_si128((const __m128i *)(const void *)k);
    _mm256_storeu_si256((__m256i *)(void *)wk, _mm256_add_epi32(w, _mm256_broadcastsi128_si256(constants)));
}

INLINE_WITH_AVX2 uint32_t ror(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* What stands before it is not mixed with what comes after: the compiler would put the sums in an order in
 * which the last thing to be ready is not the last to be added. */
#define IN_THIS_ORDER(x) __asm__("" : "+r"(x))

/* FIPS 180-4 §6.2.2 step 3; instead of moving all eight variables on, the caller names them anew. `bc` is b ^
 * c on the way in: maj(a, b, c) is b, but where both a and c differ from it. */
#define ROUND(a, b, c, d, e, f, g, h, word)         \
    do {                                            \
        uint32_t ab = (a) ^ (b);                    \
        (h) += (word);                              \
        (h) += (((f) ^ (g)) & (e)) ^ (g);           \
        IN_THIS_ORDER(h);                           \
        (h) += ror(e, 6) ^ ror(e, 11) ^ ror(e, 25); \
        IN_THIS_ORDER(h);                           \
        (d) += (h);                                 \
        (h) += (bc & ab) ^ (b);                     \
        IN_THIS_ORDER(h);                           \
        (h) += ror(a, 2) ^ ror(a, 13) ^ ror(a, 22); \
        bc = ab;                                    \
    } while (0)

struct working {
    uint32_t a, b, c, d, e, f, g, h;
};

/* wk: the block's half of a group. Two calls bring the names back to where they were. */
INLINE_WITH_AVX2 void four_rounds(struct working *v, uint32_t *carried, const uint32_t *wk)
{
    struct working n = *v;
    uint32_t bc = *carried;
    ROUND(n.a, n.b, n.c, n.d, n.e, n.f, n.g, n.h, wk[0]);
    ROUND(n.h, n.a, n.b, n.c, n.d, n.e, n.f, n.g, wk[1]);
    ROUND(n.g, n.h, n.a, n.b, n.c, n.d, n.e, n.f, wk[2]);
    ROUND(n.f, n.g, n.h, n.a, n.b, n.c, n.d, n.e, wk[3]);
    *carried = bc;
    *v = (struct working){n.e, n.f, n.g, n.h, n.a, n.b, n.c, n.d};
}

INLINE_WITH_AVX2 void load_state(struct working *v, const uint32_t h[8])
{
    *v = (struct working){h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]};
}

INLINE_WITH_AVX2 void add_state(uint32_t h[8], const struct working *v)
{
    h[0] += v->a;
    h[1] += v->b;
    h[2] += v->c;
    h[3] += v->d;
    h[4] += v->e;
    h[5] += v->f;
    h[6] += v->g;
    h[7] += v->h;
}

/* The first block's rounds, and both blocks' schedule into wk. */
WITH_AVX2 static void first_block(uint32_t h[8], uint32_t *wk, const uint8_t *first, const uint8_t *second)
{
    struct words m = {load_words(first, second), load_words(first + 16, second + 16),
                      load_words(first + 32, second + 32), load_words(first + 48, second + 48)};
    struct working v;
    const uint32_t *k = round_constants;
    load_state(&v, h);
    uint32_t bc = v.b ^ v.c;
    put_words(wk, m.w0, k);
    put_words(wk + GROUP, m.w1, k + 4);
    put_words(wk + 2 * GROUP, m.w2, k + 8);
    put_words(wk + 3 * GROUP, m.w3, k + 12);
    for (size_t i = 0; i < 3; i++) {
        uint32_t *next = wk + 4 * GROUP;
        k += 16;
        m.w0 = next_words(m.w0, m.w1, m.w2, m.w3);
        put_words(next, m.w0, k);
        four_rounds(&v, &bc, wk);
        m.w1 = next_words(m.w1, m.w2, m.w3, m.w0);
        put_words(next + GROUP, m.w1, k + 4);
        four_rounds(&v, &bc, wk + GROUP);
        m.w2 = next_words(m.w2, m.w3, m.w0, m.w1);
        put_words(next + 2 * GROUP, m.w2, k + 8);
        four_rounds(&v, &bc, wk + 2 * GROUP);
        m.w3 = next_words(m.w3, m.w0, m.w1, m.w2);
        put_words(next + 3 * GROUP, m.w3, k + 12);
        four_rounds(&v, &bc, wk + 3 * GROUP);
        wk = next;
    }
    four_rounds(&v, &bc, wk);
    four_rounds(&v, &bc, wk + GROUP);
    four_rounds(&v, &bc, wk + 2 * GROUP);
    four_rounds(&v, &bc, wk + 3 * GROUP);
    add_state(h, &v);
}

/* The second block's rounds: its words stand four behind the first's. */
WITH_AVX2 static void second_block(uint32_t h[8], const uint32_t *wk)
{
    struct working v;
    load_state(&v, h);
    uint32_t bc = v.b ^ v.c;
    for (size_t i = 0; i < GROUPS * GROUP; i += 2 * GROUP) {
        four_rounds(&v, &bc, wk + i + 4);
        four_rounds(&v, &bc, wk + i + GROUP + 4);
    }
    add_state(h, &v);
}

WITH_AVX2 void sha256_avx2_compress(uint32_t h[8], const uint8_t *blocks, size_t count)
{
    uint32_t wk[GROUPS * GROUP];
    for (; count >= 2; count -= 2, blocks += 128) {
        first_block(h, wk, blocks, blocks + 64);
        second_block(h, wk);
    }
    if (count > 0)
        first_block(h, wk, blocks, blocks); /* the other half is made and not used */
    adit_wipe(wk, sizeof wk);               /* the blocks may be a key's */
}

#else
typedef int sha256_avx2_is_for_x86_64;
#endif
