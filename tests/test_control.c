/*
 * The master's side of a control socket, with clients on real Unix sockets and a session that is none.
 */
#define _GNU_SOURCE
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>

#include "tests/fake_session.h"

enum { PID = 4711 };

/* ---- Clients ---- */

struct reader {
    int fd;
    size_t n;
    uint8_t bytes[4096];
};

static struct reader one, two;
static int fds_before;

static int open_fds(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        n++;
    closedir(folder);
    return n;
}

static void say_bytes(struct reader *c, const void *p, size_t n)
{
    (void)fake_send(c->fd, span_make(p, n));
    fake_turn();
}

static void say(struct reader *c, const struct mux_message *m)
{
    static uint8_t bytes[LIMIT_MUX_MESSAGE + 4];
    struct wr w = wr_init(bytes, sizeof bytes);
    mux_write(&w, m);
    assert_true(wr_ok(&w));
    say_bytes(c, bytes, w.used);
}

static void ask(struct reader *c, uint32_t type, uint32_t id)
{
    say(c, &(struct mux_message){.type = type, .id = id});
}

/* Length, type and id as they stand there, then that many zeros. */
static void say_raw(struct reader *c, uint32_t len, uint32_t type, uint32_t id, size_t zeros)
{
    uint8_t bytes[64] = {0};
    struct wr w = wr_init(bytes, sizeof bytes);
    wr_u32(&w, len);
    wr_u32(&w, type);
    wr_u32(&w, id);
    say_bytes(c, bytes, w.used + zeros);
}

/* True: the master closed it, and had said nothing more. */
static bool is_closed(struct reader *c)
{
    ssize_t n = recv(c->fd, c->bytes + c->n, sizeof c->bytes - c->n, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

static bool is_silent(struct reader *c)
{
    return c->n == 0 && recv(c->fd, c->bytes, 1, 0) < 0 && errno == EAGAIN;
}

/* The next message; its texts are there until the next call. */
static struct mux_message hear(struct reader *c)
{
    static uint8_t kept[4096];
    struct mux_message m = {0};
    struct adit_error err = {ADIT_E_OK, ""};
    struct span message;
    size_t used;
    ssize_t got = recv(c->fd, c->bytes + c->n, sizeof c->bytes - c->n, 0);
    c->n += got > 0 ? (size_t)got : 0;
    assert_int_equal(mux_frame(span_make(c->bytes, c->n), &message, &used), MUX_FRAME_WHOLE);
    memcpy(kept, message.p, message.n);
    c->n -= used;
    memmove(c->bytes, c->bytes + used, c->n);
    assert_int_equal(mux_parse(&m, span_make(kept, message.n), &err), ADIT_E_OK);
    return m;
}

static void hears(struct reader *c, uint32_t type, uint32_t id)
{
    struct mux_message m = hear(c);
    assert_int_equal(m.type, type);
    assert_int_equal(m.id, id);
}

static void hears_refusal(struct reader *c, uint32_t id, const char *why)
{
    struct mux_message m = hear(c);
    assert_int_equal(m.type, MUX_S_FAILURE);
    assert_int_equal(m.id, id);
    assert_true(span_is(m.reason, why));
}

static void call(struct reader *c)
{
    c->n = 0;
    c->fd = fake_connect();
    assert_true(c->fd >= 0);
    fake_turn();
}

static void greet(struct reader *c)
{
    call(c);
    struct mux_message m = hear(c);
    assert_int_equal(m.type, MUX_MSG_HELLO);
    assert_int_equal(m.version, 4);
    say(c, &(struct mux_message){.type = MUX_MSG_HELLO, .version = MUX_VERSION});
}

static void hang_up(struct reader *c)
{
    sock_close(&c->fd);
    fake_turn();
}

static int start_with(void **state, struct session_control spec)
{
    (void)state;
    one.fd = two.fd = -1;
    fds_before = open_fds();
    spec.pid = PID;
    fake_start(&spec);
    return 0;
}

static int start(void **state)
{
    return start_with(state, (struct session_control){0});
}

/* Whatever was open: nothing stays. */
static int stop(void **state)
{
    (void)state;
    fake_stop();
    sock_close(&one.fd);
    sock_close(&two.fd);
    return open_fds() == fds_before ? 0 : -1;
}

/* ---- HELLO and small requests ---- */

static void test_hello(void **state)
{
    (void)state;
    call(&one);
    ask(&one, MUX_C_ALIVE_CHECK, 1); /* before HELLO */
    hears(&one, MUX_MSG_HELLO, 0);
    assert_true(is_closed(&one));
    hang_up(&one);
    call(&one);
    hears(&one, MUX_MSG_HELLO, 0);
    say(&one, &(struct mux_message){.type = MUX_MSG_HELLO, .version = 3});
    assert_true(is_closed(&one));
    hang_up(&one);
    greet(&one);
    say(&one, &(struct mux_message){.type = MUX_MSG_HELLO, .version = MUX_VERSION});
    assert_true(is_closed(&one));
}

static void test_small_requests(void **state)
{
    static const uint32_t unsupported[] = {MUX_C_PROXY, 0x10000001, 0x7fffffff, MUX_S_OK,
                                           MUX_S_SESSION_OPENED};
    (void)state;
    greet(&one);
    ask(&one, MUX_C_ALIVE_CHECK, 77);
    struct mux_message m = hear(&one);
    assert_true(m.type == MUX_S_ALIVE && m.id == 77 && m.number == PID);
    for (uint32_t i = 0; i < ADIT_COUNT(unsupported); i++) {
        say_raw(&one, unsupported[i] == MUX_S_SESSION_OPENED ? 12 : 8, unsupported[i], i,
                unsupported[i] == MUX_S_SESSION_OPENED ? 4 : 0);
        hears_refusal(&one, i, "unsupported request");
    }
    /* of a type that nobody knows, and without an id */
    say_bytes(&one, "\0\0\0\4\x10\0\0\1", 8);
    hears_refusal(&one, 0, "unsupported request");
    ask(&one, MUX_C_ALIVE_CHECK, 78);
    hears(&one, MUX_S_ALIVE, 78);
    assert_true(is_silent(&one));
}

/* Byte by byte and several at once are the same. */
static void test_chunks(void **state)
{
    static const char alive[] = "\0\0\0\x08\x10\0\0\x04\0\0\0\x05";
    char many[40 * 12];
    (void)state;
    greet(&one);
    for (size_t i = 0; i < 12; i++)
        say_bytes(&one, alive + i, 1);
    hears(&one, MUX_S_ALIVE, 5);
    for (size_t i = 0; i < 40; i++)
        memcpy(many + i * 12, alive, 12);
    say_bytes(&one, many, sizeof many);
    for (size_t i = 0; i < 40; i++)
        hears(&one, MUX_S_ALIVE, 5);
    assert_true(is_silent(&one));
}

static void test_stop_and_terminate(void **state)
{
    (void)state;
    greet(&one);
    greet(&two);
    ask(&one, MUX_C_STOP_LISTENING, 1);
    hears(&one, MUX_S_OK, 1);
    assert_int_equal(access(fake.path, F_OK), -1);
    assert_int_equal(fake_connect(), -1);
    ask(&one, MUX_C_STOP_LISTENING, 2);
    hears(&one, MUX_S_OK, 2);
    ask(&two, MUX_C_ALIVE_CHECK, 3);
    hears(&two, MUX_S_ALIVE, 3);
    assert_int_equal(fake.ends, 0);
    ask(&two, MUX_C_TERMINATE, 4);
    hears(&two, MUX_S_OK, 4);
    assert_int_equal(fake.ends_at_once, 1);
}

static void test_wrong_lengths(void **state)
{
    static const struct {
        uint32_t len, type;
        size_t zeros;
    } rows[] = {
        {0, MUX_C_ALIVE_CHECK, 0},
        {3, MUX_C_ALIVE_CHECK, 0},
        {LIMIT_MUX_MESSAGE + 1, MUX_C_ALIVE_CHECK, 0},
        {UINT32_MAX, MUX_C_ALIVE_CHECK, 0},
        {9, MUX_C_ALIVE_CHECK, 1}, /* too long for it */
        {12, MUX_C_OPEN_FWD, 4},   /* too short for it */
        {27, MUX_C_OPEN_FWD, 19},
        {12, MUX_C_NEW_SESSION, 4},
        {12, MUX_C_NEW_STDIO_FWD, 4},
    };
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        greet(&one);
        say_raw(&one, rows[i].len, rows[i].type, 1, rows[i].zeros);
        assert_true(is_closed(&one));
        hang_up(&one);
    }
    assert_int_equal(fake.began, 0);
    /* the longest there can be, unknown: refused; and then one that never ends */
    greet(&one);
    static uint8_t long_one[4 + LIMIT_MUX_MESSAGE] = {0, 4, 0, 0, 0x10, 0, 0, 1, 0, 0, 0, 9};
    say_bytes(&one, long_one, sizeof long_one);
    hears_refusal(&one, 9, "unsupported request");
    say_bytes(&one, long_one, sizeof long_one - 1);
    assert_true(is_silent(&one));
    hang_up(&one);
    greet(&one); /* others do not care */
    ask(&one, MUX_C_ALIVE_CHECK, 1);
    hears(&one, MUX_S_ALIVE, 1);
}

/* ---- Forwards ---- */

static struct mux_message forward(uint32_t type, uint32_t kind, const char *listen, uint32_t listen_port,
                                  const char *connect, uint32_t connect_port)
{
    return (struct mux_message){.type = type,
                                .id = listen_port,
                                .forward = {.type = kind,
                                            .listen_host = span_str(listen),
                                            .listen_port = listen_port,
                                            .connect_host = span_str(connect),
                                            .connect_port = connect_port}};
}

static const struct session_forward *opened(uint32_t kind, const char *listen, uint32_t listen_port,
                                            const char *connect, uint32_t connect_port)
{
    struct mux_message m = forward(MUX_C_OPEN_FWD, kind, listen, listen_port, connect, connect_port);
    say(&one, &m);
    hears(&one, MUX_S_OK, listen_port);
    return fake_guest(fake_guests() - 1)->spec;
}

static void test_forwards(void **state)
{
    (void)state;
    greet(&one);
    const struct session_forward *f = opened(MUX_FORWARD_LOCAL, "", 1, "web", 80);
    assert_true(f->type == SESSION_FORWARD_LOCAL && !f->bind && f->bind_port == 1 && f->port == 80);
    assert_string_equal(f->host, "web");
    f = opened(MUX_FORWARD_LOCAL, "*", 2, "/run/x", MUX_PORT_PATH);
    assert_true(f->port == 0 && !f->host);
    assert_string_equal(f->bind, "");
    assert_string_equal(f->path, "/run/x");
    f = opened(MUX_FORWARD_LOCAL, "/run/y", MUX_PORT_PATH, "web", 80);
    assert_true(!f->bind && f->bind_port == 0);
    assert_string_equal(f->bind_path, "/run/y");
    f = opened(MUX_FORWARD_DYNAMIC, "::1", 1080, "socks", 0);
    assert_true(f->type == SESSION_FORWARD_DYNAMIC && !f->host && !f->path);
    assert_string_equal(f->bind, "::1");
    f = opened(MUX_FORWARD_REMOTE, "", 3, "db", 5432);
    assert_true(f->type == SESSION_FORWARD_REMOTE && f->bind_port == 3 && f->port == 5432);
    f = opened(MUX_FORWARD_REMOTE, "localhost", 4, "socks", 0);
    assert_true(f->type == SESSION_FORWARD_REMOTE && !f->host);
    assert_int_equal(fake_guests(), 6);
    hang_up(&one); /* they stay */
    assert_int_equal(fake_guests(), 6);
}

static int start_gateway(void **state)
{
    return start_with(state, (struct session_control){.gateway_ports = true});
}

static void test_gateway_ports(void **state)
{
    (void)state;
    greet(&one);
    assert_string_equal(opened(MUX_FORWARD_LOCAL, "", 1, "web", 80)->bind, "");
    assert_null(opened(MUX_FORWARD_REMOTE, "", 2, "web", 80)->bind); /* the server's affair */
}

static void test_unsound_forwards(void **state)
{
    (void)state;
    struct mux_message rows[] = {
        forward(MUX_C_OPEN_FWD, 0, "", 1, "web", 80),
        forward(MUX_C_OPEN_FWD, 4, "", 2, "web", 80),
        forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 65536, "web", 80),
        forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 3, "web", 65536),
        forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 4, "", 80),
        forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", MUX_PORT_PATH, "web", 80),
        forward(MUX_C_CLOSE_FWD, 9, "", 5, "web", 80),
    };
    greet(&one);
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        say(&one, &rows[i]);
        hears_refusal(&one, rows[i].id, "Invalid forwarding request");
    }
    assert_int_equal(fake.began, 0);
}

static void test_same_forward_again(void **state)
{
    struct mux_message local = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 1, "web", 80),
                       configured = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 8080, "web", 80);
    (void)state;
    greet(&one);
    greet(&two);
    say(&one, &local);
    hears(&one, MUX_S_OK, 1);
    say(&two, &local);
    hears(&two, MUX_S_OK, 1);
    say(&two, &configured);
    hears(&two, MUX_S_OK, 8080);
    assert_int_equal(fake.began, 1);
    assert_int_equal(fake_guests(), 1);
}

static void test_close(void **state)
{
    struct mux_message open = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 1, "web", 80), close_it = open,
                       configured = forward(MUX_C_CLOSE_FWD, MUX_FORWARD_LOCAL, "", 8080, "web", 80);
    (void)state;
    close_it.type = MUX_C_CLOSE_FWD;
    greet(&one);
    greet(&two);
    say(&one, &close_it);
    hears_refusal(&one, 1, "port not forwarded");
    say(&one, &open);
    hears(&one, MUX_S_OK, 1);
    fake_flow_new(fake_guest(0)); /* one who is connected stays so */
    say(&two, &close_it);
    hears(&two, MUX_S_OK, 1);
    assert_int_equal(fake.stopped, 1);
    assert_int_equal(fake_guests(), 1);
    say(&two, &close_it);
    hears_refusal(&two, 1, "port not forwarded");
    fake_gone(fake_guest(0)->flows);
    fake_turn();
    assert_int_equal(fake_guests(), 0);
    say(&two, &configured);
    hears(&two, MUX_S_OK, 8080);
    assert_true(fake.forwarders[1].is_cancelled);
    say(&two, &configured);
    hears_refusal(&two, 8080, "port not forwarded");
    assert_int_equal(fake.stopped, 2);
}

static void test_remote_port(void **state)
{
    struct mux_message any = forward(MUX_C_OPEN_FWD, MUX_FORWARD_REMOTE, "", 0, "web", 80), chosen;
    (void)state;
    greet(&one);
    fake.keeps_waiting = true;
    any.id = 9;
    say(&one, &any);
    assert_true(is_silent(&one));
    fake_up(fake_guest(0), 41234);
    struct mux_message m = hear(&one);
    assert_true(m.type == MUX_S_REMOTE_PORT && m.id == 9 && m.number == 41234);
    /* closed by the port that it got, and its place is nobody's before the server has answered */
    chosen = forward(MUX_C_CLOSE_FWD, MUX_FORWARD_REMOTE, "", 41234, "web", 80);
    say(&one, &chosen);
    hears(&one, MUX_S_OK, 41234);
    assert_int_equal(fake_guests(), 1);
    fake_cancelled(fake_guest(0));
    fake_turn();
    assert_int_equal(fake_guests(), 0);
}

static void test_refused_forwards(void **state)
{
    struct mux_message remote = forward(MUX_C_OPEN_FWD, MUX_FORWARD_REMOTE, "", 22, "web", 80),
                       local = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 23, "web", 80);
    (void)state;
    greet(&one);
    fake.keeps_waiting = true;
    say(&one, &remote);
    fake_failed(fake_guest(0), false); /* one address of several */
    fake_turn();
    assert_true(is_silent(&one));
    fake_failed(fake_guest(0), true);
    fake_turn();
    hears_refusal(&one, 22, "remote port forwarding failed for listen port 22");
    say(&one, &local);
    fake_failed(fake_guest(0), true);
    fake_turn();
    hears_refusal(&one, 23, "Port forwarding failed");
    assert_int_equal(fake_guests(), 0);
    fake.is_ending = true;
    say(&one, &local);
    hears_refusal(&one, 23, "the connection is about to end");
}

/* Who asked is gone before the answer: nobody hears it, and the forward is there. */
static void test_asker_gone(void **state)
{
    struct mux_message remote = forward(MUX_C_OPEN_FWD, MUX_FORWARD_REMOTE, "", 0, "web", 80);
    (void)state;
    fake.keeps_waiting = true;
    greet(&one);
    say(&one, &remote);
    say(&one, &remote); /* a second one of the same is asked for, too */
    hang_up(&one);
    assert_int_equal(fake_guests(), 2);
    fake_up(fake_guest(0), 5);
    fake_failed(fake_guest(1), true);
    fake_turn();
    assert_int_equal(fake_guests(), 1);
}

/* ---- Sessions ---- */

static int near[3], far[3]; /* what a client passes, and its own ends */

static void make_standard(void)
{
    for (int i = 0; i < 3; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        near[i] = ends[i > 0];
        far[i] = ends[i == 0];
    }
}

static void close_standard(void)
{
    for (int i = 0; i < 3; i++) {
        sock_close(&near[i]);
        sock_close(&far[i]);
    }
}

static void pass(struct reader *c, int count)
{
    for (int i = 0; i < count; i++) {
        assert_true(fdpass_send(c->fd, near[i]));
        fake_turn();
    }
}

static struct mux_message session(uint32_t id, const char *command)
{
    return (struct mux_message){
        .type = MUX_C_NEW_SESSION,
        .id = id,
        .session = {.escape = '~', .term = span_str("vt100"), .command = span_str(command)}};
}

/* The session's own flow, once its descriptors are passed. */
static struct flow *begin(struct reader *c, const struct mux_message *m)
{
    make_standard();
    say(c, m);
    pass(c, m->type == MUX_C_NEW_SESSION ? 3 : 2);
    assert_int_equal(fake_guests(), 1);
    return fake_guest(0)->flows;
}

static void test_session(void **state)
{
    char text[8] = "";
    struct mux_message m = session(5, "ls -l");
    static const uint8_t env[] = "\0\0\0\3A=b\0\0\0\4C=de";
    (void)state;
    m.session.env = span_make(env, sizeof env - 1);
    m.session.wants_tty = m.session.wants_agent = true;
    greet(&one);
    struct flow *flow = begin(&one, &m);
    const struct session_exec *exec = fake_guest(0)->spec->exec;
    assert_int_equal(exec->kind, SESSION_EXEC_COMMAND);
    assert_string_equal(exec->text, "ls -l");
    assert_string_equal(exec->term, "vt100");
    assert_true(exec->wants_pty && exec->wants_agent && exec->window.columns == 80);
    assert_int_equal(exec->env_count, 2);
    assert_string_equal(exec->env[0], "A=b");
    assert_string_equal(exec->env[1], "C=de");
    assert_true(is_silent(&one));
    fake_opened(flow);
    struct mux_message its = hear(&one);
    assert_true(its.type == MUX_S_SESSION_OPENED && its.id == 5 && its.session_id == 1);
    /* each where it belongs */
    assert_int_equal(write(far[0], "in", 2), 2);
    fake_turn(); /* a terminal's input is looked at for escapes */
    assert_int_equal(read(fake.fds[0], text, sizeof text), 2);
    assert_int_equal(write(fake.fds[1], "out", 3), 3);
    assert_int_equal(write(fake.fds[2], "error", 5), 5);
    assert_int_equal(read(far[1], text, sizeof text), 3);
    assert_int_equal(read(far[2], text, sizeof text), 5);
    fake_told(flow, SESSION_NO_PTY, 0, NULL);
    its = hear(&one);
    assert_true(its.type == MUX_S_TTY_ALLOC_FAIL && its.session_id == 1);
    fake_told(flow, SESSION_EXEC_EXIT, 3, NULL);
    assert_true(is_silent(&one)); /* its output may come yet */
    fake_gone(flow);
    its = hear(&one);
    assert_true(its.type == MUX_S_EXIT_MESSAGE && its.session_id == 1 && its.number == 3);
    assert_true(is_closed(&one));
    fake_turn();
    assert_int_equal(fake_guests(), 0);
    close_standard();
}

static void test_session_kinds(void **state)
{
    struct mux_message m = session(1, "");
    (void)state;
    greet(&one);
    (void)begin(&one, &m);
    assert_int_equal(fake_guest(0)->spec->exec->kind, SESSION_EXEC_SHELL);
    assert_false(fake_guest(0)->spec->exec->wants_pty);
    fake_gone(fake_guest(0)->flows);
    fake_turn();
    hears_refusal(&one, 1, "Session open refused by peer"); /* it never opened */
    close_standard();
    m = session(2, "sftp");
    m.session.is_subsystem = true;
    struct flow *flow = begin(&one, &m);
    assert_int_equal(fake_guest(0)->spec->exec->kind, SESSION_EXEC_SUBSYSTEM);
    fake_refused(flow);
    fake_turn();
    hears_refusal(&one, 2, "Session open refused by peer");
    assert_int_equal(fake_guests(), 0);
    close_standard();
    /* a signal is no status */
    m = session(3, "x");
    flow = begin(&one, &m);
    fake_opened(flow);
    hears(&one, MUX_S_SESSION_OPENED, 3);
    fake_told(flow, SESSION_EXEC_EXIT, 0, "TERM");
    fake_gone(flow);
    assert_true(is_closed(&one));
    close_standard();
}

/* Nothing of the reader's ends stays open here once the session has gone. */
static void test_descriptors_are_closed(void **state)
{
    struct mux_message m = session(1, "x");
    char byte;
    (void)state;
    greet(&one);
    (void)begin(&one, &m);
    for (int i = 0; i < 3; i++)
        sock_close(&near[i]);
    fake_fds_close();
    assert_int_equal(read(far[1], &byte, 1), 0); /* although the session goes on */
    assert_int_equal(read(far[2], &byte, 1), 0);
    close_standard();
}

static void test_stdio(void **state)
{
    struct mux_message m = {.type = MUX_C_NEW_STDIO_FWD,
                            .id = 8,
                            .forward = {.connect_host = span_str("web"), .connect_port = 80}};
    char text[4];
    (void)state;
    greet(&one);
    struct flow *flow = begin(&one, &m);
    const struct session_forward *spec = fake_guest(0)->spec;
    assert_true(spec->type == SESSION_FORWARD_STDIO && spec->port == 80 && !spec->path);
    assert_string_equal(spec->host, "web");
    fake_opened(flow);
    struct mux_message its = hear(&one);
    assert_true(its.type == MUX_S_SESSION_OPENED && its.id == 8 && its.session_id == 1);
    assert_int_equal(write(fake.fds[1], "out", 3), 3);
    assert_int_equal(read(far[1], text, sizeof text), 3);
    fake_gone(flow);
    assert_true(is_closed(&one));
    close_standard();
    m.forward = (struct mux_forward){.connect_host = span_str("/run/x"), .connect_port = MUX_PORT_PATH};
    hang_up(&one);
    greet(&one);
    (void)begin(&one, &m);
    assert_string_equal(fake_guest(0)->spec->path, "/run/x");
    close_standard();
}

static void test_unsound_stdio(void **state)
{
    static const struct mux_forward rows[] = {
        {.connect_port = 80},
        {.connect_host = {(const uint8_t *)"a", 1}},
        {.connect_host = {(const uint8_t *)"a", 1}, .connect_port = 65536}};
    (void)state;
    greet(&one);
    make_standard();
    for (uint32_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct mux_message m = {.type = MUX_C_NEW_STDIO_FWD, .id = i, .forward = rows[i]};
        say(&one, &m);
        pass(&one, 2);
        hears_refusal(&one, i, "Invalid forwarding request");
    }
    assert_int_equal(fake.began, 0);
    close_standard();
}

/* One a client. */
static void test_second_session(void **state)
{
    struct mux_message m = session(1, "x");
    (void)state;
    greet(&one);
    struct flow *flow = begin(&one, &m);
    fake_opened(flow);
    hears(&one, MUX_S_SESSION_OPENED, 1);
    m.id = 2;
    say(&one, &m);
    pass(&one, 3);
    hears_refusal(&one, 2, "Multiple sessions not supported");
    assert_int_equal(fake.began, 1);
    ask(&one, MUX_C_ALIVE_CHECK, 3); /* and the stream is where it should be */
    hears(&one, MUX_S_ALIVE, 3);
    fake.is_ending = true;
    greet(&two);
    say(&two, &m);
    pass(&two, 3);
    hears_refusal(&two, 2, "the connection is about to end");
    close_standard();
}

/* What is due are descriptors, one with each byte. */
static void test_wrong_order(void **state)
{
    struct mux_message m = session(1, "x");
    (void)state;
    greet(&one);
    say(&one, &m);
    ask(&one, MUX_C_ALIVE_CHECK, 2); /* bytes without them */
    assert_true(is_closed(&one));
    hang_up(&one);
    greet(&one); /* one with a byte of a message: it is nobody's, and goes */
    make_standard();
    assert_true(fdpass_send(one.fd, near[0]));
    fake_turn();
    assert_true(is_silent(&one));
    hang_up(&one);
    greet(&one); /* too few */
    say(&one, &m);
    pass(&one, 2);
    hang_up(&one);
    greet(&one); /* one too many */
    say(&one, &m);
    pass(&one, 3);
    assert_true(fdpass_send(one.fd, near[0]));
    fake_turn();
    assert_int_equal(fake.began, 1);
    hang_up(&one);
    close_standard();
}

/* Several in one message, and several messages' at once. */
static void test_descriptors_at_once(void **state)
{
    struct mux_message m = session(1, "x");
    (void)state;
    greet(&one);
    make_standard();
    static uint8_t bytes[256];
    struct wr w = wr_init(bytes, sizeof bytes);
    mux_write(&w, &m);
    assert_int_equal(send(one.fd, bytes, w.used, 0), w.used);
    for (int i = 0; i < 3; i++)
        assert_true(fdpass_send(one.fd, near[i]));
    w = wr_init(bytes, sizeof bytes);
    mux_write(&w, &(struct mux_message){.type = MUX_C_ALIVE_CHECK, .id = 2});
    assert_int_equal(send(one.fd, bytes, w.used, 0), w.used);
    fake_turn();
    assert_int_equal(fake.began, 1);
    hears(&one, MUX_S_ALIVE, 2);
    close_standard();
}

/* Its client goes: so does the session, and late news of it reach nobody. */
static void test_client_gone(void **state)
{
    struct mux_message m = session(1, "x");
    (void)state;
    greet(&one);
    struct flow *flow = begin(&one, &m);
    hang_up(&one);
    assert_true(flow->is_dead);
    assert_int_equal(fake_guests(), 1); /* until its channel has gone */
    fake_opened(flow);
    fake_told(flow, SESSION_EXEC_EXIT, 0, NULL);
    fake_gone(flow);
    fake_turn();
    assert_int_equal(fake_guests(), 0);
    close_standard();
}

static void test_window_change(void **state)
{
    static const struct session_command resize = {.kind = SESSION_DO_WINDOW_CHANGE};
    struct mux_message m = session(1, "x");
    (void)state;
    m.session.wants_tty = true;
    greet(&one);
    struct flow *flow = begin(&one, &m);
    forwarder_control.on_command(&fake.forwarders[0], &resize);
    assert_int_equal(fake.windows, 0); /* not open yet */
    fake_opened(flow);
    forwarder_control.on_command(&fake.forwarders[0], &resize);
    assert_int_equal(fake.windows, 80);
    close_standard();
}

/* ---- Many ---- */

enum { CLIENTS = 256 };

static void test_many_clients(void **state)
{
    static struct reader many[CLIENTS + 2];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(many); i++) {
        if (i < CLIENTS)
            greet(&many[i]);
        else
            call(&many[i]);
        assert_int_equal(i >= CLIENTS, recv(many[i].fd, many[i].bytes, 1, MSG_PEEK) == 0);
    }
    hang_up(&many[CLIENTS + 1]);
    hang_up(&many[7]);
    greet(&many[7]); /* there is room again */
    for (uint32_t i = 0; i < CLIENTS; i++)
        ask(&many[i], MUX_C_ALIVE_CHECK, i);
    for (uint32_t i = 0; i < CLIENTS; i++)
        hears(&many[i], MUX_S_ALIVE, i);
    for (size_t i = 0; i <= CLIENTS; i++)
        sock_close(&many[i].fd);
    fake_turn();
}

static void test_many_guests(void **state)
{
    struct mux_message m, s = session(7, "x");
    (void)state;
    greet(&one);
    for (uint32_t i = 1; i <= FORWARDER_GUESTS; i++) {
        m = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", i, "web", 80);
        say(&one, &m);
        hears(&one, MUX_S_OK, i);
    }
    m = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 1000, "web", 80);
    say(&one, &m);
    hears_refusal(&one, 1000, "too many forwards and sessions");
    make_standard();
    say(&one, &s);
    pass(&one, 3);
    hears_refusal(&one, 7, "too many forwards and sessions");
    m = forward(MUX_C_CLOSE_FWD, MUX_FORWARD_LOCAL, "", 17, "web", 80);
    say(&one, &m);
    hears(&one, MUX_S_OK, 17);
    say(&one, &s); /* there is room again, for the same client, too */
    pass(&one, 3);
    assert_int_equal(fake_guests(), FORWARDER_GUESTS);
    assert_true(is_silent(&one));
    close_standard();
}

/* A client that asks and asks and never reads: it goes, the others stay. */
static void test_flood(void **state)
{
    static const uint8_t alive[] = "\0\0\0\x08\x10\0\0\x04\0\0\0\x05";
    size_t said = 0;
    (void)state;
    greet(&one);
    greet(&two);
    while (fake_send(one.fd, span_make(alive, 12)))
        said += 12;
    assert_true(said > 12);
    fake_turn();
    ask(&two, MUX_C_ALIVE_CHECK, 3);
    hears(&two, MUX_S_ALIVE, 3);
}

/* ---- ControlMaster ask ---- */

static int start_asking(void **state)
{
    return start_with(state, (struct session_control){.must_ask = true, .askpass = "/bin/ask"});
}

static int start_deaf(void **state)
{
    return start_with(state, (struct session_control){.must_ask = true});
}

static void hears_denial(struct reader *c, uint32_t id)
{
    struct mux_message m = hear(c);
    assert_int_equal(m.type, MUX_S_PERMISSION_DENIED);
    assert_int_equal(m.id, id);
}

static void test_asked(void **state)
{
    struct mux_message local = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 1, "web", 80);
    (void)state;
    greet(&one);
    say(&one, &local);
    assert_string_equal(fake.question, "Open local forward LOCALHOST:1 -> web:80 on server?");
    ask(&one, MUX_C_ALIVE_CHECK, 2); /* waits its turn */
    assert_true(is_silent(&one));
    assert_int_equal(fake.began, 0);
    fake_answers(span_str("yes\n"), 0, false);
    hears(&one, MUX_S_OK, 1);
    hears(&one, MUX_S_ALIVE, 2);
    assert_int_equal(fake_guests(), 1);
    say(&one, &local); /* it is there: nobody is asked */
    hears(&one, MUX_S_OK, 1);
    local.forward.listen_port = 2;
    static const struct {
        const char *line;
        int status;
        bool is_yes;
    } rows[] = {{"", 0, true},       {"\n", 0, true},      {"YES", 0, true}, {"no\n", 0, false},
                {"yes\n", 1, false}, {"yes!\n", 0, false}, {"y", 0, false},  {"", 255, false}};
    for (uint32_t i = 0; i < ADIT_COUNT(rows); i++) {
        local.id = local.forward.listen_port = 10 + i;
        say(&one, &local);
        fake_answers(span_str(rows[i].line), rows[i].status, i % 2);
        if (rows[i].is_yes)
            hears(&one, MUX_S_OK, 10 + i);
        else
            hears_denial(&one, 10 + i);
    }
    assert_int_equal(fake_guests(), 4);
}

static void test_asked_for_sessions(void **state)
{
    struct mux_message m = session(1, "x");
    (void)state;
    greet(&one);
    make_standard();
    say(&one, &m);
    pass(&one, 3);
    assert_true(fake.asked_fd >= 0 && fake.began == 0);
    fake_answers(span_str("no"), 0, false);
    hears_denial(&one, 1);
    say(&one, &m);
    pass(&one, 3);
    fake_answers(span_str("yes"), 0, true);
    assert_int_equal(fake.began, 1);
    greet(&two);
    ask(&two, MUX_C_TERMINATE, 5);
    fake_answers(span_str("no"), 0, false);
    hears_denial(&two, 5);
    assert_int_equal(fake.ends, 0);
    ask(&two, MUX_C_TERMINATE, 6);
    fake_answers(span_str(""), 0, false);
    hears(&two, MUX_S_OK, 6);
    assert_int_equal(fake.ends, 1);
    close_standard();
}

/* One question at a time; who leaves takes its question along; the other's comes then. */
static void test_asked_in_turn(void **state)
{
    struct mux_message first = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 1, "web", 80),
                       second = forward(MUX_C_OPEN_FWD, MUX_FORWARD_REMOTE, "*", 2, "web", 80);
    static const uint8_t noise[8192];
    (void)state;
    greet(&one);
    greet(&two);
    say(&one, &first);
    say(&two, &second);
    assert_non_null(strstr(fake.question, "Open local forward"));
    hang_up(&one);
    assert_non_null(strstr(fake.question, "Open remote forward"));
    (void)!send(fake.asked_fd, noise, sizeof noise, 0); /* no yes is as long */
    fake_turn();
    hears_denial(&two, 2);
    assert_int_equal(fake.asked_fd, -1);
    fake.asks_nobody = true;
    say(&two, &second);
    hears_denial(&two, 2);
    assert_int_equal(fake.began, 0);
    fake.asks_nobody = false;
    say(&two, &second); /* and stays open to the end */
    assert_true(fake.asked_fd >= 0);
}

static void test_nobody_to_ask(void **state)
{
    struct mux_message local = forward(MUX_C_OPEN_FWD, MUX_FORWARD_LOCAL, "", 1, "web", 80),
                       m = session(2, "x");
    (void)state;
    greet(&one);
    say(&one, &local);
    hears_denial(&one, 1);
    make_standard();
    say(&one, &m);
    pass(&one, 3);
    hears_denial(&one, 2);
    assert_int_equal(fake.began, 0);
    close_standard();
}

/* ---- ControlPersist, and a socket that cannot be had ---- */

static int start_persistent(void **state)
{
    return start_with(state, (struct session_control){.is_persistent = true, .persist_s = 5});
}

static void test_persist(void **state)
{
    struct mux_message m = session(1, "x");
    (void)state;
    greet(&one);
    fake_later(6000);
    assert_int_equal(fake.ends, 0); /* somebody is there */
    struct flow *flow = begin(&one, &m);
    hang_up(&one);
    fake_later(6000);
    assert_int_equal(fake.ends, 0);
    fake_gone(flow);
    fake_turn();
    fake_later(4000);
    assert_int_equal(fake.ends, 0);
    fake_later(6000);
    assert_int_equal(fake.ends, 1);
    assert_int_equal(fake.ends_at_once, 0);
    assert_int_equal(fake_connect(), -1);
    close_standard();
}

static void test_path_in_no_folder(void **state)
{
    struct session_control spec = {.path = "/nonexistent/x", .is_persistent = true};
    struct session_forward forward_spec = {.type = SESSION_FORWARD_CONTROL, .control = &spec};
    struct forwarder second = {.ops = &forwarder_control, .spec = &forward_spec};
    (void)state;
    forwarder_control.open(&second);
    assert_int_equal(fake.ends, 1);
    assert_int_equal(fake.sockets_failed, 0);
    assert_string_equal(strrchr(fake.end_error.text, ':'), ": No such file or directory");
    assert_memory_equal(fake.end_error.text, "ControlPath /nonexistent/x: ", 28);
    forwarder_control.free(&second);
}

static void test_path_is_taken(void **state)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct session_control spec = {.path = fake.path, .is_persistent = true};
    struct session_forward forward_spec = {.type = SESSION_FORWARD_CONTROL, .control = &spec};
    struct forwarder second = {.ops = &forwarder_control, .spec = &forward_spec};
    (void)state;
    forwarder_control.open(&second);
    assert_int_equal(fake.ends, 0);
    assert_int_equal(fake.sockets_failed, 1);
    assert_string_equal(fake.log + strlen(fake.log) - strlen("already exists, disabling multiplexing"),
                        "already exists, disabling multiplexing");
    forwarder_control.free(&second);
    assert_int_equal(access(fake.path, F_OK), 0); /* the first one's stays */
    assert_int_equal(err.code, ADIT_E_OK);
}

/* The first guest comes with the master, and nobody is asked for it; where there is no socket it is the only
 * one, and the master ends with it. */
static void test_own_guest(void **state)
{
    int pair[2];
    struct session_control spec = {
        .path = fake.path, .pid = PID, .is_persistent = true, .must_ask = true, .has_guest = true};
    struct session_forward forward_spec = {.type = SESSION_FORWARD_CONTROL, .control = &spec};
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    spec.guest_fd = pair[1];
    one.n = 0;
    one.fd = pair[0];
    assert_int_equal(fcntl(one.fd, F_SETFL, O_NONBLOCK), 0);
    forwarder_control.free(&fake.forwarders[0]);
    fake.forwarders[0].spec = &forward_spec;
    int other = open(fake.path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    forwarder_control.open(&fake.forwarders[0]);
    fake_turn();
    assert_int_equal(fake.sockets_failed, 1);
    hears(&one, MUX_MSG_HELLO, 0);
    say(&one, &(struct mux_message){.type = MUX_MSG_HELLO, .version = MUX_VERSION});
    struct mux_message m = session(1, "x");
    struct flow *flow = begin(&one, &m);
    assert_non_null(flow);
    fake_progress();
    hang_up(&one);
    assert_int_equal(fake.ends, 0);
    fake_gone(flow);
    fake_turn();
    fake_progress();
    fake_turn();
    assert_int_equal(fake.ends, 1); /* twice would be at once */
    close_standard();
    (void)close(other);
    (void)unlink(fake.path);
}

/* Told to listen no more, a master that is there for guests alone ends with the last of them. */
static void test_stop_of_a_persistent(void **state)
{
    (void)state;
    greet(&one);
    greet(&two);
    ask(&one, MUX_C_STOP_LISTENING, 1);
    hears(&one, MUX_S_OK, 1);
    hang_up(&one);
    assert_int_equal(fake.ends, 0);
    hang_up(&two);
    fake_turn();
    assert_int_equal(fake.ends, 1);
    assert_int_equal(fake.ends_at_once, 0);
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(fake.folder);
}

#define WITH(test, setup) cmocka_unit_test_setup_teardown(test, setup, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_hello, start),
        WITH(test_small_requests, start),
        WITH(test_chunks, start),
        WITH(test_stop_and_terminate, start),
        WITH(test_wrong_lengths, start),
        WITH(test_forwards, start),
        WITH(test_gateway_ports, start_gateway),
        WITH(test_unsound_forwards, start),
        WITH(test_same_forward_again, start),
        WITH(test_close, start),
        WITH(test_remote_port, start),
        WITH(test_refused_forwards, start),
        WITH(test_asker_gone, start),
        WITH(test_session, start),
        WITH(test_session_kinds, start),
        WITH(test_descriptors_are_closed, start),
        WITH(test_stdio, start),
        WITH(test_unsound_stdio, start),
        WITH(test_second_session, start),
        WITH(test_wrong_order, start),
        WITH(test_descriptors_at_once, start),
        WITH(test_client_gone, start),
        WITH(test_window_change, start),
        WITH(test_many_clients, start),
        WITH(test_many_guests, start),
        WITH(test_flood, start),
        WITH(test_asked, start_asking),
        WITH(test_asked_for_sessions, start_asking),
        WITH(test_asked_in_turn, start_asking),
        WITH(test_nobody_to_ask, start_deaf),
        WITH(test_persist, start_persistent),
        WITH(test_own_guest, start),
        WITH(test_stop_of_a_persistent, start_persistent),
        WITH(test_path_in_no_folder, start),
        WITH(test_path_is_taken, start),
    };
    return cmocka_run_group_tests(tests, NULL, remove_folder);
}
