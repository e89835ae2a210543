#include "tests/talk.h"

#include "ssh/kex.h"
#include "ssh/key.h"
#include "ssh/msg.h"

/* Key exchange between two machines in memory, message by message: RFC 4253 §7-§9, OpenSSH PROTOCOL §1.9. */

struct end {
    struct packet pk;
    struct kex kex;
    struct adit_error err;
    struct drbg random;
};

struct scene {
    struct talk_memory memory;
    struct end client, server;
    struct key_secret host_key;
    uint8_t blob[KEY_PUBLIC_MAX];
    size_t blob_n;
};

static void end_init(struct scene *s, struct end *e, const struct kex_side *side, uint8_t seed)
{
    uint8_t bytes[32] = {seed};
    drbg_init(&e->random, bytes);
    packet_init(&e->pk, &s->memory.alloc, &e->random);
    kex_init(&e->kex, side, &s->memory.alloc, &e->random);
    e->err = (struct adit_error){0};
    e->kex.lists[0] = "curve25519-sha256,ecdh-sha2-nistp256";
    e->kex.lists[1] = "ssh-ed25519";
    e->kex.lists[2] = "aes128-ctr,chacha20-poly1305@openssh.com";
    e->kex.lists[3] = "hmac-sha2-256";
    e->kex.ident_self = span_str(side->is_client ? "SSH-2.0-c" : "SSH-2.0-s");
    e->kex.ident_peer = span_str(side->is_client ? "SSH-2.0-s" : "SSH-2.0-c");
}

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    talk_memory_init(&s->memory);
    end_init(s, &s->client, &kex_side_client, 1);
    end_init(s, &s->server, &kex_side_server, 2);
    assert_true(key_generate(KEY_ED25519, &s->server.random, &s->host_key));
    struct wr w = wr_init(s->blob, sizeof(s->blob));
    assert_true(key_secret_public(&s->host_key, &w));
    s->blob_n = w.used;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    kex_wipe(&s->client.kex);
    kex_wipe(&s->server.kex);
    packet_wipe(&s->client.pk);
    packet_wipe(&s->server.pk);
    assert_int_equal(s->memory.now, 0);
    free(s);
    return 0;
}

/* The next message for this end; the empty span: none. */
static struct span take(struct end *from, struct end *to)
{
    struct span payload = {0};
    if (packet_next(&to->pk, &payload, &to->err) == PACKET_READY)
        return payload;
    carry(&from->pk, &to->pk);
    return packet_next(&to->pk, &payload, &to->err) == PACKET_READY ? payload : (struct span){0};
}

static enum adit_err answer(struct scene *s, struct end *e)
{
    uint8_t signature[KEY_SIGNATURE_MAX];
    struct wr w = wr_init(signature, sizeof(signature));
    if (e->kex.want == KEX_WANT_HOST_KEY_VERDICT) {
        assert_true(span_eq(kex_host_key(&e->kex), (struct span){s->blob, s->blob_n}));
        return kex_accept_host_key(&e->kex, &e->pk, &e->err);
    }
    if (e->kex.want == KEX_WANT_HOST_KEY &&
        kex_give_host_key(&e->kex, (struct span){s->blob, s->blob_n}, &e->err) != ADIT_E_OK)
        return e->err.code;
    if (e->kex.want != KEX_WANT_SIGNATURE)
        return ADIT_E_OK;
    assert_int_equal(
        key_sign(&s->host_key, span_str(e->kex.choice.host_key), kex_to_sign(&e->kex), &w, &e->err),
        ADIT_E_OK);
    return kex_give_signature(&e->kex, &e->pk, wr_done(&w), &e->err);
}

static enum adit_err handle(struct scene *s, struct end *e, struct span payload)
{
    enum adit_err result;
    if (e->kex.ignore_next && payload.p[0] >= 30) {
        e->kex.ignore_next = false;
        return ADIT_E_OK;
    }
    switch (payload.p[0]) {
    case SSH_MSG_KEXINIT:
        result = kex_on_kexinit(&e->kex, &e->pk, payload, &e->err);
        break;
    case SSH_MSG_KEX_ECDH_INIT:
        result = kex_on_init(&e->kex, &e->pk, payload, &e->err);
        break;
    case SSH_MSG_KEX_ECDH_REPLY:
        result = kex_on_reply(&e->kex, &e->pk, payload, &e->err);
        break;
    default:
        result = kex_on_newkeys(&e->kex, &e->pk, payload, &e->err);
    }
    return result != ADIT_E_OK ? result : answer(s, e);
}

/* Until nothing is under way; false: one of them failed. */
static bool run(struct scene *s)
{
    bool moved = true;
    while (moved) {
        moved = false;
        for (int i = 0; i < 2; i++) {
            struct end *e = i == 0 ? &s->client : &s->server;
            struct span payload = take(i == 0 ? &s->server : &s->client, e);
            if (payload.n == 0)
                continue;
            moved = true;
            if (handle(s, e, payload) != ADIT_E_OK)
                return false;
        }
    }
    return true;
}

static bool start_and_run(struct scene *s, struct end *first)
{
    return kex_start(&first->kex, &first->pk, &first->err) == ADIT_E_OK && run(s);
}

static void assert_works(struct scene *s)
{
    for (int i = 0; i < 2; i++) {
        struct end *from = i == 0 ? &s->client : &s->server, *to = i == 0 ? &s->server : &s->client;
        say(&from->pk, message("bs", 94, "under the new keys"));
        assert_true(span_eq(take(from, to), message("bs", 94, "under the new keys")));
    }
}

/* ---- exchanges ---- */

/* [RFC 4253 6.3b 7.1l] [RFC 8308 2.1a 2.2b] */
static void test_exchange(void **state)
{
    struct scene *s = *state;
    assert_true(start_and_run(s, &s->client));
    struct kex *c = &s->client.kex, *v = &s->server.kex;
    assert_true(c->is_first_done && v->is_first_done && c->is_strict && v->is_strict);
    assert_true(c->peer_has_ext_info && v->peer_has_ext_info);
    assert_int_equal(c->session_id_len, 32);
    assert_memory_equal(c->session_id, v->session_id, 32);
    assert_int_equal(c->done_count, 1);
    assert_null(c->run);
    assert_int_equal(kex_host_key(c).n + kex_to_sign(c).n, 0);
    assert_string_equal(s->client.pk.tx.cipher.alg->name, "aes128-ctr");
    /* PROTOCOL §1.9: numbers start anew */
    assert_int_equal(s->client.pk.tx.seq + s->client.pk.rx.seq + s->server.pk.tx.seq + s->server.pk.rx.seq,
                     0);
    assert_works(s);
}

static size_t released, not_wiped;

static void release_looked_at(void *ctx, void *p, size_t n)
{
    const uint8_t *bytes = p;
    released++;
    for (size_t i = 0; p != NULL && i < n; i++)
        if (bytes[i] != 0) {
            not_wiped++;
            break;
        }
    talk_release(ctx, p, n);
}

/* Both sides give back what they had of an exchange, and nothing stands in it. [RFC 5656 9a] */
static void test_secrets_are_erased(void **state)
{
    struct scene *s = *state;
    s->memory.alloc.release = release_looked_at;
    released = not_wiped = 0;
    assert_true(start_and_run(s, &s->client));
    assert_null(s->client.kex.run);
    assert_null(s->server.kex.run);
    assert_true(released >= 2);
    assert_int_equal(not_wiped, 0);
    s->memory.alloc.release = talk_release;
}

/* Whoever begins, and both at once; the session identifier stays, the keys do not.
 * [RFC 4253 7.2d 7.3a 7.3b 9a 9b 9c 9d] */
static void test_exchange_again(void **state)
{
    struct scene *s = *state;
    assert_true(start_and_run(s, &s->server));
    uint8_t id[32], cipher[64];
    memcpy(id, s->client.kex.session_id, 32);
    for (unsigned i = 0; i < 3; i++) {
        memcpy(cipher, s->client.pk.tx.cipher.state.bytes, sizeof(cipher));
        if (i == 2)
            assert_int_equal(kex_start(&s->server.kex, &s->server.pk, &s->server.err), ADIT_E_OK);
        assert_true(start_and_run(s, i == 1 ? &s->server : &s->client));
        assert_memory_equal(s->client.kex.session_id, id, 32);
        assert_memory_not_equal(s->client.pk.tx.cipher.state.bytes, cipher, sizeof(cipher));
        assert_int_equal(s->client.kex.done_count, i + 2);
        assert_int_equal(s->client.pk.rx.seq, 0);
        assert_works(s);
    }
}

/* [RFC 4253 6.4b] */
static void test_not_strict(void **state)
{
    struct scene *s = *state;
    s->server.kex.offers_strict = false;
    assert_true(start_and_run(s, &s->client));
    assert_false(s->client.kex.is_strict || s->server.kex.is_strict);
    assert_int_equal(s->client.pk.tx.seq, 3); /* RFC 4253 §6.4: never reset */
    assert_works(s);
    s->server.kex.offers_strict = true; /* only the first exchange decides */
    assert_true(start_and_run(s, &s->client));
    assert_false(s->client.kex.is_strict || s->server.kex.is_strict);
    assert_true(s->client.pk.tx.seq > 3);
}

/* [RFC 4253 7a 7b 7.1b 7.1l] */
static void test_guesses(void **state)
{
    struct scene *s = *state;
    s->client.kex.guesses = true;
    assert_true(start_and_run(s, &s->client)); /* right */
    assert_works(s);
    s->server.kex.lists[0] = "ecdh-sha2-nistp256,curve25519-sha256"; /* wrong: another first name */
    assert_true(start_and_run(s, &s->client));
    assert_works(s);
    assert_string_equal(s->client.kex.choice.kex->name, "curve25519-sha256");
    s->server.kex.lists[0] = "ecdh-sha2-nistp256"; /* wrong: another method altogether */
    assert_true(start_and_run(s, &s->client));
    assert_string_equal(s->client.kex.choice.kex->name, "ecdh-sha2-nistp256");
    assert_works(s);
}

/* RFC 4253 §8: what either side saw differently breaks the signature's truth. [RFC 4253 4.2i] */
static void test_altered_version_line(void **state)
{
    for (size_t i = 0; i < 4; i++) { /* each side's of itself, and of the other */
        if (i > 0) {
            tear_down(state);
            set_up(state);
        }
        struct scene *s = *state;
        struct kex *kex = i < 2 ? &s->server.kex : &s->client.kex;
        *(i % 2 == 0 ? &kex->ident_peer : &kex->ident_self) = span_str("SSH-2.0-d");
        assert_false(start_and_run(s, &s->client));
        assert_int_equal(s->client.err.code, ADIT_E_INTEGRITY);
    }
}

static bool tamper(struct scene *s, uint8_t number, size_t at)
{
    if (kex_start(&s->client.kex, &s->client.pk, &s->client.err) != ADIT_E_OK ||
        kex_start(&s->server.kex, &s->server.pk, &s->server.err) != ADIT_E_OK)
        return false;
    for (int i = 0; i < 20; i++) {
        struct end *e = i % 2 == 0 ? &s->client : &s->server, *from = i % 2 == 0 ? &s->server : &s->client;
        struct span payload = take(from, e);
        if (payload.n == 0)
            continue;
        uint8_t copy[5000];
        memcpy(copy, payload.p, payload.n);
        if (copy[0] == number)
            copy[at < payload.n ? at : payload.n - 1] ^= 1;
        if (handle(s, e, (struct span){copy, payload.n}) != ADIT_E_OK)
            return false;
    }
    return s->client.kex.is_first_done && s->server.kex.is_first_done;
}

/* No bit of the exchange can be changed on the way. [RFC 4253 8c] */
static void test_tampering(void **state)
{
    static const struct {
        uint8_t number;
        size_t at;
    } cases[] = {{SSH_MSG_KEXINIT, 1},         {SSH_MSG_KEXINIT, 5000},      {SSH_MSG_KEX_ECDH_INIT, 20},
                 {SSH_MSG_KEX_ECDH_REPLY, 30}, {SSH_MSG_KEX_ECDH_REPLY, 70}, {SSH_MSG_KEX_ECDH_REPLY, 5000},
                 {SSH_MSG_KEX_ECDH_REPLY, 8}};
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct scene *s = *state;
        assert_false(tamper(s, cases[i].number, cases[i].at));
        assert_false(s->client.kex.is_first_done);
        (void)tear_down(state);
        (void)set_up(state);
    }
    assert_true(tamper(*state, 0, 0));
}

/* ---- out of place ---- */

#define assert_fails(end, call, kind)                     \
    do {                                                  \
        assert_int_equal((call), ADIT_E_##kind);          \
        assert_int_equal((end)->err.code, ADIT_E_##kind); \
        (end)->err = (struct adit_error){0};              \
    } while (0)

/* [RFC 4253 7.1p] */
static void test_out_of_place(void **state)
{
    struct scene *s = *state;
    struct end *c = &s->client, *v = &s->server;
    struct span newkeys = message("b", SSH_MSG_NEWKEYS);
    assert_fails(c, kex_on_newkeys(&c->kex, &c->pk, newkeys, &c->err), PROTOCOL);
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, message("bsss", 31, "", "", ""), &c->err), PROTOCOL);
    assert_fails(v, kex_on_init(&v->kex, &v->pk, message("bs", 30, ""), &v->err), PROTOCOL);
    assert_int_equal(kex_start(&c->kex, &c->pk, &c->err), ADIT_E_OK);
    assert_fails(c, kex_on_newkeys(&c->kex, &c->pk, newkeys, &c->err), PROTOCOL);
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, message("bsss", 31, "", "", ""), &c->err), PROTOCOL);
    assert_int_equal(kex_start(&v->kex, &v->pk, &v->err), ADIT_E_OK);
    struct span init = take(v, c);
    assert_int_equal(handle(s, c, init), ADIT_E_OK);
    assert_fails(c, kex_on_kexinit(&c->kex, &c->pk, init, &c->err), PROTOCOL);    /* a second one */
    assert_fails(c, kex_on_newkeys(&c->kex, &c->pk, newkeys, &c->err), PROTOCOL); /* no reply yet */
    assert_int_equal(handle(s, v, take(c, v)), ADIT_E_OK);
    struct span share = take(c, v);
    assert_int_equal(kex_on_init(&v->kex, &v->pk, share, &v->err), ADIT_E_OK);
    assert_fails(v, kex_on_init(&v->kex, &v->pk, share, &v->err), PROTOCOL); /* a second share */
    assert_fails(v, kex_on_newkeys(&v->kex, &v->pk, newkeys, &v->err), PROTOCOL);
    assert_int_equal(answer(s, v), ADIT_E_OK);
    struct span reply = take(v, c);
    assert_int_equal(kex_on_reply(&c->kex, &c->pk, reply, &c->err), ADIT_E_OK);
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, reply, &c->err), PROTOCOL);     /* a second reply */
    assert_fails(c, kex_on_newkeys(&c->kex, &c->pk, newkeys, &c->err), PROTOCOL); /* no verdict yet */
    assert_int_equal(answer(s, c), ADIT_E_OK);
    assert_fails(c, kex_on_newkeys(&c->kex, &c->pk, message("bb", 21, 0), &c->err), PROTOCOL);
    assert_true(run(s));
    assert_works(s);
}

static void test_kexinit_not_first(void **state)
{
    struct scene *s = *state;
    say(&s->server.pk, message("bs", SSH_MSG_IGNORE, "prefix"));
    assert_int_equal(take(&s->server, &s->client).p[0], SSH_MSG_IGNORE);
    s->client.pk.rx.seq = s->server.pk.tx.seq = 0; /* as after 2^32 of them */
    assert_false(start_and_run(s, &s->server));
    assert_int_equal(s->client.err.code, ADIT_E_PROTOCOL);
    assert_non_null(strstr(s->client.err.text, "strict"));
}

static void test_reply_lengths(void **state)
{
    struct scene *s = *state;
    struct end *c = &s->client, *v = &s->server;
    static uint8_t large[LIMIT_KEY_BLOB + 1];
    assert_int_equal(kex_start(&v->kex, &v->pk, &v->err), ADIT_E_OK);
    assert_int_equal(handle(s, c, take(v, c)), ADIT_E_OK);
    struct span share = {large, 32}, too_large = {large, LIMIT_KEY_BLOB + 1},
                long_share = {large, AGREE_SHARE_MAX + 1};
    large[0] = 9;
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, message("bSSs", 31, too_large, share, "s"), &c->err),
                 PROTOCOL);
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, message("bsSs", 31, "k", long_share, "s"), &c->err),
                 PROTOCOL);
    assert_fails(c,
                 kex_on_reply(&c->kex, &c->pk,
                              message("bsSS", 31, "k", share, span_sub(too_large, 0, LIMIT_SIGNATURE + 1)),
                              &c->err),
                 PROTOCOL);
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, message("bsS", 31, "k", share), &c->err), PROTOCOL);
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, message("bsSsb", 31, "k", share, "s", 0), &c->err),
                 PROTOCOL);
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, message("bsss", 31, "k", "short", "s"), &c->err), PROTOCOL);
    assert_fails(c, kex_on_reply(&c->kex, &c->pk, message("bsSs", 31, "", share, ""), &c->err), PROTOCOL);
}

static void test_host_key_may_not_change(void **state)
{
    struct scene *s = *state;
    assert_true(start_and_run(s, &s->client));
    struct wr w = wr_init(s->blob, sizeof(s->blob));
    assert_true(key_generate(KEY_ED25519, &s->server.random, &s->host_key) &&
                key_secret_public(&s->host_key, &w));
    assert_false(start_and_run(s, &s->server));
    assert_int_equal(s->client.err.code, ADIT_E_HOST_KEY);
    assert_int_equal(s->client.kex.want, KEX_WANT_NOTHING);
}

/* ---- the server's answers ---- */

static void test_no_host_key(void **state)
{
    struct scene *s = *state;
    struct end *v = &s->server;
    s->blob_n = 0;
    assert_false(start_and_run(s, &s->client));
    assert_int_equal(v->err.code, ADIT_E_CONFIG);
}

static void test_could_not_sign(void **state)
{
    struct scene *s = *state;
    struct end *c = &s->client, *v = &s->server;
    assert_int_equal(kex_start(&c->kex, &c->pk, &c->err), ADIT_E_OK);
    assert_int_equal(handle(s, v, take(c, v)), ADIT_E_OK);
    assert_int_equal(handle(s, c, take(v, c)), ADIT_E_OK);
    assert_int_equal(kex_on_init(&v->kex, &v->pk, take(c, v), &v->err), ADIT_E_OK);
    assert_int_equal(kex_give_host_key(&v->kex, (struct span){s->blob, s->blob_n}, &v->err), ADIT_E_OK);
    assert_int_equal(v->kex.want, KEX_WANT_SIGNATURE);
    assert_int_equal(kex_to_sign(&v->kex).n, 32);
    assert_fails(v, kex_give_signature(&v->kex, &v->pk, (struct span){0}, &v->err), HOST_KEY);
}

/* ---- starting ---- */

/* [RFC 4253 7.1c] */
static void test_start_fails(void **state)
{
    struct scene *s = *state;
    struct end *c = &s->client;
    static char names[3000];
    s->memory.fail_at = s->memory.count + 1;
    assert_fails(c, kex_start(&c->kex, &c->pk, &c->err), MEMORY);
    memset(names, 'n', sizeof(names) - 1);
    c->kex.lists[0] = names;
    assert_fails(c, kex_start(&c->kex, &c->pk, &c->err), CONFIG);
    kex_wipe(&c->kex);
    end_init(s, c, &kex_side_client, 1);
    c->kex.lists[2] = names;
    assert_fails(c, kex_start(&c->kex, &c->pk, &c->err), CONFIG);
}

static void take_cookie(struct end *from, struct end *to, uint8_t cookie[16])
{
    assert_int_equal(kex_start(&from->kex, &from->pk, &from->err), ADIT_E_OK);
    struct span init = take(from, to);
    assert_true(init.n > 17 && init.p[0] == SSH_MSG_KEXINIT);
    memcpy(cookie, init.p + 1, 16);
}

/* Nothing but the cookie need differ from one exchange to the next, or from one side to the other.
 * [RFC 4253 7.1d] */
static void test_cookies(void **state)
{
    struct scene *s = *state;
    uint8_t cookie[3][16], zeros[16] = {0};
    take_cookie(&s->client, &s->server, cookie[0]);
    take_cookie(&s->server, &s->client, cookie[1]);
    kex_wipe(&s->client.kex);
    kex_init(&s->client.kex, &kex_side_client, &s->memory.alloc, &s->client.random);
    for (size_t i = 0; i < 4; i++)
        s->client.kex.lists[i] = s->server.kex.lists[i];
    take_cookie(&s->client, &s->server, cookie[2]);
    for (size_t i = 0; i < 3; i++) {
        assert_memory_not_equal(cookie[i], zeros, 16);
        assert_memory_not_equal(cookie[i], cookie[(i + 1) % 3], 16);
    }
}

/* RFC 4344 §3, RFC 4253 §9: by bytes and by packets, in either direction. [RFC 4251 9.3.2a] */
static void test_is_due(void **state)
{
    struct scene *s = *state;
    struct end *c = &s->client;
    assert_false(kex_is_due(&c->kex, &c->pk, 1)); /* the first has not been made */
    assert_true(start_and_run(s, c));
    assert_false(kex_is_due(&c->kex, &c->pk, 1));
    c->pk.tx.bytes = 999;
    assert_false(kex_is_due(&c->kex, &c->pk, 1000));
    c->pk.tx.bytes = 1000;
    assert_true(kex_is_due(&c->kex, &c->pk, 1000));
    assert_false(kex_is_due(&c->kex, &c->pk, 0));
    c->pk.tx.bytes = ((uint64_t)1 << 36) - 1; /* 2^32 blocks of 16 bytes */
    assert_false(kex_is_due(&c->kex, &c->pk, 0));
    assert_false(kex_is_due(&c->kex, &c->pk, UINT64_MAX));
    c->pk.tx.bytes++;
    assert_true(kex_is_due(&c->kex, &c->pk, 0));
    assert_true(kex_is_due(&c->kex, &c->pk, UINT64_MAX));
    c->pk.tx.bytes = 0;
    c->pk.rx.packets = ((uint64_t)1 << 28) - 1;
    assert_false(kex_is_due(&c->kex, &c->pk, 0));
    c->pk.rx.packets++;
    assert_true(kex_is_due(&c->kex, &c->pk, 0));
    assert_int_equal(kex_start(&c->kex, &c->pk, &c->err), ADIT_E_OK);
    assert_false(kex_is_due(&c->kex, &c->pk, 0)); /* it is under way */
    assert_true(run(s));
    assert_false(kex_is_due(&c->kex, &c->pk, 1000));
    c->kex.lists[2] = s->server.kex.lists[2] =
        "chacha20-poly1305@openssh.com"; /* 64-bit blocks: a gigabyte */
    assert_true(start_and_run(s, c));
    c->pk.rx.bytes = (uint64_t)1 << 30;
    assert_true(kex_is_due(&c->kex, &c->pk, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_exchange),
        TEST(test_exchange_again),
        TEST(test_not_strict),
        TEST(test_guesses),
        TEST(test_altered_version_line),
        TEST(test_tampering),
        TEST(test_out_of_place),
        TEST(test_kexinit_not_first),
        TEST(test_reply_lengths),
        TEST(test_host_key_may_not_change),
        TEST(test_no_host_key),
        TEST(test_could_not_sign),
        TEST(test_start_fails),
        TEST(test_secrets_are_erased),
        TEST(test_cookies),
        TEST(test_is_due),
    };
    if (!crypto_init())
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
