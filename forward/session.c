/*
 * session.c - the life of a session: its thread, its loop, its start and its end.
 */
#include "forward/session.h"

#include <stdlib.h>

#include "forward/internal.h"
#include "net/host.h"
#include "net/thread.h"

enum {
    BUDGET = 32 * 1024 * 1024,
    BUDGET_SMALL = 4 * 1024 * 1024, /* on hosts with less memory than: */
    SMALL_HOST_MIB = 128,
};

/* ---- What is ready ---- */

static void on_fd(struct session *s, struct loop_fd *f)
{
    struct forwarder *fw = f->owner;
    switch (f->kind) {
    case SESSION_FD_TRANSPORT:
        if (s->phase == PHASE_CONNECTING)
            proxy_on_transport(&s->conn);
        return; /* later its bits are all that counts */
    case SESSION_FD_DIAL:
        if (s->phase == PHASE_CONNECTING)
            dial_on_ready(&s->conn.dial, f);
        return;
    case SESSION_FD_MAILBOX:
        session_on_mailbox(s);
        return;
    case SESSION_FD_FORWARDER:
        fw->ops->on_ready(fw, f);
        return;
    case SESSION_FD_FLOW:
        flow_on_ready(f->owner, f);
        return;
    default:
        return;
    }
}

static void on_timer(struct session *s, struct loop_timer *t)
{
    struct forwarder *f = t->owner;
    if (t == &s->phase_timer)
        session_on_phase_timer(s);
    else if (t == &s->idle_timer)
        idle_look(s);
    else if (t == &s->sessions_timer)
        session_tell_no_more(s);
    else if (t == &s->hold.timer)
        held_expire(s, false);
    else if (t == &s->probe.timer)
        probe_look(s);
    else if (t == &s->errand.timer)
        errand_late(s);
    else if (t == &s->exit_timer)
        survive_exit(s);
    else if (t->kind == SESSION_TIMER_FORWARDER)
        f->ops->on_timer(f, t);
    else if (t->kind == SESSION_TIMER_FLOW)
        flow_on_timer(t->owner);
}

/* At the budget the transport is not read: one that holds it up for everybody must not do so for ever. Looked
 * at once a second, for thousands may hold something. */
static void watch_budget(struct session *s)
{
    if (!pump_set_is_full(&s->pumps)) {
        loop_timer_cancel(&s->loop, &s->stall_timer);
        return;
    }
    if (s->stall_timer.is_set)
        return;
    uint64_t now = loop_now_ms();
    struct pump *p;
    while (pump_set_is_full(&s->pumps) && now > SESSION_STALL_MS &&
           (p = pump_set_stalled(&s->pumps, now - SESSION_STALL_MS))) {
        session_log(s, SESSION_INFO, "closed a connection whose local side took nothing for %u s",
                    (unsigned)(SESSION_STALL_MS / 1000));
        s->stats.stalled++;
        pump_abort(p);
    }
    loop_timer_set(&s->loop, &s->stall_timer, now + 1000);
}

/* ---- The thread ---- */

static bool session_wait(struct session *s, bool is_busy, struct adit_error *err)
{
    /* An answer to what was read often comes at once, and carries the acknowledgement. */
    if (!is_busy && conn_is_light(&s->conn) && loop_look(&s->loop))
        return true;
    conn_ack(&s->conn);
    uint32_t rest_us = is_busy ? 0 : conn_may_rest(&s->conn);
    if (rest_us > 0)
        loop_sleep_us(rest_us);
    return loop_wait(&s->loop, is_busy ? 0 : LOOP_NEVER, err) == ADIT_E_OK;
}

static void session_turn(struct session *s)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct loop_fd *f;
    struct loop_timer *t;
    if (s->phase == PHASE_BINDING && !forwarders_any(s, FORWARDER_BINDING))
        survive_start(s);
    bool is_busy = conn_work(&s->conn);
    if (s->probe.is_suspect)
        probe_look(s);
    survive_work(s);
    if (s->has_leaving)
        forward_letters_sweep(s);
    watch_budget(s);
    if (s->phase == PHASE_FAREWELL && s->conn.is_over && conn_flush(&s->conn) && !session_lingers(s) &&
        !s->is_asking) /* a question of a session that is open does not stop it: it may be out still */
        s->phase = PHASE_ENDED;
    if (s->phase == PHASE_ENDED)
        return;
    if (!session_wait(s, is_busy, &err)) {
        session_finish(s, &err);
        s->phase = PHASE_ENDED;
    }
    conn_tick(&s->conn); /* what follows is measured and timed by it */
    while (s->phase != PHASE_ENDED && (f = loop_next(&s->loop)))
        on_fd(s, f);
    uint64_t now = loop_now_ms();
    while (s->phase != PHASE_ENDED && (t = loop_expired(&s->loop, now)))
        on_timer(s, t);
}

static void end_session(struct session *s)
{
    struct session_notice n = {.kind = SESSION_ENDED, .error = &s->error};
    forwarders_lose_flows(s, false);
    forwarders_free(s);
    s->stats.bytes_up = s->pumps.bytes_up;
    s->stats.bytes_down = s->pumps.bytes_down;
    conn_wipe(&s->conn);
    pump_set_wipe(&s->pumps);
    session_notify(s, &n);
}

static void *session_thread(void *arg)
{
    struct session *s = arg;
    if (!s->is_begun)
        forwarders_bind(s);
    s->is_begun = true;
    while (s->phase != PHASE_ENDED && !s->is_halting)
        session_turn(s);
    if (s->phase == PHASE_ENDED)
        end_session(s);
    return NULL;
}

void session_halt(struct session *s)
{
    s->halt_mail.kind = SESSION_MAIL_HALT;
    mailbox_post(&s->box, &s->halt_mail);
    (void)pthread_join(s->thread, NULL);
    s->is_joined = true;
}

enum adit_err session_go_on(struct session *s, struct adit_error *err)
{
    s->is_halting = false;
    if (s->phase == PHASE_ENDED) /* it was over before it read the letter */
        return ADIT_E_OK;
    enum adit_err e = thread_start(&s->thread, THREAD_STACK_SESSION, session_thread, s, err);
    s->is_joined = e != ADIT_E_OK;
    return e;
}

/* ---- From outside ---- */

static uint32_t budget_of_host(void)
{
    return host_memory_mib() < SMALL_HOST_MIB ? BUDGET_SMALL : BUDGET;
}

static void session_init(struct session *s, const struct session_config *config,
                         const struct session_ops *ops)
{
    s->config = *config;
    s->ops = *ops;
    if (s->config.buffer_budget == 0)
        s->config.buffer_budget = budget_of_host();
    if (s->config.survives)
        s->config.keep_open = true;
    loop_fd_init(&s->box_fd, SESSION_FD_MAILBOX, s);
    loop_timer_init(&s->tick_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->phase_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->stall_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->idle_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->sessions_timer, SESSION_TIMER_SESSION, s);
    loop_timer_init(&s->exit_timer, SESSION_TIMER_SESSION, s);
    held_init(s);
    probe_init(s);
    errand_init(s);
    atomic_init(&s->stop_count, 0);
    survive_init(s);
    pump_set_init(&s->pumps, &s->loop, &flow_far, s, s->config.buffer_budget);
    conn_init(&s->conn, s);
}

static enum adit_err session_launch(struct session *s, struct adit_error *err)
{
    if (loop_init(&s->loop, err) != ADIT_E_OK)
        return err->code;
    if (mailbox_init(&s->box, err) != ADIT_E_OK) {
        loop_wipe(&s->loop);
        return err->code;
    }
    if (loop_add(&s->loop, &s->box_fd, mailbox_fd(&s->box), err) == ADIT_E_OK &&
        thread_start(&s->thread, THREAD_STACK_SESSION, session_thread, s, err) == ADIT_E_OK)
        return ADIT_E_OK;
    mailbox_wipe(&s->box);
    loop_wipe(&s->loop);
    return err->code;
}

static void session_free(struct session *s)
{
    adit_wipe(&s->question, sizeof s->question);
    proof_wipe(&s->proof);
    survive_wipe(s);
    forwarders_wipe(s);
    free(s);
}

enum adit_err session_start(struct session **out, const struct session_config *config,
                            const struct session_ops *ops, struct adit_error *err)
{
    struct adit_error own = {ADIT_E_OK, ""};
    struct session *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!survive_can(config)) {
        free(s);
        return adit_fail(err, ADIT_E_UNSUPPORTED,
                         "a shell, a command or standard input cannot survive its connection");
    }
    if (!s || !forwarders_make(s, config)) {
        free(s);
        return adit_fail(err, ADIT_E_MEMORY, "out of memory for a session");
    }
    session_init(s, config, ops);
    if (session_launch(s, &own) == ADIT_E_OK) {
        *out = s;
        return ADIT_E_OK;
    }
    session_free(s);
    return adit_fail(err, own.code, "%s", own.text);
}

enum adit_err session_join(struct session *s, struct adit_error *err, struct session_stats *stats)
{
    if (!s->is_joined)
        (void)pthread_join(s->thread, NULL);
    enum adit_err code = s->error.code;
    session_mail_drop(s);
    if (code != ADIT_E_OK)
        (void)adit_fail(err, code, "%s", s->error.text);
    if (stats)
        *stats = s->stats;
    loop_del(&s->loop, &s->box_fd);
    mailbox_wipe(&s->box);
    loop_wipe(&s->loop);
    session_free(s);
    return code;
}
