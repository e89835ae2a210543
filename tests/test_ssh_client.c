#include "tests/talk.h"

#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "tests/pair.h"

/* The client machine against what a server may say, out of place too: an honest server role holds the keys
 * and is made to say it (voice). */

static struct pair *new_pair(void)
{
    struct pair *p = malloc(sizeof(*p));
    pair_init(p);
    p->config[0].kex = "curve25519-sha256";
    return p;
}

static void free_pair(struct pair *p)
{
    pair_free(p);
    assert_int_equal(p->allocated, 0);
    free(p);
}

static void run(struct pair *p)
{
    assert_true(pair_run(p));
}

static struct pair *up(void)
{
    struct pair *p = new_pair();
    pair_start(p);
    run(p);
    assert_true(pair_is_up(p));
    return p;
}

static void voice(struct pair *p, struct span payload)
{
    say(&p->ssh[PAIR_SERVER]->packet, payload);
}

/* The client ends the session because of what it was told. */
static void assert_ends(struct pair *p, struct span payload, enum adit_err why)
{
    voice(p, payload);
    run(p);
    assert_true(ssh_is_ended(p->ssh[0]));
    assert_int_equal(ssh_error(p->ssh[0])->code, why);
    assert_true(pair_logged(p, "c ended"));
    free_pair(p);
}

static struct channel *open_one(struct pair *p)
{
    struct channel *ch = ssh_open_direct_tcpip(p->ssh[0], span_str("db"), 1, span_str("me"), 1, NULL);
    assert_non_null(ch);
    return ch;
}

/* ---- the first exchange ---- */

static bool stand_in_kex(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    (void)p;
    return side == PAIR_SERVER && ev->kind == SSH_EVENT_SIGN; /* no answer: the exchange stands */
}

static struct pair *in_kex(bool strict)
{
    struct pair *p = new_pair();
    p->config[1].no_strict_kex = !strict;
    p->on_event = stand_in_kex;
    pair_start(p);
    run(p);
    assert_true(pair_logged(p, "s sign"));
    return p;
}

/* The reason in the DISCONNECT that the client's last packet is. */
static uint32_t disconnect_reason(struct pair *p)
{
    struct span payload = {0};
    struct adit_error err = {0};
    struct span out = ssh_out(p->ssh[0]);
    struct wspan in = packet_in_space(&p->ssh[1]->packet);
    assert_true(out.n > 0 && out.n <= in.n);
    memcpy(in.p, out.p, out.n);
    packet_in_commit(&p->ssh[1]->packet, out.n);
    assert_int_equal(packet_next(&p->ssh[1]->packet, &payload, &err), PACKET_READY);
    assert_int_equal(payload.p[0], SSH_MSG_DISCONNECT);
    return get_u32(payload.p + 1);
}

static uint32_t reason_for(struct span payload)
{
    struct pair *p = in_kex(true);
    struct ssh_event ev;
    voice(p, payload);
    struct span out = ssh_out(p->ssh[1]);
    struct wspan in = ssh_in_space(p->ssh[0]);
    assert_true(out.n <= in.n);
    memcpy(in.p, out.p, out.n);
    ssh_in_commit(p->ssh[0], out.n);
    ssh_out_consume(p->ssh[1], out.n);
    assert_true(ssh_next(p->ssh[0], &ev) && ev.kind == SSH_EVENT_ENDED);
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_PROTOCOL);
    uint32_t reason = disconnect_reason(p);
    free_pair(p);
    return reason;
}

/* A value that is no public value makes the exchange fail; all else that is wrong is a wrong message.
 * [RFC 8731 3a 3b 3c] */
static void test_reason_of_a_failed_exchange(void **state)
{
    (void)state;
    static const uint8_t zeros[33];
    for (size_t n = 31; n <= 33; n++)
        assert_int_equal(reason_for(message("bsSs", SSH_MSG_KEX_ECDH_REPLY, "k", span_make(zeros, n), "s")),
                         SSH_DISCONNECT_KEY_EXCHANGE_FAILED);
    assert_int_equal(reason_for(message("bs", SSH_MSG_KEX_ECDH_REPLY, "k")), SSH_DISCONNECT_PROTOCOL_ERROR);
}

/* OpenSSH PROTOCOL §1.9: anything but the exchange's own messages ends it. */
static void test_strict_kex_takes_nothing_else(void **state)
{
    (void)state;
    assert_ends(in_kex(true), message("bs", SSH_MSG_IGNORE, "x"), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("btss", SSH_MSG_DEBUG, 0, "x", ""), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("bu", SSH_MSG_UNIMPLEMENTED, 0u), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("b", 192), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("b", 49), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("bu", SSH_MSG_EXT_INFO, 0u), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("bs", SSH_MSG_SERVICE_ACCEPT, "ssh-userauth"), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("b", SSH_MSG_USERAUTH_SUCCESS), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("b", SSH_MSG_NEWKEYS), ADIT_E_PROTOCOL);
    assert_ends(in_kex(true), message("buss", SSH_MSG_DISCONNECT, 2u, "go away", ""), ADIT_E_DISCONNECTED);
}

/* RFC 4253 §11: without strict they stay legal. [RFC 4253 11.2a 11.3a] */
static void test_plain_kex_takes_1_to_4(void **state)
{
    (void)state;
    struct pair *p = in_kex(false);
    voice(p, message("bs", SSH_MSG_IGNORE, "x"));
    voice(p, message("btss", SSH_MSG_DEBUG, 0, "hm", ""));
    voice(p, message("bu", SSH_MSG_UNIMPLEMENTED, 0u));
    voice(p, message("b", 192));
    run(p);
    assert_false(ssh_is_ended(p->ssh[0]));
    assert_true(pair_logged(p, "c debug hm"));
    free_pair(p);
    assert_ends(in_kex(false), message("b", SSH_MSG_USERAUTH_SUCCESS), ADIT_E_PROTOCOL);
    assert_ends(in_kex(false), message("b", SSH_MSG_KEX_ECDH_INIT), ADIT_E_PROTOCOL);
}

/* PROTOCOL §1.9: KEXINIT must be the first packet, also when that is known only afterwards. */
static void test_strict_kex_wants_kexinit_first(void **state)
{
    (void)state;
    for (int strict = 0; strict < 2; strict++) {
        struct pair *p = new_pair();
        p->config[1].no_strict_kex = !strict;
        pair_start(p);
        struct ssh *server = p->ssh[1];
        struct span all = packet_out(&server->packet);
        /* version line, then IGNORE, then the KEXINIT that stood behind it */
        uint8_t kexinit[2000];
        size_t ident_n = span_str(server->ident_self).n + 2, n = all.n - ident_n;
        memcpy(kexinit, all.p + ident_n, n);
        server->packet.out.end -= n;
        voice(p, message("bs", SSH_MSG_IGNORE, "prefix"));
        packet_out_raw(&server->packet, (struct span){kexinit, n});
        run(p);
        assert_int_equal(ssh_is_ended(p->ssh[0]), strict);
        free_pair(p);
    }
}

/* ---- authentication ---- */

static bool stand_in_auth(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    (void)p;
    return side == PAIR_SERVER && ev->kind == SSH_EVENT_AUTH_REQUEST;
}

static struct pair *in_auth(const char *method)
{
    struct pair *p = new_pair();
    p->method = method;
    p->on_event = stand_in_auth;
    pair_start(p);
    run(p);
    assert_false(ssh_is_ended(p->ssh[0]));
    return p;
}

/* [RFC 4252 5.1e 6a] */
static void test_auth_out_of_place(void **state)
{
    (void)state;
    assert_ends(in_auth("probe"), message("b", SSH_MSG_USERAUTH_SUCCESS), ADIT_E_PROTOCOL);
    assert_ends(in_auth("probe"), message("bss", SSH_MSG_USERAUTH_PK_OK, "ssh-ed25519", "another key"),
                ADIT_E_PROTOCOL);
    assert_ends(in_auth("publickey"), message("bss", SSH_MSG_USERAUTH_PK_OK, "ssh-ed25519", "k"),
                ADIT_E_PROTOCOL);
    assert_ends(in_auth("publickey"), message("bs", SSH_MSG_SERVICE_ACCEPT, "ssh-userauth"), ADIT_E_PROTOCOL);
    assert_ends(in_auth("publickey"), message("bsss", SSH_MSG_USERAUTH_REQUEST, "root", "x", "none"),
                ADIT_E_PROTOCOL);
    assert_ends(in_auth("publickey"), message("bst", SSH_MSG_GLOBAL_REQUEST, "x", 1), ADIT_E_PROTOCOL);
    assert_ends(in_auth("publickey"), message("bsuuu", SSH_MSG_CHANNEL_OPEN, "session", 0u, 1u, 1u),
                ADIT_E_PROTOCOL);
    assert_ends(in_auth("publickey"), message("buuuu", SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 0u, 0u, 1u, 1u),
                ADIT_E_PROTOCOL);
    assert_ends(up(), message("b", SSH_MSG_USERAUTH_SUCCESS), ADIT_E_PROTOCOL);
    assert_ends(up(), message("bst", SSH_MSG_USERAUTH_FAILURE, "password", 0), ADIT_E_PROTOCOL);
    assert_ends(up(), message("bss", SSH_MSG_USERAUTH_BANNER, "x", ""), ADIT_E_PROTOCOL);
}

static bool asks_thrice(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    unsigned *requests = p->context;
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_AUTH_REQUEST) {
        ++*requests;
        return *requests == 1; /* the first one stands without an answer */
    }
    if (side == PAIR_SERVER || ev->kind != SSH_EVENT_AUTH)
        return false;
    ssh_auth_password(p->ssh[0], span_str(ev->first ? "wrong" : "secret"));
    ssh_auth_password(p->ssh[0], span_str("secret"));
    ssh_auth_kbdint(p->ssh[0], span_str(""));
    return true;
}

/* A call too early is no request: it would stand behind one that has no answer yet. [RFC 4252 5.1c] */
static void test_one_request_at_a_time(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    unsigned requests = 0;
    p->method = "password";
    p->on_event = asks_thrice;
    p->context = &requests;
    pair_start(p);
    run(p);
    assert_int_equal(requests, 1);
    ssh_auth_none(p->ssh[0]);
    assert_int_equal(ssh_out(p->ssh[0]).n, 0);
    ssh_auth_request_answer(p->ssh[1], false, false, span_str("password"));
    run(p);
    assert_int_equal(requests, 2);
    assert_true(pair_is_up(p));
    free_pair(p);
}

/* Whatever its order, the same is known of the server. [RFC 8308 2.5a 2.5c] */
static void test_order_of_extensions(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"server-sig-algs", "rsa-sha2-256"},
                                           {"publickey-hostbound@openssh.com", "0"},
                                           {"nobody@example", "a\001b"}};
    static const size_t orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < ADIT_COUNT(orders); i++) {
        const size_t *o = orders[i];
        struct pair *p = in_auth("publickey");
        assert_false(ssh_has_host_bound(p->ssh[0]));
        voice(p, message("bussssss", SSH_MSG_EXT_INFO, 3u, pairs[o[0]][0], pairs[o[0]][1], pairs[o[1]][0],
                         pairs[o[1]][1], pairs[o[2]][0], pairs[o[2]][1]));
        run(p);
        assert_true(span_is(ssh_server_sig_algs(p->ssh[0]), "rsa-sha2-256"));
        assert_true(ssh_has_host_bound(p->ssh[0]));
        free_pair(p);
    }
}

/* As many extensions as a packet holds, and as large ones. [RFC 8308 2.5b 2.5d] */
static void test_largest_ext_info(void **state)
{
    (void)state;
    enum { MANY = (LIMIT_PACKET - 200) / 8 };
    static const uint8_t zeros[LIMIT_PACKET - 200]; /* so many empty names and values, or one value */
    for (uint32_t many = 0; many < 2; many++) {
        struct pair *p = in_auth("publickey");
        struct wr w = packet_begin(&p->ssh[PAIR_SERVER]->packet, SSH_MSG_EXT_INFO, LIMIT_PACKET - 100);
        wr_u32(&w, many ? MANY + 1 : 2);
        if (!many)
            wr_cstring(&w, "large");
        if (many)
            wr_bytes(&w, (struct span){zeros, (size_t)MANY * 8});
        else
            wr_string(&w, (struct span){zeros, sizeof(zeros) - 20});
        wr_cstring(&w, "server-sig-algs");
        wr_cstring(&w, "rsa-sha2-256");
        assert_true(packet_send(&p->ssh[PAIR_SERVER]->packet, &w));
        run(p);
        assert_false(ssh_is_ended(p->ssh[0]));
        assert_true(span_is(ssh_server_sig_algs(p->ssh[0]), "rsa-sha2-256"));
        free_pair(p);
    }
}

/* RFC 8308 §2.4: after NEWKEYS and before SUCCESS; the server role has sent one. [RFC 8308 2.2a 2.4c] */
static void test_ext_info_twice_and_late(void **state)
{
    (void)state;
    struct pair *p = in_auth("publickey");
    voice(p, message("buss", SSH_MSG_EXT_INFO, 1u, "server-sig-algs", "rsa-sha2-256"));
    run(p);
    assert_true(span_is(ssh_server_sig_algs(p->ssh[0]), "rsa-sha2-256"));
    assert_ends(p, message("buss", SSH_MSG_EXT_INFO, 1u, "server-sig-algs", "ssh-rsa"), ADIT_E_PROTOCOL);
    assert_ends(up(), message("bu", SSH_MSG_EXT_INFO, 0u), ADIT_E_PROTOCOL);
    assert_ends(in_auth("publickey"), message("bu", SSH_MSG_EXT_INFO, 0xffffffffu), ADIT_E_PROTOCOL);
    assert_ends(in_auth("publickey"), message("bus", SSH_MSG_EXT_INFO, 1u, "name alone"), ADIT_E_PROTOCOL);
}

/* What cannot be opened behind the server's NEWKEYS ends the session before anything is authenticated. */
static bool damages_the_next_packet(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_HOST_KEY) {
        ssh_host_key_answer(p->ssh[0], true, NULL);
        struct packet_buffer *out = &p->ssh[1]->packet.out; /* ends with EXT_INFO */
        if (out->start < out->end)
            out->p[out->end - 1] ^= 1;
        else /* it has come already */
            p->ssh[0]->packet.in.p[p->ssh[0]->packet.in.end - 1] ^= 1;
        return true;
    }
    return false;
}

/* [RFC 4253 7.3b] */
static void test_damage_behind_newkeys(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->on_event = damages_the_next_packet;
    pair_start(p);
    run(p);
    assert_true(ssh_is_ended(p->ssh[0]));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_INTEGRITY);
    assert_false(pair_logged(p, "c auth"));
    free_pair(p);
}

/* ---- the open session ---- */

/* RFC 4253 §11.4: with the sequence number of what was not understood, counted since strict NEWKEYS.
 * [RFC 4253 11.4a 11.4b 11.4c] */
static void test_unknown_message_is_named(void **state)
{
    (void)state;
    static const int unknown[] = {8, 19, 22, 32, 54, 83, 101, 127, 192, 255};
    struct pair *p = up();
    struct ssh *client = p->ssh[0], *server = p->ssh[1];
    for (size_t i = 0; i < ADIT_COUNT(unknown); i++) {
        uint32_t seq = server->packet.tx.seq;
        struct span answer = {0};
        struct ssh_event ev;
        struct adit_error err = {0};
        voice(p, message("bp", unknown[i], span_str("body")));
        carry(&server->packet, &client->packet);
        while (ssh_next(client, &ev))
            ;
        carry(&client->packet, &server->packet);
        assert_int_equal(packet_next(&server->packet, &answer, &err), PACKET_READY);
        struct span expected = message("bu", SSH_MSG_UNIMPLEMENTED, seq);
        assert_int_equal(answer.n, expected.n);
        assert_memory_equal(answer.p, expected.p, expected.n);
    }
    assert_false(ssh_is_ended(client));
    free_pair(p);
}

static void test_known_message_out_of_place(void **state)
{
    (void)state;
    static const int known[] = {5, 6, 21, 30, 31, 50, 60, 61};
    for (size_t i = 0; i < ADIT_COUNT(known); i++)
        assert_ends(up(), message("bu", known[i], 0u), ADIT_E_PROTOCOL);
    /* channels that are not there */
    assert_ends(up(), message("buu", SSH_MSG_CHANNEL_WINDOW_ADJUST, 0u, 1u), ADIT_E_PROTOCOL);
    assert_ends(up(), message("bus", SSH_MSG_CHANNEL_DATA, 7u, "x"), ADIT_E_PROTOCOL);
    assert_ends(up(), message("bu", SSH_MSG_CHANNEL_CLOSE, 0xffffffffu), ADIT_E_PROTOCOL);
    assert_ends(up(), message("b", SSH_MSG_REQUEST_SUCCESS), ADIT_E_PROTOCOL);
}

static struct pair *in_rekex(void)
{
    struct pair *p = up();
    struct ssh *server = p->ssh[1];
    p->on_event = stand_in_kex;
    assert_int_equal(kex_start(&server->kex, &server->packet, &server->error), ADIT_E_OK);
    run(p);
    return p;
}

/* RFC 4253 §7.1: after its KEXINIT the peer may send 1 to 49 only; what asyncssh sends of the connection
 * protocol is taken too, and answered when the keys are new. [RFC 4253 7.1o 11.2a 11.3a] */
static void test_rekex_takes_messages(void **state)
{
    (void)state;
    struct pair *p = in_rekex();
    voice(p, message("bs", SSH_MSG_IGNORE, "x")); /* legal in a re-exchange, strict or not */
    voice(p, message("btss", SSH_MSG_DEBUG, 1, "hm", ""));
    voice(p, message("b", 192));
    voice(p, message("bst", SSH_MSG_GLOBAL_REQUEST, "keepalive@openssh.com", 1));
    run(p);
    assert_false(ssh_is_ended(p->ssh[0]));
    assert_true(pair_logged(p, "c debug hm yes"));
    assert_int_equal(p->ssh[0]->replies.count, 1);
    free_pair(p);
    assert_ends(in_rekex(), message("b", SSH_MSG_USERAUTH_SUCCESS), ADIT_E_PROTOCOL);
    assert_ends(in_rekex(), message("bs", SSH_MSG_SERVICE_ACCEPT, "ssh-userauth"), ADIT_E_PROTOCOL);
    assert_ends(in_rekex(), message("bu", SSH_MSG_EXT_INFO, 0u), ADIT_E_PROTOCOL);
    assert_ends(in_rekex(), message("b", SSH_MSG_NEWKEYS), ADIT_E_PROTOCOL);
    assert_ends(in_rekex(), message("b", SSH_MSG_KEXINIT), ADIT_E_PROTOCOL);
}

static bool show_another_key(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    (void)ev;
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_SIGN && p->ssh[1]->kex.is_first_done) {
        uint8_t signature[KEY_SIGNATURE_MAX];
        struct adit_error err = {0};
        struct wr w = wr_init(signature, sizeof(signature));
        assert_int_equal(key_sign(&p->user_key, ev->alg, ev->data, &w, &err), ADIT_E_OK);
        ssh_sign_answer(p->ssh[1], wr_done(&w));
        return true;
    }
    return false;
}

static void test_host_key_may_not_change(void **state)
{
    (void)state;
    struct pair *p = up();
    p->on_event = show_another_key;
    p->ssh[1]->host_keys[0] = (struct span){p->user_blob, p->user_blob_n};
    ssh_rekey(p->ssh[0]);
    run(p);
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_HOST_KEY);
    free_pair(p);
}

/* The session's sequence numbers wrap: RFC 4253 §6.4. [RFC 4253 6.4b] */
static void test_sequence_numbers_wrap(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].ciphers = "chacha20-poly1305@openssh.com";
    pair_start(p);
    run(p);
    p->ssh[0]->packet.tx.seq = p->ssh[1]->packet.rx.seq = UINT32_MAX - 1;
    p->ssh[1]->packet.tx.seq = p->ssh[0]->packet.rx.seq = UINT32_MAX;
    (void)open_one(p);
    run(p);
    for (int i = 0; i < 5; i++)
        ssh_ignore(p->ssh[0], span_str("x"));
    run(p);
    assert_true(pair_is_up(p));
    assert_int_equal(p->ssh[0]->packet.tx.seq, 4);
    assert_int_equal(p->ssh[0]->packet.rx.seq, 0);
    free_pair(p);
}

/* A rekey comes by the number of packets too. [RFC 4251 9.3.2a 9.3.3a] */
static void test_rekey_by_packets(void **state)
{
    (void)state;
    struct pair *p = up();
    p->ssh[0]->packet.rx.packets = ((uint64_t)1 << 28) - 1;
    ssh_ignore(p->ssh[1], span_str("x"));
    run(p);
    assert_true(pair_is_up(p));
    assert_int_equal(ssh_rekey_count(p->ssh[0]), 1);
    assert_true(p->ssh[0]->packet.rx.packets < 10);
    free_pair(p);
}

/* ---- a refusal is the end of a channel, whatever comes behind it ---- */

static bool stand_at_open(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    (void)p;
    return side == PAIR_SERVER && ev->kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN;
}

static void test_answers_after_a_refusal(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct pair *p = up();
        p->on_event = stand_at_open;
        (void)open_one(p);
        run(p);
        struct span second = i == 0 ? message("buuss", SSH_MSG_CHANNEL_OPEN_FAILURE, 0u, 2u, "twice", "")
                             : i == 1
                                 ? message("buuuu", SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 0u, 5u, 100u, 100u)
                                 : message("bus", SSH_MSG_CHANNEL_DATA, 0u, "x");
        voice(p, message("buuss", SSH_MSG_CHANNEL_OPEN_FAILURE, 0u, 2u, "no", ""));
        assert_ends(p, second, ADIT_E_PROTOCOL);
    }
}

/* A caller that still speaks to a refused channel while it handles the event does no harm. */
static bool speaks_to_the_dead(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT &&
        (ev->kind == SSH_EVENT_CHANNEL_OPEN_FAILED || ev->kind == SSH_EVENT_CHANNEL_CLOSED))
        for (int i = 0; i < 2; i++) {
            struct wspan place;
            ssh_chan_eof(p->ssh[0], ev->channel);
            ssh_chan_close(p->ssh[0], ev->channel);
            ssh_chan_consumed(p->ssh[0], ev->channel, 100000, true);
            assert_int_equal(ssh_chan_space(p->ssh[0], ev->channel, &place, 1, 10), 0);
            assert_false(ssh_chan_request(p->ssh[0], ev->channel, "x", (struct span){0}, false));
            (void)ssh_tick(p->ssh[0], p->now_us);
        }
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN && ev->number == 1) {
        ssh_open_refuse(p->ssh[1], ev->channel, 1, "no");
        return true;
    }
    return false;
}

static void test_speaking_to_ended_channels(void **state)
{
    (void)state;
    struct pair *p = up();
    p->on_event = speaks_to_the_dead;
    for (unsigned port = 1; port <= 2; port++)
        assert_non_null(ssh_open_direct_tcpip(p->ssh[0], span_str("db"), port, span_str("me"), 1, p));
    run(p);
    ssh_chan_close(p->ssh[1], p->ssh[1]->channels.slots[0]);
    run(p);
    assert_true(pair_logged(p, "c open-failed 0 no"));
    assert_true(pair_logged(p, "c closed 1"));
    assert_int_equal(p->ssh[0]->channels.used, 0);
    assert_false(ssh_is_ended(p->ssh[0]));
    free_pair(p);
}

/* The owner is known to the handler of the last event, by both ways. */
static bool finds_its_owner(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_CHANNEL_CLOSED) {
        assert_ptr_equal(ev->owner, p);
        assert_ptr_equal(ssh_chan_owner(ev->channel), p);
    }
    return false;
}

static void test_owner_until_the_end(void **state)
{
    (void)state;
    struct pair *p = up();
    p->on_event = finds_its_owner;
    struct channel *ch = ssh_open_direct_tcpip(p->ssh[0], span_str("db"), 1, span_str("me"), 1, p);
    assert_non_null(ch);
    ssh_chan_close(p->ssh[0], ch);
    run(p);
    assert_true(pair_logged(p, "c closed 0"));
    free_pair(p);
}

/* ssh.h: after the end every command is harmless, and nothing follows the DISCONNECT.
 * [RFC 4253 11.1b 11.1c] */
static void test_dead_machine(void **state)
{
    (void)state;
    struct pair *p = up();
    struct ssh *ssh = p->ssh[0];
    struct channel *ch = open_one(p);
    struct wspan place;
    struct ssh_event ev;
    struct span x = SPAN_LIT("x");
    bool echo;
    run(p);
    assert_int_equal(ssh_chan_space(ssh, ch, &place, 1, 100), 1);
    ssh_disconnect(ssh, SSH_DISCONNECT_BY_APPLICATION, "bye");
    size_t n = ssh_out(ssh).n;
    ssh_chan_commit(ssh, ch, 10);
    assert_int_equal(ssh_chan_space(ssh, ch, &place, 1, 100), 0);
    assert_int_equal(ssh_chan_write(ssh, ch, x) + ssh_chan_write_stderr(ssh, ch, x), 0);
    ssh_chan_consumed(ssh, ch, 1000, true);
    ssh_chan_eof(ssh, ch);
    ssh_chan_close(ssh, ch);
    assert_false(ssh_chan_request(ssh, ch, "x", x, true));
    ssh_chan_request_answer(ssh, ch, true);
    assert_null(ssh_open(ssh, "session", x, NULL));
    assert_null(ssh_open_direct_tcpip(ssh, x, 1, x, 1, NULL));
    assert_false(ssh_global_request(ssh, "x", x, true, NULL));
    assert_false(ssh_forward_request(ssh, x, 1, NULL) || ssh_forward_cancel(ssh, x, 1, NULL));
    ssh_global_answer(ssh, true, x);
    ssh_host_key_answer(ssh, true, NULL);
    ssh_sign_answer(ssh, x);
    ssh_rekey(ssh);
    ssh_ignore(ssh, x);
    ssh_auth_none(ssh);
    ssh_auth_password(ssh, x);
    ssh_auth_password_change(ssh, x, x);
    ssh_auth_publickey(ssh, x, x, true);
    ssh_auth_kbdint(ssh, x);
    ssh_auth_kbdint_answer(ssh, &x, 1);
    assert_int_equal(ssh_kbdint_count(ssh) + ssh_kbdint_prompt(ssh, 0, &echo).n, 0);
    ssh_auth_give_up(ssh, &(struct adit_error){ADIT_E_AUTH, "x"});
    ssh_send_banner(ssh, x);
    ssh_fail(ssh, ADIT_E_TIMEOUT, "x");
    ssh_disconnect(ssh, 2, "again");
    ssh_in_eof(ssh);
    assert_int_equal(ssh_in_space(ssh).n, 0);
    assert_int_equal(ssh_tick(ssh, p->now_us + 1000000000), UINT64_MAX);
    assert_int_equal(ssh_out(ssh).n, n);
    assert_int_equal(ssh_error(ssh)->code, ADIT_E_OK);
    assert_true(ssh_next(ssh, &ev) && ev.kind == SSH_EVENT_ENDED);
    assert_false(ssh_next(ssh, &ev));
    free_pair(p);
}

/* RFC 4253 §11.4: who answers UNIMPLEMENTED has not done it, and says no more about it. */
static void test_unimplemented_request_is_refused(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].alive_interval_s = 15;
    p->config[0].alive_count_max = 3;
    pair_start(p);
    run(p);
    struct ssh *client = p->ssh[0];
    p->stalled[1] = true; /* the server says only what we put into its mouth */
    assert_true(ssh_forward_request(client, span_str("localhost"), 1, p));
    assert_true(ssh_forward_request(client, span_str("localhost"), 2, p));
    unsigned seq = client->globals.first->seq;
    voice(p, message("bu", SSH_MSG_UNIMPLEMENTED, seq + 1));
    voice(p, message("bu", SSH_MSG_UNIMPLEMENTED, seq + 1));
    voice(p, message("bu", SSH_MSG_UNIMPLEMENTED, 12345u));
    run(p);
    assert_int_equal(client->globals.count, 1);
    assert_true(pair_logged(p, "c global-reply"));
    voice(p, message("b", SSH_MSG_REQUEST_SUCCESS));
    run(p);
    assert_true(pair_logged(p, "c global-reply yes"));
    for (int i = 0; i < 300; i++) { /* keepalives do not pile up with such a server */
        p->now_us += 15 * 1000 * 1000;
        run(p);
        assert_int_equal(client->globals.count, 1);
        voice(p, message("bu", SSH_MSG_UNIMPLEMENTED, client->globals.first->seq));
        run(p);
        ssh_out_consume(client, ssh_out(client).n);
    }
    assert_false(ssh_is_ended(client));
    free_pair(p);
}

/* A number is used again once both sides have closed. [RFC 4254 5.3c] */
static void test_numbers_are_used_again(void **state)
{
    (void)state;
    struct pair *p = up();
    for (int i = 0; i < 50; i++) {
        struct channel *ch = open_one(p);
        assert_int_equal(ssh_chan_id(ch), 0);
        run(p);
        ssh_chan_close(p->ssh[i % 2], i % 2 == 0 ? ch : p->ssh[1]->channels.slots[0]);
        run(p);
        assert_int_equal(p->ssh[0]->channels.used + p->ssh[1]->channels.used, 0);
    }
    free_pair(p);
}

/* Nothing follows our CLOSE on a channel, not an answer either (RFC 4254 §5.3). */
static bool answers_after_closing(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side != PAIR_CLIENT || ev->kind != SSH_EVENT_CHANNEL_REQUEST)
        return false;
    ssh_chan_close(p->ssh[0], ev->channel);
    ssh_chan_request_answer(p->ssh[0], ev->channel, true);
    return true;
}

static void test_no_answer_behind_close(void **state)
{
    (void)state;
    struct pair *p = up();
    p->on_event = answers_after_closing;
    (void)open_one(p);
    run(p);
    assert_true(ssh_chan_request(p->ssh[1], p->ssh[1]->channels.slots[0], "x", (struct span){0}, true));
    run(p);
    assert_true(pair_is_up(p));
    assert_false(pair_logged(p, "s reply 0 yes"));
    assert_true(pair_logged(p, "s closed 0"));
    free_pair(p);
}

/* ---- while keys change ---- */

/* [RFC 4253 7.1n] */
static void test_answers_wait_for_the_keys(void **state)
{
    (void)state;
    struct pair *p = up();
    struct ssh *client = p->ssh[0];
    assert_int_equal(kex_start(&client->kex, &client->packet, &client->error), ADIT_E_OK);
    p->stalled[1] = true; /* our KEXINIT does not arrive */
    for (int i = 0; i < LIMIT_PENDING_REPLIES; i++) {
        voice(p, message("bst", SSH_MSG_GLOBAL_REQUEST, "keepalive@openssh.com", 1));
        run(p);
    }
    assert_int_equal(client->replies.count, LIMIT_PENDING_REPLIES);
    assert_false(ssh_is_ended(client));
    voice(p, message("bst", SSH_MSG_GLOBAL_REQUEST, "keepalive@openssh.com", 1));
    run(p);
    assert_int_equal(ssh_error(client)->code, ADIT_E_LIMIT);
    free_pair(p);
}

/* A full output buffer is no reason to end a session whose keys are due by time. */
static void test_rekey_waits_for_room(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].rekey_seconds = 60;
    pair_start(p);
    run(p);
    struct ssh *client = p->ssh[0];
    p->stalled[1] = true;
    while (packet_reserve(&client->packet, 600).n > 0)
        ssh_ignore(client, (struct span){p->host_blob, 500 < p->host_blob_n ? 500 : p->host_blob_n});
    p->now_us += 61 * 1000 * 1000;
    run(p);
    ssh_rekey(client);
    assert_false(ssh_is_ended(client));
    p->stalled[1] = false;
    run(p);
    assert_true(pair_is_up(p));
    p->now_us += 1000;
    run(p);
    assert_int_equal(ssh_rekey_count(client), 1);
    free_pair(p);
}

/* ---- opens that ride with the authentication ---- */

struct openssh { /* a server that answers as OpenSSH does to what comes before success */
    int refuse, seen_early, unimplemented;
    bool partial;
    const char *compression; /* both sides' */
};

static bool as_openssh(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    struct openssh *o = p->context;
    struct ssh *ssh = p->ssh[side];
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_AUTH) {
        struct span blob = {p->user_blob, p->user_blob_n};
        if (ev->first) {
            (void)open_one(p);
            assert_true(ssh_forward_request(ssh, span_str("localhost"), 8080, NULL));
            assert_true(ssh_forward_cancel(ssh, span_str("localhost"), 8080, NULL));
        }
        ssh_auth_user(ssh, span_str("alice"));
        if (strcmp(p->method, "password") == 0)
            ssh_auth_password(ssh, span_str(p->password));
        else
            ssh_auth_publickey(ssh, blob, span_str("ssh-ed25519"), strcmp(p->method, "probe") == 0);
        return true;
    }
    if (side != PAIR_SERVER || ev->kind != SSH_EVENT_AUTH_REQUEST)
        return false;
    bool is_probe = ssh->auth_server.kind == AUTH_REQUEST_PROBE;
    bool success = is_probe || o->refuse == 0;
    struct span methods = SPAN_LIT("publickey,password"), payload;
    if (!success)
        o->refuse--;
    ssh_auth_request_answer(ssh, success, !success && o->partial, methods);
    struct adit_error err = {0};
    if (success && !is_probe) /* what rode along is simply processed next */
        return true;
    while (packet_next(&ssh->packet, &payload, &err) == PACKET_READY) {
        assert_true(payload.p[0] == SSH_MSG_CHANNEL_OPEN || payload.p[0] == SSH_MSG_GLOBAL_REQUEST);
        o->seen_early++;
        o->unimplemented++;
        voice(p, message("bu", SSH_MSG_UNIMPLEMENTED, ssh->packet.last_seq));
    }
    return true;
}

static struct pair *ride_in(struct openssh *o, const char *method, const char *ident, enum pair_chunks chunks)
{
    struct pair *p = new_pair();
    p->chunks = chunks;
    p->config[1].ident = ident;
    p->config[0].compression = p->config[1].compression = o->compression;
    p->method = method;
    p->context = o;
    p->on_event = as_openssh;
    pair_start(p);
    run(p);
    assert_true(pair_is_up(p));
    assert_true(pair_logged(p, "c opened 0"));
    assert_true(pair_logged(p, "s requested-open 0 direct-tcpip db"));
    assert_true(pair_logged(p, "c global-reply yes"));
    assert_null(strstr(strstr(p->log, "s requested-open") + 1, "s requested-open"));
    return p;
}

static struct pair *ride(struct openssh *o, const char *method, const char *ident)
{
    return ride_in(o, method, ident, PAIR_ALL);
}

static void test_opens_ride_along(void **state)
{
    (void)state;
    static const enum pair_chunks chunks[] = {PAIR_ALL, PAIR_RANDOM, PAIR_BYTES};
    for (size_t i = 0; i < 3; i++) {
        struct openssh none = {0};
        struct pair *p = ride_in(&none, "publickey", "OpenSSH_9.9", chunks[i]);
        /* On the server's side they stood in the flight of the request: nothing else came between. */
        if (chunks[i] == PAIR_ALL)
            assert_true(strstr(p->log, "s requested-open") < strstr(p->log, "c authenticated"));
        free_pair(p);
    }
}

static void test_opens_are_sent_again(void **state)
{
    (void)state;
    for (int refusals = 1; refusals <= 3; refusals++)
        for (int partial = 0; partial < 2; partial++) {
            struct openssh o = {.refuse = refusals, .partial = partial != 0};
            struct pair *p = ride(&o, "publickey", "OpenSSH_9.9p1 Debian-3");
            assert_int_equal(o.seen_early, 3 * refusals);
            free_pair(p);
        }
}

static void test_opens_wait_otherwise(void **state)
{
    (void)state;
    static const struct {
        const char *method, *ident;
    } cases[] = {{"password", "OpenSSH_9.9"},
                 {"publickey", "dropbear_2022.83"},
                 {"publickey", "AsyncSSH_2.10"},
                 {"publickey", "openssh_9.9"},
                 {"publickey", "XOpenSSH"}};
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct openssh o = {.refuse = 1};
        struct pair *p = ride(&o, cases[i].method, cases[i].ident);
        assert_int_equal(o.seen_early, 0);
        assert_true(strstr(p->log, "s requested-open") > strstr(p->log, "c authenticated"));
        free_pair(p);
    }
    /* zlib@openssh.com starts with the packet behind the success, wherever that stands; zlib is there before
     */
    struct openssh delayed = {.refuse = 1, .compression = "zlib@openssh.com"};
    free_pair(ride(&delayed, "publickey", "OpenSSH_9.9"));
    assert_int_equal(delayed.seen_early, 0);
    struct openssh zlib = {.refuse = 1, .compression = "zlib"};
    free_pair(ride(&zlib, "publickey", "OpenSSH_9.9"));
    assert_int_equal(zlib.seen_early, 3);
    /* a probe goes alone; the signed request behind it may have company */
    struct openssh o = {0};
    struct pair *p = ride(&o, "probe", "OpenSSH_9.9");
    assert_int_equal(o.seen_early, 0);
    free_pair(p);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict_kex_takes_nothing_else),
        cmocka_unit_test(test_plain_kex_takes_1_to_4),
        cmocka_unit_test(test_strict_kex_wants_kexinit_first),
        cmocka_unit_test(test_auth_out_of_place),
        cmocka_unit_test(test_ext_info_twice_and_late),
        cmocka_unit_test(test_one_request_at_a_time),
        cmocka_unit_test(test_order_of_extensions),
        cmocka_unit_test(test_largest_ext_info),
        cmocka_unit_test(test_reason_of_a_failed_exchange),
        cmocka_unit_test(test_damage_behind_newkeys),
        cmocka_unit_test(test_unknown_message_is_named),
        cmocka_unit_test(test_known_message_out_of_place),
        cmocka_unit_test(test_rekex_takes_messages),
        cmocka_unit_test(test_host_key_may_not_change),
        cmocka_unit_test(test_sequence_numbers_wrap),
        cmocka_unit_test(test_rekey_by_packets),
        cmocka_unit_test(test_answers_after_a_refusal),
        cmocka_unit_test(test_speaking_to_ended_channels),
        cmocka_unit_test(test_owner_until_the_end),
        cmocka_unit_test(test_dead_machine),
        cmocka_unit_test(test_unimplemented_request_is_refused),
        cmocka_unit_test(test_numbers_are_used_again),
        cmocka_unit_test(test_no_answer_behind_close),
        cmocka_unit_test(test_answers_wait_for_the_keys),
        cmocka_unit_test(test_rekey_waits_for_room),
        cmocka_unit_test(test_opens_ride_along),
        cmocka_unit_test(test_opens_are_sent_again),
        cmocka_unit_test(test_opens_wait_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
