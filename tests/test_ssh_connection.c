#include "tests/talk.h"

#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "tests/pair.h"

/* Unix sockets in the connection protocol (OpenSSH's PROTOCOL §2.4); the rest of ssh_connection.c is tested
 * with the two roles. */

static struct pair *up(void)
{
    struct pair *p = malloc(sizeof(*p));
    pair_init(p);
    p->config[0].kex = "curve25519-sha256";
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    return p;
}

static void free_pair(struct pair *p)
{
    pair_free(p);
    assert_int_equal(p->allocated, 0);
    free(p);
}

static const char path[] = "/run/a socket", direct[] = "direct-streamlocal@openssh.com",
                  forwarded[] = "forwarded-streamlocal@openssh.com",
                  ask[] = "streamlocal-forward@openssh.com",
                  cancel[] = "cancel-streamlocal-forward@openssh.com";

/* What goes over the line, byte for byte. */
static void assert_next(struct pair *p, enum pair_side from, struct span expected)
{
    struct adit_error err = {0};
    struct span payload = {0};
    carry(&p->ssh[from]->packet, &p->ssh[1 - from]->packet);
    assert_int_equal(packet_next(&p->ssh[1 - from]->packet, &payload, &err), PACKET_READY);
    assert_int_equal(payload.n, expected.n);
    assert_memory_equal(payload.p, expected.p, expected.n);
}

static void test_messages(void **state)
{
    (void)state;
    struct pair *p = up();
    struct span where = span_str(path);
    assert_non_null(ssh_open_direct_streamlocal(p->ssh[0], where, NULL));
    assert_next(p, PAIR_CLIENT,
                message("bsuuussu", SSH_MSG_CHANNEL_OPEN, direct, 0u, (unsigned)WINDOW_FIRST,
                        (unsigned)LIMIT_CHANNEL_PACKET, path, "", 0u));
    assert_true(ssh_streamlocal_forward_request(p->ssh[0], where, NULL));
    assert_next(p, PAIR_CLIENT, message("bsts", SSH_MSG_GLOBAL_REQUEST, ask, 1, path));
    assert_true(ssh_streamlocal_forward_cancel(p->ssh[0], where, NULL));
    assert_next(p, PAIR_CLIENT, message("bsts", SSH_MSG_GLOBAL_REQUEST, cancel, 1, path));
    assert_non_null(ssh_open_forwarded_streamlocal(p->ssh[1], where, NULL));
    assert_next(p, PAIR_SERVER,
                message("bsuuuss", SSH_MSG_CHANNEL_OPEN, forwarded, 0u, (unsigned)WINDOW_FIRST,
                        (unsigned)LIMIT_CHANNEL_PACKET, path, ""));
    free_pair(p);
}

/* What no peer of ours would take is not sent. */
static void test_long_addresses(void **state)
{
    (void)state;
    struct pair *p = up();
    static const uint8_t letters[LIMIT_HOST + 1] = {'h'};
    struct span longest = span_make(letters, LIMIT_HOST), longer = span_make(letters, LIMIT_HOST + 1);
    assert_null(ssh_open_direct_tcpip(p->ssh[0], longer, 1, span_str("me"), 1, NULL));
    assert_null(ssh_open_forwarded_tcpip(p->ssh[1], span_str("db"), 1, longer, 1, NULL));
    assert_false(ssh_forward_request(p->ssh[0], longer, 1, NULL));
    assert_false(ssh_forward_cancel(p->ssh[0], longer, 1, NULL));
    assert_non_null(ssh_open_direct_tcpip(p->ssh[0], longest, 1, longest, 1, p));
    assert_true(ssh_forward_request(p->ssh[0], longest, 1, NULL));
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    free_pair(p);
}

static void test_events(void **state)
{
    (void)state;
    struct pair *p = up();
    struct span where = span_str(path);
    assert_true(ssh_streamlocal_forward_request(p->ssh[0], where, p));
    assert_non_null(ssh_open_direct_streamlocal(p->ssh[0], where, p));
    assert_non_null(ssh_open_forwarded_streamlocal(p->ssh[1], where, p));
    assert_true(ssh_streamlocal_forward_cancel(p->ssh[0], where, p));
    assert_true(pair_run(p));
    assert_true(pair_logged(p, "s global-request streamlocal-forward@openssh.com /run/a socket yes"));
    assert_true(pair_logged(p, "s global-request cancel-streamlocal-forward@openssh.com /run/a socket yes"));
    assert_true(pair_logged(p, "s requested-open 1 direct-streamlocal@openssh.com /run/a socket"));
    assert_true(pair_logged(p, "c requested-open 1 forwarded-streamlocal@openssh.com /run/a socket"));
    assert_true(pair_logged(p, "c opened 0"));
    assert_true(pair_logged(p, "s opened 0"));
    assert_true(pair_logged(p, "c global-reply yes"));
    assert_true(pair_is_up(p));
    free_pair(p);
}

static void test_too_long(void **state)
{
    (void)state;
    static const uint8_t letters[LIMIT_OPEN_EXTRA];
    struct pair *p = up();
    struct span longest = {letters, LIMIT_OPEN_EXTRA};
    assert_null(ssh_open_direct_streamlocal(p->ssh[0], longest, NULL));
    assert_false(ssh_streamlocal_forward_request(p->ssh[0], longest, NULL));
    assert_true(pair_is_up(p));
    free_pair(p);
}

static void assert_ends(enum pair_side who, struct span payload)
{
    struct pair *p = up();
    say(&p->ssh[1 - who]->packet, payload);
    assert_true(pair_run(p));
    assert_true(ssh_is_ended(p->ssh[who]));
    assert_int_equal(ssh_error(p->ssh[who])->code, ADIT_E_PROTOCOL);
    free_pair(p);
}

static void test_malformed(void **state)
{
    (void)state;
    const unsigned open = SSH_MSG_CHANNEL_OPEN;
    assert_ends(PAIR_CLIENT, message("bsuuus", open, forwarded, 0u, 1u, 1u, path));
    assert_ends(PAIR_CLIENT, message("bsuuussu", open, forwarded, 0u, 1u, 1u, path, "", 0u));
    assert_ends(PAIR_CLIENT, message("bsuuuu", open, forwarded, 0u, 1u, 1u, 0xffffffffu));
    assert_ends(PAIR_SERVER, message("bsuuuss", open, direct, 0u, 1u, 1u, path, ""));
    assert_ends(PAIR_SERVER, message("bstsu", SSH_MSG_GLOBAL_REQUEST, ask, 1, path, 0u));
    assert_ends(PAIR_SERVER, message("bst", SSH_MSG_GLOBAL_REQUEST, cancel, 1));
}

/* A client opens no forwarded-streamlocal, and a server no direct-streamlocal. [RFC 4254 5.1a 6.1a 7.2b] */
static void test_the_other_roles_channels(void **state)
{
    (void)state;
    struct pair *p = up();
    assert_non_null(ssh_open_direct_streamlocal(p->ssh[1], span_str(path), NULL));
    assert_non_null(ssh_open_forwarded_streamlocal(p->ssh[0], span_str(path), NULL));
    assert_true(pair_run(p));
    assert_true(pair_logged(p, "c open-failed 0 unknown channel type"));
    assert_true(pair_logged(p, "s open-failed 0 unknown channel type"));
    assert_true(pair_is_up(p));
    free_pair(p);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),  cmocka_unit_test(test_long_addresses),
        cmocka_unit_test(test_events),    cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_the_other_roles_channels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
