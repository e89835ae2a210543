/*
 * test_drbg.c - the random expansion: published key stream, key erasure, replay.
 */
#include "../crypto/crypto.h"
#include "unhex.h"

/* RFC 8439 A.1, vector 1: the first block of ChaCha20 under a zero key. Its first half becomes the next
 * key, its second half is given out. */
static void bytes_of_a_zero_seed(void **state)
{
    static const uint8_t seed[32];
    struct drbg d;
    uint8_t out[32];
    (void)state;
    drbg_init(&d, seed);
    drbg_bytes(&d, out, sizeof out);
    assert_hex(out, 32, "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
    assert_hex(d.key, 32, "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7");
}

static void bytes_change_the_key(void **state)
{
    struct drbg d;
    uint8_t before[32], out[1];
    (void)state;
    memset(before, 0x11, sizeof before);
    drbg_init(&d, before);
    assert_memory_equal(d.key, before, 32);
    drbg_bytes(&d, out, sizeof out);
    assert_memory_not_equal(d.key, before, 32);
}

static void bytes_replay(void **state)
{
    static const size_t sizes[] = {1, 31, 32, 33, 479, 480, 481, 960, 961, 5000};
    uint8_t seed[32] = {7}, a[5000], b[5000];
    struct drbg x, y;
    (void)state;
    drbg_init(&x, seed);
    drbg_init(&y, seed);
    for (size_t i = 0; i < ADIT_COUNT(sizes); i++) {
        drbg_bytes(&x, a, sizes[i]);
        drbg_bytes(&y, b, sizes[i]);
        assert_memory_equal(a, b, sizes[i]);
    }
    seed[31] ^= 1;
    drbg_init(&y, seed);
    drbg_bytes(&x, a, 32);
    drbg_bytes(&y, b, 32);
    assert_memory_not_equal(a, b, 32);
}

/* No piece of a long output comes twice, and nothing is written past its end. */
static void bytes_of_a_long_piece(void **state)
{
    static const uint8_t seed[32] = {9};
    struct drbg d;
    uint8_t out[4096 + 1];
    (void)state;
    drbg_init(&d, seed);
    out[4096] = 0xa5;
    drbg_bytes(&d, out, 4096);
    assert_int_equal(out[4096], 0xa5);
    for (size_t i = 0; i < 4096; i += 16)
        for (size_t j = i + 16; j < 4096; j += 16)
            assert_memory_not_equal(out + i, out + j, 16);
}

static void wipe_leaves_nothing(void **state)
{
    static const uint8_t zero[sizeof(struct drbg)];
    uint8_t seed[32];
    struct drbg d;
    (void)state;
    memset(seed, 0xee, sizeof seed);
    drbg_init(&d, seed);
    drbg_wipe(&d);
    assert_memory_equal(&d, zero, sizeof d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_a_zero_seed), cmocka_unit_test(bytes_change_the_key),
        cmocka_unit_test(bytes_replay),         cmocka_unit_test(bytes_of_a_long_piece),
        cmocka_unit_test(wipe_leaves_nothing),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
