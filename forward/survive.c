/*
 * survive.c - a session that outlives its connection: what happens when one is lost, and to the orders that
 * come then.
 *
 * A loss is found in the middle of something: an event of the machine, a descriptor's turn, somebody's
 * question. So it only ends the flows and sets the phase; the connection itself is put away between two
 * turns, when nobody holds anything of it any more, and only then is the loss told.
 */
#include <string.h>

#include "forward/internal.h"

/* ---- Losing ---- */

bool survive_loss(struct session *s, const struct adit_error *why)
{
    if (!s->config.survives || s->phase >= PHASE_DRAINING || s->stop_waits)
        return false;
    s->lost = *why;
    s->conn.is_over = true;
    s->phase = PHASE_DOWN;
    loop_timer_cancel(&s->loop, &s->tick_timer);
    loop_timer_cancel(&s->loop, &s->phase_timer);
    loop_timer_cancel(&s->loop, &s->sessions_timer);
    loop_timer_cancel(&s->loop, &s->idle_timer);
    loop_timer_cancel(&s->loop, &s->exit_timer);
    probe_stop(s);
    errand_lost(s);
    forwarders_lose_connection(s);
    return true;
}

void survive_give_up(struct session *s, const struct adit_error *why)
{
    static const uint32_t by_application = 11; /* RFC 4253 §11.1 */
    if (s->conn.ssh && !s->is_asking)          /* what is asked has its texts in the machine */
        ssh_disconnect(s->conn.ssh, by_application, "disconnected by user");
    (void)survive_loss(s, why);
}

/* Of a configuration, what belongs to the session and not to one of its connections. */
static void keep(struct session_config *to, const struct session_config *from)
{
    to->forwards = from->forwards;
    to->forward_count = from->forward_count;
    to->exit_on_forward_failure = from->exit_on_forward_failure;
    to->any_address_will_do = from->any_address_will_do;
    to->unix_mask = from->unix_mask;
    to->unix_replace = from->unix_replace;
    to->keep_open = from->keep_open;
    to->buffer_budget = from->buffer_budget;
    to->log_level = from->log_level;
    to->survives = from->survives;
    to->hold_ms = from->hold_ms;
    to->hold_max = from->hold_max;
    to->is_lazy = from->is_lazy;
    to->idle_exit_ms = from->idle_exit_ms;
}

static void forget_config(struct session *s)
{
    struct session_config kept = {
        .family = s->config.family, .transport_fd = -1, .stdin_fd = -1, .stdout_fd = -1};
    keep(&kept, &s->config);
    s->config = kept;
}

static void tell_wanted(struct session *s)
{
    struct session_notice n = {.kind = SESSION_WANTED};
    if (s->hold.count > 0)
        session_notify(s, &n);
}

/* What the socket takes at once of the machine's last bytes goes out: a DISCONNECT frees the server's ports.
 */
void survive_work(struct session *s)
{
    struct session_notice n = {.kind = SESSION_LOST, .error = &s->lost};
    if (s->phase != PHASE_DOWN || !s->conn.is_over || s->is_asking)
        return;
    (void)conn_flush(&s->conn);
    s->heard_ms = session_heard_ms(s);
    conn_wipe(&s->conn);
    conn_init(&s->conn, s);
    proof_wipe(&s->proof);
    s->proof.is_seen = false;
    s->forwards_are_told = false;
    s->idle_since_ms = 0;
    forget_config(s);
    session_log(s, SESSION_DEBUG1, "the connection is lost: %s",
                s->lost.text[0] ? s->lost.text : "nobody needs it");
    session_notify(s, &n);
    tell_wanted(s);
}

/* ---- Its start, and a lazy one's end ---- */

/* What was said in one connection cannot be said again. */
bool survive_can(const struct session_config *config)
{
    for (size_t i = 0; i < config->forward_count && config->survives; i++)
        if (!forwarders_can_repeat(config->forwards[i].type))
            return false;
    return true;
}

void survive_start(struct session *s)
{
    if (!s->config.survives || !s->config.is_lazy) {
        conn_start(&s->conn);
        return;
    }
    s->phase = PHASE_DOWN;
    tell_wanted(s);
}

void survive_plan_exit(struct session *s)
{
    if (s->phase == PHASE_OPEN && s->config.survives && s->config.is_lazy && s->config.idle_exit_ms > 0 &&
        s->stats.open_now == 0)
        loop_timer_set(&s->loop, &s->exit_timer, loop_now_ms() + s->config.idle_exit_ms);
}

/* Whoever came meanwhile sets it again when he goes. */
void survive_exit(struct session *s)
{
    struct adit_error nothing = {ADIT_E_OK, ""};
    if (s->phase == PHASE_OPEN && s->stats.open_now == 0)
        survive_give_up(s, &nothing);
}

/* ---- Orders: written ---- */

void survive_init(struct session *s)
{
    (void)pthread_mutex_init(&s->order_lock, NULL); /* a plain one needs nothing that could be lacking */
    s->connect_order.kind = SESSION_MAIL_CONNECT;
    s->drop_order.kind = SESSION_MAIL_DROP;
    s->unlisten_order.kind = SESSION_MAIL_UNLISTEN;
    s->retry_order.kind = SESSION_MAIL_RETRY;
    s->probe_order.kind = SESSION_MAIL_PROBE;
    s->run_order.kind = SESSION_MAIL_RUN;
}

void survive_wipe(struct session *s)
{
    (void)pthread_mutex_destroy(&s->order_lock);
}

/* The lock is held. One that was given and not read yet goes behind what was ordered since. */
static void order_give(struct session *s, struct mail *m)
{
    (void)mailbox_withdraw(&s->box, m);
    mailbox_post(&s->box, m);
}

static void order_give_alone(struct session *s, struct mail *m)
{
    (void)pthread_mutex_lock(&s->order_lock);
    order_give(s, m);
    (void)pthread_mutex_unlock(&s->order_lock);
}

void session_connect(struct session *s, const struct session_config *config)
{
    int fd = config->transport_fd;
    (void)pthread_mutex_lock(&s->order_lock);
    if (!s->next_is_given) {
        s->next_is_given = true;
        s->next = *config;
        order_give(s, &s->connect_order);
        fd = -1;
    }
    (void)pthread_mutex_unlock(&s->order_lock);
    sock_close(&fd); /* no LOST can have come since the one before */
}

void session_drop(struct session *s, const char *why)
{
    (void)pthread_mutex_lock(&s->order_lock);
    if (!s->why_dropped[0]) /* the first reason stays */
        (void)adit_format(s->why_dropped, sizeof s->why_dropped, "%s", why);
    order_give(s, &s->drop_order);
    (void)pthread_mutex_unlock(&s->order_lock);
}

void session_unlisten(struct session *s)
{
    order_give_alone(s, &s->unlisten_order);
}

void session_retry_forwards(struct session *s)
{
    order_give_alone(s, &s->retry_order);
}

void session_probe(struct session *s)
{
    order_give_alone(s, &s->probe_order);
}

void session_run(struct session *s, const char *command, uint32_t limit_ms)
{
    (void)pthread_mutex_lock(&s->order_lock);
    (void)adit_format(s->command, sizeof s->command, "%s", command);
    s->command_limit_ms = limit_ms;
    order_give(s, &s->run_order);
    (void)pthread_mutex_unlock(&s->order_lock);
}

/* ---- Orders: taken ---- */

static void on_connect(struct session *s)
{
    (void)pthread_mutex_lock(&s->order_lock);
    struct session_config next = s->next;
    s->next_is_given = false;
    (void)pthread_mutex_unlock(&s->order_lock);
    if (!s->config.survives || s->phase != PHASE_DOWN || s->conn.is_over) {
        sock_close(&next.transport_fd);
        return;
    }
    sock_close(&s->config.transport_fd); /* a lazy session's first, which it never needed */
    keep(&next, &s->config);
    s->config = next;
    conn_start(&s->conn);
}

static void on_drop(struct session *s)
{
    struct adit_error why = {ADIT_E_OK, ""};
    (void)pthread_mutex_lock(&s->order_lock);
    (void)adit_fail(&why, ADIT_E_CLOSED, "%s", s->why_dropped);
    s->why_dropped[0] = '\0';
    (void)pthread_mutex_unlock(&s->order_lock);
    /* Also one that is about to be made. */
    bool has_one = s->phase > PHASE_DOWN || (s->phase == PHASE_BINDING && !s->config.is_lazy);
    if (has_one && s->phase < PHASE_DRAINING && s->config.survives)
        survive_give_up(s, &why);
}

static void on_unlisten(struct session *s)
{
    if (!s->config.survives || s->phase >= PHASE_DRAINING)
        return;
    forwarders_unlisten(s);
    held_expire(s, true);
}

static void on_retry(struct session *s)
{
    if (s->config.survives && s->phase < PHASE_DRAINING)
        forwarders_retry(s);
}

static void on_run(struct session *s)
{
    char command[SESSION_COMMAND_CAP];
    (void)pthread_mutex_lock(&s->order_lock);
    memcpy(command, s->command, sizeof command);
    uint32_t limit_ms = s->command_limit_ms;
    (void)pthread_mutex_unlock(&s->order_lock);
    if (s->config.survives)
        errand_begin(s, command, limit_ms);
}

bool survive_order(struct session *s, const struct mail *m)
{
    switch (m->kind) {
    case SESSION_MAIL_CONNECT:
        on_connect(s);
        return true;
    case SESSION_MAIL_DROP:
        on_drop(s);
        return true;
    case SESSION_MAIL_UNLISTEN:
        on_unlisten(s);
        return true;
    case SESSION_MAIL_RETRY:
        on_retry(s);
        return true;
    case SESSION_MAIL_PROBE:
        probe_now(s);
        return true;
    case SESSION_MAIL_RUN:
        on_run(s);
        return true;
    default:
        return false;
    }
}
