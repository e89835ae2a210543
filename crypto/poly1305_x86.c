/*
 * poly1305_x86.c - the polynomial in r over the integers mod p = 2^130 - 5, in three ways that share one
 * state.
 *
 * The state is h in limbs of 44, 44 and 42 bits. A long message's beginning is taken in lanes: lane i of k
 * sums the blocks i, k + i, 2k + i, ..., each step a product with r^k; at the end lane i is multiplied by
 * r^(k - i) and the lanes' sum is the new h (Goll and Gueron, "Vectorization of Poly1305 message
 * authentication code", 2015). Reductions are partial throughout: a limb may be a little too long, and the
 * bounds stand beside the code.
 */
#include "poly1305_x86.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#include "adit.h"
#include "cpu.h"

#define AVX2   __attribute__((target("avx2")))
#define IFMA   __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")))
#define INLINE static inline __attribute__((always_inline))

__extension__ typedef unsigned __int128 uint128;

enum { BLOCK = 16, LANES_AVX2 = 4, LANES_IFMA = 8 };
/* Below these lengths the powers of r cost more than the lanes save. */
enum { AVX2_MIN = 320, AVX2_PAIRS_MIN = 2048, IFMA_MIN = 384 };

static const uint64_t mask44 = ((uint64_t)1 << 44) - 1, mask42 = ((uint64_t)1 << 42) - 1;

/* A number mod p, weights 1, 2^44, 2^88. Reduced in part: below 2^44, 2^44 + 2^9, 2^42. */
struct limbs {
    uint64_t at[3];
};

/* r^1, r^2, ...: only the first four for a short message by AVX2. */
struct powers {
    struct limbs of[LANES_IFMA];
};

static uint64_t load64_le(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* 128 bits and one more above them, bit 128 of a whole block. */
static struct limbs limbs_of(uint64_t low, uint64_t high, uint64_t top)
{
    return (struct limbs){{low & mask44, (low >> 44 | high << 20) & mask44, high >> 24 | top << 40}};
}

/* Carries once around; 2^130 is 5. Limbs may be as long as products make them: d0 and d1 below 2^97, d2 below
 * 2^92, so that its carry comes back as less than 2^53. */
static struct limbs reduced(uint128 d0, uint128 d1, uint128 d2)
{
    struct limbs h;

    d1 += d0 >> 44;
    d2 += d1 >> 44;
    h.at[0] = ((uint64_t)d0 & mask44) + (uint64_t)(d2 >> 42) * 5;
    h.at[1] = ((uint64_t)d1 & mask44) + (h.at[0] >> 44);
    h.at[0] &= mask44;
    h.at[2] = (uint64_t)d2 & mask42;
    return h;
}

/* 2^132 is 20: what passes the third limb comes back so. Limbs of a below 2^46, of b reduced: each product is
 * below 2^46 * 2^44.1 * 20 < 2^95, their sums below 2^97. */
static struct limbs product(const struct limbs *a, const struct limbs *b)
{
    const uint64_t b0 = b->at[0], b1 = b->at[1], b2 = b->at[2], back1 = 20 * b1, back2 = 20 * b2;
    const uint128 a0 = a->at[0], a1 = a->at[1], a2 = a->at[2];

    return reduced(a0 * b0 + a1 * back2 + a2 * back1, a0 * b1 + a1 * b0 + a2 * back2,
                   a0 * b2 + a1 * b1 + a2 * b0);
}

static void add(struct limbs *a, struct limbs b)
{
    a->at[0] += b.at[0];
    a->at[1] += b.at[1];
    a->at[2] += b.at[2];
}

/* r^2 .. r^n, n 4 or 8: a level's products do not wait for each other. */
static void powers_set(struct powers *p, const struct limbs *r, size_t n)
{
    p->of[0] = *r;
    for (size_t have = 1; have < n; have *= 2)
        for (size_t i = 0; i < have; i++)
            p->of[have + i] = product(&p->of[i], &p->of[have - 1]);
}

/* ---- One block after the other ------------------------------------------------------------------------------- */

static void scalar_block(struct limbs *h, const struct limbs *r, const uint8_t block[BLOCK], uint64_t top)
{
    add(h, limbs_of(load64_le(block), load64_le(block + 8), top));
    *h = product(h, r);
}

/* The rest of a message. RFC 8439 §2.5: a 1 is appended to each block, whole or not. */
static void scalar_rest(struct limbs *h, const struct limbs *r, const uint8_t *m, size_t n)
{
    uint8_t last[BLOCK] = {0};

    for (; n >= BLOCK; m += BLOCK, n -= BLOCK)
        scalar_block(h, r, m, 1);
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        last[i] = m[i];
    last[n] = 1;
    scalar_block(h, r, last, 0);
}

/* h mod p, plus the key's second half, mod 2^128. One more carry makes every limb exact and h less than
 * 2^130: h is below 2^130 + 2^53, so that when the carry comes back the upper limbs are 0 and take it. */
static void finish(struct limbs h, const uint8_t pad[16], uint8_t tag[16])
{
    uint64_t g0, g1, g2, keep;

    h = reduced(h.at[0], h.at[1], h.at[2]);
    g0 = h.at[0] + 5;
    g1 = h.at[1] + (g0 >> 44);
    g2 = h.at[2] + (g1 >> 44);
    keep = (g2 >> 42) - 1; /* all ones when h + 5 < 2^130, that is h < p */
    h.at[0] = (h.at[0] & keep) | (g0 & mask44 & ~keep);
    h.at[1] = (h.at[1] & keep) | (g1 & mask44 & ~keep);
    h.at[2] = (h.at[2] & keep) | (g2 & mask42 & ~keep);
    uint128 sum = (uint128)(h.at[0] | h.at[1] << 44) + load64_le(pad);
    uint64_t low = (uint64_t)sum;
    uint64_t high = (uint64_t)(sum >> 64) + (h.at[1] >> 20 | h.at[2] << 24) + load64_le(pad + 8);
    memcpy(tag, &low, sizeof low);
    memcpy(tag + 8, &high, sizeof high);
}

/* ---- AVX2: four lanes, five limbs of 26 bits ------------------------------------------------------------------- */

/* Lane i's multiplier of limb j, and 5 times that for what passes 2^130. In 32 bits: limbs are below
 * 2^26 + 2^10. */
struct factor_256 {
    __m256i limb[5], five[5];
};

/* The value of a is below 2^130 + 2^98 (reduced()): the last limb is below 2^26 + 1. */
static void limbs_to_26(uint32_t out[5], const struct limbs *a)
{
    const uint64_t middle = a->at[1] + (a->at[0] >> 44), a0 = a->at[0] & mask44;
    const uint64_t a1 = middle & mask44, a2 = a->at[2] + (middle >> 44), mask26 = 0x3ffffff;

    out[0] = (uint32_t)(a0 & mask26);
    out[1] = (uint32_t)((a0 >> 26 | a1 << 18) & mask26);
    out[2] = (uint32_t)(a1 >> 8 & mask26);
    out[3] = (uint32_t)((a1 >> 34 | a2 << 10) & mask26);
    out[4] = (uint32_t)(a2 >> 16);
}

/* Sums of lanes in limbs of 26 bits, each below 2^32. */
static struct limbs limbs_from_26(const uint64_t a[5])
{
    return reduced((uint128)a[0] + ((uint128)a[1] << 26), ((uint128)a[2] << 8) + ((uint128)a[3] << 34),
                   (uint128)a[4] << 16);
}

AVX2 INLINE __m256i times_five(__m256i v)
{
    return _mm256_add_epi64(v, _mm256_slli_epi64(v, 2));
}

AVX2 static void factor_256_all(struct factor_256 *f, const struct limbs *power)
{
    uint32_t limb[5];

    limbs_to_26(limb, power);
    for (size_t j = 0; j < 5; j++) {
        f->limb[j] = _mm256_set1_epi64x(limb[j]);
        f->five[j] = times_five(f->limb[j]);
    }
    adit_wipe(limb, sizeof limb);
}

/* r^4 for lane 0 to r for lane 3. The lanes stand in the order that unpacking gives: 0, 2, 1, 3. */
AVX2 static void factor_256_each(struct factor_256 *f, const struct powers *p)
{
    uint32_t limb[LANES_AVX2][5];

    for (size_t i = 0; i < LANES_AVX2; i++)
        limbs_to_26(limb[i], &p->of[i]);
    for (size_t j = 0; j < 5; j++) {
        f->limb[j] = _mm256_set_epi64x(limb[0][j], limb[2][j], limb[1][j], limb[3][j]);
        f->five[j] = times_five(f->limb[j]);
    }
    adit_wipe(limb, sizeof limb);
}

AVX2 INLINE void load_256(__m256i m[5], const uint8_t *p)
{
    const __m256i mask = _mm256_set1_epi64x(0x3ffffff), top = _mm256_set1_epi64x(1 << 24);
    __m256i a = _mm256_loadu_si256((const void *)p), b = _mm256_loadu_si256((const void *)(p + 32));
    __m256i low = _mm256_unpacklo_epi64(a, b), high = _mm256_unpackhi_epi64(a, b);
    __m256i middle = _mm256_or_si256(_mm256_srli_epi64(low, 52), _mm256_slli_epi64(high, 12));

    m[0] = _mm256_and_si256(low, mask);
    m[1] = _mm256_and_si256(_mm256_srli_epi64(low, 26), mask);
    m[2] = _mm256_and_si256(middle, mask);
    m[3] = _mm256_and_si256(_mm256_srli_epi64(high, 14), mask);
    m[4] = _mm256_or_si256(_mm256_srli_epi64(high, 40), top);
}

#define MUL_256(a, b) _mm256_mul_epu32(a, b)
#define SUM_256(v, w, x, y, z) \
    _mm256_add_epi64(_mm256_add_epi64(_mm256_add_epi64(v, w), _mm256_add_epi64(x, y)), z)

/* d = h f, not reduced. Limbs of h below 2^28, of f below 2^26.1, five times that below 2^28.5: d < 2^59. */
AVX2 INLINE void multiply_256(__m256i d[5], const __m256i h[5], const struct factor_256 *f)
{
    const __m256i *r = f->limb, *s = f->five;

    d[0] = SUM_256(MUL_256(h[0], r[0]), MUL_256(h[1], s[4]), MUL_256(h[2], s[3]), MUL_256(h[3], s[2]),
                   MUL_256(h[4], s[1]));
    d[1] = SUM_256(MUL_256(h[0], r[1]), MUL_256(h[1], r[0]), MUL_256(h[2], s[4]), MUL_256(h[3], s[3]),
                   MUL_256(h[4], s[2]));
    d[2] = SUM_256(MUL_256(h[0], r[2]), MUL_256(h[1], r[1]), MUL_256(h[2], r[0]), MUL_256(h[3], s[4]),
                   MUL_256(h[4], s[3]));
    d[3] = SUM_256(MUL_256(h[0], r[3]), MUL_256(h[1], r[2]), MUL_256(h[2], r[1]), MUL_256(h[3], r[0]),
                   MUL_256(h[4], s[4]));
    d[4] = SUM_256(MUL_256(h[0], r[4]), MUL_256(h[1], r[3]), MUL_256(h[2], r[2]), MUL_256(h[3], r[1]),
                   MUL_256(h[4], r[0]));
}

AVX2 INLINE void carry_256(__m256i *from, __m256i *to)
{
    *to = _mm256_add_epi64(*to, _mm256_srli_epi64(*from, 26));
    *from = _mm256_and_si256(*from, _mm256_set1_epi64x(0x3ffffff));
}

/* Two chains of carries side by side. Limbs end below 2^26 + 2^10: the carry from d[4], below 2^34, comes
 * back five times, and what leaves d[0] after that is below 2^11. */
AVX2 INLINE void reduce_256(__m256i d[5])
{
    __m256i back;

    carry_256(&d[0], &d[1]);
    carry_256(&d[3], &d[4]);
    carry_256(&d[1], &d[2]);
    back = _mm256_srli_epi64(d[4], 26);
    d[4] = _mm256_and_si256(d[4], _mm256_set1_epi64x(0x3ffffff));
    d[0] = _mm256_add_epi64(d[0], times_five(back));
    carry_256(&d[2], &d[3]);
    carry_256(&d[0], &d[1]);
    carry_256(&d[3], &d[4]);
}

/* h = the sum of the lanes. */
AVX2 static void lanes_sum_256(struct limbs *h, const __m256i d[5])
{
    uint64_t lane[LANES_AVX2], sum[5];

    for (size_t j = 0; j < 5; j++) {
        _mm256_storeu_si256((void *)lane, d[j]);
        sum[j] = lane[0] + lane[1] + lane[2] + lane[3];
    }
    *h = limbs_from_26(sum);
    adit_wipe(lane, sizeof lane);
    adit_wipe(sum, sizeof sum);
}

/* a += b. Written out, as all that is done to five limbs: in registers only so. */
AVX2 INLINE void add_256(__m256i a[5], const __m256i b[5])
{
    a[0] = _mm256_add_epi64(a[0], b[0]);
    a[1] = _mm256_add_epi64(a[1], b[1]);
    a[2] = _mm256_add_epi64(a[2], b[2]);
    a[3] = _mm256_add_epi64(a[3], b[3]);
    a[4] = _mm256_add_epi64(a[4], b[4]);
}

AVX2 INLINE void move_256(__m256i to[5], const __m256i from[5])
{
    to[0] = from[0];
    to[1] = from[1];
    to[2] = from[2];
    to[3] = from[3];
    to[4] = from[4];
}

/* h = h r^4 + the next four blocks. */
AVX2 INLINE void step_256(__m256i h[5], const struct factor_256 *r4, const uint8_t *m)
{
    __m256i d[5], next[5];

    load_256(next, m);
    multiply_256(d, h, r4);
    reduce_256(d);
    add_256(d, next);
    move_256(h, d);
}

/* Two such steps, h r^8 + (the next four) r^4 + the four behind: one reduction for both. The sum of two
 * products is below 2^60. */
AVX2 INLINE void pair_256(__m256i h[5], const struct factor_256 *r8, const struct factor_256 *r4,
                          const uint8_t *m)
{
    __m256i d[5], e[5], next[5];

    multiply_256(d, h, r8);
    load_256(next, m);
    multiply_256(e, next, r4);
    add_256(d, e);
    reduce_256(d);
    load_256(next, m + LANES_AVX2 * BLOCK);
    add_256(d, next);
    move_256(h, d);
}

/* A message's beginning: as many whole rounds of four blocks as there are, one at least; returns how many
 * bytes that was. */
AVX2 static size_t blocks_256(struct limbs *h_out, const struct limbs *r, const uint8_t *m, size_t n)
{
    const size_t step = LANES_AVX2 * BLOCK;
    struct powers p;
    struct factor_256 f;
    __m256i h[5], d[5];
    size_t at = step;

    powers_set(&p, r, n >= AVX2_PAIRS_MIN ? 2 * LANES_AVX2 : LANES_AVX2);
    load_256(h, m);
    factor_256_all(&f, &p.of[LANES_AVX2 - 1]);
    if (n >= AVX2_PAIRS_MIN) {
        struct factor_256 r8;
        factor_256_all(&r8, &p.of[2 * LANES_AVX2 - 1]);
        for (; n - at >= 2 * step; at += 2 * step)
            pair_256(h, &r8, &f, m + at);
        adit_wipe(&r8, sizeof r8);
    }
    for (; n - at >= step; at += step)
        step_256(h, &f, m + at);
    factor_256_each(&f, &p);
    multiply_256(d, h, &f);
    reduce_256(d);
    lanes_sum_256(h_out, d);
    adit_wipe(&p, sizeof p);
    adit_wipe(&f, sizeof f);
    return at;
}

/* ---- AVX-512 IFMA: eight lanes, the limbs of the state --------------------------------------------------------- */

/* Lane i's multiplier, and 20 times its upper limbs for what passes 2^132: below 2^48.4, of 52 bits. */
struct factor_512 {
    __m512i limb[3], back[3];
};

IFMA INLINE void factor_512_set(struct factor_512 *f, size_t j, __m512i limb)
{
    f->limb[j] = limb;
    f->back[j] = _mm512_add_epi64(_mm512_slli_epi64(limb, 4), _mm512_slli_epi64(limb, 2));
}

IFMA static void factor_512_all(struct factor_512 *f, const struct limbs *power)
{
    for (size_t j = 0; j < 3; j++)
        factor_512_set(f, j, _mm512_set1_epi64((long long)power->at[j]));
}

/* r^8 for lane 0 to r for lane 7. The lanes stand in the order that unpacking gives: 0, 4, 1, 5, 2, 6, 3, 7.
 */
IFMA static void factor_512_each(struct factor_512 *f, const struct powers *p)
{
    const struct limbs *of = p->of;

    for (size_t j = 0; j < 3; j++)
        factor_512_set(f, j,
                       _mm512_set_epi64((long long)of[0].at[j], (long long)of[4].at[j],
                                        (long long)of[1].at[j], (long long)of[5].at[j],
                                        (long long)of[2].at[j], (long long)of[6].at[j],
                                        (long long)of[3].at[j], (long long)of[7].at[j]));
}

IFMA INLINE void load_512(__m512i m[3], const uint8_t *p)
{
    const __m512i mask = _mm512_set1_epi64((long long)mask44), top = _mm512_set1_epi64((long long)1 << 40);
    __m512i a = _mm512_loadu_si512(p), b = _mm512_loadu_si512(p + 64);
    __m512i low = _mm512_unpacklo_epi64(a, b), high = _mm512_unpackhi_epi64(a, b);
    __m512i middle = _mm512_or_si512(_mm512_srli_epi64(low, 44), _mm512_slli_epi64(high, 20));

    m[0] = _mm512_and_si512(low, mask);
    m[1] = _mm512_and_si512(middle, mask);
    m[2] = _mm512_or_si512(_mm512_srli_epi64(high, 24), top);
}

/* The sums of the lower and of the upper 52 bits of three products. */
IFMA INLINE void dot_512(__m512i *low, __m512i *high, const __m512i h[3], __m512i f0, __m512i f1, __m512i f2)
{
    const __m512i zero = _mm512_setzero_si512();

    *low = _mm512_madd52lo_epu64(zero, h[0], f0);
    *high = _mm512_madd52hi_epu64(zero, h[0], f0);
    *low = _mm512_madd52lo_epu64(*low, h[1], f1);
    *high = _mm512_madd52hi_epu64(*high, h[1], f1);
    *low = _mm512_madd52lo_epu64(*low, h[2], f2);
    *high = _mm512_madd52hi_epu64(*high, h[2], f2);
}

/* h = h f. Limbs of h below 2^46, of f below 2^48.4: low sums are below 2^53.6, high ones (weight 2^52, so
 * they go 8 bits higher into the next limb of 44, 10 into that after 42) below 2^44.1. Limbs end as reduced()
 * says. */
IFMA INLINE void multiply_512(__m512i h[3], const struct factor_512 *f)
{
    const __m512i m44 = _mm512_set1_epi64((long long)mask44), m42 = _mm512_set1_epi64((long long)mask42);
    __m512i d0, d1, d2, e0, e1, e2, carry;

    dot_512(&d0, &e0, h, f->limb[0], f->back[2], f->back[1]);
    dot_512(&d1, &e1, h, f->limb[1], f->limb[0], f->back[2]);
    dot_512(&d2, &e2, h, f->limb[2], f->limb[1], f->limb[0]);
    d1 = _mm512_add_epi64(d1, _mm512_add_epi64(_mm512_slli_epi64(e0, 8), _mm512_srli_epi64(d0, 44)));
    d2 = _mm512_add_epi64(d2, _mm512_add_epi64(_mm512_slli_epi64(e1, 8), _mm512_srli_epi64(d1, 44)));
    carry = _mm512_add_epi64(_mm512_slli_epi64(e2, 10), _mm512_srli_epi64(d2, 42));
    carry = _mm512_add_epi64(carry, _mm512_slli_epi64(carry, 2));
    d0 = _mm512_add_epi64(_mm512_and_si512(d0, m44), carry);
    h[0] = _mm512_and_si512(d0, m44);
    h[1] = _mm512_add_epi64(_mm512_and_si512(d1, m44), _mm512_srli_epi64(d0, 44));
    h[2] = _mm512_and_si512(d2, m42);
}

IFMA INLINE void step_512(__m512i h[3], const struct factor_512 *f, const uint8_t *m)
{
    __m512i next[3];

    load_512(next, m);
    multiply_512(h, f);
    h[0] = _mm512_add_epi64(h[0], next[0]);
    h[1] = _mm512_add_epi64(h[1], next[1]);
    h[2] = _mm512_add_epi64(h[2], next[2]);
}

/* As blocks_256, in rounds of eight. */
IFMA static size_t blocks_512(struct limbs *h_out, const struct limbs *r, const uint8_t *m, size_t n)
{
    const size_t step = LANES_IFMA * BLOCK;
    struct powers p;
    struct factor_512 f;
    __m512i h[3];
    size_t at = step;

    powers_set(&p, r, LANES_IFMA);
    load_512(h, m);
    factor_512_all(&f, &p.of[LANES_IFMA - 1]);
    for (; n - at >= step; at += step)
        step_512(h, &f, m + at);
    factor_512_each(&f, &p);
    multiply_512(h, &f);
    *h_out = reduced((uint64_t)_mm512_reduce_add_epi64(h[0]), (uint64_t)_mm512_reduce_add_epi64(h[1]),
                     (uint64_t)_mm512_reduce_add_epi64(h[2]));
    adit_wipe(&p, sizeof p);
    adit_wipe(&f, sizeof f);
    return at;
}

/* ---- The door ---------------------------------------------------------------------------------------------------- */

void poly1305_x86_tag(uint8_t tag[16], const uint8_t *message, size_t n, const uint8_t key[32])
{
    const uint64_t low = load64_le(key) & 0x0ffffffc0fffffff, high = load64_le(key + 8) & 0x0ffffffc0ffffffc;
    struct limbs r = limbs_of(low, high, 0), h = {{0, 0, 0}}; /* RFC 8439 §2.5: r is clamped */
    size_t done = 0;

    if (cpu()->has_ifma && n >= IFMA_MIN)
        done = blocks_512(&h, &r, message, n);
    else if (cpu()->has_avx2 && n >= AVX2_MIN)
        done = blocks_256(&h, &r, message, n);
    scalar_rest(&h, &r, message + done, n - done);
    finish(h, key + 16, tag);
    adit_wipe(&r, sizeof r);
    adit_wipe(&h, sizeof h);
}
#endif
