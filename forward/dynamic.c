/*
 * dynamic.c - -D: each client of a listener names its target by SOCKS; the reply tells what became of the
 * channel.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/access.h"
#include "forward/handshake.h"
#include "socks5/reply.h"

enum {
    REPLY_MS = 5000, /* for a refused client to take its 10 bytes */
    READ_LEN = 1024,
};

struct dynamic {
    struct handshake handshake;
    struct flow_origin origin;
    size_t from, to; /* bytes[from..to) were read and not yet fed */
    uint8_t bytes[READ_LEN];
};

static struct dynamic *dynamic_of(struct flow *flow)
{
    return (struct dynamic *)handshake_of(flow);
}

/* What was read may be a password. */
static void bytes_wipe(struct flow *flow)
{
    struct dynamic *h = dynamic_of(flow);
    if (h)
        adit_wipe(h->bytes, sizeof h->bytes);
}

static void dynamic_wipe(struct flow *flow)
{
    bytes_wipe(flow);
    handshake_wipe(flow);
}

static void refuse(struct flow *flow, enum socks_result result);

/* ---- The steps of a handshake: each is false when it must wait, or when the flow has ended ---- */

/* [RFC 1928 6b] */
static bool step_send(struct flow *flow)
{
    struct handshake *h = handshake_of(flow);
    struct adit_error err = {ADIT_E_OK, ""};
    struct span out = socks_out(&h->socks);
    size_t n = 0;
    switch (sock_write(flow->pump.in.fd, out.p, out.n, &n, &err)) {
    case SOCK_IO_OK:
        socks_out_consume(&h->socks, n);
        return true;
    case SOCK_IO_AGAIN:
        loop_fd_not_writable(&flow->pump.in);
        return false;
    case SOCK_IO_EOF:
    case SOCK_IO_FAILED:
        break;
    }
    flow_end(flow, true);
    return false;
}

static bool read_more(struct flow *flow)
{
    struct dynamic *h = dynamic_of(flow);
    struct adit_error err = {ADIT_E_OK, ""};
    size_t n = 0;
    switch (sock_read(flow->pump.in.fd, h->bytes, READ_LEN, &n, &err)) {
    case SOCK_IO_OK:
        h->from = 0;
        h->to = n;
        return true;
    case SOCK_IO_AGAIN:
        loop_fd_not_readable(&flow->pump.in);
        return false;
    case SOCK_IO_EOF:
    case SOCK_IO_FAILED:
        break;
    }
    flow_end(flow, false);
    return false;
}

static bool step_feed(struct flow *flow)
{
    struct dynamic *h = dynamic_of(flow);
    if (h->from == h->to && !read_more(flow))
        return false;
    h->from += socks_feed(&h->handshake.socks, span_make(h->bytes + h->from, h->to - h->from));
    return true;
}

static bool step_request(struct flow *flow)
{
    struct dynamic *h = dynamic_of(flow);
    const struct socks_request *r = &h->handshake.socks.request;
    struct forwarder *f = flow->forwarder;
    if (access_may_reach(f->spec->access, r->host, r->port)) {
        (void)!flow_open(flow, r->host, r->port, &h->origin);
        return false;
    }
    forwarder_log(f, SESSION_VERBOSE, "%s may not connect to %s port %u", h->origin.host, r->host, r->port);
    forwarder_count(f, FORWARDER_DENIED);
    refuse(flow, SOCKS_NOT_ALLOWED);
    return false;
}

static bool step_granted(struct flow *flow)
{
    struct dynamic *h = dynamic_of(flow);
    struct adit_error err = {ADIT_E_OK, ""};
    struct span early = span_make(h->bytes + h->from, h->to - h->from);
    enum adit_err e = pump_early(&flow->pump, early, &err);
    bytes_wipe(flow);
    handshake_over(flow);
    if (e == ADIT_E_OK)
        flow_start(flow, flow->channel);
    else
        flow_end(flow, true);
    return false;
}

static const struct handshake_ops steps = {step_send, step_feed, step_request, step_granted};

/* ---- What happens ---- */

static void dynamic_accepted(struct forwarder *f, int fd, const struct sock_addr *peer)
{
    struct flow *flow = flow_new(f, fd);
    struct dynamic *h = flow ? calloc(1, sizeof *h) : NULL;
    if (!h) {
        if (flow)
            flow_end(flow, true);
        return;
    }
    flow_origin_of(&h->origin, peer);
    handshake_start(flow, &h->handshake);
}

static void dynamic_ready(struct flow *flow, struct loop_fd *fd)
{
    (void)fd;
    if (handshake_of(flow))
        handshake_run(flow, &steps);
}

/* The target may speak at once, and its bytes must not come before the reply: a client whose new socket has
 * no room for 10 bytes is not waited for. */
static void dynamic_opened(struct flow *flow)
{
    struct handshake *h = handshake_of(flow);
    socks_reply(&h->socks, SOCKS_OK);
    if (socks_next(&h->socks) == SOCKS_SEND && !step_send(flow)) {
        if (!flow->is_dead)
            flow_end(flow, true);
        return;
    }
    if (socks_next(&h->socks) == SOCKS_GRANTED)
        (void)step_granted(flow);
    else
        flow_end(flow, true);
}

/* [RFC 1928 6b] */
static void refuse(struct flow *flow, enum socks_result result)
{
    struct handshake *h = handshake_of(flow);
    socks_reply(&h->socks, result);
    loop_timer_set(forwarder_loop(flow->forwarder), &h->timer, loop_now_ms() + REPLY_MS);
    handshake_run(flow, &steps);
}

static void dynamic_refused(struct flow *flow, uint32_t reason, struct span text)
{
    refuse(flow, socks_reply_for_open_failure(reason, text));
}

static void dynamic_release(struct flow *flow)
{
    const struct dynamic *h = dynamic_of(flow);
    const struct socks_request *r = &h->handshake.socks.request;
    (void)!flow_open(flow, r->host, r->port, &h->origin);
}

static void dynamic_expired(struct flow *flow)
{
    refuse(flow, SOCKS_GENERAL);
}

const struct forwarder_ops forwarder_dynamic = {
    .flow_size = sizeof(struct handshake_flow),
    .bind = listener_bind,
    .begin = listener_begin,
    .stop = listener_stop,
    .free = listener_free,
    .unlisten = listener_unlisten,
    .retry = listener_retry,
    .on_ready = listener_on_ready,
    .on_timer = listener_on_timer,
    .on_resolved = listener_on_resolved,
    .accepted = dynamic_accepted,
    .flow_ready = dynamic_ready,
    .flow_timer = handshake_on_timer,
    .flow_opened = dynamic_opened,
    .flow_release = dynamic_release,
    .flow_expired = dynamic_expired,
    .flow_refused = dynamic_refused,
    .flow_target = handshake_target,
    .flow_wipe = dynamic_wipe,
};
