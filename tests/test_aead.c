/*
 * test_aead.c - AES-GCM and ChaCha20-Poly1305 packets against another implementation (see packets.h) and
 * RFC 8439's key streams.
 */
#include <stdlib.h>

#include "../crypto/cpu.h"
#include "packets.h"

static uint8_t packet[TEST_PACKET_MAX];

/* Seals the test packet of n bytes and compares; then opens it with the other direction's state. */
static void exchange(struct cipher *tx, struct cipher *rx, uint32_t seq, size_t n, const char *sealed)
{
    packet_make(packet, n);
    cipher_seal(tx, seq, packet, n);
    assert_hex(packet, n + 16, sealed);
    assert_int_equal(cipher_peek_length(rx, seq, packet), n - 4);
    assert_true(cipher_open(rx, seq, packet, n));
    assert_packet(packet, n);
}

static void exchange_large(struct cipher *tx, struct cipher *rx, uint32_t seq, const char *sealed_sha256)
{
    uint8_t digest[32];
    packet_make(packet, 35004);
    cipher_seal(tx, seq, packet, 35004);
    hash_of(HASH_SHA256, span_make(packet, 35004 + 16), digest);
    assert_hex(digest, 32, sealed_sha256);
    assert_int_equal(cipher_peek_length(rx, seq, packet), 35000);
    assert_true(cipher_open(rx, seq, packet, 35004));
    assert_packet(packet, 35004);
}

/* RFC 5647 §7.1: the invocation counter starts two below its wrap and must not carry into the fixed
 * part of the nonce. The sequence number plays no part. */
#define GCM_IV "a0a1a2a3fffffffffffffffe"

static void gcm128_packets(void **state)
{
    struct cipher tx, rx;
    (void)state;
    cipher_of(&tx, "aes128-gcm@openssh.com", NULL, GCM_IV);
    cipher_of(&rx, "aes128-gcm@openssh.com", NULL, GCM_IV);
    exchange(&tx, &rx, 0, 20, "00000010febc3b9911edcd35fba0f056cdcdfb0a63618c39eebd69cfe3acffda1c78ce0a");
    exchange(&tx, &rx, 77, 36,
             "00000020cf155f7365846f91e7d6d16739269bad44876da25749eceb4647ff56f921b12c"
             "35c5d63ea38c989fd52be32fe1361f04");
    exchange(&tx, &rx, 0, 36,
             "00000020957be3a97ccd7d3f04984f4f02b0fa28e31e4853b8d21ab5b876f9741784739705eb4cc0"
             "c6999f302d4506229b82f2d7");
    exchange_large(&tx, &rx, 0, "84bc6341189b7f0b302c639a7fcee3c2620e0ea9367ab859c72fbe9a09015858");
}

static void gcm256_packets(void **state)
{
    struct cipher tx, rx;
    (void)state;
    cipher_of(&tx, "aes256-gcm@openssh.com", NULL, GCM_IV);
    cipher_of(&rx, "aes256-gcm@openssh.com", NULL, GCM_IV);
    exchange(&tx, &rx, 0, 20, "00000010fb362127663adb428a4f9b3d4803f740f46fe5094a94c3bc6b23613f3b6dda97");
    exchange(&tx, &rx, 0, 36,
             "00000020bb99ef7bc76d3a7d4d00763058675bf2196ec9ec01529b3cf392d18dc608903a"
             "3ddc78708e9b24b07e3b7bf6a62303a4");
    exchange(&tx, &rx, 0, 36,
             "00000020039f71021826fcecee65de5f22a0e4531d0680e152ff2cd5a4fb10e8d8b0bba4"
             "c56ff0e29c88192af5f8cd4dfa8da5d0");
    exchange_large(&tx, &rx, 0, "fc425825f7168f5ceaa521a6bd27610be415dd875983ca55c247a50cbc7fc051");
}

/* A packet cannot be opened twice nor out of order: the nonce has moved on. */
static void gcm_refuses_a_replay(void **state)
{
    struct cipher tx, rx;
    uint8_t again[36 + 16];
    (void)state;
    cipher_of(&tx, "aes256-gcm@openssh.com", NULL, GCM_IV);
    cipher_of(&rx, "aes256-gcm@openssh.com", NULL, GCM_IV);
    packet_make(packet, 36);
    cipher_seal(&tx, 0, packet, 36);
    memcpy(again, packet, sizeof again);
    assert_true(cipher_open(&rx, 0, packet, 36));
    assert_false(cipher_open(&rx, 0, again, 36));
}

static void chachapoly_packets(void **state)
{
    struct cipher tx, rx;
    (void)state;
    cipher_of(&tx, "chacha20-poly1305@openssh.com", NULL, "");
    cipher_of(&rx, "chacha20-poly1305@openssh.com", NULL, "");
    exchange(&tx, &rx, 0, 12, "94450e51079e6f0596a4ef8153570317c15b19f7d9e6105254f88fe5");
    exchange(&tx, &rx, 0x01020304, 28,
             "bc79806389e43186e0536ff983334190db3adbfc8ebb8973980bd41e027be089ac05534d4506f1d063b4bd8f");
    exchange_large(&tx, &rx, 0xffffffff, "88051a04547326a4fbd4313241e24695b40a064e97bf244c9ce03c68f6458db1");
}

/* RFC 8439 A.1, vectors 1, 2 and 5: under zero keys a packet of zeros shows the key streams: the length
 * is sealed by block 0 of one key, the payload from block 1 on of the other. */
static void chachapoly_key_streams(void **state)
{
    static const uint8_t key[64], head[4];
    struct cipher c;
    (void)state;
    cipher_init(&c, cipher_alg_find(span_str("chacha20-poly1305@openssh.com")), NULL, key, NULL, NULL);
    memset(packet, 0, 4 + 64 + 16);
    cipher_seal(&c, 0, packet, 4 + 64);
    assert_hex(packet, 4 + 64,
               "76b8e0ad"
               "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
               "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f");
    assert_int_equal(cipher_peek_length(&c, 2, head), 0xc2c64d37);
}

static void chachapoly_is_bound_to_its_number(void **state)
{
    struct cipher c;
    uint8_t sealed[28 + 16];
    (void)state;
    cipher_of(&c, "chacha20-poly1305@openssh.com", NULL, "");
    packet_make(packet, 28);
    cipher_seal(&c, 5, packet, 28);
    memcpy(sealed, packet, sizeof sealed);
    assert_false(cipher_open(&c, 6, packet, 28));
    memcpy(packet, sealed, sizeof sealed);
    assert_true(cipher_open(&c, 5, packet, 28));
}

static void chachapoly_refuses_what_was_changed(void **state)
{
    static const size_t sizes[] = {4, 12, 132, 133, 400, 1500, 35004};
    static uint8_t sealed[TEST_PACKET_MAX];
    struct cipher c;
    (void)state;
    cipher_of(&c, "chacha20-poly1305@openssh.com", NULL, "");
    for (size_t i = 0; i < ADIT_COUNT(sizes); i++) {
        size_t n = sizes[i], step = n < 200 ? 1 : n / 50;
        packet_make(sealed, n);
        cipher_seal(&c, 9, sealed, n);
        for (size_t at = n % step; at < n + 16; at += step) {
            memcpy(packet, sealed, n + 16);
            packet[at] ^= (uint8_t)(1u << at % 8);
            assert_false(cipher_open(&c, 9, packet, n));
            for (size_t j = 0; j < n; j++)
                assert_int_equal(packet[j], 0);
        }
        assert_true(cipher_open(&c, 9, sealed, n));
        assert_packet(sealed, n);
    }
}

/* What is allowed of chacha_x86 and poly1305_x86. Levels that this CPU does not reach are done by the one
 * below. */
static const struct cpu chachapoly_levels[] = {
    {0},
    {.has_avx2 = true},
    {.has_avx2 = true, .has_avx512 = true},
    {.has_avx2 = true, .has_avx512 = true, .has_ifma = true},
};

static void use_level(size_t level)
{
    cpu_limit(&chachapoly_levels[level]);
    assert_true(crypto_init());
}

/* Sealed alike by every kernel, and opened by the next one: also one that was chosen in mid-stream. In
 * a buffer of exactly the size, for the sanitizer. */
static void levels_agree(struct cipher *c, uint32_t seq, size_t n)
{
    static uint8_t want[TEST_PACKET_MAX];
    uint8_t *p = malloc(n + 16);
    assert_non_null(p);
    for (size_t level = 0; level < ADIT_COUNT(chachapoly_levels); level++) {
        use_level(level);
        packet_make(p, n);
        cipher_seal(c, seq, p, n);
        if (level == 0)
            memcpy(want, p, n + 16);
        assert_memory_equal(p, want, n + 16);
        use_level((level + 1) % ADIT_COUNT(chachapoly_levels));
        assert_int_equal(cipher_peek_length(c, seq, p), n - 4);
        assert_true(cipher_open(c, seq, p, n));
        assert_packet(p, n);
    }
    free(p);
}

static void chachapoly_kernels_agree(void **state)
{
    struct cipher c;
    (void)state;
    cipher_of(&c, "chacha20-poly1305@openssh.com", NULL, "");
    for (size_t n = 4; n < 1400; n++)
        levels_agree(&c, (uint32_t)(n * 0x01010101), n);
    for (size_t n = 1400; n <= 35008; n += 997)
        levels_agree(&c, (uint32_t)n, n);
    cpu_limit(NULL);
}

static int use_avx2(void **state)
{
    (void)state;
    use_level(1);
    return 0;
}

static int use_avx512(void **state)
{
    (void)state;
    use_level(2);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gcm128_packets),
        cmocka_unit_test(gcm256_packets),
        cmocka_unit_test(gcm_refuses_a_replay),
        cmocka_unit_test(chachapoly_packets),
        cmocka_unit_test(chachapoly_key_streams),
        cmocka_unit_test(chachapoly_is_bound_to_its_number),
        cmocka_unit_test(chachapoly_refuses_what_was_changed),
    };
    const struct CMUnitTest across[] = {cmocka_unit_test(chachapoly_kernels_agree)};
    int failed = cmocka_run_group_tests_name("fast", tests, use_fast, NULL);
    failed += cmocka_run_group_tests_name("portable", tests, use_portable, NULL);
    failed += cmocka_run_group_tests_name("avx2", tests, use_avx2, NULL);
    failed += cmocka_run_group_tests_name("avx512", tests, use_avx512, NULL);
    return failed + cmocka_run_group_tests_name("across", across, NULL, NULL);
}
