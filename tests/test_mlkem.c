/*
 * test_mlkem.c - ML-KEM-768: vectors of NIST's ACVP server and of the reference implementation (long values
 * by their SHA-256), the checks of FIPS 203 §7, implicit rejection.
 */
#include "../crypto/crypto.h"
#include "unhex.h"

static void assert_sha256(const void *p, size_t n, const char *hex)
{
    uint8_t digest[32];
    hash_of(HASH_SHA256, span_make(p, n), digest);
    assert_hex(digest, 32, hex);
}

/* The first vector of the reference implementation: key, encapsulation, secret. */
#define SEED                                                           \
    "7c9935a0b07694aa0c6d10e4db6b1add2fd81a25ccb148032dcd739936737f2d" \
    "8626ed79d451140800e03b59b956f8210e556067407d13dc90fa9e8b872bfb8f"
#define ENTROPY "147c03f7a5bebba406c8fae1874d7f13c80efe79a3a9a874cc09fe76f6997615"
#define SECRET  "e7184a0975ee3470878d2d159ec83129c8aec253d4ee17b4810311d198cd0368"

struct exchange {
    uint8_t pk[MLKEM768_PK_LEN], sk[MLKEM768_SK_LEN], ct[MLKEM768_CT_LEN], ss[MLKEM768_SS_LEN];
    uint8_t entropy[32];
};

static void exchange_make(struct exchange *e)
{
    uint8_t seed[64];
    unhex(seed, sizeof seed, SEED);
    unhex(e->entropy, sizeof e->entropy, ENTROPY);
    assert_true(mlkem768_keypair(e->pk, e->sk, seed));
    assert_true(mlkem768_encaps(e->ct, e->ss, e->pk, e->entropy));
}

/* ACVP ML-KEM-keyGen-FIPS203, ML-KEM-768, first case. */
static void keypair_of_acvp(void **state)
{
    uint8_t seed[64], pk[MLKEM768_PK_LEN], sk[MLKEM768_SK_LEN];
    (void)state;
    unhex(seed, sizeof seed,
          "e34a701c4c87582f42264ee422d3c684d97611f2523efe0c998af05056d693dc"
          "a85768f3486bd32a01bf9a8f21ea938e648eae4e5448c34c3eb88820b159eedd");
    assert_true(mlkem768_keypair(pk, sk, seed));
    assert_sha256(pk, sizeof pk, "7799c9d8eef172aa78c073514f2f039c240de8c5cb61bca82ba0bc46041ce279");
    assert_sha256(sk, sizeof sk, "104b3444c3de2b81143788d27e17648f45c80f617f906156db2258da96dead40");
}

static void keypair_and_encaps_of_the_reference(void **state)
{
    struct exchange e;
    (void)state;
    exchange_make(&e);
    assert_sha256(e.pk, sizeof e.pk, "86adbca81f4fee893e2fb58fb98aa2fe188f501fed268d7f4056f8c05c4e53c4");
    assert_sha256(e.sk, sizeof e.sk, "8757e8aee5e441aee07a43af40467d32f80aee5c51aae4ebd2bdb844c038aac7");
    assert_sha256(e.ct, sizeof e.ct, "36829a2f35cbf4deb62c0a12a15c22dae9f8d2c252566fc24f88abe805cb575e");
    assert_hex(e.ss, sizeof e.ss, SECRET);
}

/* FIPS 203 §7.2: a coefficient of 3329 or more, wherever it stands, makes a key that is refused. */
static void encaps_checks_the_modulus(void **state)
{
    static const unsigned bad[] = {3329, 3330, 4095};
    struct exchange e;
    (void)state;
    exchange_make(&e);
    for (size_t i = 0; i < 768; i += 1)
        for (size_t b = 0; b < ADIT_COUNT(bad); b++) {
            uint8_t pk[MLKEM768_PK_LEN], *pair = pk + i / 2 * 3;
            memcpy(pk, e.pk, sizeof pk);
            if (i % 2 == 0) {
                pair[0] = (uint8_t)bad[b];
                pair[1] = (uint8_t)((pair[1] & 0xf0) | bad[b] >> 8);
            } else {
                pair[1] = (uint8_t)((pair[1] & 0x0f) | (bad[b] & 15) << 4);
                pair[2] = (uint8_t)(bad[b] >> 4);
            }
            assert_false(mlkem768_encaps(e.ct, e.ss, pk, e.entropy));
        }
}

/* The largest coefficient, 3328, is good, and the last 32 bytes (rho) are not coefficients. */
static void encaps_takes_the_edge(void **state)
{
    struct exchange e;
    (void)state;
    exchange_make(&e);
    for (size_t i = 0; i < 1152; i += 3) {
        e.pk[i] = 0x00;
        e.pk[i + 1] = 0x0d;
        e.pk[i + 2] = 0xd0;
    }
    memset(e.pk + 1152, 0xff, 32);
    assert_true(mlkem768_encaps(e.ct, e.ss, e.pk, e.entropy));
}

static void decaps_gives_the_secret(void **state)
{
    struct exchange e;
    uint8_t ss[MLKEM768_SS_LEN];
    (void)state;
    exchange_make(&e);
    assert_true(mlkem768_decaps(ss, e.ct, e.sk));
    assert_hex(ss, sizeof ss, SECRET);
}

/* FIPS 203 algorithm 18: a forged ciphertext gives SHAKE256(z || c, 32), here made by Python's hashlib. */
static void decaps_rejects_implicitly(void **state)
{
    struct exchange e;
    uint8_t ss[MLKEM768_SS_LEN];
    (void)state;
    exchange_make(&e);
    e.ct[0] ^= 1;
    assert_true(mlkem768_decaps(ss, e.ct, e.sk));
    assert_hex(ss, sizeof ss, "d8f24fa38430a171f93f27d46c52e0bc636d0a1fd5b9571951afbf1ad0b895a5");
    e.ct[0] ^= 1;
    for (size_t i = 0; i < sizeof e.ct; i += 31) {
        e.ct[i] ^= 0x80;
        assert_true(mlkem768_decaps(ss, e.ct, e.sk));
        assert_memory_not_equal(ss, e.ss, sizeof ss);
        e.ct[i] ^= 0x80;
    }
}

/* FIPS 203 §7.3: the public half within the secret key, or its hash, was changed. */
static void decaps_checks_the_key(void **state)
{
    struct exchange e;
    uint8_t ss[MLKEM768_SS_LEN];
    (void)state;
    exchange_make(&e);
    for (size_t i = 1152; i < 1152 + 1184 + 32; i += 7) {
        e.sk[i] ^= 4;
        assert_false(mlkem768_decaps(ss, e.ct, e.sk));
        e.sk[i] ^= 4;
    }
    assert_true(mlkem768_decaps(ss, e.ct, e.sk));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keypair_of_acvp),           cmocka_unit_test(keypair_and_encaps_of_the_reference),
        cmocka_unit_test(encaps_checks_the_modulus), cmocka_unit_test(encaps_takes_the_edge),
        cmocka_unit_test(decaps_gives_the_secret),   cmocka_unit_test(decaps_rejects_implicitly),
        cmocka_unit_test(decaps_checks_the_key),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
