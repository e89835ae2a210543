/*
 * What is typed at a guest's terminal: streams in the place of the terminal, and a session that is none.
 */
#define _GNU_SOURCE
#include "test.h"

#include <fcntl.h>
#include <signal.h>

#include "tests/fake_session.h"

static const char help[] = "~?\r\n"
                           "Supported escape sequences:\r\n"
                           " ~.   - terminate session\r\n"
                           " ~B   - send a BREAK to the remote system\r\n"
                           " ~R   - request rekey\r\n"
                           " ~#   - list forwarded connections\r\n"
                           " ~?   - this message\r\n"
                           " ~~   - send the escape character by typing it twice\r\n"
                           "(Note that escapes are only recognized immediately after newline.)\r\n";

static int client, typed, shown, told; /* the guest's socket, and our ends of its descriptors */

static void nonblocking(int fd)
{
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

static void say(const struct mux_message *m)
{
    uint8_t bytes[512];
    struct wr w = wr_init(bytes, sizeof bytes);
    mux_write(&w, m);
    assert_true(wr_ok(&w) && fake_send(client, wr_done(&w)));
    fake_turn();
}

/* A guest whose input is a pipe or a socket, and the session's flow. */
static struct flow *begin(bool with_socket, uint32_t escape)
{
    int ends[3][2];
    const struct mux_message session = {
        .type = MUX_C_NEW_SESSION,
        .id = 1,
        .session = {
            .wants_tty = true, .escape = escape, .term = span_str("vt100"), .command = span_str("x")}};
    client = fake_connect();
    assert_true(client >= 0);
    fake_turn();
    for (int i = 0; i < 3; i++)
        assert_int_equal(with_socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]) : pipe(ends[i]), 0);
    typed = ends[0][1];
    shown = ends[1][0];
    told = ends[2][0];
    nonblocking(typed);
    nonblocking(told);
    say(&(struct mux_message){.type = MUX_MSG_HELLO, .version = MUX_VERSION});
    say(&session);
    for (int i = 0; i < 3; i++) {
        int theirs = ends[i][i > 0];
        assert_true(fdpass_send(client, theirs));
        sock_close(&theirs);
        fake_turn();
    }
    struct flow *flow = fake_guest(0)->flows;
    flow->kind = SESSION_CHANNEL_SESSION;
    fake_opened(flow);
    nonblocking(fake.fds[0]);
    return flow;
}

static void end(struct flow *flow)
{
    sock_close(&client);
    fake_turn();
    fake_gone(flow);
    fake_turn();
    assert_int_equal(fake_guests(), 0);
    sock_close(&typed);
    sock_close(&shown);
    sock_close(&told);
}

static void types(const char *text)
{
    assert_int_equal(write(typed, text, strlen(text)), strlen(text));
    fake_turn();
}

/* What has come there since the last look; "" also at its end. */
static const char *at(int fd)
{
    static char text[8192];
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void test_words(void **state)
{
    static const struct {
        const char *typed, *told, *sent;
    } rows[] = {
        {"abc\n", "", "abc\n"},
        {"~?", help, ""},
        {"~C", "~C escape not available to multiplexed sessions\r\n", ""},
        {"~&", "~& escape not available to multiplexed sessions\r\n", ""},
        {"~\x1a", "~^Z escape not available to multiplexed sessions\r\n", ""},
        {"~V~v",
         "~V escape not available to multiplexed sessions\r\n"
         "~v escape not available to multiplexed sessions\r\n",
         ""},
        {"~~\r", "", "~\r"},
        {"~x", "", "~x"},
        {"y~?\n", "", "y~?\n"},
        {"~#", "~#\r\nThe following connections are open:\r\n  #0 session (this one)\r\n", ""},
    };
    (void)state;
    struct flow *flow = begin(false, '~');
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        types(rows[i].typed);
        assert_string_equal(at(told), rows[i].told);
        assert_string_equal(at(fake.fds[0]), rows[i].sent);
    }
    end(flow);
}

/* Byte by byte it is the same; another character, and one that is no text. */
static void test_characters(void **state)
{
    (void)state;
    struct flow *flow = begin(true, '~');
    for (const char *p = "\r~?"; *p; p++)
        types((char[]){*p, 0});
    assert_string_equal(at(told), help);
    assert_string_equal(at(fake.fds[0]), "\r");
    end(flow);
    flow = begin(false, 0xff);
    types("~?\n\xff?");
    assert_string_equal(at(fake.fds[0]), "~?\n");
    assert_non_null(strstr(at(told), "\xff?\r\n"));
    end(flow);
    flow = begin(false, MUX_ESCAPE_NONE);
    assert_int_equal(write(typed, "~.", 2), 2);
    assert_string_equal(at(fake.fds[0]), "~."); /* its very own descriptor */
    end(flow);
}

static void test_break_and_rekey(void **state)
{
    (void)state;
    struct flow *flow = begin(false, '~');
    types("~B~R~B");
    assert_string_equal(at(told), "~B\r\n~B\r\n");
    assert_int_equal(fake.breaks, 2);
    assert_int_equal(fake.rekeys, 1);
    end(flow);
}

/* ~. closes the guest's socket, at once; what stands behind it goes nowhere. */
static void test_quit(void **state)
{
    char bytes[256];
    (void)state;
    struct flow *flow = begin(false, '~');
    types("a\r~.b");
    assert_string_equal(at(told), "~.\r\n");
    while (recv(client, bytes, sizeof bytes, 0) > 0)
        ;
    assert_int_equal(recv(client, bytes, sizeof bytes, 0), 0);
    assert_true(flow->is_dead);
    assert_string_equal(at(told), "");
    end(flow);
}

/* The end of what is typed is the end of the session's input. */
static void test_end_of_input(void **state)
{
    char byte;
    (void)state;
    struct flow *flow = begin(false, '~');
    types("last");
    sock_close(&typed);
    fake_turn();
    assert_string_equal(at(fake.fds[0]), "last");
    assert_int_equal(read(fake.fds[0], &byte, 1), 0);
    end(flow);
}

/* More than the pipe holds, which nobody reads for a while: it waits, and none is lost. */
static void test_slow_session(void **state)
{
    static uint8_t block[5000], back[5000];
    size_t sent = 0, got = 0;
    (void)state;
    struct flow *flow = begin(true, '~');
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (uint8_t)('a' + i % 26);
    for (ssize_t n = 1; n > 0; sent += n > 0 ? (size_t)n : 0) {
        n = write(typed, block + sent % 26, 1300);
        fake_turn();
    }
    assert_true(sent > 65536);
    for (ssize_t n = 1; n > 0; fake_turn()) {
        n = read(fake.fds[0], back, sizeof back);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(back[i], 'a' + (got + (size_t)i) % 26);
        got += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(got, sent);
    end(flow);
}

/* The session has closed its input: what is typed is thrown away, and hurts nobody. */
static void test_no_reader(void **state)
{
    (void)state;
    struct flow *flow = begin(false, '~');
    sock_close(&fake.fds[0]);
    types("into nothing");
    types("more");
    types("~?");
    assert_string_equal(at(told), "");
    end(flow);
}

/* A guest that does not read what it is told: kept up to a limit, and then left out. */
static void test_deaf_guest(void **state)
{
    size_t n = 0;
    (void)state;
    struct flow *flow = begin(true, '~');
    for (int i = 0; i < 2000; i++)
        types("~?");
    for (const char *text = at(told); *text; text = at(told)) {
        n += strlen(text);
        fake_turn();
    }
    assert_true(n > 4096 && n < 2000 * sizeof help);
    types("~B");
    assert_string_equal(at(told), "~B\r\n");
    end(flow);
}

/* The session ends by itself while something is typed. */
static void test_session_over(void **state)
{
    (void)state;
    struct flow *flow = begin(false, '~');
    types("abc");
    fake_gone(flow);
    fake_turn();
    assert_int_equal(fake_guests(), 0);
    assert_int_equal(write(typed, "x", 1), -1);
    sock_close(&client);
    sock_close(&typed);
    sock_close(&shown);
    sock_close(&told);
    fake_turn();
}

static int start(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    fake_start(&(struct session_control){.pid = 1});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fake_stop();
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(fake.folder);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_words),     WITH(test_characters),   WITH(test_break_and_rekey),
        WITH(test_quit),      WITH(test_end_of_input), WITH(test_slow_session),
        WITH(test_no_reader), WITH(test_deaf_guest),   WITH(test_session_over),
    };
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
