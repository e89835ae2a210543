/*
 * proxy.c - the way through a proxy: what a connection says and hears between TCP and the server's first byte
 * (socks5/upstream.h).
 */
#include <stdlib.h>
#include <string.h>

#include "forward/internal.h"

enum { PROXY_READ_LEN = 1024 };

void proxy_over(struct conn *c)
{
    if (c->upstream)
        upstream_wipe(c->upstream);
    free(c->upstream);
    c->upstream = NULL;
}

static void proxy_failed(struct conn *c, enum adit_err code, const char *why)
{
    const struct session_proxy *proxy = c->session->config.proxy;
    struct adit_error err = {ADIT_E_OK, ""};
    (void)adit_fail(&err, code, "proxy %s port %u: %s", proxy->host, proxy->port, why);
    proxy_over(c);
    conn_close(c);
    conn_fail(c, &err);
}

void proxy_begin(struct conn *c)
{
    struct session *s = c->session;
    const struct session_proxy *proxy = s->config.proxy;
    uint8_t address[16];
    struct upstream_request request = {.kind = proxy->is_http ? UPSTREAM_HTTP : UPSTREAM_SOCKS5,
                                       .host = s->config.host,
                                       .port = s->config.port,
                                       .user = proxy->user,
                                       .password = proxy->password};
    request.address = span_make(address, sock_addr_bytes(s->config.host, address));
    c->upstream = malloc(sizeof *c->upstream);
    if (!c->upstream) {
        proxy_failed(c, ADIT_E_MEMORY, "out of memory");
        return;
    }
    upstream_init(c->upstream, &request);
    loop_timer_set(&s->loop, &s->phase_timer, c->deadline_ms);
    session_log(s, SESSION_DEBUG1, "Asking the %s proxy for %s port %u.", proxy->is_http ? "HTTP" : "SOCKS",
                s->config.host, s->config.port);
}

static bool proxy_send(struct conn *c)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct span out = upstream_out(c->upstream);
    size_t n;
    switch (sock_write(c->transport.fd, out.p, out.n, &n, &err)) {
    case SOCK_IO_OK:
        upstream_out_consume(c->upstream, n);
        return true;
    case SOCK_IO_AGAIN:
        loop_fd_not_writable(&c->transport);
        return false;
    case SOCK_IO_EOF:
    case SOCK_IO_FAILED:
        break;
    }
    proxy_failed(c, ADIT_E_CONNECT, err.text);
    return false;
}

/* It stands: what came behind the proxy's answer are the server's first bytes. */
static void proxy_done(struct conn *c, struct span rest)
{
    proxy_over(c);
    loop_timer_cancel(&c->session->loop, &c->session->phase_timer);
    conn_up(c);
    if (!c->ssh || rest.n == 0)
        return;
    struct wspan space = ssh_in_space(c->ssh); /* of a new machine: more than PROXY_READ_LEN */
    memcpy(space.p, rest.p, rest.n);
    ssh_in_commit(c->ssh, rest.n);
}

static bool proxy_receive(struct conn *c)
{
    struct adit_error err = {ADIT_E_OK, ""};
    uint8_t buf[PROXY_READ_LEN];
    size_t n, used;
    switch (sock_read(c->transport.fd, buf, sizeof buf, &n, &err)) {
    case SOCK_IO_OK:
        used = upstream_feed(c->upstream, span_make(buf, n));
        if (upstream_next(c->upstream) == UPSTREAM_OPEN)
            proxy_done(c, span_make(buf + used, n - used));
        else if (used < n && upstream_next(c->upstream) == UPSTREAM_SEND)
            proxy_failed(c, ADIT_E_CONNECT, "it answers what was not asked yet");
        return c->upstream != NULL;
    case SOCK_IO_AGAIN:
        loop_fd_not_readable(&c->transport);
        return false;
    case SOCK_IO_EOF:
        proxy_failed(c, ADIT_E_CONNECT, "it closed the connection");
        return false;
    case SOCK_IO_FAILED:
        break;
    }
    proxy_failed(c, ADIT_E_CONNECT, err.text);
    return false;
}

void proxy_on_timer(struct conn *c)
{
    proxy_failed(c, ADIT_E_TIMEOUT, "it did not answer in time");
}

void proxy_on_transport(struct conn *c)
{
    bool goes_on = c->upstream != NULL;
    while (goes_on) {
        switch (upstream_next(c->upstream)) {
        case UPSTREAM_SEND:
            goes_on = c->transport.can_write && proxy_send(c);
            break;
        case UPSTREAM_NEED_MORE:
            goes_on = c->transport.can_read && proxy_receive(c);
            break;
        case UPSTREAM_FAILED:
            proxy_failed(c, ADIT_E_CONNECT, c->upstream->error);
            return;
        case UPSTREAM_OPEN: /* proxy_receive has seen to it */
            return;
        }
    }
}
