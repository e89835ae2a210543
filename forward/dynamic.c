/*
 * dynamic.c - -D: each client of a listener names its target by SOCKS; the reply tells what became of the
 * channel.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/forwarder.h"
#include "socks5/reply.h"
#include "socks5/socks.h"

enum {
    HANDSHAKE_MS = 30000, /* from accept to a whole request */
    REPLY_MS = 5000,      /* for a refused client to take its 10 bytes */
    READ_LEN = 1024,
};

/* Only while the handshake lasts. */
struct handshake {
    struct socks socks;
    struct loop_timer timer;
    bool is_asked; /* the channel is being opened */
    struct flow_origin origin;
    size_t from, to; /* bytes[from..to) were read and not yet fed */
    uint8_t bytes[READ_LEN];
};

struct dynamic_flow {
    struct flow flow;
    struct handshake *handshake;
};

static struct handshake *handshake_of(struct flow *flow)
{
    return ((struct dynamic_flow *)flow)->handshake;
}

static void handshake_free(struct flow *flow)
{
    struct handshake *h = handshake_of(flow);
    if (!h)
        return;
    loop_timer_cancel(forwarder_loop(flow->forwarder), &h->timer);
    free(h);
    ((struct dynamic_flow *)flow)->handshake = NULL;
}

/* ---- The steps of a handshake: each is false when it must wait, or when the flow has ended ---- */

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
    struct handshake *h = handshake_of(flow);
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
    struct handshake *h = handshake_of(flow);
    if (h->from == h->to && !read_more(flow))
        return false;
    h->from += socks_feed(&h->socks, span_make(h->bytes + h->from, h->to - h->from));
    return true;
}

static bool step_request(struct flow *flow)
{
    struct handshake *h = handshake_of(flow);
    const struct socks_request *r = &h->socks.request;
    if (h->is_asked)
        return false;
    h->is_asked = true;
    loop_timer_cancel(forwarder_loop(flow->forwarder), &h->timer);
    (void)!flow_open(flow, r->host, r->port, &h->origin);
    return false;
}

static bool step_granted(struct flow *flow)
{
    struct handshake *h = handshake_of(flow);
    struct adit_error err = {ADIT_E_OK, ""};
    struct span early = span_make(h->bytes + h->from, h->to - h->from);
    enum adit_err e = pump_early(&flow->pump, early, &err);
    handshake_free(flow);
    if (e == ADIT_E_OK)
        flow_start(flow, flow->channel);
    else
        flow_end(flow, true);
    return false;
}

static bool step_failed(struct flow *flow)
{
    forwarder_log(flow->forwarder, SESSION_DEBUG1, "SOCKS: %s", handshake_of(flow)->socks.error);
    flow_end(flow, false);
    return false;
}

static bool dynamic_step(struct flow *flow)
{
    switch (socks_next(&handshake_of(flow)->socks)) {
    case SOCKS_SEND:
        return step_send(flow);
    case SOCKS_NEED_MORE:
        return step_feed(flow);
    case SOCKS_REQUEST:
        return step_request(flow);
    case SOCKS_GRANTED:
        return step_granted(flow);
    case SOCKS_FAILED:
        break;
    }
    return step_failed(flow);
}

static void dynamic_run(struct flow *flow)
{
    while (dynamic_step(flow))
        ;
}

/* ---- What happens ---- */

static void dynamic_accepted(struct forwarder *f, int fd, const struct sock_addr *peer)
{
    struct flow *flow = flow_new(f, fd);
    struct handshake *h = flow ? calloc(1, sizeof *h) : NULL;
    if (!h) {
        if (flow)
            flow_end(flow, true);
        return;
    }
    ((struct dynamic_flow *)flow)->handshake = h;
    socks_init(&h->socks);
    flow_origin_of(&h->origin, peer);
    loop_timer_init(&h->timer, SESSION_TIMER_FLOW, flow);
    loop_timer_set(forwarder_loop(f), &h->timer, loop_now_ms() + HANDSHAKE_MS);
}

static void dynamic_ready(struct flow *flow, struct loop_fd *fd)
{
    (void)fd;
    if (handshake_of(flow))
        dynamic_run(flow);
}

static void dynamic_timer(struct flow *flow)
{
    forwarder_log(flow->forwarder, SESSION_DEBUG1, "SOCKS: a client did not finish its handshake in time");
    flow_end(flow, false);
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

static void dynamic_refused(struct flow *flow, uint32_t reason, struct span text)
{
    struct handshake *h = handshake_of(flow);
    socks_reply(&h->socks, socks_reply_for_open_failure(reason, text));
    loop_timer_set(forwarder_loop(flow->forwarder), &h->timer, loop_now_ms() + REPLY_MS);
    dynamic_run(flow);
}

static void dynamic_target(struct flow *flow, char out[FORWARDER_TARGET_CAP])
{
    const struct handshake *h = handshake_of(flow);
    const struct socks_request *r = h ? &h->socks.request : NULL;
    if (r)
        (void)adit_format(out, FORWARDER_TARGET_CAP, strchr(r->host, ':') ? "[%s]:%u" : "%s:%u", r->host,
                          r->port);
    else
        (void)adit_format(out, FORWARDER_TARGET_CAP, "-");
}

const struct forwarder_ops forwarder_dynamic = {
    .flow_size = sizeof(struct dynamic_flow),
    .bind = listener_bind,
    .begin = listener_begin,
    .stop = listener_stop,
    .free = listener_free,
    .on_ready = listener_on_ready,
    .on_timer = listener_on_timer,
    .on_resolved = listener_on_resolved,
    .accepted = dynamic_accepted,
    .flow_ready = dynamic_ready,
    .flow_timer = dynamic_timer,
    .flow_opened = dynamic_opened,
    .flow_refused = dynamic_refused,
    .flow_target = dynamic_target,
    .flow_wipe = handshake_free,
};
