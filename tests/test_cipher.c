/*
 * test_cipher.c - the tables, and what holds for every packet protection alike.
 */
#include "packets.h"
#include "undefined.h"

enum { COMBOS_MAX = 32 };

struct combo {
    const char *alg, *mac;
};

/* Every cipher, a CTR one with every MAC. */
static size_t combos(struct combo out[COMBOS_MAX])
{
    size_t n = 0;
    for (const struct cipher_alg *a = cipher_algs; a->name != NULL; a++) {
        if (a->tag_len > 0)
            out[n++] = (struct combo){a->name, NULL};
        else
            for (const struct mac_alg *m = mac_algs; m->name != NULL; m++)
                out[n++] = (struct combo){a->name, m->name};
    }
    assert_int_equal(n, 3 + 3 * 4);
    return n;
}

static void combo_init(struct cipher *c, const struct combo *combo)
{
    cipher_of(c, combo->alg, combo->mac, "000102030405060708090a0bfffffffe");
}

/* The least packet: what is padded is two blocks long, with the length word in it or before it. */
static size_t small_packet(const struct cipher *c)
{
    return c->length_is_clear ? 4 + 2 * (size_t)c->block_len : 2 * (size_t)c->block_len;
}

static void fast_gcm_follows_the_switch(void **state)
{
    (void)state;
    start_crypto(true);
    assert_false(crypto_has_fast_gcm(128));
    assert_false(crypto_has_fast_gcm(256));
    start_crypto(false);
    assert_false(crypto_has_fast_gcm(192));
    assert_false(crypto_has_fast_gcm(0));
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("aes"))
        assert_true(crypto_has_fast_gcm(128));
#endif
}

/* [RFC 4251 6b 9.3.1a] [RFC 4252 8b] [RFC 4253 6.3d] */
static void find_knows_the_tables(void **state)
{
    static const char *const unknown[] = {"",           "aes128-gcm", "aes128-ctr ",
                                          "AES128-CTR", "none",       "aes128-cbc"};
    (void)state;
    for (const struct cipher_alg *a = cipher_algs; a->name != NULL; a++) {
        assert_ptr_equal(cipher_alg_find(span_str(a->name)), a);
        assert_true(a->key_len <= CIPHER_KEY_MAX && a->iv_len <= CIPHER_IV_MAX &&
                    a->tag_len <= CIPHER_TAG_MAX);
    }
    for (const struct mac_alg *m = mac_algs; m->name != NULL; m++) {
        assert_ptr_equal(mac_alg_find(span_str(m->name)), m);
        assert_true(m->key_len <= CIPHER_MACKEY_MAX && m->mac_len <= CIPHER_TAG_MAX);
    }
    for (size_t i = 0; i < ADIT_COUNT(unknown); i++) {
        assert_null(cipher_alg_find(span_str(unknown[i])));
        assert_null(mac_alg_find(span_str(unknown[i])));
    }
    assert_null(mac_alg_find(span_str("hmac-sha2-256-etm")));
    assert_null(mac_alg_find(span_str("hmac-sha1")));
}

/* [RFC 4253 6g] */
static void none_changes_nothing(void **state)
{
    static uint8_t packet[24];
    struct cipher c;
    (void)state;
    cipher_init_none(&c);
    assert_int_equal(c.block_len, 8);
    assert_int_equal(c.tag_len, 0);
    assert_false(c.length_is_clear);
    packet_make(packet, sizeof packet);
    assert_int_equal(cipher_peek_length(&c, 3, packet), 20);
    cipher_seal(&c, 3, packet, sizeof packet);
    assert_packet(packet, sizeof packet);
    assert_true(cipher_open(&c, 3, packet, sizeof packet));
    assert_packet(packet, sizeof packet);
}

static void assert_shape(const char *alg, const char *mac, int block_len, int tag_len, bool length_is_clear)
{
    struct cipher c;
    cipher_of(&c, alg, mac, "000102030405060708090a0b0c0d0e0f");
    assert_int_equal(c.block_len, block_len);
    assert_int_equal(c.tag_len, tag_len);
    assert_int_equal(c.length_is_clear, length_is_clear);
    assert_true((c.mac == NULL) == (c.alg->tag_len != 0));
}

static void init_sets_the_shape(void **state)
{
    (void)state;
    assert_shape("aes128-gcm@openssh.com", NULL, 16, 16, true);
    assert_shape("aes256-gcm@openssh.com", "hmac-sha2-256", 16, 16, true);
    assert_shape("chacha20-poly1305@openssh.com", NULL, 8, 16, true);
    assert_shape("aes192-ctr", "hmac-sha2-256", 16, 32, false);
    assert_shape("aes256-ctr", "hmac-sha2-512", 16, 64, false);
    assert_shape("aes128-ctr", "hmac-sha2-256-etm@openssh.com", 16, 32, true);
    assert_shape("aes128-ctr", "hmac-sha2-512-etm@openssh.com", 16, 64, true);
}

static void peek_changes_nothing(void **state)
{
    static uint8_t packet[TEST_PACKET_MAX], before[TEST_PACKET_MAX];
    struct combo all[COMBOS_MAX];
    (void)state;
    for (size_t i = 0, count = combos(all); i < count; i++) {
        struct cipher tx, rx, rx_before;
        combo_init(&tx, &all[i]);
        combo_init(&rx, &all[i]);
        size_t n = small_packet(&tx);
        for (uint32_t seq = 0; seq < 5; seq++) {
            packet_make(packet, n);
            cipher_seal(&tx, seq, packet, n);
            memcpy(before, packet, sizeof packet);
            rx_before = rx;
            for (int again = 0; again < 3; again++)
                assert_int_equal(cipher_peek_length(&rx, seq, packet), n - 4);
            assert_memory_equal(packet, before, sizeof packet);
            assert_memory_equal(&rx, &rx_before, sizeof rx);
            assert_true(cipher_open(&rx, seq, packet, n));
            assert_packet(packet, n);
        }
    }
}

/* Lengths around every boundary, in one stream; nothing is written past the tag. */
static void seal_and_open_all_lengths(void **state)
{
    static uint8_t packet[TEST_PACKET_MAX + 1];
    struct combo all[COMBOS_MAX];
    (void)state;
    for (size_t i = 0, count = combos(all); i < count; i++) {
        struct cipher tx, rx;
        uint32_t seq = 0xfffffff0;
        combo_init(&tx, &all[i]);
        combo_init(&rx, &all[i]);
        for (size_t blocks = 1; blocks < 80; blocks++, seq++) {
            size_t n = (blocks == 79 ? (size_t)(35008 / tx.block_len) : blocks) * tx.block_len;
            n += tx.length_is_clear ? 4 : 0;
            packet_make(packet, n);
            packet[n + tx.tag_len] = 0x99;
            cipher_seal(&tx, seq, packet, n);
            assert_int_equal(packet[n + tx.tag_len], 0x99);
            assert_true(cipher_open(&rx, seq, packet, n));
            assert_int_equal(packet[n + tx.tag_len], 0x99);
            assert_packet(packet, n);
        }
    }
}

static bool opens(const struct cipher *rx, uint32_t seq, const uint8_t *sealed, size_t n)
{
    static const uint8_t zero[64];
    uint8_t packet[64 + CIPHER_TAG_MAX];
    struct cipher c = *rx;
    assert_true(n <= 64);
    memcpy(packet, sealed, n + c.tag_len);
    bool ok = cipher_open(&c, seq, packet, n);
    if (!ok) /* nothing of a forged packet is left to be used */
        assert_memory_equal(packet, zero, n);
    return ok;
}

/* Every bit of the length, the rest and the tag counts; so do the sequence number (but for GCM, which has
 * its own count) and the packet's length. */
static void open_refuses_forgeries(void **state)
{
    struct combo all[COMBOS_MAX];
    (void)state;
    for (size_t i = 0, count = combos(all); i < count; i++) {
        struct cipher tx, rx;
        uint8_t sealed[64 + CIPHER_TAG_MAX];
        combo_init(&tx, &all[i]);
        combo_init(&rx, &all[i]);
        size_t n = small_packet(&tx);
        packet_make(sealed, n);
        cipher_seal(&tx, 9, sealed, n);
        assert_true(opens(&rx, 9, sealed, n));
        for (size_t bit = 0; bit < 8 * (n + tx.tag_len); bit++) {
            sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(opens(&rx, 9, sealed, n));
            sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_false(opens(&rx, 9, sealed, n - tx.block_len));
        assert_int_equal(opens(&rx, 10, sealed, n), strstr(all[i].alg, "gcm") != NULL);
        for (size_t less = 0; less < 4; less++)
            assert_false(opens(&rx, 9, sealed, less));
    }
}

/* Lengths alike and not, in one stream across the sequence number's wrap: two at once are the bytes of one
 * after the other, and go on as these do. */
static void seal_two_as_one_by_one(void **state)
{
    static const size_t blocks[][2] = {{1, 1}, {1, 2},   {2, 1},   {4, 4},
                                       {5, 4}, {1, 100}, {100, 3}, {500, 500}};
    static uint8_t one[2][TEST_PACKET_MAX], two[2][TEST_PACKET_MAX];
    struct combo all[COMBOS_MAX];
    (void)state;
    for (size_t i = 0, count = combos(all); i < count; i++) {
        struct cipher a, b;
        uint32_t seq = UINT32_MAX - 2;
        combo_init(&a, &all[i]);
        combo_init(&b, &all[i]);
        for (size_t k = 0; k < ADIT_COUNT(blocks); k++, seq += 2) {
            struct wspan packet[2];
            for (uint32_t p = 0; p < 2; p++) {
                size_t n = (blocks[k][p] + 1) * a.block_len + (a.length_is_clear ? 4 : 0);
                packet_make(one[p], n);
                packet_make(two[p], n);
                packet[p] = (struct wspan){two[p], n};
                two[p][n + a.tag_len] = 0x99;
                cipher_seal(&a, seq + p, one[p], n);
            }
            cipher_seal_two(&b, seq, packet);
            for (size_t p = 0; p < 2; p++) {
                assert_memory_equal(two[p], one[p], packet[p].n + a.tag_len);
                assert_int_equal(two[p][packet[p].n + a.tag_len], 0x99);
            }
        }
    }
}

/* New keys are made in one place and moved to another: a state may be copied in mid-stream. */
static void state_may_be_moved(void **state)
{
    static uint8_t packet[TEST_PACKET_MAX];
    struct combo all[COMBOS_MAX];
    (void)state;
    for (size_t i = 0, count = combos(all); i < count; i++) {
        struct cipher tx, rx, old;
        combo_init(&old, &all[i]);
        tx = old;
        rx = old;
        size_t n = small_packet(&tx);
        for (uint32_t seq = 0; seq < 4; seq++) {
            packet_make(packet, n);
            cipher_seal(&tx, seq, packet, n);
            old = tx;
            memset(&tx, 0xff, sizeof tx);
            tx = old;
            memset(&old, 0xff, sizeof old);
            assert_true(cipher_open(&rx, seq, packet, n));
            assert_packet(packet, n);
        }
    }
}

static void portable_equals_fast(void **state)
{
    static uint8_t a[TEST_PACKET_MAX], b[TEST_PACKET_MAX];
    struct combo all[COMBOS_MAX];
    (void)state;
    for (size_t i = 0, count = combos(all); i < count; i++) {
        struct cipher slow, fast;
        start_crypto(true);
        combo_init(&slow, &all[i]);
        start_crypto(false);
        combo_init(&fast, &all[i]);
        for (uint32_t seq = 0; seq < 20; seq++) {
            size_t n = (seq * seq * 6 + 1) * slow.block_len + (slow.length_is_clear ? 4 : 0);
            packet_make(a, n);
            packet_make(b, n);
            cipher_seal(&slow, seq, a, n);
            cipher_seal(&fast, seq, b, n);
            assert_memory_equal(a, b, n + slow.tag_len);
        }
    }
}

/* Under valgrind: with keys and packets secret, no branch and no index of a seal depends on them. (A
 * counter's carry out of 64 bits takes a branch; where it starts is not marked.) */
static void time_does_not_depend_on_secrets(void **state)
{
    struct combo all[COMBOS_MAX];
    size_t count = combos(all);
    (void)state;
    for (size_t i = 0; i < count; i++) {
        uint8_t key[CIPHER_KEY_MAX] = {1}, iv[CIPHER_IV_MAX] = {2}, mackey[CIPHER_MACKEY_MAX] = {3};
        const struct mac_alg *mac = all[i].mac == NULL ? NULL : mac_alg_find(span_str(all[i].mac));
        _Alignas(16) uint8_t a[TEST_PACKET_MAX], b[TEST_PACKET_MAX];
        struct cipher c, known;
        cipher_init(&known, cipher_alg_find(span_str(all[i].alg)), mac, key, iv, mackey);
        SECRET(key, sizeof key);
        SECRET(mackey, sizeof mackey);
        cipher_init(&c, cipher_alg_find(span_str(all[i].alg)), mac, key, iv, mackey);
        size_t n = 63 * (size_t)c.block_len + (c.length_is_clear ? 4 : 0);
        packet_make(a, n);
        packet_make(b, n);
        SECRET(a + 4, n - 4); /* the length is what everybody sees */
        cipher_seal(&c, 7, a, n);
        REVEALED(a, n + c.tag_len);
        cipher_seal(&known, 7, b, n);
        assert_memory_equal(a, b, n + c.tag_len);
        cipher_wipe(&c);
    }
}

static void wipe_leaves_nothing(void **state)
{
    static const struct cipher zero;
    struct cipher c;
    (void)state;
    cipher_of(&c, "aes256-ctr", "hmac-sha2-512", "000102030405060708090a0b0c0d0e0f");
    cipher_wipe(&c);
    assert_memory_equal(&c, &zero, sizeof c);
}

int main(void)
{
    const struct CMUnitTest tables[] = {
        cmocka_unit_test(fast_gcm_follows_the_switch), cmocka_unit_test(find_knows_the_tables),
        cmocka_unit_test(none_changes_nothing),        cmocka_unit_test(init_sets_the_shape),
        cmocka_unit_test(portable_equals_fast),
    };
    const struct CMUnitTest packets[] = {
        cmocka_unit_test(peek_changes_nothing),   cmocka_unit_test(seal_and_open_all_lengths),
        cmocka_unit_test(open_refuses_forgeries), cmocka_unit_test(state_may_be_moved),
        cmocka_unit_test(seal_two_as_one_by_one), cmocka_unit_test(time_does_not_depend_on_secrets),
        cmocka_unit_test(wipe_leaves_nothing),
    };
    int failed = cmocka_run_group_tests_name("tables", tables, NULL, NULL);
    failed += cmocka_run_group_tests_name("fast", packets, use_fast, NULL);
    return failed + cmocka_run_group_tests_name("portable", packets, use_portable, NULL);
}
