/*
 * test_sha256.c - buffer, padding and length, around a compression function that is FIPS 180-4 §6.2.2 to the
 * letter; what crypto_init chooses is held against the same in test_hash.c.
 */
#include "../crypto/cpu.h"
#include "../crypto/crypto.h"
#include "../crypto/sha256.h"
#include "sha256_plain.h"
#include "unhex.h"

static void assert_sha256(const char *text, const char *hex)
{
    struct sha256 s;
    uint8_t out[32];
    sha256_init(&s, sha256_plain_compress);
    sha256_update(&s, (const uint8_t *)text, strlen(text));
    sha256_end(&s, out);
    assert_hex(out, 32, hex);
}

/* FIPS 180-4's examples, and the empty message. */
static void of_published_messages(void **state)
{
    (void)state;
    assert_sha256("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_sha256("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

/* Every length, so every amount of padding; cut in two at every place; the first half goes on in a copy. */
static void update_and_end_as_the_library(void **state)
{
    uint8_t data[200], want[32], out[32];
    (void)state;
    crypto_force_portable(true);
    assert_true(crypto_init());
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 11 + 5);
    for (size_t n = 0; n <= sizeof data; n++)
        for (size_t cut = 0; cut <= n; cut++) {
            struct sha256 s;
            hash_of(HASH_SHA256, span_make(data, n), want);
            sha256_init(&s, sha256_plain_compress);
            sha256_update(&s, data, cut);
            struct sha256 copy = s;
            sha256_end(&s, out);
            sha256_update(&copy, data + cut, n - cut);
            sha256_update(&copy, NULL, 0);
            sha256_end(&copy, out);
            assert_memory_equal(out, want, 32);
        }
}

static uint8_t bytes_a[40000 + 64], bytes_b[40000 + 64];

/* Two messages that have begun, of begun_a and begun_b bytes, and go on together. */
static void assert_two(size_t begun_a, size_t n_a, size_t begun_b, size_t n_b)
{
    struct sha256 a, b;
    uint8_t want[32], out[32];
    sha256_init(&a, sha256_plain_compress);
    sha256_init(&b, sha256_plain_compress);
    sha256_update(&a, bytes_a, begun_a);
    sha256_update(&b, bytes_b, begun_b);
    sha256_update_two(&a, span_make(n_a > 0 ? bytes_a + begun_a : NULL, n_a), &b,
                      span_make(n_b > 0 ? bytes_b + begun_b : NULL, n_b), sha256_plain_compress_two);
    sha256_end(&a, out);
    hash_of(HASH_SHA256, span_make(bytes_a, begun_a + n_a), want);
    assert_memory_equal(out, want, 32);
    sha256_end(&b, out);
    hash_of(HASH_SHA256, span_make(bytes_b, begun_b + n_b), want);
    assert_memory_equal(out, want, 32);
}

static void update_two_as_one_by_one(void **state)
{
    static const size_t others[] = {0, 1, 4, 55, 56, 59, 60, 63, 64, 65, 127, 128, 129, 200};
    (void)state;
    crypto_force_portable(true);
    assert_true(crypto_init());
    sha256_plain_fill(bytes_a, sizeof bytes_a, 2463534242);
    sha256_plain_fill(bytes_b, sizeof bytes_b, 521288629);
    for (size_t n = 0; n <= 200; n++)
        for (size_t i = 0; i < ADIT_COUNT(others); i++) {
            assert_two(0, n, 0, others[i]);
            assert_two(0, others[i], 0, n);
            assert_two(4, n, 4, others[i]);
            assert_two(n % 64, others[i], 3 * n % 64, n);
        }
    for (size_t i = 1; i <= 20; i++)
        assert_two(i, 40000 - 997 * i, 64 - i, i % 2 == 0 ? 40000 - 997 * i : 401 * i * i % 40000);
}

static size_t blocks_seen;
static uint8_t last_block[64];

static void watch(uint32_t h[8], const uint8_t *blocks, size_t count)
{
    (void)h;
    blocks_seen += count;
    memcpy(last_block, blocks + 64 * (count - 1), 64);
}

/* FIPS 180-4 §5.1.1: the length in bits has 64 bits, also when the bytes have more than 32. */
static void end_writes_a_long_length(void **state)
{
    static const uint8_t piece[4096];
    struct sha256 s;
    uint8_t out[32];
    (void)state;
    sha256_init(&s, watch);
    for (uint64_t n = 0; n < (uint64_t)5 << 30; n += sizeof piece)
        sha256_update(&s, piece, sizeof piece);
    sha256_update(&s, piece, 3);
    sha256_end(&s, out);
    assert_int_equal(blocks_seen, ((uint64_t)5 << 30) / 64 + 1);
    assert_hex(last_block, 8, "0000008000000000");
    assert_hex(last_block + 56, 8, "0000000a00000018");
}

static void choose_within_the_limit(void **state)
{
    static const struct cpu nothing;
    (void)state;
    cpu_limit(&nothing);
    cpu_detect();
    assert_true(sha256_compress_choose() == NULL);
    assert_true(sha256_compress_two_choose() == NULL);
    cpu_limit(NULL);
    cpu_detect();
    assert_true(!cpu()->has_sha || sha256_compress_choose() != NULL);
    assert_int_equal(cpu()->has_sha, sha256_compress_two_choose() != NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_published_messages),    cmocka_unit_test(update_and_end_as_the_library),
        cmocka_unit_test(update_two_as_one_by_one), cmocka_unit_test(end_writes_a_long_length),
        cmocka_unit_test(choose_within_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
