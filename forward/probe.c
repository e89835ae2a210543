/*
 * probe.c - whether the server is still there: what is said of it before the machine or the kernel gives up.
 *
 * Whatever the server sends proves life, so that nothing is measured but how long nothing came: since the
 * last probe, or for so long that a keepalive must have gone out and its answer have come. That is looked at
 * by a timer; where bytes move nothing is done, but for a look once a turn while the server is under
 * suspicion.
 */
#include "forward/internal.h"

enum {
    ALIVE_MS = 1000,     /* is said at most so often */
    GRACE_MAX_MS = 1500, /* for a keepalive's answer */
    LOOKS = 10,          /* of a probe that is out, until its limit: so is a stop of ours noticed, */
    STALL_PART = 4,      /* which is one of this part of the limit */
};

void probe_init(struct session *s)
{
    loop_timer_init(&s->probe.timer, SESSION_TIMER_SESSION, s);
}

static uint64_t heard_ms(const struct session *s)
{
    return ssh_last_heard_us(s->conn.ssh) / 1000;
}

static void say(struct session *s, enum session_notice_kind kind)
{
    struct session_notice n = {.kind = kind};
    session_notify(s, &n);
}

/* ---- The probe ---- */

static void send_probe(struct session *s, uint64_t now)
{
    struct probe *p = &s->probe;
    p->sent_ms = now;
    /* NULL: every channel is in use, and so is the connection. It has no owner: see on_channel_event. */
    p->channel = ssh_open_session(s->conn.ssh, NULL);
    session_log(s, SESSION_DEBUG2, "probe: is the server there?");
}

/* One at a time: no server can make us hold more and more of them. */
static bool is_probe_due(const struct session *s, uint64_t now)
{
    return s->config.probe_ms > 0 && !s->probe.channel && now >= s->probe.sent_ms + s->config.probe_ms;
}

void probe_now(struct session *s)
{
    if (!s->probe.is_on || s->probe.channel || s->config.probe_limit_ms == 0 || s->phase != PHASE_OPEN)
        return;
    send_probe(s, loop_now_ms());
    probe_look(s);
}

void probe_event(struct session *s, const struct ssh_event *ev)
{
    struct probe *p = &s->probe;
    if (!p->channel || ev->channel != p->channel)
        return;
    if (ev->kind == SSH_EVENT_CHANNEL_OPENED)
        ssh_chan_close(s->conn.ssh, p->channel);
    else if (ev->kind == SSH_EVENT_CHANNEL_OPEN_FAILED || ev->kind == SSH_EVENT_CHANNEL_CLOSED)
        p->channel = NULL;
    else
        return;
    loop_timer_set(&s->loop, &p->timer, loop_now_ms()); /* when all of this turn's events are through */
}

/* ---- Silence ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* We stood still (stopped, starved), and with us the server's chance to be heard: its time begins anew. */
static void look_at_ourselves(struct session *s, uint64_t now)
{
    struct probe *p = &s->probe;
    if (p->channel && now > p->due_ms + s->config.probe_limit_ms / STALL_PART)
        p->awake_ms = now;
}

/* Until when the server has to end the probe that is out, or to send anything else. RFC 4254 §5.3: to a CLOSE
 * it MUST send back its own. LOOP_NEVER: none is out. */
static uint64_t probe_limit(const struct session *s, uint64_t part)
{
    uint64_t since = later(heard_ms(s), later(s->probe.sent_ms, s->probe.awake_ms));
    return s->probe.channel && s->config.probe_limit_ms > 0 ? since + s->config.probe_limit_ms / part
                                                            : LOOP_NEVER;
}

/* A keepalive goes out after a whole interval of silence, and its answer takes a round trip. */
static uint64_t keepalive_limit(const struct session *s)
{
    uint64_t interval = (uint64_t)s->config.ssh.alive_interval_s * 1000, grace = interval / 3;
    uint64_t trips = (uint64_t)ssh_rtt_us(s->conn.ssh) * 2 / 1000;
    if (interval == 0)
        return LOOP_NEVER;
    grace = grace < GRACE_MAX_MS ? grace : GRACE_MAX_MS;
    return heard_ms(s) + interval + (grace > trips ? grace : trips);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Something came since it was last said. False: it is to be said later. */
static bool look_alive(struct session *s, uint64_t now)
{
    struct probe *p = &s->probe;
    if (ssh_last_heard_us(s->conn.ssh) == p->seen_us)
        return true;
    if (!p->is_suspect && now < p->told_ms + ALIVE_MS)
        return false;
    p->seen_us = ssh_last_heard_us(s->conn.ssh);
    p->told_ms = now;
    p->is_suspect = false;
    say(s, SESSION_ALIVE);
    return true;
}

/* False: for too long. */
static bool look_silent(struct session *s, uint64_t now)
{
    if (now >= probe_limit(s, 1)) {
        ssh_fail(s->conn.ssh, ADIT_E_TIMEOUT, "Timeout, server not responding.");
        return false;
    }
    if (!s->probe.is_suspect && now >= earlier(probe_limit(s, 2), keepalive_limit(s))) {
        s->probe.is_suspect = true;
        s->probe.seen_us = ssh_last_heard_us(s->conn.ssh); /* what came before says nothing against it */
        say(s, SESSION_SUSPECT);
    }
    return true;
}

static uint64_t next_look(const struct session *s, bool is_told)
{
    const struct probe *p = &s->probe;
    uint64_t at = probe_limit(s, 1);
    if (!is_told)
        at = earlier(at, p->told_ms + ALIVE_MS);
    if (!p->is_suspect)
        at = earlier(at, earlier(probe_limit(s, 2), keepalive_limit(s)));
    if (s->config.probe_ms > 0 && !p->channel)
        at = earlier(at, p->sent_ms + s->config.probe_ms);
    if (p->channel && s->config.probe_limit_ms > 0)
        at = earlier(at, loop_now_ms() + s->config.probe_limit_ms / LOOKS);
    return at;
}

void probe_look(struct session *s)
{
    uint64_t now = loop_now_ms();
    if (!s->probe.is_on || s->conn.is_over)
        return;
    look_at_ourselves(s, now);
    bool is_told = look_alive(s, now);
    if (is_probe_due(s, now))
        send_probe(s, now);
    if (!look_silent(s, now))
        return; /* the machine's last event follows */
    uint64_t next = next_look(s, is_told);
    s->probe.due_ms = next > now ? next : now + 1;
    loop_timer_set(&s->loop, &s->probe.timer, s->probe.due_ms);
}

/* ---- Life ---- */

void probe_start(struct session *s)
{
    struct probe *p = &s->probe;
    if (!s->config.survives && s->config.probe_ms == 0)
        return;
    p->is_on = true;
    p->is_suspect = false;
    p->channel = NULL;
    p->sent_ms = loop_now_ms(); /* the authentication was as good as a probe */
    p->told_ms = p->awake_ms = 0;
    p->seen_us = ssh_last_heard_us(s->conn.ssh);
    p->due_ms = next_look(s, true);
    loop_timer_set(&s->loop, &p->timer, p->due_ms);
}

void probe_stop(struct session *s)
{
    s->probe.is_on = s->probe.is_suspect = false;
    s->probe.channel = NULL;
    loop_timer_cancel(&s->loop, &s->probe.timer);
}
