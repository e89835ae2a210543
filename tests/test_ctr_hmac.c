/*
 * test_ctr_hmac.c - AES-CTR with HMAC-SHA-2, both forms, against another implementation (see packets.h).
 */
#include <stdlib.h>

#include "cpu_levels.h"
#include "packets.h"

/* Three packets in a row, from sequence number 0xfffffffe on so that it wraps; the counter starts two
 * blocks below a carry out of its lower 64 bits. */
#define CTR_IV "f0f1f2f3f4f5f6f7fffffffffffffffe"
static const size_t lens[] = {16, 48, 35008}; /* four more with -etm */

/* SHA-256 over the three sealed packets, each with its MAC. */
static const struct {
    const char *alg, *mac, *sha256;
} answers[] = {
    {"aes128-ctr", "hmac-sha2-256", "e0288da01e5a693a57ed78cb640879fc604bed9344bb9d5f33c4e332986bd652"},
    {"aes128-ctr", "hmac-sha2-256-etm@openssh.com",
     "a94caf0d83117d56ba98ce7353aac3fcd149a78f07534639b13837a5ab55687b"},
    {"aes128-ctr", "hmac-sha2-512", "c74c5c18efd51fd7e0046d5dfbc9b789d46e8394896297c4320f20f64085ce63"},
    {"aes128-ctr", "hmac-sha2-512-etm@openssh.com",
     "5435cf3a26ed977f4dba32b1e433c12a39b3504af4d7b69b37a66dafc26bd170"},
    {"aes192-ctr", "hmac-sha2-256", "ad752049a9e26f277a5abce7c698822175c8cb8a4de1cd6f362c15d3b862bdab"},
    {"aes192-ctr", "hmac-sha2-256-etm@openssh.com",
     "ef41d03dbbd3bce87cb93f90dd3aa32430d7564f5e159855b8c1faa61d1d51ff"},
    {"aes192-ctr", "hmac-sha2-512", "c94b7256f68c8ce0a1431f803b843bd987ef84b4e64e629ba08d8e4d5ca5af81"},
    {"aes192-ctr", "hmac-sha2-512-etm@openssh.com",
     "a86278a1a456c529e8db6fa7ea22fa06c45b9d031c4b5392504e72f4a646675b"},
    {"aes256-ctr", "hmac-sha2-256", "7f90d05f1ce50101ae1c98cd0c0bb757c4be8bb093b9f4d5ed7e04c6cd8ba4be"},
    {"aes256-ctr", "hmac-sha2-256-etm@openssh.com",
     "3120cff6469e73bb802cc105315a9ac22e2e7635800c3f101e74e1e361affe5f"},
    {"aes256-ctr", "hmac-sha2-512", "7cef0eb25b4b1e267fda75c7457372ccbb3ab92416d22344e621549912e8300a"},
    {"aes256-ctr", "hmac-sha2-512-etm@openssh.com",
     "0a03d7290d3b53132e1c8c2d311c666a2856becf2002d2c5d7e4084c2e612fe6"},
};

static uint8_t packet[TEST_PACKET_MAX];

static void packets_in_a_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(answers); i++) {
        struct cipher tx, rx;
        struct hash all;
        uint8_t digest[32];
        hash_init(&all, HASH_SHA256);
        cipher_of(&tx, answers[i].alg, answers[i].mac, CTR_IV);
        cipher_of(&rx, answers[i].alg, answers[i].mac, CTR_IV);
        for (uint32_t k = 0; k < ADIT_COUNT(lens); k++) {
            size_t n = lens[k] + (tx.mac->etm ? 4 : 0);
            uint32_t seq = 0xfffffffe + k;
            packet_make(packet, n);
            cipher_seal(&tx, seq, packet, n);
            hash_update(&all, packet, n + tx.tag_len);
            assert_int_equal(cipher_peek_length(&rx, seq, packet), n - 4);
            assert_true(cipher_open(&rx, seq, packet, n));
            assert_packet(packet, n);
        }
        hash_out(&all, digest);
        assert_hex(digest, 32, answers[i].sha256);
    }
}

/* [RFC 4253 6.3a 6.4a 6.4d] */
static void first_packet_in_full(void **state)
{
    struct cipher c;
    (void)state;
    cipher_of(&c, "aes128-ctr", "hmac-sha2-256", CTR_IV);
    packet_make(packet, 16);
    cipher_seal(&c, 0xfffffffe, packet, 16);
    assert_hex(packet, 48,
               "df3112f1da314965da696508251d532e3679ea11b2517821210cb60bf0706de2"
               "376eb7999d91535e350880b829d8f5ca");
    cipher_of(&c, "aes128-ctr", "hmac-sha2-256-etm@openssh.com", CTR_IV);
    packet_make(packet, 20);
    cipher_seal(&c, 0xfffffffe, packet, 20);
    assert_hex(packet, 52,
               "00000010c0173fc9fe552d01b67549340139b7ca4d4b4a42c5a273609c4f9ce5"
               "03a164253132490343107b7833a647572e88ed54");
}

/* With -etm a forged packet is refused before the counter moves: nothing was decrypted. The state is not
 * to be used again, but here it shows the order of the two steps. */
static void etm_checks_before_it_decrypts(void **state)
{
    struct cipher rx, before;
    (void)state;
    cipher_of(&rx, "aes128-ctr", "hmac-sha2-256-etm@openssh.com", CTR_IV);
    before = rx;
    packet_make(packet, 20 + 32);
    assert_false(cipher_open(&rx, 0, packet, 20));
    assert_memory_equal(&rx, &before, sizeof rx);
}

/* ---- two at once ---- */

static uint8_t sealed[2][TEST_PACKET_MAX], work[2][TEST_PACKET_MAX];

static void etm_init(struct cipher *c)
{
    cipher_of(c, "aes128-ctr", "hmac-sha2-256-etm@openssh.com", CTR_IV);
}

static bool has_two(void)
{
    struct cipher c;
    etm_init(&c);
    return cipher_has_two(&c);
}

/* Two packets of these lengths by the portable code, one after the other. */
static void seal_portably(uint32_t seq, const size_t n[2])
{
    struct cipher c;
    cpu_level_set(0);
    etm_init(&c);
    for (uint32_t i = 0; i < 2; i++) {
        packet_make(sealed[i], n[i]);
        cipher_seal(&c, seq + i, sealed[i], n[i]);
    }
}

static void assert_seals_two(uint32_t seq, const size_t n[2])
{
    struct cipher c;
    etm_init(&c);
    packet_make(work[0], n[0]);
    packet_make(work[1], n[1]);
    cipher_seal_two(&c, seq, (const struct wspan[]){{work[0], n[0]}, {work[1], n[1]}});
    assert_memory_equal(work[0], sealed[0], n[0] + 32);
    assert_memory_equal(work[1], sealed[1], n[1] + 32);
}

static void assert_opens_two(uint32_t seq, const size_t n[2])
{
    uint8_t tag[2][CIPHER_TAG_MAX];
    struct cipher c, before;
    etm_init(&c);
    before = c;
    memcpy(work, sealed, sizeof work);
    cipher_tag_two(&c, seq, (const struct span[]){{work[0], n[0]}, {work[1], n[1]}}, tag);
    assert_memory_equal(&c, &before, sizeof c);
    assert_memory_equal(work, sealed, sizeof work);
    for (size_t i = 0; i < 2; i++) {
        assert_memory_equal(tag[i], sealed[i] + n[i], 32);
        assert_true(cipher_open_tagged(&c, work[i], n[i], tag[i]));
        assert_packet(work[i], n[i]);
    }
}

static void every_cpu_does_two_alike(void **state)
{
    static const size_t pairs[][2] = {{20, 20},    {20, 84},      {84, 20},       {68, 68},
                                      {132, 132},  {164, 148},    {32788, 32788}, {32788, 11012},
                                      {68, 32788}, {11012, 11028}};
    (void)state;
    for (size_t level = 0; level < ADIT_COUNT(cpu_levels); level++)
        for (size_t i = 0; i < ADIT_COUNT(pairs); i++) {
            uint32_t seq = i % 2 == 0 ? UINT32_MAX : (uint32_t)i;
            seal_portably(seq, pairs[i]);
            cpu_level_set(level);
            assert_seals_two(seq, pairs[i]);
            if (has_two())
                assert_opens_two(seq, pairs[i]);
        }
}

/* Only where it pays: HMAC-SHA-256 by SHA instructions with the length in clear. */
static void has_two_by_cpu_and_mac(void **state)
{
    (void)state;
    for (size_t level = 0; level < ADIT_COUNT(cpu_levels); level++) {
        cpu_level_set(level);
        assert_int_equal(has_two(), cpu()->has_sha);
        for (const struct cipher_alg *a = cipher_algs; a->name != NULL; a++)
            for (const struct mac_alg *m = mac_algs; m->name != NULL; m++) {
                struct cipher c;
                cipher_of(&c, a->name, m->name, CTR_IV);
                bool is_it = a->tag_len == 0 && m->etm && m->mac_len == 32;
                assert_int_equal(cipher_has_two(&c), is_it && cpu()->has_sha);
            }
    }
    struct cipher none;
    cipher_init_none(&none);
    assert_false(cipher_has_two(&none));
}

/* A wrong tag in any bit is refused before the counter moves, and the packet is wiped. */
static void open_tagged_refuses(void **state)
{
    const size_t n[2] = {84, 84};
    uint8_t tag[2][CIPHER_TAG_MAX];
    static const uint8_t zero[84];
    (void)state;
    seal_portably(5, n);
    use_fast(NULL);
    if (!has_two()) {
        print_message("two at once are not faster on this CPU\n");
        skip();
    }
    for (size_t bit = 0; bit < 8 * (84 + 32); bit++) {
        struct cipher c, before;
        etm_init(&c);
        before = c;
        memcpy(work, sealed, sizeof work);
        work[0][bit / 8] ^= (uint8_t)(1 << bit % 8);
        cipher_tag_two(&c, 5, (const struct span[]){{work[0], 84}, {work[1], 84}}, tag);
        assert_false(cipher_open_tagged(&c, work[0], 84, tag[0]));
        assert_memory_equal(work[0], zero, 84);
        assert_memory_equal(&c, &before, sizeof c);
        assert_false(cipher_open_tagged(&c, work[1], 3, tag[1]));
    }
}

/* In a sealed length the first block is read without moving the counter, as often as one likes, also across
 * its wrap. */
static void peek_length_moves_nothing(void **state)
{
    static const char *const ivs[] = {CTR_IV, "ffffffffffffffffffffffffffffffff",
                                      "0001020304050607ffffffffffffffff", "00000000000000000000000000000000"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(ivs); i++) {
        struct cipher tx, rx, before;
        cipher_of(&tx, "aes128-ctr", "hmac-sha2-256", ivs[i]);
        cipher_of(&rx, "aes128-ctr", "hmac-sha2-256", ivs[i]);
        for (uint32_t seq = 0; seq < 3; seq++) {
            packet_make(packet, 48);
            cipher_seal(&tx, seq, packet, 48);
            before = rx;
            assert_int_equal(cipher_peek_length(&rx, seq, packet), 44);
            assert_int_equal(cipher_peek_length(&rx, seq, packet), 44);
            assert_memory_equal(&rx, &before, sizeof rx);
            assert_true(cipher_open(&rx, seq, packet, 48));
            assert_packet(packet, 48);
        }
    }
}

/* Any bit of packet or MAC that changes is noticed, and the packet is wiped. */
static void a_forged_bit_is_refused(void **state)
{
    enum { N = 84 };
    static const char *const macs[] = {"hmac-sha2-256", "hmac-sha2-256-etm@openssh.com"};
    (void)state;
    for (size_t m = 0; m < ADIT_COUNT(macs); m++)
        for (size_t bit = 0; bit < 8 * (N - 4 * (m == 0) + 32); bit++) {
            struct cipher tx, rx;
            size_t n = N - 4 * (m == 0);
            cipher_of(&tx, "aes128-ctr", macs[m], CTR_IV);
            cipher_of(&rx, "aes128-ctr", macs[m], CTR_IV);
            packet_make(packet, n);
            cipher_seal(&tx, 7, packet, n);
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(cipher_open(&rx, 7, packet, n));
            for (size_t i = 0; i < n; i++)
                assert_int_equal(packet[i], 0);
        }
}

/* Sealed by one CPU and opened by the portable code, in memory that ends with the MAC. */
static void assert_opens_portably(size_t level, size_t n, const char *mac)
{
    struct cipher tx, rx;
    cpu_level_set(level);
    cipher_of(&tx, "aes256-ctr", mac, CTR_IV);
    cpu_level_set(0);
    cipher_of(&rx, "aes256-ctr", mac, CTR_IV);
    for (uint32_t seq = 0; seq < 2; seq++) {
        uint8_t *exact = malloc(n + tx.tag_len);
        assert_non_null(exact);
        packet_make(exact, n);
        cipher_seal(&tx, seq, exact, n);
        assert_int_equal(cipher_peek_length(&rx, seq, exact), n - 4);
        assert_true(cipher_open(&rx, seq, exact, n));
        assert_packet(exact, n);
        cipher_seal(&rx, seq + 2, exact, n);
        assert_int_equal(cipher_peek_length(&tx, seq + 2, exact), n - 4);
        assert_true(cipher_open(&tx, seq + 2, exact, n));
        assert_packet(exact, n);
        free(exact);
    }
}

static void every_cpu_seals_and_opens_alike(void **state)
{
    (void)state;
    for (size_t level = 0; level < ADIT_COUNT(cpu_levels); level++)
        for (size_t n = 16; n <= 35008; n += n < 608 ? 16 : 5733 / 16 * 16) {
            assert_opens_portably(level, n, "hmac-sha2-256");
            assert_opens_portably(level, n + 4, "hmac-sha2-256-etm@openssh.com");
            assert_opens_portably(level, n, "hmac-sha2-512");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_in_a_row),
        cmocka_unit_test(first_packet_in_full),
        cmocka_unit_test(etm_checks_before_it_decrypts),
        cmocka_unit_test(peek_length_moves_nothing),
        cmocka_unit_test(a_forged_bit_is_refused),
    };
    const struct CMUnitTest all[] = {
        cmocka_unit_test(every_cpu_seals_and_opens_alike),
        cmocka_unit_test(every_cpu_does_two_alike),
        cmocka_unit_test(has_two_by_cpu_and_mac),
        cmocka_unit_test(open_tagged_refuses),
    };
    int failed = 0;
    for (size_t level = 0; level < ADIT_COUNT(cpu_levels); level++) {
        cpu_level_set(level);
        failed += cmocka_run_group_tests_name(cpu_levels[level].name, tests, NULL, NULL);
    }
    return failed + cmocka_run_group_tests_name("all levels", all, NULL, NULL);
}
