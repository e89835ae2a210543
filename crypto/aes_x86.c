/*
 * aes_x86.c - FIPS 197's own loop over words. A schedule for each key size would save a few dozen cycles a
 * key; one loop for all three is easier to hold against the standard.
 */
#include "aes_x86.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <string.h>

/* AESKEYGENASSIST is the S-box without a table: lane 0 is SubWord(w), lane 1 is RotWord(SubWord(w)). */
__attribute__((target("aes,sse2"))) static uint64_t sub_words(uint32_t w)
{
    __m128i v = _mm_aeskeygenassist_si128(_mm_set1_epi32((int)w), 0);
    return (uint64_t)_mm_cvtsi128_si64(v);
}

static uint32_t next_word(uint32_t w, size_t i, size_t key_words, uint8_t *rcon)
{
    if (i % key_words == 0) {
        w = (uint32_t)(sub_words(w) >> 32) ^ *rcon;
        *rcon = (uint8_t)(*rcon << 1 ^ (*rcon >> 7) * 0x1b);
    } else if (key_words == 8 && i % 8 == 4)
        w = (uint32_t)sub_words(w);
    return w;
}

void aes_x86_key_init(struct aes_x86_key *k, struct span key)
{
    uint32_t w[sizeof k->round / 4];
    size_t key_words = key.n / 4, words = 4 * (key_words + 7);
    uint8_t rcon = 1;

    memset(k, 0, sizeof *k);
    k->rounds = (unsigned)key_words + 6;
    memcpy(w, key.p, key.n);
    for (size_t i = key_words; i < words; i++)
        w[i] = w[i - key_words] ^ next_word(w[i - 1], i, key_words, &rcon);
    memcpy(k->round, w, 4 * words);
    adit_wipe(w, sizeof w);
}
#endif
