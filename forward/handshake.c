#include "forward/handshake.h"

#include <stdlib.h>
#include <string.h>

enum { HANDSHAKE_MS = 30000 };

struct handshake *handshake_of(const struct flow *flow)
{
    return ((const struct handshake_flow *)flow)->handshake;
}

/* Flows stand in the order of their coming, the last one first. */
static void end_oldest(struct forwarder *f)
{
    struct flow *oldest = NULL;
    for (struct flow *flow = f->flows; flow; flow = flow->next)
        if (handshake_of(flow) && !handshake_of(flow)->is_asked)
            oldest = flow;
    if (!oldest)
        return;
    forwarder_log(f, SESSION_VERBOSE, "SOCKS: too many clients that ask for nothing: the oldest is let go");
    flow_end(oldest, false);
}

void handshake_start(struct flow *flow, struct handshake *h)
{
    const struct session_access *access = flow->forwarder->spec->access;
    if (flow->forwarder->handshakes >= LIMIT_HANDSHAKES)
        end_oldest(flow->forwarder);
    flow->forwarder->handshakes++;
    ((struct handshake_flow *)flow)->handshake = h;
    socks_init(&h->socks);
    if (access)
        socks_restrict(&h->socks, access->socks_user, access->socks_password, access->http_connect);
    loop_timer_init(&h->timer, SESSION_TIMER_FLOW, flow);
    loop_timer_set(forwarder_loop(flow->forwarder), &h->timer, loop_now_ms() + HANDSHAKE_MS);
}

static void forget(struct handshake_flow *hf)
{
    struct handshake *h = hf->handshake;
    if (!h)
        return;
    hf->flow.forwarder->handshakes -= !h->is_asked;
    loop_timer_cancel(forwarder_loop(hf->flow.forwarder), &h->timer);
    socks_wipe(&h->socks);
    free(h);
    hf->handshake = NULL;
}

void handshake_over(struct flow *flow)
{
    struct handshake_flow *hf = (struct handshake_flow *)flow;
    char target[FORWARDER_TARGET_CAP];
    if (hf->handshake && forwarder_config(flow->forwarder)->survives) {
        handshake_target(flow, target);
        hf->target = strdup(target);
    }
    forget(hf);
}

void handshake_wipe(struct flow *flow)
{
    struct handshake_flow *hf = (struct handshake_flow *)flow;
    forget(hf);
    free(hf->target);
    free(hf->client);
    hf->target = hf->client = NULL;
}

void handshake_target(const struct flow *flow, char out[FORWARDER_TARGET_CAP])
{
    const struct handshake_flow *hf = (const struct handshake_flow *)flow;
    const struct socks_request *r = hf->handshake ? &hf->handshake->socks.request : NULL;
    if (r && r->host[0])
        (void)adit_format(out, FORWARDER_TARGET_CAP, strchr(r->host, ':') ? "[%s]:%u" : "%s:%u", r->host,
                          r->port);
    else
        (void)adit_format(out, FORWARDER_TARGET_CAP, "%s", hf->target ? hf->target : "-");
}

static bool request(struct flow *flow, const struct handshake_ops *ops)
{
    struct handshake *h = handshake_of(flow);
    if (h->is_asked)
        return false;
    h->is_asked = true;
    flow->forwarder->handshakes--;
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
    forwarder_count(flow->forwarder, FORWARDER_DENIED);
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
