/*
 * session_snapshot.c - what a session counts, as it is now: all of it, by forward, and each connection.
 */
#include "forward/internal.h"

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t session_heard_ms(const struct session *s)
{
    return later(s->heard_ms, s->conn.ssh ? ssh_last_heard_us(s->conn.ssh) / 1000 : 0);
}

/* ---- One connection ---- */

static void client_text(const struct flow *flow, char out[static SOCK_TEXT_CAP])
{
    const struct forwarder_ops *ops = flow->forwarder->ops;
    struct sock_addr peer;
    out[0] = '\0';
    if (ops->flow_client)
        (void)adit_format(out, SOCK_TEXT_CAP, "%s", ops->flow_client(flow));
    else if (flow->pump.in.fd >= 0 && sock_peer(flow->pump.in.fd, &peer) &&
             (sock_addr_family(&peer) == AF_INET || sock_addr_family(&peer) == AF_INET6))
        sock_addr_text(&peer, out);
}

static void target_text(const struct flow *flow, char out[static SESSION_TARGET_CAP])
{
    char raw[FORWARDER_TARGET_CAP];
    if (flow->forwarder->ops->flow_target)
        flow->forwarder->ops->flow_target(flow, raw);
    else
        forwarder_target(flow->forwarder, raw);
    (void)adit_text_clean(out, SESSION_TARGET_CAP, span_str(raw), false);
}

static void take_connection(const struct flow *flow, struct session_connection_info *out)
{
    out->id = flow->id;
    out->index = flow->forwarder->index;
    client_text(flow, out->client);
    target_text(flow, out->target);
    out->opened_ms = flow->id >> FLOW_ID_SHIFT;
    out->bytes_up = flow->pump.bytes_up;
    out->bytes_down = flow->pump.bytes_down;
}

/* ---- One forward ---- */

static void take_forward(const struct forwarder *f, struct session_forward_stats *out)
{
    *out = f->stats;
    out->index = f->index;
    out->is_up = f->state == FORWARDER_UP;
    for (const struct flow *flow = f->flows; flow; flow = flow->next) {
        out->open_now += !flow->is_dead;
        out->bytes_up += flow->pump.bytes_up;
        out->bytes_down += flow->pump.bytes_down;
        out->last_activity_ms = later(out->last_activity_ms, flow->pump.moved_ms);
    }
}

static void take_connections(const struct forwarder *f, struct session_snapshot *snapshot)
{
    for (const struct flow *flow = f->flows; flow; flow = flow->next) {
        if (flow->is_dead)
            continue;
        if (snapshot->connection_count < snapshot->connection_room)
            take_connection(flow, &snapshot->connections[snapshot->connection_count]);
        snapshot->connection_count++;
    }
}

static void take_forwards(const struct session *s, struct session_snapshot *snapshot)
{
    size_t only = snapshot->only_index;
    snapshot->forward_count = snapshot->connection_count = 0;
    for (const struct forwarder *f = s->forwarders; f; f = f->next) {
        if (f->guest || f->is_leaving || (only != SIZE_MAX && f->index != only))
            continue;
        if (snapshot->forward_count < snapshot->forward_room)
            take_forward(f, &snapshot->forwards[snapshot->forward_count]);
        snapshot->forward_count++;
        take_connections(f, snapshot);
    }
}

/* ---- All of it ---- */

void session_take_snapshot(struct session *s, struct session_snapshot *snapshot)
{
    s->stats.bytes_up = s->pumps.bytes_up;
    s->stats.bytes_down = s->pumps.bytes_down;
    s->stats.buffered = s->pumps.buffered;
    s->stats.rtt_us = s->conn.ssh ? ssh_rtt_us(s->conn.ssh) : 0;
    snapshot->stats = s->stats;
    snapshot->last_alive_ms = session_heard_ms(s);
    take_forwards(s, snapshot);
    mailbox_post(snapshot->reply_to, &snapshot->mail);
}
