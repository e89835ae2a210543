#include "tests/talk.h"

#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "tests/pair.h"

/* The server machine against what a client may say out of place. */

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
    say(&p->ssh[PAIR_CLIENT]->packet, payload);
}

static void assert_ends(struct pair *p, struct span payload)
{
    voice(p, payload);
    run(p);
    assert_true(ssh_is_ended(p->ssh[1]));
    assert_int_equal(ssh_error(p->ssh[1])->code, ADIT_E_PROTOCOL);
    free_pair(p);
}

static bool stand_before_auth(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    (void)p;
    return side == PAIR_CLIENT && ev->kind == SSH_EVENT_AUTH;
}

static struct pair *in_auth(void)
{
    struct pair *p = new_pair();
    p->on_event = stand_before_auth;
    pair_start(p);
    run(p);
    return p;
}

static void test_host_keys(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    pair_start(p);
    struct span blob = {p->host_blob, p->host_blob_n};
    for (int i = 1; i < HOST_KEYS_MAX; i++)
        assert_true(ssh_server_host_key(p->ssh[1], blob));
    assert_false(ssh_server_host_key(p->ssh[1], blob));
    free_pair(p);
    p = new_pair();
    pair_start(p);
    assert_false(ssh_server_host_key(p->ssh[1], (struct span){p->host_blob, p->host_blob_n - 1}));
    free_pair(p);
}

/* RFC 8308: what the configuration says, which need not live longer than ssh_new. */
static void test_sig_algs_are_copied(void **state)
{
    (void)state;
    struct pair *p = new_pair();
    char *list = strdup("ssh-ed25519,rsa-sha2-512");
    p->config[1].sig_algs = list;
    pair_start(p);
    memset(list, 'x', strlen(list));
    free(list);
    run(p);
    assert_true(span_is(ssh_server_sig_algs(p->ssh[0]), "ssh-ed25519,rsa-sha2-512"));
    free_pair(p);
    p = new_pair();
    p->config[1].sig_algs = "";
    pair_start(p);
    run(p);
    assert_true(pair_is_up(p));
    assert_int_equal(ssh_server_sig_algs(p->ssh[0]).n, 0);
    free_pair(p);
}

/* [RFC 4252 6a] */
static void test_nothing_before_authentication(void **state)
{
    (void)state;
    assert_ends(in_auth(), message("b", SSH_MSG_USERAUTH_SUCCESS));
    assert_ends(in_auth(), message("bst", SSH_MSG_USERAUTH_FAILURE, "", 0));
    assert_ends(in_auth(), message("bst", SSH_MSG_GLOBAL_REQUEST, "tcpip-forward", 1));
    assert_ends(in_auth(), message("bsuuu", SSH_MSG_CHANNEL_OPEN, "session", 0u, 1u, 1u));
    assert_ends(in_auth(), message("bus", SSH_MSG_CHANNEL_DATA, 0u, "x"));
    assert_ends(in_auth(), message("bs", SSH_MSG_SERVICE_REQUEST, "ssh-userauth"));
    assert_ends(in_auth(), message("b", SSH_MSG_NEWKEYS));
    assert_ends(in_auth(), message("bu", SSH_MSG_USERAUTH_INFO_RESPONSE, 0u));
}

/* RFC 4252 §5.1: requests after success SHOULD be silently ignored. */
static void test_request_after_success(void **state)
{
    (void)state;
    struct pair *p = up();
    voice(p, message("bsss", SSH_MSG_USERAUTH_REQUEST, "root", "ssh-connection", "none"));
    run(p);
    assert_true(pair_is_up(p));
    assert_true(pair_logged(p, "s auth-request publickey alice yes"));
    assert_false(pair_logged(p, "s auth-request none root"));
    free_pair(p);
}

/* [RFC 4254 4a 5.1a] */
static void test_unknown_channel_and_global(void **state)
{
    (void)state;
    struct pair *p = up();
    struct channel *ch = ssh_open(p->ssh[0], "x11", (struct span){0}, NULL);
    assert_non_null(ch);
    assert_true(ssh_global_request(p->ssh[0], "no-such@example.org", (struct span){0}, true, NULL));
    assert_true(ssh_global_request(p->ssh[0], "quiet@example.org", (struct span){0}, false, NULL));
    run(p);
    assert_true(pair_logged(p, "c open-failed 0 unknown channel type"));
    assert_true(pair_logged(p, "c global-reply"));
    assert_true(pair_is_up(p));
    assert_int_equal(p->ssh[1]->channels.used, 0);
    free_pair(p);
}

/* More channels than the table holds: refused, and the others go on. */
static bool stand_at_open(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    (void)p;
    return side == PAIR_SERVER && ev->kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN;
}

static void test_too_many_channels(void **state)
{
    (void)state;
    struct pair *p = up();
    unsigned refused = 0;
    p->on_event = stand_at_open;
    for (unsigned i = 0; i <= LIMIT_CHANNELS; i++) {
        voice(p, message("bsuuu", SSH_MSG_CHANNEL_OPEN, "session", 70000u + i, 1u, 1u));
        if (i % 500 == 0 || i >= LIMIT_CHANNELS) {
            carry(&p->ssh[0]->packet, &p->ssh[1]->packet);
            struct ssh_event ev;
            while (ssh_next(p->ssh[1], &ev)) {
                refused += ev.kind == SSH_EVENT_CHANNEL_NO_ROOM;
                assert_true(ev.kind == SSH_EVENT_CHANNEL_REQUESTED_OPEN ||
                            (i == LIMIT_CHANNELS && span_is(ev.names, "session")));
            }
        }
    }
    assert_int_equal(refused, 1);
    assert_int_equal(p->ssh[1]->channels.used, LIMIT_CHANNELS);
    struct adit_error err = {0};
    struct span answer = {0};
    carry(&p->ssh[1]->packet, &p->ssh[0]->packet);
    assert_int_equal(packet_next(&p->ssh[0]->packet, &answer, &err), PACKET_READY);
    struct span expected = message("buu", SSH_MSG_CHANNEL_OPEN_FAILURE, 70000u + LIMIT_CHANNELS,
                                   (unsigned)SSH_OPEN_RESOURCE_SHORTAGE);
    assert_true(answer.n > expected.n);
    assert_memory_equal(answer.p, expected.p, expected.n);
    assert_false(ssh_is_ended(p->ssh[1]));
    free_pair(p);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_keys),
        cmocka_unit_test(test_sig_algs_are_copied),
        cmocka_unit_test(test_nothing_before_authentication),
        cmocka_unit_test(test_request_after_success),
        cmocka_unit_test(test_unknown_channel_and_global),
        cmocka_unit_test(test_too_many_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
