/*
 * session_phase.c - the phases of a session, from its authentication to its end.
 */
#include "forward/internal.h"

/* ---- Open ---- */

void session_begin_forwarders(struct session *s)
{
    if (s->phase >= PHASE_AUTH)
        return;
    s->phase = PHASE_AUTH;
    for (struct forwarder *f = s->forwarders; f && s->phase == PHASE_AUTH; f = f->next)
        if (f->state != FORWARDER_FAILED && f->ops->begin && !f->is_leaving)
            f->ops->begin(f);
}

/* What takes over this connection cannot run a command with it then. Only OpenSSH knows the request. */
void session_tell_no_more(struct session *s)
{
    static const struct span nothing = {NULL, 0};
    bool has_probes = s->config.probe_ms > 0 || s->config.probe_limit_ms > 0;
    bool is_meant = !s->config.may_open_sessions && !has_probes;
    if (s->phase == PHASE_OPEN && is_meant && ssh_peer_is_openssh(s->conn.ssh))
        (void)!ssh_global_request(s->conn.ssh, "no-more-sessions@openssh.com", nothing, false, NULL);
}

/* It must not stand in the way of a connection that waits to be opened, or of its first words. */
void session_plan_no_more(struct session *s)
{
    if (forwarders_any_opening(s))
        loop_timer_set(&s->loop, &s->sessions_timer, loop_now_ms() + SESSION_QUIET_MS);
    else
        session_tell_no_more(s);
}

static void tell_forwards_done(struct session *s)
{
    struct session_notice n = {.kind = SESSION_ALL_FORWARDS_DONE};
    for (const struct forwarder *f = s->forwarders; f; f = f->next)
        n.count += f->state == FORWARDER_FAILED;
    s->forwards_are_told = true;
    session_notify(s, &n);
    if (n.count == s->config.forward_count && !s->config.keep_open) {
        struct adit_error err = {ADIT_E_OK, ""};
        if (n.count > 0)
            (void)adit_fail(&err, ADIT_E_FORWARD, "no forward could be set up");
        session_finish(s, &err);
    }
}

/* ---- Towards the end ---- */

static void farewell(struct session *s)
{
    static const uint32_t by_application = 11; /* RFC 4253 §11.1 */
    s->phase = PHASE_FAREWELL;
    loop_timer_set(&s->loop, &s->phase_timer, loop_now_ms() + SESSION_FAREWELL_MS);
    ssh_disconnect(s->conn.ssh, by_application, "disconnected by user");
}

/* [RFC 4254 7.2c] */
void session_finish(struct session *s, const struct adit_error *why)
{
    bool is_open = s->phase == PHASE_OPEN;
    if (s->phase >= PHASE_DRAINING)
        return;
    if (why && why->code != ADIT_E_OK && s->error.code == ADIT_E_OK)
        s->error = *why;
    if (s->is_asking) {
        s->stop_waits = true;
        return;
    }
    s->phase = PHASE_DRAINING;
    forwarders_stop(s);
    if (!s->conn.ssh || s->conn.is_over) {
        s->phase = PHASE_ENDED;
    } else if (is_open && s->error.code == ADIT_E_OK &&
               (s->stats.open_now > 0 || forwarders_any(s, FORWARDER_CANCELLING))) {
        if (s->stats.open_now > 0)
            session_log(s, SESSION_VERBOSE, "waiting for %u open connections", s->stats.open_now);
        if (!s->is_patient)
            loop_timer_set(&s->loop, &s->phase_timer, loop_now_ms() + SESSION_DRAIN_MS);
        session_progress(s);
    } else {
        farewell(s);
    }
}

static void stop_now(struct session *s)
{
    if (s->conn.ssh && !s->conn.is_over && s->phase < PHASE_FAREWELL) {
        farewell(s);
        (void)conn_flush(&s->conn);
    }
    s->phase = PHASE_ENDED;
}

void session_on_stop(struct session *s, bool at_once)
{
    session_log(s, SESSION_DEBUG1, at_once ? "stopping at once" : "stopping");
    if (!at_once)
        session_finish(s, NULL);
    else if (s->is_asking)
        s->stop_waits = true;
    else
        stop_now(s);
}

void session_progress(struct session *s)
{
    if (s->phase == PHASE_OPEN && !s->forwards_are_told && !forwarders_any(s, FORWARDER_ASKED) &&
        !forwarders_any(s, FORWARDER_READY) && !forwarders_any(s, FORWARDER_BINDING))
        tell_forwards_done(s);
    if (s->control)
        control_progress(s->control);
    survive_plan_exit(s);
    if (s->phase != PHASE_DRAINING || s->conn.is_over || !s->conn.ssh || s->stats.open_now > 0)
        return;
    /* Whoever starts the same tunnel again at once finds its port free: the server says when it is. */
    if (forwarders_any(s, FORWARDER_CANCELLING))
        loop_timer_set(&s->loop, &s->phase_timer, loop_now_ms() + SESSION_FAREWELL_MS);
    else
        farewell(s);
}

bool session_lingers(const struct session *s)
{
    return s->conn.is_over && s->stats.open_now > 0;
}

/* Whose connection ended, and at which step. */
static void conn_error(const struct session *s, const struct adit_error *why, struct adit_error *err)
{
    const char *host = s->config.host;
    if (why->code == ADIT_E_TIMEOUT && s->phase >= PHASE_AUTH) /* scripts look for ssh's words */
        (void)adit_fail(err, why->code, "Timeout, server %s not responding.", host);
    else if (why->code == ADIT_E_HOST_KEY || why->code == ADIT_E_AUTH)
        *err = *why; /* these name the host themselves */
    else
        (void)adit_fail(err, why->code, "%s port %u: %s%s", host, s->config.port, why->text,
                        s->phase == PHASE_HANDSHAKE ? " (before authentication)"
                        : s->phase == PHASE_AUTH    ? " (during authentication)"
                                                    : "");
}

void session_conn_over(struct session *s)
{
    const struct adit_error *why = ssh_error(s->conn.ssh);
    struct adit_error err = {ADIT_E_OK, ""};
    if (s->phase < PHASE_DRAINING && why->code != ADIT_E_OK)
        conn_error(s, why, &err);
    if (survive_loss(s, &err))
        return;
    if (s->error.code == ADIT_E_OK)
        s->error = err;
    s->conn.is_over = true;
    if (s->phase < PHASE_FAREWELL)
        loop_timer_set(&s->loop, &s->phase_timer, loop_now_ms() + SESSION_FAREWELL_MS);
    s->phase = PHASE_FAREWELL;
    forwarders_stop(s);
    forwarders_lose_flows(s, true);
}

void session_on_phase_timer(struct session *s)
{
    if (s->phase == PHASE_CONNECTING)
        conn_on_timer(&s->conn);
    else if (s->phase == PHASE_DRAINING)
        farewell(s);
    else if (s->phase == PHASE_FAREWELL && !session_lingers(s) && !s->is_asking)
        s->phase = PHASE_ENDED;
}
