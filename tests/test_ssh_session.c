#include <stdlib.h>

#include "ssh/ssh.h"
#include "ssh/ssh_internal.h"
#include "tests/pair.h"
#include "tests/test.h"

/* What the server saw of the client's requests, and the client of the answers, a line each. */
struct seen {
    char text[4096];
    size_t n;
    bool refuses;
};

static void see(struct seen *s, const char *fmt, ...) ADIT_PRINTF(2, 3);
static void see(struct seen *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    s->n += adit_vformat(s->text + s->n, sizeof(s->text) - s->n, fmt, ap);
    va_end(ap);
}

static bool sees(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    struct seen *s = p->context;
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_CHANNEL_REQUEST) {
        see(s, "%.*s%s", (int)ev->names.n, (const char *)ev->names.p, ev->flag ? "?" : "");
        for (size_t i = 0; i < ev->data.n && i < 64; i++)
            see(s, "%s%02x", i % 4 == 0 ? " " : "", ev->data.p[i]);
        see(s, "\n");
        if (ev->flag)
            ssh_chan_request_answer(p->ssh[1], ev->channel, !s->refuses);
        return true;
    }
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_CHANNEL_REPLY)
        see(s, "%s\n", ev->flag ? "yes" : "no");
    return false;
}

static struct pair *up(struct seen *s)
{
    struct pair *p = calloc(1, sizeof(*p));
    assert_non_null(p);
    pair_init(p);
    p->on_event = sees;
    p->context = s;
    pair_start(p);
    return p;
}

static void down(struct pair *p)
{
    pair_free(p);
    free(p);
}

/* [RFC 4254 6.7a 6.10a 8a] */
static void test_a_session(void **state)
{
    (void)state;
    static const struct ssh_mode modes[] = {{1, 3}, {128, 38400}};
    struct seen s = {.n = 0};
    struct pair *p = up(&s);
    struct ssh *c = p->ssh[0];
    struct channel *ch = ssh_open_session(c, NULL); /* before the connection is there */
    assert_non_null(ch);
    assert_true(ssh_session_pty(c, ch, span_str("vt100"), (struct ssh_window){80, 24, 640, 480}, modes, 2));
    assert_true(ssh_session_env(c, ch, span_str("LANG"), span_str("C")));
    assert_true(ssh_session_exec(c, ch, span_str("ls -l")));
    assert_true(pair_run(p));
    assert_string_equal(s.text,
                        "pty-req? 00000005 76743130 30000000 50000000 18000002 80000001 e0000000 0b010000 "
                        "00038000 00960000\n"
                        "env 00000004 4c414e47 00000001 43\n"
                        "exec? 00000005 6c73202d 6c\n"
                        "yes\nyes\n");
    s = (struct seen){.refuses = true};
    assert_true(ssh_session_shell(c, ch));
    assert_true(ssh_session_subsystem(c, ch, span_str("sftp")));
    assert_true(ssh_session_window_change(c, ch, (struct ssh_window){1, 2, 3, 4}));
    assert_true(ssh_session_signal(c, ch, "TERM"));
    assert_true(ssh_session_break(c, ch, 1000));
    assert_true(ssh_session_eow(c, ch));
    assert_true(pair_run(p));
    assert_string_equal(s.text,
                        "shell?\nsubsystem? 00000004 73667470\nwindow-change 00000001 00000002 00000003 "
                        "00000004\nsignal 00000004 5445524d\nbreak? 000003e8\neow@openssh.com\n"
                        "no\nno\nno\n");
    down(p);
}

/* What is asked in the middle of a re-exchange waits for its end. */
static void test_requests_and_keys(void **state)
{
    (void)state;
    struct seen s = {.n = 0};
    struct pair *p = up(&s);
    struct ssh *c = p->ssh[0];
    struct channel *ch = ssh_open_session(c, NULL);
    assert_true(pair_run(p));
    ssh_rekey(c);
    assert_true(ssh_session_shell(c, ch));
    assert_int_equal(s.n, 0);
    assert_true(pair_run(p));
    assert_string_equal(s.text, "shell?\nyes\n");
    assert_int_equal(ssh_rekey_count(c), 1);
    down(p);
}

/* RFC 4254 §6.10 has no answer to it, but a server may ask for one: the status counts all the same. */
static bool sees_exit(struct pair *p, enum pair_side side, struct ssh_event *ev)
{
    struct seen *s = p->context;
    if (side == PAIR_SERVER && ev->kind == SSH_EVENT_CHANNEL_REPLY)
        see(s, "%s\n", ev->flag ? "yes" : "no");
    if (side == PAIR_CLIENT && ev->kind == SSH_EVENT_CHANNEL_EXIT)
        see(s, "exit %u\n", ev->number);
    return false;
}

static void test_status_with_an_answer(void **state)
{
    (void)state;
    static const uint8_t five[] = {0, 0, 0, 5};
    struct seen s = {.n = 0};
    struct pair *p = up(&s);
    assert_non_null(ssh_open_session(p->ssh[0], NULL));
    assert_true(pair_run(p));
    p->on_event = sees_exit;
    struct channel *ch = p->ssh[1]->channels.slots[0];
    for (int want_reply = 0; want_reply < 2; want_reply++)
        assert_true(ssh_chan_request(p->ssh[1], ch, "exit-status", span_make(five, 4), want_reply != 0));
    assert_true(pair_run(p));
    assert_string_equal(s.text, "exit 5\nexit 5\nyes\n");
    down(p);
}

static void test_long_commands(void **state)
{
    (void)state;
    static uint8_t text[LIMIT_CHANNEL_REQUEST];
    struct seen s = {.n = 0};
    struct pair *p = up(&s);
    struct channel *ch = ssh_open_session(p->ssh[0], NULL);
    assert_true(pair_run(p));
    assert_false(ssh_session_exec(p->ssh[0], ch, (struct span){text, sizeof(text)}));
    assert_false(ssh_session_env(p->ssh[0], ch, span_str("A"), (struct span){text, sizeof(text)}));
    assert_true(ssh_session_exec(p->ssh[0], ch, (struct span){text, sizeof(text) - 64}));
    assert_true(pair_run(p));
    assert_memory_equal(s.text, "exec? 0003e7c0 00000000", 23);
    down(p);
}

/* [RFC 4254 8a] */
static void test_what_is_refused(void **state)
{
    (void)state;
    static uint8_t text[LIMIT_SESSION_TERM + 1];
    struct ssh_mode modes[LIMIT_SESSION_MODES + 1] = {{0, 0}};
    struct ssh_window window = {0, 0, 0, 0};
    struct seen s = {.n = 0};
    struct pair *p = up(&s);
    struct ssh *c = p->ssh[0];
    struct channel *ch = ssh_open_session(c, NULL);
    assert_false(ssh_session_pty(c, ch, (struct span){text, sizeof(text)}, window, NULL, 0));
    assert_false(ssh_session_pty(c, ch, span_str("x"), window, modes, ADIT_COUNT(modes)));
    assert_false(ssh_session_pty(c, ch, span_str("x"), window, modes, 1)); /* opcode 0 ends the list */
    modes[0].opcode = 160;
    assert_false(ssh_session_pty(c, ch, span_str("x"), window, modes, 1));
    assert_true(pair_run(p));
    assert_string_equal(s.text, "");
    ssh_chan_close(c, ch);
    assert_false(ssh_session_shell(c, ch));
    assert_true(pair_run(p));
    down(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session),
        cmocka_unit_test(test_requests_and_keys),
        cmocka_unit_test(test_status_with_an_answer),
        cmocka_unit_test(test_long_commands),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
