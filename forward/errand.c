/*
 * errand.c - a command at the server whose answer is wanted: a session channel of its own, which is no
 * forward, has no flow, and is in nobody's way. What it writes is kept up to LIMIT_ERRAND; stderr is dropped.
 */
#include <string.h>

#include "forward/internal.h"

void errand_init(struct session *s)
{
    loop_timer_init(&s->errand.timer, SESSION_TIMER_SESSION, s);
}

/* The channel may go on without us: it has no owner, and what comes of it is passed over. */
static void forget(struct session *s)
{
    struct errand *e = &s->errand;
    loop_timer_cancel(&s->loop, &e->timer);
    if (e->channel && !e->is_closed && !s->conn.is_over)
        ssh_chan_close(s->conn.ssh, e->channel);
    e->channel = NULL;
}

static void tell(struct session *s, const char *text, const struct adit_error *err)
{
    struct session_notice n = {
        .kind = SESSION_RAN, .text = text, .number = s->errand.may_have_run, .error = err};
    session_notify(s, &n);
}

static void fail(struct session *s, enum adit_err code, const char *why)
{
    struct adit_error err = {ADIT_E_OK, ""};
    (void)adit_fail(&err, code, "%s", why);
    forget(s);
    tell(s, NULL, &err);
}

void errand_begin(struct session *s, const char *command, uint32_t limit_ms)
{
    struct errand *e = &s->errand;
    if (s->phase != PHASE_OPEN || s->conn.is_over || e->channel)
        return;
    e->out_len = 0;
    e->is_closed = false;
    e->may_have_run = false;
    e->channel = ssh_open_session(s->conn.ssh, NULL);
    if (!e->channel) {
        fail(s, ADIT_E_CHANNEL, "every channel is in use");
        return;
    }
    if (!ssh_session_exec(s->conn.ssh, e->channel, span_str(command))) {
        fail(s, ADIT_E_MEMORY, "out of memory");
        return;
    }
    e->may_have_run = true; /* it is on its way: only the server's word says that it was not run */
    ssh_chan_eof(s->conn.ssh, e->channel);
    loop_timer_set(&s->loop, &e->timer, loop_now_ms() + limit_ms);
}

static void on_data(struct session *s, const struct ssh_event *ev)
{
    struct errand *e = &s->errand;
    if (ev->number != 0)
        return;
    if (ev->data.n > sizeof e->out - e->out_len) {
        fail(s, ADIT_E_LIMIT, "it wrote too much");
        return;
    }
    memcpy(e->out + e->out_len, ev->data.p, ev->data.n);
    e->out_len += ev->data.n;
}

static void on_closed(struct session *s)
{
    struct errand *e = &s->errand;
    char clean[LIMIT_ERRAND + 1];
    e->is_closed = true;
    forget(s);
    (void)adit_text_clean(clean, sizeof clean, span_make(e->out, e->out_len), true);
    tell(s, clean, NULL);
}

void errand_event(struct session *s, const struct ssh_event *ev)
{
    struct errand *e = &s->errand;
    if (!e->channel || ev->channel != e->channel)
        return;
    if (ev->kind == SSH_EVENT_CHANNEL_DATA) {
        on_data(s, ev);
    } else if (ev->kind == SSH_EVENT_CHANNEL_OPEN_FAILED) {
        e->is_closed = true;
        e->may_have_run = false;
        fail(s, ADIT_E_CHANNEL, "the server refused a session for it");
    } else if (ev->kind == SSH_EVENT_CHANNEL_REPLY && !ev->flag) {
        e->may_have_run = false;
        fail(s, ADIT_E_CHANNEL, "the server refused the command");
    } else if (ev->kind == SSH_EVENT_CHANNEL_CLOSED) {
        on_closed(s);
    }
}

void errand_late(struct session *s)
{
    if (s->errand.channel)
        fail(s, ADIT_E_TIMEOUT, "it did not end in time");
}

void errand_lost(struct session *s)
{
    s->errand.is_closed = true;
    forget(s);
}
