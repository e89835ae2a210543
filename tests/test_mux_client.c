/*
 * A client of a master that answers by the book, or does not.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "client/mux_client.h"
#include "ssh/mux.h"
#include "tests/fake_master.h"

static struct fake_master master;
static struct adit_error err;
static struct mux_client *client;
static uint8_t words[64 * 1024];
static struct wr script;
static size_t read_len; /* of what it heard */

/* ---- The master's words ---- */

static void says(const struct mux_message *m)
{
    mux_write(&script, m);
    assert_true(wr_ok(&script));
}

static void says_type(uint32_t type, uint32_t id)
{
    says(&(struct mux_message){.type = type, .id = id});
}

static void says_hello(uint32_t version)
{
    says(&(struct mux_message){.type = MUX_MSG_HELLO, .version = version});
}

static void says_raw(const char *bytes, size_t n)
{
    wr_bytes(&script, span_make((const uint8_t *)bytes, n));
}

/* ---- Ours ---- */

static int begin(void **state)
{
    (void)state;
    script = wr_init(words, sizeof words);
    err = (struct adit_error){0};
    read_len = 0;
    master.is_patient = master.is_deaf = false;
    return 0;
}

static enum adit_err open_it(uint32_t timeout_s)
{
    int why = -1;
    master.words = words;
    master.words_len = script.used;
    fake_master_start(&master);
    enum adit_err e = mux_client_open(&client, master.path, timeout_s, &why, &err);
    assert_int_equal(why, 0);
    assert_int_equal(e, err.code);
    assert_int_equal(client != NULL, e == ADIT_E_OK);
    if (!client)
        fake_master_join(&master);
    return e;
}

static void greet(void)
{
    assert_int_equal(open_it(0), ADIT_E_OK);
    assert_true(mux_client_fd(client) >= 0);
}

static void leave(void)
{
    mux_client_free(client);
    fake_master_join(&master);
    fake_master_close_fds(&master);
}

/* What the master heard next. */
static struct mux_message heard(void)
{
    struct mux_message m = {0};
    struct span message = {0};
    size_t used;
    assert_int_equal(
        mux_frame(span_make(master.heard + read_len, master.heard_len - read_len), &message, &used),
        MUX_FRAME_WHOLE);
    read_len += used;
    assert_int_equal(mux_parse(&m, message, &err), ADIT_E_OK);
    return m;
}

/* ---- HELLO ---- */

static void test_hello(void **state)
{
    (void)state;
    says_raw("\0\0\0\x12\0\0\0\1\0\0\0\4\0\0\0\1a\0\0\0\1b", 22); /* an extension, which is nothing to us */
    greet();
    leave();
    struct mux_message m = heard();
    assert_true(m.type == MUX_MSG_HELLO && m.version == 4);
    assert_int_equal(read_len, master.heard_len);
}

/* A stream that somebody else has connected. */
static void test_stream(void **state)
{
    uint32_t pid;
    int fds[2];
    (void)state;
    says_hello(MUX_VERSION);
    says(&(struct mux_message){.type = MUX_S_ALIVE, .id = 1, .number = 5});
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(write(fds[1], words, script.used), script.used);
    assert_int_equal(mux_client_take(&client, fds[0], 1, &err), ADIT_E_OK);
    assert_int_equal(mux_client_alive(client, &pid, &err), ADIT_E_OK);
    assert_int_equal(pid, 5);
    assert_int_equal(mux_client_stop(client, &err), ADIT_E_CLOSED); /* within a second */
    mux_client_free(client);
    close(fds[1]);
    err = (struct adit_error){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    close(fds[1]);
    assert_int_equal(mux_client_take(&client, fds[0], 1, &err), ADIT_E_CLOSED);
    assert_null(client);
    assert_non_null(strstr(err.text, "Broken pipe"));
    assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* it was taken */
}

static void test_no_hello(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        enum adit_err code;
    } rows[] = {
        {"", 0, ADIT_E_CLOSED},
        {"\0\0\0\x08\0\0\0\1", 8, ADIT_E_CLOSED},              /* truncated */
        {"\0\0\0\x08\0\0\0\1\0\0\0\5", 12, ADIT_E_PROTOCOL},   /* a later version */
        {"\0\0\0\x08\x80\0\0\1\0\0\0\0", 12, ADIT_E_PROTOCOL}, /* something else */
        {"\0\0\0\0", 4, ADIT_E_PROTOCOL},
        {"\0\0\0\3\0\0\1", 7, ADIT_E_PROTOCOL},
        {"\0\4\0\1\0\0\0\1\0\0\0\4", 12, ADIT_E_PROTOCOL}, /* longer than any */
        {"\xff\xff\xff\xff\0\0\0\1\0\0\0\4", 12, ADIT_E_PROTOCOL},
        {"\0\0\0\x09\0\0\0\1\0\0\0\4\0", 13, ADIT_E_PROTOCOL}, /* half an extension */
        {"SSH-2.0-OpenSSH_9.2\r\n", 21, ADIT_E_PROTOCOL},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        (void)begin(state);
        says_raw(rows[i].bytes, rows[i].n);
        assert_int_equal(open_it(0), rows[i].code);
    }
}

/* One that is stopped: ConnectTimeout. */
static void test_silent_master(void **state)
{
    (void)state;
    master.is_patient = true;
    assert_int_equal(open_it(1), ADIT_E_CLOSED);
    assert_non_null(strstr(err.text, "Connection timed out"));
}

static void test_no_master(void **state)
{
    char path[200];
    int why = 0;
    (void)state;
    snprintf(path, sizeof path, "%s/none", master.folder);
    assert_int_equal(mux_client_open(&client, path, 0, &why, &err), ADIT_E_CONNECT);
    assert_int_equal(why, ENOENT);
    assert_null(client);
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = 0;
    err = (struct adit_error){0};
    assert_int_equal(mux_client_open(&client, path, 0, &why, &err), ADIT_E_CONNECT);
    assert_int_equal(why, ENAMETOOLONG);
    mux_client_free(NULL);
}

/* ---- Small requests ---- */

static enum adit_err alive(const struct mux_message *answer, uint32_t *pid)
{
    (void)begin(NULL);
    says_hello(MUX_VERSION);
    says(answer);
    greet();
    enum adit_err e = mux_client_alive(client, pid, &err);
    assert_int_equal(e, err.code);
    leave();
    (void)heard();
    struct mux_message m = heard();
    assert_true(m.type == MUX_C_ALIVE_CHECK && m.id == 1);
    return e;
}

static void test_alive(void **state)
{
    uint32_t pid;
    (void)state;
    struct mux_message answer = {.type = MUX_S_ALIVE, .id = 1, .number = 4711};
    assert_int_equal(alive(&answer, &pid), ADIT_E_OK);
    assert_int_equal(pid, 4711);
    /* none that a signal may go to */
    static const uint32_t bad[] = {0, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        answer.number = bad[i];
        assert_int_equal(alive(&answer, &pid), ADIT_E_PROTOCOL);
        assert_int_equal(pid, 0);
    }
    answer.number = INT32_MAX;
    assert_int_equal(alive(&answer, &pid), ADIT_E_OK);
    answer.id = 2; /* to another request */
    assert_int_equal(alive(&answer, &pid), ADIT_E_PROTOCOL);
    answer = (struct mux_message){.type = MUX_S_OK, .id = 1}; /* to another kind of request */
    assert_int_equal(alive(&answer, &pid), ADIT_E_PROTOCOL);
    answer = (struct mux_message){.type = MUX_MSG_HELLO, .version = MUX_VERSION};
    assert_int_equal(alive(&answer, &pid), ADIT_E_PROTOCOL);
}

static void test_refusals(void **state)
{
    uint32_t pid;
    struct mux_message answer = {.type = MUX_S_FAILURE, .id = 1, .reason = span_str("no\x1b[2J\r\n")};
    (void)state;
    assert_int_equal(alive(&answer, &pid), ADIT_E_COMMAND);
    assert_null(strchr(err.text, 0x1b));
    assert_non_null(strstr(err.text, "no"));
    says_hello(MUX_VERSION);
    (void)begin(NULL);
    says_hello(MUX_VERSION);
    answer.type = MUX_S_PERMISSION_DENIED;
    says(&answer);
    answer.type = MUX_S_FAILURE;
    answer.id = 2;
    says(&answer);
    greet();
    assert_false(mux_client_was_denied(client));
    assert_int_equal(mux_client_stop(client, &err), ADIT_E_COMMAND);
    assert_true(mux_client_was_denied(client));
    err = (struct adit_error){0};
    assert_int_equal(mux_client_stop(client, &err), ADIT_E_COMMAND);
    assert_false(mux_client_was_denied(client));
    leave();
}

static void test_stop_and_terminate(void **state)
{
    (void)state;
    says_hello(MUX_VERSION);
    says_type(MUX_S_OK, 1);
    says_type(MUX_S_OK, 2);
    greet();
    assert_int_equal(mux_client_stop(client, &err), ADIT_E_OK);
    assert_int_equal(mux_client_terminate(client, &err), ADIT_E_OK);
    assert_int_equal(mux_client_stop(client, &err), ADIT_E_CLOSED); /* it has gone */
    err = (struct adit_error){0};
    assert_int_equal(mux_client_terminate(client, &err), ADIT_E_OK); /* before it could say so */
    leave();
    (void)heard();
    struct mux_message m = heard();
    assert_true(m.type == MUX_C_STOP_LISTENING && m.id == 1);
    m = heard();
    assert_true(m.type == MUX_C_TERMINATE && m.id == 2);
    (void)begin(state);
    says_hello(MUX_VERSION);
    says(&(struct mux_message){.type = MUX_S_FAILURE, .id = 1, .reason = span_str("no")});
    greet();
    assert_int_equal(mux_client_terminate(client, &err), ADIT_E_COMMAND);
    leave();
}

/* ---- Forwards ---- */

static void test_forwards(void **state)
{
    static const struct {
        struct session_forward f;
        uint32_t type, listen_port, connect_port;
        const char *listen, *connect;
    } rows[] = {
        {{.type = SESSION_FORWARD_LOCAL, .bind_port = 1, .host = "web", .port = 80}, 1, 1, 80, "", "web"},
        {{.type = SESSION_FORWARD_LOCAL, .bind = "", .bind_port = 2, .path = "/run/x"},
         1,
         2,
         MUX_PORT_PATH,
         "*",
         "/run/x"},
        {{.type = SESSION_FORWARD_REMOTE, .bind_path = "/run/y", .host = "::1", .port = 1},
         2,
         MUX_PORT_PATH,
         1,
         "/run/y",
         "::1"},
        {{.type = SESSION_FORWARD_REMOTE, .bind = "a", .bind_port = 3}, 2, 3, 0, "a", "socks"},
        {{.type = SESSION_FORWARD_DYNAMIC, .bind_port = 1080}, 3, 1080, 0, "", "socks"},
    };
    uint32_t port;
    (void)state;
    says_hello(MUX_VERSION);
    for (uint32_t i = 0; i < ADIT_COUNT(rows); i++)
        says_type(MUX_S_OK, i + 1);
    greet();
    for (uint32_t i = 0; i < ADIT_COUNT(rows); i++) {
        assert_int_equal(mux_client_forward(client, &rows[i].f, i % 2, &port, &err), ADIT_E_OK);
        assert_int_equal(port, 0);
    }
    leave();
    (void)heard();
    for (uint32_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct mux_message m = heard();
        assert_int_equal(m.type, i % 2 ? MUX_C_CLOSE_FWD : MUX_C_OPEN_FWD);
        assert_int_equal(m.id, i + 1);
        assert_int_equal(m.forward.type, rows[i].type);
        assert_true(span_is(m.forward.listen_host, rows[i].listen) &&
                    m.forward.listen_port == rows[i].listen_port);
        assert_true(span_is(m.forward.connect_host, rows[i].connect));
        assert_int_equal(m.forward.connect_port, rows[i].connect_port);
        assert_true(mux_forward_is_sound(&m.forward));
    }
}

static void test_chosen_port(void **state)
{
    const struct session_forward f = {.type = SESSION_FORWARD_REMOTE, .host = "web", .port = 80};
    uint32_t port;
    (void)state;
    says_hello(MUX_VERSION);
    says(&(struct mux_message){.type = MUX_S_REMOTE_PORT, .id = 1, .number = 40001});
    says_type(MUX_S_ALIVE, 2);
    greet();
    assert_int_equal(mux_client_forward(client, &f, false, &port, &err), ADIT_E_OK);
    assert_int_equal(port, 40001);
    assert_int_equal(mux_client_forward(client, &f, false, &port, &err), ADIT_E_PROTOCOL);
    assert_int_equal(port, 0);
    leave();
}

/* ---- Sessions ---- */

static int ends[4];

static void make_pipes(void)
{
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(ends + 2), 0);
}

static void close_pipes(void)
{
    for (size_t i = 0; i < ADIT_COUNT(ends); i++)
        close(ends[i]);
}

/* The n-th that was passed is another name of fd. */
static void assert_passed(size_t n, int fd)
{
    struct stat a, b;
    assert_true(n < master.fd_count);
    assert_int_equal(fstat(master.fds[n], &a), 0);
    assert_int_equal(fstat(fd, &b), 0);
    assert_true(a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

static void opens(uint32_t request, uint32_t id)
{
    says(&(struct mux_message){.type = MUX_S_SESSION_OPENED, .id = request, .session_id = id});
}

static void exits(uint32_t id, uint32_t status)
{
    says(&(struct mux_message){.type = MUX_S_EXIT_MESSAGE, .session_id = id, .number = status});
}

static struct session_exec exec_of(enum session_exec_kind kind, const char *text)
{
    return (struct session_exec){
        .kind = kind, .text = text, .term = "vt100", .in_fd = ends[0], .out_fd = ends[1], .err_fd = ends[3]};
}

static void test_session(void **state)
{
    static const char *const env[] = {"A=b", "LANG=C"};
    uint32_t status = 99;
    struct span one;
    (void)state;
    make_pipes();
    struct session_exec exec = exec_of(SESSION_EXEC_COMMAND, "ls -l");
    exec.env = env;
    exec.env_count = 2;
    exec.wants_pty = true;
    const struct mux_client_session wanted = {.exec = &exec, .escape_char = '~', .wants_agent = true};
    says_hello(MUX_VERSION);
    opens(1, 7);
    exits(6, 1);                                  /* another's */
    says_raw("\0\0\0\x08\x90\0\0\1\0\0\0\1", 12); /* of a later version */
    says(&(struct mux_message){.type = MUX_S_TTY_ALLOC_FAIL, .session_id = 6});
    says(&(struct mux_message){.type = MUX_S_TTY_ALLOC_FAIL, .session_id = 7});
    exits(7, 3);
    says_raw("\0\0\0\x0c\x80\0\0\4\0\0\0\7", 12); /* truncated */
    greet();
    assert_int_equal(mux_client_session(client, &wanted, &err), ADIT_E_OK);
    assert_int_equal(mux_client_next(client, &status, &err), MUX_CLIENT_NO_TTY);
    assert_int_equal(status, 99);
    assert_int_equal(mux_client_next(client, &status, &err), MUX_CLIENT_EXIT);
    assert_int_equal(status, 3);
    assert_int_equal(mux_client_next(client, &status, &err), MUX_CLIENT_OVER);
    assert_int_equal(err.code, ADIT_E_OK);
    mux_client_free(client);
    fake_master_join(&master);
    (void)heard();
    struct mux_message m = heard();
    assert_true(m.type == MUX_C_NEW_SESSION && m.id == 1);
    assert_true(m.session.wants_tty && m.session.wants_agent && !m.session.wants_x11 &&
                !m.session.is_subsystem);
    assert_true(m.session.escape == '~' && span_is(m.session.term, "vt100") &&
                span_is(m.session.command, "ls -l"));
    assert_true(mux_env_next(&m.session.env, &one) && span_is(one, "A=b"));
    assert_true(mux_env_next(&m.session.env, &one) && span_is(one, "LANG=C"));
    assert_false(mux_env_next(&m.session.env, &one));
    assert_int_equal(master.heard_len - read_len, 3); /* a byte with each */
    assert_int_equal(master.fd_count, 3);
    assert_passed(0, ends[0]);
    assert_passed(1, ends[1]);
    assert_passed(2, ends[3]);
    fake_master_close_fds(&master);
    close_pipes();
}

/* A master that closes the socket has ended, and err is for what is no end. */
static void test_over(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool is_reset; /* it has not read what was sent to it */
        enum adit_err code;
        const char *text;
    } rows[] = {
        {"", 0, false, ADIT_E_OK, ""},
        {"", 0, true, ADIT_E_CLOSED, "the master does not answer: Connection reset by peer"},
        {"\xff\xff\xff\xff", 4, false, ADIT_E_PROTOCOL, "the master sent a message that is too long"},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        uint8_t hello[FAKE_MASTER_HELLO];
        uint32_t status = 99;
        int fds[2];
        (void)begin(state);
        says_hello(MUX_VERSION);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(write(fds[1], words, script.used), script.used);
        assert_int_equal(mux_client_take(&client, fds[0], 5, &err), ADIT_E_OK);
        if (!rows[i].is_reset)
            assert_int_equal(read(fds[1], hello, sizeof hello), sizeof hello);
        assert_int_equal(write(fds[1], rows[i].bytes, rows[i].n), rows[i].n);
        close(fds[1]);
        assert_int_equal(mux_client_next(client, &status, &err), MUX_CLIENT_OVER);
        assert_int_equal(status, 99);
        assert_int_equal(err.code, rows[i].code);
        assert_string_equal(err.text, rows[i].text);
        mux_client_free(client);
    }
}

static void test_session_kinds(void **state)
{
    struct mux_message m;
    (void)state;
    make_pipes();
    struct session_exec shell = exec_of(SESSION_EXEC_SHELL, NULL),
                        sftp = exec_of(SESSION_EXEC_SUBSYSTEM, "sftp");
    struct mux_client_session wanted = {.exec = &shell, .escape_char = -1};
    says_hello(MUX_VERSION);
    opens(1, 1);
    opens(2, 2);
    greet();
    assert_int_equal(mux_client_session(client, &wanted, &err), ADIT_E_OK);
    wanted.exec = &sftp;
    assert_int_equal(mux_client_session(client, &wanted, &err), ADIT_E_OK);
    leave();
    (void)heard();
    m = heard();
    assert_true(!m.session.is_subsystem && m.session.command.n == 0 && m.session.escape == MUX_ESCAPE_NONE);
    assert_true(!m.session.wants_tty && m.session.term.n == 0);
    read_len += 3;
    m = heard();
    assert_true(m.session.is_subsystem && span_is(m.session.command, "sftp") && m.id == 2);
    close_pipes();
}

static void test_session_refused(void **state)
{
    (void)state;
    make_pipes();
    struct session_exec shell = exec_of(SESSION_EXEC_SHELL, NULL);
    struct mux_client_session wanted = {.exec = &shell, .escape_char = -1};
    says_hello(MUX_VERSION);
    says(&(struct mux_message){
        .type = MUX_S_FAILURE, .id = 1, .reason = span_str("Session open refused by peer")});
    greet();
    assert_int_equal(mux_client_session(client, &wanted, &err), ADIT_E_COMMAND);
    assert_string_equal(err.text, "Session open refused by peer");
    leave();
    /* one that does not wait for what it was asked */
    (void)begin(state);
    says_hello(MUX_VERSION);
    master.is_deaf = true;
    greet();
    fake_master_join(&master);
    assert_int_equal(mux_client_session(client, &wanted, &err), ADIT_E_CLOSED);
    mux_client_free(client);
    close_pipes();
}

static void test_too_long(void **state)
{
    static char text[LIMIT_MUX_MESSAGE];
    const char *const env[] = {text, text};
    (void)state;
    memset(text, 'x', sizeof text - 1);
    make_pipes();
    struct session_exec exec = exec_of(SESSION_EXEC_COMMAND, text);
    struct mux_client_session wanted = {.exec = &exec, .escape_char = -1};
    says_hello(MUX_VERSION);
    greet();
    assert_int_equal(mux_client_session(client, &wanted, &err), ADIT_E_COMMAND);
    exec.text = "x";
    exec.env = env;
    exec.env_count = 2;
    err = (struct adit_error){0};
    assert_int_equal(mux_client_session(client, &wanted, &err), ADIT_E_COMMAND);
    leave();
    (void)heard();
    assert_int_equal(read_len, master.heard_len); /* nothing of them was sent */
    assert_int_equal(master.fd_count, 0);
    close_pipes();
}

static void test_stdio(void **state)
{
    struct session_forward f = {.type = SESSION_FORWARD_STDIO, .host = "web", .port = 80};
    uint32_t status;
    (void)state;
    make_pipes();
    says_hello(MUX_VERSION);
    opens(1, 1);
    opens(2, 2);
    greet();
    assert_int_equal(mux_client_stdio(client, &f, ends[0], ends[3], &err), ADIT_E_OK);
    f = (struct session_forward){.type = SESSION_FORWARD_STDIO, .path = "/run/x"};
    assert_int_equal(mux_client_stdio(client, &f, ends[0], ends[3], &err), ADIT_E_OK);
    assert_int_equal(mux_client_next(client, &status, &err), MUX_CLIENT_OVER);
    mux_client_free(client);
    fake_master_join(&master);
    (void)heard();
    struct mux_message m = heard();
    assert_true(m.type == MUX_C_NEW_STDIO_FWD && span_is(m.forward.connect_host, "web"));
    assert_int_equal(m.forward.connect_port, 80);
    assert_int_equal(master.fd_count, 4);
    assert_passed(0, ends[0]);
    assert_passed(1, ends[3]);
    read_len += 2;
    m = heard();
    assert_true(span_is(m.forward.connect_host, "/run/x") && m.forward.connect_port == MUX_PORT_PATH);
    fake_master_close_fds(&master);
    close_pipes();
}

static int make_master(void **state)
{
    (void)state;
    fake_master_init(&master);
    return 0;
}

static int wipe_master(void **state)
{
    (void)state;
    fake_master_wipe(&master);
    return 0;
}

#define TEST(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_stream),          TEST(test_hello),
        TEST(test_no_hello),        TEST(test_silent_master),
        TEST(test_no_master),       TEST(test_alive),
        TEST(test_refusals),        TEST(test_stop_and_terminate),
        TEST(test_forwards),        TEST(test_chosen_port),
        TEST(test_session),         TEST(test_session_kinds),
        TEST(test_session_refused), TEST(test_too_long),
        TEST(test_stdio),           TEST(test_over),
    };
    return cmocka_run_group_tests(tests, make_master, wipe_master);
}
