/*
 * chacha_x86.c - two layouts of the same sixteen words.
 *
 * Long runs are "vertical": a register holds one word of 8 (AVX2) or 16 (AVX-512) blocks, so that the rounds
 * need no shuffles; the words are brought into the order of bytes at the end. Four blocks or fewer are
 * "horizontal": a 128-bit lane holds one row of a block, which takes half the time of a vertical pass. That
 * is for the beginning of a packet, where the blocks even have different keys, and for the rest at its end.
 */
#include "chacha_x86.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#include "adit.h"
#include "cpu.h"

#define AVX2   __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx2,avx512f,avx512bw,avx512dq,avx512vl")))
#define INLINE static inline __attribute__((always_inline))

enum { BLOCK = CHACHA_X86_BLOCK, FOUR = 4 * BLOCK, EIGHT = 8 * BLOCK, SIXTEEN = 16 * BLOCK };
enum { DOUBLE_ROUNDS = 10 };

/* What four blocks are made from: the first one may be of another key. The counters of the others follow each
 * other. The nonce is as it lies in memory. */
struct stream {
    const uint8_t *first_key, *key;
    uint64_t first_counter, counter, nonce;
};

/* "expand 32-byte k" */
static const uint32_t constants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

static const uint32_t lane_numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

INLINE int key_word(const struct stream *s, size_t i)
{
    int w;
    memcpy(&w, s->key + 4 * i, sizeof w);
    return w;
}

/* Rounds' order, of a column and then of a diagonal: of QUARTER(a, b, c, d). */
#define DOUBLE_ROUND(QUARTER, x)                       \
    do {                                               \
        QUARTER(&(x)[0], &(x)[4], &(x)[8], &(x)[12]);  \
        QUARTER(&(x)[1], &(x)[5], &(x)[9], &(x)[13]);  \
        QUARTER(&(x)[2], &(x)[6], &(x)[10], &(x)[14]); \
        QUARTER(&(x)[3], &(x)[7], &(x)[11], &(x)[15]); \
        QUARTER(&(x)[0], &(x)[5], &(x)[10], &(x)[15]); \
        QUARTER(&(x)[1], &(x)[6], &(x)[11], &(x)[12]); \
        QUARTER(&(x)[2], &(x)[7], &(x)[8], &(x)[13]);  \
        QUARTER(&(x)[3], &(x)[4], &(x)[9], &(x)[14]);  \
    } while (0)

/* The sixteen words but for the counter: SET1 fills a register, OP takes what is there and what comes. */
#define ALL_WORDS(OP, SET1, x, s)                             \
    do {                                                      \
        OP((x)[0], SET1((int)constants[0]));                  \
        OP((x)[1], SET1((int)constants[1]));                  \
        OP((x)[2], SET1((int)constants[2]));                  \
        OP((x)[3], SET1((int)constants[3]));                  \
        OP((x)[4], SET1(key_word(s, 0)));                     \
        OP((x)[5], SET1(key_word(s, 1)));                     \
        OP((x)[6], SET1(key_word(s, 2)));                     \
        OP((x)[7], SET1(key_word(s, 3)));                     \
        OP((x)[8], SET1(key_word(s, 4)));                     \
        OP((x)[9], SET1(key_word(s, 5)));                     \
        OP((x)[10], SET1(key_word(s, 6)));                    \
        OP((x)[11], SET1(key_word(s, 7)));                    \
        OP((x)[14], SET1((int)(uint32_t)(s)->nonce));         \
        OP((x)[15], SET1((int)(uint32_t)((s)->nonce >> 32))); \
    } while (0)
#define OP_IS(x, v)      ((x) = (v))
#define OP_ADD_256(x, v) ((x) = _mm256_add_epi32(x, v))
#define OP_ADD_512(x, v) ((x) = _mm512_add_epi32(x, v))

/* What the rounds began with is read once more after them: the compiler would keep the keys meanwhile, and
 * leave them on the stack, for want of registers. */
#define READ_ANEW() __asm__ volatile("" : : : "memory")

/* For less than a pass, where a call of memcpy would cost more than this. */
AVX2 static void xor_bytes(uint8_t *data, const uint8_t *with, size_t n)
{
    for (; n >= 32; n -= 32, data += 32, with += 32) {
        __m256i v = _mm256_loadu_si256((const void *)data);
        _mm256_storeu_si256((void *)data, _mm256_xor_si256(v, _mm256_loadu_si256((const void *)with)));
    }
    for (; n >= 8; n -= 8, data += 8, with += 8) {
        uint64_t v, w;
        memcpy(&v, data, sizeof v);
        memcpy(&w, with, sizeof w);
        v ^= w;
        memcpy(data, &v, sizeof v);
    }
    for (; n > 0; n--)
        *data++ ^= *with++;
}

/* ---- AVX2 ------------------------------------------------------------------------------------------- */

/* A shuffle of bytes rotates by whole bytes in one step. */
#define ROTATE16_256(x) \
    _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(_mm_load_si128((const void *)by_16)))
#define ROTATE8_256(x)    _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(_mm_load_si128((const void *)by_8)))
#define ROTATE_256(x, by) _mm256_or_si256(_mm256_slli_epi32(x, by), _mm256_srli_epi32(x, 32 - (by)))

static const _Alignas(16) uint8_t by_16[16] = {2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13};
static const _Alignas(16) uint8_t by_8[16] = {3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14};

AVX2 INLINE void quarter_256(__m256i *a, __m256i *b, __m256i *c, __m256i *d)
{
    *a = _mm256_add_epi32(*a, *b);
    *d = ROTATE16_256(_mm256_xor_si256(*d, *a));
    *c = _mm256_add_epi32(*c, *d);
    *b = _mm256_xor_si256(*b, *c);
    *b = ROTATE_256(*b, 12);
    *a = _mm256_add_epi32(*a, *b);
    *d = ROTATE8_256(_mm256_xor_si256(*d, *a));
    *c = _mm256_add_epi32(*c, *d);
    *b = _mm256_xor_si256(*b, *c);
    *b = ROTATE_256(*b, 7);
}

/* In each 128-bit lane the words of four registers change places: x[i] holds word i of four blocks, then the
 * four words of block i. */
AVX2 INLINE void transpose_lanes_256(__m256i x[4])
{
    __m256i ab = _mm256_unpacklo_epi32(x[0], x[1]), cd = _mm256_unpacklo_epi32(x[2], x[3]);
    __m256i ab2 = _mm256_unpackhi_epi32(x[0], x[1]), cd2 = _mm256_unpackhi_epi32(x[2], x[3]);

    x[0] = _mm256_unpacklo_epi64(ab, cd);
    x[1] = _mm256_unpackhi_epi64(ab, cd);
    x[2] = _mm256_unpacklo_epi64(ab2, cd2);
    x[3] = _mm256_unpackhi_epi64(ab2, cd2);
}

/* The counters of eight blocks, with the carry into their high words: signed comparison, hence the flip. */
AVX2 INLINE void counters_256(__m256i *low, __m256i *high, uint64_t counter)
{
    __m256i flip = _mm256_set1_epi32(INT32_MIN), start = _mm256_set1_epi32((int)(uint32_t)counter);

    *low = _mm256_add_epi32(start, _mm256_loadu_si256((const void *)lane_numbers));
    __m256i has_carry = _mm256_cmpgt_epi32(_mm256_xor_si256(start, flip), _mm256_xor_si256(*low, flip));
    *high = _mm256_sub_epi32(_mm256_set1_epi32((int)(uint32_t)(counter >> 32)), has_carry);
}

AVX2 INLINE void xor_store_256(uint8_t *at, __m256i v)
{
    _mm256_storeu_si256((void *)at, _mm256_xor_si256(v, _mm256_loadu_si256((const void *)at)));
}

/* The words of a register pair are the first or the second half of two blocks that lie four blocks apart. */
AVX2 INLINE void xor_halves_256(uint8_t *at, __m256i x, __m256i y)
{
    xor_store_256(at, _mm256_permute2x128_si256(x, y, 0x20));
    xor_store_256(at + FOUR, _mm256_permute2x128_si256(x, y, 0x31));
}

/* data ^= eight blocks. */
AVX2 static void eight_blocks(uint8_t *data, const struct stream *s)
{
    __m256i x[16], low, high;

    counters_256(&low, &high, s->counter);
    ALL_WORDS(OP_IS, _mm256_set1_epi32, x, s);
    x[12] = low;
    x[13] = high;
    for (int i = 0; i < DOUBLE_ROUNDS; i++)
        DOUBLE_ROUND(quarter_256, x);
    READ_ANEW();
    ALL_WORDS(OP_ADD_256, _mm256_set1_epi32, x, s);
    x[12] = _mm256_add_epi32(x[12], low);
    x[13] = _mm256_add_epi32(x[13], high);
    transpose_lanes_256(x);
    transpose_lanes_256(x + 4);
    transpose_lanes_256(x + 8);
    transpose_lanes_256(x + 12);
    xor_halves_256(data, x[0], x[4]);
    xor_halves_256(data + 32, x[8], x[12]);
    xor_halves_256(data + BLOCK, x[1], x[5]);
    xor_halves_256(data + BLOCK + 32, x[9], x[13]);
    xor_halves_256(data + 2 * BLOCK, x[2], x[6]);
    xor_halves_256(data + 2 * BLOCK + 32, x[10], x[14]);
    xor_halves_256(data + 3 * BLOCK, x[3], x[7]);
    xor_halves_256(data + 3 * BLOCK + 32, x[11], x[15]);
}

/* Rows of two blocks: four quarters at once, and the rows turned so that diagonals become columns. */
AVX2 INLINE void rows_double_round_256(__m256i x[4])
{
    quarter_256(&x[0], &x[1], &x[2], &x[3]);
    x[1] = _mm256_shuffle_epi32(x[1], 0x39);
    x[2] = _mm256_shuffle_epi32(x[2], 0x4e);
    x[3] = _mm256_shuffle_epi32(x[3], 0x93);
    quarter_256(&x[0], &x[1], &x[2], &x[3]);
    x[1] = _mm256_shuffle_epi32(x[1], 0x93);
    x[2] = _mm256_shuffle_epi32(x[2], 0x4e);
    x[3] = _mm256_shuffle_epi32(x[3], 0x39);
}

AVX2 INLINE __m256i two_rows(const void *first, const void *second)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(first)), _mm_loadu_si128(second),
                                   1);
}

AVX2 INLINE void store_two_blocks(uint8_t out[2 * BLOCK], const __m256i x[4])
{
    _mm256_storeu_si256((void *)out, _mm256_permute2x128_si256(x[0], x[1], 0x20));
    _mm256_storeu_si256((void *)(out + 32), _mm256_permute2x128_si256(x[2], x[3], 0x20));
    _mm256_storeu_si256((void *)(out + 64), _mm256_permute2x128_si256(x[0], x[1], 0x31));
    _mm256_storeu_si256((void *)(out + 96), _mm256_permute2x128_si256(x[2], x[3], 0x31));
}

/* What four blocks begin with, two of them in x and two in y. */
AVX2 INLINE void rows_256(__m256i x[4], __m256i y[4], const struct stream *s)
{
    const long long nonce = (long long)s->nonce, counter = (long long)s->counter;

    x[0] = y[0] = two_rows(constants, constants);
    x[1] = two_rows(s->first_key, s->key);
    x[2] = two_rows(s->first_key + 16, s->key + 16);
    x[3] = _mm256_set_epi64x(nonce, counter, nonce, (long long)s->first_counter);
    y[1] = two_rows(s->key, s->key);
    y[2] = two_rows(s->key + 16, s->key + 16);
    y[3] = _mm256_add_epi64(_mm256_set_epi64x(nonce, counter, nonce, counter), _mm256_set_epi64x(0, 2, 0, 1));
}

AVX2 INLINE void add_rows_256(__m256i x[4], const __m256i y[4])
{
    x[0] = _mm256_add_epi32(x[0], y[0]);
    x[1] = _mm256_add_epi32(x[1], y[1]);
    x[2] = _mm256_add_epi32(x[2], y[2]);
    x[3] = _mm256_add_epi32(x[3], y[3]);
}

/* out: four blocks of key stream. Two blocks wait while the other two are at work, hence two sets. */
AVX2 static void four_blocks_256(uint8_t out[FOUR], const struct stream *s)
{
    __m256i x[4], y[4], x0[4], y0[4];

    rows_256(x, y, s);
    for (int i = 0; i < DOUBLE_ROUNDS; i++) {
        rows_double_round_256(x);
        rows_double_round_256(y);
    }
    READ_ANEW();
    rows_256(x0, y0, s);
    add_rows_256(x, x0);
    add_rows_256(y, y0);
    store_two_blocks(out, x);
    store_two_blocks(out + 2 * BLOCK, y);
}

/* ---- AVX-512 ---------------------------------------------------------------------------------------- */

#define ROTATE_512(x, by) _mm512_rol_epi32(x, by)
#define ROTATE16_512(x)   _mm512_rol_epi32(x, 16)
#define ROTATE8_512(x)    _mm512_rol_epi32(x, 8)

AVX512 INLINE void quarter_512(__m512i *a, __m512i *b, __m512i *c, __m512i *d)
{
    *a = _mm512_add_epi32(*a, *b);
    *d = ROTATE16_512(_mm512_xor_si512(*d, *a));
    *c = _mm512_add_epi32(*c, *d);
    *b = _mm512_xor_si512(*b, *c);
    *b = ROTATE_512(*b, 12);
    *a = _mm512_add_epi32(*a, *b);
    *d = ROTATE8_512(_mm512_xor_si512(*d, *a));
    *c = _mm512_add_epi32(*c, *d);
    *b = _mm512_xor_si512(*b, *c);
    *b = ROTATE_512(*b, 7);
}

/* In each 128-bit lane the words of four registers change places: x[i] holds word i of four blocks, then the
 * four words of block i. */
AVX512 INLINE void transpose_lanes_512(__m512i x[4])
{
    __m512i ab = _mm512_unpacklo_epi32(x[0], x[1]), cd = _mm512_unpacklo_epi32(x[2], x[3]);
    __m512i ab2 = _mm512_unpackhi_epi32(x[0], x[1]), cd2 = _mm512_unpackhi_epi32(x[2], x[3]);

    x[0] = _mm512_unpacklo_epi64(ab, cd);
    x[1] = _mm512_unpackhi_epi64(ab, cd);
    x[2] = _mm512_unpacklo_epi64(ab2, cd2);
    x[3] = _mm512_unpackhi_epi64(ab2, cd2);
}

/* The 128-bit lanes of four registers change places in the same way. */
AVX512 INLINE void transpose_whole_512(__m512i *a, __m512i *b, __m512i *c, __m512i *d)
{
    __m512i ab = _mm512_shuffle_i32x4(*a, *b, 0x44), cd = _mm512_shuffle_i32x4(*c, *d, 0x44);
    __m512i ab2 = _mm512_shuffle_i32x4(*a, *b, 0xee), cd2 = _mm512_shuffle_i32x4(*c, *d, 0xee);

    *a = _mm512_shuffle_i32x4(ab, cd, 0x88);
    *b = _mm512_shuffle_i32x4(ab, cd, 0xdd);
    *c = _mm512_shuffle_i32x4(ab2, cd2, 0x88);
    *d = _mm512_shuffle_i32x4(ab2, cd2, 0xdd);
}

AVX512 INLINE void counters_512(__m512i *low, __m512i *high, uint64_t counter)
{
    __m512i start = _mm512_set1_epi32((int)(uint32_t)counter), one = _mm512_set1_epi32(1);

    *low = _mm512_add_epi32(start, _mm512_loadu_si512(lane_numbers));
    *high = _mm512_set1_epi32((int)(uint32_t)(counter >> 32));
    *high = _mm512_mask_add_epi32(*high, _mm512_cmplt_epu32_mask(*low, start), *high, one);
}

AVX512 INLINE void xor_store_512(uint8_t *at, __m512i v)
{
    _mm512_storeu_si512(at, _mm512_xor_si512(v, _mm512_loadu_si512(at)));
}

/* Four blocks that lie four blocks apart. */
AVX512 INLINE void xor_blocks_512(uint8_t *at, __m512i a, __m512i b, __m512i c, __m512i d)
{
    transpose_whole_512(&a, &b, &c, &d);
    xor_store_512(at, a);
    xor_store_512(at + FOUR, b);
    xor_store_512(at + 2 * FOUR, c);
    xor_store_512(at + 3 * FOUR, d);
}

/* data ^= sixteen blocks. */
AVX512 static void sixteen_blocks(uint8_t *data, const struct stream *s)
{
    __m512i x[16], low, high;

    counters_512(&low, &high, s->counter);
    ALL_WORDS(OP_IS, _mm512_set1_epi32, x, s);
    x[12] = low;
    x[13] = high;
    for (int i = 0; i < DOUBLE_ROUNDS; i++)
        DOUBLE_ROUND(quarter_512, x);
    READ_ANEW();
    ALL_WORDS(OP_ADD_512, _mm512_set1_epi32, x, s);
    x[12] = _mm512_add_epi32(x[12], low);
    x[13] = _mm512_add_epi32(x[13], high);
    transpose_lanes_512(x);
    transpose_lanes_512(x + 4);
    transpose_lanes_512(x + 8);
    transpose_lanes_512(x + 12);
    xor_blocks_512(data, x[0], x[4], x[8], x[12]);
    xor_blocks_512(data + BLOCK, x[1], x[5], x[9], x[13]);
    xor_blocks_512(data + 2 * BLOCK, x[2], x[6], x[10], x[14]);
    xor_blocks_512(data + 3 * BLOCK, x[3], x[7], x[11], x[15]);
}

AVX512 INLINE void rows_double_round_512(__m512i x[4])
{
    quarter_512(&x[0], &x[1], &x[2], &x[3]);
    x[1] = _mm512_shuffle_epi32(x[1], _MM_PERM_ADCB);
    x[2] = _mm512_shuffle_epi32(x[2], _MM_PERM_BADC);
    x[3] = _mm512_shuffle_epi32(x[3], _MM_PERM_CBAD);
    quarter_512(&x[0], &x[1], &x[2], &x[3]);
    x[1] = _mm512_shuffle_epi32(x[1], _MM_PERM_CBAD);
    x[2] = _mm512_shuffle_epi32(x[2], _MM_PERM_BADC);
    x[3] = _mm512_shuffle_epi32(x[3], _MM_PERM_ADCB);
}

AVX512 INLINE __m512i four_rows(const void *first, const void *others)
{
    return _mm512_inserti32x4(_mm512_broadcast_i32x4(_mm_loadu_si128(others)), _mm_loadu_si128(first), 0);
}

/* out: four blocks of key stream. */
AVX512 static void four_blocks_512(uint8_t out[FOUR], const struct stream *s)
{
    const long long nonce = (long long)s->nonce, counter = (long long)s->counter;
    const __m512i a = four_rows(constants, constants);
    const __m512i b = four_rows(s->first_key, s->key), c = four_rows(s->first_key + 16, s->key + 16);
    const __m512i d = _mm512_add_epi64(
        _mm512_set_epi64(nonce, counter, nonce, counter, nonce, counter, nonce, (long long)s->first_counter),
        _mm512_set_epi64(0, 2, 0, 1, 0, 0, 0, 0));
    __m512i x[4] = {a, b, c, d};

    for (int i = 0; i < DOUBLE_ROUNDS; i++)
        rows_double_round_512(x);
    x[0] = _mm512_add_epi32(x[0], a);
    x[1] = _mm512_add_epi32(x[1], b);
    x[2] = _mm512_add_epi32(x[2], c);
    x[3] = _mm512_add_epi32(x[3], d);
    transpose_whole_512(&x[0], &x[1], &x[2], &x[3]);
    _mm512_storeu_si512(out, x[0]);
    _mm512_storeu_si512(out + BLOCK, x[1]);
    _mm512_storeu_si512(out + 2 * BLOCK, x[2]);
    _mm512_storeu_si512(out + 3 * BLOCK, x[3]);
}

/* ---- The doors --------------------------------------------------------------------------------------------- */

static void four_blocks(uint8_t out[FOUR], const struct stream *s)
{
    if (cpu()->has_avx512)
        four_blocks_512(out, s);
    else
        four_blocks_256(out, s);
}

static uint64_t nonce_word(const uint8_t nonce[8])
{
    uint64_t w;
    memcpy(&w, nonce, sizeof w);
    return w;
}

void chacha_x86_head(uint8_t stream[CHACHA_X86_HEAD], const uint8_t first_key[32], const uint8_t key[32],
                     const uint8_t nonce[8])
{
    const struct stream s = {first_key, key, 0, 0, nonce_word(nonce)};
    four_blocks(stream, &s);
}

/* Whole passes while there is enough for them; returns how many bytes that was. */
static size_t xor_passes(uint8_t *data, size_t n, struct stream *s)
{
    size_t at = 0;

    for (; cpu()->has_avx512 && n - at >= SIXTEEN; at += SIXTEEN, s->counter += SIXTEEN / BLOCK)
        sixteen_blocks(data + at, s);
    for (; n - at >= EIGHT; at += EIGHT, s->counter += EIGHT / BLOCK)
        eight_blocks(data + at, s);
    return at;
}

/* The last 1 to 256 bytes. */
static void xor_short_rest(uint8_t *data, size_t n, struct stream *s)
{
    uint8_t stream[FOUR];

    s->first_counter = s->counter++;
    four_blocks(stream, s);
    xor_bytes(data, stream, n);
    adit_wipe(stream, sizeof stream);
}

/* Less than a pass, by a whole one beside. */
static void xor_eight_rest(uint8_t *data, size_t n, const struct stream *s)
{
    uint8_t stream[EIGHT] = {0};

    eight_blocks(stream, s);
    xor_bytes(data, stream, n);
    adit_wipe(stream, sizeof stream);
}

static void xor_sixteen_rest(uint8_t *data, size_t n, const struct stream *s)
{
    uint8_t stream[SIXTEEN] = {0};

    sixteen_blocks(stream, s);
    xor_bytes(data, stream, n);
    adit_wipe(stream, sizeof stream);
}

void chacha_x86_xor(uint8_t *data, size_t n, const uint8_t key[32], const uint8_t nonce[8], uint64_t counter)
{
    struct stream s = {key, key, 0, counter, nonce_word(nonce)};
    size_t whole = n % SIXTEEN > EIGHT && cpu()->has_avx512 ? n - n % SIXTEEN : n;
    size_t done = xor_passes(data, whole, &s);

    n -= done;
    if (n > EIGHT)
        xor_sixteen_rest(data + done, n, &s);
    else if (n > FOUR)
        xor_eight_rest(data + done, n, &s);
    else if (n > 0)
        xor_short_rest(data + done, n, &s);
}
#endif
