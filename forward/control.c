/*
 * control.c - the master's side of a control socket (ssh/mux.h): other programs of the same user ask here for
 * forwards and session channels in this connection.
 *
 * Who asks is a client; what it gets is a guest: a forwarder beside those of the configuration, with its
 * own copy of what was asked for. A session belongs to its client and ends with it, a forward stays. Nothing
 * is freed while something of it may be at work further up: what is over is only marked, and a timer that is
 * due at once sweeps.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/forwarder.h"
#include "net/fdpass.h"
#include "ssh/mux.h"

enum {
    CLIENTS = 256,        /* at one time */
    MESSAGES_A_TURN = 16, /* of one client, before others have their turn */
    HEAD_LEN = 4,
    DESCRIPTORS = 3, /* stdin, stdout, stderr */
    ANSWER_CAP = 512,
    TEXTS = 6,
};

struct control;

struct control_client {
    struct loop_fd fd;
    struct control *control;
    struct control_client *next;
    bool said_hello;
    bool is_gone;                /* the socket is closed; the sweep frees it */
    struct guest *session;       /* its session or stdio forward */
    size_t fds_wanted, fd_count; /* a message was read, and these belong to it */
    int fds[DESCRIPTORS];
    size_t got;                                 /* bytes of room */
    uint8_t room[HEAD_LEN + LIMIT_MUX_MESSAGE]; /* one message; pages that are not used cost nothing */
};

struct guest {
    struct control *control;
    struct guest *next;
    struct forwarder *forwarder;
    struct control_client *client; /* who asked, while it is there */
    uint32_t request;              /* its number of it */
    uint32_t id;                   /* of the session */
    bool awaits;                   /* the answer is due */
    bool is_session;               /* or the stdio forward: it ends with its client, and the client with it */
    bool is_leaving;               /* freed once it has no flows */
    bool has_status;
    uint32_t status;
    uint16_t port; /* that the server chose */
    struct session_forward spec;
    struct session_exec exec;
    struct ssh_mode modes[LIMIT_SESSION_MODES];
    int fds[DESCRIPTORS]; /* -1: not there, or somebody else's by now */
    char *texts[TEXTS];
    size_t text_count;
    char **env;
};

struct control {
    struct forwarder *forwarder;
    const struct session_control *spec;
    struct loop_fd listener;
    struct sock_file file;
    struct control_client *clients;
    size_t client_count;
    struct guest *guests;
    bool has_leaving; /* some of them wait for their flows' end */
    uint32_t last_id;
    struct loop_timer sweep, idle;
};

static struct control *control_of(struct forwarder *f)
{
    return f->own;
}

static struct loop *loop_of(const struct control *c)
{
    return forwarder_loop(c->forwarder);
}

static void sweep_soon(struct control *c)
{
    loop_timer_set(loop_of(c), &c->sweep, loop_now_ms());
}

/* ---- Clients ---- */

static void fds_close(int fds[DESCRIPTORS])
{
    for (size_t i = 0; i < DESCRIPTORS; i++)
        sock_close(&fds[i]);
}

static void client_drop(struct control_client *cl)
{
    int fd = cl->fd.fd;
    if (cl->is_gone)
        return;
    cl->is_gone = true;
    loop_del(loop_of(cl->control), &cl->fd);
    sock_close(&fd);
    fds_close(cl->fds);
    sweep_soon(cl->control);
}

/* Its few answers fit into a socket's buffer; a client that asks and never reads is let go. */
static void send_message(struct control_client *cl, const struct mux_message *m)
{
    uint8_t bytes[ANSWER_CAP];
    struct wr w = wr_init(bytes, sizeof bytes);
    struct adit_error err = {ADIT_E_OK, ""};
    size_t n = 0;
    if (cl->is_gone)
        return;
    mux_write(&w, m);
    struct span whole = wr_done(&w);
    if (!wr_ok(&w) || sock_write(cl->fd.fd, whole.p, whole.n, &n, &err) != SOCK_IO_OK || n != whole.n)
        client_drop(cl);
}

static void answer(struct control_client *cl, uint32_t type, uint32_t request)
{
    const struct mux_message m = {.type = type, .id = request};
    send_message(cl, &m);
}

static void refuse(struct control_client *cl, uint32_t request, const char *why)
{
    const struct mux_message m = {.type = MUX_S_FAILURE, .id = request, .reason = span_str(why)};
    forwarder_log(cl->control->forwarder, SESSION_DEBUG1, "control socket: refused: %s", why);
    send_message(cl, &m);
}

/* ---- Guests ---- */

static struct guest *guest_new(struct control_client *cl, uint32_t request)
{
    struct control *c = cl->control;
    struct guest *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    *g = (struct guest){.control = c,
                        .next = c->guests,
                        .client = cl,
                        .request = request,
                        .awaits = true,
                        .fds = {-1, -1, -1}};
    c->guests = g;
    return g;
}

static void text_free(char *text)
{
    adit_wipe(text, strlen(text));
    free(text);
}

static void guest_free(struct guest *g)
{
    if (g->forwarder)
        forwarder_remove(g->forwarder);
    for (size_t i = 0; i < g->text_count; i++)
        text_free(g->texts[i]);
    for (size_t i = 0; g->env && g->env[i]; i++)
        text_free(g->env[i]);
    free(g->env);
    fds_close(g->fds);
    free(g);
}

static char *copy(struct span s)
{
    char *text = malloc(s.n + 1);
    if (!text)
        return NULL;
    if (s.n > 0)
        memcpy(text, s.p, s.n);
    text[s.n] = 0;
    return text;
}

/* NULL: no memory. */
static const char *keep(struct guest *g, struct span s)
{
    char *text = copy(s);
    if (text)
        g->texts[g->text_count++] = text;
    return text;
}

/* It has no place any more: its answer, if one is due, is a refusal. */
static void guest_leave(struct guest *g, const char *why)
{
    if (g->awaits && g->client)
        refuse(g->client, g->request, why);
    g->awaits = false;
    g->is_leaving = true;
    sweep_soon(g->control);
}

static bool guest_begin(struct guest *g)
{
    g->forwarder = forwarder_add(g->control->forwarder, &g->spec, g);
    if (!g->forwarder) {
        guest_leave(g, "too many forwards and sessions");
        return false;
    }
    const struct forwarder_ops *ops = g->forwarder->ops;
    if (ops->bind)
        ops->bind(g->forwarder);
    if (ops->begin && g->forwarder->state != FORWARDER_FAILED)
        ops->begin(g->forwarder);
    return true;
}

/* ---- Forwards ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_forward(const struct forwarder *f, const struct session_forward *b)
{
    const struct session_forward *a = f->spec;
    if (!a || f->is_cancelled || f->state == FORWARDER_FAILED || a->type != b->type)
        return false;
    bool same_port =
        a->bind_port == b->bind_port || (f->guest && a->bind_port == 0 && f->guest->port == b->bind_port);
    return same_port && a->port == b->port && same_text(a->bind, b->bind) &&
           same_text(a->bind_path, b->bind_path) && same_text(a->host, b->host) &&
           same_text(a->path, b->path);
}

static struct forwarder *find_forward(struct control *c, const struct session_forward *spec)
{
    struct forwarder *f;
    for (size_t i = 0; (f = forwarder_at(c->forwarder, i)) != NULL; i++)
        if (same_forward(f, spec))
            return f;
    return NULL;
}

/* False: no memory. */
static bool forward_fill(struct guest *g, const struct mux_forward *m)
{
    static const enum session_forward_type types[] = {[MUX_FORWARD_LOCAL] = SESSION_FORWARD_LOCAL,
                                                      [MUX_FORWARD_REMOTE] = SESSION_FORWARD_REMOTE,
                                                      [MUX_FORWARD_DYNAMIC] = SESSION_FORWARD_DYNAMIC};
    struct session_forward *spec = &g->spec;
    bool is_local = m->type != MUX_FORWARD_REMOTE;
    const char *listen = keep(g, m->listen_host), *connect = keep(g, m->connect_host);
    bool is_socks =
        m->type == MUX_FORWARD_DYNAMIC || (m->connect_port == 0 && span_is(m->connect_host, "socks"));
    if (!listen || !connect)
        return false;
    spec->type = types[m->type];
    if (m->listen_port == MUX_PORT_PATH)
        spec->bind_path = listen;
    else if (m->listen_host.n == 0)
        spec->bind = is_local && g->control->spec->gateway_ports ? "" : NULL;
    else
        spec->bind = strcmp(listen, "*") == 0 ? "" : listen;
    spec->bind_port = spec->bind_path ? 0 : (uint16_t)m->listen_port;
    if (is_socks)
        return true;
    if (m->connect_port == MUX_PORT_PATH)
        spec->path = connect;
    else
        spec->host = connect;
    spec->port = spec->path ? 0 : (uint16_t)m->connect_port;
    return true;
}

static void answer_forward(struct guest *g)
{
    struct control_client *cl = g->client;
    g->awaits = false;
    g->client = NULL;
    if (!cl)
        return;
    if (g->spec.type == SESSION_FORWARD_REMOTE && !g->spec.bind_path && g->spec.bind_port == 0) {
        const struct mux_message m = {.type = MUX_S_REMOTE_PORT, .id = g->request, .number = g->port};
        send_message(cl, &m);
    } else {
        answer(cl, MUX_S_OK, g->request);
    }
}

static void refuse_forward(struct guest *g)
{
    char text[96];
    if (g->spec.type == SESSION_FORWARD_REMOTE)
        (void)adit_format(text, sizeof text, "remote port forwarding failed for listen port %u",
                          (unsigned)g->spec.bind_port);
    else
        (void)adit_format(text, sizeof text, "Port forwarding failed");
    guest_leave(g, text);
}

/* The same again is no failure (two clients with one configuration file): it is there already. */
static void open_forward(struct control_client *cl, const struct mux_message *m)
{
    struct guest *g = guest_new(cl, m->id);
    if (!g || !forward_fill(g, &m->forward)) {
        refuse(cl, m->id, "out of memory");
        if (g)
            guest_leave(g, "");
        return;
    }
    const struct forwarder *known = find_forward(cl->control, &g->spec);
    if (known && known->state == FORWARDER_UP) {
        g->port = known->guest ? known->guest->port : 0;
        answer_forward(g);
        guest_leave(g, "");
        return;
    }
    forwarder_log(cl->control->forwarder, SESSION_DEBUG1, "control socket: a forward was asked for");
    (void)guest_begin(g);
}

/* Those who are connected already stay so, as with ssh. */
static void close_forward(struct control_client *cl, const struct mux_message *m)
{
    struct guest *wanted = guest_new(cl, m->id);
    if (!wanted || !forward_fill(wanted, &m->forward)) {
        refuse(cl, m->id, "out of memory");
        if (wanted)
            guest_leave(wanted, "");
        return;
    }
    struct forwarder *f = find_forward(cl->control, &wanted->spec);
    if (!f || f->state != FORWARDER_UP) {
        guest_leave(wanted, "port not forwarded");
        return;
    }
    f->is_cancelled = true;
    if (f->ops->stop)
        f->ops->stop(f);
    if (f->guest)
        f->guest->is_leaving = true;
    answer(cl, MUX_S_OK, m->id);
    wanted->awaits = false;
    guest_leave(wanted, "");
}

/* ---- Sessions ---- */

static bool copy_env(struct guest *g, struct span list)
{
    struct span rest = list, one;
    size_t n = 0;
    while (mux_env_next(&rest, &one))
        n++;
    g->env = calloc(n + 1, sizeof *g->env);
    if (!g->env)
        return false;
    while (mux_env_next(&list, &one) && g->exec.env_count < n) {
        g->env[g->exec.env_count] = copy(one);
        if (!g->env[g->exec.env_count])
            return false;
        g->exec.env_count++;
    }
    g->exec.env = (const char *const *)g->env;
    return true;
}

static bool session_fill(struct guest *g, const struct mux_session *m)
{
    struct session_exec *exec = &g->exec;
    exec->text = keep(g, m->command);
    exec->term = keep(g, m->term);
    if (!exec->text || !exec->term || !copy_env(g, m->env))
        return false;
    exec->kind = m->is_subsystem    ? SESSION_EXEC_SUBSYSTEM
                 : m->command.n > 0 ? SESSION_EXEC_COMMAND
                                    : SESSION_EXEC_SHELL;
    exec->wants_pty = m->wants_tty;
    exec->wants_agent = m->wants_agent;
    exec->modes = g->modes;
    exec->in_fd = g->fds[0];
    exec->out_fd = g->fds[1];
    exec->err_fd = g->fds[2];
    if (exec->wants_pty && g->control->spec->describe)
        g->control->spec->describe(g->fds[0], exec, g->modes);
    g->spec.type = SESSION_FORWARD_EXEC;
    g->spec.exec = exec;
    return true;
}

static bool stdio_fill(struct guest *g, const struct mux_forward *m)
{
    const char *host = keep(g, m->connect_host);
    g->spec.type = SESSION_FORWARD_STDIO;
    g->spec.fds = g->fds;
    if (m->connect_port == MUX_PORT_PATH)
        g->spec.path = host;
    else
        g->spec.host = host;
    g->spec.port = g->spec.path ? 0 : (uint16_t)m->connect_port;
    return host != NULL;
}

static bool stdio_is_sound(const struct mux_forward *m)
{
    return m->connect_host.n > 0 &&
           (m->connect_port == MUX_PORT_PATH || (m->connect_port > 0 && m->connect_port <= UINT16_MAX));
}

static bool has_place(struct control_client *cl, const struct mux_message *m)
{
    if (cl->session)
        refuse(cl, m->id, "Multiple sessions not supported");
    else if (!forwarder_may_open(cl->control->forwarder))
        refuse(cl, m->id, "the connection is about to end");
    else if (m->type == MUX_C_NEW_STDIO_FWD && !stdio_is_sound(&m->forward))
        refuse(cl, m->id, "Invalid forwarding request");
    else
        return true;
    return false;
}

/* The descriptors have come. */
static void open_session(struct control_client *cl, const struct mux_message *m)
{
    bool is_exec = m->type == MUX_C_NEW_SESSION;
    struct guest *g = has_place(cl, m) ? guest_new(cl, m->id) : NULL;
    if (!g) {
        fds_close(cl->fds);
        return;
    }
    g->is_session = true;
    g->id = ++cl->control->last_id;
    cl->session = g;
    memcpy(g->fds, cl->fds, sizeof g->fds);
    for (size_t i = 0; i < DESCRIPTORS; i++)
        cl->fds[i] = -1;
    if (!(is_exec ? session_fill(g, &m->session) : stdio_fill(g, &m->forward)))
        guest_leave(g, "out of memory");
    else if (guest_begin(g) && is_exec) {
        /* Copies are the session's own by now. Ours would keep the readers of the output waiting. */
        sock_close(&g->fds[1]);
        sock_close(&g->fds[2]);
        if (!g->exec.wants_pty)
            sock_close(&g->fds[0]);
    }
}

/* ---- What becomes of guests ---- */

static void tell_session(struct guest *g, uint32_t type)
{
    const struct mux_message m = {.type = type, .id = g->request, .session_id = g->id, .number = g->status};
    if (g->client)
        send_message(g->client, &m);
}

void control_on_notice(struct forwarder *f, const struct session_notice *n)
{
    struct guest *g = f->guest;
    switch (n->kind) {
    case SESSION_REMOTE_PORT:
        g->port = n->bound_port;
        break;
    case SESSION_FORWARD_UP:
        if (g->awaits)
            answer_forward(g);
        break;
    case SESSION_FORWARD_FAILED:
        sweep_soon(g->control); /* one address, or the last of them: its state will say */
        break;
    case SESSION_EXEC_OPENED:
        g->awaits = false;
        tell_session(g, MUX_S_SESSION_OPENED);
        break;
    case SESSION_NO_PTY:
        tell_session(g, MUX_S_TTY_ALLOC_FAIL);
        break;
    case SESSION_EXEC_EXIT:
        g->has_status = !n->text; /* a signal has no message: the client hears of no status */
        g->status = n->number;
        break;
    default:
        break;
    }
}

void control_on_over(struct forwarder *f, const struct adit_error *why)
{
    struct guest *g = f->guest;
    (void)why; /* logged, or the server's own words: the client gets ssh's */
    if (g->is_leaving)
        return;
    if (!g->awaits && g->has_status)
        tell_session(g, MUX_S_EXIT_MESSAGE);
    bool was_open = !g->awaits;
    guest_leave(g, "Session open refused by peer");
    if (g->client) {
        g->client->session = NULL;
        if (was_open)
            client_drop(g->client);
        g->client = NULL;
    }
}

/* ---- Messages ---- */

static void on_hello(struct control_client *cl, const struct mux_message *m)
{
    if (cl->said_hello || m->version != MUX_VERSION) {
        forwarder_log(cl->control->forwarder, SESSION_ERROR,
                      "control socket: a client speaks version %u, or says HELLO twice", m->version);
        client_drop(cl);
    }
    cl->said_hello = true;
}

static void stop_listening(struct control *c)
{
    int fd = c->listener.fd;
    if (fd < 0)
        return;
    loop_del(loop_of(c), &c->listener);
    sock_close(&fd);
    sock_file_remove(&c->file, c->spec->path);
}

static void on_alive(struct control_client *cl, const struct mux_message *m)
{
    const struct mux_message alive = {.type = MUX_S_ALIVE, .id = m->id, .number = cl->control->spec->pid};
    send_message(cl, &alive);
}

static void on_forward(struct control_client *cl, const struct mux_message *m)
{
    if (!mux_forward_is_sound(&m->forward))
        refuse(cl, m->id, "Invalid forwarding request");
    else if (!forwarder_may_open(cl->control->forwarder))
        refuse(cl, m->id, "the connection is about to end");
    else if (m->type == MUX_C_OPEN_FWD)
        open_forward(cl, m);
    else
        close_forward(cl, m);
}

static void on_request(struct control_client *cl, const struct mux_message *m)
{
    struct control *c = cl->control;
    switch (m->type) {
    case MUX_C_ALIVE_CHECK:
        on_alive(cl, m);
        break;
    case MUX_C_TERMINATE:
        forwarder_log(c->forwarder, SESSION_DEBUG1, "control socket: told to end");
        answer(cl, MUX_S_OK, m->id);
        stop_listening(c);
        forwarder_end_session(c->forwarder, true);
        break;
    case MUX_C_OPEN_FWD:
    case MUX_C_CLOSE_FWD:
        on_forward(cl, m);
        break;
    case MUX_C_NEW_SESSION:
    case MUX_C_NEW_STDIO_FWD:
        open_session(cl, m);
        break;
    case MUX_C_STOP_LISTENING:
        forwarder_log(c->forwarder, SESSION_DEBUG1, "control socket: told to stop listening");
        stop_listening(c);
        answer(cl, MUX_S_OK, m->id);
        break;
    default:
        refuse(cl, m->id, "unsupported request");
    }
}

/* A command or an environment may hold what is secret. */
static void message_forget(struct control_client *cl)
{
    adit_wipe(cl->room, cl->got);
    cl->got = 0;
}

static bool message_of(struct control_client *cl, struct mux_message *m)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (mux_parse(m, span_make(cl->room + HEAD_LEN, cl->got - HEAD_LEN), &err) == ADIT_E_OK)
        return true;
    forwarder_log(cl->control->forwarder, SESSION_DEBUG1, "%s", err.text);
    client_drop(cl);
    return false;
}

/* A whole message is in room. */
static void on_message(struct control_client *cl)
{
    struct mux_message m;
    if (!message_of(cl, &m))
        return;
    if (m.type == MUX_MSG_HELLO) {
        on_hello(cl, &m);
    } else if (!cl->said_hello) {
        client_drop(cl);
    } else if (m.type == MUX_C_NEW_SESSION || m.type == MUX_C_NEW_STDIO_FWD) {
        cl->fds_wanted = m.type == MUX_C_NEW_SESSION ? DESCRIPTORS : DESCRIPTORS - 1;
        return; /* room stays until they are there */
    } else {
        on_request(cl, &m);
    }
    message_forget(cl);
}

static void on_descriptors(struct control_client *cl)
{
    struct mux_message m;
    cl->fds_wanted = cl->fd_count = 0;
    if (message_of(cl, &m))
        on_request(cl, &m);
    message_forget(cl);
}

/* ---- Reading: never more than the message, or the descriptor, that is due ---- */

/* How many bytes room is to hold; 0: no such message. */
static size_t bytes_wanted(const struct control_client *cl)
{
    struct span body;
    size_t used;
    if (cl->got < HEAD_LEN)
        return HEAD_LEN;
    if (mux_frame(span_make(cl->room, HEAD_LEN), &body, &used) == MUX_FRAME_BAD)
        return 0;
    return HEAD_LEN + (size_t)get_u32(cl->room);
}

/* False: nothing more now. */
static bool read_descriptor(struct control_client *cl)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (fdpass_take(cl->fd.fd, &cl->fds[cl->fd_count], &err) != ADIT_E_OK) {
        client_drop(cl);
        return false;
    }
    if (cl->fds[cl->fd_count] < 0) {
        loop_fd_not_readable(&cl->fd);
        return false;
    }
    if (++cl->fd_count == cl->fds_wanted)
        on_descriptors(cl);
    return true;
}

static bool read_bytes(struct control_client *cl)
{
    struct adit_error err = {ADIT_E_OK, ""};
    size_t n, wanted = bytes_wanted(cl);
    if (wanted == 0) {
        client_drop(cl);
        return false;
    }
    switch (sock_read(cl->fd.fd, cl->room + cl->got, wanted - cl->got, &n, &err)) {
    case SOCK_IO_OK:
        cl->got += n;
        if (cl->got > HEAD_LEN && cl->got == bytes_wanted(cl))
            on_message(cl);
        return true;
    case SOCK_IO_AGAIN:
        loop_fd_not_readable(&cl->fd);
        return false;
    case SOCK_IO_EOF:
    case SOCK_IO_FAILED:
        break;
    }
    client_drop(cl);
    return false;
}

static void client_serve(struct control_client *cl)
{
    int turns = 0;
    while (!cl->is_gone && cl->fd.can_read && turns < MESSAGES_A_TURN)
        if (!(cl->fds_wanted > 0 ? read_descriptor(cl) : read_bytes(cl)))
            return;
        else
            turns++;
    if (!cl->is_gone && cl->fd.can_read)
        sweep_soon(cl->control);
}

/* ---- Who connects ---- */

static struct control_client *client_new(struct control *c, int fd)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct control_client *cl = calloc(1, sizeof *cl);
    if (!cl) {
        sock_close(&fd);
        return NULL;
    }
    cl->control = c;
    for (size_t i = 0; i < DESCRIPTORS; i++)
        cl->fds[i] = -1;
    loop_fd_init(&cl->fd, SESSION_FD_FORWARDER, c->forwarder);
    if (loop_add(loop_of(c), &cl->fd, fd, &err) != ADIT_E_OK) {
        sock_close(&fd);
        free(cl);
        return NULL;
    }
    cl->next = c->clients;
    c->clients = cl;
    c->client_count++;
    return cl;
}

static void take_client(struct control *c, int fd)
{
    static const struct mux_message hello = {.type = MUX_MSG_HELLO, .version = MUX_VERSION};
    if (!sock_peer_is_us(fd))
        forwarder_log(c->forwarder, SESSION_ERROR, "control socket: another user's client was sent away");
    if (c->client_count >= CLIENTS || !sock_peer_is_us(fd)) {
        sock_close(&fd);
        return;
    }
    struct control_client *cl = client_new(c, fd);
    if (!cl)
        return;
    send_message(cl, &hello);
    control_progress(c->forwarder);
}

static void take_clients(struct control *c)
{
    struct sock_addr peer;
    struct adit_error err = {ADIT_E_OK, ""};
    int fd;
    while (c->listener.fd >= 0 && c->listener.can_read) {
        switch (sock_accept(c->listener.fd, &fd, &peer, &err)) {
        case SOCK_ACCEPT_OK:
            take_client(c, fd);
            break;
        case SOCK_ACCEPT_IGNORE:
            break;
        case SOCK_ACCEPT_LIMIT:
            loop_timer_set(loop_of(c), &c->sweep, loop_now_ms() + 1000);
            return;
        case SOCK_ACCEPT_AGAIN:
        case SOCK_ACCEPT_FAILED:
            loop_fd_not_readable(&c->listener);
            return;
        }
    }
}

static void control_on_ready(struct forwarder *f, struct loop_fd *fd)
{
    struct control *c = control_of(f);
    if (fd == &c->listener)
        take_clients(c);
    else
        client_serve((struct control_client *)(void *)fd);
}

/* ---- The sweep ---- */

/* A session's client has gone: so does the session. */
static void guests_forget(struct control_client *cl)
{
    for (struct guest *g = cl->control->guests; g; g = g->next) {
        if (g->client != cl)
            continue;
        g->client = NULL;
        g->awaits = false;
        if (!g->is_session)
            continue;
        g->is_leaving = true;
        for (struct flow *flow = g->forwarder ? g->forwarder->flows : NULL, *next; flow; flow = next) {
            next = flow->next;
            if (!flow->is_dead)
                flow_end(flow, false);
        }
    }
}

static void clients_sweep(struct control *c)
{
    for (struct control_client **at = &c->clients, *cl; (cl = *at) != NULL;) {
        if (!cl->is_gone) {
            client_serve(cl);
            at = &cl->next;
            continue;
        }
        guests_forget(cl);
        *at = cl->next;
        c->client_count--;
        message_forget(cl);
        free(cl);
    }
}

/* Something comes that names the forwarder: its place must not be another guest's by then. */
static bool is_awaited(const struct forwarder *f)
{
    return f->flows || f->state == FORWARDER_ASKED || f->state == FORWARDER_BINDING ||
           f->state == FORWARDER_CANCELLING;
}

static void guests_sweep(struct control *c)
{
    c->has_leaving = false;
    for (struct guest **at = &c->guests, *g; (g = *at) != NULL;) {
        const struct forwarder *f = g->forwarder;
        if (f && f->state == FORWARDER_FAILED && !g->is_leaving)
            refuse_forward(g);
        if (!g->is_leaving || (f && is_awaited(f))) {
            c->has_leaving = c->has_leaving || g->is_leaving;
            at = &g->next;
            continue;
        }
        *at = g->next;
        guest_free(g);
    }
}

static bool is_idle(const struct control *c)
{
    return c->client_count == 0 && forwarder_stats(c->forwarder)->open_now == 0;
}

static void look_at_persist(struct forwarder *f)
{
    struct control *c = control_of(f);
    if (!c->spec->is_persistent || c->spec->persist_s == 0 || !forwarder_may_open(f))
        return;
    if (!is_idle(c))
        loop_timer_cancel(loop_of(c), &c->idle);
    else if (!c->idle.is_set)
        loop_timer_set(loop_of(c), &c->idle, loop_now_ms() + (uint64_t)c->spec->persist_s * 1000);
}

static void control_on_timer(struct forwarder *f, struct loop_timer *t)
{
    struct control *c = control_of(f);
    if (t == &c->idle && !is_idle(c))
        return; /* a forwarded connection came, which tells nobody; its end does */
    if (t == &c->idle) {
        forwarder_log(f, SESSION_DEBUG1, "ControlPersist timeout expired");
        stop_listening(c);
        forwarder_end_session(f, false);
        return;
    }
    clients_sweep(c);
    guests_sweep(c);
    take_clients(c);
    look_at_persist(f);
}

void control_progress(struct forwarder *f)
{
    struct control *c = control_of(f);
    if (!c)
        return;
    if (c->has_leaving)
        sweep_soon(c);
    look_at_persist(f);
}

/* ---- Life ---- */

static void listen_at(struct control *c)
{
    struct forwarder *f = c->forwarder;
    struct adit_error err = {ADIT_E_OK, ""};
    bool exists;
    int fd;
    if (sock_listen_control(&fd, c->spec->path, &exists, &c->file, &err) == ADIT_E_OK &&
        loop_add(loop_of(c), &c->listener, fd, &err) == ADIT_E_OK)
        return;
    sock_file_remove(&c->file, c->spec->path);
    sock_close(&fd);
    if (exists)
        forwarder_log(f, SESSION_ERROR, "ControlSocket %s already exists, disabling multiplexing",
                      c->spec->path);
    else
        forwarder_log(f, SESSION_ERROR, "%s, disabling multiplexing", err.text);
    if (c->spec->is_persistent) /* nobody could ever come */
        forwarder_end_session(f, false);
}

static void control_open(struct forwarder *f)
{
    struct control *c = calloc(1, sizeof *c);
    f->own = c;
    if (c) {
        c->forwarder = f;
        c->spec = f->spec->control;
        loop_fd_init(&c->listener, SESSION_FD_FORWARDER, f);
        loop_timer_init(&c->sweep, SESSION_TIMER_FORWARDER, f);
        loop_timer_init(&c->idle, SESSION_TIMER_FORWARDER, f);
        listen_at(c);
        control_progress(f);
    } else {
        forwarder_log(f, SESSION_ERROR, "out of memory, disabling multiplexing");
    }
    forwarder_up(f, 0, NULL, 0);
}

/* A terminal has another size: each guest's may. */
static void control_on_command(struct forwarder *f, const struct session_command *command)
{
    struct control *c = control_of(f);
    if (!c || command->kind != SESSION_DO_WINDOW_CHANGE || !c->spec->describe)
        return;
    for (struct guest *g = c->guests; g; g = g->next) {
        struct flow *flow = g->forwarder && g->exec.wants_pty ? g->forwarder->flows : NULL;
        struct session_exec now = g->exec;
        if (!flow || !flow->channel || flow->is_opening || g->fds[0] < 0)
            continue;
        c->spec->describe(g->fds[0], &now, g->modes);
        (void)!ssh_session_window_change(forwarder_ssh(f), flow->channel, now.window);
    }
}

static void control_stop(struct forwarder *f)
{
    struct control *c = control_of(f);
    if (!c)
        return;
    stop_listening(c);
    loop_timer_cancel(loop_of(c), &c->idle);
}

static void control_free(struct forwarder *f)
{
    struct control *c = control_of(f);
    if (!c)
        return;
    control_stop(f);
    while (c->guests) {
        struct guest *g = c->guests;
        c->guests = g->next;
        guest_free(g);
    }
    while (c->clients) {
        struct control_client *cl = c->clients;
        c->clients = cl->next;
        client_drop(cl);
        message_forget(cl);
        free(cl);
    }
    loop_timer_cancel(loop_of(c), &c->sweep);
    f->own = NULL;
    free(c);
}

const struct forwarder_ops forwarder_control = {
    .open = control_open,
    .stop = control_stop,
    .free = control_free,
    .on_ready = control_on_ready,
    .on_timer = control_on_timer,
    .on_command = control_on_command,
};
