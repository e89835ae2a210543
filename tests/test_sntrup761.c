/*
 * test_sntrup761.c - the mechanism: values of an independent implementation (sntrup761_model.py; long ones by
 * their SHA-256), implicit rejection, and nothing that branches on a secret.
 */
#include "../crypto/crypto.h"
#include "undefined.h"
#include "unhex.h"

struct exchange {
    uint8_t pk[SNTRUP761_PK_LEN], sk[SNTRUP761_SK_LEN], ct[SNTRUP761_CT_LEN], ss[SNTRUP761_SS_LEN];
};

static void exchange_make(struct exchange *e, uint8_t seed)
{
    uint8_t bytes[32];
    memset(bytes, seed, sizeof bytes);
    assert_true(sntrup761_keypair(e->pk, e->sk, bytes));
    memset(bytes, seed + 100, sizeof bytes);
    sntrup761_encaps(e->ct, e->ss, e->pk, bytes);
}

static void assert_sha256(const void *p, size_t n, const char *hex)
{
    uint8_t digest[32];
    hash_of(HASH_SHA256, span_make(p, n), digest);
    assert_hex(digest, 32, hex);
}

static void values_of_the_model(void **state)
{
    static const struct {
        uint8_t seed;
        const char *pk, *sk, *ct, *ss, *rejected;
    } cases[] = {
        {7, "ccf3731a1ecafcee254104c3c599c686c8d2a8d55867503b5305adf9ba33225d",
         "9c0cc463aea3c4f81b241c36d0906b4aa329d7b95e626ba3624183102d6c85cd",
         "bb9b831cb6d7edfb3037da53aa76a5a54a9918efe3282717d8759f5cfcee7930",
         "ec376c5c7ad0e69cae346ed73d72b323bd7cd407fd87cdeda363c8c6dfb93f56",
         "e4d4929ef553168f6b06e94f9378cddda042b1414378c5c7d2bba270ded5f6b4"},
        {8, "cd26c0b902db41ac5e9a493a7f08c3f08db66b4a7367409446615f54dbd5e47a",
         "5e560f10c827f1e91f402885ec1fd74c757a8c6d5a7758b5b13b90edf22996eb",
         "c6901f4fe856f05b65dc90e765cc8f2429d4a0f1692caf2e48995e7ccc26604f",
         "be21f7e825dcb62d3882b112dd076959d059701b9377693fc14fea7870f1c1f9",
         "b548a841e63f8c35449d7463c31aaabad717dc3f4a1fec6fab73215e9318feea"},
    };
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct exchange e;
        uint8_t ss[SNTRUP761_SS_LEN];
        exchange_make(&e, cases[i].seed);
        assert_sha256(e.pk, sizeof e.pk, cases[i].pk);
        assert_sha256(e.sk, sizeof e.sk, cases[i].sk);
        assert_sha256(e.ct, sizeof e.ct, cases[i].ct);
        assert_hex(e.ss, sizeof e.ss, cases[i].ss);
        sntrup761_decaps(ss, e.ct, e.sk);
        assert_hex(ss, sizeof ss, cases[i].ss);
        e.ct[0] ^= 1;
        sntrup761_decaps(ss, e.ct, e.sk);
        assert_hex(ss, sizeof ss, cases[i].rejected);
    }
}

static void decaps_gives_the_secret(void **state)
{
    (void)state;
    for (uint8_t seed = 10; seed < 40; seed++) {
        struct exchange e;
        uint8_t ss[SNTRUP761_SS_LEN];
        exchange_make(&e, seed);
        sntrup761_decaps(ss, e.ct, e.sk);
        assert_memory_equal(ss, e.ss, sizeof ss);
    }
}

/* Any bit of the ciphertext, of the encoded polynomial or of the confirmation, makes another secret. */
static void decaps_rejects_implicitly(void **state)
{
    struct exchange e;
    uint8_t ss[SNTRUP761_SS_LEN];
    (void)state;
    exchange_make(&e, 1);
    for (size_t i = 0; i < sizeof e.ct; i += i < 1000 ? 37 : 1) {
        e.ct[i] ^= (uint8_t)(1 << i % 8);
        sntrup761_decaps(ss, e.ct, e.sk);
        assert_memory_not_equal(ss, e.ss, sizeof ss);
        e.ct[i] ^= (uint8_t)(1 << i % 8);
    }
    memset(e.ct, 0xff, sizeof e.ct);
    sntrup761_decaps(ss, e.ct, e.sk);
    assert_memory_not_equal(ss, e.ss, sizeof ss);
}

/* A secret key of nothing but ones in its bits, which no key pair has, gives a secret too. */
static void decaps_takes_any_key(void **state)
{
    struct exchange e;
    uint8_t ss[SNTRUP761_SS_LEN];
    (void)state;
    exchange_make(&e, 2);
    memset(e.sk, 0xff, 382);
    sntrup761_decaps(ss, e.ct, e.sk);
    assert_memory_not_equal(ss, e.ss, sizeof ss);
}

/* Under valgrind: with the seeds secret, no branch and no index depends on them. The public key, the
 * ciphertext and whether a seed was good are public. */
static void time_does_not_depend_on_secrets(void **state)
{
    struct exchange e;
    uint8_t seed[32] = {3}, other[32] = {4}, ss[SNTRUP761_SS_LEN];
    (void)state;
    SECRET(seed, sizeof seed);
    SECRET(other, sizeof other);
    bool is_good = sntrup761_keypair(e.pk, e.sk, seed);
    REVEALED(&is_good, sizeof is_good);
    REVEALED(e.pk, sizeof e.pk);
    assert_true(is_good);
    sntrup761_encaps(e.ct, e.ss, e.pk, other);
    REVEALED(e.ct, sizeof e.ct);
    sntrup761_decaps(ss, e.ct, e.sk);
    REVEALED(ss, sizeof ss);
    REVEALED(e.ss, sizeof e.ss);
    assert_memory_equal(ss, e.ss, sizeof ss);
    e.ct[5] ^= 1;
    sntrup761_decaps(ss, e.ct, e.sk);
    REVEALED(ss, sizeof ss);
    assert_memory_not_equal(ss, e.ss, sizeof ss);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_the_model),
        cmocka_unit_test(decaps_gives_the_secret),
        cmocka_unit_test(decaps_rejects_implicitly),
        cmocka_unit_test(decaps_takes_any_key),
        cmocka_unit_test(time_does_not_depend_on_secrets),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
