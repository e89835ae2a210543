/*
 * test_chacha_x86.c - ChaCha20 by AVX2 and by AVX-512 against libsodium's, one block after the other.
 */
#include <stdlib.h>

#include "../crypto/chacha_x86.h"
#include "../crypto/internal.h"
#include "unhex.h"

enum { MARGIN = 64, LONGEST = 40000 };

/* The counter is ours to carry here: block by block it is only handed on. */
static void reference_xor(uint8_t *data, size_t n, const uint8_t key[32], const uint8_t nonce[8],
                          uint64_t counter)
{
    for (size_t at = 0; at < n; at += 64)
        crypto_stream_chacha20_xor_ic(data + at, data + at, n - at < 64 ? n - at : 64, nonce,
                                      counter + at / 64, key);
}

/* What all is compared with has the published key streams: RFC 8439 A.1, vectors 1 and 2. */
static void reference_is_right(void **state)
{
    static const uint8_t key[32], nonce[8];
    uint8_t stream[128] = {0};

    (void)state;
    reference_xor(stream, sizeof stream, key, nonce, 0);
    assert_hex(stream, 128,
               "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
               "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
               "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
               "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
}

#ifdef __x86_64__

static uint64_t seed;

static uint8_t next_byte(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint8_t)(seed >> 56);
}

static void fill(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = next_byte();
}

static bool use_level(bool avx512)
{
    const struct cpu most = {.has_avx2 = true, .has_avx512 = avx512};

    cpu_limit(&most);
    cpu_detect();
    return avx512 ? cpu()->has_avx512 : cpu()->has_avx2;
}

/* In a buffer of exactly n bytes behind a shift, so that the sanitizer sees one byte too many, and with
 * margins that must stay. */
static void compare(size_t n, size_t shift, uint64_t counter)
{
    uint8_t key[32], nonce[8], *got = malloc(MARGIN + n), *want = malloc(MARGIN + n);

    assert_non_null(got);
    assert_non_null(want);
    fill(key, sizeof key);
    fill(nonce, sizeof nonce);
    fill(got, MARGIN + n);
    memcpy(want, got, MARGIN + n);
    reference_xor(want + shift, n, key, nonce, counter);
    chacha_x86_xor(got + shift, n, key, nonce, counter);
    assert_memory_equal(got, want, MARGIN + n);
    /* And with nothing behind. */
    memcpy(want + MARGIN, got + MARGIN, n);
    reference_xor(want + MARGIN, n, key, nonce, counter);
    chacha_x86_xor(got + MARGIN, n, key, nonce, counter);
    assert_memory_equal(got + MARGIN, want + MARGIN, n);
    free(got);
    free(want);
}

static void all_lengths(void)
{
    for (size_t n = 0; n <= 2200; n++)
        compare(n, n % MARGIN, n);
}

static void long_ones(void)
{
    for (size_t i = 0; i < 40; i++)
        compare(((size_t)next_byte() << 8 | next_byte()) % LONGEST, next_byte() % MARGIN, next_byte());
    compare(LONGEST, 1, 3);
}

static void all_alignments(void)
{
    for (size_t shift = 0; shift < MARGIN; shift++) {
        compare(1024 + 512 + 100, shift, 1);
        compare(60, shift, 1);
    }
}

/* Every place of the carry in a pass of each width. */
static void counters_that_carry(void)
{
    const uint64_t places[] = {(uint64_t)1 << 32, (uint64_t)1 << 31, 0, (uint64_t)1 << 63, (uint64_t)7 << 32};

    for (size_t i = 0; i < ADIT_COUNT(places); i++)
        for (uint64_t before = 0; before < 36; before++) {
            compare(2100, 0, places[i] - before);
            compare(1000, 0, places[i] - before);
            compare(200, 0, places[i] - before);
        }
}

static void heads(void)
{
    for (size_t i = 0; i < 200; i++) {
        uint8_t first_key[32], key[32], nonce[8], want[CHACHA_X86_HEAD] = {0};
        uint8_t *got = malloc(CHACHA_X86_HEAD);

        assert_non_null(got);
        fill(first_key, sizeof first_key);
        fill(key, sizeof key);
        fill(nonce, sizeof nonce);
        reference_xor(want, 64, first_key, nonce, 0);
        reference_xor(want + 64, sizeof want - 64, key, nonce, 0);
        chacha_x86_head(got, first_key, key, nonce);
        assert_memory_equal(got, want, sizeof want);
        free(got);
    }
}

static void run_all(bool avx512)
{
    if (!use_level(avx512))
        skip();
    all_lengths();
    long_ones();
    all_alignments();
    counters_that_carry();
    heads();
}
#define RUN_ALL(avx512) run_all(avx512)
#else
#define RUN_ALL(avx512) skip()
#endif

static void by_avx2(void **state)
{
    (void)state;
    RUN_ALL(false);
}

static void by_avx512(void **state)
{
    (void)state;
    RUN_ALL(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_right),
        cmocka_unit_test(by_avx2),
        cmocka_unit_test(by_avx512),
    };

    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
