/*
 * forwarders.c - the forwarders of a session, all together: those of its configuration and, where there is a
 * control socket, room for guests.
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

/* Room for a guest: nothing happens to it. */
static const struct forwarder_ops forwarder_none;

static void forwarder_empty(struct forwarder *f)
{
    *f = (struct forwarder){
        .ops = &forwarder_none, .session = f->session, .index = f->index, .state = FORWARDER_UP};
}

/* ---- Guests ---- */

struct forwarder *forwarder_at(struct forwarder *f, size_t i)
{
    return i < f->session->forwarder_count ? &f->session->forwarders[i] : NULL;
}

struct forwarder *forwarder_add(struct forwarder *f, const struct session_forward *spec, struct guest *guest)
{
    struct session *s = f->session;
    for (size_t i = s->config.forward_count; i < s->forwarder_count; i++) {
        struct forwarder *free_one = &s->forwarders[i];
        if (free_one->ops != &forwarder_none)
            continue;
        free_one->ops = ops_of(spec);
        free_one->spec = spec;
        free_one->guest = guest;
        free_one->state = FORWARDER_READY;
        return free_one;
    }
    return NULL;
}

void forwarder_remove(struct forwarder *f)
{
    if (f->ops->free)
        f->ops->free(f);
    forwarder_empty(f);
}

/* ---- All of them ---- */

static bool has_control(const struct session_config *config)
{
    for (size_t i = 0; i < config->forward_count; i++)
        if (config->forwards[i].type == SESSION_FORWARD_CONTROL)
            return true;
    return false;
}

bool forwarders_make(struct session *s, const struct session_config *config)
{
    s->forwarder_count = config->forward_count + (has_control(config) ? FORWARDER_GUESTS : 0);
    s->forwarders = calloc(s->forwarder_count + 1, sizeof *s->forwarders);
    return s->forwarders != NULL;
}

void forwarders_bind(struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count; i++) {
        struct forwarder *f = &s->forwarders[i];
        f->session = s;
        f->index = i;
        if (i >= s->config.forward_count) {
            forwarder_empty(f);
            continue;
        }
        f->ops = ops_of(&s->config.forwards[i]);
        f->spec = &s->config.forwards[i];
        if (f->ops == &forwarder_control)
            s->control = f;
    }
    for (size_t i = 0; i < s->config.forward_count && s->phase == PHASE_BINDING; i++)
        if (s->forwarders[i].ops->bind)
            s->forwarders[i].ops->bind(&s->forwarders[i]);
}

bool forwarders_any(const struct session *s, enum forwarder_state state)
{
    for (size_t i = 0; i < s->forwarder_count; i++)
        if (s->forwarders[i].state == state)
            return true;
    return false;
}

bool forwarders_any_opening(const struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count; i++)
        for (const struct flow *f = s->forwarders[i].flows; f; f = f->next)
            if (f->is_opening)
                return true;
    return false;
}

void forwarders_stop(struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count; i++)
        if (s->forwarders[i].ops->stop)
            s->forwarders[i].ops->stop(&s->forwarders[i]);
}

void forwarders_lose_flows(struct session *s, bool may_linger)
{
    struct flow *flow, *next;
    for (size_t i = 0; i < s->forwarder_count; i++)
        for (flow = s->forwarders[i].flows; flow; flow = next) {
            next = flow->next;
            flow_lost(flow, s->error.code == ADIT_E_OK, may_linger);
        }
}

void forwarders_lose_connection(struct session *s)
{
    struct flow *flow, *next;
    for (size_t i = 0; i < s->forwarder_count; i++) {
        struct forwarder *f = &s->forwarders[i];
        for (flow = f->flows; flow; flow = next) {
            next = flow->next;
            flow_lost_connection(flow);
        }
        if (f->ops->lost)
            f->ops->lost(f);
    }
}

void forwarders_unlisten(struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count; i++)
        if (s->forwarders[i].ops->unlisten)
            s->forwarders[i].ops->unlisten(&s->forwarders[i]);
}

/* The first that fails may have ended it all. */
void forwarders_retry(struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count && s->phase < PHASE_DRAINING; i++)
        if (s->forwarders[i].ops->retry)
            s->forwarders[i].ops->retry(&s->forwarders[i]);
}

void forwarders_free(struct session *s)
{
    for (size_t i = 0; i < s->forwarder_count; i++)
        if (s->forwarders[i].ops->free)
            s->forwarders[i].ops->free(&s->forwarders[i]);
}

/* ---- Whose is it? ---- */

struct forwarder *forwarders_match(struct session *s, const struct ssh_event *ev)
{
    struct forwarder *best = NULL;
    int best_score = 0;
    bool is_tie = false;
    for (size_t i = 0; i < s->forwarder_count; i++) {
        struct forwarder *f = &s->forwarders[i];
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

struct forwarder *forwarders_agent(struct session *s)
{
    for (size_t i = 0; i < s->config.forward_count; i++)
        if (s->config.forwards[i].type == SESSION_FORWARD_AGENT)
            return &s->forwarders[i];
    return NULL;
}
