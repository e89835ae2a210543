/*
 * test_pem_kdf.c - the derivations and triple DES of OpenSSL's key files. Expected values: RFC 6070 (the
 * first two), Python's hashlib.pbkdf2_hmac, openssl enc -P -md md5, openssl enc -des-ede3-cbc.
 */
#include "test.h"

#include "../crypto/crypto.h"
#include "hex.h"

static void pbkdf2_answers(void **state)
{
    (void)state;
    static const char password[] = "passwordPASSWORDpassword",
                      salt[] = "saltSALTsaltSALTsaltSALTsaltSALTsalt";
    static const struct {
        enum hash_alg alg;
        const char *password, *salt;
        uint32_t rounds;
        const char *out;
    } rows[] = {
        {HASH_SHA1, "password", "salt", 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
        {HASH_SHA1, password, salt, 4096, "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038"},
        {HASH_SHA256, password, salt, 4096,
         "348c89dbcbd32b2f32d814b8116e84cf2b17347ebc1800181c4e2a1fb8dd53e1c635518c7dac47e9"},
        {HASH_SHA384, password, salt, 4096,
         "819143ad66df9a552559b9e131c52ae6c5c1b0eed18f4d283b8c5c9eaeb92b392c147cc2d2869d58"},
        {HASH_SHA512, password, salt, 4096,
         "8c0511f4c6e597c6ac6315d8f0362e225f3c501495ba23b868c005174dc4ee71115b59f9e60cd953"},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        uint8_t want[64], out[64];
        size_t n = hex_bytes(want, sizeof want, rows[i].out);
        pbkdf2(rows[i].alg, span_str(rows[i].password), span_str(rows[i].salt), rows[i].rounds, out, n);
        assert_memory_equal(out, want, n);
        pbkdf2(rows[i].alg, span_str(rows[i].password), span_str(rows[i].salt), rows[i].rounds, out, 3);
        assert_memory_equal(out, want, 3); /* cut, not another */
    }
}

/* As Gutmann's test vectors of PKCS#12 have them; the last by openssl kdf. */
static void pkcs12_answers(void **state)
{
    (void)state;
    static const struct {
        const char *password, *salt;
        uint32_t rounds;
        uint8_t purpose;
        const char *out;
    } rows[] = {
        {"smeg", "0a58cf64530d823f", 1, 1, "8aaae6297b6cb04642ab5b077851284eb7128f1a2a7fbca3"},
        {"smeg", "0a58cf64530d823f", 1, 2, "79993dfe048d3b76"},
        {"queeg", "05dec959acff72f7", 1000, 1, "ed2034e36328830ff09df1e1a07dd357185dac0d4f9eb3d4"},
        {"queeg", "05dec959acff72f7", 1000, 2, "11dedad7758d4860"},
    };
    uint8_t salt[65] = {0}, want[32], out[32], long_one[PKCS12_PASSPHRASE_MAX + 1] = {0};
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        size_t salt_len = hex_bytes(salt, sizeof salt, rows[i].salt),
               n = hex_bytes(want, sizeof want, rows[i].out);
        assert_true(pkcs12_kdf(rows[i].purpose, span_str(rows[i].password), span_make(salt, salt_len),
                               rows[i].rounds, out, n));
        assert_memory_equal(out, want, n);
    }
    struct span eight = span_make(salt, 8);
    assert_true(pkcs12_kdf(1, span_str("p\xc3\xa4ss \xe2\x82\xac"), eight, 1, out, 24));
    assert_true(pkcs12_kdf(1, span_make(long_one, PKCS12_PASSPHRASE_MAX), span_make(salt, 64), 1, out, 24));
    assert_false(pkcs12_kdf(1, span_make(long_one, PKCS12_PASSPHRASE_MAX + 1), eight, 1, out, 24));
    static const char *const no_utf8[] = {"\xff", "\xc3", "\xc3x", "\xe2\x82", "\xf0\x9f\x98\x80", "\x80"};
    for (size_t i = 0; i < ADIT_COUNT(no_utf8); i++)
        assert_false(pkcs12_kdf(1, span_str(no_utf8[i]), eight, 1, out, 24));
    assert_false(pkcs12_kdf(1, span_str("x"), span_make(salt, 65), 1, out, 24));
    assert_false(pkcs12_kdf(1, span_str("x"), (struct span){0}, 1, out, 24));
}

/* RFC 7914 §12. */
static void scrypt_answers(void **state)
{
    (void)state;
    static const struct {
        const char *password, *salt;
        uint64_t cost;
        uint32_t block_size, parallel;
        const char *out;
    } rows[] = {
        {"", "", 16, 1, 1,
         "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
         "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
        {"password", "NaCl", 1024, 8, 16,
         "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
         "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        uint8_t want[64], out[64];
        size_t n = hex_bytes(want, sizeof want, rows[i].out);
        assert_true(scrypt_kdf(span_str(rows[i].password), span_str(rows[i].salt), rows[i].cost,
                               rows[i].block_size, rows[i].parallel, out, n));
        assert_memory_equal(out, want, n);
    }
}

static void scrypt_bounds(void **state)
{
    (void)state;
    assert_true(scrypt_is_affordable(16384, 8, 1) && scrypt_is_affordable(2, 1, 1) &&
                scrypt_is_affordable(16384, 8, 16));
    static const uint64_t bad[][3] = {
        {0, 8, 1},     {1, 8, 1},      {3, 8, 1},          {16384, 0, 1},      {16384, 8, 0},
        {32768, 8, 1}, {16384, 8, 17}, {2, UINT32_MAX, 1}, {2, 1, UINT32_MAX}, {(uint64_t)1 << 63, 1, 1},
        {262144, 1, 1}};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(scrypt_is_affordable(bad[i][0], (uint32_t)bad[i][1], (uint32_t)bad[i][2]));
}

static void md5_derivation(void **state)
{
    (void)state;
    static const uint8_t salt[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t want[48], out[48];
    size_t n = hex_bytes(want, sizeof want,
                         "1c01be527e26bd423247d0c24bc1824023aea59be5aa4ed618f0a7330b6cf75b"
                         "ae6f6f61e1157a37ff7380058209e767");
    pem_md5_kdf(span_str("open sesame"), salt, out, n);
    assert_memory_equal(out, want, n);
    pem_md5_kdf(span_str("open sesame"), salt, out, 24);
    assert_memory_equal(out, want, 24);
}

static void triple_des(void **state)
{
    (void)state;
    uint8_t key[24], data[24];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)i;
    size_t n = hex_bytes(data, sizeof data, "7638a27f4c46e0fc675400dacfb8d29789c4a303e048891a");
    des3_cbc_decrypt(key, key, data, n);
    assert_memory_equal(data, "0123456789abcdef01234567", n);
}

static int start(void **state)
{
    (void)state;
    return crypto_init() ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pbkdf2_answers), cmocka_unit_test(pkcs12_answers), cmocka_unit_test(scrypt_answers),
        cmocka_unit_test(scrypt_bounds),  cmocka_unit_test(md5_derivation), cmocka_unit_test(triple_des),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
