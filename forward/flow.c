/*
 * flow.c - one carried connection: its channel's life around its pump's.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/internal.h"
#include "socks5/reply.h"

/* ---- The far end of every pump: a channel of the session's connection --------------------------------- */

static struct ssh *ssh_of(void *ctx)
{
    return ((struct session *)ctx)->conn.ssh;
}

/* A pump's channel has its flow as its owner. */
static const struct forwarder_ops *ops_of(const struct channel *ch)
{
    return ((struct flow *)ssh_chan_owner(ch))->forwarder->ops;
}

static size_t far_space(void *ctx, struct channel *ch, struct wspan *places, size_t max, size_t limit)
{
    const struct forwarder_ops *ops = ops_of(ch);
    if (ops->flow_may_send && !ops->flow_may_send(ssh_chan_owner(ch)))
        return 0;
    return ssh_chan_space(ssh_of(ctx), ch, places, max, limit);
}

static void far_commit(void *ctx, struct channel *ch, size_t n)
{
    const struct forwarder_ops *ops = ops_of(ch);
    ssh_chan_commit(ssh_of(ctx), ch, n);
    if (ops->flow_sent)
        ops->flow_sent(ssh_chan_owner(ch), n);
}

static void far_consumed(void *ctx, struct channel *ch, size_t n, bool prompt)
{
    ssh_chan_consumed(ssh_of(ctx), ch, n, prompt);
}

static void far_eof(void *ctx, struct channel *ch)
{
    ssh_chan_eof(ssh_of(ctx), ch);
}

static void far_close(void *ctx, struct channel *ch)
{
    ssh_chan_close(ssh_of(ctx), ch);
}

/* Only OpenSSH knows the message (its PROTOCOL §2.1); the remote program then gets its broken pipe. */
static void far_unwanted(void *ctx, struct channel *ch)
{
    struct ssh *ssh = ssh_of(ctx);
    if (ssh_peer_is_openssh(ssh))
        (void)!ssh_session_eow(ssh, ch);
}

static void far_near_failed(void *ctx, void *owner, int number, const struct adit_error *why)
{
    static const char *const names[] = {"standard input", "standard output", "standard error"};
    const struct flow *flow = owner;
    (void)ctx;
    forwarder_log(flow->forwarder, SESSION_ERROR, "%s%s: %s", flow->forwarder->guest ? "a guest's " : "",
                  names[number], why->text);
}

static size_t far_room(void *ctx)
{
    return conn_room(&((struct session *)ctx)->conn);
}

const struct pump_far flow_far = {far_space, far_commit,   far_consumed,    far_eof,
                                  far_close, far_unwanted, far_near_failed, far_room};

/* ---- Life ---- */

static struct pump *side_of(struct flow *flow)
{
    return flow->pump.is_session ? flow->forwarder->ops->flow_side(flow) : NULL;
}

/* Many may come within a millisecond. */
static uint64_t next_id(struct session *s)
{
    uint64_t now = loop_now_ms() << FLOW_ID_SHIFT;
    s->last_flow_id = now > s->last_flow_id ? now : s->last_flow_id + 1;
    return s->last_flow_id;
}

struct flow *flow_new(struct forwarder *f, int fd)
{
    struct session *s = f->session;
    struct adit_error err = {ADIT_E_OK, ""};
    struct flow *flow = calloc(1, f->ops->flow_size ? f->ops->flow_size : sizeof *flow);
    if (!flow) {
        sock_close(&fd);
        session_log(s, SESSION_ERROR, "out of memory: a connection was closed");
        return NULL;
    }
    pump_init(&flow->pump, &s->pumps, &pump_near_socket, SESSION_FD_FLOW, flow, NULL);
    if (fd >= 0 && pump_take_fds(&flow->pump, fd, fd, &err) != ADIT_E_OK) {
        session_log(s, SESSION_ERROR, "a connection was closed: %s", err.text);
        free(flow);
        return NULL;
    }
    flow->forwarder = f;
    flow->id = next_id(s);
    flow->next = f->flows;
    if (flow->next)
        flow->next->prev = flow;
    f->flows = flow;
    s->stats.open_now++;
    return flow;
}

static void keep_counts(struct forwarder *f, const struct pump *p)
{
    f->stats.bytes_up += p->bytes_up;
    f->stats.bytes_down += p->bytes_down;
    if (p->moved_ms > f->stats.last_activity_ms)
        f->stats.last_activity_ms = p->moved_ms;
    if (p->near_reset)
        forwarder_count(f, FORWARDER_PEER_RESET);
}

static void flow_free(struct flow *flow)
{
    struct forwarder *f = flow->forwarder;
    struct session *s = f->session;
    struct pump *side = side_of(flow);
    held_forget(flow);
    if (f->ops->flow_wipe)
        f->ops->flow_wipe(flow);
    target_free(flow);
    keep_counts(f, &flow->pump);
    pump_wipe(&flow->pump);
    if (side)
        pump_wipe(side);
    if (flow->prev)
        flow->prev->next = flow->next;
    else
        f->flows = flow->next;
    if (flow->next)
        flow->next->prev = flow->prev;
    s->stats.open_now--;
    free(flow);
    if (f->ops->flow_over)
        f->ops->flow_over(f);
    session_progress(s);
}

static void free_if_done(struct flow *flow)
{
    struct pump *side = side_of(flow);
    if (!flow->channel && pump_is_done(&flow->pump) && (!side || pump_is_done(side)))
        flow_free(flow);
}

void flow_end(struct flow *flow, bool reset)
{
    bool was_dead = flow->is_dead;
    struct pump *side = side_of(flow);
    flow->is_dead = true;
    target_free(flow);
    if (side)
        pump_abort(side);
    if (reset || flow->pump.is_started)
        pump_abort(&flow->pump);
    else
        pump_wipe(&flow->pump); /* the client knows at once; the channel is closed when its answer comes */
    /* A session's pump leaves its channel to us. */
    if (flow->channel && !flow->is_opening && !was_dead && (!flow->pump.is_started || flow->pump.is_session))
        ssh_chan_close(flow->forwarder->session->conn.ssh, flow->channel);
    if (!flow->channel)
        flow_free(flow);
}

/* What came of a session is still handed to those who are slow to read it. */
static void session_lost(struct flow *flow, bool may_linger)
{
    struct pump *side = side_of(flow);
    pump_on_closed(&flow->pump);
    if (side)
        pump_on_closed(side);
    if (may_linger)
        free_if_done(flow);
    else
        flow_free(flow);
}

void flow_lost(struct flow *flow, bool is_by_us, bool may_linger)
{
    flow->channel = NULL;
    flow->is_opening = false;
    if (flow->pump.is_session && flow->pump.is_started) {
        session_lost(flow, may_linger);
        return;
    }
    if (flow->pump.is_started && is_by_us && !flow->pump.ring)
        pump_on_closed(&flow->pump);
    else if (flow->pump.is_started)
        pump_on_lost(&flow->pump);
    else
        pump_abort(&flow->pump);
    flow_free(flow);
}

void flow_lost_connection(struct flow *flow)
{
    bool is_client = flow->forwarder->ops->flow_release != NULL;
    if (!flow->channel && (flow->pump.is_started || is_client))
        return; /* its end had come already, and is being delivered; or its beginning had not */
    if (!flow->is_opening || flow->is_dead || !is_client) {
        flow_lost(flow, false, false);
        return;
    }
    flow->channel = NULL;
    flow->is_opening = false;
    (void)!held_take(flow);
}

/* ---- Opening ---- */

void flow_origin_of(struct flow_origin *origin, const struct sock_addr *peer)
{
    static const struct flow_origin none = {"127.0.0.1", 65535};
    int family = peer ? sock_addr_family(peer) : AF_UNSPEC;
    *origin = none;
    if (family != AF_INET && family != AF_INET6)
        return;
    sock_addr_host(peer, origin->host);
    origin->port = sock_addr_port(peer);
}

/* channel: what the machine gave for it; NULL: nothing. */
static bool is_opening(struct flow *flow, struct channel *channel)
{
    flow->channel = channel;
    flow->is_opening = channel != NULL;
    if (channel)
        return true;
    struct adit_error err = {ADIT_E_OK, ""};
    (void)adit_fail(&err, ADIT_E_LIMIT,
                    "channel open failed: resource shortage: too many connections, or no memory");
    if (flow->kind == SESSION_CHANNEL_STDIO) /* there will be no other: it ends with this */
        forwarder_over(flow->forwarder, &err);
    else
        session_log(flow->forwarder->session, SESSION_ERROR, "%s", err.text);
    flow_end(flow, true);
    return false;
}

bool flow_open(struct flow *flow, const char *host, uint16_t port, const struct flow_origin *origin)
{
    struct session *s = flow->forwarder->session;
    if (held_is_due(s))
        return held_take(flow);
    if (!is_opening(flow, ssh_open_direct_tcpip(s->conn.ssh, span_str(host), port, span_str(origin->host),
                                                origin->port, flow)))
        return false;
    session_log(s, SESSION_DEBUG1, "channel %u: opening direct-tcpip to %s port %u for %s port %u",
                ssh_chan_id(flow->channel), host, port, origin->host, origin->port);
    return true;
}

static bool open_path(struct flow *flow, const char *path)
{
    struct session *s = flow->forwarder->session;
    if (held_is_due(s))
        return held_take(flow);
    if (!is_opening(flow, ssh_open_direct_streamlocal(s->conn.ssh, span_str(path), flow)))
        return false;
    session_log(s, SESSION_DEBUG1, "channel %u: opening direct-streamlocal to %s", ssh_chan_id(flow->channel),
                path);
    return true;
}

bool flow_open_target(struct flow *flow, const struct flow_origin *origin)
{
    const struct session_forward *spec = flow->forwarder->spec;
    if (spec->type == SESSION_FORWARD_STDIO || spec->type == SESSION_FORWARD_JUMP)
        flow_set_kind(flow, SESSION_CHANNEL_STDIO);
    else if (spec->path)
        flow_set_kind(flow, SESSION_CHANNEL_DIRECT_STREAMLOCAL);
    return spec->path ? open_path(flow, spec->path) : flow_open(flow, spec->host, spec->port, origin);
}

void flow_start(struct flow *flow, struct channel *channel)
{
    struct pump *side = side_of(flow);
    flow->channel = channel;
    flow->is_opening = false;
    flow->forwarder->session->stats.opened++;
    flow->forwarder->stats.opened++;
    pump_start(&flow->pump, channel);
    if (side)
        pump_start(side, channel);
}

static void on_opened(struct flow *flow, struct channel *channel)
{
    const struct forwarder_ops *ops = flow->forwarder->ops;
    session_log(flow->forwarder->session, SESSION_DEBUG2, "channel %u: open", ssh_chan_id(channel));
    flow->is_opening = false;
    if (flow->is_dead) {
        flow_start(flow, channel);
        pump_abort(&flow->pump);
        if (flow->pump.is_session)
            ssh_chan_close(flow->forwarder->session->conn.ssh, channel);
    } else if (ops->flow_opened) {
        ops->flow_opened(flow);
    } else {
        flow_start(flow, channel);
    }
}

/* The texts by which sshd and others say that a name was not found: for the counters alone. */
static bool is_lookup_text(const char *text)
{
    static const char *const known[] = {"name or service not known", "name resolution",
                                        "no address associated",     "nodename nor servname",
                                        "name does not resolve",     "unknown host"};
    char lower[128];
    size_t n = 0;
    for (; n < sizeof lower - 1 && text[n]; n++)
        lower[n] = (char)(text[n] >= 'A' && text[n] <= 'Z' ? text[n] + 32 : text[n]);
    lower[n] = 0;
    for (size_t i = 0; i < ADIT_COUNT(known); i++)
        if (strstr(lower, known[i]))
            return true;
    return false;
}

static enum forwarder_cause cause_of(uint32_t reason, struct span raw, const char *text)
{
    if (reason == 1)
        return FORWARDER_PROHIBITED;
    if (reason != 2)
        return FORWARDER_OPEN_FAILED;
    if (is_lookup_text(text))
        return FORWARDER_RESOLVE;
    if (strstr(text, "imed out") || socks_reply_for_open_failure(reason, raw) == SOCKS_TTL_EXPIRED)
        return FORWARDER_TIMEOUT;
    return FORWARDER_REFUSED;
}

const char *session_open_failure_name(uint32_t reason)
{
    static const char *const names[] = {"administratively prohibited", "connect failed",
                                        "unknown channel type", "resource shortage"};
    return reason >= 1 && reason <= ADIT_COUNT(names) ? names[reason - 1] : "unknown reason";
}

/* [RFC 4254 5.1b] */
static void on_refused(struct flow *flow, uint32_t reason, struct span raw)
{
    struct forwarder *f = flow->forwarder;
    char text[256], target[FORWARDER_TARGET_CAP];
    (void)adit_text_clean(text, sizeof text, raw, false);
    if (f->ops->flow_target)
        f->ops->flow_target(flow, target);
    else
        forwarder_target(f, target);
    forwarder_count(f, cause_of(reason, raw, text));
    if (f->spec->type == SESSION_FORWARD_EXEC)
        session_log(f->session, SESSION_INFO, "channel %u: open failed: %s: %s", ssh_chan_id(flow->channel),
                    session_open_failure_name(reason), text);
    else
        session_log(f->session, SESSION_INFO, "forward to %s: channel open failed: %s: %s", target,
                    session_open_failure_name(reason), text);
    flow->channel = NULL;
    flow->is_opening = false;
    if (flow->is_dead || !f->ops->flow_refused)
        flow_end(flow, false);
    else
        f->ops->flow_refused(flow, reason, raw);
}

/* ---- What happens to it ---- */

void flow_on_ready(struct flow *flow, struct loop_fd *fd)
{
    const struct forwarder_ops *ops = flow->forwarder->ops;
    if (flow->pump.is_started) {
        struct pump *side = side_of(flow);
        pump_on_ready(&flow->pump);
        if (side)
            pump_on_ready(side);
        free_if_done(flow);
    } else if (flow->is_held && fd->hangup) {
        flow_end(flow, true); /* whoever waited has gone */
    } else if (ops->flow_ready && !flow->is_dead) {
        ops->flow_ready(flow, fd);
    }
}

void flow_on_timer(struct flow *flow)
{
    if (!flow->is_dead)
        flow->forwarder->ops->flow_timer(flow);
}

void flow_on_resolved(struct flow *flow, struct resolve *r)
{
    if (!flow->is_dead)
        flow->forwarder->ops->flow_resolved(flow, r);
}

static void on_closed(struct flow *flow)
{
    struct pump *side = side_of(flow);
    flow->channel = NULL;
    if (flow->pump.is_started)
        pump_on_closed(&flow->pump);
    else
        pump_abort(&flow->pump);
    if (side)
        pump_on_closed(side);
    free_if_done(flow);
}

/* Before the pump was started a plug-in may want it. */
static bool is_plug_ins(struct flow *flow, const struct ssh_event *ev)
{
    const struct forwarder_ops *ops = flow->forwarder->ops;
    bool is_data = ev->kind == SSH_EVENT_CHANNEL_DATA && ev->number == 0;
    bool is_other = ev->kind == SSH_EVENT_CHANNEL_SPACE || ev->kind == SSH_EVENT_CHANNEL_EOF;
    if (!ops->flow_far || flow->pump.is_started || flow->is_dead || !(is_data || is_other))
        return false;
    ops->flow_far(flow, ev);
    return true;
}

static void on_data(struct flow *flow, const struct ssh_event *ev)
{
    struct session *s = flow->forwarder->session;
    struct pump *side = ev->number == 1 ? side_of(flow) : NULL;
    /* RFC 4254 §5.2: extended data is stderr alone, and has no place in a forwarded connection. */
    if (side && flow->pump.is_started)
        pump_on_data(side, ev->data);
    else if (ev->number != 0 || !flow->pump.is_started)
        ssh_chan_consumed(s->conn.ssh, ev->channel, ev->data.n, true);
    else
        pump_on_data(&flow->pump, ev->data);
}

static void on_eof(struct flow *flow)
{
    struct pump *side = side_of(flow);
    pump_on_eof(&flow->pump);
    if (side)
        pump_on_eof(side);
}

void flow_on_event(struct flow *flow, const struct ssh_event *ev)
{
    if (is_plug_ins(flow, ev))
        return;
    switch (ev->kind) {
    case SSH_EVENT_CHANNEL_OPENED:
        on_opened(flow, ev->channel);
        return;
    case SSH_EVENT_CHANNEL_OPEN_FAILED:
        on_refused(flow, ev->number, ev->text);
        return;
    case SSH_EVENT_CHANNEL_DATA:
        on_data(flow, ev);
        return;
    case SSH_EVENT_CHANNEL_SPACE:
        pump_on_space(&flow->pump);
        return;
    case SSH_EVENT_CHANNEL_EOF:
        on_eof(flow);
        return;
    case SSH_EVENT_CHANNEL_CLOSED:
        on_closed(flow);
        return;
    default:
        if (flow->forwarder->ops->flow_event && !flow->is_dead)
            flow->forwarder->ops->flow_event(flow, ev);
        return;
    }
}
