/*
 * link_state.c - what a link tells of itself.
 */
#include <string.h>

#include "client/link_internal.h"

const char link_unhealthy[] = "the health check fails";

void link_log(struct link *l, enum session_level level, enum session_about about, const char *line)
{
    l->ops.log(l->ops.ctx, level, about, line);
}

void link_notify(struct link *l, const struct link_notice *n)
{
    l->ops.notify(l->ops.ctx, n);
}

static void status_now(const struct link *l, struct link_status *now)
{
    const struct keep *k = &l->keep;
    memset(now, 0, sizeof *now);
    now->state = keep_state(k);
    now->retry_count = k->retry_count;
    now->next_try_ms = k->try_at;
    now->up_since_ms = k->up_at;
    now->error = k->last_error;
    now->error_at_ms = k->last_error_at;
    now->is_permanent = k->is_permanent;
    now->gave_up = k->gave_up;
}

static bool same_status(const struct link_status *a, const struct link_status *b)
{
    return a->state == b->state && a->retry_count == b->retry_count && a->next_try_ms == b->next_try_ms &&
           a->up_since_ms == b->up_since_ms && a->error_at_ms == b->error_at_ms &&
           a->is_permanent == b->is_permanent && a->gave_up == b->gave_up && a->error.code == b->error.code &&
           strcmp(a->error.text, b->error.text) == 0;
}

/* ---- Why ---- */

static void why_connected(const struct link *l, char *out, size_t cap)
{
    if (l->told.state == KEEP_SUSPECT)
        (void)adit_format(out, cap, "the server answered");
    else if (l->told.state == KEEP_DEGRADED)
        (void)adit_format(out, cap, "every forward is up");
    else
        (void)adit_format(out, cap, "authenticated (%s)", l->method);
}

static void why_not(const struct link *l, char *out, size_t cap)
{
    const struct keep *k = &l->keep;
    const char *text = "a fresh connection is wanted";
    bool is_retry = k->retry_count > 0 || k->phase == KEEP_OVER;
    if (k->phase == KEEP_DROPPING && k->is_unhealthy)
        text = link_unhealthy;
    else if (k->phase != KEEP_DROPPING && is_retry && k->last_error.code != ADIT_E_OK)
        text = k->last_error.text;
    else if (k->phase != KEEP_DROPPING && k->missing > 0 && l->missing_why[0] != 0)
        text = l->missing_why;
    (void)adit_format(out, cap, "%s", text);
}

static void why(const struct link *l, enum keep_state state, char *out, size_t cap)
{
    bool lacks_forward = l->keep.missing > 0 && l->missing_why[0] != 0;
    *out = 0;
    switch (state) {
    case KEEP_DISCONNECTED:
        (void)adit_format(out, cap, "stopped");
        return;
    case KEEP_IDLE:
        (void)adit_format(out, cap, "waiting for a client");
        return;
    case KEEP_CONNECTING:
        (void)adit_format(out, cap, l->told.state == KEEP_IDLE ? "a client came" : "asked to");
        return;
    case KEEP_CONNECTED:
        why_connected(l, out, cap);
        return;
    case KEEP_SUSPECT:
        (void)adit_format(out, cap, "the server's answer is overdue");
        return;
    case KEEP_DEGRADED:
        (void)adit_format(out, cap, "%s", lacks_forward ? l->missing_why : link_unhealthy);
        return;
    case KEEP_RECONNECTING:
    case KEEP_FAILED:
        why_not(l, out, cap);
        return;
    case KEEP_STATES:
        return;
    }
}

void link_tell_state(struct link *l)
{
    struct link_status now;
    char reason[LINK_REASON_CAP];
    struct link_notice n = {.kind = LINK_STATE, .status = &now, .old_state = l->told.state, .reason = reason};
    status_now(l, &now);
    if (same_status(&now, &l->told) || (now.state == KEEP_FAILED && l->is_closing))
        return;
    why(l, now.state, reason, sizeof reason);
    l->told = now;
    link_notify(l, &n);
}
