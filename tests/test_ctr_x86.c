/*
 * test_ctr_x86.c - AES-CTR by AES-NI and by VAES against BearSSL's portable AES, counter by counter.
 */
#include <bearssl.h>
#include <stdlib.h>

#include "../crypto/cpu.h"
#include "../crypto/ctr_x86.h"
#include "unhex.h"

static bool has_aes(void)
{
    cpu_limit(NULL);
    cpu_detect();
    return cpu()->has_aes;
}

static void skip_without_aes(void)
{
    if (!has_aes()) {
        print_message("this CPU has no AES instructions\n");
        skip();
    }
}

static void skip_without_vaes(void)
{
    if (!has_aes() || !cpu()->has_vaes || !cpu()->has_avx512) {
        print_message("this CPU has no VAES in 512 bits\n");
        skip();
    }
}

static void increment(uint8_t counter[16])
{
    for (size_t i = 16; i > 0 && ++counter[i - 1] == 0; i--)
        ;
}

/* The portable code's key stream, one block at a time; the counter is stepped byte by byte. */
static void xor_plainly(const br_aes_ct_cbcenc_keys *k, uint8_t counter[16], uint8_t *data, size_t blocks)
{
    for (; blocks > 0; blocks--, data += 16, increment(counter)) {
        uint8_t zero[16] = {0}, stream[16];
        memcpy(stream, counter, 16);
        br_aes_ct_cbcenc_run(k, zero, stream, 16);
        for (size_t i = 0; i < 16; i++)
            data[i] ^= stream[i];
    }
}

static void the_plain_one_is_right(void **state)
{
    br_aes_ct_cbcenc_keys k;
    uint8_t key[16], counter[16], data[16];
    (void)state;
    unhex(key, 16, "2b7e151628aed2a6abf7158809cf4f3c");
    unhex(counter, 16, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    unhex(data, 16, "6bc1bee22e409f96e93d7e117393172a");
    br_aes_ct_cbcenc_init(&k, key, 16);
    xor_plainly(&k, counter, data, 1);
    assert_hex(data, 16, "874d6191b620e3261bef6864990db6ce"); /* SP 800-38A F.5.1 */
    assert_hex(counter, 16, "f0f1f2f3f4f5f6f7f8f9fafbfcfdff00");
}

#ifdef __x86_64__
/* `blocks` blocks at `at`, in memory that ends with them, between bytes that must stay. */
static void assert_run(const uint8_t *key, size_t key_len, const uint8_t start[16], size_t at, size_t blocks)
{
    struct aes_x86_key fast;
    br_aes_ct_cbcenc_keys plain;
    uint8_t counter[16], want_counter[16], *got = malloc(at + 16 * blocks), *want = malloc(at + 16 * blocks);
    assert_true(got != NULL && want != NULL);
    aes_x86_key_init(&fast, span_make(key, key_len));
    br_aes_ct_cbcenc_init(&plain, key, key_len);
    for (size_t i = 0; i < at + 16 * blocks; i++)
        got[i] = want[i] = (uint8_t)(i * 13 + 1);
    memcpy(counter, start, 16);
    memcpy(want_counter, start, 16);
    ctr_x86_run(&fast, counter, got + at, blocks);
    xor_plainly(&plain, want_counter, want + at, blocks);
    assert_memory_equal(got, want, at + 16 * blocks);
    assert_memory_equal(counter, want_counter, 16);
    free(got);
    free(want);
}
#endif

/* Every number of blocks around the kernels' 8 and 32, at every alignment, with every key size. */
static void assert_runs_of_every_size(void)
{
#ifdef __x86_64__
    uint8_t key[32], start[16];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(i * 29 + 3);
    memset(start, 0x42, sizeof start);
    for (size_t blocks = 0; blocks <= 75; blocks++)
        for (size_t at = 1; at <= 16; at++)
            assert_run(key, 16 + blocks % 3 * 8, start, at, blocks);
    assert_run(key, 16, start, 3, 2200);
#endif
}

/* The counter starts so that each carry falls on each place of a batch, and before, between and after. */
static void assert_runs_across_every_carry(void)
{
#ifdef __x86_64__
    static const char *const ends[] = {
        "00112233445566778899aabbffffffff", "00112233ffffffffffffffffffffffff",
        "0011223344556677ffffffffffffffff", "ffffffffffffffffffffffffffffffff",
        "00112233445566778899aabb7fffffff", "7fffffffffffffff7fffffffffffffff"};
    static const size_t blocks[] = {1, 2, 7, 8, 9, 15, 17, 27, 32, 33, 41, 64, 70};
    uint8_t key[32] = {1, 2, 3}, start[16];
    for (size_t e = 0; e < ADIT_COUNT(ends); e++)
        for (unsigned before = 0; before <= 66; before++)
            for (size_t b = 0; b < ADIT_COUNT(blocks); b++) {
                unhex(start, 16, ends[e]);
                start[15] = (uint8_t)(start[15] - before);
                assert_run(key, 16, start, 1, blocks[b]);
            }
#endif
}

/* A stream that is cut into runs of any size is the same stream. */
static void assert_run_goes_on(void)
{
#ifdef __x86_64__
    static uint8_t whole[16 * 300], parts[sizeof whole];
    struct aes_x86_key k;
    uint8_t key[16] = {9}, a[16], b[16];
    aes_x86_key_init(&k, span_make(key, sizeof key));
    for (size_t step = 1; step <= 80; step++) {
        unhex(a, 16, "00112233445566ffffffffffffffff70");
        memcpy(b, a, sizeof b);
        memset(whole, 0x33, sizeof whole);
        memset(parts, 0x33, sizeof parts);
        ctr_x86_run(&k, a, whole, 300);
        for (size_t done = 0, n; done < 300; done += n) {
            n = step + done % 7 < 300 - done ? step + done % 7 : 300 - done;
            ctr_x86_run(&k, b, parts + 16 * done, n);
        }
        assert_memory_equal(whole, parts, sizeof whole);
        assert_memory_equal(a, b, sizeof a);
    }
#endif
}

static void run_by_aesni(void **state)
{
    static const struct cpu aes_alone = {.has_aes = true};
    (void)state;
    skip_without_aes();
    cpu_limit(&aes_alone);
    cpu_detect();
    assert_runs_of_every_size();
    assert_runs_across_every_carry();
    assert_run_goes_on();
}

static void run_by_vaes(void **state)
{
    (void)state;
    skip_without_vaes();
    assert_runs_of_every_size();
    assert_runs_across_every_carry();
    assert_run_goes_on();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_plain_one_is_right),
        cmocka_unit_test(run_by_aesni),
        cmocka_unit_test(run_by_vaes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
