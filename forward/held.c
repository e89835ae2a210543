/*
 * held.c - clients who come while a session has no connection: kept for a while, in the order in which they
 * came. Nothing of what they send is read, so that each costs one descriptor and its flow.
 */
#include <stdlib.h>

#include "forward/internal.h"

struct held {
    struct flow *flow;
    uint64_t until_ms; /* all wait equally long: in the list it only grows */
    struct held *next;
};

void held_init(struct session *s)
{
    loop_timer_init(&s->hold.timer, SESSION_TIMER_SESSION, s);
}

/* They do not ride along with the authentication: if that fails, they are there for the next try. */
bool held_is_due(const struct session *s)
{
    return s->config.survives && s->phase < PHASE_OPEN;
}

static void set_timer(struct session *s)
{
    loop_timer_set(&s->loop, &s->hold.timer, s->hold.first ? s->hold.first->until_ms : LOOP_NEVER);
}

static void end_flow(struct flow *flow)
{
    forwarder_log(flow->forwarder, SESSION_VERBOSE, "there is no connection: a client was sent away");
    if (flow->forwarder->ops->flow_expired)
        flow->forwarder->ops->flow_expired(flow);
    else
        flow_end(flow, true);
}

static bool add(struct session *s, struct flow *flow)
{
    struct held_clients *hold = &s->hold;
    struct held *h = s->config.hold_ms > 0 && hold->count < s->config.hold_max ? calloc(1, sizeof *h) : NULL;
    if (!h)
        return false;
    h->flow = flow;
    h->until_ms = loop_now_ms() + s->config.hold_ms;
    if (hold->last)
        hold->last->next = h;
    else
        hold->first = h;
    hold->last = h;
    hold->count++;
    flow->is_held = true;
    set_timer(s);
    return true;
}

/* Also of one who cannot be held: the next one may find a connection. But where others wait, it is known. */
static void tell_wanted(struct session *s, bool is_added)
{
    struct session_notice n = {.kind = SESSION_WANTED};
    if (s->phase == PHASE_DOWN && !s->conn.is_over /* else LOST is still to be said */ &&
        (is_added || s->hold.count == 0))
        session_notify(s, &n);
}

bool held_take(struct flow *flow)
{
    struct session *s = flow->forwarder->session;
    bool is_added = add(s, flow);
    tell_wanted(s, is_added);
    if (!is_added)
        end_flow(flow);
    return is_added;
}

static struct flow *take_first(struct session *s)
{
    struct held_clients *hold = &s->hold;
    struct held *h = hold->first;
    struct flow *flow = h->flow;
    hold->first = h->next;
    if (!hold->first)
        hold->last = NULL;
    hold->count--;
    flow->is_held = false;
    free(h);
    return flow;
}

void held_forget(struct flow *flow)
{
    struct session *s = flow->forwarder->session;
    struct held_clients *hold = &s->hold;
    struct held *before = NULL, *h = hold->first;
    if (!flow->is_held)
        return;
    for (; h->flow != flow; h = h->next)
        before = h;
    if (before)
        before->next = h->next;
    else
        hold->first = h->next;
    if (hold->last == h)
        hold->last = before;
    hold->count--;
    flow->is_held = false;
    free(h);
    set_timer(s);
}

void held_release(struct session *s)
{
    while (s->hold.first) {
        struct flow *flow = take_first(s);
        flow->forwarder->ops->flow_release(flow);
    }
    set_timer(s);
}

void held_expire(struct session *s, bool all)
{
    uint64_t now = loop_now_ms();
    while (s->hold.first && (all || s->hold.first->until_ms <= now))
        end_flow(take_first(s));
    set_timer(s);
}
