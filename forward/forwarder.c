/*
 * forwarder.c - what a forwarder asks of its session, and tells it.
 */
#include <string.h>

#include "forward/internal.h"
#include "net/resolve.h"

/* ---- What it is part of ---- */

struct loop *forwarder_loop(struct forwarder *f)
{
    return &f->session->loop;
}

struct ssh *forwarder_ssh(struct forwarder *f)
{
    return f->session->conn.ssh;
}

struct session_stats *forwarder_stats(struct forwarder *f)
{
    return &f->session->stats;
}

void forwarder_count(struct forwarder *f, enum forwarder_cause cause)
{
    struct session_stats *all = &f->session->stats;
    struct session_forward_stats *own = &f->stats;
    uint64_t *const counters[][2] = {
        [FORWARDER_REFUSED] = {&all->refused, &own->refused},
        [FORWARDER_PROHIBITED] = {&all->prohibited, &own->prohibited},
        [FORWARDER_TIMEOUT] = {&all->timeout, &own->timeout},
        [FORWARDER_RESOLVE] = {&all->resolve, &own->resolve},
        [FORWARDER_OPEN_FAILED] = {&all->open_failed, &own->open_failed},
        [FORWARDER_LOCAL_REFUSED] = {&all->local_refused, &own->local_refused},
        [FORWARDER_DENIED] = {&all->denied, &own->denied},
        [FORWARDER_PEER_RESET] = {&all->peer_reset, &own->peer_reset},
    };
    (*counters[cause][0])++;
    (*counters[cause][1])++;
}

const struct session_config *forwarder_config(const struct forwarder *f)
{
    return &f->session->config;
}

bool forwarder_has_begun(const struct forwarder *f)
{
    return f->session->phase == PHASE_AUTH || f->session->phase == PHASE_OPEN;
}

bool forwarder_may_open(const struct forwarder *f)
{
    return f->session->phase == PHASE_OPEN;
}

void forwarder_target(const struct forwarder *f, char out[static FORWARDER_TARGET_CAP])
{
    const struct session_forward *spec = f->spec;
    if (spec->path)
        (void)adit_format(out, FORWARDER_TARGET_CAP, "%s", spec->path);
    else if (!spec->host)
        (void)adit_format(out, FORWARDER_TARGET_CAP, "-");
    else if (strchr(spec->host, ':'))
        (void)adit_format(out, FORWARDER_TARGET_CAP, "[%s]:%u", spec->host, spec->port);
    else
        (void)adit_format(out, FORWARDER_TARGET_CAP, "%s:%u", spec->host, spec->port);
}

enum adit_err forwarder_resolve(struct forwarder *f, struct flow *flow, const char *host, uint16_t port,
                                struct resolve **out, struct adit_error *err)
{
    struct session *s = f->session;
    if (flow)
        return resolve_start(out, host, port, 0, &s->box, SESSION_MAIL_FLOW_RESOLVED, flow, err);
    return resolve_start(out, host, port, s->config.family, &s->box, SESSION_MAIL_FORWARDER_RESOLVED, f, err);
}

/* ---- What became of it ---- */

void forwarder_up(struct forwarder *f, size_t address_index, const char *bound, uint16_t bound_port)
{
    char target[FORWARDER_TARGET_CAP];
    forwarder_target(f, target);
    f->state = FORWARDER_UP;
    if (bound) {
        struct session_notice n = {.kind = SESSION_FORWARD_UP,
                                   .index = f->index,
                                   .address_index = address_index,
                                   .bound = bound,
                                   .bound_port = bound_port,
                                   .target = target,
                                   .is_partial = f->is_partial};
        forwarder_log(f, SESSION_DEBUG1, "forward up: %s to %s", bound, target);
        forwarder_notify(f, &n);
    }
    session_progress(f->session);
}

void forwarder_remote_port(struct forwarder *f, uint16_t port)
{
    char target[FORWARDER_TARGET_CAP];
    forwarder_target(f, target);
    struct session_notice n = {
        .kind = SESSION_REMOTE_PORT, .index = f->index, .bound_port = port, .target = target};
    forwarder_notify(f, &n);
}

void forwarder_ready(struct forwarder *f)
{
    const struct session_notice n = {.kind = SESSION_FORWARD_READY, .index = f->index};
    if (f->session->config.survives)
        forwarder_notify(f, &n);
}

void forwarder_failed(struct forwarder *f, bool all, const struct adit_error *why)
{
    struct session *s = f->session;
    struct session_notice n = {.kind = SESSION_FORWARD_FAILED, .index = f->index, .error = why};
    bool is_failure = all || !s->config.any_address_will_do;
    bool is_fatal = is_failure && s->config.exit_on_forward_failure && !f->guest && !f->letter;
    if (all)
        f->state = FORWARDER_FAILED;
    forwarder_log(f, is_fatal ? SESSION_DEBUG1 : SESSION_INFO, "%s", why->text);
    forwarder_notify(f, &n);
    if (is_fatal) {
        struct adit_error err = {ADIT_E_OK, ""};
        (void)adit_fail(&err, ADIT_E_FORWARD, "%s", why->text);
        session_finish(s, &err);
    }
    session_progress(s);
}

void forwarder_cancelled(struct forwarder *f)
{
    f->state = f->is_leaving ? FORWARDER_OVER : FORWARDER_READY;
    session_progress(f->session);
}

void forwarder_over(struct forwarder *f, const struct adit_error *why)
{
    if (f->guest)
        control_on_over(f, why);
    else if (!f->session->config.keep_open)
        session_finish(f->session, why);
}

void forwarder_exec_over(struct forwarder *f, const struct adit_error *why)
{
    if (!f->guest)
        f->session->is_patient = true;
    forwarder_over(f, why);
}

void forwarder_set_terminal(struct forwarder *f, bool has_one)
{
    struct session *s = f->session;
    bool is_other = s->has_terminal != has_one;
    s->has_terminal = has_one;
    if (is_other && s->phase == PHASE_OPEN)
        conn_open_qos(&s->conn);
}

/* A guest's are for whoever asked for it. */
void forwarder_notify(struct forwarder *f, const struct session_notice *n)
{
    if (f->guest)
        control_on_notice(f, n);
    else
        session_notify(f->session, n);
}

void forwarder_end_failed(struct forwarder *f, const struct adit_error *why)
{
    session_finish(f->session, why);
}

void forwarder_end_session(struct forwarder *f, bool at_once)
{
    session_stop(f->session); /* by letter: not while one of its own is at work */
    if (at_once)
        session_stop(f->session);
}
