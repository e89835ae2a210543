#include "forward/handshake.h"

#include <stdlib.h>

enum { HANDSHAKE_MS = 30000 };

struct handshake *handshake_of(const struct flow *flow)
{
    return ((const struct handshake_flow *)flow)->handshake;
}

void handshake_start(struct flow *flow, struct handshake *h)
{
    ((struct handshake_flow *)flow)->handshake = h;
    socks_init(&h->socks);
    loop_timer_init(&h->timer, SESSION_TIMER_FLOW, flow);
    loop_timer_set(forwarder_loop(flow->forwarder), &h->timer, loop_now_ms() + HANDSHAKE_MS);
}

void handshake_free(struct flow *flow)
{
    struct handshake *h = handshake_of(flow);
    if (!h)
        return;
    loop_timer_cancel(forwarder_loop(flow->forwarder), &h->timer);
    socks_wipe(&h->socks);
    free(h);
    ((struct handshake_flow *)flow)->handshake = NULL;
}

static bool request(struct flow *flow, const struct handshake_ops *ops)
{
    struct handshake *h = handshake_of(flow);
    if (h->is_asked)
        return false;
    h->is_asked = true;
    loop_timer_cancel(forwarder_loop(flow->forwarder), &h->timer);
    return ops->request(flow);
}

static void tell_failure(struct flow *flow)
{
    const struct socks *s = &handshake_of(flow)->socks;
    char text[SOCK_TEXT_CAP] = "a client";
    struct sock_addr peer;
    if (!s->is_denied) {
        forwarder_log(flow->forwarder, SESSION_DEBUG1, "SOCKS: %s", s->error);
        return;
    }
    if (sock_peer(flow->pump.in.fd, &peer))
        sock_addr_text(&peer, text);
    forwarder_log(flow->forwarder, SESSION_VERBOSE, "%s was refused: %s", text, s->error);
    forwarder_stats(flow->forwarder)->denied++;
}

static bool step(struct flow *flow, const struct handshake_ops *ops)
{
    struct handshake *h = handshake_of(flow);
    switch (socks_next(&h->socks)) {
    case SOCKS_SEND:
        return ops->send(flow);
    case SOCKS_NEED_MORE:
        return ops->feed(flow);
    case SOCKS_REQUEST:
        return request(flow, ops);
    case SOCKS_GRANTED:
        return ops->granted(flow);
    case SOCKS_FAILED:
        break;
    }
    tell_failure(flow);
    flow_end(flow, false);
    return false;
}

void handshake_run(struct flow *flow, const struct handshake_ops *ops)
{
    while (step(flow, ops))
        ;
}

void handshake_on_timer(struct flow *flow)
{
    forwarder_log(flow->forwarder, SESSION_DEBUG1, "SOCKS: a client did not finish its handshake in time");
    flow_end(flow, false);
}
