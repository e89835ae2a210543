#include "daemon/httpd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "client/texts.h"
#include "daemon/httpd_check.h"
#include "daemon/httpd_internal.h"
#include "net/sock.h"

enum {
    ACCEPT_AGAIN_MS = 1000, /* after the system had no descriptor for us */
    HEADERS_CAP = 16 * 1024,
};

/* ---- The loop */

void httpd_on_fd(struct loop_fd *f)
{
    struct httpd_source *s = (struct httpd_source *)f;

    s->on_ready(f->owner);
}

void httpd_on_timer(struct loop_timer *t)
{
    struct httpd_timer *timer = (struct httpd_timer *)t;

    timer->on_due(t->owner);
}

void httpd_source_init(struct httpd *h, struct httpd_source *s, void (*on_ready)(void *owner), void *owner)
{
    loop_fd_init(&s->fd, h->config.fd_kind, owner);
    s->on_ready = on_ready;
}

void httpd_timer_init(struct httpd *h, struct httpd_timer *t, void (*on_due)(void *owner), void *owner)
{
    loop_timer_init(&t->timer, h->config.timer_kind, owner);
    t->on_due = on_due;
}

void httpd_timer_after(struct httpd *h, struct httpd_timer *t, uint64_t ms)
{
    loop_timer_set(h->config.loop, &t->timer, loop_now_ms() + ms);
}

void httpd_timer_cancel(struct httpd *h, struct httpd_timer *t)
{
    loop_timer_cancel(h->config.loop, &t->timer);
}

void httpd_kick(struct httpd *h)
{
    if (!h->is_ending)
        httpd_timer_after(h, &h->run_timer, 0);
}

/* ---- Connections */

struct httpd_conn *httpd_conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

/* It took too long: the end of its stream ends it in libmicrohttpd's own way. */
static void conn_late(void *owner)
{
    const struct httpd_conn *c = owner;

    (void)shutdown(c->fd, SHUT_RDWR);
    httpd_kick(c->httpd);
}

/* Who has shown that he may speak may also rest between two requests: libmicrohttpd's own limit is for him.
 */
void httpd_deadline_set(struct httpd_conn *c, bool is_first)
{
    httpd_timer_after(c->httpd, &c->deadline,
                      c->is_known && !is_first ? HTTPD_IDLE_S * 1000 + HTTPD_REQUEST_MS : HTTPD_REQUEST_MS);
}

/* Which rules are for it, libmicrohttpd's own record says: there may be others before it starts this one. */
static void conn_start(struct httpd *h, struct MHD_Connection *mhd, void **socket_context)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct httpd_conn *c = calloc(1, sizeof *c);
    struct sock_addr at = {.len = sizeof at.storage};

    memcpy(&at.storage, info->client_addr, sizeof at.storage); /* ours: httpd_connect */
    if (!c)                                                    /* httpd_access finds no context and ends it */
        return;
    c->httpd = h;
    c->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    if (sock_addr_family(&at) != AF_UNIX) {
        c->is_tcp = true;
        c->port = sock_addr_port(&at);
    }
    c->is_known = !c->is_tcp;
    h->conns[c->is_tcp]++;
    c->next = h->all;
    c->link = &h->all;
    if (c->next)
        c->next->link = &c->next;
    h->all = c;
    httpd_timer_init(h, &c->deadline, conn_late, c);
    httpd_deadline_set(c, true);
    *socket_context = c;
}

static void conn_notify(void *ctx, struct MHD_Connection *mhd, void **socket_context,
                        enum MHD_ConnectionNotificationCode code)
{
    struct httpd *h = ctx;
    struct httpd_conn *c = *socket_context;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_start(h, mhd, socket_context);
        return;
    }
    if (!c)
        return;
    httpd_timer_cancel(h, &c->deadline);
    h->conns[c->is_tcp]--;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    *socket_context = NULL;
    free(c);
    if (!h->is_ending)
        httpd_timer_after(h, &h->accept_timer, 0); /* somebody may wait for the place */
}

static bool is_full(const struct httpd *h, bool is_tcp)
{
    return h->conns[is_tcp] >= (is_tcp ? HTTPD_MAX_TCP : HTTPD_MAX_UNIX);
}

void httpd_connect(struct httpd *h, int fd)
{
    struct sock_addr at;

    if (!sock_local(fd, &at) || (sock_addr_family(&at) == AF_UNIX &&
                                 !httpd_peer_is_allowed(fd, h->config.has_group, h->config.group))) {
        sock_close(&fd);
        return;
    }
    /* Closes it when it fails. Nobody asks for the client's address: ours is in its place, for conn_start. */
    (void)MHD_add_connection(h->mhd, fd, (const struct sockaddr *)&at.storage, sizeof at.storage);
    (void)MHD_run(h->mhd); /* so that it is counted before the next one is taken */
    httpd_kick(h);
}

static void listener_accept(struct httpd_listener *l)
{
    struct httpd *h = l->httpd;
    struct sock_addr peer;
    int fd;

    while (l->source.fd.can_read && !is_full(h, l->is_tcp)) {
        switch (sock_accept(l->fd, &fd, &peer, NULL)) {
        case SOCK_ACCEPT_OK:
            httpd_connect(h, fd);
            break;
        case SOCK_ACCEPT_IGNORE:
            break;
        case SOCK_ACCEPT_AGAIN:
            loop_fd_not_readable(&l->source.fd);
            break;
        case SOCK_ACCEPT_LIMIT:
            httpd_timer_after(h, &h->accept_timer, ACCEPT_AGAIN_MS);
            return;
        case SOCK_ACCEPT_FAILED:
            loop_del(h->config.loop, &l->source.fd);
            return;
        }
    }
}

static void listener_ready(void *owner)
{
    listener_accept(owner);
}

static void accept_due(void *owner)
{
    struct httpd *h = owner;

    for (size_t i = 0; i < h->listener_count; i++)
        listener_accept(h->listeners[i]);
}

static enum adit_err listener_start(struct httpd_listener *l, struct httpd *h, int fd, struct adit_error *err)
{
    struct sock_addr at;

    if (!l)
        return adit_fail(err, ADIT_E_MEMORY, "the API cannot listen there: out of memory");
    if (h->listener_count == HTTPD_MAX_LISTENERS)
        return adit_fail(err, ADIT_E_LIMIT, "the API cannot listen there: too many places");
    if (!sock_local(fd, &at))
        return adit_fail(err, ADIT_E_SYSTEM, "the API cannot listen there: %s", strerror(errno));
    l->httpd = h;
    l->fd = fd;
    l->is_tcp = sock_addr_family(&at) != AF_UNIX;
    l->port = sock_addr_port(&at);
    httpd_source_init(h, &l->source, listener_ready, l);
    return loop_add(h->config.loop, &l->source.fd, fd, err);
}

enum adit_err httpd_listen(struct httpd *h, int fd, struct adit_error *err)
{
    struct httpd_listener *l = calloc(1, sizeof *l);
    enum adit_err e = listener_start(l, h, fd, err);

    if (e) {
        sock_close(&fd);
        free(l);
        return e;
    }
    h->listeners[h->listener_count++] = l;
    return ADIT_E_OK;
}

static void conns_end(struct httpd *h, uint16_t port)
{
    for (struct httpd_conn *c = h->all; c; c = c->next)
        if (c->is_tcp && c->port == port)
            conn_late(c);
}

void httpd_unlisten(struct httpd *h, int fd)
{
    size_t i = 0;

    while (i < h->listener_count && h->listeners[i]->fd != fd)
        i++;
    if (i == h->listener_count)
        return;
    loop_del(h->config.loop, &h->listeners[i]->source.fd);
    if (h->listeners[i]->is_tcp)
        conns_end(h, h->listeners[i]->port);
    sock_close(&h->listeners[i]->fd);
    free(h->listeners[i]);
    for (h->listener_count--; i < h->listener_count; i++)
        h->listeners[i] = h->listeners[i + 1];
}

int httpd_tcp_fd(const struct httpd *h)
{
    for (size_t i = 0; i < h->listener_count; i++)
        if (h->listeners[i]->is_tcp)
            return h->listeners[i]->fd;
    return -1;
}

void httpd_set_group(struct httpd *h, bool has_group, gid_t group)
{
    h->config.has_group = has_group;
    h->config.group = group;
    for (struct httpd_conn *c = h->all; c; c = c->next)
        if (!c->is_tcp && !httpd_peer_is_allowed(c->fd, has_group, group))
            conn_late(c);
}

/* ---- libmicrohttpd */

static void mhd_run(void *owner)
{
    struct httpd *h = owner;
    MHD_UNSIGNED_LONG_LONG ms;

    (void)MHD_run(h->mhd);
    if (MHD_get_timeout(h->mhd, &ms) == MHD_YES)
        httpd_timer_after(h, &h->run_timer, ms);
    else
        httpd_timer_cancel(h, &h->run_timer);
}

/* Paths and queries stay as they were sent: a %2F is not the '/' that parts a path. */
static size_t unescape_nothing(void *ctx, struct MHD_Connection *mhd, char *text)
{
    (void)ctx;
    (void)mhd;
    return strlen(text);
}

static enum adit_err mhd_start(struct httpd *h, struct adit_error *err)
{
    const union MHD_DaemonInfo *info;

    h->mhd = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, httpd_access, h,
        MHD_OPTION_NOTIFY_COMPLETED, httpd_completed, h, MHD_OPTION_NOTIFY_CONNECTION, conn_notify, h,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADERS_CAP, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTPD_IDLE_S,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(HTTPD_MAX_UNIX + HTTPD_MAX_TCP), MHD_OPTION_END);
    info = h->mhd ? MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD) : NULL;
    if (!info || info->epoll_fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "the HTTP server could not be started: %s", strerror(errno));
    return loop_add(h->config.loop, &h->epoll.fd, info->epoll_fd, err);
}

enum adit_err httpd_new(struct httpd **out, const struct httpd_config *config, struct adit_error *err)
{
    struct httpd *h = calloc(1, sizeof *h);
    enum adit_err e;

    *out = NULL;
    if (!h)
        return adit_fail(err, ADIT_E_MEMORY, "no memory for the API");
    h->config = *config;
    h->config.token = NULL;
    h->token = text_copy(span_str(config->token));
    httpd_source_init(h, &h->epoll, mhd_run, h);
    httpd_timer_init(h, &h->run_timer, mhd_run, h);
    httpd_timer_init(h, &h->accept_timer, accept_due, h);
    h->lack = httpd_lack_new();
    e = h->token && h->lack ? mhd_start(h, err) : adit_fail(err, ADIT_E_MEMORY, "no memory for the API");
    if (e) {
        httpd_free(h);
        return e;
    }
    *out = h;
    return ADIT_E_OK;
}

void httpd_free(struct httpd *h)
{
    if (!h)
        return;
    h->is_ending = true;
    httpd_timer_cancel(h, &h->run_timer);
    httpd_timer_cancel(h, &h->accept_timer);
    loop_del(h->config.loop, &h->epoll.fd);
    for (size_t i = 0; i < h->listener_count; i++) {
        loop_del(h->config.loop, &h->listeners[i]->source.fd);
        sock_close(&h->listeners[i]->fd);
        free(h->listeners[i]);
    }
    for (struct httpd_request *r = h->requests; r; r = r->next) {
        httpd_abandon(r);
        httpd_resume(r); /* libmicrohttpd must have them all to end them */
    }
    if (h->mhd)
        MHD_stop_daemon(h->mhd);
    if (h->lack)
        MHD_destroy_response(h->lack);
    if (h->token)
        adit_wipe(h->token, strlen(h->token));
    free(h->token);
    free(h);
}
