/*
 * wait.c - see wait.h.
 */
#include "daemon/wait.h"

#include "daemon/registry.h"

static bool is_local(const struct definition_forward *f)
{
    return f->type != FORWARD_REMOTE;
}

/* Each local listener is bound or could not be; of a tunnel that does not run: none is left. */
static bool listeners_are_settled(const struct tunnel *u)
{
    enum keep_state state = u->status.state;
    bool is_running = state != KEEP_DISCONNECTED && state != KEEP_FAILED;
    if (is_running && !u->connection)
        return false;
    for (size_t i = 0; i < u->definition.forward_count; i++) {
        enum tunnel_forward_state s = u->status.forwards[i].state;
        if (is_running ? is_local(&u->definition.forwards[i]) && s == TUNNEL_FORWARD_DOWN
                       : s == TUNNEL_FORWARD_UP)
            return false;
    }
    return is_running || u->leaving == 0;
}

static bool is_so(const struct tunnel *u, enum tunnel_wait_for what)
{
    enum keep_state s = u->status.state;
    bool is_settled = s == KEEP_CONNECTED || s == KEEP_IDLE || s == KEEP_FAILED || s == KEEP_DISCONNECTED;
    return listeners_are_settled(u) && (what == TUNNEL_WAIT_LISTENERS || is_settled);
}

static void unlink_wait(struct tunnel_wait *w)
{
    struct tunnel_wait **at = &w->tunnel->waits;
    while (*at && *at != w)
        at = &(*at)->next;
    if (*at)
        *at = w->next;
    loop_timer_cancel(w->tunnel->tunnels->config.loop, &w->timer);
    w->next = NULL;
    w->tunnel = NULL;
}

static void finish(struct tunnel_wait *w, struct tunnel *tunnel, bool came_true)
{
    unlink_wait(w);
    w->done(w->ctx, tunnel, came_true);
}

void wait_check(struct tunnel *u)
{
    struct tunnels *t = u->tunnels;
    for (struct tunnel_wait *w = u->waits; w; w = w->next)
        if (is_so(u, w->what) && !t->waits_are_due) {
            t->waits_are_due = true;
            loop_timer_set(t->config.loop, &t->waits_timer, loop_now_ms());
        }
}

static struct tunnel_wait *find_due(const struct tunnels *t)
{
    for (struct tunnel *u = t->first; u; u = u->next)
        for (struct tunnel_wait *w = u->waits; w; w = w->next)
            if (is_so(u, w->what))
                return w;
    return NULL;
}

void waits_tell(struct tunnels *t)
{
    struct tunnel_wait *w;
    if (!t->waits_are_due)
        return;
    t->waits_are_due = false;
    loop_timer_cancel(t->config.loop, &t->waits_timer);
    while ((w = find_due(t)))
        finish(w, w->tunnel, true);
}

void wait_end(struct tunnel *u)
{
    while (u->waits)
        finish(u->waits, NULL, false);
}

void wait_on_timer(struct loop_timer *timer)
{
    struct tunnel_wait *w = timer->owner;
    finish(w, w->tunnel, false);
}

void tunnel_wait(struct tunnel *tunnel, struct tunnel_wait *wait, enum tunnel_wait_for what,
                 uint32_t limit_ms)
{
    wait->tunnel = tunnel;
    wait->what = what;
    wait->next = tunnel->waits;
    tunnel->waits = wait;
    loop_timer_init(&wait->timer, REGISTRY_TIMER_WAIT, wait);
    if (is_so(tunnel, what))
        finish(wait, tunnel, true);
    else if (limit_ms == 0)
        finish(wait, tunnel, false);
    else
        loop_timer_set(tunnel->tunnels->config.loop, &wait->timer, loop_now_ms() + limit_ms);
}

void tunnel_wait_cancel(struct tunnel_wait *wait)
{
    if (wait->tunnel)
        unlink_wait(wait);
}
