/*
 * idle.c - ChannelTimeout: connections over which nothing has gone for a while are closed.
 *
 * Nothing is timed where bytes move: a pump notes when it moved some, and that is looked at here twice a
 * second. Only a session that has such a timeout looks at all.
 */
#include "forward/internal.h"

enum { LOOK_MS = 500 };

static const char *const names[SESSION_CHANNEL_KINDS] = {
    [SESSION_CHANNEL_DIRECT_TCPIP] = "direct-tcpip",
    [SESSION_CHANNEL_DIRECT_STREAMLOCAL] = "direct-streamlocal@openssh.com",
    [SESSION_CHANNEL_FORWARDED_TCPIP] = "forwarded-tcpip",
    [SESSION_CHANNEL_FORWARDED_STREAMLOCAL] = "forwarded-streamlocal@openssh.com",
    [SESSION_CHANNEL_STDIO] = "stdio-forward",
    [SESSION_CHANNEL_SESSION] = "session",
    [SESSION_CHANNEL_AGENT] = "agent-connection",
    [SESSION_CHANNEL_GLOBAL] = "global",
};

const char *session_channel_name(enum session_channel_kind kind)
{
    return names[kind];
}

void flow_set_kind(struct flow *flow, enum session_channel_kind kind)
{
    flow->kind = (uint8_t)kind;
}

static uint32_t timeout_of(const struct session *s, const struct flow *flow)
{
    return s->config.channel_timeouts_s[flow->kind];
}

/* A server keeps its end while the command runs: that is not waited for. */
static void give_up(struct flow *flow, uint32_t seconds)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct forwarder *f = flow->forwarder;
    (void)adit_fail(&err, ADIT_E_COMMAND, "the session was closed after %u s without traffic", seconds);
    flow_end(flow, false);
    forwarder_exec_over(f, &err);
}

static void close_flow(struct session *s, struct flow *flow, uint32_t seconds)
{
    session_log(s, SESSION_VERBOSE, "channel %u: %s: closed after %u s without traffic",
                ssh_chan_id(flow->channel), names[flow->kind], seconds);
    if (flow->pump.is_session)
        give_up(flow, seconds);
    else
        pump_close(&flow->pump);
}

static bool is_carrying(const struct flow *flow)
{
    return flow->pump.is_started && flow->channel && !flow->is_dead && !flow->pump.far_closing;
}

static void look_at(struct session *s, struct flow *flow, uint64_t now)
{
    uint32_t seconds = timeout_of(s, flow);
    if (seconds == 0 || !is_carrying(flow))
        return;
    if (now - flow->pump.moved_ms >= (uint64_t)seconds * 1000)
        close_flow(s, flow, seconds);
}

/* What moves on any of them counts, and a new one does. */
static bool all_are_idle(struct session *s, uint64_t now)
{
    uint32_t seconds = s->config.channel_timeouts_s[SESSION_CHANNEL_GLOBAL];
    uint64_t moved = s->pumps.bytes_up + s->pumps.bytes_down + s->stats.opened;
    if (s->idle_since_ms == 0 || moved != s->idle_moved) {
        s->idle_moved = moved;
        s->idle_since_ms = now;
    }
    return seconds > 0 && now - s->idle_since_ms >= (uint64_t)seconds * 1000;
}

/* Closing one frees none: that comes with the server's answer. */
void idle_look(struct session *s)
{
    uint64_t now = loop_now_ms();
    bool all = all_are_idle(s, now);
    for (struct forwarder *f = s->forwarders; f; f = f->next)
        for (struct flow *flow = f->flows; flow; flow = flow->next) {
            if (all && is_carrying(flow))
                close_flow(s, flow, s->config.channel_timeouts_s[SESSION_CHANNEL_GLOBAL]);
            else
                look_at(s, flow, now);
        }
    if (s->phase <= PHASE_OPEN)
        loop_timer_set(&s->loop, &s->idle_timer, now + LOOK_MS);
}

void idle_start(struct session *s)
{
    for (size_t i = 0; i < SESSION_CHANNEL_KINDS; i++)
        if (s->config.channel_timeouts_s[i] > 0) {
            idle_look(s);
            return;
        }
}
