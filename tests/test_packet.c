#include "tests/talk.h"

/* Binary packets: RFC 4253 §6. */

static void keys_both(struct talk *t, const struct cipher_alg *alg, const struct mac_alg *mac)
{
    uint8_t key[CIPHER_KEY_MAX] = {1}, iv[CIPHER_IV_MAX] = {2}, mackey[CIPHER_MACKEY_MAX] = {3};
    packet_set_keys(&t->pk.tx, alg, mac, key, iv, mackey);
    packet_set_keys(&t->ear.rx, alg, mac, key, iv, mackey);
}

/* Bytes as they stand into the ear. */
static void feed(struct talk *t, const void *p, size_t n)
{
    struct wspan in = packet_in_space(&t->ear);
    assert_true(in.n >= n);
    memcpy(in.p, p, n);
    packet_in_commit(&t->ear, n);
}

static enum packet_status next(struct talk *t, struct span *payload)
{
    t->err = (struct adit_error){0};
    return packet_next(&t->ear, payload, &t->err);
}

/* ---- round trips ---- */

static void test_lengths(struct talk *t)
{
    static const size_t lengths[] = {1,  2,  3,  7,   8,   9,    15,        16,   17,
                                     31, 32, 33, 255, 256, 4095, 32768 + 9, 60000};
    static uint8_t body[60000];
    memset(body, 0x5a, sizeof(body));
    for (size_t i = 0; i < ADIT_COUNT(lengths); i++) {
        size_t before = packet_out(&t->pk).n;
        say(&t->pk, (struct span){body, lengths[i]});
        size_t wire = packet_out(&t->pk).n - before;
        const struct cipher *c = &t->pk.tx.cipher;
        size_t padded = wire - c->tag_len - (c->length_is_clear ? 4 : 0);
        assert_int_equal(padded % c->block_len, 0); /* §6: a multiple of the block, 8 or larger */
        assert_true(wire - c->tag_len >= 16 || c->length_is_clear);
        assert_true(wire - c->tag_len >= lengths[i] + 5 + 4); /* at least 4 bytes of padding */
        assert_says(t, ((struct span){body, lengths[i]}));
    }
}

/* [RFC 4253 6a 6d 6.1a] */
static void test_every_cipher(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    test_lengths(&t);
    talk_wipe(&t);
    for (const struct cipher_alg *alg = cipher_algs; alg->name != NULL; alg++)
        for (const struct mac_alg *mac = mac_algs; mac->name != NULL; mac++) {
            talk_init(&t);
            keys_both(&t, alg, alg->tag_len != 0 ? NULL : mac);
            test_lengths(&t);
            talk_wipe(&t);
            if (alg->tag_len != 0)
                break;
        }
}

/* One byte after the other, and all of several packets at once, give the same payloads. */
static void test_chunks(void **state)
{
    (void)state;
    struct talk t;
    struct span payload = {0};
    talk_init(&t);
    keys_both(&t, cipher_alg_find(span_str("chacha20-poly1305@openssh.com")), NULL);
    for (int i = 0; i < 3; i++)
        say(&t.pk, message("bu", 94, (unsigned)i));
    struct span out = packet_out(&t.pk);
    for (size_t at = 0, got = 0; at < out.n; at++) {
        feed(&t, out.p + at, 1);
        bool is_whole = (at + 1) % (out.n / 3) == 0;
        assert_int_equal(next(&t, &payload), is_whole ? PACKET_READY : PACKET_NONE);
        if (is_whole)
            assert_true(span_eq(payload, message("bu", 94, (unsigned)got++)));
    }
    assert_int_equal(t.ear.last_seq, 2);
    packet_out_consume(&t.pk, out.n);
    talk_wipe(&t);
}

/* ---- what is refused ---- */

static void assert_bad(const uint8_t *p, size_t n, enum adit_err code)
{
    struct talk t;
    struct span payload;
    talk_init(&t);
    feed(&t, p, n);
    assert_int_equal(next(&t, &payload), PACKET_BAD);
    assert_int_equal(t.err.code, code);
    talk_wipe(&t);
}

/* [RFC 4253 6a 6e 6.1c] */
static void test_bad_lengths(void **state)
{
    (void)state;
    /* too short for padding_length, one byte and four of padding; not a multiple of 8; too long; wrapping */
    static const uint32_t lengths[] = {
        0, 1, 4, 5, 11, 13, LIMIT_PACKET - 3, LIMIT_PACKET + 4, 0x7ffffffc, 0xfffffffc, 0xffffffff};
    uint8_t head[4];
    for (size_t i = 0; i < ADIT_COUNT(lengths); i++) {
        put_u32(head, lengths[i]);
        assert_bad(head, 4, ADIT_E_PROTOCOL);
    }
    struct talk t;
    struct span payload;
    talk_init(&t);
    put_u32(head, LIMIT_PACKET - 4); /* the largest: waited for, and there is room for it */
    feed(&t, head, 4);
    assert_int_equal(next(&t, &payload), PACKET_NONE);
    assert_true(packet_in_space(&t.ear).n >= LIMIT_PACKET - 4);
    talk_wipe(&t);
}

/* The same payload twice, and nothing hides it: the padding alone differs. [RFC 4253 6c] */
static void test_padding_is_random(void **state)
{
    (void)state;
    static const uint8_t zeros[64], body[64];
    struct talk t;
    uint8_t padding[2][64];
    size_t n = 0;
    talk_init(&t);
    for (size_t i = 0; i < 2; i++) {
        size_t before = packet_out(&t.pk).n;
        say(&t.pk, (struct span){body, sizeof body});
        struct span out = span_sub(packet_out(&t.pk), before, packet_out(&t.pk).n);
        n = out.p[4];
        assert_true(n >= 4 && n < sizeof padding[i]);
        memcpy(padding[i], out.p + out.n - n, n);
        assert_memory_not_equal(padding[i], zeros, n);
    }
    assert_memory_not_equal(padding[0], padding[1], n);
    talk_wipe(&t);
}

/* [RFC 4253 6b] */
static void test_bad_padding(void **state)
{
    (void)state;
    uint8_t packet[16] = {0, 0, 0, 12};
    for (unsigned padding = 0; padding < 256; padding++) {
        packet[4] = (uint8_t)padding;
        if (padding >= 4 && padding <= 10) /* 12 = 1 + payload + padding, with a payload */
            continue;
        assert_bad(packet, 16, ADIT_E_PROTOCOL);
    }
    struct talk t;
    struct span payload;
    talk_init(&t);
    packet[4] = 10;
    packet[5] = 0x2a;
    feed(&t, packet, 16);
    assert_int_equal(next(&t, &payload), PACKET_READY);
    assert_int_equal(payload.n, 1);
    assert_int_equal(payload.p[0], 0x2a);
    talk_wipe(&t);
}

/* [RFC 4253 6.4f] */
static void test_damage(void **state)
{
    (void)state;
    for (const struct cipher_alg *alg = cipher_algs; alg->name != NULL; alg++) {
        struct talk t;
        struct span payload = {0};
        talk_init(&t);
        keys_both(&t, alg, mac_alg_find(span_str("hmac-sha2-256-etm@openssh.com")));
        say(&t.pk, message("bs", 2, "payload"));
        struct span out = packet_out(&t.pk);
        t.pk.out.p[t.pk.out.start + out.n - 1] ^= 0x80;
        carry(&t.pk, &t.ear);
        assert_int_equal(next(&t, &payload), PACKET_BAD);
        assert_int_equal(t.err.code, ADIT_E_INTEGRITY);
        talk_wipe(&t);
    }
}

/* A packet cannot be replayed or dropped: the number is part of what is protected. [RFC 4253 6.4b] */
static void test_order(void **state)
{
    (void)state;
    struct talk t;
    struct span payload = {0};
    talk_init(&t);
    keys_both(&t, cipher_alg_find(span_str("chacha20-poly1305@openssh.com")), NULL);
    say(&t.pk, message("bs", 2, "one"));
    packet_out_consume(&t.pk, packet_out(&t.pk).n);
    say(&t.pk, message("bs", 2, "two"));
    carry(&t.pk, &t.ear);
    assert_int_not_equal(next(&t, &payload), PACKET_READY);
    talk_wipe(&t);
}

/* §6.4: numbers start at 0, wrap after 2^32 - 1 and are never reset. [RFC 4253 6.4b] */
static void test_sequence_wraps(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    keys_both(&t, cipher_alg_find(span_str("aes128-ctr")), mac_alg_find(span_str("hmac-sha2-256")));
    t.pk.tx.seq = t.ear.rx.seq = UINT32_MAX - 1;
    for (unsigned i = 0; i < 4; i++) {
        say(&t.pk, message("bu", 2, i));
        assert_says(&t, message("bu", 2, i));
        assert_int_equal(t.ear.last_seq, (uint32_t)(UINT32_MAX - 1 + i));
    }
    assert_int_equal(t.pk.tx.seq, 2);
    assert_int_equal(t.ear.rx.packets, 4);
    talk_wipe(&t);
}

/* With one key no number is used twice, whatever the peer does (RFC 4344 §3.1). [RFC 4251 9.3.3a] */
static void test_too_many_packets_with_one_key(void **state)
{
    (void)state;
    struct talk t;
    struct span payload = {0};
    talk_init(&t);
    keys_both(&t, cipher_alg_find(span_str("chacha20-poly1305@openssh.com")), NULL);
    t.ear.rx.packets = UINT32_MAX;
    say(&t.pk, message("b", 2));
    carry(&t.pk, &t.ear);
    assert_int_equal(next(&t, &payload), PACKET_READY);
    say(&t.pk, message("b", 2));
    carry(&t.pk, &t.ear);
    assert_int_equal(next(&t, &payload), PACKET_BAD);
    assert_int_equal(t.err.code, ADIT_E_PROTOCOL);
    talk_wipe(&t);
}

/* ---- two at once ---- */

static void keys_etm(struct talk *t)
{
    keys_both(t, cipher_alg_find(span_str("aes128-ctr")),
              mac_alg_find(span_str("hmac-sha2-256-etm@openssh.com")));
}

/* Everything that was said, byte for byte, and how it is cut into packets. */
struct spoken {
    uint8_t bytes[200000];
    size_t n, ends[16], count;
};

static void spoken_take(struct spoken *s, struct talk *t)
{
    struct span out = packet_out(&t->pk);
    assert_true(s->n + out.n <= sizeof s->bytes && s->count < ADIT_COUNT(s->ends));
    memcpy(s->bytes + s->n, out.p, out.n);
    s->n += out.n;
    s->ends[s->count++] = s->n;
    packet_out_consume(&t->pk, out.n);
}

static struct span body(size_t i)
{
    static const size_t lengths[] = {100, 100, 32777, 5000, 2000, 32777, 32777, 9, 1};
    static uint8_t bytes[32777];
    size_t n = lengths[i % ADIT_COUNT(lengths)];
    memset(bytes, (int)(i + 1), n);
    return (struct span){bytes, n};
}

static void speak(struct spoken *s, struct talk *t, size_t from, size_t count)
{
    *s = (struct spoken){0};
    for (size_t i = from; i < from + count; i++) {
        say(&t->pk, body(i));
        spoken_take(s, t);
    }
}

static bool ear_keeps(const struct talk *t)
{
    return t->ear.rx.ahead.at != NULL;
}

/* What is kept for the next packet is there only where two at once pay. */
static void assert_keeps(const struct talk *t, bool wanted)
{
    assert_int_equal(ear_keeps(t), wanted && cipher_has_two(&t->ear.rx.cipher));
}

static void assert_next(struct talk *t, struct span wanted)
{
    struct span payload = {0};
    assert_int_equal(next(t, &payload), PACKET_READY);
    assert_true(span_eq(payload, wanted));
}

static void assert_next_bad(struct talk *t, enum adit_err code)
{
    struct span payload;
    assert_int_equal(next(t, &payload), PACKET_BAD);
    assert_int_equal(t->err.code, code);
}

/* However many bytes come at a time, the same payloads at the same ends. */
static void test_two_in_chunks(void **state)
{
    (void)state;
    static const size_t steps[] = {1, 7, 150, 4096, 32900, 40000, 70000, SIZE_MAX};
    static struct spoken s;
    for (size_t i = 0; i < ADIT_COUNT(steps); i++) {
        struct talk t;
        struct span payload = {0};
        size_t got = 0, step = 0;
        talk_init(&t);
        keys_etm(&t);
        speak(&s, &t, 0, 9);
        for (size_t at = 0; at < s.n; at += step) {
            struct wspan in = packet_in_space(&t.ear);
            step = s.n - at < steps[i] ? s.n - at : steps[i];
            step = in.n < step ? in.n : step;
            assert_true(step > 0);
            memcpy(in.p, s.bytes + at, step);
            packet_in_commit(&t.ear, step);
            for (; next(&t, &payload) == PACKET_READY; got++)
                assert_true(span_eq(payload, body(got)));
            assert_int_equal(t.err.code, ADIT_E_OK);
            assert_false(ear_keeps(&t));
            assert_true(got == s.count || at + step < s.ends[got]); /* not later than its last byte */
        }
        assert_int_equal(got, s.count);
        talk_wipe(&t);
    }
}

/* Nothing is kept of a packet that is not there to its last byte. */
static void test_second_is_partial(void **state)
{
    (void)state;
    static struct spoken s;
    for (size_t missing = 0; missing <= 200; missing++) {
        struct talk t;
        struct span payload;
        talk_init(&t);
        keys_etm(&t);
        speak(&s, &t, 0, 2);
        size_t have = missing < s.n - s.ends[0] ? s.n - missing : s.ends[0];
        feed(&t, s.bytes, have);
        assert_next(&t, body(0));
        assert_keeps(&t, missing == 0);
        if (missing > 0)
            assert_int_equal(next(&t, &payload), PACKET_NONE);
        feed(&t, s.bytes + have, s.n - have);
        assert_false(ear_keeps(&t)); /* room was made: it is computed again */
        assert_next(&t, body(1));
        talk_wipe(&t);
    }
}

/* A forged packet ends it in its own turn and not before, in whichever of its bytes. */
static void test_forged_one_of_two(void **state)
{
    (void)state;
    static struct spoken s;
    struct talk t;
    talk_init(&t);
    keys_etm(&t);
    speak(&s, &t, 0, 2);
    talk_wipe(&t);
    for (size_t at = 0; at < s.n; at++) {
        bool is_second = at >= s.ends[0];
        size_t in_packet = is_second ? at - s.ends[0] : at;
        if (in_packet < 4)
            continue; /* a length: below */
        talk_init(&t);
        keys_etm(&t);
        s.bytes[at] ^= 0x10;
        feed(&t, s.bytes, s.n);
        s.bytes[at] ^= 0x10;
        if (is_second)
            assert_next(&t, body(0));
        assert_next_bad(&t, ADIT_E_INTEGRITY);
        assert_false(ear_keeps(&t));
        talk_wipe(&t);
    }
}

/* A length behind the packet whose turn it is: not looked at but for pairing, refused in its turn. */
static void test_bad_length_of_second(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0,          1,          5,         15, 17, 111, LIMIT_PACKET + 16,
                                       0x7ffffff0, 0xfffffff0, 0xffffffff};
    static struct spoken s;
    for (size_t i = 0; i < ADIT_COUNT(lengths); i++) {
        struct talk t;
        talk_init(&t);
        keys_etm(&t);
        speak(&s, &t, 0, 2);
        put_u32(s.bytes + s.ends[0], lengths[i]);
        feed(&t, s.bytes, s.n);
        assert_next(&t, body(0));
        assert_false(ear_keeps(&t));
        assert_next_bad(&t, ADIT_E_PROTOCOL);
        talk_wipe(&t);
    }
}

/* The second packet comes under keys that the first one brings (NEWKEYS), or should: what was computed ahead
 * with the old ones is not used. */
static void test_two_across_new_keys(void **state)
{
    (void)state;
    static struct spoken s;
    static const uint8_t key[CIPHER_KEY_MAX] = {9}, iv[CIPHER_IV_MAX] = {8}, mackey[CIPHER_MACKEY_MAX] = {7};
    const struct cipher_alg *ctr = cipher_alg_find(span_str("aes128-ctr"));
    const struct mac_alg *etm = mac_alg_find(span_str("hmac-sha2-256-etm@openssh.com"));
    for (int is_honest = 0; is_honest < 2; is_honest++) {
        struct talk t;
        talk_init(&t);
        keys_etm(&t);
        s = (struct spoken){0};
        for (size_t i = 0; i < 3; i++) {
            say(&t.pk, body(i));
            spoken_take(&s, &t);
            if (i == 0 && is_honest)
                packet_set_keys(&t.pk.tx, ctr, etm, key, iv, mackey);
        }
        feed(&t, s.bytes, s.n);
        assert_next(&t, body(0));
        assert_keeps(&t, true);
        packet_set_keys(&t.ear.rx, ctr, etm, key, iv, mackey);
        assert_false(ear_keeps(&t));
        if (is_honest) {
            assert_next(&t, body(1));
            assert_next(&t, body(2));
        } else {
            assert_next_bad(&t, ADIT_E_INTEGRITY);
        }
        talk_wipe(&t);
    }
}

/* Other bytes, of the same length and with the same tag as the packet whose tag is kept, a little further on.
 */
static void forge_beside(struct talk *t, size_t n)
{
    uint8_t head[4], tag[32], *p = t->ear.in.p + t->ear.in.start;
    memcpy(head, p, sizeof head);
    memcpy(tag, p + n, sizeof tag);
    memcpy(p + 16, head, sizeof head);
    memcpy(p + 16 + n, tag, sizeof tag);
    t->ear.in.start += 16;
    assert_next_bad(t, ADIT_E_INTEGRITY);
}

/* Where it is kept, it is for this number and this place alone. */
static void test_kept_tag_is_for_one_packet(void **state)
{
    (void)state;
    static struct spoken s;
    for (int what = 0; what < 3; what++) {
        struct talk t;
        talk_init(&t);
        keys_etm(&t);
        speak(&s, &t, 0, 3);
        feed(&t, s.bytes, s.n);
        assert_next(&t, body(0));
        assert_keeps(&t, true);
        if (what == 0)
            assert_next(&t, body(1));
        if (what == 1) { /* a number later: the tag is not what this packet needs */
            t.ear.rx.seq++;
            assert_next_bad(&t, ADIT_E_INTEGRITY);
        }
        if (what == 2)
            forge_beside(&t, s.ends[1] - s.ends[0] - 32);
        assert_false(ear_keeps(&t));
        talk_wipe(&t);
    }
}

/* Between two packets the buffer's contents move to its front, or to a larger one. */
static void test_buffer_moves_between_two(void **state)
{
    (void)state;
    static struct spoken s;
    for (int grows = 0; grows < 2; grows++) {
        struct talk t;
        talk_init(&t);
        keys_etm(&t);
        speak(&s, &t, 2, 3);
        feed(&t, s.bytes, s.n);
        assert_next(&t, body(2));
        assert_keeps(&t, true);
        const uint8_t *p = t.ear.in.p;
        t.ear.in.is_busy = grows;
        (void)packet_in_space(&t.ear);
        assert_int_equal(t.ear.in.start, 0);
        assert_int_equal(t.ear.in.p != p, grows);
        assert_false(ear_keeps(&t));
        assert_next(&t, body(3));
        assert_keeps(&t, true);
        assert_next(&t, body(4));
        talk_wipe(&t);
    }
}

static void test_two_across_the_wrap(void **state)
{
    (void)state;
    static struct spoken s;
    struct talk t;
    talk_init(&t);
    keys_etm(&t);
    t.pk.tx.seq = t.ear.rx.seq = UINT32_MAX;
    speak(&s, &t, 0, 2);
    feed(&t, s.bytes, s.n);
    assert_next(&t, body(0));
    assert_keeps(&t, true);
    assert_next(&t, body(1));
    assert_int_equal(t.ear.rx.seq, 1);
    talk_wipe(&t);
}

/* The limit on packets with one key holds for one whose tag is known already. */
static void test_kept_tag_and_too_many_packets(void **state)
{
    (void)state;
    static struct spoken s;
    struct talk t;
    talk_init(&t);
    keys_etm(&t);
    speak(&s, &t, 0, 2);
    t.ear.rx.packets = UINT32_MAX;
    feed(&t, s.bytes, s.n);
    assert_next(&t, body(0));
    assert_next_bad(&t, ADIT_E_PROTOCOL);
    talk_wipe(&t);
}

/* Nothing of it stays behind, used or not. */
static void test_kept_tag_is_wiped(void **state)
{
    (void)state;
    static const struct packet_ahead nothing;
    static struct spoken s;
    for (int is_used = 0; is_used < 2; is_used++) {
        struct talk t;
        talk_init(&t);
        keys_etm(&t);
        speak(&s, &t, 0, 2);
        feed(&t, s.bytes, s.n);
        assert_next(&t, body(0));
        assert_keeps(&t, true);
        if (is_used)
            assert_next(&t, body(1));
        else
            packet_wipe(&t.ear);
        assert_memory_equal(&t.ear.rx.ahead, &nothing, sizeof nothing);
        talk_wipe(&t);
    }
}

/* Reserved and sealed at once: the bytes of one after the other, with any cipher. */
static void test_seal_two(void **state)
{
    (void)state;
    static const size_t lengths[][2] = {{1, 1}, {9, 100}, {32777, 32777}, {32777, 5}, {1000, 60000}};
    for (const struct cipher_alg *alg = cipher_algs; alg->name != NULL; alg++)
        for (const struct mac_alg *mac = mac_algs; mac->name != NULL; mac++) {
            struct talk one, two;
            talk_init(&one);
            talk_init(&two);
            keys_both(&one, alg, mac);
            keys_both(&two, alg, mac);
            for (size_t i = 0; i < ADIT_COUNT(lengths); i++) {
                struct wspan to[2];
                assert_true(packet_reserve_two(&two.pk, lengths[i], to));
                for (size_t k = 0; k < 2; k++) {
                    assert_int_equal(to[k].n, lengths[i][k]);
                    memset(to[k].p, (int)(i + k), to[k].n);
                    struct wspan at = packet_reserve(&one.pk, lengths[i][k]);
                    memset(at.p, (int)(i + k), at.n);
                    packet_seal(&one.pk, at.n);
                }
                packet_seal_two(&two.pk, lengths[i]);
                assert_true(span_eq(packet_out(&one.pk), packet_out(&two.pk)));
                assert_int_equal(two.pk.tx.packets, one.pk.tx.packets);
                assert_int_equal(two.pk.tx.bytes, one.pk.tx.bytes);
                assert_int_equal(two.pk.tx.seq, one.pk.tx.seq);
                packet_out_consume(&one.pk, packet_out(&one.pk).n);
                packet_out_consume(&two.pk, packet_out(&two.pk).n);
            }
            talk_wipe(&one);
            talk_wipe(&two);
        }
}

static void test_reserve_two_is_bounded(void **state)
{
    (void)state;
    struct talk t;
    struct wspan to[2];
    talk_init(&t);
    keys_etm(&t);
    assert_false(packet_reserve_two(&t.pk, (size_t[]){LIMIT_PACKET + 1, 1}, to));
    assert_false(packet_reserve_two(&t.pk, (size_t[]){1, LIMIT_PACKET + 1}, to));
    assert_false(packet_reserve_two(&t.pk, (size_t[]){1, SIZE_MAX}, to));
    assert_false(packet_reserve_two(&t.pk, (size_t[]){LIMIT_PACKET, LIMIT_PACKET}, to));
    size_t count = 0;
    for (; packet_reserve_two(&t.pk, (size_t[]){1000, 700}, to); count++)
        packet_seal_two(&t.pk, (size_t[]){1000, 700});
    assert_true(count > 120);
    assert_true(packet_out(&t.pk).n <= LIMIT_OUT_BUFFER && t.memory.now <= LIMIT_OUT_BUFFER);
    talk_wipe(&t);
    talk_init(&t);
    t.memory.fail_at = 1;
    assert_false(packet_reserve_two(&t.pk, (size_t[]){1, 1}, to));
    assert_true(t.pk.out_of_memory);
    talk_wipe(&t);
}

/* ---- buffers ---- */

static void test_in_buffer(void **state)
{
    (void)state;
    struct talk t;
    struct span payload;
    talk_init(&t);
    assert_true(packet_in_space(&t.ear).n >= BUFFER_START);
    assert_int_equal(packet_in_raw(&t.ear).n, 0);
    feed(&t, "SSH-2.0-x\r\nrest", 15);
    packet_in_skip(&t.ear, 11);
    assert_true(span_is(packet_in_raw(&t.ear), "rest"));
    packet_in_skip(&t.ear, 4);
    packet_idle(&t.ear); /* empty: given back */
    assert_int_equal(t.memory.now, 0);
    feed(&t, "\0\0\0", 3);
    packet_idle(&t.ear); /* not empty: kept */
    assert_true(t.memory.now > 0);
    assert_int_equal(next(&t, &payload), PACKET_NONE);
    talk_wipe(&t);
}

/* A peer that fills every offer makes it grow, to the limit and no further. */
static void test_in_buffer_is_bounded(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    size_t had = 0;
    for (;;) {
        struct wspan in = packet_in_space(&t.ear);
        if (in.n == 0)
            break;
        memset(in.p, 0, in.n);
        packet_in_commit(&t.ear, in.n);
        had += in.n;
    }
    assert_int_equal(had, LIMIT_IN_BUFFER);
    assert_int_equal(t.memory.now, LIMIT_IN_BUFFER);
    talk_wipe(&t);
}

static void test_out_buffer_is_bounded(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    size_t count = 0;
    while (packet_reserve(&t.pk, 1000).n == 1000) {
        packet_seal(&t.pk, 1000);
        count++;
    }
    assert_true(count > 200);
    assert_true(packet_out(&t.pk).n <= LIMIT_OUT_BUFFER);
    assert_true(t.memory.now <= LIMIT_OUT_BUFFER);
    assert_int_equal(packet_reserve(&t.pk, LIMIT_PACKET + 1).n, 0);
    assert_false(packet_has_room(&t.pk, 1000, 0));
    packet_out_consume(&t.pk, packet_out(&t.pk).n);
    assert_true(packet_has_room(&t.pk, 1000, 0));
    assert_false(packet_has_room(&t.pk, 1000, LIMIT_OUT_BUFFER - 1000));
    packet_out_raw(&t.pk, span_str("raw"));
    assert_true(span_is(packet_out(&t.pk), "raw"));
    packet_out_consume(&t.pk, 3);
    packet_idle(&t.pk);
    assert_int_equal(t.memory.now, 0);
    talk_wipe(&t);
}

/* A reserved region that is sealed with less than was reserved. */
static void test_seal_less(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    struct wspan to = packet_reserve(&t.pk, 100);
    assert_int_equal(to.n, 100);
    to.p[0] = 7;
    packet_seal(&t.pk, 1);
    assert_int_equal(packet_out(&t.pk).n, packet_wire_len(&t.pk, 1));
    assert_says(&t, message("b", 7));
    talk_wipe(&t);
}

/* A message that is written field by field; one that does not fit is not sent, nor half of it. */
static void test_begin_and_send(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    struct wr w = packet_begin(&t.pk, 94, 9);
    wr_u32(&w, 7);
    wr_u32(&w, 8);
    assert_true(packet_send(&t.pk, &w));
    assert_says(&t, message("buu", 94, 7u, 8u));
    w = packet_begin(&t.pk, 94, 8); /* a byte too little */
    wr_u32(&w, 7);
    wr_u32(&w, 8);
    assert_false(packet_send(&t.pk, &w));
    assert_silent(&t);
    w = packet_begin(&t.pk, 94, LIMIT_OUT_BUFFER);
    assert_false(packet_send(&t.pk, &w));
    assert_silent(&t);
    talk_wipe(&t);
}

/* ---- places ---- */

/* Filled in place, then reserved and sealed packet by packet: what was written is what arrives, whatever the
 * part, the total and the cipher are. */
static void places_round(struct talk *t, size_t part, size_t total, size_t use)
{
    enum { PREFIX = 9, KEEP = 8192 };
    struct wspan places[8];
    size_t count = packet_places(&t->pk, PREFIX, part, total, KEEP, places, 8), offered = 0;
    assert_true(count >= 1);
    for (size_t i = 0; i < count; i++) {
        assert_true(places[i].n <= part && places[i].n > 0);
        memset(places[i].p, (int)(i + 1), places[i].n);
        offered += places[i].n;
    }
    assert_true(offered <= total);
    size_t n = use < offered ? use : offered;
    packet_places_used(&t->pk, n);
    for (size_t i = 0; n > 0; i++) {
        size_t take = n < part ? n : part;
        struct wspan to = packet_reserve(&t->pk, PREFIX + take);
        assert_ptr_equal(to.p + PREFIX, places[i].p);
        memset(to.p, 0xee, PREFIX);
        packet_seal(&t->pk, PREFIX + take);
        n -= take;
    }
    assert_true(packet_out(&t->pk).n + KEEP <= t->pk.out.cap);
    n = use < offered ? use : offered;
    for (size_t i = 0; n > 0; i++) {
        size_t take = n < part ? n : part;
        struct span heard = hear(t);
        assert_int_equal(heard.n, PREFIX + take);
        for (size_t k = PREFIX; k < heard.n; k++)
            assert_int_equal(heard.p[k], (uint8_t)(i + 1));
        n -= take;
    }
    assert_silent(t);
}

static void test_places(void **state)
{
    (void)state;
    static const size_t parts[] = {1, 2, 7, 1000, 32767, 32768},
                        totals[] = {1, 5, 32767, 32768, 32769, 200000, 1000000};
    for (const struct cipher_alg *alg = cipher_algs; alg->name != NULL; alg++) {
        struct talk t;
        talk_init(&t);
        keys_both(&t, alg, mac_alg_find(span_str("hmac-sha2-512")));
        for (size_t i = 0; i < ADIT_COUNT(parts); i++)
            for (size_t k = 0; k < ADIT_COUNT(totals); k++) {
                places_round(&t, parts[i], totals[k], SIZE_MAX);
                places_round(&t, parts[i], totals[k], totals[k] / 2 + 1);
            }
        talk_wipe(&t);
    }
}

static void test_places_leave_the_reserve(void **state)
{
    (void)state;
    struct talk t;
    struct wspan place;
    talk_init(&t);
    assert_int_equal(packet_places(&t.pk, 9, 32768, 0, 8192, &place, 1), 0);
    assert_int_equal(packet_places(&t.pk, 9, 32768, 1, 8192, &place, 0), 0);
    while (packet_places(&t.pk, 9, 32768, 1000000, 8192, &place, 1) == 1) {
        (void)packet_reserve(&t.pk, 9 + place.n);
        packet_seal(&t.pk, 9 + place.n);
        packet_places_used(&t.pk, place.n);
    }
    assert_false(packet_can_place(&t.pk, 9 + 32768, 8192));
    assert_true(packet_out(&t.pk).n <= LIMIT_OUT_BUFFER - 8192);
    assert_true(packet_reserve(&t.pk, 4000).n == 4000); /* there is room for what is not data */
    packet_out_consume(&t.pk, packet_out(&t.pk).n);
    assert_true(packet_can_place(&t.pk, 9 + 32768, 8192));
    talk_wipe(&t);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    t.memory.fail_at = 1;
    (void)packet_in_space(&t.pk);
    assert_true(t.pk.out_of_memory); /* it ends the session, also when a smaller buffer was to be had */
    talk_wipe(&t);
    talk_init(&t);
    t.memory.fail_at = 1;
    assert_int_equal(packet_reserve(&t.pk, 10).n, 0);
    assert_true(t.pk.out_of_memory);
    talk_wipe(&t);
}

/* ---- compression ---- */

static void compress_both(struct talk *t)
{
    assert_true(packet_set_packing(&t->pk, true));
    assert_true(packet_set_unpacking(&t->ear, true));
}

/* With every cipher; the longest payload is of noise, which grows. [RFC 4253 6.2a 6.2b] */
static void test_compressed_by_every_cipher(void **state)
{
    (void)state;
    static uint8_t noise[LIMIT_PACKET - 4096];
    for (const struct cipher_alg *alg = cipher_algs; alg->name != NULL; alg++) {
        struct talk t;
        talk_init(&t);
        keys_both(&t, alg, alg->tag_len != 0 ? NULL : mac_algs);
        compress_both(&t);
        drbg_bytes(&t.random, noise, sizeof noise);
        for (size_t i = 0; i < 20; i++) {
            say(&t.pk, body(i));
            assert_says(&t, body(i));
        }
        say(&t.pk, span_make(noise, sizeof noise));
        assert_says(&t, span_make(noise, sizeof noise));
        talk_wipe(&t);
    }
}

/* Nothing goes around the packer where two packets are sealed at once; where two are opened at once, each is
 * unpacked in its turn. */
static void test_compressed_two_at_once(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    keys_etm(&t);
    bool has_two = cipher_has_two(&t.pk.tx.cipher);
    assert_int_equal(packet_has_two(&t.pk), has_two);
    compress_both(&t);
    assert_false(packet_has_two(&t.pk));
    for (size_t i = 0; i < 9; i++)
        say(&t.pk, body(i));
    struct span out = packet_out(&t.pk);
    assert_true(out.n < 9 * 250); /* packed */
    feed(&t, out.p, out.n);
    packet_out_consume(&t.pk, out.n);
    for (size_t i = 0; i < 9; i++) {
        assert_next(&t, body(i));
        assert_keeps(&t, i % 2 == 0 && i < 8);
    }
    assert_true(packet_set_packing(&t.pk, false) && packet_set_unpacking(&t.ear, false));
    assert_int_equal(packet_has_two(&t.pk), has_two);
    say(&t.pk, body(0));
    assert_says(&t, body(0));
    talk_wipe(&t);
}

/* One place at a time, and what fills it always goes out, however little it packs. */
static void test_places_when_compressed(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    keys_etm(&t);
    compress_both(&t);
    for (int round = 0; round < 40; round++) {
        struct wspan places[8];
        assert_int_equal(packet_places(&t.pk, 9, 32768, 100000, 8192, places, 8), 1);
        assert_int_equal(places[0].n, 32768);
        drbg_bytes(&t.random, places[0].p, places[0].n);
        struct wspan to = packet_reserve(&t.pk, 9 + 32768);
        assert_ptr_equal(to.p + 9, places[0].p);
        memset(to.p, 94, 9);
        struct span said = message("p", span_make(to.p, to.n));
        packet_seal(&t.pk, to.n);
        packet_places_used(&t.pk, 32768);
        assert_says(&t, said);
    }
    talk_wipe(&t);
}

static void test_no_memory_to_pack(void **state)
{
    (void)state;
    struct talk t;
    talk_init(&t);
    compress_both(&t);
    say(&t.pk, body(0));
    t.memory.fail_at = t.memory.count + 1;
    assert_int_equal(packet_reserve(&t.pk, 20000).n,
                     0); /* the buffer is large enough, the packer's room not */
    assert_true(t.pk.out_of_memory);
    talk_wipe(&t);
    talk_init(&t);
    t.memory.fail_at = 1;
    assert_false(packet_set_packing(&t.pk, true));
    t.memory.fail_at = t.memory.count + 1;
    assert_false(packet_set_unpacking(&t.pk, true));
    talk_wipe(&t);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cipher),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_bad_lengths),
        cmocka_unit_test(test_padding_is_random),
        cmocka_unit_test(test_bad_padding),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_sequence_wraps),
        cmocka_unit_test(test_too_many_packets_with_one_key),
        cmocka_unit_test(test_two_in_chunks),
        cmocka_unit_test(test_second_is_partial),
        cmocka_unit_test(test_forged_one_of_two),
        cmocka_unit_test(test_bad_length_of_second),
        cmocka_unit_test(test_two_across_new_keys),
        cmocka_unit_test(test_kept_tag_is_for_one_packet),
        cmocka_unit_test(test_buffer_moves_between_two),
        cmocka_unit_test(test_two_across_the_wrap),
        cmocka_unit_test(test_kept_tag_and_too_many_packets),
        cmocka_unit_test(test_kept_tag_is_wiped),
        cmocka_unit_test(test_seal_two),
        cmocka_unit_test(test_reserve_two_is_bounded),
        cmocka_unit_test(test_compressed_by_every_cipher),
        cmocka_unit_test(test_compressed_two_at_once),
        cmocka_unit_test(test_places_when_compressed),
        cmocka_unit_test(test_no_memory_to_pack),
        cmocka_unit_test(test_in_buffer),
        cmocka_unit_test(test_in_buffer_is_bounded),
        cmocka_unit_test(test_out_buffer_is_bounded),
        cmocka_unit_test(test_seal_less),
        cmocka_unit_test(test_begin_and_send),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_places_leave_the_reserve),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
