/*
 * test_aes_x86.c - the key schedules of FIPS 197, appendix A, and the ciphers of its appendix C by them.
 */
#include "../crypto/aes_x86.h"
#include "../crypto/cpu.h"
#include "unhex.h"

#ifdef __x86_64__
#include <immintrin.h>

static void need_aes(void)
{
    cpu_limit(NULL);
    cpu_detect();
    if (!cpu()->has_aes) {
        print_message("this CPU has no AES instructions\n");
        skip();
    }
}

static struct aes_x86_key schedule(const char *hex)
{
    struct aes_x86_key k;
    uint8_t key[32];

    memset(&k, 0x55, sizeof k);
    aes_x86_key_init(&k, span_make(key, unhex(key, sizeof key, hex)));
    return k;
}

/* The last words of A.1, A.2, A.3, and one in the middle; what is beyond them is zero. */
static void schedules_of_fips_197(void **state)
{
    static const uint8_t zero[4 * 16];
    struct aes_x86_key k;

    (void)state;
    need_aes();
    k = schedule("2b7e151628aed2a6abf7158809cf4f3c");
    assert_int_equal(k.rounds, 10);
    assert_hex(k.round[0], 16, "2b7e151628aed2a6abf7158809cf4f3c");
    assert_hex(k.round[1], 16, "a0fafe1788542cb123a339392a6c7605");
    assert_hex(k.round[10], 16, "d014f9a8c9ee2589e13f0cc8b6630ca6");
    assert_memory_equal(k.round[11], zero, sizeof zero);

    k = schedule("8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b");
    assert_int_equal(k.rounds, 12);
    assert_hex(k.round[1], 16, "62f8ead2522c6b7bfe0c91f72402f5a5");
    assert_hex(k.round[12], 16, "e98ba06f448c773c8ecc720401002202");
    assert_memory_equal(k.round[13], zero, 2 * 16);

    k = schedule("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    assert_int_equal(k.rounds, 14);
    assert_hex(k.round[2], 16, "9ba354118e6925afa51a8b5f2067fcde");
    assert_hex(k.round[14], 16, "fe4890d1e6188d0b046df344706c631e");
}

__attribute__((target("aes"))) static void encrypt(const struct aes_x86_key *k, uint8_t block[16])
{
    const __m128i *round = (const __m128i *)(const void *)k->round;
    __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)block), round[0]);

    for (unsigned i = 1; i < k->rounds; i++)
        b = _mm_aesenc_si128(b, round[i]);
    _mm_storeu_si128((__m128i *)(void *)block, _mm_aesenclast_si128(b, round[k->rounds]));
}

/* Appendix C: the key is 00 01 02 ... in each length. */
static void ciphers_of_fips_197(void **state)
{
    static const char all[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    static const char *const sealed[] = {"69c4e0d86a7b0430d8cdb78070b4c55a",
                                         "dda97ca4864cdfe06eaf70a0ec0d7191",
                                         "8ea2b7ca516745bfeafc49904b496089"};

    (void)state;
    need_aes();
    for (size_t i = 0; i < ADIT_COUNT(sealed); i++) {
        uint8_t block[16];
        char key[sizeof all] = "";
        struct aes_x86_key k;

        memcpy(key, all, 2 * (16 + 8 * i));
        k = schedule(key);
        unhex(block, sizeof block, "00112233445566778899aabbccddeeff");
        encrypt(&k, block);
        assert_hex(block, sizeof block, sealed[i]);
    }
}
#else
static void schedules_of_fips_197(void **state)
{
    (void)state;
    skip();
}

static void ciphers_of_fips_197(void **state)
{
    (void)state;
    skip();
}
#endif

/* cpu.h: has_aes is never true without the instructions that aes_x86.c is made of. */
static void runs_where_cpu_says(void **state)
{
    (void)state;
    cpu_limit(NULL);
    cpu_detect();
#ifdef __x86_64__
    __builtin_cpu_init();
    assert_int_equal(cpu()->has_aes, __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
                                         __builtin_cpu_supports("sse4.1"));
#else
    assert_false(cpu()->has_aes);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_where_cpu_says),
        cmocka_unit_test(schedules_of_fips_197),
        cmocka_unit_test(ciphers_of_fips_197),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
