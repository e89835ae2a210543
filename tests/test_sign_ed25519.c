/*
 * test_sign_ed25519.c - RFC 8032's vectors, and the signatures that a lax verifier would take.
 *
 * The forgeries were computed with a plain model of the curve: each satisfies the bare equation
 * [S]B = R + [h]A and must be refused for its form.
 */
#include "test.h"

#include "../crypto/crypto.h"
#include "hex.h"

/* RFC 8032 §7.1: TEST 1, 2, 3 and SHA(abc): seed, public key, message, signature. */
static const struct {
    const char *seed, *pk, *msg, *sig;
} vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
     "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
     "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
     "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"},
    {"833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
     "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
     "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d442"
     "3643ce80e2a9ac94fa54ca49f",
     "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
     "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"},
};

static void test_keypair_and_sign(void **state)
{
    uint8_t seed[32], pk[32], msg[64], sig[64], got_pk[32], sk[64], got[64];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(vectors); i++) {
        hex_bytes(seed, sizeof seed, vectors[i].seed);
        hex_bytes(pk, sizeof pk, vectors[i].pk);
        hex_bytes(sig, sizeof sig, vectors[i].sig);
        struct span m = hex_span(msg, sizeof msg, vectors[i].msg);
        ed25519_keypair(got_pk, sk, seed);
        assert_memory_equal(got_pk, pk, 32);
        assert_memory_equal(sk, seed, 32);
        assert_memory_equal(sk + 32, pk, 32);
        ed25519_sign(got, m, sk);
        assert_memory_equal(got, sig, 64);
        assert_true(ed25519_verify(sig, m, pk));
    }
}

static void test_tampered(void **state)
{
    uint8_t pk[32], msg[2], sig[64];
    (void)state;
    hex_bytes(pk, sizeof pk, vectors[2].pk);
    hex_bytes(sig, sizeof sig, vectors[2].sig);
    struct span m = hex_span(msg, sizeof msg, vectors[2].msg);
    for (size_t bit = 0; bit < 8 * sizeof sig; bit++) {
        sig[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(ed25519_verify(sig, m, pk));
        sig[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_false(ed25519_verify(sig, span_sub(m, 0, 1), pk));
    msg[0] ^= 1;
    assert_false(ed25519_verify(sig, m, pk));
    msg[0] ^= 1;
    pk[5] ^= 1;
    assert_false(ed25519_verify(sig, m, pk));
    pk[5] ^= 1;
    assert_true(ed25519_verify(sig, m, pk));
}

static bool verify_hex(const char *pk_hex, const char *sig_hex)
{
    static const uint8_t msg[] = {0x72};
    uint8_t pk[32], sig[64];
    assert_int_equal(hex_bytes(pk, sizeof pk, pk_hex), 32);
    assert_int_equal(hex_bytes(sig, sizeof sig, sig_hex), 64);
    return ed25519_verify(sig, span_make(msg, sizeof msg), pk);
}

/* TEST 2 with S + L in place of S: the same signature in other bytes. */
static void test_s_not_reduced(void **state)
{
    (void)state;
    assert_false(verify_hex(vectors[1].pk,
                            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                            "f52db7415978abc61b2c2eb6aeebfca0387b2eaeb4302aeeb00d291612bb0c10"));
}

/* The neutral point as a public key: any message is signed by R = [12345]B, S = 12345. */
#define SIG_FOR_NEUTRAL                                                \
    "ef4f62f8479733ad879cfaced3c89a9c39dd4fc795ef2efa1c3eafe4d729a081" \
    "3930000000000000000000000000000000000000000000000000000000000000"

static void test_small_order_key(void **state)
{
    (void)state;
    assert_false(
        verify_hex("0100000000000000000000000000000000000000000000000000000000000000", SIG_FOR_NEUTRAL));
}

/* The same point with y = p + 1, and with x's sign set although x is 0. */
static void test_non_canonical_key(void **state)
{
    (void)state;
    assert_false(
        verify_hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", SIG_FOR_NEUTRAL));
    assert_false(
        verify_hex("0100000000000000000000000000000000000000000000000000000000000080", SIG_FOR_NEUTRAL));
}

/* R is the neutral point and S = h a, with TEST 2's key. */
static void test_small_order_r(void **state)
{
    (void)state;
    assert_false(verify_hex(vectors[1].pk,
                            "0100000000000000000000000000000000000000000000000000000000000000"
                            "675d054595fa17cb6a44e3ada6ca385e55667e41a63fdab0ac22d10000354002"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keypair_and_sign),  cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_s_not_reduced),     cmocka_unit_test(test_small_order_key),
        cmocka_unit_test(test_non_canonical_key), cmocka_unit_test(test_small_order_r),
    };
    return !crypto_init() || cmocka_run_group_tests(tests, NULL, NULL);
}
