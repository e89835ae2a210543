#include "tests/talk.h"

#include "ssh/msg.h"
#include "ssh/replies.h"

/* Answers that wait their turn. */

struct scene {
    struct talk t;
    struct replies q;
};

static int set_up(void **state)
{
    struct scene *s = malloc(sizeof(*s));
    talk_init(&s->t);
    replies_init(&s->q, &s->t.memory.alloc);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct scene *s = *state;
    replies_wipe(&s->q);
    talk_wipe(&s->t);
    free(s);
    return 0;
}

static enum adit_err add(struct scene *s, bool may_send, struct reply r)
{
    return replies_add(&s->q, &s->t.pk, may_send, r, &s->t.err);
}

static void test_at_once(void **state)
{
    struct scene *s = *state;
    assert_int_equal(add(s, true, (struct reply){.msg = SSH_MSG_REQUEST_SUCCESS}), ADIT_E_OK);
    assert_says(&s->t, message("b", 81));
    assert_int_equal(add(s, true, (struct reply){.msg = 81, .has_extra = true, .number = 8080}), ADIT_E_OK);
    assert_says(&s->t, message("bu", 81, 8080u));
    assert_int_equal(add(s, true, (struct reply){.msg = SSH_MSG_REQUEST_FAILURE}), ADIT_E_OK);
    assert_says(&s->t, message("b", 82));
    assert_int_equal(add(s, true, (struct reply){.msg = SSH_MSG_CHANNEL_SUCCESS, .channel = 7}), ADIT_E_OK);
    assert_says(&s->t, message("bu", 99, 7u));
    assert_int_equal(add(s, true, (struct reply){.msg = SSH_MSG_CHANNEL_FAILURE, .channel = 0xffffffff}),
                     ADIT_E_OK);
    assert_says(&s->t, message("bu", 100, 0xffffffffu));
    assert_int_equal(
        add(s, true, (struct reply){.msg = SSH_MSG_CHANNEL_OPEN_FAILURE, .channel = 3, .number = 4}),
        ADIT_E_OK);
    assert_says(&s->t, message("buuss", 92, 3u, 4u, "too many channels", ""));
    assert_null(s->q.ring);
}

/* What waits goes first, in order, and the ring is given back. [RFC 4254 4c 5.4b] */
static void test_order(void **state)
{
    struct scene *s = *state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < LIMIT_PENDING_REPLIES; i++)
            assert_int_equal(add(s, i % 2 == 0 && i > 0, (struct reply){.msg = 99, .channel = i}), ADIT_E_OK);
        assert_silent(&s->t);
        replies_flush(&s->q, &s->t.pk);
        for (unsigned i = 0; i < LIMIT_PENDING_REPLIES; i++)
            assert_says(&s->t, message("bu", 99, i));
        assert_silent(&s->t);
        assert_null(s->q.ring);
    }
}

static void test_limit(void **state)
{
    struct scene *s = *state;
    for (unsigned i = 0; i < LIMIT_PENDING_REPLIES; i++)
        assert_int_equal(add(s, false, (struct reply){.msg = 82}), ADIT_E_OK);
    assert_refused(&s->t, add(s, false, (struct reply){.msg = 82}), LIMIT);
    assert_int_equal(s->q.count, LIMIT_PENDING_REPLIES);
}

/* No room in the output: kept, and sent as far as there is room. */
static void test_full_output(void **state)
{
    struct scene *s = *state;
    while (packet_reserve(&s->t.pk, 64).n > 0)
        packet_seal(&s->t.pk, 64);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(add(s, true, (struct reply){.msg = 99, .channel = i}), ADIT_E_OK);
    replies_flush(&s->q, &s->t.pk);
    assert_int_equal(s->q.count, 5);
    packet_out_consume(&s->t.pk, packet_out(&s->t.pk).n);
    replies_flush(&s->q, &s->t.pk);
    for (unsigned i = 0; i < 5; i++)
        assert_says(&s->t, message("bu", 99, i));
}

static void test_out_of_memory(void **state)
{
    struct scene *s = *state;
    s->t.memory.fail_at = s->t.memory.count + 1;
    assert_refused(&s->t, add(s, false, (struct reply){.msg = 82}), MEMORY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_at_once),     TEST(test_order),         TEST(test_limit),
        TEST(test_full_output), TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
