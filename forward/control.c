#include "forward/control.h"

#include <stdlib.h>

#include "forward/guest.h"

enum { CLIENTS = 256 /* at one time */ };

static struct control *control_of(struct forwarder *f)
{
    return f->own;
}

struct loop *control_loop(const struct control *c)
{
    return forwarder_loop(c->forwarder);
}

void control_sweep_soon(struct control *c)
{
    loop_timer_set(control_loop(c), &c->sweep, loop_now_ms());
}

void control_fds_close(int fds[CONTROL_DESCRIPTORS])
{
    for (size_t i = 0; i < CONTROL_DESCRIPTORS; i++)
        sock_close(&fds[i]);
}

void control_stop_listening(struct control *c)
{
    int fd = c->listener.fd;
    if (fd < 0)
        return;
    loop_del(control_loop(c), &c->listener);
    sock_close(&fd);
    sock_file_remove(&c->file, c->spec->path);
}

void control_go_deaf(struct control *c)
{
    control_stop_listening(c);
    c->ends_when_idle = c->spec->is_persistent || forwarder_config(c->forwarder)->keep_open;
    control_sweep_soon(c);
}

/* ---- Who connects ---- */

static void take_client(struct control *c, int fd)
{
    static const struct mux_message hello = {.type = MUX_MSG_HELLO, .version = MUX_VERSION};
    if (!sock_peer_is_us(fd))
        forwarder_log(c->forwarder, SESSION_ERROR, "control socket: another user's client was sent away");
    if (c->client_count >= CLIENTS || !sock_peer_is_us(fd)) {
        sock_close(&fd);
        return;
    }
    struct control_client *cl = control_client_new(c, fd);
    if (!cl)
        return;
    control_client_send(cl, &hello);
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
            loop_timer_set(control_loop(c), &c->sweep, loop_now_ms() + 1000);
            return;
        case SOCK_ACCEPT_AGAIN:
        case SOCK_ACCEPT_FAILED:
            loop_fd_not_readable(&c->listener);
            return;
        }
    }
}

static struct guest *guest_of(const struct control *c, const struct loop_fd *fd)
{
    struct guest *g = c->guests;
    while (g && !guest_escape_owns(g, fd))
        g = g->next;
    return g;
}

static void control_on_ready(struct forwarder *f, struct loop_fd *fd)
{
    struct control *c = control_of(f);
    struct guest *g;
    if (fd == &c->listener)
        take_clients(c);
    else if (fd == &c->confirm.out)
        control_confirm_on_ready(c);
    else if ((g = guest_of(c, fd)) != NULL)
        guest_escape_serve(g);
    else
        control_client_serve((struct control_client *)(void *)fd);
}

/* ---- The sweep ---- */

static void clients_sweep(struct control *c)
{
    for (struct control_client **at = &c->clients, *cl; (cl = *at) != NULL;) {
        if (!cl->is_gone) {
            control_client_serve(cl);
            at = &cl->next;
            continue;
        }
        guest_client_gone(cl);
        *at = cl->next;
        c->client_count--;
        control_client_free(cl);
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
        guest_escape_serve(g);
        if (f && f->state == FORWARDER_FAILED && !g->is_leaving)
            guest_refuse_forward(g);
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
    bool has_limit = c->spec->is_persistent && c->spec->persist_s > 0 && c->listener.fd >= 0;
    if (!forwarder_may_open(f))
        return;
    if (!is_idle(c))
        loop_timer_cancel(control_loop(c), &c->idle);
    else if (c->ends_when_idle) {
        c->ends_when_idle = false; /* once: twice would be at once */
        forwarder_end_session(f, false);
    } else if (has_limit && !c->idle.is_set)
        loop_timer_set(control_loop(c), &c->idle, loop_now_ms() + (uint64_t)c->spec->persist_s * 1000);
}

static void control_on_timer(struct forwarder *f, struct loop_timer *t)
{
    struct control *c = control_of(f);
    if (t == &c->confirm.end) {
        control_confirm_on_timer(c);
        return;
    }
    if (t == &c->idle && !is_idle(c))
        return; /* a forwarded connection came, which tells nobody; its end does */
    if (t == &c->idle) {
        forwarder_log(f, SESSION_DEBUG1, "ControlPersist timeout expired");
        control_stop_listening(c);
        forwarder_end_session(f, false);
        return;
    }
    clients_sweep(c);
    control_confirm_next(c);
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
        control_sweep_soon(c);
    look_at_persist(f);
}

/* ---- Life ---- */

/* Where something is at the path already all else goes on, as with ssh; when it cannot be listened at, or
 * there is no memory, nothing does: whoever asked for a master would wait for it in vain. */
static void listen_at(struct control *c)
{
    struct forwarder *f = c->forwarder;
    struct adit_error err = {ADIT_E_OK, ""};
    bool exists;
    int fd;
    if (sock_listen_control(&fd, c->spec->path, &exists, &c->file, &err) == ADIT_E_OK &&
        loop_add(control_loop(c), &c->listener, fd, &err) == ADIT_E_OK)
        return;
    sock_file_remove(&c->file, c->spec->path);
    sock_close(&fd);
    if (!exists) {
        struct adit_error why = {ADIT_E_OK, ""};
        (void)adit_fail(&why, err.code, "ControlPath %s: %s", c->spec->path, err.text);
        forwarder_end_failed(f, &why);
        return;
    }
    forwarder_log(f, SESSION_ERROR, "ControlSocket %s already exists, disabling multiplexing", c->spec->path);
    c->ends_when_idle = c->spec->has_guest;
    forwarder_notify(f, &(struct session_notice){.kind = SESSION_CONTROL_FAILED, .index = f->index});
}

/* Nobody need agree to what is asked for in our own process, or by whoever started it. */
static void take_own_client(struct control *c, int fd)
{
    size_t before = c->client_count;
    take_client(c, fd);
    if (c->client_count > before)
        c->clients->is_own = true;
}

static void take_own_guest(struct control *c)
{
    if (c->spec->has_guest && sock_set_nonblock(c->spec->guest_fd, true))
        take_own_client(c, c->spec->guest_fd);
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
        control_confirm_init(c);
        if (c->spec->path)
            listen_at(c);
        take_own_guest(c);
        control_progress(f);
    } else {
        struct adit_error why = {ADIT_E_OK, ""};
        (void)adit_fail(&why, ADIT_E_MEMORY, "out of memory for a master");
        forwarder_end_failed(f, &why);
    }
    forwarder_up(f, 0, NULL, 0);
}

/* A terminal has another size: each guest's may. */
static void windows_change(struct forwarder *f)
{
    struct control *c = control_of(f);
    for (struct guest *g = c->guests; g; g = g->next) {
        struct flow *flow = g->forwarder && g->exec.wants_pty ? g->forwarder->flows : NULL;
        struct session_exec now = g->exec;
        if (!flow || !flow->channel || flow->is_opening || g->fds[0] < 0)
            continue;
        c->spec->describe(g->fds[0], &now, g->modes);
        (void)!ssh_session_window_change(forwarder_ssh(f), flow->channel, now.window);
    }
}

static void control_on_command(struct forwarder *f, const struct session_command *command)
{
    struct control *c = control_of(f);
    int fd = command->fd;
    if (command->kind == SESSION_DO_TAKE_CLIENT && c)
        take_own_client(c, fd);
    else if (command->kind == SESSION_DO_TAKE_CLIENT)
        sock_close(&fd);
    else if (command->kind == SESSION_DO_WINDOW_CHANGE && c && c->spec->describe)
        windows_change(f);
}

static void control_stop(struct forwarder *f)
{
    struct control *c = control_of(f);
    if (!c)
        return;
    control_stop_listening(c);
    loop_timer_cancel(control_loop(c), &c->idle);
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
        control_client_drop(cl);
        control_client_free(cl);
    }
    loop_timer_cancel(control_loop(c), &c->sweep);
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
