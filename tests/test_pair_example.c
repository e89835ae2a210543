#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

#include "ssh/msg.h"
#include "ssh/ssh_internal.h"
#include "tests/pair.h"

/* How to drive adit's machine without a network: "The machine in memory" in HACKING.md explains each step. */

static struct pair *up(void)
{
    struct pair *p = malloc(sizeof(*p));
    pair_init(p); /* here a test changes p->config, p->method, p->chunks, ... */
    pair_start(p);
    assert_true(pair_run(p));
    assert_true(pair_is_up(p));
    return p;
}

static void down(struct pair *p)
{
    pair_free(p);
    assert_int_equal(p->allocated, 0);
    free(p);
}

/* ---- by calls and events ---- */

static bool refuse_opens(struct pair *p, enum pair_side side, struct ssh_event *event)
{
    if (event->kind != SSH_EVENT_CHANNEL_REQUESTED_OPEN)
        return false; /* the pair answers by itself */
    ssh_open_refuse(p->ssh[side], event->channel, SSH_OPEN_CONNECT_FAILED, "nobody is at home");
    return true;
}

static struct channel *open_one(struct pair *p)
{
    struct span host = span_str("db"), from = span_str("127.0.0.1");
    struct channel *ch = ssh_open_direct_tcpip(p->ssh[PAIR_CLIENT], host, 5432, from, 1024, NULL);
    assert_non_null(ch);
    assert_true(pair_run(p));
    return ch;
}

static void test_calls_and_events(void **state)
{
    (void)state;
    struct pair *p = up();
    p->on_event = refuse_opens;
    open_one(p);
    assert_true(pair_logged(p, "c open-failed 0 nobody is at home"));
    p->on_event = NULL;
    struct channel *ch = open_one(p);
    assert_true(pair_logged(p, "c opened 0"));
    assert_int_equal(ssh_chan_write(p->ssh[PAIR_CLIENT], ch, span_str("hello")), 5);
    assert_true(pair_run(p));
    assert_int_equal(p->data_in[PAIR_SERVER], 5);
    down(p);
}

/* ---- message by message ---- */

static bool stand(struct pair *p, enum pair_side side, struct ssh_event *event)
{
    (void)p;
    return side == PAIR_SERVER && event->kind == SSH_EVENT_AUTH_REQUEST; /* and says nothing to it */
}

/* A login that is answered by half a message. */
static void test_half_a_message(void **state)
{
    (void)state;
    struct pair *p = malloc(sizeof(*p));
    pair_init(p);
    p->on_event = stand;
    pair_start(p);
    assert_true(pair_run(p)); /* keys, service, and the client's request */
    const uint8_t half[] = {SSH_MSG_USERAUTH_FAILURE, 0, 0, 0, 99};
    assert_true(pair_say(p, PAIR_SERVER, span_make(half, sizeof(half))));
    assert_true(pair_carry(p, PAIR_SERVER));
    assert_true(pair_pull(p, PAIR_CLIENT));
    assert_true(pair_logged(p, "c ended"));
    assert_int_equal(ssh_error(p->ssh[PAIR_CLIENT])->code, ADIT_E_PROTOCOL);
    down(p);
}

/* Both sides by hand, from the version lines to the login. */
static void test_step_by_step(void **state)
{
    (void)state;
    struct pair *p = malloc(sizeof(*p));
    bool moved = true;
    pair_init(p);
    p->chunks = PAIR_BYTES;
    pair_start(p);
    assert_false(pair_carry(p, PAIR_SERVER) && pair_pull(p, PAIR_CLIENT)); /* one byte makes no event */
    while (moved) {
        moved = pair_pull(p, PAIR_CLIENT);
        moved |= pair_carry(p, PAIR_CLIENT);
        moved |= pair_pull(p, PAIR_SERVER);
        moved |= pair_carry(p, PAIR_SERVER);
    }
    assert_true(pair_is_up(p));
    down(p);
}

/* A message that nobody knows: the client's answer is read as it came, and nothing else happens. */
static void test_unknown_message(void **state)
{
    (void)state;
    struct pair *p = up();
    struct packet *server = &p->ssh[PAIR_SERVER]->packet;
    struct ssh_event event;
    struct span answer = {0};
    struct adit_error err = {0};
    uint32_t number = server->tx.seq;
    assert_true(pair_say(p, PAIR_SERVER, span_str("\xc8what is this?")));
    assert_true(pair_carry(p, PAIR_SERVER));
    assert_false(ssh_next(p->ssh[PAIR_CLIENT], &event));
    assert_true(pair_carry(p, PAIR_CLIENT));
    assert_int_equal(packet_next(server, &answer, &err), PACKET_READY);
    assert_int_equal(answer.n, 5);
    assert_int_equal(answer.p[0], SSH_MSG_UNIMPLEMENTED);
    assert_int_equal(get_u32(answer.p + 1), number);
    down(p);
}

/* A message that is known and has no place here: the session ends, and says which. */
static void test_message_out_of_place(void **state)
{
    (void)state;
    struct pair *p = up();
    struct ssh *client = p->ssh[PAIR_CLIENT];
    struct ssh_event event;
    const uint8_t success = SSH_MSG_USERAUTH_SUCCESS;
    assert_true(pair_say(p, PAIR_SERVER, span_make(&success, 1)));
    assert_true(pair_carry(p, PAIR_SERVER));
    assert_true(ssh_next(client, &event));
    assert_int_equal(event.kind, SSH_EVENT_ENDED);
    assert_int_equal(ssh_error(client)->code, ADIT_E_PROTOCOL);
    assert_non_null(strstr(ssh_error(client)->text, "message 52 is out of place"));
    down(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_and_events),     cmocka_unit_test(test_half_a_message),
        cmocka_unit_test(test_step_by_step),         cmocka_unit_test(test_unknown_message),
        cmocka_unit_test(test_message_out_of_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
