/*
 * remote_dynamic.c - -R without a target: each client of the server's listener names its target by SOCKS, and
 * is connected to it from here.
 *
 * The handshake's bytes come and go on the channel, which is open from the start; the near end is made when
 * the request is known. What a client sends before its answer is kept: its receive window is the bound.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/access.h"
#include "forward/handshake.h"
#include "socks5/reply.h"

/* Until the target is connected and the client knows it. */
struct remote_dynamic {
    struct handshake handshake;
    bool has_eof;  /* the client sends no more */
    uint8_t *held; /* came, and was not fed */
    size_t held_len, held_cap;
};

static struct remote_dynamic *remote_dynamic_of(struct flow *flow)
{
    return (struct remote_dynamic *)handshake_of(flow);
}

static void held_free(struct flow *flow)
{
    struct remote_dynamic *h = remote_dynamic_of(flow);
    if (h)
        free(h->held);
}

static void remote_dynamic_wipe(struct flow *flow)
{
    held_free(flow);
    handshake_wipe(flow);
}

static const char *remote_dynamic_client(const struct flow *flow)
{
    const char *client = ((const struct handshake_flow *)flow)->client;
    return client ? client : "";
}

/* ---- Who may be connected to ---- */

/* ssh_config(5), PermitRemoteOpen: no pattern, no lookup; nothing stands for every host or every port. */
static bool is_permitted(const struct session_config *config, const struct socks_request *r)
{
    if (!config->permits_are_limited)
        return true;
    for (size_t i = 0; i < config->permit_count; i++) {
        const struct session_permit *p = &config->permits[i];
        if ((!p->host || strcmp(p->host, r->host) == 0) && (p->port == 0 || p->port == r->port))
            return true;
    }
    return false;
}

/* ---- The steps of a handshake: each is false when it must wait, or when it is over ---- */

static bool step_send(struct flow *flow)
{
    struct handshake *h = handshake_of(flow);
    size_t n = ssh_chan_write(forwarder_ssh(flow->forwarder), flow->channel, socks_out(&h->socks));
    socks_out_consume(&h->socks, n);
    return n > 0;
}

static bool step_feed(struct flow *flow)
{
    struct remote_dynamic *h = remote_dynamic_of(flow);
    size_t n = socks_feed(&h->handshake.socks, span_make(h->held, h->held_len));
    if (n > 0) {
        ssh_chan_consumed(forwarder_ssh(flow->forwarder), flow->channel, n, true);
        h->held_len -= n;
        memmove(h->held, h->held + n, h->held_len);
        adit_wipe(h->held + h->held_len, n); /* it may have been a password */
        return true;
    }
    if (h->has_eof)
        flow_end(flow, false);
    return false;
}

static bool step_request(struct flow *flow)
{
    struct handshake *h = handshake_of(flow);
    struct forwarder *f = flow->forwarder;
    const struct socks_request *r = &h->socks.request;
    forwarder_log(f, SESSION_DEBUG1, "channel %u: SOCKS request for %s port %u", ssh_chan_id(flow->channel),
                  r->host, r->port);
    if (is_permitted(forwarder_config(f), r) && access_may_reach(f->spec->access, r->host, r->port)) {
        target_connect(flow, r->host, r->port, NULL);
        return false;
    }
    forwarder_log(f, SESSION_INFO, "a remote SOCKS client may not connect to %s port %u (%s)", r->host,
                  r->port, is_permitted(forwarder_config(f), r) ? "Destinations" : "PermitRemoteOpen");
    forwarder_count(f, FORWARDER_DENIED);
    socks_reply(&h->socks, SOCKS_NOT_ALLOWED);
    return true;
}

/* What came behind the request goes first, and its consumption is told by the pump. */
static bool step_granted(struct flow *flow)
{
    struct remote_dynamic *h = remote_dynamic_of(flow);
    bool has_eof = h->has_eof;
    flow_start(flow, flow->channel);
    pump_on_data(&flow->pump, span_make(h->held, h->held_len));
    pump_set_flush(flow->pump.set);
    held_free(flow);
    handshake_over(flow);
    if (has_eof)
        pump_on_eof(&flow->pump);
    return false;
}

static const struct handshake_ops steps = {step_send, step_feed, step_request, step_granted};

/* ---- What happens ---- */

static bool hold(struct remote_dynamic *h, struct span data)
{
    if (data.n > h->held_cap - h->held_len) {
        size_t cap = 2 * h->held_cap + data.n;
        uint8_t *more = realloc(h->held, cap);
        if (!more)
            return false;
        h->held = more;
        h->held_cap = cap;
    }
    memcpy(h->held + h->held_len, data.p, data.n);
    h->held_len += data.n;
    return true;
}

static void remote_dynamic_far(struct flow *flow, const struct ssh_event *ev)
{
    struct remote_dynamic *h = remote_dynamic_of(flow);
    if (ev->kind == SSH_EVENT_CHANNEL_DATA && !hold(h, ev->data)) {
        flow_end(flow, true);
        return;
    }
    h->has_eof = h->has_eof || ev->kind == SSH_EVENT_CHANNEL_EOF;
    handshake_run(flow, &steps);
}

static void remote_dynamic_timer(struct flow *flow)
{
    if (flow->target)
        target_on_timer(flow);
    else
        handshake_on_timer(flow);
}

static void remote_dynamic_connected(struct flow *flow)
{
    socks_reply(&handshake_of(flow)->socks, SOCKS_OK);
    handshake_run(flow, &steps);
}

/* Why our own connect failed, in the words that a server uses for its refusals: what follows the last colon.
 */
static enum socks_result result_of(const struct adit_error *why)
{
    const char *text = strrchr(why->text, ':');
    if (why->code == ADIT_E_RESOLVE)
        return SOCKS_HOST_UNREACHABLE;
    if (why->code != ADIT_E_CONNECT)
        return why->code == ADIT_E_TIMEOUT ? SOCKS_TTL_EXPIRED : SOCKS_GENERAL;
    return text ? socks_reply_for_open_failure(2, span_str(text + strspn(text, ": "))) : SOCKS_REFUSED;
}

static void remote_dynamic_unreachable(struct flow *flow, const struct adit_error *why)
{
    struct handshake *h = handshake_of(flow);
    forwarder_log(flow->forwarder, SESSION_INFO, "remote SOCKS request for %s port %u: %s",
                  h->socks.request.host, h->socks.request.port, why->text);
    forwarder_count(flow->forwarder, FORWARDER_LOCAL_REFUSED);
    socks_reply(&h->socks, result_of(why));
    handshake_run(flow, &steps);
}

static void remote_dynamic_on_open(struct forwarder *f, const struct ssh_event *ev)
{
    struct flow *flow = flow_new(f, -1);
    struct remote_dynamic *h = flow ? calloc(1, sizeof *h) : NULL;
    remote_listener_log(f, ev);
    if (!h) {
        ssh_open_refuse(forwarder_ssh(f), ev->channel, 4, "out of memory");
        if (flow)
            flow_end(flow, false);
        return;
    }
    handshake_start(flow, &h->handshake);
    ((struct handshake_flow *)flow)->client = remote_listener_client(f, ev);
    flow->channel = ev->channel;
    remote_listener_set_kind(flow);
    ssh_open_accept(forwarder_ssh(f), ev->channel, flow);
}

const struct forwarder_ops forwarder_remote_dynamic = {
    .flow_size = sizeof(struct handshake_flow),
    .bind = remote_listener_bind,
    .begin = remote_listener_begin,
    .stop = remote_listener_stop,
    .free = remote_listener_free,
    .lost = remote_listener_lost,
    .retry = remote_listener_retry,
    .on_reply = remote_listener_on_reply,
    .match = remote_listener_match,
    .on_open = remote_dynamic_on_open,
    .flow_ready = target_on_ready,
    .flow_resolved = target_on_resolved,
    .flow_timer = remote_dynamic_timer,
    .flow_far = remote_dynamic_far,
    .flow_connected = remote_dynamic_connected,
    .flow_unreachable = remote_dynamic_unreachable,
    .flow_wipe = remote_dynamic_wipe,
    .flow_target = handshake_target,
    .flow_client = remote_dynamic_client,
};
