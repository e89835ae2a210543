/* ping@openssh.com: asked by the client alone, answered by the server, and no event for anybody. */
#include <string.h>

#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "ssh/wire.h"
#include "tests/pair.h"
#include "tests/test.h"

static struct pair p;

static void up(void)
{
    pair_init(&p);
    pair_start(&p);
    assert_true(pair_run(&p));
    assert_true(pair_is_up(&p));
}

static void test_ping(void **state)
{
    (void)state;
    up();
    struct ssh *client = p.ssh[PAIR_CLIENT], *server = p.ssh[PAIR_SERVER];
    assert_true(ssh_has_ping(client));
    assert_false(ssh_has_ping(server)); /* a client announces nothing */
    size_t said = p.log_n;
    uint32_t sent = client->packet.tx.seq, answered = server->packet.tx.seq;
    for (int i = 0; i < 5; i++)
        assert_true(ssh_ping(client, span_str("PING!")));
    assert_true(pair_run(&p));
    assert_int_equal(client->packet.tx.seq, sent + 5);
    assert_int_equal(server->packet.tx.seq, answered + 5);
    assert_int_equal(p.log_n, said);
    assert_true(pair_is_up(&p));
    assert_false(ssh_ping(server, span_str("PING!")));
    pair_free(&p);
}

static void test_bounds(void **state)
{
    static const uint8_t big[LIMIT_PING + 1];
    (void)state;
    up();
    struct ssh *client = p.ssh[PAIR_CLIENT];
    assert_true(ssh_ping(client, span_make(big, LIMIT_PING)));
    assert_false(ssh_ping(client, span_make(big, LIMIT_PING + 1)));
    assert_true(pair_run(&p));
    ssh_rekey(client);
    assert_false(ssh_ping(client, span_str("x"))); /* RFC 4253 §7.1 */
    assert_true(pair_run(&p));
    assert_true(ssh_ping(client, span_str("x")));
    assert_true(pair_run(&p));
    assert_true(pair_is_up(&p));
    pair_free(&p);
}

/* Before the announcement nothing is sent, and afterwards never to a server that made none. */
static void test_not_announced(void **state)
{
    (void)state;
    pair_init(&p);
    p.config[PAIR_SERVER].sig_algs = ""; /* no EXT_INFO at all */
    pair_start(&p);
    assert_false(ssh_ping(p.ssh[PAIR_CLIENT], span_str("x")));
    assert_true(pair_run(&p));
    assert_true(pair_is_up(&p));
    assert_false(ssh_has_ping(p.ssh[PAIR_CLIENT]));
    assert_false(ssh_ping(p.ssh[PAIR_CLIENT], span_str("x")));
    pair_free(&p);
}

static void say(struct ssh *from, uint8_t msg, uint32_t length)
{
    struct wr w = packet_begin(&from->packet, msg, 16);
    wr_u32(&w, length);
    wr_u8(&w, 'x');
    assert_true(packet_send(&from->packet, &w));
}

static void test_malformed(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        up();
        say(p.ssh[side], side == PAIR_CLIENT ? SSH_MSG_PING : SSH_MSG_PONG, 2);
        (void)pair_run(&p);
        assert_int_equal(ssh_error(p.ssh[1 - side])->code, ADIT_E_PROTOCOL);
        pair_free(&p);
    }
    up(); /* a client is never pinged: it says that it does not know the message */
    say(p.ssh[PAIR_SERVER], SSH_MSG_PING, 1);
    uint32_t sent = p.ssh[PAIR_CLIENT]->packet.tx.seq;
    assert_true(pair_run(&p));
    assert_int_equal(p.ssh[PAIR_CLIENT]->packet.tx.seq, sent + 1);
    assert_true(pair_is_up(&p));
    pair_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ping), cmocka_unit_test(test_bounds),
                                       cmocka_unit_test(test_not_announced),
                                       cmocka_unit_test(test_malformed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
