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
        cmocka_unit_test(pbkdf2_answers),
        cmocka_unit_test(md5_derivation),
        cmocka_unit_test(triple_des),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
