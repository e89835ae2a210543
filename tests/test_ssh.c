#include "tests/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "tests/pair.h"

static struct pair *new_pair(void)
{
    struct pair *p = malloc(sizeof(*p));
    pair_init(p);
    return p;
}

static void free_pair(struct pair *p)
{
    pair_free(p);
    assert_int_equal(p->allocated, 0);
    free(p);
}

static struct pair *up(void)
{
    struct pair *p = new_pair();
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    return p;
}

/* ---- birth to authentication ---- */

/* [RFC 4253 4.2a] */
static void test_connects(void **state)
{
    (void)state;
    struct pair *p = up();
    assert_true(pair_logged(p, "c authenticated publickey"));
    assert_true(ssh_algorithms(p->ssh[0]).strict);
    assert_string_equal(ssh_algorithms(p->ssh[0]).kex, "mlkem768x25519-sha256");
    assert_true(ssh_server_sig_algs(p->ssh[0]).n > 0);
    free_pair(p);
}

static void test_every_method(void **state)
{
    (void)state;
    static const char *const methods[] = {"publickey", "probe", "password", "keyboard-interactive"};
    for (size_t i = 0; i < ADIT_COUNT(methods); i++) {
        struct pair *p = new_pair();
        p->method = methods[i];
        pair_start(p);
        assert_true(pair_run(p));
        assert_true(pair_is_up(p));
        free_pair(p);
    }
}

static void test_wrong_password_ends(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->method = "password";
    p->password = "wrong";
    pair_start(p);
    assert_true(pair_run(p));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_AUTH);
    free_pair(p);
}

/* [RFC 4253 8b 8d] */
static void test_forged_host_key_signature(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->host_key_is_wrong = true;
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(ssh_is_ended(p->ssh[0]));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_INTEGRITY);
    assert_false(pair_logged(p, "c host-key"));
    free_pair(p);
}

static void test_every_algorithm(void **state)
{
    (void)state;
    for (int list = 0; list < 3; list++) {
        static const enum ssh_list kinds[] = {SSH_LIST_KEX, SSH_LIST_CIPHER, SSH_LIST_MAC};
        struct span names = span_str(ssh_list_default(kinds[list])), name;
        while (names.n > 0) {
            const uint8_t *comma = memchr(names.p, ',', names.n);
            size_t n = comma == NULL ? names.n : (size_t)(comma - names.p);
            char one[100] = {0};
            name = span_sub(names, 0, n);
            memcpy(one, name.p, name.n);
            names = span_sub(names, n + 1, names.n);
            struct pair *p = new_pair();
            if (list == 0)
                p->config[0].kex = one;
            else if (list == 1)
                p->config[0].ciphers = one;
            else {
                p->config[0].ciphers = "aes256-ctr";
                p->config[0].macs = one;
            }
            pair_start(p);
            assert_true(pair_run(p));
            assert_true(pair_is_up(p));
            ssh_rekey(p->ssh[list % 2]);
            assert_true(pair_run(p));
            assert_true(pair_is_up(p));
            assert_int_equal(ssh_rekey_count(p->ssh[0]), 1);
            free_pair(p);
        }
    }
}

/* [RFC 4253 7.1f] */
static void test_no_common_algorithm_names_both_lists(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].ciphers = "aes128-ctr";
    p->config[1].ciphers = "aes256-ctr";
    pair_start(p);
    assert_true(pair_run(p));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_NEGOTIATION);
    assert_non_null(strstr(ssh_error(p->ssh[0])->text, "aes128-ctr"));
    assert_non_null(strstr(ssh_error(p->ssh[0])->text, "aes256-ctr"));
    free_pair(p);
}

/* [RFC 4253 7a 7b 7.1m] */
static void test_peers_guess(void **state)
{
    (void)state;
    static const char *const kex[] = {"curve25519-sha256", "ecdh-sha2-nistp256,curve25519-sha256"};
    for (size_t i = 0; i < 2; i++) { /* right, and wrong: the server's first name differs */
        struct pair *p = new_pair();
        p->config[0].guess = true;
        p->config[0].kex = kex[i];
        p->config[0].host_keys = "ssh-ed25519";
        p->config[1].kex = "curve25519-sha256";
        pair_start(p);
        assert_true(pair_run(p));
        assert_true(pair_is_up(p));
        free_pair(p);
    }
}

/* ---- the chunking law ---- */

static bool scripted(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_AUTHENTICATED) {
        assert_non_null(
            ssh_open_direct_tcpip(p->ssh[0], span_str("db"), 5432, span_str("127.0.0.1"), 1, NULL));
        assert_true(ssh_forward_request(p->ssh[0], span_str("localhost"), 8080, NULL));
    }
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_CHANNEL_OPENED) {
        assert_int_equal(ssh_chan_write(p->ssh[0], ev->channel, span_str("hello, world")), 12);
        ssh_chan_eof(p->ssh[0], ev->channel);
    }
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_CHANNEL_EOF)
        ssh_chan_close(p->ssh[1], ev->channel);
    return false;
}

static void test_chunking_law(void **state)
{
    (void)state;
    char expected[64 * 1024] = "";
    for (unsigned seed = 0; seed < 20; seed++) {
        struct pair *p = new_pair();
        p->chunks = seed == 0 ? PAIR_ALL : seed == 1 ? PAIR_BYTES : PAIR_RANDOM;
        p->on_event = scripted;
        pair_start(p);
        p->random = seed; /* the keys stay the same, the schedule differs */
        assert_true(pair_run(p));
        assert_true(pair_is_up(p));
        assert_int_equal(p->data_in[1], 12);
        assert_true(pair_logged(p, "c closed 0"));
        /* The two sides run side by side: each one's own order is the law. */
        char own[2][32 * 1024] = {"", ""};
        for (char *line = strtok(p->log, "\n"); line != NULL; line = strtok(NULL, "\n")) {
            strcat(own[line[0] == 's'], line);
            strcat(own[line[0] == 's'], "\n");
        }
        strcat(own[0], own[1]);
        if (seed == 0)
            strcpy(expected, own[0]);
        assert_string_equal(own[0], expected);
        free_pair(p);
    }
}

/* ---- data ---- */

struct blast {
    struct channel *channel;
    uint64_t left, hash;
    uint8_t next;
};

/* Fills all the space there is, with a pattern. */
static void blast_on(struct pair *p, enum pair_side side, struct blast *b)
{
    struct wspan places[8];
    size_t n;
    while (b->left > 0 && (n = ssh_chan_space(p->ssh[side], b->channel, places, 8, (size_t)b->left)) > 0) {
        size_t total = 0;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < places[i].n; k++) {
                places[i].p[k] = b->next;
                b->hash = (b->hash ^ b->next) * 1099511628211u;
                b->next = (uint8_t)(b->next * 5 + 1);
                total++;
            }
        ssh_chan_commit(p->ssh[side], b->channel, total);
        b->left -= total;
    }
    if (b->left == 0 && b->channel != NULL && !ssh_chan_eof_sent(b->channel))
        ssh_chan_eof(p->ssh[side], b->channel);
}

static struct blast blasts[2];

static bool blasting(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_AUTHENTICATED)
        assert_non_null(ssh_open_direct_tcpip(p->ssh[0], span_str("db"), 1, span_str("me"), 1, NULL));
    if (ev->kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN) {
        ssh_open_accept(p->ssh[side], ev->channel, NULL);
        blasts[side].channel = ev->channel;
        blast_on(p, side, &blasts[side]);
        return true;
    }
    if (ev->kind == SSH_EVENT_CHANNEL_OPENED) {
        blasts[side].channel = ev->channel;
        blast_on(p, side, &blasts[side]);
    }
    if (ev->kind == SSH_EVENT_CHANNEL_SPACE)
        blast_on(p, side, &blasts[side]);
    return false;
}

static void blast(struct pair *p, uint64_t n, uint64_t rekey_bytes, enum pair_chunks chunks)
{
    for (int i = 0; i < 2; i++)
        blasts[i] = (struct blast){.left = n, .next = (uint8_t)(3 + i)};
    p->config[0].rekey_bytes = rekey_bytes;
    p->config[1].rekey_bytes = rekey_bytes;
    p->on_event = blasting;
    p->chunks = chunks;
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p->data_in[i], n);
        assert_int_equal(p->data_hash[i], blasts[1 - i].hash);
    }
    assert_true(pair_logged(p, "c eof 0"));
}

static void blast_both_ways(uint64_t n, uint64_t rekey_bytes, enum pair_chunks chunks)
{
    struct pair *p = new_pair();
    blast(p, n, rekey_bytes, chunks);
    if (rekey_bytes > 0)
        assert_true(ssh_rekey_count(p->ssh[0]) >= n / (rekey_bytes + LIMIT_OUT_BUFFER));
    free_pair(p);
}

static void test_data_both_ways(void **state)
{
    (void)state;
    blast_both_ways(3 * 1000 * 1000, 0, PAIR_ALL);
    blast_both_ways(1, 0, PAIR_BYTES);
    blast_both_ways(200 * 1000, 0, PAIR_RANDOM);
}

/* Both sides start exchanges with full buffers in both directions: neither may wait for the other for ever.
 * [RFC 4253 7.1q] */
static void test_data_while_keys_change(void **state)
{
    (void)state;
    blast_both_ways(4 * 1000 * 1000, 64 * 1024, PAIR_ALL);
    blast_both_ways(300 * 1000, 16 * 1024, PAIR_RANDOM);
}

/* A peer that does not take its data never has more than the window outstanding. */
static void test_window_is_kept(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    blasts[0] = (struct blast){.left = 100 * 1000 * 1000, .next = 1};
    blasts[1] = (struct blast){.left = 0};
    p->keep_data = true;
    p->on_event = blasting;
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    assert_true(p->data_in[1] > 0);
    assert_true(p->data_in[1] <= WINDOW_FIRST);
    assert_int_equal(ssh_chan_receive_window(blasts[1].channel), 0);
    free_pair(p);
}

static bool half_closing(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_AUTHENTICATED)
        assert_non_null(ssh_open_direct_tcpip(p->ssh[0], span_str("db"), 1, span_str("me"), 1, NULL));
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_CHANNEL_OPENED)
        ssh_chan_eof(p->ssh[0], ev->channel);
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_CHANNEL_EOF)
        assert_int_equal(ssh_chan_write(p->ssh[1], ev->channel, span_str("answer after your EOF")), 21);
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_CHANNEL_DATA && p->data_in[0] + ev->data.n == 21)
        ssh_chan_close(p->ssh[0], ev->channel);
    return false;
}

/* [RFC 4254 5.3a] */
static void test_half_close(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->on_event = half_closing;
    pair_start(p);
    assert_true(pair_run(p));
    assert_int_equal(p->data_in[0], 21);
    assert_true(pair_logged(p, "c closed 0") && pair_logged(p, "s closed 0"));
    free_pair(p);
}

static bool refusing(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_AUTHENTICATED)
        for (uint32_t port = 1; port <= 3; port++)
            assert_non_null(ssh_open_direct_tcpip(p->ssh[0], span_str("db"), port, span_str("me"), 1, NULL));
    if (ev->kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN && ev->number == 2) {
        ssh_open_refuse(p->ssh[side], ev->channel, SSH_OPEN_CONNECT_FAILED, "Connection refused");
        return true;
    }
    return false;
}

static void test_refused_channel_ends_alone(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->on_event = refusing;
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    assert_true(pair_logged(p, "c open-failed 1 Connection refused"));
    assert_true(pair_logged(p, "c opened 0") && pair_logged(p, "c opened 2"));
    free_pair(p);
}

static struct channel *unanswered[2];

static bool leaving_unanswered(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_AUTHENTICATED)
        for (uint32_t port = 1; port <= 2; port++)
            assert_non_null(ssh_open_direct_tcpip(p->ssh[0], span_str("db"), port, span_str("me"), 1, NULL));
    if (ev->kind != SSH_EVENT_CHANNEL_REQUESTED_OPEN)
        return false;
    unanswered[ev->number - 1] = ev->channel;
    return true;
}

/* RFC 4254 §5.1: what is said on a channel follows the answer to its opening, and nothing follows a refusal.
 */
static void test_nothing_goes_before_the_answer(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->on_event = leaving_unanswered;
    pair_start(p);
    assert_true(pair_run(p));
    for (int i = 0; i < 2; i++) {
        ssh_chan_eof(p->ssh[1], unanswered[i]);
        ssh_chan_close(p->ssh[1], unanswered[i]);
    }
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    ssh_open_accept(p->ssh[1], unanswered[0], NULL);
    ssh_open_refuse(p->ssh[1], unanswered[1], SSH_OPEN_CONNECT_FAILED, "Connection refused");
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    assert_true(pair_logged(p, "c opened 0") && pair_logged(p, "c eof 0") && pair_logged(p, "c closed 0"));
    assert_true(pair_logged(p, "c open-failed 1 Connection refused"));
    free_pair(p);
}

/* ---- time ---- */

static void test_handshake_timeout(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].handshake_ms = 5000;
    p->stalled[0] = true;
    pair_start(p);
    assert_true(pair_run(p));
    assert_false(ssh_is_ended(p->ssh[0]));
    p->now_us += 6 * 1000 * 1000;
    assert_true(pair_run(p));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_TIMEOUT);
    free_pair(p);
}

static bool stalling_behind_keys(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_KEX_DONE)
        p->stalled[PAIR_CLIENT] = true;
    return false;
}

static void test_service_timeout(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].handshake_ms = 5000;
    p->on_event = stalling_behind_keys;
    pair_start(p);
    assert_true(pair_run(p));
    assert_false(ssh_is_ended(p->ssh[0]));
    p->now_us += 6 * 1000 * 1000;
    assert_true(pair_run(p));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_TIMEOUT);
    free_pair(p);
}

static void test_keepalive(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].alive_interval_s = 15;
    p->config[0].alive_count_max = 3;
    pair_start(p);
    assert_true(pair_run(p));
    for (int i = 0; i < 10; i++) { /* answered ones keep it alive */
        p->now_us += 16 * 1000 * 1000;
        assert_true(pair_run(p));
        assert_true(pair_is_up(p));
    }
    p->stalled[0] = true;
    for (int i = 0; i < 3; i++) {
        p->now_us += 15 * 1000 * 1000;
        assert_true(pair_run(p));
        assert_false(ssh_is_ended(p->ssh[0]));
    }
    p->now_us += 16 * 1000 * 1000;
    assert_true(pair_run(p));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_TIMEOUT);
    free_pair(p);
}

/* We stood still for longer than the server may: it gets its time to answer all the same. */
static void test_keepalive_after_a_stop(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].alive_interval_s = 15;
    p->config[0].alive_count_max = 3;
    pair_start(p);
    assert_true(pair_run(p));
    p->now_us += (uint64_t)600 * 1000 * 1000;
    for (int i = 0; i < 5; i++) { /* as often as it may be asked for the time */
        (void)ssh_tick(p->ssh[0], p->now_us);
        assert_false(ssh_is_ended(p->ssh[0]));
    }
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    free_pair(p);
}

static void test_rekey_by_time(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].rekey_seconds = 60;
    pair_start(p);
    assert_true(pair_run(p));
    p->now_us += 61 * 1000 * 1000;
    assert_true(pair_run(p));
    assert_int_equal(ssh_rekey_count(p->ssh[0]), 1);
    assert_true(pair_is_up(p));
    free_pair(p);
}

/* ---- faults ---- */

/* [RFC 4253 11.1a 11.1c] */
static void test_disconnect_is_told(void **state)
{
    (void)state;
    struct pair *p = up();
    ssh_disconnect(p->ssh[0], SSH_DISCONNECT_BY_APPLICATION, "bye");
    assert_true(pair_run(p));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_OK);
    assert_int_equal(ssh_error(p->ssh[1])->code, ADIT_E_DISCONNECTED);
    assert_non_null(strstr(ssh_error(p->ssh[1])->text, "bye"));
    free_pair(p);
}

/* [RFC 4253 6.4f] */
static void test_flipped_byte_ends_the_session(void **state)
{
    (void)state;
    struct pair *p = up();
    uint8_t forged[64] = {1, 2, 3};
    struct wspan in = ssh_in_space(p->ssh[0]);
    memcpy(in.p, forged, sizeof(forged));
    ssh_in_commit(p->ssh[0], sizeof(forged));
    assert_true(pair_run(p));
    assert_true(ssh_is_ended(p->ssh[0]));
    free_pair(p);
}

static void test_eof_ends_the_session(void **state)
{
    (void)state;
    struct pair *p = up();
    ssh_in_eof(p->ssh[0]);
    assert_true(pair_run(p));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_CLOSED);
    free_pair(p);
}

static bool is_compressed_at_auth;

static bool note_compression(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    if (ev->kind == SSH_EVENT_AUTH)
        is_compressed_at_auth = ssh_is_compressed(p->ssh[side]);
    return false;
}

/* zlib from the first keys on, zlib@openssh.com from the authentication on. [RFC 4253 6f] */
static void test_compression(void **state)
{
    static const char *const names[] = {"zlib", "zlib@openssh.com"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        struct pair *p = new_pair();
        p->config[0].compression = "zlib@openssh.com,zlib,none";
        p->config[1].compression = names[i];
        p->on_event = note_compression;
        pair_start(p);
        assert_true(pair_run(p));
        assert_true(pair_is_up(p));
        assert_int_equal(is_compressed_at_auth, i == 0);
        for (int side = 0; side < 2; side++) {
            assert_string_equal(ssh_algorithms(p->ssh[side]).compress_out, names[i]);
            assert_string_equal(ssh_algorithms(p->ssh[side]).compress_in, names[i]);
            assert_true(ssh_is_compressed(p->ssh[side]));
        }
        ssh_rekey(p->ssh[0]);
        assert_true(pair_run(p));
        assert_true(pair_is_up(p));
        assert_int_equal(ssh_rekey_count(p->ssh[1]), 1);
        free_pair(p);
    }
}

/* Data both ways while keys change, with the cipher that seals and opens two packets at once.
 * [RFC 4253 6.2d] */
static void test_compressed_data(void **state)
{
    static const char *const names[] = {"zlib", "zlib@openssh.com"};
    (void)state;
    for (size_t i = 0; i < 2 * ADIT_COUNT(names); i++) {
        struct pair *p = new_pair();
        p->config[0].ciphers = "aes128-ctr";
        p->config[0].macs = "hmac-sha2-256-etm@openssh.com";
        p->config[0].compression = p->config[1].compression = names[i / 2];
        blast(p, 4 * 1000 * 1000, 4096, i % 2 == 0 ? PAIR_ALL : PAIR_RANDOM);
        assert_true(ssh_rekey_count(p->ssh[0]) > 0); /* of some 20 kB: the data packs well */
        free_pair(p);
    }
}

/* One side does not want it. [RFC 4253 6f 6.2c] */
static void test_no_compression(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].compression = "zlib@openssh.com,zlib,none";
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    assert_string_equal(ssh_algorithms(p->ssh[0]).compress_in, "none");
    assert_false(ssh_is_compressed(p->ssh[0]));
    free_pair(p);
}

/* An authentic packet that is no compressed data ends the session with a clear error. */
static void test_bad_compression(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    p->config[0].compression = p->config[1].compression = "zlib@openssh.com";
    pair_start(p);
    assert_true(pair_run(p));
    struct packer *kept = p->ssh[1]->packet.packer;
    p->ssh[1]->packet.packer = NULL;
    ssh_ignore(p->ssh[1], span_str("this is not compressed"));
    p->ssh[1]->packet.packer = kept;
    assert_true(pair_run(p));
    assert_true(ssh_is_ended(p->ssh[0]));
    assert_int_equal(ssh_error(p->ssh[0])->code, ADIT_E_PROTOCOL);
    assert_non_null(strstr(ssh_error(p->ssh[0])->text, "RFC 4253 §6.2"));
    free_pair(p);
}

/* Every allocation fails once: a clear error, nothing leaks. */
static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t at = 1; at < 90; at++) {
        struct pair *p = new_pair();
        p->config[0].compression = p->config[1].compression = "zlib";
        p->fail_at = at;
        pair_start(p);
        if (p->ssh[0] != NULL && p->ssh[1] != NULL) {
            assert_true(pair_run(p));
            bool is_up = pair_is_up(p);
            assert_true(is_up || ssh_is_ended(p->ssh[0]) || ssh_is_ended(p->ssh[1]));
            if (is_up) {
                size_t used = p->allocations;
                free_pair(p);
                assert_true(at > used);
                return;
            }
        }
        free_pair(p);
    }
    fail();
}

/* ---- stack ---- */

enum { STACK_LEN = 1024 * 1024, PAINT = 0xa5 };

static void *handshakes(void *arg)
{
    static const char *const kex[] = {"mlkem768x25519-sha256", "sntrup761x25519-sha512",
                                      "ecdh-sha2-nistp521"};
    bool *all_up = arg;
    *all_up = true;
    for (size_t i = 0; i < ADIT_COUNT(kex); i++) {
        struct pair *p = malloc(sizeof(*p));
        struct drbg random;
        static const uint8_t seed[32] = {9};
        pair_init(p);
        drbg_init(&random, seed);
        struct wr w = wr_init(p->host_blob, sizeof(p->host_blob));
        *all_up &= key_generate(KEY_ECDSA_P521, &random, &p->host_key) && key_secret_public(&p->host_key, &w);
        p->host_blob_n = w.used;
        p->config[PAIR_SERVER].host_keys = "ecdsa-sha2-nistp521";
        p->config[PAIR_CLIENT].kex = kex[i];
        pair_start(p);
        *all_up &= pair_run(p) && pair_is_up(p);
        pair_free(p);
        free(p);
    }
    return NULL;
}

/* A session's thread has 256 KiB (net/thread.h). The deepest handshake, both roles and signing included, must
 * leave half of that; the sanitizers' frames are larger. */
static void test_stack_of_a_handshake(void **state)
{
    (void)state;
    const char *preload = getenv("LD_PRELOAD");
    if (preload != NULL && strstr(preload, "valgrind") != NULL)
        skip(); /* it takes the stack of a thread that has ended for memory that may not be read */
    pthread_attr_t attr;
    pthread_t thread;
    bool all_up = false;
    uint8_t *stack = mmap(NULL, STACK_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(stack, MAP_FAILED);
    memset(stack, PAINT, STACK_LEN);
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_LEN), 0);
    assert_int_equal(pthread_create(&thread, &attr, handshakes, &all_up), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    size_t untouched = 0;
    while (untouched < STACK_LEN && stack[untouched] == PAINT)
        untouched++;
    print_message("%u bytes of stack\n", (unsigned)(STACK_LEN - untouched));
    assert_true(all_up);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    assert_true(STACK_LEN - untouched < 512 * 1024);
#else
    assert_true(STACK_LEN - untouched < 128 * 1024);
#endif
    assert_int_equal(munmap(stack, STACK_LEN), 0);
    (void)pthread_attr_destroy(&attr);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connects),
        cmocka_unit_test(test_every_method),
        cmocka_unit_test(test_wrong_password_ends),
        cmocka_unit_test(test_forged_host_key_signature),
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_no_common_algorithm_names_both_lists),
        cmocka_unit_test(test_peers_guess),
        cmocka_unit_test(test_chunking_law),
        cmocka_unit_test(test_data_both_ways),
        cmocka_unit_test(test_data_while_keys_change),
        cmocka_unit_test(test_window_is_kept),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_refused_channel_ends_alone),
        cmocka_unit_test(test_nothing_goes_before_the_answer),
        cmocka_unit_test(test_handshake_timeout),
        cmocka_unit_test(test_service_timeout),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_keepalive_after_a_stop),
        cmocka_unit_test(test_rekey_by_time),
        cmocka_unit_test(test_disconnect_is_told),
        cmocka_unit_test(test_flipped_byte_ends_the_session),
        cmocka_unit_test(test_eof_ends_the_session),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_compressed_data),
        cmocka_unit_test(test_no_compression),
        cmocka_unit_test(test_bad_compression),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_stack_of_a_handshake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
