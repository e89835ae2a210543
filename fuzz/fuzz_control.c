/*
 * fuzz_control.c - the master's side of a control socket, message by message: the input is a list of records,
 * each what one of a few clients does, or what becomes of what they asked for. The first byte says which
 * session it is.
 *
 * Whatever they say: the others are answered, nothing is held when all is over, and no descriptor stays open.
 */
#define _GNU_SOURCE /* pipe2 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include "fuzz/fuzz.h"
#include "tests/fake_session.h"

enum { CLIENTS = 3, CHEAP_MAX = 64 };

/* Each record: the client (or the place of a guest), what happens, and what belongs to it. */
enum deed {
    CALL, /* connects, and says HELLO */
    HANG_UP,
    MESSAGE, /* type, body: with its true length before it */
    BYTES,   /* as they are, nothing before them */
    PASS,    /* a descriptor */
    OPEN,    /* a forward from a list: see forwards */
    CLOSE,
    START, /* NEW_SESSION or NEW_STDIO_FWD, well-formed, with its descriptors */
    UP,    /* the guest's forward: with this port */
    FAIL,  /* one address of it, or all */
    CANCELLED,
    OPENED, /* the guest's session */
    REFUSED,
    NO_PTY,
    EXIT, /* status, or signal */
    GONE,
    RESIZE,
    LATER,  /* timers run */
    ENDING, /* the session will open nothing more */
    WAIT,   /* forwards get no answer by themselves, or do */
    ANSWER, /* of who is asked: status, text */
    TYPE,   /* at the terminal of those who have one */
    TAKE,   /* the session takes what was typed, the person reads what was told */
    DEEDS
};

static int clients[CLIENTS];
static int null_fd = -1;
static int typed[2], told[2]; /* the terminal: ends that are read, ends that are written */

/* ---- What clients do ---- */

static void say(int fd, const struct mux_message *m)
{
    static uint8_t bytes[LIMIT_MUX_MESSAGE + 4];
    struct wr w = wr_init(bytes, sizeof bytes);
    mux_write(&w, m);
    if (wr_ok(&w) && fd >= 0)
        (void)fake_send(fd, wr_done(&w));
}

static void call(int *fd)
{
    sock_close(fd);
    fake_turn();
    *fd = fake_connect();
    fake_turn();
    say(*fd, &(struct mux_message){.type = MUX_MSG_HELLO, .version = MUX_VERSION});
}

static void say_record(int fd, struct span body, bool has_length)
{
    uint8_t head[4];
    struct wr w = wr_init(head, sizeof head);
    wr_u32(&w, (uint32_t)body.n);
    if (has_length)
        (void)fake_send(fd, wr_done(&w));
    (void)fake_send(fd, body);
}

static struct mux_forward forward_of(uint8_t n)
{
    static const char *const hosts[] = {"", "*", "localhost", "web"};
    static const uint32_t ports[] = {0, 1, 8080, MUX_PORT_PATH};
    bool is_configured = n == 0xff;
    return (struct mux_forward){.type = is_configured ? MUX_FORWARD_LOCAL : 1u + n % 3,
                                .listen_host = span_str(is_configured ? "" : hosts[n >> 2 & 3]),
                                .listen_port = is_configured ? 8080 : ports[n >> 4 & 3],
                                .connect_host = span_str(n >> 6 == 1 ? "socks" : "web"),
                                .connect_port = n >> 6 == 1 ? 0 : 80};
}

static void start(int fd, uint8_t flags, struct span rest)
{
    struct mux_message m = {.type = flags & 1 ? MUX_C_NEW_STDIO_FWD : MUX_C_NEW_SESSION, .id = flags};
    const int fds[] = {flags & 16 ? typed[0] : null_fd, null_fd, flags & 16 ? told[1] : null_fd};
    m.session = (struct mux_session){.wants_tty = flags & 2,
                                     .wants_agent = flags & 4,
                                     .is_subsystem = flags & 8,
                                     .escape = flags & 32 ? '~' : MUX_ESCAPE_NONE,
                                     .term = span_str("vt100"),
                                     .command = span_sub(rest, 0, 8),
                                     .env = span_sub(rest, 8, SIZE_MAX)};
    m.forward = (struct mux_forward){.connect_host = span_sub(rest, 0, 8), .connect_port = 80};
    say(fd, &m);
    for (int i = flags & 1; i < 3; i++) {
        (void)!fdpass_send(fd, fds[i]);
        fake_turn();
    }
}

static void take_all(int fd)
{
    static uint8_t bytes[4096];
    struct pollfd p = {fd, POLLIN, 0};
    while (fd >= 0 && poll(&p, 1, 0) > 0 && read(fd, bytes, sizeof bytes) > 0)
        ;
}

static void at_terminal(enum deed deed, struct span rest)
{
    if (deed == TYPE)
        (void)!write(typed[1], rest.p, rest.n);
    if (deed == TAKE) {
        take_all(fake.fds[0]);
        take_all(told[0]);
    }
}

static bool client_does(enum deed deed, int *fd, struct span rest)
{
    uint8_t first = rest.n > 0 ? rest.p[0] : 0;
    if (deed == CALL)
        call(fd);
    if (deed > START)
        return false;
    if (*fd < 0 || deed == CALL)
        return true;
    if (deed == HANG_UP)
        sock_close(fd);
    else if (deed == MESSAGE || deed == BYTES)
        say_record(*fd, rest, deed == MESSAGE);
    else if (deed == PASS)
        (void)!fdpass_send(*fd, null_fd);
    else if (deed == START)
        start(*fd, first, span_sub(rest, 1, SIZE_MAX));
    else
        say(*fd, &(struct mux_message){.type = deed == OPEN ? MUX_C_OPEN_FWD : MUX_C_CLOSE_FWD,
                                       .id = first,
                                       .forward = forward_of(first)});
    return true;
}

/* ---- What becomes of it ---- */

static void session_does(enum deed deed, struct flow *flow, uint8_t first)
{
    if (deed == OPENED && flow->is_opening)
        fake_opened(flow);
    else if (deed == REFUSED && flow->is_opening)
        fake_refused(flow);
    else if (deed == NO_PTY && !flow->is_opening)
        fake_told(flow, SESSION_NO_PTY, 0, NULL);
    else if (deed == EXIT && !flow->is_opening)
        fake_told(flow, SESSION_EXEC_EXIT, first >> 1, first & 1 ? "TERM" : NULL);
    else if (deed == GONE)
        fake_gone(flow);
}

static void forward_does(enum deed deed, struct forwarder *f, uint8_t first)
{
    bool is_asked = f->state == FORWARDER_ASKED;
    if (deed == UP && is_asked)
        fake_up(f, first);
    else if (deed == FAIL && is_asked)
        fake_failed(f, first & 1);
    else if (deed == CANCELLED && f->state == FORWARDER_CANCELLING)
        fake_cancelled(f);
    else if (deed == OPENED && f->state == FORWARDER_UP && !f->is_cancelled && !f->flows)
        fake_flow_new(f); /* somebody connects to it */
}

static void world_does(enum deed deed, uint8_t place, struct span rest)
{
    uint8_t first = rest.n > 0 ? rest.p[0] : 0;
    static const struct session_command resize = {.kind = SESSION_DO_WINDOW_CHANGE};
    struct forwarder *f = &fake.forwarders[FAKE_OWN + place % FORWARDER_GUESTS];
    if (deed == RESIZE)
        forwarder_control.on_command(&fake.forwarders[0], &resize);
    else if (deed == LATER)
        fake_later(first * 1000u);
    else if (deed == ENDING)
        fake.is_ending = first & 1;
    else if (deed == WAIT)
        fake.keeps_waiting = first & 1;
    else if (deed == TYPE || deed == TAKE)
        at_terminal(deed, rest);
    else if (deed == ANSWER && fake.asked_fd >= 0)
        fake_answers(span_sub(rest, 1, SIZE_MAX), first & 1, first & 2);
    else if (f->guest && f->flows)
        session_does(deed, f->flows, first);
    else if (f->guest && f->spec->type != SESSION_FORWARD_EXEC && f->spec->type != SESSION_FORWARD_STDIO)
        forward_does(deed, f, first);
}

/* ---- Properties ---- */

static int open_fds(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* What the master has said: whole messages, of a master's types, HELLO first and only then. */
static void check_answers(int fd)
{
    static uint8_t bytes[256 * 1024];
    size_t n = 0, used;
    ssize_t got;
    struct span message;
    struct mux_message m;
    struct adit_error err = {ADIT_E_OK, ""};
    while (fd >= 0 && n < sizeof bytes && (got = recv(fd, bytes + n, sizeof bytes - n, 0)) > 0)
        n += (size_t)got;
    struct span rest = span_make(bytes, n);
    for (bool is_first = true; mux_frame(rest, &message, &used) == MUX_FRAME_WHOLE; is_first = false) {
        ALWAYS(mux_parse(&m, message, &err) == ADIT_E_OK && m.is_known);
        ALWAYS((m.type == MUX_MSG_HELLO) == is_first);
        ALWAYS(is_first || m.type >= MUX_S_OK);
        rest = span_sub(rest, used, SIZE_MAX);
    }
    ALWAYS(rest.n == 0);
}

static void check_alive(void)
{
    static uint8_t bytes[64];
    int fd = fake_connect();
    if (fd < 0)
        return; /* it was told to listen no more */
    fake_turn();
    say(fd, &(struct mux_message){.type = MUX_MSG_HELLO, .version = MUX_VERSION});
    say(fd, &(struct mux_message){.type = MUX_C_ALIVE_CHECK, .id = 9});
    ALWAYS(recv(fd, bytes, sizeof bytes, 0) == 12 + 16);
    sock_close(&fd);
    fake_turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rd r = rd_init((struct span){data + 1, size > 0 ? size - 1 : 0});
    struct span record;
    if (size == 0)
        return 0;
    if (null_fd < 0) {
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)signal(SIGPIPE, SIG_IGN); /* as in every program of ours */
    }
    int before = open_fds();
    ALWAYS(pipe2(told, O_NONBLOCK | O_CLOEXEC) == 0);
    ALWAYS((data[0] & 64 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, typed)
                         : pipe2(typed, O_NONBLOCK | O_CLOEXEC)) == 0);
    const struct session_control spec = {.pid = 1,
                                         .gateway_ports = data[0] & 1,
                                         .is_persistent = data[0] & 2,
                                         .persist_s = data[0] & 4 ? 5 : 0,
                                         .must_ask = data[0] & 16,
                                         .askpass = data[0] & 32 ? NULL : "ask"};
    fake_start(&spec);
    for (size_t i = 0; i < CLIENTS; i++) {
        clients[i] = -1;
        call(&clients[i]);
    }
    for (size_t n = 0; n < CHEAP_MAX && next_message(&r, &record); n++) {
        enum deed deed = record.n > 1 ? record.p[1] % DEEDS : CALL;
        struct span rest = span_sub(record, 2, SIZE_MAX);
        if (!client_does(deed, &clients[record.p[0] % CLIENTS], rest))
            world_does(deed, record.p[0], rest);
        fake_turn();
    }
    check_alive();
    for (size_t i = 0; i < CLIENTS; i++)
        check_answers(clients[i]);
    if (data[0] & 8)
        for (size_t i = 0; i < CLIENTS; i++)
            sock_close(&clients[i]);
    fake_turn();
    fake_stop();
    for (size_t i = 0; i < CLIENTS; i++)
        sock_close(&clients[i]);
    for (size_t i = 0; i < 2; i++) {
        sock_close(&typed[i]);
        sock_close(&told[i]);
    }
    ALWAYS(open_fds() == before);
    return 0;
}
