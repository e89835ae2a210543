/*
 * sntrup761_poly.c - R/3 in two bits a coefficient, 64 coefficients a word; R/q in 16-bit lanes, in plain
 * loops of whole vectors that compilers turn into vector code on their own.
 *
 * Both inversions are the constant-time divsteps of Bernstein and Yang, "Fast constant-time gcd computation
 * and modular inversion" (2019), §3 and §6.
 */
#include "sntrup761_poly.h"

#include <string.h>

enum { Q12 = (SNTRUP_Q - 1) / 2, DIVSTEPS = 2 * SNTRUP_P - 1 };

/* The compiler may not see that a mask has two values only: it would make a branch of it. */
static inline uint32_t mask_hide(uint32_t mask)
{
    __asm__("" : "+r"(mask));
    return mask;
}

/* All ones when x is negative, else 0. */
static inline uint32_t mask_negative(int32_t x)
{
    return mask_hide(0u - ((uint32_t)x >> 31));
}

/* ---- sampling --------------------------------------------------------------------------------- */

static void words_random(uint32_t words[SNTRUP_P], struct drbg *random)
{
    drbg_bytes(random, words, SNTRUP_P * sizeof(words[0]));
    for (size_t i = 0; i < SNTRUP_P; i++) { /* little endian, so that a seed means the same everywhere */
        uint8_t b[4];
        memcpy(b, &words[i], sizeof(b));
        words[i] = b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
        adit_wipe(b, sizeof(b));
    }
}

void sntrup_small_random(int8_t out[SNTRUP_P], struct drbg *random)
{
    uint32_t words[SNTRUP_P];
    words_random(words, random);
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = (int8_t)((((words[i] & 0x3fffffff) * 3) >> 30) - 1);
    adit_wipe(words, sizeof(words));
}

static inline void sort_two(uint32_t *low, uint32_t *high)
{
    uint32_t is_wrong = mask_hide((uint32_t)(((uint64_t)*high - *low) >> 32));
    uint32_t change = (*low ^ *high) & is_wrong;
    *low ^= change;
    *high ^= change;
}

/* Batcher's merge exchange (Knuth, The Art of Computer Programming 3, §5.2.2, algorithm M): which pairs it
 * compares does not depend on what they hold. */
static void words_sort(uint32_t words[SNTRUP_P])
{
    enum { TOP = 512 }; /* the largest power of two below SNTRUP_P */
    for (size_t p = TOP; p > 0; p /= 2) {
        for (size_t i = 0; i < SNTRUP_P - p; i++)
            if ((i & p) == 0)
                sort_two(&words[i], &words[i + p]);
        for (size_t q = TOP; q > p; q /= 2)
            for (size_t i = 0; i < SNTRUP_P - q; i++)
                if ((i & p) == 0)
                    sort_two(&words[i + p], &words[i + q]);
    }
}

/* The low two bits, which come along unseen as random words are sorted: SNTRUP_W times 0 or 2 for -1 or 1,
 * else 1 for 0. */
void sntrup_short_random(int8_t out[SNTRUP_P], struct drbg *random)
{
    uint32_t words[SNTRUP_P];
    words_random(words, random);
    for (size_t i = 0; i < SNTRUP_P; i++)
        words[i] = i < SNTRUP_W ? words[i] & ~1u : (words[i] & ~3u) | 1u;
    words_sort(words);
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = (int8_t)((int32_t)(words[i] & 3) - 1);
    adit_wipe(words, sizeof(words));
}

uint32_t sntrup_is_short(const int8_t a[SNTRUP_P])
{
    int32_t weight = 0;
    for (size_t i = 0; i < SNTRUP_P; i++)
        weight += a[i] & 1;
    return ~(mask_negative(weight - SNTRUP_W) | mask_negative(SNTRUP_W - weight));
}

/* ---- R/3: bit i of plus and minus says that coefficient i is 1 or -1 ------------------------------ */

enum { TRIT_WORDS = SNTRUP_ROOM / 64 };

struct trits {
    uint64_t plus[TRIT_WORDS], minus[TRIT_WORDS];
};

/* One coefficient as two masks. */
struct trit {
    uint64_t plus, minus;
};

static inline struct trit trit_of(uint64_t plus_bit, uint64_t minus_bit)
{
    struct trit t = {0 - (plus_bit & 1), 0 - (minus_bit & 1)};
    __asm__("" : "+r"(t.plus), "+r"(t.minus));
    return t;
}

static inline struct trit trit_first(const struct trits *a)
{
    return trit_of(a->plus[0], a->minus[0]);
}

static inline struct trit trit_multiply(struct trit a, struct trit b)
{
    return (struct trit){(a.plus & b.plus) | (a.minus & b.minus), (a.plus & b.minus) | (a.minus & b.plus)};
}

/* A coefficient as the bits 01 for 1 and 11 for -1 of its byte. */
static inline struct trit trit_of_small(int8_t c)
{
    unsigned bits = (unsigned)c;
    return trit_of(bits & ~(bits >> 1), bits >> 1);
}

static inline int8_t trits_at(const struct trits *a, size_t i)
{
    int plus = (int)(a->plus[i / 64] >> i % 64 & 1), minus = (int)(a->minus[i / 64] >> i % 64 & 1);
    return (int8_t)(plus - minus);
}

static inline void trits_put(struct trits *a, size_t i, int8_t c)
{
    struct trit t = trit_of_small(c);
    a->plus[i / 64] |= (t.plus & 1) << i % 64;
    a->minus[i / 64] |= (t.minus & 1) << i % 64;
}

/* a + (bp, bm), 64 coefficients at once, in seven operations. */
static inline void trits_add_word(uint64_t *ap, uint64_t *am, uint64_t bp, uint64_t bm)
{
    uint64_t t = (*ap | bm) ^ (*am | bp);
    uint64_t plus = (*am | bm) ^ t, minus = (*ap | bp) ^ t;
    *ap = plus;
    *am = minus;
}

/* a += factor * b */
static inline void trits_add_multiple(struct trits *a, struct trit factor, const struct trits *b)
{
    for (size_t i = 0; i < TRIT_WORDS; i++) {
        struct trit m = trit_multiply(factor, (struct trit){b->plus[i], b->minus[i]});
        trits_add_word(&a->plus[i], &a->minus[i], m.plus, m.minus);
    }
}

static inline void words_shift_up(uint64_t w[TRIT_WORDS])
{
    for (size_t i = TRIT_WORDS - 1; i > 0; i--)
        w[i] = w[i] << 1 | w[i - 1] >> 63;
    w[0] <<= 1;
}

static inline void words_shift_down(uint64_t w[TRIT_WORDS])
{
    for (size_t i = 0; i < TRIT_WORDS - 1; i++)
        w[i] = w[i] >> 1 | w[i + 1] << 63;
    w[TRIT_WORDS - 1] >>= 1;
}

static inline void words_swap(uint64_t a[TRIT_WORDS], uint64_t b[TRIT_WORDS], uint64_t mask)
{
    for (size_t i = 0; i < TRIT_WORDS; i++) {
        uint64_t change = (a[i] ^ b[i]) & mask;
        a[i] ^= change;
        b[i] ^= change;
    }
}

static inline void trits_swap(struct trits *a, struct trits *b, uint64_t mask)
{
    words_swap(a->plus, b->plus, mask);
    words_swap(a->minus, b->minus, mask);
}

/* x times v, or g without its first coefficient (which is 0) divided by x. */
static inline void trits_shift_up(struct trits *a)
{
    words_shift_up(a->plus);
    words_shift_up(a->minus);
}

static inline void trits_shift_down(struct trits *a)
{
    words_shift_down(a->plus);
    words_shift_down(a->minus);
}

/* The state of an inversion: f and g run from the modulus and a, both with their coefficients reversed, to a
 * constant and 0; v and r are the multiples of a that they are, up to powers of x. */
struct r3_steps {
    struct trits f, g, v, r;
    int32_t delta;
};

static void r3_step(struct r3_steps *s)
{
    trits_shift_up(&s->v);
    struct trit f0 = trit_first(&s->f), g0 = trit_first(&s->g);
    struct trit product = trit_multiply(f0, g0), factor = {product.minus, product.plus};
    /* Swap when delta > 0 and g0 is not 0. */
    uint32_t is_swap = mask_negative(-s->delta) & (uint32_t)(g0.plus | g0.minus);
    s->delta = (int32_t)(((uint32_t)s->delta ^ is_swap) - is_swap) + 1;
    uint64_t mask = (uint64_t)is_swap << 32 | is_swap;
    trits_swap(&s->f, &s->g, mask);
    trits_swap(&s->v, &s->r, mask);
    trits_add_multiple(&s->g, factor, &s->f);
    trits_add_multiple(&s->r, factor, &s->v);
    trits_shift_down(&s->g);
}

uint32_t sntrup_r3_invert(int8_t out[SNTRUP_P], const int8_t a[SNTRUP_P])
{
    struct r3_steps s = {.delta = 1};
    trits_put(&s.f, 0, 1); /* x^761 - x - 1, reversed */
    trits_put(&s.f, SNTRUP_P - 1, -1);
    trits_put(&s.f, SNTRUP_P, -1);
    for (size_t i = 0; i < SNTRUP_P; i++)
        trits_put(&s.g, SNTRUP_P - 1 - i, a[i]);
    trits_put(&s.r, 0, 1);
    for (size_t i = 0; i < DIVSTEPS; i++)
        r3_step(&s);
    int8_t sign = trits_at(&s.f, 0);
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = (int8_t)(sign * trits_at(&s.v, SNTRUP_P - 1 - i));
    uint32_t has_inverse = ~(mask_negative(s.delta) | mask_negative(-s.delta));
    adit_wipe(&s, sizeof(s));
    return has_inverse;
}

/* a *= x: x^761 = x + 1, so what leaves at the top comes in at 0 and 1. */
static inline void trits_times_x(struct trits *a)
{
    enum { TOP = SNTRUP_P % 64 };
    trits_shift_up(a);
    struct trit top = trit_of(a->plus[TRIT_WORDS - 1] >> TOP, a->minus[TRIT_WORDS - 1] >> TOP);
    a->plus[TRIT_WORDS - 1] &= ~((uint64_t)1 << TOP);
    a->minus[TRIT_WORDS - 1] &= ~((uint64_t)1 << TOP);
    trits_add_word(&a->plus[0], &a->minus[0], top.plus & 3, top.minus & 3);
}

void sntrup_r3_multiply(int8_t out[SNTRUP_P], const int8_t a[SNTRUP_P], const int8_t b[SNTRUP_P])
{
    struct trits factor = {{0}, {0}}, sum = {{0}, {0}};
    for (size_t i = 0; i < SNTRUP_P; i++)
        trits_put(&factor, i, b[i]);
    for (size_t i = SNTRUP_P; i-- > 0;) { /* Horner's rule */
        trits_times_x(&sum);
        trits_add_multiple(&sum, trit_of_small(a[i]), &factor);
    }
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = trits_at(&sum, i);
    adit_wipe(&factor, sizeof(factor));
    adit_wipe(&sum, sizeof(sum));
}

/* ---- R/q, one coefficient ------------------------------------------------------------------------- */

/* The one value of x modulo q in -2295..2295, by the multiple of q nearest to x: 239492840 = 2^40 / q, close
 * enough to be right for every |x| < 2^24. */
static inline int16_t q_freeze(int32_t x)
{
    int64_t multiple = ((int64_t)x * 239492840 + ((int64_t)1 << 39)) >> 40;
    return (int16_t)(x - (int32_t)multiple * SNTRUP_Q);
}

/* a^(q-2) = 1/a; the exponent is no secret. */
static int16_t q_invert(int16_t a)
{
    int16_t power = a;
    for (uint32_t bit = 1u << 11; bit > 0; bit /= 2) { /* q - 2 has 13 bits */
        power = q_freeze(power * power);
        if (((SNTRUP_Q - 2) & bit) != 0)
            power = q_freeze(power * a);
    }
    return power;
}

/* x modulo 3 in -1..1, for |x| < 2^14. */
static inline int16_t mod3(int16_t x)
{
    return (int16_t)(x - 3 * ((10923 * x + 16384) >> 15));
}

/* ---- R/q, vectors: lanes of 16 bits --------------------------------------------------------------- */

static inline int16_t high_product(int16_t a, int16_t b)
{
    return (int16_t)((a * b) >> 16);
}

static inline int16_t low_product(int16_t a, int16_t b)
{
    return (int16_t)((uint16_t)a * (uint32_t)(uint16_t)b);
}

/* A factor with its product by 1/q modulo 2^16: half of Montgomery's reduction done in advance. */
struct q_factor {
    int16_t value, by_q;
};

static inline struct q_factor q_factor_of(int16_t value)
{
    return (struct q_factor){value, low_product(value, 15631)};
}

/* a * factor / 2^16 modulo q; at most |a * factor| / 2^16 + q / 2. */
static inline int16_t q_montgomery(int16_t a, struct q_factor factor)
{
    int16_t t = low_product(a, factor.by_q);
    return (int16_t)(high_product(a, factor.value) - high_product(t, SNTRUP_Q));
}

/* One divstep's work on half of the state: swaps where mask says, then second = f0 * second - g0 * first.
 * Each pair is moved by one place as it is read or written: `first` is read from `shift` on (its coefficients
 * stand reversed, so that this is a product by x), `second` is written `drop` before (a division by x). The
 * division by 2^16 within is one constant for both pairs, and the end of the inversion takes such constants
 * out. |coefficients| stay below 5000: 5000 * 2295 / 2^16 * 2 + q = 4942. */
static inline void q_step(int16_t *restrict first, int16_t *restrict second, size_t shift, size_t drop,
                          int16_t mask, struct q_factor f0, struct q_factor g0)
{
    for (size_t i = 0; i < SNTRUP_ROOM; i++) {
        int16_t a = first[i + shift], b = second[i + 1];
        int16_t change = (int16_t)((a ^ b) & mask);
        a = (int16_t)(a ^ change);
        b = (int16_t)(b ^ change);
        first[i] = a;
        second[i + 1 - drop] = (int16_t)(q_montgomery(b, f0) - q_montgomery(a, g0));
    }
}

struct rq_steps {
    int16_t f[SNTRUP_ROOM], g[1 + SNTRUP_ROOM];     /* g from [1] on */
    int16_t v[SNTRUP_ROOM + 1], r[1 + SNTRUP_ROOM]; /* reversed, so that x^0 is v[767] and r[768] */
    int32_t delta;
};

static void rq_step(struct rq_steps *s)
{
    int16_t f0 = q_freeze(s->f[0]), g0 = q_freeze(s->g[1]);
    uint32_t is_swap = mask_negative(-s->delta) & (mask_negative(g0) | mask_negative(-g0));
    s->delta = (int32_t)(((uint32_t)s->delta ^ is_swap) - is_swap) + 1;
    int16_t mask = (int16_t)is_swap, change = (int16_t)((f0 ^ g0) & mask);
    struct q_factor first = q_factor_of((int16_t)(f0 ^ change)), second = q_factor_of((int16_t)(g0 ^ change));
    q_step(s->f, s->g, 0, 1, mask, first, second);
    q_step(s->v, s->r, 1, 0, mask, first, second);
}

void sntrup_rq_invert3(int16_t out[SNTRUP_ROOM], const int8_t a[SNTRUP_P])
{
    enum { THIRD = -1530 }; /* 3 * -1530 = 1 - q */
    struct rq_steps s = {.delta = 1};
    s.f[0] = 1; /* x^761 - x - 1, reversed */
    s.f[SNTRUP_P - 1] = s.f[SNTRUP_P] = -1;
    for (size_t i = 0; i < SNTRUP_P; i++)
        s.g[1 + i] = (int16_t)a[SNTRUP_P - 1 - i];
    s.r[SNTRUP_ROOM] = THIRD;
    for (size_t i = 0; i < DIVSTEPS; i++)
        rq_step(&s);
    int16_t scale = q_invert(q_freeze(s.f[0]));
    memset(out, 0, SNTRUP_ROOM * sizeof(out[0]));
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = q_freeze(scale * q_freeze(s.v[i + SNTRUP_ROOM - SNTRUP_P]));
    adit_wipe(&s, sizeof(s));
}

/* Near 0 again, |result| <= 2643: 228 / 2^20 is a little less than 1 / q. */
static inline void lanes_reduce(int16_t a[2 * SNTRUP_ROOM])
{
    for (size_t i = 0; i < 2 * SNTRUP_ROOM; i++) {
        int16_t multiple = (int16_t)((high_product(a[i], 228) + 8) >> 4);
        a[i] = (int16_t)(a[i] - low_product(multiple, SNTRUP_Q));
    }
}

static inline void lanes_add_multiple(int16_t *restrict sum, const int16_t *restrict a, int16_t factor)
{
    for (size_t i = 0; i < SNTRUP_ROOM; i++)
        sum[i] = (int16_t)(sum[i] + low_product(a[i], factor));
}

void sntrup_rq_multiply(int16_t out[SNTRUP_ROOM], const int16_t a[SNTRUP_ROOM], const int8_t b[SNTRUP_P])
{
    enum { ROWS = 13 }; /* 2643 + 13 * 2295 < 2^15 */
    int16_t sum[2 * SNTRUP_ROOM] = {0};
    for (size_t i = 0; i < SNTRUP_P; i++) {
        lanes_add_multiple(sum + i, a, b[i]);
        if (i % ROWS == ROWS - 1)
            lanes_reduce(sum);
    }
    lanes_reduce(sum);
    memset(out, 0, SNTRUP_ROOM * sizeof(out[0]));
    for (size_t i = 0; i < SNTRUP_P; i++) { /* x^761 = x + 1 */
        int32_t over = sum[SNTRUP_P + i], below = i == 0 ? 0 : sum[SNTRUP_P + i - 1];
        out[i] = q_freeze(sum[i] + over + below);
    }
    adit_wipe(sum, sizeof(sum));
}

void sntrup_rq_round(int16_t a[SNTRUP_ROOM])
{
    for (size_t i = 0; i < SNTRUP_P; i++)
        a[i] = (int16_t)(a[i] - mod3(a[i]));
}

void sntrup_rq_triple_mod3(int8_t out[SNTRUP_P], const int16_t a[SNTRUP_ROOM])
{
    for (size_t i = 0; i < SNTRUP_P; i++)
        out[i] = (int8_t)mod3(q_freeze(3 * a[i]));
}
