#include "forward/dial.h"

#include <stdlib.h>
#include <string.h>

#include "forward/internal.h"

void dial_init(struct dial *d, struct session *s)
{
    memset(d, 0, sizeof *d);
    d->session = s;
    d->next_ms = d->deadline_ms = LOOP_NEVER;
}

/* ---- The order ---- */

static size_t find_family(const struct sock_addr *in, size_t from, size_t count, int family, bool same)
{
    while (from < count && (sock_addr_family(&in[from]) == family) != same)
        from++;
    return from;
}

void dial_order(struct sock_addr *out, const struct sock_addr *in, size_t count)
{
    int family = count > 0 ? sock_addr_family(&in[0]) : 0;
    size_t at[2] = {find_family(in, 0, count, family, true), find_family(in, 0, count, family, false)};
    for (size_t n = 0, turn = 0; n < count; turn = 1 - turn) {
        if (at[turn] == count)
            continue;
        out[n++] = in[at[turn]];
        at[turn] = find_family(in, at[turn] + 1, count, family, turn == 0);
    }
}

/* ---- Its end ---- */

static void close_try(struct dial *d, struct dial_try *t)
{
    int fd = t->fd.fd;
    if (fd < 0)
        return;
    loop_del(&d->session->loop, &t->fd);
    sock_close(&fd);
    d->open_count--;
}

void dial_wipe(struct dial *d)
{
    for (size_t i = 0; i < d->count; i++)
        close_try(d, &d->tries[i]);
    free(d->tries);
    d->tries = NULL;
    d->count = 0;
    resolve_free(d->resolve);
    resolve_free(d->resolve_source);
    d->resolve = d->resolve_source = NULL;
}

static void fail(struct dial *d, const struct adit_error *why)
{
    const struct adit_error copy = *why;
    loop_timer_cancel(&d->session->loop, &d->session->phase_timer);
    dial_wipe(d);
    conn_fail(&d->session->conn, &copy);
}

static void win(struct dial *d, struct dial_try *t)
{
    int fd = t->fd.fd;
    loop_timer_cancel(&d->session->loop, &d->session->phase_timer);
    loop_del(&d->session->loop, &t->fd);
    d->open_count--;
    dial_wipe(d);
    conn_dialled(&d->session->conn, fd);
}

/* ---- The race ---- */

static void set_timer(struct dial *d)
{
    uint64_t at = d->next_ms < d->deadline_ms ? d->next_ms : d->deadline_ms;
    loop_timer_set(&d->session->loop, &d->session->phase_timer, at);
}

static const struct sock_addr *source_for(const struct dial *d, int family)
{
    for (size_t i = 0; i < d->source_count; i++)
        if (sock_addr_family(&d->sources[i]) == family)
            return &d->sources[i];
    return NULL;
}

/* BindAddress before BindInterface, as in ssh. *source NULL: the kernel's choice. */
static bool choose_source(struct dial *d, int family, struct sock_addr *room, const struct sock_addr **source)
{
    const struct session_config *config = &d->session->config;
    const char *family_name = family == AF_INET6 ? "IPv6" : "IPv4";
    *source = NULL;
    if (config->bind_address) {
        *source = source_for(d, family);
        if (!*source)
            (void)adit_fail(&d->why, ADIT_E_CONNECT, "bind address %s has no %s address",
                            config->bind_address, family_name);
        return *source != NULL;
    }
    if (!config->bind_interface)
        return true;
    *source = room;
    if (sock_interface_addr(room, config->bind_interface, family))
        return true;
    (void)adit_fail(&d->why, ADIT_E_CONNECT, "interface %s has no %s address", config->bind_interface,
                    family_name);
    return false;
}

/* False: it failed at once, for d->why. *done: it stands. */
static bool open_try(struct dial *d, struct dial_try *t, bool *done)
{
    struct session *s = d->session;
    struct sock_addr room;
    const struct sock_addr *source;
    int fd = -1;
    d->why.code = ADIT_E_OK;
    if (!choose_source(d, sock_addr_family(&t->to), &room, &source) ||
        sock_open(&fd, &t->to, &d->why) != ADIT_E_OK)
        return false;
    if (s->config.qos_login > 0)
        (void)sock_set_tos(fd, (uint8_t)s->config.qos_login);
    if (sock_connect_start_on(&fd, &t->to, source, done, &d->why) != ADIT_E_OK)
        return false;
    if (loop_add(&s->loop, &t->fd, fd, &d->why) == ADIT_E_OK) {
        d->open_count++;
        return true;
    }
    sock_close(&fd);
    return false;
}

static void say_trying(struct dial *d, const struct dial_try *t)
{
    char text[SOCK_TEXT_CAP];
    sock_addr_text(&t->to, text);
    session_log(d->session, SESSION_DEBUG1, "Connecting to %s [%s].", d->host, text);
    session_notify_text(d->session, SESSION_CONNECTING, text);
}

static void say_failed(struct dial *d)
{
    session_log(d->session, SESSION_DEBUG1, "%s", d->why.text);
}

static void round_over(struct dial *d)
{
    if (d->rounds_left <= 1) {
        fail(d, &d->why);
        return;
    }
    d->rounds_left--;
    d->next = 0;
    d->next_ms = loop_now_ms() + DIAL_AGAIN_MS;
    session_log(d->session, SESSION_DEBUG1, "Trying again...");
    set_timer(d);
}

/* Starts the next address that can be started. */
static void try_next(struct dial *d)
{
    while (d->next < d->count) {
        struct dial_try *t = &d->tries[d->next++];
        bool done = false;
        say_trying(d, t);
        if (!open_try(d, t, &done)) {
            say_failed(d);
            continue;
        }
        d->next_ms = d->next < d->count ? loop_now_ms() + DIAL_STAGGER_MS : LOOP_NEVER;
        if (done)
            win(d, t);
        else
            set_timer(d);
        return;
    }
    d->next_ms = LOOP_NEVER;
    if (d->open_count == 0)
        round_over(d);
    else
        set_timer(d);
}

void dial_on_ready(struct dial *d, struct loop_fd *f)
{
    struct dial_try *t = f->owner;
    bool done = false;
    if (!(f->can_write || f->hangup))
        return;
    d->why.code = ADIT_E_OK;
    if (sock_connect_finish(f->fd, &t->to, &done, &d->why) == ADIT_E_OK) {
        if (done)
            win(d, t);
        return;
    }
    say_failed(d);
    close_try(d, t);
    if (d->next < d->count || d->open_count == 0)
        try_next(d);
}

/* ---- The lookups ---- */

static void race(struct dial *d, const struct sock_addr *addrs, size_t count)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct sock_addr *order = calloc(count + 1, sizeof *order);
    d->tries = calloc(count + 1, sizeof *d->tries);
    if (!order || !d->tries) {
        free(order);
        (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory");
        fail(d, &err);
        return;
    }
    dial_order(order, addrs, count);
    d->count = count;
    for (size_t i = 0; i < count; i++) {
        d->tries[i].to = order[i];
        loop_fd_init(&d->tries[i].fd, SESSION_FD_DIAL, &d->tries[i]);
    }
    free(order);
    (void)adit_fail(&d->why, ADIT_E_CONNECT, "%s has no address to connect to", d->host);
    try_next(d);
}

static void look_up(struct dial *d, struct resolve **r, const char *name, uint16_t port)
{
    struct session *s = d->session;
    struct adit_error err = {ADIT_E_OK, ""};
    if (resolve_start(r, name, port, s->config.family, &s->box, SESSION_MAIL_RESOLVED, d, &err) != ADIT_E_OK)
        fail(d, &err);
}

void dial_on_resolved(struct dial *d)
{
    struct adit_error err = {ADIT_E_OK, ""};
    const struct sock_addr *addrs;
    size_t count;
    bool is_source = d->resolve == NULL;
    if (resolve_result(is_source ? d->resolve_source : d->resolve, &addrs, &count, &err) != ADIT_E_OK) {
        fail(d, &err);
    } else if (is_source) {
        d->sources = addrs;
        d->source_count = count;
        look_up(d, &d->resolve, d->host, d->port);
    } else {
        race(d, addrs, count);
    }
}

void dial_on_timer(struct dial *d)
{
    const struct session_config *config = &d->session->config;
    uint64_t now = loop_now_ms();
    struct adit_error err = {ADIT_E_OK, ""};
    if (now < d->deadline_ms && now >= d->next_ms) {
        try_next(d);
        return;
    }
    if (now < d->deadline_ms) { /* it was moved meanwhile */
        set_timer(d);
        return;
    }
    (void)adit_fail(&err, ADIT_E_TIMEOUT, "connect to host %s port %u: Connection timed out after %u s (%s)",
                    d->host, d->port, (config->connect_timeout_ms + 999) / 1000,
                    d->tries ? "no answer" : "the name lookup did not finish");
    fail(d, &err);
}

void dial_start(struct dial *d, const char *host, uint16_t port, uint64_t deadline_ms)
{
    const struct session_config *config = &d->session->config;
    d->host = host;
    d->port = port;
    d->deadline_ms = deadline_ms;
    d->rounds_left = config->connection_attempts;
    set_timer(d);
    if (config->bind_address)
        look_up(d, &d->resolve_source, config->bind_address, 0);
    else
        look_up(d, &d->resolve, host, port);
}
