/*
 * listener.c - the listening side of -L and -D: binding every address of a forward, or a path, and taking
 * clients.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/access.h"
#include "forward/forwarder.h"

enum {
    LISTENERS_MAX = 8,    /* addresses of one forward */
    PORT_TRIES = 32,      /* port 0: other ports tried until one is free on every address. Those that count
                           * up are tried to the end: 55,000 take a tenth of a second */
    ACCEPTS_A_TURN = 128, /* then others have their turn */
    /* Out of descriptors: no edge comes for those who wait already, so that we look again; four times a
     * second costs nothing and is soon enough. */
    RETRY_MS = 250,
};

struct listeners {
    struct loop_fd fds[LISTENERS_MAX];
    size_t count;
    struct loop_timer timer; /* accept again */
    struct resolve *resolve; /* of the bind name */
    struct sock_file file;   /* of bind_path */
    bool is_open;            /* clients are taken */
    bool limit_is_told;
};

static struct listeners *listeners_of(struct forwarder *f)
{
    return f->own;
}

/* ---- Binding ---- */

static void close_all(struct forwarder *f)
{
    struct listeners *l = listeners_of(f);
    if (f->spec->bind_path)
        sock_file_remove(&l->file, f->spec->bind_path);
    for (size_t i = 0; i < l->count; i++) {
        int fd = l->fds[i].fd;
        loop_del(forwarder_loop(f), &l->fds[i]);
        sock_close(&fd);
    }
    l->count = 0;
}

/* Takes fd, also when it fails. */
static enum adit_err add_listener(struct forwarder *f, int fd, struct adit_error *err)
{
    struct listeners *l = listeners_of(f);
    loop_fd_init(&l->fds[l->count], SESSION_FD_FORWARDER, f);
    enum adit_err e = loop_add(forwarder_loop(f), &l->fds[l->count], fd, err);
    if (e == ADIT_E_OK)
        l->count++;
    else
        sock_close(&fd);
    return e;
}

/* It was had before: another address is being tried again. */
static bool is_bound(struct forwarder *f, const struct sock_addr *a)
{
    const struct listeners *l = listeners_of(f);
    char wanted[SOCK_TEXT_CAP], had[SOCK_TEXT_CAP];
    struct sock_addr bound;
    sock_addr_text(a, wanted);
    for (size_t i = 0; i < l->count; i++) {
        if (!sock_local(l->fds[i].fd, &bound))
            continue;
        sock_addr_text(&bound, had);
        if (strcmp(wanted, had) == 0)
            return true;
    }
    return false;
}

/* Listens on one address; the port is the first one's when that was the kernel's choice. */
static enum adit_err listen_one(struct forwarder *f, const struct sock_addr *a, bool *is_missing,
                                struct adit_error *err)
{
    int fd = -1;
    enum adit_err e = sock_listen(&fd, a, is_missing, err);
    if (e != ADIT_E_OK)
        return e;
    (void)sock_set_nodelay(fd, true); /* Linux gives it on to those that are accepted */
    return add_listener(f, fd, err);
}

/* Of the next address: the first one's, where there is one. Another one would be told of as the same. */
static enum adit_err find_same_port(struct forwarder *f, uint16_t *port, struct adit_error *err)
{
    struct sock_addr bound;
    struct listeners *l = listeners_of(f);
    if (l->count == 0)
        return ADIT_E_OK;
    if (sock_find_local(l->fds[0].fd, &bound, err) != ADIT_E_OK)
        return err->code;
    *port = sock_addr_port(&bound);
    return ADIT_E_OK;
}

/* False: there is none any more. */
static bool port_to_try(const struct session_forward *spec, uint32_t tries, uint16_t *port)
{
    bool counts_up = spec->bind_port != 0;
    *port = counts_up ? (uint16_t)(spec->bind_port + tries) : 0;
    return counts_up ? spec->bind_port + tries <= UINT16_MAX : tries < PORT_TRIES;
}

/* One port on several addresses: the kernel's choice for the first of them, or the next one up, for all of
 * them; again while another one has it taken. */
static bool listen_any_port(struct forwarder *f, const struct sock_addr *addrs, size_t n, bool *missing,
                            struct adit_error *err)
{
    uint16_t port;
    for (uint32_t tries = 0; port_to_try(f->spec, tries, &port); tries++) {
        bool is_clash = false;
        err->code = ADIT_E_OK;
        for (size_t i = 0; i < n && !is_clash; i++) {
            struct sock_addr a = addrs[i];
            if (find_same_port(f, &port, err) != ADIT_E_OK)
                return false;
            sock_addr_set_port(&a, port);
            missing[i] = false;
            is_clash = listen_one(f, &a, &missing[i], err) != ADIT_E_OK && !missing[i];
            if (missing[i])
                err->code = ADIT_E_OK;
        }
        if (!is_clash)
            return true;
        if (listeners_of(f)->count == 0 && port == 0)
            return false; /* not even the first: no other port helps */
        close_all(f);
    }
    return false;
}

/* A session that survives takes clients at any time: who comes while there is no connection is held. */
static void open_early(struct forwarder *f)
{
    struct listeners *l = listeners_of(f);
    if (forwarder_config(f)->survives)
        l->is_open = true;
}

static void bind_failed(struct forwarder *f, bool all, const struct adit_error *why)
{
    struct adit_error err = {ADIT_E_OK, ""};
    (void)adit_fail(&err, ADIT_E_FORWARD, "%s", why->text);
    forwarder_failed(f, all, &err);
}

/* From the first new one on. */
static void tell_bound(struct forwarder *f, size_t from)
{
    struct listeners *l = listeners_of(f);
    struct sock_addr at[LISTENERS_MAX];
    char text[SOCK_TEXT_CAP];
    struct adit_error err = {ADIT_E_OK, ""};
    for (size_t i = from; i < l->count; i++)
        if (sock_find_local(l->fds[i].fd, &at[i], &err) != ADIT_E_OK) {
            close_all(f); /* of no use: which port it is, nobody could be told */
            bind_failed(f, true, &err);
            return;
        }
    open_early(f);
    f->state = FORWARDER_UP;
    for (size_t i = from; i < l->count; i++) {
        sock_addr_text(&at[i], text);
        forwarder_up(f, i, text, sock_addr_port(&at[i]));
    }
}

/* Each address by itself; one whose family this machine lacks is no failure while another one works. The last
 * failure is told when it is known whether any address could be had. */
static void listen_fixed_port(struct forwarder *f, const struct sock_addr *addrs, size_t n)
{
    struct listeners *l = listeners_of(f);
    struct adit_error err, last_err = {ADIT_E_OK, ""}, missing_err = {ADIT_E_OK, ""};
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        bool is_missing = false;
        err.code = ADIT_E_OK;
        if (is_bound(f, &addrs[i]) || listen_one(f, &addrs[i], &is_missing, &err) == ADIT_E_OK)
            continue;
        if (is_missing) {
            (void)adit_fail(&missing_err, err.code, "%s", err.text);
            continue;
        }
        if (failed++ > 0)
            bind_failed(f, false, &last_err);
        last_err = err;
    }
    f->is_partial = failed > 0;
    if (failed > 0)
        bind_failed(f, l->count == 0, &last_err);
    else if (l->count == 0)
        bind_failed(f, true, &missing_err);
}

static void listen_all(struct forwarder *f, const struct sock_addr *addrs, size_t n)
{
    struct adit_error err = {ADIT_E_OK, ""};
    bool missing[LISTENERS_MAX];
    size_t had = listeners_of(f)->count;
    f->state = FORWARDER_READY;
    n = n < LISTENERS_MAX ? n : LISTENERS_MAX;
    if (f->spec->bind_port != 0 && !f->spec->bind_counts_up) {
        listen_fixed_port(f, addrs, n);
    } else if (!listen_any_port(f, addrs, n, missing, &err)) {
        close_all(f);
        bind_failed(f, true, &err);
    } else if (listeners_of(f)->count == 0) {
        (void)adit_fail(&err, ADIT_E_FORWARD, "this machine has no such address");
        bind_failed(f, true, &err);
    }
    if (listeners_of(f)->count > 0)
        tell_bound(f, had);
}

/* Both families of one meaning, or those that -4 and -6 leave. */
static void listen_pair(struct forwarder *f, const char *v4, const char *v6)
{
    int family = forwarder_config(f)->family;
    struct sock_addr addrs[2];
    size_t n = 0;
    if (family != AF_INET6 && sock_addr_parse(&addrs[n], v4, f->spec->bind_port))
        n++;
    if (family != AF_INET && sock_addr_parse(&addrs[n], v6, f->spec->bind_port))
        n++;
    listen_all(f, addrs, n);
}

static void listen_path(struct forwarder *f)
{
    const struct session_config *config = forwarder_config(f);
    const char *path = f->spec->bind_path;
    struct listeners *l = listeners_of(f);
    struct adit_error err = {ADIT_E_OK, ""};
    int fd = -1;
    f->state = FORWARDER_READY;
    if (sock_listen_unix(&fd, path, config->unix_mask, config->unix_replace, &l->file, &err) == ADIT_E_OK &&
        add_listener(f, fd, &err) == ADIT_E_OK) {
        open_early(f);
        forwarder_up(f, 0, path, 0);
        return;
    }
    sock_file_remove(&l->file, path);
    bind_failed(f, true, &err);
}

static void look_up(struct forwarder *f)
{
    struct listeners *l = listeners_of(f);
    struct adit_error err = {ADIT_E_OK, ""};
    f->state = FORWARDER_BINDING;
    if (forwarder_resolve(f, NULL, f->spec->bind, f->spec->bind_port, &l->resolve, &err) != ADIT_E_OK)
        bind_failed(f, true, &err);
}

static void bind_all(struct forwarder *f)
{
    const char *bind = f->spec->bind;
    struct sock_addr literal;
    if (f->spec->bind_path)
        listen_path(f);
    else if (!bind || strcmp(bind, "localhost") == 0)
        listen_pair(f, "127.0.0.1", "::1");
    else if (!*bind || strcmp(bind, "*") == 0)
        listen_pair(f, "0.0.0.0", "::");
    else if (sock_addr_parse(&literal, bind, f->spec->bind_port))
        listen_all(f, &literal, 1);
    else
        look_up(f);
}

void listener_bind(struct forwarder *f)
{
    struct listeners *l = calloc(1, sizeof *l);
    struct adit_error err = {ADIT_E_OK, ""};
    if (!l) {
        (void)adit_fail(&err, ADIT_E_MEMORY, "cannot listen: out of memory");
        forwarder_failed(f, true, &err);
        return;
    }
    f->own = l;
    loop_timer_init(&l->timer, SESSION_TIMER_FORWARDER, f);
    bind_all(f);
}

void listener_retry(struct forwarder *f)
{
    const struct listeners *l = listeners_of(f);
    if (!l)
        listener_bind(f);
    else if (f->state == FORWARDER_FAILED || (f->state == FORWARDER_UP && f->is_partial))
        bind_all(f);
}

void listener_on_resolved(struct forwarder *f, struct resolve *r)
{
    struct listeners *l = listeners_of(f);
    const struct sock_addr *addrs;
    size_t n = 0;
    struct adit_error err = {ADIT_E_OK, ""};
    if (resolve_result(r, &addrs, &n, &err) != ADIT_E_OK)
        bind_failed(f, true, &err);
    else
        listen_all(f, addrs, n);
    resolve_free(l->resolve);
    l->resolve = NULL;
}

/* ---- Taking clients ---- */

static void retry_at(struct forwarder *f, uint64_t after_ms)
{
    loop_timer_set(forwarder_loop(f), &listeners_of(f)->timer, loop_now_ms() + after_ms);
}

/* 0: not known. */
static uint16_t first_port(struct forwarder *f)
{
    struct sock_addr bound;
    struct listeners *l = listeners_of(f);
    return l->count > 0 && sock_local(l->fds[0].fd, &bound) ? sock_addr_port(&bound) : 0;
}

static void at_limit(struct forwarder *f)
{
    struct listeners *l = listeners_of(f);
    if (!l->limit_is_told && f->spec->bind_path)
        forwarder_log(f, SESSION_INFO, "out of descriptors or memory: clients of %s wait",
                      f->spec->bind_path);
    else if (!l->limit_is_told)
        forwarder_log(f, SESSION_INFO, "out of descriptors or memory: clients of port %u wait",
                      first_port(f));
    l->limit_is_told = true;
    retry_at(f, RETRY_MS);
}

static void take_client(struct forwarder *f, int fd, const struct sock_addr *peer)
{
    char text[SOCK_TEXT_CAP];
    if (access_has_client(f->spec->access, peer)) {
        f->ops->accepted(f, fd, peer);
        return;
    }
    sock_close_reset(&fd);
    sock_addr_text(peer, text);
    forwarder_log(f, SESSION_VERBOSE, "%s is not allowed here: reset", text);
    forwarder_count(f, FORWARDER_DENIED);
}

/* False: no more now. */
static bool take_one(struct forwarder *f, struct loop_fd *fd)
{
    struct sock_addr peer;
    struct adit_error err = {ADIT_E_OK, ""};
    int client = -1;
    switch (sock_accept(fd->fd, &client, &peer, &err)) {
    case SOCK_ACCEPT_OK:
        listeners_of(f)->limit_is_told = false;
        take_client(f, client, &peer);
        return true;
    case SOCK_ACCEPT_IGNORE:
        return true;
    case SOCK_ACCEPT_AGAIN:
        loop_fd_not_readable(fd);
        return false;
    case SOCK_ACCEPT_LIMIT:
        at_limit(f);
        return false;
    case SOCK_ACCEPT_FAILED:
        break;
    }
    forwarder_log(f, SESSION_ERROR, "a listener failed: %s", err.text);
    loop_fd_not_readable(fd);
    return false;
}

static void take_clients(struct forwarder *f, struct loop_fd *fd)
{
    struct listeners *l = listeners_of(f);
    int taken = 0;
    while (l->is_open && fd->can_read && taken < ACCEPTS_A_TURN && take_one(f, fd))
        taken++;
    if (taken == ACCEPTS_A_TURN)
        retry_at(f, 0);
}

void listener_on_ready(struct forwarder *f, struct loop_fd *fd)
{
    take_clients(f, fd);
}

void listener_on_timer(struct forwarder *f, struct loop_timer *t)
{
    struct listeners *l = listeners_of(f);
    (void)t;
    for (size_t i = 0; i < l->count; i++)
        take_clients(f, &l->fds[i]);
}

/* Those who came while there was no connection wait in the backlog. */
void listener_begin(struct forwarder *f)
{
    listeners_of(f)->is_open = true;
    listener_on_timer(f, NULL);
}

void listener_stop(struct forwarder *f)
{
    struct listeners *l = listeners_of(f);
    if (!l)
        return;
    l->is_open = false;
    loop_timer_cancel(forwarder_loop(f), &l->timer);
    close_all(f);
}

void listener_unlisten(struct forwarder *f)
{
    struct listeners *l = listeners_of(f);
    if (!l)
        return;
    listener_stop(f);
    resolve_free(l->resolve);
    l->resolve = NULL;
    f->is_partial = false;
    f->state = FORWARDER_FAILED;
}

void listener_free(struct forwarder *f)
{
    struct listeners *l = listeners_of(f);
    if (!l)
        return;
    listener_stop(f);
    resolve_free(l->resolve);
    free(l);
    f->own = NULL;
}
