/*
 * guest_escape.c - the escape sequences of a guest's terminal (ssh(1)): the master reads what is typed there,
 * so they are its affair.
 *
 * What is typed goes through a pipe whose other end is the session's input; what is said to the person goes
 * to the guest's standard error. Neither may wait: the pipe holds what the server does not take yet, and what
 * the terminal does not take is kept, up to TOLD_CAP.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/escape.h"
#include "forward/guest.h"
#include "net/standard.h"

enum {
    BREAK_MS = 1000,
    TYPED_CAP = 1024,
    TOLD_CAP = 4096,
    MOVES_A_TURN = 16,
    LINE_CAP = FORWARDER_TARGET_CAP + 64,
};

struct guest_escape {
    struct guest *guest;
    struct escape machine;
    struct loop_fd in, pipe, told; /* fd -1: over */
    bool in_is_shared, told_is_shared;
    int far; /* the session's end of the pipe, until it has its own copy; -1 */
    struct span rest;
    uint8_t typed[TYPED_CAP];
    uint8_t out[TYPED_CAP + 1];
    size_t out_from, out_to;
    char text[TOLD_CAP]; /* what is still to be told */
    size_t text_len;
};

/* ---- Life ---- */

static struct loop *loop_of(const struct guest_escape *e)
{
    return control_loop(e->guest->control);
}

static void fd_end(struct guest_escape *e, struct loop_fd *f)
{
    int fd = f->fd;
    loop_del(loop_of(e), f);
    sock_close(&fd);
}

static void input_over(struct guest_escape *e)
{
    fd_end(e, &e->in);
    fd_end(e, &e->pipe);
}

/* Takes fd. */
static bool watch(struct guest_escape *e, struct loop_fd *f, int fd)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (loop_add(loop_of(e), f, fd, &err) == ADIT_E_OK)
        return true;
    sock_close(&fd);
    return false;
}

static bool watch_copy(struct guest_escape *e, struct loop_fd *f, int fd, bool for_writing, bool *is_shared)
{
    struct standard copy;
    struct adit_error err = {ADIT_E_OK, ""};
    if (standard_copy(&copy, fd, for_writing, &err) != ADIT_E_OK)
        return false;
    *is_shared = copy.is_shared;
    return watch(e, f, copy.fd);
}

static bool open_all(struct guest_escape *e)
{
    int end;
    struct adit_error err = {ADIT_E_OK, ""};
    if (standard_pipe(&e->far, &end, &err) != ADIT_E_OK)
        return false;
    return watch(e, &e->pipe, end) && watch_copy(e, &e->in, e->guest->fds[0], false, &e->in_is_shared) &&
           watch_copy(e, &e->told, e->guest->fds[2], true, &e->told_is_shared);
}

bool guest_escape_begin(struct guest *g, int character, int *in_fd)
{
    struct guest_escape *e = calloc(1, sizeof *e);
    if (!e)
        return false;
    e->guest = g;
    e->far = -1;
    e->machine = escape_make(character);
    loop_fd_init(&e->in, SESSION_FD_FORWARDER, g->control->forwarder);
    loop_fd_init(&e->pipe, SESSION_FD_FORWARDER, g->control->forwarder);
    loop_fd_init(&e->told, SESSION_FD_FORWARDER, g->control->forwarder);
    g->escape = e;
    *in_fd = -1;
    if (!open_all(e))
        return false;
    *in_fd = e->far;
    return true;
}

void guest_escape_taken(struct guest *g)
{
    if (g->escape)
        sock_close(&g->escape->far);
}

void guest_escape_free(struct guest *g)
{
    struct guest_escape *e = g->escape;
    if (!e)
        return;
    input_over(e);
    fd_end(e, &e->told);
    sock_close(&e->far);
    adit_wipe(e, sizeof *e); /* a password for sudo, perhaps */
    free(e);
    g->escape = NULL;
}

bool guest_escape_owns(const struct guest *g, const struct loop_fd *fd)
{
    const struct guest_escape *e = g->escape;
    return e && (fd == &e->in || fd == &e->pipe || fd == &e->told);
}

/* ---- What the person is told ---- */

static void text_flush(struct guest_escape *e)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct iovec part = {e->text, e->text_len};
    size_t n = 0;
    if (e->text_len == 0 || e->told.fd < 0 || !e->told.can_write)
        return;
    enum sock_io io = e->told_is_shared ? sock_shared_write(e->told.fd, e->text, e->text_len, &n, &err)
                                        : standard_writev(e->told.fd, &part, 1, &n, &err);
    memmove(e->text, e->text + n, e->text_len - n);
    e->text_len -= n;
    if (io == SOCK_IO_AGAIN)
        loop_fd_not_writable(&e->told);
    else if (io != SOCK_IO_OK)
        fd_end(e, &e->told);
}

/* A line that has no place any more is left out. */
static void tell(struct guest_escape *e, const char *text)
{
    size_t n = strlen(text);
    if (n > sizeof e->text - e->text_len)
        return;
    memcpy(e->text + e->text_len, text, n);
    e->text_len += n;
}

static void tell_typed(struct guest_escape *e, const char *what, const char *more)
{
    char line[80];
    (void)adit_format(line, sizeof line, "%c%s%s\r\n", e->machine.character, what, more);
    tell(e, line);
}

static void tell_help(struct guest_escape *e)
{
    static const char *const lines[] = {".   - terminate session", "B   - send a BREAK to the remote system",
                                        "R   - request rekey", "#   - list forwarded connections",
                                        "?   - this message"};
    char line[80];
    tell_typed(e, "?", "");
    tell(e, "Supported escape sequences:\r\n");
    for (size_t i = 0; i < ADIT_COUNT(lines); i++) {
        (void)adit_format(line, sizeof line, " %c%s\r\n", e->machine.character, lines[i]);
        tell(e, line);
    }
    (void)adit_format(line, sizeof line, " %c%c   - send the escape character by typing it twice\r\n",
                      e->machine.character, e->machine.character);
    tell(e, line);
    tell(e, "(Note that escapes are only recognized immediately after newline.)\r\n");
}

static void tell_connection(struct guest_escape *e, struct flow *flow, size_t number)
{
    struct forwarder *f = flow->forwarder;
    char line[LINE_CAP], target[FORWARDER_TARGET_CAP] = "";
    bool is_session = flow->kind == SESSION_CHANNEL_SESSION;
    if (!is_session && f->ops->flow_target)
        f->ops->flow_target(flow, target);
    else if (!is_session)
        forwarder_target(f, target);
    (void)adit_format(line, sizeof line, "  #%zu %s%s%s%s\r\n", number, session_channel_name(flow->kind),
                      target[0] ? " " : "", target, f == e->guest->forwarder ? " (this one)" : "");
    tell(e, line);
}

static void tell_connections(struct guest_escape *e)
{
    struct forwarder *f;
    size_t number = 0;
    tell_typed(e, "#", "");
    tell(e, "The following connections are open:\r\n");
    for (size_t i = 0; (f = forwarder_at(e->guest->control->forwarder, i)) != NULL; i++)
        for (struct flow *flow = f->flows; flow; flow = flow->next)
            if (!flow->is_dead)
                tell_connection(e, flow, number++);
}

/* ---- What is done ---- */

static void send_break(struct guest_escape *e)
{
    const struct forwarder *f = e->guest->forwarder;
    struct flow *flow = f ? f->flows : NULL;
    tell_typed(e, "B", "");
    if (flow && flow->channel && !flow->is_opening && !flow->is_dead)
        (void)!ssh_session_break(forwarder_ssh(e->guest->control->forwarder), flow->channel, BREAK_MS);
}

/* The guest alone, at once: also when the server does not answer. */
static void quit(struct guest_escape *e)
{
    tell_typed(e, ".", "");
    text_flush(e);
    input_over(e);
    if (e->guest->client)
        control_client_drop(e->guest->client);
}

static void execute(struct guest_escape *e, enum escape_action action)
{
    static const char no[] = " escape not available to multiplexed sessions"; /* ssh's words */
    switch (action) {
    case ESCAPE_NONE:
        break;
    case ESCAPE_QUIT:
        quit(e);
        break;
    case ESCAPE_HELP:
        tell_help(e);
        break;
    case ESCAPE_CONNECTIONS:
        tell_connections(e);
        break;
    case ESCAPE_BREAK:
        send_break(e);
        break;
    case ESCAPE_REKEY:
        ssh_rekey(forwarder_ssh(e->guest->control->forwarder));
        break;
    case ESCAPE_SUSPEND:
        tell_typed(e, "^Z", no);
        break;
    case ESCAPE_BACKGROUND:
        tell_typed(e, "&", no);
        break;
    case ESCAPE_COMMAND:
        tell_typed(e, "C", no);
        break;
    case ESCAPE_QUIETER:
        tell_typed(e, "V", no);
        break;
    case ESCAPE_LOUDER:
        tell_typed(e, "v", no);
        break;
    }
}

/* ---- What is typed ---- */

/* True: nothing waits for the pipe. */
static bool out_flush(struct guest_escape *e)
{
    struct adit_error err = {ADIT_E_OK, ""};
    size_t n;
    while (e->pipe.fd >= 0 && e->out_from < e->out_to) {
        enum sock_io io = sock_write(e->pipe.fd, e->out + e->out_from, e->out_to - e->out_from, &n, &err);
        if (io == SOCK_IO_AGAIN) {
            loop_fd_not_writable(&e->pipe);
            return false;
        }
        if (io != SOCK_IO_OK) /* the session takes no more input */
            input_over(e);
        e->out_from += n;
    }
    return true;
}

/* False: nothing more now. */
static bool input_read(struct guest_escape *e)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct iovec part = {e->typed, sizeof e->typed};
    size_t n = 0;
    if (!e->in.can_read)
        return false;
    enum sock_io io = e->in_is_shared ? sock_shared_read(e->in.fd, e->typed, sizeof e->typed, &n, &err)
                                      : standard_readv(e->in.fd, &part, 1, &n, &err);
    e->rest = span_make(e->typed, n);
    if (io == SOCK_IO_AGAIN)
        loop_fd_not_readable(&e->in);
    else if (io != SOCK_IO_OK)
        input_over(e);
    return io == SOCK_IO_OK;
}

void guest_escape_serve(struct guest *g)
{
    struct guest_escape *e = g->escape;
    if (!e)
        return;
    if (g->is_leaving)
        input_over(e);
    for (int moves = 0; e->in.fd >= 0 && out_flush(e) && e->in.fd >= 0; moves++) {
        if (moves == MOVES_A_TURN) {
            control_sweep_soon(g->control);
            break;
        }
        if (e->rest.n == 0 && !input_read(e))
            break;
        e->out_from = 0;
        execute(e, escape_take(&e->machine, &e->rest, e->out, &e->out_to));
    }
    text_flush(e);
}
