#include <stdlib.h>

#include "forward/control.h"
#include "net/fdpass.h"

enum {
    MESSAGES_A_TURN = 16, /* of one client, before others have their turn */
    ANSWER_CAP = 512,
};

void control_client_drop(struct control_client *cl)
{
    int fd = cl->fd.fd;
    if (cl->is_gone)
        return;
    cl->is_gone = true;
    loop_del(control_loop(cl->control), &cl->fd);
    sock_close(&fd);
    control_fds_close(cl->fds);
    control_confirm_forget(cl);
    control_sweep_soon(cl->control);
}

void control_client_send(struct control_client *cl, const struct mux_message *m)
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
        control_client_drop(cl);
}

void control_client_answer(struct control_client *cl, uint32_t type, uint32_t request)
{
    const struct mux_message m = {.type = type, .id = request};
    control_client_send(cl, &m);
}

void control_client_refuse(struct control_client *cl, uint32_t request, const char *why)
{
    const struct mux_message m = {.type = MUX_S_FAILURE, .id = request, .reason = span_str(why)};
    forwarder_log(cl->control->forwarder, SESSION_DEBUG1, "control socket: refused: %s", why);
    control_client_send(cl, &m);
}

void control_client_deny(struct control_client *cl, uint32_t request)
{
    const struct mux_message m = {
        .type = MUX_S_PERMISSION_DENIED, .id = request, .reason = span_str("Permission denied")};
    forwarder_log(cl->control->forwarder, SESSION_DEBUG1, "control socket: a request was not agreed to");
    control_fds_close(cl->fds);
    control_client_send(cl, &m);
}

struct control_client *control_client_new(struct control *c, int fd)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct control_client *cl = calloc(1, sizeof *cl);
    if (!cl) {
        sock_close(&fd);
        return NULL;
    }
    cl->control = c;
    for (size_t i = 0; i < CONTROL_DESCRIPTORS; i++)
        cl->fds[i] = -1;
    loop_fd_init(&cl->fd, SESSION_FD_FORWARDER, c->forwarder);
    if (loop_add(control_loop(c), &cl->fd, fd, &err) != ADIT_E_OK) {
        sock_close(&fd);
        free(cl);
        return NULL;
    }
    cl->next = c->clients;
    c->clients = cl;
    c->client_count++;
    return cl;
}

/* ---- Messages ---- */

/* A command or an environment may hold what is secret. */
static void room_free(struct control_client *cl)
{
    if (cl->room)
        adit_wipe(cl->room, cl->got - CONTROL_HEAD_LEN);
    free(cl->room);
    cl->control->held -= cl->room_len;
    cl->room = NULL;
    cl->room_len = cl->got = 0;
}

static void message_forget(struct control_client *cl)
{
    if (!cl->question) /* it will be wanted once more */
        room_free(cl);
}

void control_client_free(struct control_client *cl)
{
    message_forget(cl);
    free(cl);
}

static bool message_of(struct control_client *cl, struct mux_message *m)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (mux_parse(m, span_make(cl->room, cl->room_len), &err) == ADIT_E_OK)
        return true;
    forwarder_log(cl->control->forwarder, SESSION_DEBUG1, "%s", err.text);
    control_client_drop(cl);
    return false;
}

static void on_hello(struct control_client *cl, const struct mux_message *m)
{
    if (cl->said_hello || m->version != MUX_VERSION) {
        forwarder_log(cl->control->forwarder, SESSION_ERROR,
                      "control socket: a client speaks version %u, or says HELLO twice", m->version);
        control_client_drop(cl);
    }
    cl->said_hello = true;
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
        control_client_drop(cl);
    } else if (m.type == MUX_C_NEW_SESSION || m.type == MUX_C_NEW_STDIO_FWD) {
        cl->fds_wanted = m.type == MUX_C_NEW_SESSION ? CONTROL_DESCRIPTORS : CONTROL_DESCRIPTORS - 1;
        return; /* room stays until they are there */
    } else {
        control_request(cl, &m);
    }
    message_forget(cl);
}

static void on_descriptors(struct control_client *cl)
{
    struct mux_message m;
    cl->fds_wanted = cl->fd_count = 0;
    if (message_of(cl, &m))
        control_request(cl, &m);
    message_forget(cl);
}

void control_client_resume(struct control_client *cl, bool is_agreed)
{
    struct mux_message m;
    free(cl->question);
    cl->question = NULL;
    cl->is_agreed = is_agreed;
    if (message_of(cl, &m)) {
        if (is_agreed)
            control_request(cl, &m);
        else
            control_client_deny(cl, m.id);
    }
    cl->is_agreed = false;
    message_forget(cl);
}

/* ---- Reading: never more than the message, or the descriptor, that is due ---- */

static struct wspan bytes_due(struct control_client *cl)
{
    if (cl->got < CONTROL_HEAD_LEN)
        return (struct wspan){cl->head + cl->got, CONTROL_HEAD_LEN - cl->got};
    size_t in_room = cl->got - CONTROL_HEAD_LEN;
    return (struct wspan){cl->room + in_room, cl->room_len - in_room};
}

/* Whoever waits for a person's answer is not to blame; one that is gone holds its own until the sweep. */
static bool drop_longest(struct control *c)
{
    struct control_client *found = NULL;
    for (struct control_client *cl = c->clients; cl; cl = cl->next)
        if (cl->room && !cl->question && (!found || cl->room_number < found->room_number))
            found = cl;
    if (!found)
        return false;
    forwarder_log(c->forwarder, SESSION_VERBOSE, "control socket: too many messages that are not whole");
    control_client_drop(found);
    room_free(found);
    return true;
}

/* The head is there. False: no such message, or no place for it. */
static bool room_take(struct control_client *cl)
{
    struct control *c = cl->control;
    size_t used, n = get_u32(cl->head);
    struct span body;
    if (mux_frame(span_make(cl->head, CONTROL_HEAD_LEN), &body, &used) == MUX_FRAME_BAD)
        return false;
    while (c->held + n > CONTROL_HELD_MAX)
        if (!drop_longest(c))
            return false;
    cl->room = malloc(LIMIT_MUX_MESSAGE);
    if (!cl->room)
        return false;
    cl->room_len = n;
    cl->room_number = ++c->rooms_given;
    c->held += n;
    return true;
}

/* False: nothing more now. */
static bool read_descriptor(struct control_client *cl)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (fdpass_take(cl->fd.fd, &cl->fds[cl->fd_count], &err) != ADIT_E_OK) {
        control_client_drop(cl);
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
    struct wspan due = bytes_due(cl);
    size_t n;
    switch (sock_read(cl->fd.fd, due.p, due.n, &n, &err)) {
    case SOCK_IO_OK:
        cl->got += n;
        if (cl->got == CONTROL_HEAD_LEN && !room_take(cl))
            break;
        if (cl->room && n == due.n && cl->got == CONTROL_HEAD_LEN + cl->room_len)
            on_message(cl);
        return true;
    case SOCK_IO_AGAIN:
        loop_fd_not_readable(&cl->fd);
        return false;
    case SOCK_IO_EOF:
    case SOCK_IO_FAILED:
        break;
    }
    control_client_drop(cl);
    return false;
}

void control_client_serve(struct control_client *cl)
{
    int turns = 0;
    while (!cl->is_gone && !cl->question && cl->fd.can_read && turns < MESSAGES_A_TURN)
        if (!(cl->fds_wanted > 0 ? read_descriptor(cl) : read_bytes(cl)))
            return;
        else
            turns++;
    if (cl->question && cl->fd.peer_done) /* it does not wait for the answer */
        control_client_drop(cl);
    else if (!cl->is_gone && !cl->question && cl->fd.can_read)
        control_sweep_soon(cl->control);
}
