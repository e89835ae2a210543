/*
 * link.c - a link's life, its thread, and the letters that it reads.
 *
 * One turn: letters are read, each tells keep what happened; keep says what is to be done; it is done; what
 * has changed is told.
 */
#include "client/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "client/link_internal.h"
#include "net/loop.h"
#include "net/thread.h"
#include "net/watch.h"

/* ---- Doing what keep says ---- */

void link_do(struct link *l, unsigned todo)
{
    l->todo |= todo;
}

static void do_listen(struct link *l)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (l->session != NULL)
        session_retry_forwards(l->session);
    else if (link_listen(l, &err) != ADIT_E_OK)
        link_do(l, keep_wanted(&l->keep, loop_now_ms())); /* a lazy one, too, is told why by connecting */
    link_forwards_give(l);                                /* those for which it had no memory */
}

static void do_drop(struct link *l)
{
    const char *why = l->keep.is_unhealthy ? link_unhealthy : "given up for a fresh connection";
    struct adit_error err = {ADIT_E_OK, ""};
    if (l->phase == LINK_BOUND) {
        session_drop(l->session, why);
    } else if (l->phase == LINK_HOPPING) {
        (void)adit_fail(&err, ADIT_E_CLOSED, "%s", why);
        link_connection_over(l, &err);
    }
}

/* What the session is asked behind that order is answered when the listeners are closed; at the latest when
 * it is joined. */
static void do_unlisten(struct link *l)
{
    if (l->session == NULL) {
        link_forwards_closed(l);
        return;
    }
    session_unlisten(l->session);
    if (l->is_closing)
        return;
    l->is_closing = true;
    l->closed =
        (struct session_snapshot){.reply_to = &l->box, .mail.kind = LINK_MAIL_CLOSED, .only_index = 0};
    session_snapshot(l->session, &l->closed);
}

static void on_closed(struct link *l)
{
    l->is_closing = false;
    link_forwards_closed(l);
}

static void do_one(struct link *l, enum keep_do what)
{
    switch (what) {
    case KEEP_DO_LISTEN:
        do_listen(l);
        return;
    case KEEP_DO_CONNECT:
        link_connect(l);
        return;
    case KEEP_DO_DROP:
        do_drop(l);
        return;
    case KEEP_DO_PROBE:
        if (l->session != NULL)
            session_probe(l->session);
        return;
    case KEEP_DO_RETRY_FORWARDS:
        if (l->session != NULL)
            session_retry_forwards(l->session);
        link_forwards_give(l); /* those for which it had no memory */
        return;
    case KEEP_DO_UNLISTEN:
        do_unlisten(l);
        return;
    case KEEP_DO_STOP: /* link_stop_all does it */
    case KEEP_DO_NOTHING:
        return;
    }
}

static void do_all(struct link *l)
{
    while (l->todo != 0) {
        unsigned first = l->todo & (~l->todo + 1);
        l->todo &= ~first;
        /* The state is told before what may take long. */
        if (first == KEEP_DO_CONNECT)
            link_tell_state(l);
        do_one(l, (enum keep_do)first);
    }
    link_tell_state(l);
}

/* ---- Letters: read ---- */

static void clear_cancel(struct link *l)
{
    uint64_t count;
    (void)pthread_mutex_lock(&l->lock);
    l->is_recalled = false;
    if (l->stops == 0)
        (void)!read(l->cancel_fd, &count, sizeof count);
    (void)pthread_mutex_unlock(&l->lock);
}

static void on_reconnect(struct link *l)
{
    clear_cancel(l);
    link_do(l, keep_reconnect(&l->keep, loop_now_ms()));
}

static void on_configure(struct link *l)
{
    (void)pthread_mutex_lock(&l->lock);
    struct keep_config settings = l->settings;
    (void)pthread_mutex_unlock(&l->lock);
    settings.is_lazy = l->config.keep.is_lazy;
    keep_configure(&l->keep, &settings);
}

static void on_network(struct link *l)
{
    (void)pthread_mutex_lock(&l->lock);
    unsigned news = l->network;
    l->network = 0;
    (void)pthread_mutex_unlock(&l->lock);
    if ((news & WATCH_RESUMED) != 0)
        link_do(l, keep_resumed(&l->keep, loop_now_ms()));
    else if (news != 0)
        link_do(l, keep_network_changed(&l->keep, loop_now_ms()));
}

static void on_stop(struct link *l, bool is_hasty)
{
    l->is_hasty = l->is_hasty || is_hasty;
    l->is_stopping = true;
    l->todo = keep_stop(&l->keep); /* and nothing that was to be done before */
    l->limit_at = l->reclaim.again_at = KEEP_NEVER;
    link_stop_all(l);
}

static void on_lost(struct link *l)
{
    struct adit_error late = {ADIT_E_OK, ""};
    if (l->is_late)
        (void)adit_fail(&late, ADIT_E_TIMEOUT, "%s", l->lost.text);
    if (l->phase == LINK_BOUND)
        link_connection_over(l, l->is_late ? &late : &l->lost);
}

/* Without a stop it ends when its own thread cannot go on: the next try makes another. */
static void on_session_ended(struct link *l)
{
    l->session_is_over = true;
    if (l->is_stopping)
        link_stop_all(l);
    else
        link_session_broken(l);
}

/* Jump hosts' sessions take theirs from their options, at each connect. */
static void on_log_level(struct link *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->log_level = l->wanted_level;
    (void)pthread_mutex_unlock(&l->lock);
    const struct session_command command = {.kind = SESSION_DO_LOG_LEVEL, .level = l->log_level};
    if (l->session != NULL)
        (void)session_do(l->session, &command);
}

/* Somebody's order. A link that was told to stop has no other. */
static void on_order(struct link *l, const struct mail *m)
{
    uint64_t now = loop_now_ms();
    if (m->kind == LINK_MAIL_STOP)
        on_stop(l, m == &l->orders[LINK_ORDER_STOP_AGAIN]);
    else if (l->is_stopping)
        return;
    else if (m->kind == LINK_MAIL_START)
        link_do(l, keep_start(&l->keep, now));
    else if (m->kind == LINK_MAIL_RECONNECT)
        on_reconnect(l);
    else if (m->kind == LINK_MAIL_CONFIGURE)
        on_configure(l);
    else if (m->kind == LINK_MAIL_HEALTHY || m->kind == LINK_MAIL_SICK)
        link_do(l, keep_health(&l->keep, now, m->kind == LINK_MAIL_HEALTHY));
    else if (m->kind == LINK_MAIL_NETWORK)
        on_network(l);
    else if (m->kind == LINK_MAIL_FILE)
        link_do(l, keep_file_changed(&l->keep, now));
    else if (m->kind == LINK_MAIL_LOG_LEVEL)
        on_log_level(l);
    else
        link_on_trust(l);
}

static void on_mail(struct link *l, struct mail *m)
{
    switch ((enum link_mail)m->kind) {
    case LINK_MAIL_FORWARD_ADD:
        link_forward_give(l, m->owner);
        return;
    case LINK_MAIL_FORWARD_REMOVE:
        link_forward_take(l, m->owner);
        return;
    case LINK_MAIL_QUESTION:
        link_on_question(l, m->owner);
        return;
    case LINK_MAIL_NEWS:
        link_on_news(l, m->owner);
        return;
    case LINK_MAIL_CLOSED:
        on_closed(l);
        return;
    case LINK_MAIL_LOST:
        on_lost(l);
        return;
    case LINK_MAIL_ENDED:
        on_session_ended(l);
        return;
    case LINK_MAIL_HOP_ENDED:
        link_hop_ended(l, m->owner);
        return;
    case LINK_MAIL_UNHEARD:
        link_hop_unheard(l, m->owner);
        return;
    default:
        on_order(l, m);
        return;
    }
}

/* ---- The thread ---- */

static int wait_ms(const struct link *l)
{
    uint64_t next = keep_next(&l->keep), now = loop_now_ms();
    if (l->limit_at < next)
        next = l->limit_at;
    if (l->reclaim.again_at < next)
        next = l->reclaim.again_at;
    enum { LONGEST_MS = 24 * 60 * 60 * 1000 };
    if (next == KEEP_NEVER)
        return -1;
    if (next <= now)
        return 0;
    return next - now < LONGEST_MS ? (int)(next - now) : LONGEST_MS;
}

static void turn(struct link *l)
{
    struct pollfd p = {mailbox_fd(&l->box), POLLIN, 0};
    struct mail *m;
    (void)poll(&p, 1, wait_ms(l));
    while (!l->is_over && (m = mailbox_take(&l->box)) != NULL) {
        on_mail(l, m);
        do_all(l);
    }
    if (!l->is_stopping) {
        link_limit_look(l);
        link_reclaim_look(l);
        link_do(l, keep_due(&l->keep, loop_now_ms()));
    }
    do_all(l);
}

/* Nobody is told of anything behind this. */
static void end(struct link *l)
{
    struct link_notice n = {.kind = LINK_ENDED};
    link_notify(l, &n);
}

static void *link_thread(void *arg)
{
    struct link *l = arg;
    while (!l->is_over)
        turn(l);
    end(l);
    return NULL;
}

/* ---- Life ---- */

int link_cancel_fd(const struct link *l)
{
    return l->cancel_fd;
}

static enum adit_err open_descriptors(struct link *l, struct adit_error *err)
{
    l->cancel_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (l->cancel_fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot make an event descriptor: %s", strerror(errno));
    if (mailbox_init(&l->box, err) == ADIT_E_OK)
        return ADIT_E_OK;
    (void)close(l->cancel_fd);
    return err->code;
}

static void link_free(struct link *l)
{
    mailbox_wipe(&l->box);
    (void)close(l->cancel_fd);
    (void)pthread_mutex_destroy(&l->lock);
    link_trust_wipe(l);
    free(l);
}

enum adit_err link_new(struct link **out, const struct link_config *config, const struct link_ops *ops,
                       struct adit_error *err)
{
    struct adit_error why = {ADIT_E_OK, ""};
    struct link *l = calloc(1, sizeof *l);
    *out = NULL;
    if (l == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    if (open_descriptors(l, &why) != ADIT_E_OK) {
        free(l);
        return adit_fail(err, why.code, "%s", why.text);
    }
    l->config = *config;
    l->ops = *ops;
    link_orders_init(l);
    keep_init(&l->keep, &config->keep);
    l->destination.link = l;
    l->limit_at = l->reclaim.again_at = KEEP_NEVER;
    l->prompt =
        (struct client_prompt){.ctx = l, .ask = link_ask, .log = link_prompt_log, .cancel_fd = l->cancel_fd};
    l->log_level = config->options != NULL ? client_log_level(config->options->log_level) : config->log_level;
    l->told = (struct link_status){
        .state = KEEP_DISCONNECTED, .next_try_ms = KEEP_NEVER, .up_since_ms = KEEP_NEVER};
    (void)pthread_mutex_init(&l->lock, NULL); /* a plain one needs nothing that could be lacking */
    if (thread_start(&l->thread, THREAD_STACK_LINK, link_thread, l, &why) != ADIT_E_OK) {
        link_free(l);
        return adit_fail(err, why.code, "%s", why.text);
    }
    *out = l;
    return ADIT_E_OK;
}

/* What came behind the end. */
static void drop_mail(struct link *l)
{
    struct mail *m;
    while ((m = mailbox_take(&l->box)) != NULL)
        if (m->kind == LINK_MAIL_NEWS)
            free(m->owner);
}

void link_join(struct link *l)
{
    (void)pthread_join(l->thread, NULL);
    drop_mail(l);
    link_forwards_wipe(l);
    link_free(l);
}
