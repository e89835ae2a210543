/*
 * forwarders.c - the forwarders of a session, all together: those of its configuration and those who came
 * since, by a letter (forward_letter.c) or as guests of the control socket.
 */
#include <stdlib.h>

#include "forward/internal.h"

/* ---- Kinds ---- */

static const struct forwarder_ops *ops_of(const struct session_forward *spec)
{
    switch (spec->type) {
    case SESSION_FORWARD_LOCAL:
        return &forwarder_local;
    case SESSION_FORWARD_REMOTE:
        return spec->host || spec->path ? &forwarder_remote : &forwarder_remote_dynamic;
    case SESSION_FORWARD_DYNAMIC:
        return &forwarder_dynamic;
    case SESSION_FORWARD_AGENT:
        return &forwarder_agent;
    case SESSION_FORWARD_JUMP:
        return &forwarder_jump;
    case SESSION_FORWARD_EXEC:
        return &forwarder_exec;
    case SESSION_FORWARD_CONTROL:
        return &forwarder_control;
    case SESSION_FORWARD_STDIO:
        break;
    }
    return &forwarder_stdio;
}

const struct forwarder_ops forwarder_none;

bool forwarders_can_repeat(enum session_forward_type type)
{
    return type == SESSION_FORWARD_LOCAL || type == SESSION_FORWARD_DYNAMIC ||
           type == SESSION_FORWARD_REMOTE || type == SESSION_FORWARD_AGENT;
}

/* ---- Those that come and go ---- */

static void append(struct session *s, struct forwarder *f, const struct session_forward *spec)
{
    f->ops = ops_of(spec);
    f->session = s;
    f->spec = spec;
    f->state = FORWARDER_READY;
    if (s->last_forwarder)
        s->last_forwarder->next = f;
    else
        s->forwarders = f;
    s->last_forwarder = f;
}

struct forwarder *forwarders_new(struct session *s, const struct session_forward *spec)
{
    struct forwarder *f = calloc(1, sizeof *f);
    if (f)
        append(s, f, spec);
    return f;
}

void forwarders_delete(struct forwarder *f)
{
    struct session *s = f->session;
    struct forwarder **at = &s->forwarders, *before = NULL;
    for (; *at != f; at = &(*at)->next)
        before = *at;
    *at = f->next;
    if (s->last_forwarder == f)
        s->last_forwarder = before;
    if (f->ops->free)
        f->ops->free(f);
    free(f);
}

/* ---- Guests ---- */

struct forwarder *forwarder_at(struct forwarder *f, size_t i)
{
    struct forwarder *at = f->session->forwarders;
    for (; at && i > 0; i--)
        at = at->next;
    return at;
}

struct forwarder *forwarder_add(struct forwarder *f, const struct session_forward *spec, struct guest *guest)
{
    struct session *s = f->session;
    struct forwarder *added = s->guest_count < FORWARDER_GUESTS ? forwarders_new(s, spec) : NULL;
    if (!added)
        return NULL;
    s->guest_count++;
    added->guest = guest;
    return added;
}

void forwarder_remove(struct forwarder *f)
{
    f->session->guest_count--;
    forwarders_delete(f);
}

/* ---- All of them ---- */

bool forwarders_make(struct session *s, const struct session_config *config)
{
    s->configured = calloc(config->forward_count + 1, sizeof *s->configured);
    for (size_t i = 0; s->configured && i < config->forward_count; i++) {
        struct forwarder *f = &s->configured[i];
        append(s, f, &config->forwards[i]);
        f->index = i;
        if (f->ops == &forwarder_control)
            s->control = f;
    }
    return s->configured != NULL;
}

void forwarders_wipe(struct session *s)
{
    struct forwarder *f = s->forwarders, *next;
    for (size_t i = 0; f; f = next, i++) {
        next = f->next;
        if (i >= s->config.forward_count)
            free(f);
    }
    free(s->configured);
}

/* Nobody has come yet. */
void forwarders_bind(struct session *s)
{
    for (struct forwarder *f = s->forwarders; f && s->phase == PHASE_BINDING; f = f->next)
        if (f->ops->bind)
            f->ops->bind(f);
}

bool forwarders_any(const struct session *s, enum forwarder_state state)
{
    for (const struct forwarder *f = s->forwarders; f; f = f->next)
        if (f->state == state)
            return true;
    return false;
}

bool forwarders_any_opening(const struct session *s)
{
    for (const struct forwarder *f = s->forwarders; f; f = f->next)
        for (const struct flow *flow = f->flows; flow; flow = flow->next)
            if (flow->is_opening)
                return true;
    return false;
}

void forwarders_stop(struct session *s)
{
    for (struct forwarder *f = s->forwarders; f; f = f->next)
        if (f->ops->stop)
            f->ops->stop(f);
}

void forwarders_lose_flows(struct session *s, bool may_linger)
{
    struct flow *flow, *next;
    for (struct forwarder *f = s->forwarders; f; f = f->next)
        for (flow = f->flows; flow; flow = next) {
            next = flow->next;
            flow_lost(flow, s->error.code == ADIT_E_OK, may_linger);
        }
}

void forwarders_lose_connection(struct session *s)
{
    struct flow *flow, *next;
    for (struct forwarder *f = s->forwarders; f; f = f->next) {
        for (flow = f->flows; flow; flow = next) {
            next = flow->next;
            flow_lost_connection(flow);
        }
        if (f->ops->lost)
            f->ops->lost(f);
        if (f->is_leaving)
            f->state = FORWARDER_OVER; /* what it waited for does not come any more */
    }
}

void forwarders_unlisten(struct session *s)
{
    for (struct forwarder *f = s->forwarders; f; f = f->next)
        if (f->ops->unlisten && !f->is_leaving)
            f->ops->unlisten(f);
}

/* The first that fails may have ended it all. */
void forwarders_retry(struct session *s)
{
    for (struct forwarder *f = s->forwarders; f && s->phase < PHASE_DRAINING; f = f->next)
        if (f->ops->retry && !f->is_leaving)
            f->ops->retry(f);
}

/* The control socket's takes its guests along, which stand behind it. */
void forwarders_free(struct session *s)
{
    for (struct forwarder *f = s->forwarders; f; f = f->next)
        if (f->ops->free)
            f->ops->free(f);
}

/* ---- Whose is it? ---- */

struct forwarder *forwarders_match(struct session *s, const struct ssh_event *ev)
{
    struct forwarder *best = NULL;
    int best_score = 0;
    bool is_tie = false;
    for (struct forwarder *f = s->forwarders; f; f = f->next) {
        int score = f->ops->match ? f->ops->match(f, ev) : 0;
        is_tie = score == best_score ? score > 0 : score > best_score ? false : is_tie;
        if (score > best_score) {
            best = f;
            best_score = score;
        }
    }
    /* By the port alone only when it names one forward. */
    return is_tie && best_score == 1 ? NULL : best;
}

/* [RFC 4251 4.3c] */
struct forwarder *forwarders_agent(struct session *s)
{
    for (size_t i = 0; i < s->config.forward_count; i++)
        if (s->config.forwards[i].type == SESSION_FORWARD_AGENT)
            return &s->configured[i];
    return NULL;
}
