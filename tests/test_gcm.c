/*
 * test_gcm.c - AES-GCM: the test cases of McGrew and Viega's specification (the ones of NIST SP 800-38D),
 * forged messages, and portable against fast code; by what is chosen for each kind of CPU. A kind that this
 * CPU is not gets what this CPU has of it; the tests of the kernels by themselves say when they cannot run.
 */
#include "../crypto/crypto.h"
#include "cpu_levels.h"
#include "unhex.h"

#define PLAIN60                                                        \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define AAD "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define IV  "cafebabefacedbaddecaf888"
#define KEY "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"

struct gcm_case {
    size_t key_len;
    const char *key, *iv, *aad, *plain, *sealed, *tag;
};

/* Test cases 1, 2, 4 (128 bits), 10 (192), 13, 14, 16 (256). */
static const struct gcm_case cases[] = {
    {16, "00000000000000000000000000000000", "000000000000000000000000", "", "", "",
     "58e2fccefa7e3061367f1d57a4e7455a"},
    {16, "00000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "0388dace60b6a392f328c2b971b2fe78",
     "ab6e47d42cec13bdf53a67b21257bddf"},
    {16, "feffe9928665731c6d6a8f9467308308", IV, AAD, PLAIN60,
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {24, "feffe9928665731c6d6a8f9467308308feffe9928665731c", IV, AAD, PLAIN60,
     "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c"
     "7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
     "2519498e80f1478f37ba55bd6d27618c"},
    {32, "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {32, "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {32, KEY, IV, AAD, PLAIN60,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static size_t level;
static bool is_portable;

static void use_portable(void)
{
    crypto_force_portable(true);
    assert_true(crypto_init());
}

static void use_level(size_t i)
{
    crypto_force_portable(false);
    cpu_level_set(i);
}

static int use_chosen(void **state)
{
    (void)state;
    if (is_portable)
        use_portable();
    else
        use_level(level);
    return 0;
}

static void published_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        const struct gcm_case *c = &cases[i];
        uint8_t key[32], iv[12], aad[20], data[64], tag[16];
        struct span k = span_make(key, unhex(key, sizeof key, c->key));
        struct span a = span_make(aad, unhex(aad, sizeof aad, c->aad));
        size_t n = unhex(data, sizeof data, c->plain);
        unhex(iv, sizeof iv, c->iv);
        aes_gcm_seal(k, iv, a, data, n, tag);
        assert_hex(data, n, c->sealed);
        assert_hex(tag, sizeof tag, c->tag);
        assert_true(aes_gcm_open(k, iv, a, data, n, tag));
        assert_hex(data, n, c->plain);
    }
}

struct message {
    uint8_t key[32], iv[12], aad[20], data[60], tag[16];
};

static void seal(struct message *m, size_t key_len)
{
    memset(m, 0, sizeof *m);
    unhex(m->key, sizeof m->key, KEY);
    unhex(m->iv, sizeof m->iv, IV);
    unhex(m->aad, sizeof m->aad, AAD);
    unhex(m->data, sizeof m->data, PLAIN60);
    aes_gcm_seal(span_make(m->key, key_len), m->iv, span_make(m->aad, 20), m->data, 60, m->tag);
}

static bool opens(struct message m, size_t key_len)
{
    static const uint8_t zero[60];
    bool ok = aes_gcm_open(span_make(m.key, key_len), m.iv, span_make(m.aad, 20), m.data, 60, m.tag);
    if (!ok) /* nothing of a forged message is left to be used */
        assert_memory_equal(m.data, zero, 60);
    return ok;
}

/* Every single bit of tag, IV, data, and additional data counts. */
static void open_refuses_forgeries(void **state)
{
    static const size_t key_lens[] = {16, 32};
    (void)state;
    for (size_t k = 0; k < ADIT_COUNT(key_lens); k++) {
        struct message good;
        seal(&good, key_lens[k]);
        assert_true(opens(good, key_lens[k]));
        for (size_t bit = 0; bit < 8 * (sizeof good - sizeof good.key); bit++) {
            struct message bad = good;
            ((uint8_t *)&bad)[sizeof bad.key + bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(opens(bad, key_lens[k]));
        }
    }
}

/* In a message of several of the largest batches, and a rest: one bit of each byte, and nothing is left. */
static void open_refuses_long_forgeries(void **state)
{
    enum { LEN = 1024 + 512 + 128 + 23 };
    static const uint8_t zero[LEN], key[32] = {1}, iv[12] = {2};
    static uint8_t good[LEN + 16], bad[LEN + 16];
    struct span aad = span_make(iv, 4);

    (void)state;
    memset(good, 0x77, sizeof good);
    aes_gcm_seal(span_make(key, 16), iv, aad, good, LEN, good + LEN);
    for (size_t i = 0; i < sizeof good; i++) {
        memcpy(bad, good, sizeof bad);
        bad[i] ^= (uint8_t)(1 << i % 8);
        assert_false(aes_gcm_open(span_make(key, 16), iv, aad, bad, LEN, bad + LEN));
        assert_memory_equal(bad, zero, LEN);
    }
    assert_true(aes_gcm_open(span_make(key, 16), iv, aad, good, LEN, good + LEN));
}

/* The last ones: the largest packet, and a counter that carries out of 16 bits. */
static void portable_equals_fast(void **state)
{
    enum { MOST = 1100000 };
    static const size_t lens[] = {0,    1,    15,   16,   17,    31,    32,    33,           63,
                                  64,   65,   127,  128,  129,   191,   192,   193,          255,
                                  256,  257,  511,  512,  513,   528,   767,   768,          769,
                                  1023, 1024, 1025, 4095, 32768, 34999, 35000, LIMIT_PACKET, MOST};
    static uint8_t want[MOST + 16], got[MOST + 16], plain[MOST];
    uint8_t key[32], iv[12] = {1, 2, 3};
    (void)state;
    unhex(key, sizeof key, KEY);
    memset(plain, 0x77, sizeof plain);
    for (size_t i = 0; i < ADIT_COUNT(lens); i++)
        for (size_t key_len = 16; key_len <= 32; key_len += 8) {
            struct span k = span_make(key, key_len), aad = span_make(key, lens[i] % 33);
            size_t n = lens[i];
            memcpy(want, plain, n);
            use_portable();
            aes_gcm_seal(k, iv, aad, want, n, want + n);
            for (size_t l = 0; l < ADIT_COUNT(cpu_levels); l++) {
                use_level(l);
                memcpy(got, plain, n);
                aes_gcm_seal(k, iv, aad, got, n, got + n);
                assert_memory_equal(got, want, n + 16);
                assert_true(aes_gcm_open(k, iv, aad, got, n, got + n));
                assert_memory_equal(got, plain, n);
            }
        }
}

/* Which sizes of keys are fast decides on the order of the ciphers: with AES instructions both are. */
static void fast_where_there_are_instructions(void **state)
{
    (void)state;
    for (size_t l = 0; l < ADIT_COUNT(cpu_levels); l++) {
        use_level(l);
        if (!cpu()->has_aes)
            continue;
        assert_true(crypto_has_fast_gcm(128));
        assert_true(crypto_has_fast_gcm(256));
        assert_false(crypto_has_fast_gcm(192));
    }
    use_portable();
    assert_false(crypto_has_fast_gcm(128));
    assert_false(crypto_has_fast_gcm(256));
}

int main(void)
{
    const struct CMUnitTest each[] = {
        cmocka_unit_test(published_cases),
        cmocka_unit_test(open_refuses_forgeries),
        cmocka_unit_test(open_refuses_long_forgeries),
    };
    const struct CMUnitTest all[] = {
        cmocka_unit_test(portable_equals_fast),
        cmocka_unit_test(fast_where_there_are_instructions),
    };
    int failed = 0;

    for (level = 0; level < ADIT_COUNT(cpu_levels); level++)
        failed += cmocka_run_group_tests_name(cpu_levels[level].name, each, use_chosen, NULL);
    is_portable = true;
    failed += cmocka_run_group_tests_name("portable", each, use_chosen, NULL);
    return failed + cmocka_run_group_tests_name("all", all, NULL, NULL);
}
