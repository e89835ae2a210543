/*
 * ctr_x86.c - AES-CTR by AES-NI, and by VAES in 512 bits.
 *
 * One AESENC takes several cycles but one or two may start in each: eight vectors at a time keep the unit
 * busy. The counter is kept as two native numbers. A run stops where the lower one wraps, so that the kernels
 * only add to it; the carry is ctr_x86_run's. That branch tells one event in 2^64 blocks.
 */
#include "ctr_x86.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

#include "cpu.h"

#define WITH_AES        __attribute__((target("aes,sse4.1")))
#define INLINE_WITH_AES static inline __attribute__((target("aes,sse4.1"), always_inline))

#define WITH_VAES        __attribute__((target("vaes,avx512f,avx512bw")))
#define INLINE_WITH_VAES static inline __attribute__((target("vaes,avx512f,avx512bw"), always_inline))

/* Neither compiler unrolls a loop of eight at -O2, and only unrolled are the eight in registers. */
#define EIGHT_TIMES(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7)

struct counter {
    uint64_t high, low;
};

/* ---- AES-NI: eight blocks --------------------------------------------------------------------------- */

INLINE_WITH_AES __m128i round_key(const struct aes_x86_key *k, unsigned round)
{
    return _mm_load_si128((const __m128i *)(const void *)k->round[round]);
}

/* The key stream of eight counters from c on; the lower number does not wrap in them before the last that is
 * used. */
INLINE_WITH_AES void eight_streams(const struct aes_x86_key *k, struct counter c, __m128i s[8])
{
    const __m128i big_endian = _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f);
    __m128i first = _mm_set_epi64x((long long)c.high, (long long)c.low), key = round_key(k, 0);
#define START(i) \
    s[i] = _mm_xor_si128(key, _mm_shuffle_epi8(_mm_add_epi64(first, _mm_set_epi64x(0, i)), big_endian));
#define ROUND(i) s[i] = _mm_aesenc_si128(s[i], key);
#define LAST(i)  s[i] = _mm_aesenclast_si128(s[i], key);
    EIGHT_TIMES(START)
    for (unsigned r = 1; r < k->rounds; r++) {
        key = round_key(k, r);
        EIGHT_TIMES(ROUND)
    }
    key = round_key(k, k->rounds);
    EIGHT_TIMES(LAST)
#undef START
#undef ROUND
#undef LAST
}

INLINE_WITH_AES void xor_block(uint8_t *data, __m128i stream)
{
    __m128i *at = (__m128i *)(void *)data;
    _mm_storeu_si128(at, _mm_xor_si128(_mm_loadu_si128(at), stream));
}

WITH_AES static void run_aesni(const struct aes_x86_key *k, struct counter c, uint8_t *data, size_t blocks)
{
    __m128i s[8];
#define XOR(i) xor_block(data + 16 * i, s[i]);
    for (; blocks >= 8; blocks -= 8, c.low += 8, data += 8 * 16) {
        eight_streams(k, c, s);
        EIGHT_TIMES(XOR)
    }
#undef XOR
    if (blocks == 0)
        return;
    eight_streams(k, c, s);
    for (size_t i = 0; i < blocks; i++)
        xor_block(data + 16 * i, s[i]);
    adit_wipe(s, sizeof s); /* what was not used is still secret */
}

/* ---- VAES: eight times four blocks ------------------------------------------------------------------ */

INLINE_WITH_VAES __m512i wide_round_key(const struct aes_x86_key *k, unsigned round)
{
    return _mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)(const void *)k->round[round]));
}

/* As many whole batches of 32 as there are, with the counter as above; returns how many blocks these were. */
WITH_VAES static size_t run_vaes(const struct aes_x86_key *k, struct counter c, uint8_t *data, size_t blocks)
{
    const __m512i big_endian = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f));
    __m512i s[8];
    __m512i first = _mm512_broadcast_i32x4(_mm_set_epi64x((long long)c.high, (long long)c.low));
    size_t left = blocks;
    first = _mm512_add_epi64(first, _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0));
#define START(i)                                                                      \
    s[i] = _mm512_add_epi64(first, _mm512_broadcast_i32x4(_mm_set_epi64x(0, 4 * i))); \
    s[i] = _mm512_xor_si512(key, _mm512_shuffle_epi8(s[i], big_endian));
#define ROUND(i) s[i] = _mm512_aesenc_epi128(s[i], key);
#define LAST(i)                                                                                      \
    s[i] = _mm512_xor_si512(_mm512_loadu_si512(data + 64 * i), _mm512_aesenclast_epi128(s[i], key)); \
    _mm512_storeu_si512(data + 64 * i, s[i]);
    for (; left >= 32; left -= 32, data += 512) {
        __m512i key = wide_round_key(k, 0);
        EIGHT_TIMES(START)
        for (unsigned r = 1; r < k->rounds; r++) {
            key = wide_round_key(k, r);
            EIGHT_TIMES(ROUND)
        }
        key = wide_round_key(k, k->rounds);
        EIGHT_TIMES(LAST)
        first = _mm512_add_epi64(first, _mm512_broadcast_i32x4(_mm_set_epi64x(0, 32)));
    }
#undef START
#undef ROUND
#undef LAST
    return blocks - left;
}

/* The lower number of the counter does not wrap in these blocks, at the most after the last. */
static void run_without_carry(const struct aes_x86_key *k, struct counter c, uint8_t *data, size_t blocks)
{
    if (cpu()->has_vaes && cpu()->has_avx512 && blocks >= 32) {
        size_t done = run_vaes(k, c, data, blocks);
        c.low += done;
        data += 16 * done;
        blocks -= done;
    }
    run_aesni(k, c, data, blocks);
}

void ctr_x86_run(const struct aes_x86_key *k, uint8_t counter[16], uint8_t *data, size_t blocks)
{
    uint64_t n[2];
    memcpy(n, counter, sizeof n);
    struct counter c = {__builtin_bswap64(n[0]), __builtin_bswap64(n[1])};
    while (blocks > 0) {
        uint64_t room = c.low == 0 ? UINT64_MAX : 0 - c.low;
        size_t run = blocks < room ? blocks : (size_t)room;
        run_without_carry(k, c, data, run);
        data += 16 * run;
        blocks -= run;
        c.low += run;
        c.high += c.low == 0;
    }
    n[0] = __builtin_bswap64(c.high);
    n[1] = __builtin_bswap64(c.low);
    memcpy(counter, n, sizeof n);
}

#else
typedef int ctr_x86_is_for_x86_64;
#endif
