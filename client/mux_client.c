#include "client/mux_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/fdpass.h"
#include "net/loop.h"
#include "net/reason.h"
#include "net/sock.h"
#include "ssh/mux.h"

enum { LEN_SIZE = 4 };

struct mux_client {
    int fd;
    uint32_t last_id;
    uint32_t session_id;
    uint32_t timeout_s; /* for each answer as a whole; 0: none */
    bool was_denied;
    bool has_ended; /* the master has closed the socket */
    uint8_t room[LEN_SIZE + LIMIT_MUX_MESSAGE];
};

/* ---- Messages ---- */

/* False: errno. */
static bool send_all(const struct mux_client *m, struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(m->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes = span_sub(bytes, (size_t)n, SIZE_MAX);
    }
    return true;
}

/* Each recv waits no longer than until then; 0: for ever. False: it is past. */
static bool wait_until(const struct mux_client *m, uint64_t deadline_ms)
{
    uint64_t now = loop_now_ms(), left = deadline_ms > now ? deadline_ms - now : 0;
    struct timeval limit = {.tv_sec = (time_t)(left / 1000), .tv_usec = (suseconds_t)(left % 1000 * 1000)};
    if (deadline_ms != 0 && left == 0)
        return false;
    (void)setsockopt(m->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return true;
}

/* why: an errno; 0: it has closed the socket. */
static enum adit_err lost(int why, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_CLOSED, "the master does not answer%s%s", why != 0 ? ": " : "",
                     why != 0 ? reason_text(why) : "");
}

/* Exactly that many: what follows may belong to somebody else. */
static enum adit_err receive_all(struct mux_client *m, uint8_t *p, size_t n, uint64_t deadline_ms,
                                 struct adit_error *err)
{
    while (n > 0) {
        if (!wait_until(m, deadline_ms))
            return lost(ETIMEDOUT, err);
        ssize_t got = recv(m->fd, p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        m->has_ended = got == 0;
        if (got <= 0)
            return lost(got == 0 ? 0 : errno == EAGAIN ? ETIMEDOUT : errno, err);
        p += got;
        n -= (size_t)got;
    }
    return ADIT_E_OK;
}

static enum adit_err send_message(struct mux_client *m, const struct mux_message *message,
                                  struct adit_error *err)
{
    struct wr w = wr_init(m->room, sizeof m->room);
    mux_write(&w, message);
    if (!wr_ok(&w))
        return adit_fail(err, ADIT_E_COMMAND, "the request is too long for a control socket");
    return send_all(m, wr_done(&w)) ? ADIT_E_OK : lost(errno, err);
}

/* Its spans point into m->room. */
static enum adit_err receive_message(struct mux_client *m, struct mux_message *message,
                                     struct adit_error *err)
{
    struct span body;
    size_t used;
    uint64_t deadline_ms = m->timeout_s > 0 ? loop_now_ms() + (uint64_t)m->timeout_s * 1000 : 0;
    *message = (struct mux_message){0};
    enum adit_err e = receive_all(m, m->room, LEN_SIZE, deadline_ms, err);
    if (e != ADIT_E_OK)
        return e;
    size_t n = LEN_SIZE + (size_t)get_u32(m->room);
    if (n > sizeof m->room || mux_frame(span_make(m->room, LEN_SIZE), &body, &used) == MUX_FRAME_BAD)
        return adit_fail(err, ADIT_E_PROTOCOL, "the master sent a message that is too long");
    e = receive_all(m, m->room + LEN_SIZE, n - LEN_SIZE, deadline_ms, err);
    if (e != ADIT_E_OK)
        return e;
    if (mux_frame(span_make(m->room, n), &body, &used) != MUX_FRAME_WHOLE)
        return adit_fail(err, ADIT_E_PROTOCOL, "the master sent a message that is too short");
    return mux_parse(message, body, err);
}

/* The answer to the last request, whose words are the error's when it is a refusal. */
static enum adit_err receive_answer(struct mux_client *m, uint32_t wanted, uint32_t also,
                                    struct mux_message *answer, struct adit_error *err)
{
    char reason[512];
    enum adit_err e = receive_message(m, answer, err);
    if (e != ADIT_E_OK)
        return e;
    if (answer->id != m->last_id)
        return adit_fail(err, ADIT_E_PROTOCOL, "the master answers a request that was not made");
    if (answer->type == wanted || answer->type == also)
        return ADIT_E_OK;
    if (answer->type != MUX_S_FAILURE && answer->type != MUX_S_PERMISSION_DENIED)
        return adit_fail(err, ADIT_E_PROTOCOL, "unexpected response from master 0x%08x", answer->type);
    m->was_denied = answer->type == MUX_S_PERMISSION_DENIED;
    (void)adit_text_clean(reason, sizeof reason, answer->reason, false);
    return adit_fail(err, ADIT_E_COMMAND, "%s", reason);
}

/* ---- Life ---- */

static enum adit_err exchange_hello(struct mux_client *m, struct adit_error *err)
{
    const struct mux_message hello = {.type = MUX_MSG_HELLO, .version = MUX_VERSION};
    struct mux_message its;
    enum adit_err e = send_message(m, &hello, err);
    if (e == ADIT_E_OK)
        e = receive_message(m, &its, err);
    if (e != ADIT_E_OK)
        return e;
    if (its.type != MUX_MSG_HELLO)
        return adit_fail(err, ADIT_E_PROTOCOL, "expected HELLO (1) got %u", its.type);
    if (its.version != MUX_VERSION)
        return adit_fail(err, ADIT_E_PROTOCOL, "Unsupported multiplexing protocol version %u (expected %u)",
                         its.version, (unsigned)MUX_VERSION);
    return ADIT_E_OK;
}

/* A descriptor, or -1 and errno. */
static int connect_path(const char *path)
{
    struct sock_addr a;
    struct adit_error err = {ADIT_E_OK, ""};
    if (sock_addr_path(&a, path, &err) != ADIT_E_OK) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&a.storage, a.len) == 0)
        return fd;
    int why = errno;
    sock_close(&fd);
    errno = why;
    return -1;
}

enum adit_err mux_client_open(struct mux_client **out, const char *path, uint32_t timeout_s, int *why,
                              struct adit_error *err)
{
    *out = NULL;
    *why = 0;
    struct mux_client *m = calloc(1, sizeof *m);
    if (m == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    m->fd = connect_path(path);
    if (m->fd < 0) {
        *why = errno;
        free(m);
        return adit_fail(err, ADIT_E_CONNECT, "Control socket connect(%.100s): %s", path, strerror(*why));
    }
    if (!sock_peer_is_us(m->fd)) { /* it would get our terminal, and say what came of our commands */
        *why = EPERM;
        mux_client_free(m);
        return adit_fail(err, ADIT_E_CONNECT, "Control socket %.100s is another user's: not used", path);
    }
    m->timeout_s = timeout_s;
    enum adit_err e = exchange_hello(m, err);
    m->timeout_s = 0;
    if (e == ADIT_E_OK)
        *out = m;
    else
        mux_client_free(m);
    return e;
}

enum adit_err mux_client_take(struct mux_client **out, int fd, uint32_t timeout_s, struct adit_error *err)
{
    *out = NULL;
    struct mux_client *m = calloc(1, sizeof *m);
    if (m == NULL) {
        sock_close(&fd);
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    }
    m->fd = fd;
    m->timeout_s = timeout_s;
    enum adit_err e = exchange_hello(m, err);
    if (e == ADIT_E_OK)
        *out = m;
    else
        mux_client_free(m);
    return e;
}

void mux_client_free(struct mux_client *m)
{
    if (m == NULL)
        return;
    sock_close(&m->fd);
    adit_wipe(m->room, sizeof m->room); /* an environment, perhaps */
    free(m);
}

int mux_client_fd(const struct mux_client *m)
{
    return m->fd;
}

bool mux_client_was_denied(const struct mux_client *m)
{
    return m->was_denied;
}

/* ---- Requests ---- */

static enum adit_err request(struct mux_client *m, uint32_t type, uint32_t wanted, struct mux_message *answer,
                             struct adit_error *err)
{
    const struct mux_message message = {.type = type, .id = ++m->last_id};
    enum adit_err e = send_message(m, &message, err);
    return e == ADIT_E_OK ? receive_answer(m, wanted, wanted, answer, err) : e;
}

enum adit_err mux_client_alive(struct mux_client *m, uint32_t *pid, struct adit_error *err)
{
    struct mux_message answer;
    enum adit_err e = request(m, MUX_C_ALIVE_CHECK, MUX_S_ALIVE, &answer, err);
    *pid = 0;
    if (e != ADIT_E_OK)
        return e;
    /* It is for kill(2), where what is negative is a group, or everybody. */
    if (answer.number == 0 || answer.number > INT32_MAX)
        return adit_fail(err, ADIT_E_PROTOCOL, "the master names no process");
    *pid = answer.number;
    return ADIT_E_OK;
}

enum adit_err mux_client_terminate(struct mux_client *m, struct adit_error *err)
{
    struct mux_message answer;
    struct adit_error why = {ADIT_E_OK, ""};
    enum adit_err e = request(m, MUX_C_TERMINATE, MUX_S_OK, &answer, &why);
    /* OpenSSH's master is gone before its answer is. */
    if (e == ADIT_E_OK || e == ADIT_E_CLOSED)
        return ADIT_E_OK;
    return adit_fail(err, e, "%s", why.text);
}

enum adit_err mux_client_stop(struct mux_client *m, struct adit_error *err)
{
    struct mux_message answer;
    return request(m, MUX_C_STOP_LISTENING, MUX_S_OK, &answer, err);
}

/* As ssh says them: no address is an empty one, and every address a star. */
static struct mux_forward forward_of(const struct session_forward *f)
{
    static const uint32_t types[] = {[SESSION_FORWARD_LOCAL] = MUX_FORWARD_LOCAL,
                                     [SESSION_FORWARD_REMOTE] = MUX_FORWARD_REMOTE,
                                     [SESSION_FORWARD_DYNAMIC] = MUX_FORWARD_DYNAMIC};
    const char *listen = f->bind_path != NULL ? f->bind_path : f->bind;
    const char *connect = f->path != NULL ? f->path : f->host != NULL ? f->host : "socks";
    struct mux_forward m = {.type = types[f->type],
                            .listen_host = span_str(listen != NULL && *listen == 0 ? "*" : listen),
                            .listen_port = f->bind_path != NULL ? MUX_PORT_PATH : f->bind_port,
                            .connect_host = span_str(connect),
                            .connect_port = f->path != NULL   ? MUX_PORT_PATH
                                            : f->host != NULL ? f->port
                                                              : 0};
    return m;
}

enum adit_err mux_client_forward(struct mux_client *m, const struct session_forward *f, bool is_close,
                                 uint32_t *port, struct adit_error *err)
{
    const struct mux_message message = {
        .type = is_close ? MUX_C_CLOSE_FWD : MUX_C_OPEN_FWD, .id = ++m->last_id, .forward = forward_of(f)};
    struct mux_message answer = {0};
    *port = 0;
    enum adit_err e = send_message(m, &message, err);
    if (e == ADIT_E_OK)
        e = receive_answer(m, MUX_S_OK, MUX_S_REMOTE_PORT, &answer, err);
    if (e == ADIT_E_OK && answer.type == MUX_S_REMOTE_PORT)
        *port = answer.number;
    return e;
}

/* ---- Sessions ---- */

/* The master reads them one by one, each when it has read the one before. */
static enum adit_err pass(struct mux_client *m, const int fds[], size_t count, struct adit_error *err)
{
    for (size_t i = 0; i < count; i++) {
        while (!fdpass_send(m->fd, fds[i]))
            if (errno != EINTR)
                return adit_fail(err, ADIT_E_CLOSED, "the master takes no descriptors: %s", strerror(errno));
    }
    return ADIT_E_OK;
}

static enum adit_err opened(struct mux_client *m, struct adit_error *err)
{
    struct mux_message answer;
    enum adit_err e = receive_answer(m, MUX_S_SESSION_OPENED, MUX_S_SESSION_OPENED, &answer, err);
    m->session_id = e == ADIT_E_OK ? answer.session_id : 0;
    return e;
}

static bool write_env(struct wr *w, const struct session_exec *exec)
{
    for (size_t i = 0; i < exec->env_count; i++)
        mux_env_add(w, span_str(exec->env[i]));
    return wr_ok(w);
}

enum adit_err mux_client_session(struct mux_client *m, const struct mux_client_session *wanted,
                                 struct adit_error *err)
{
    const struct session_exec *exec = wanted->exec;
    const int fds[] = {exec->in_fd, exec->out_fd, exec->err_fd};
    uint8_t *room = malloc(LIMIT_MUX_MESSAGE);
    if (room == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    struct wr env = wr_init(room, LIMIT_MUX_MESSAGE);
    enum adit_err e =
        write_env(&env, exec) ? ADIT_E_OK : adit_fail(err, ADIT_E_COMMAND, "the environment is too long");
    const struct mux_message message = {
        .type = MUX_C_NEW_SESSION,
        .id = ++m->last_id,
        .session = {.wants_tty = exec->wants_pty,
                    .wants_agent = wanted->wants_agent,
                    .is_subsystem = exec->kind == SESSION_EXEC_SUBSYSTEM,
                    .escape = wanted->escape_char >= 0 ? (uint32_t)wanted->escape_char : MUX_ESCAPE_NONE,
                    .term = span_str(exec->wants_pty ? exec->term : ""),
                    .command = span_str(exec->kind == SESSION_EXEC_SHELL ? "" : exec->text),
                    .env = wr_done(&env)}};
    if (e == ADIT_E_OK)
        e = send_message(m, &message, err);
    adit_wipe(room, LIMIT_MUX_MESSAGE);
    free(room);
    if (e == ADIT_E_OK)
        e = pass(m, fds, ADIT_COUNT(fds), err);
    return e == ADIT_E_OK ? opened(m, err) : e;
}

enum adit_err mux_client_stdio(struct mux_client *m, const struct session_forward *stdio, int in_fd,
                               int out_fd, struct adit_error *err)
{
    const int fds[] = {in_fd, out_fd};
    const struct mux_message message = {
        .type = MUX_C_NEW_STDIO_FWD,
        .id = ++m->last_id,
        .forward = {.connect_host = span_str(stdio->path != NULL ? stdio->path : stdio->host),
                    .connect_port = stdio->path != NULL ? MUX_PORT_PATH : stdio->port}};
    enum adit_err e = send_message(m, &message, err);
    if (e == ADIT_E_OK)
        e = pass(m, fds, ADIT_COUNT(fds), err);
    return e == ADIT_E_OK ? opened(m, err) : e;
}

enum mux_client_news mux_client_next(struct mux_client *m, uint32_t *status, struct adit_error *err)
{
    struct mux_message message;
    struct adit_error why = {ADIT_E_OK, ""};
    while (receive_message(m, &message, &why) == ADIT_E_OK) {
        if (message.type == MUX_S_TTY_ALLOC_FAIL && message.session_id == m->session_id)
            return MUX_CLIENT_NO_TTY;
        if (message.type == MUX_S_EXIT_MESSAGE && message.session_id == m->session_id) {
            *status = message.number;
            return MUX_CLIENT_EXIT;
        }
    }
    if (!m->has_ended)
        (void)adit_fail(err, why.code, "%s", why.text);
    return MUX_CLIENT_OVER;
}
