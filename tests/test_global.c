#include "tests/talk.h"

#include "ssh/global.h"
#include "ssh/msg.h"

/* Global requests: RFC 4254 §4, §7.1. */

struct scene {
    struct talk t;
    struct globals g;
    struct global_answer answer;
    int owners[4];
};

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof(*s));
    talk_init(&s->t);
    globals_init(&s->g, &s->t.memory.alloc);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    globals_wipe(&s->g);
    talk_wipe(&s->t);
    free(s);
    return 0;
}

static bool add(struct scene *s, enum global_kind kind, const char *type, bool want_reply, uint32_t port,
                int owner)
{
    return globals_add(&s->g, kind, type, message("su", "host", port), want_reply, port, &s->owners[owner]);
}

static void flush(struct scene *s)
{
    globals_flush(&s->g, &s->t.pk, false, 5000);
}

static enum adit_err answer(struct scene *s, struct span payload)
{
    return global_on_reply(&s->g, payload, &s->answer, &s->t.err);
}

/* [RFC 4254 4c] */
static void test_answers_in_order(void **state)
{
    struct scene *s = *state;
    assert_true(add(s, GLOBAL_FORWARD, "tcpip-forward", true, 0, 0));
    assert_true(add(s, GLOBAL_FORWARD, "tcpip-forward", true, 8080, 1));
    assert_true(add(s, GLOBAL_PLAIN, "cancel-tcpip-forward", true, 1, 2));
    assert_silent(&s->t);
    flush(s);
    assert_says(&s->t, message("bstsu", 80, "tcpip-forward", 1, "host", 0u));
    assert_says(&s->t, message("bstsu", 80, "tcpip-forward", 1, "host", 8080u));
    assert_says(&s->t, message("bstsu", 80, "cancel-tcpip-forward", 1, "host", 1u));
    flush(s);
    assert_silent(&s->t);
    assert_int_equal(answer(s, message("bu", 81, 65535u)), ADIT_E_OK);
    assert_ptr_equal(s->answer.owner, &s->owners[0]);
    assert_int_equal(s->answer.port, 65535);
    assert_int_equal(s->answer.sent_us, 5000);
    assert_int_equal(answer(s, message("b", 81)), ADIT_E_OK);
    assert_ptr_equal(s->answer.owner, &s->owners[1]);
    assert_int_equal(s->answer.port, 8080);
    assert_int_equal(answer(s, message("b", 82)), ADIT_E_OK);
    assert_ptr_equal(s->answer.owner, &s->owners[2]);
    assert_refused(&s->t, answer(s, message("b", 82)), PROTOCOL); /* nobody asked */
    assert_int_equal(s->g.count, 0);
}

/* RFC 4254 §7.1: the answer to port 0 carries a port; 0 and what is not a port are no answers.
 * [RFC 4254 7.1b] */
static void test_bound_port(void **state)
{
    struct scene *s = *state;
    static const uint32_t bad[] = {0, 65536, 0xffffffff};
    for (size_t i = 0; i < 5; i++) {
        assert_true(add(s, GLOBAL_FORWARD, "tcpip-forward", true, 0, 0));
        flush(s);
        if (i < 3)
            assert_refused(&s->t, answer(s, message("bu", 81, bad[i])), PROTOCOL);
        else if (i == 3)
            assert_refused(&s->t, answer(s, message("b", 81)), PROTOCOL);
        else
            assert_refused(&s->t, answer(s, message("bbbb", 81, 0, 0, 1)), PROTOCOL);
        assert_int_equal(s->g.count, 0);
    }
    assert_true(add(s, GLOBAL_FORWARD, "tcpip-forward", true, 0, 0));
    flush(s);
    assert_int_equal(answer(s, message("b", 82)), ADIT_E_OK); /* a refusal has none */
}

static void test_without_reply(void **state)
{
    struct scene *s = *state;
    assert_true(add(s, GLOBAL_PLAIN, "quiet", false, 1, 0));
    assert_true(add(s, GLOBAL_KEEPALIVE, "keepalive@openssh.com", true, 1, 0));
    flush(s);
    assert_int_equal(s->g.count, 1); /* sent and forgotten */
    assert_int_equal(answer(s, message("bs", 81, "the rest")), ADIT_E_OK);
    assert_int_equal(s->answer.kind, GLOBAL_KEEPALIVE);
    assert_int_equal(s->answer.rest.n, 12);
}

static void test_limits(void **state)
{
    struct scene *s = *state;
    static uint8_t extra[LIMIT_OPEN_BYTES];
    assert_false(
        globals_add(&s->g, GLOBAL_PLAIN, "x", (struct span){extra, LIMIT_OPEN_BYTES - 5}, true, 0, NULL));
    assert_true(
        globals_add(&s->g, GLOBAL_PLAIN, "x", (struct span){extra, LIMIT_OPEN_BYTES - 6}, true, 0, NULL));
    for (int i = 1; i < LIMIT_GLOBAL_WAITING; i++)
        assert_true(add(s, GLOBAL_PLAIN, "x", true, 0, 0));
    assert_false(add(s, GLOBAL_PLAIN, "x", true, 0, 0));
    globals_wipe(&s->g);
    assert_int_equal(s->g.count, 0);
    s->t.memory.fail_at = s->t.memory.count + 1;
    assert_false(add(s, GLOBAL_PLAIN, "x", true, 0, 0));
}

static void test_full_output(void **state)
{
    struct scene *s = *state;
    for (int i = 0; i < 3; i++)
        assert_true(add(s, GLOBAL_PLAIN, "x", true, (uint32_t)i, i));
    while (packet_reserve(&s->t.pk, 1).n > 0)
        packet_seal(&s->t.pk, 1);
    flush(s);
    assert_refused(&s->t, answer(s, message("b", 81)), PROTOCOL); /* nothing was sent */
    packet_out_consume(&s->t.pk, packet_out(&s->t.pk).n);
    flush(s);
    for (unsigned i = 0; i < 3; i++)
        assert_says(&s->t, message("bstsu", 80, "x", 1, "host", i));
}

/* Requests that rode with an authentication that was refused. */
static void test_unsent(void **state)
{
    struct scene *s = *state;
    s->t.pk.tx.seq = s->t.ear.rx.seq = UINT32_MAX;
    assert_true(add(s, GLOBAL_FORWARD, "tcpip-forward", true, 1, 0));
    assert_true(add(s, GLOBAL_FORWARD, "tcpip-forward", true, 2, 1));
    assert_false(globals_unsent(&s->g, 0));
    flush(s);
    assert_int_equal(hear(&s->t).p[0], 80);
    assert_int_equal(hear(&s->t).p[0], 80);
    assert_true(globals_unsent(&s->g, UINT32_MAX));
    assert_false(globals_unsent(&s->g, UINT32_MAX));
    assert_true(globals_unsent(&s->g, 0));
    flush(s);
    assert_says(&s->t, message("bstsu", 80, "tcpip-forward", 1, "host", 1u));
    assert_says(&s->t, message("bstsu", 80, "tcpip-forward", 1, "host", 2u));
    assert_int_equal(answer(s, message("b", 81)), ADIT_E_OK);
    assert_ptr_equal(s->answer.owner, &s->owners[0]);
}

/* What wants no reply is not lost either. */
static void test_unsent_without_reply(void **state)
{
    struct scene *s = *state;
    assert_true(add(s, GLOBAL_PLAIN, "quiet", false, 1, 0));
    for (unsigned i = 0; i < 3; i++) {
        globals_flush(&s->g, &s->t.pk, true, 1);
        assert_says(&s->t, message("bstsu", 80, "quiet", 0, "host", 1u));
        if (i < 2)
            assert_true(globals_unsent(&s->g, i));
    }
    flush(s); /* authenticated: it arrived */
    assert_silent(&s->t);
    assert_int_equal(s->g.count, 0);
}

/* Taken out of the middle: the answers of the others keep their order. */
static void test_unimplemented(void **state)
{
    struct scene *s = *state;
    for (int i = 0; i < 3; i++)
        assert_true(add(s, GLOBAL_FORWARD, "tcpip-forward", true, (uint32_t)i + 1, i));
    assert_false(global_on_unimplemented(&s->g, 0, &s->answer)); /* not sent */
    flush(s);
    assert_true(global_on_unimplemented(&s->g, 1, &s->answer));
    assert_ptr_equal(s->answer.owner, &s->owners[1]);
    assert_int_equal(s->answer.port, 2);
    assert_false(global_on_unimplemented(&s->g, 1, &s->answer));
    assert_int_equal(answer(s, message("b", 81)), ADIT_E_OK);
    assert_ptr_equal(s->answer.owner, &s->owners[0]);
    assert_int_equal(answer(s, message("b", 81)), ADIT_E_OK);
    assert_ptr_equal(s->answer.owner, &s->owners[2]);
}

static void test_peers_request(void **state)
{
    struct scene *s = *state;
    struct span type, extra;
    bool want_reply = false;
    assert_int_equal(global_on_request(message("bstsu", 80, "tcpip-forward", 7, "", 0u), &type, &want_reply,
                                       &extra, &s->t.err),
                     ADIT_E_OK);
    assert_true(span_is(type, "tcpip-forward") && want_reply);
    assert_true(span_eq(extra, message("su", "", 0u)));
    assert_refused(&s->t, global_on_request(message("bs", 80, "x"), &type, &want_reply, &extra, &s->t.err),
                   PROTOCOL);
    char name[258];
    memset(name, 'n', 257);
    name[257] = 0;
    assert_refused(&s->t,
                   global_on_request(message("bst", 80, name, 0), &type, &want_reply, &extra, &s->t.err),
                   PROTOCOL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_answers_in_order),     TEST(test_bound_port),
        TEST(test_without_reply),        TEST(test_limits),
        TEST(test_full_output),          TEST(test_unsent),
        TEST(test_unsent_without_reply), TEST(test_unimplemented),
        TEST(test_peers_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
