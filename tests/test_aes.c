/*
 * test_aes.c - NIST SP 800-38A and RFC 3686 vectors, the 128-bit counter, and every CPU's AES against the
 * portable one.
 */
#include "../crypto/crypto.h"
#include "cpu_levels.h"
#include "unhex.h"

#define PLAIN                                                          \
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" \
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
#define KEY128 "2b7e151628aed2a6abf7158809cf4f3c"
#define KEY192 "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
#define KEY256 "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"

static void assert_ctr(const char *key_hex, const char *iv_hex, const char *plain, const char *sealed)
{
    uint8_t key[32], iv[16], data[64];
    size_t key_len = unhex(key, sizeof key, key_hex), n = unhex(data, sizeof data, plain);
    assert_int_equal(unhex(iv, sizeof iv, iv_hex), 16);
    aes_ctr_xor(span_make(key, key_len), iv, data, n);
    assert_hex(data, n, sealed);
    aes_ctr_xor(span_make(key, key_len), iv, data, n);
    assert_hex(data, n, plain);
}

/* SP 800-38A F.5: the counter's last two bytes carry. */
static void ctr_of_sp800_38a(void **state)
{
    const char *iv = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff";
    (void)state;
    assert_ctr(KEY128, iv, PLAIN,
               "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
               "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee");
    assert_ctr(KEY192, iv, PLAIN,
               "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
               "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050");
    assert_ctr(KEY256, iv, PLAIN,
               "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
               "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6");
}

/* RFC 3686 §6, vectors 1 and 3 (36 bytes: a part of a block at the end). */
static void ctr_of_rfc3686(void **state)
{
    (void)state;
    assert_ctr("ae6852f8121067cc4bf7a5765577f39e", "00000030000000000000000000000001",
               "53696e676c6520626c6f636b206d7367", "e4095d4fb7a7b3792d6175a3261311b8");
    assert_ctr("7691be035e5020a8ac6e618529f9a0dc", "00e0017b27777f3f4a1786f000000001",
               "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20212223",
               "c1cf48a89f2ffdd9cf4652e9efdb72d74540a42bde6d7836d59a5ceaaef3105325b2072f");
}

static void increment(uint8_t counter[16])
{
    for (size_t i = 16; i > 0 && ++counter[i - 1] == 0; i--)
        ;
}

/* The counter runs through every carry up to a wrap of all 128 bits: the key stream is AES of each
 * counter by itself (one CBC block with a zero IV is bare AES). */
static void ctr_carries_through(void **state)
{
    static const char *const starts[] = {
        "000102030405060708090a0bfffffffe", "0001020304050607fffffffffffffffe",
        "00010203fffffffffffffffffffffffd", "fffffffffffffffffffffffffffffff9",
        "00000000ffffffffffffffffffffffff", "000102030405060708090a0b7ffffffe",
    };
    uint8_t key[16], zero[16] = {0};
    (void)state;
    unhex(key, sizeof key, KEY128);
    for (size_t s = 0; s < ADIT_COUNT(starts); s++) {
        uint8_t iv[16], counter[16], stream[16 * 11] = {0};
        unhex(iv, sizeof iv, starts[s]);
        memcpy(counter, iv, 16);
        aes_ctr_xor(span_make(key, 16), iv, stream, sizeof stream);
        for (size_t at = 0; at < sizeof stream; at += 16, increment(counter)) {
            uint8_t block[16];
            memcpy(block, counter, 16);
            aes_cbc_encrypt(span_make(key, 16), zero, block, 16);
            assert_memory_equal(stream + at, block, 16);
        }
    }
}

static void assert_cbc(const char *key_hex, const char *sealed)
{
    uint8_t key[32], iv[16], data[64];
    size_t key_len = unhex(key, sizeof key, key_hex), n = unhex(data, sizeof data, PLAIN);
    unhex(iv, sizeof iv, "000102030405060708090a0b0c0d0e0f");
    aes_cbc_encrypt(span_make(key, key_len), iv, data, n);
    assert_hex(data, n, sealed);
    aes_cbc_decrypt(span_make(key, key_len), iv, data, n);
    assert_hex(data, n, PLAIN);
}

/* SP 800-38A F.2. */
static void cbc_of_sp800_38a(void **state)
{
    (void)state;
    assert_cbc(KEY128, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
                       "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7");
    assert_cbc(KEY192, "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
                       "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd");
    assert_cbc(KEY256, "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
                       "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b");
}

/* All lengths up to 600 and a large one, at changing alignments: every CPU gives the same, nothing is written
 * before or past the data. */
static void every_cpu_gives_the_same(void **state)
{
    static uint8_t a[35000 + 32], b[sizeof a];
    uint8_t key[32], iv[16];
    (void)state;
    unhex(key, sizeof key, KEY256);
    memset(iv, 0xff, sizeof iv);
    for (size_t n = 0; n <= 600; n++) {
        size_t len = n == 600 ? 35000 : n, at = 1 + n % 16, key_len = 16 + n % 3 * 8;
        memset(a, 0x5c, sizeof a);
        cpu_level_set(0);
        aes_ctr_xor(span_make(key, key_len), iv, a + at, len);
        aes_cbc_encrypt(span_make(key, key_len), iv, a + at, len & ~(size_t)15);
        for (size_t level = 1; level < ADIT_COUNT(cpu_levels); level++) {
            memset(b, 0x5c, sizeof b);
            cpu_level_set(level);
            aes_ctr_xor(span_make(key, key_len), iv, b + at, len);
            aes_cbc_encrypt(span_make(key, key_len), iv, b + at, len & ~(size_t)15);
            assert_memory_equal(a, b, sizeof a);
            assert_true(b[at - 1] == 0x5c && b[at + len] == 0x5c);
            aes_cbc_decrypt(span_make(key, key_len), iv, b + at, len & ~(size_t)15);
            aes_ctr_xor(span_make(key, key_len), iv, b + at, len);
            for (size_t i = 0; i < sizeof b; i++)
                assert_int_equal(b[i], 0x5c);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ctr_of_sp800_38a),
        cmocka_unit_test(ctr_of_rfc3686),
        cmocka_unit_test(ctr_carries_through),
        cmocka_unit_test(cbc_of_sp800_38a),
    };
    const struct CMUnitTest all[] = {cmocka_unit_test(every_cpu_gives_the_same)};
    int failed = 0;
    for (size_t level = 0; level < ADIT_COUNT(cpu_levels); level++) {
        cpu_level_set(level);
        failed += cmocka_run_group_tests_name(cpu_levels[level].name, tests, NULL, NULL);
    }
    return failed + cmocka_run_group_tests_name("all levels", all, NULL, NULL);
}
