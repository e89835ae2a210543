/*
 * link_order.c - the letters to a link: written on any thread. None allocates.
 */
#include <string.h>
#include <unistd.h>

#include "client/link_internal.h"

/* Once for all: the link's thread may read the kind of one that is given again meanwhile. */
void link_orders_init(struct link *l)
{
    static const enum link_mail kinds[LINK_ORDERS] = {
        [LINK_ORDER_START] = LINK_MAIL_START,         [LINK_ORDER_STOP] = LINK_MAIL_STOP,
        [LINK_ORDER_STOP_AGAIN] = LINK_MAIL_STOP,     [LINK_ORDER_RECONNECT] = LINK_MAIL_RECONNECT,
        [LINK_ORDER_CONFIGURE] = LINK_MAIL_CONFIGURE, [LINK_ORDER_HEALTHY] = LINK_MAIL_HEALTHY,
        [LINK_ORDER_SICK] = LINK_MAIL_SICK,           [LINK_ORDER_NETWORK] = LINK_MAIL_NETWORK,
        [LINK_ORDER_FILE] = LINK_MAIL_FILE,           [LINK_ORDER_TRUST] = LINK_MAIL_TRUST,
        [LINK_ORDER_LOG_LEVEL] = LINK_MAIL_LOG_LEVEL,
    };
    for (size_t i = 0; i < LINK_ORDERS; i++)
        l->orders[i].kind = (int)kinds[i];
}

/* The lock is held. One that was given and not read yet goes behind what was said since. */
static void order(struct link *l, enum link_order which)
{
    struct mail *m = &l->orders[which];
    (void)mailbox_withdraw(&l->box, m);
    mailbox_post(&l->box, m);
}

static void order_alone(struct link *l, enum link_order which)
{
    (void)pthread_mutex_lock(&l->lock);
    order(l, which);
    (void)pthread_mutex_unlock(&l->lock);
}

static void cancel(const struct link *l)
{
    const uint64_t one = 1;
    (void)!write(l->cancel_fd, &one, sizeof one); /* it cannot overflow by ones */
}

void link_start(struct link *l)
{
    order_alone(l, LINK_ORDER_START);
}

void link_stop(struct link *l)
{
    atomic_store(&l->is_deaf, true);
    (void)pthread_mutex_lock(&l->lock);
    cancel(l);
    if (l->stops < 2)
        order(l, l->stops == 0 ? LINK_ORDER_STOP : LINK_ORDER_STOP_AGAIN);
    l->stops++;
    (void)pthread_mutex_unlock(&l->lock);
}

void link_reconnect(struct link *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->is_recalled = true;
    cancel(l);
    order(l, LINK_ORDER_RECONNECT);
    (void)pthread_mutex_unlock(&l->lock);
}

void link_configure(struct link *l, const struct keep_config *config)
{
    (void)pthread_mutex_lock(&l->lock);
    l->settings = *config;
    order(l, LINK_ORDER_CONFIGURE);
    (void)pthread_mutex_unlock(&l->lock);
}

void link_health(struct link *l, bool is_healthy)
{
    order_alone(l, is_healthy ? LINK_ORDER_HEALTHY : LINK_ORDER_SICK);
}

void link_network(struct link *l, unsigned watch_news)
{
    (void)pthread_mutex_lock(&l->lock);
    l->network |= watch_news;
    order(l, LINK_ORDER_NETWORK);
    (void)pthread_mutex_unlock(&l->lock);
}

void link_file_changed(struct link *l)
{
    order_alone(l, LINK_ORDER_FILE);
}

void link_trust(struct link *l, const char *fingerprint)
{
    (void)pthread_mutex_lock(&l->lock);
    /* One that does not fit is none that was seen. */
    (void)adit_format(l->trusted, sizeof l->trusted, "%s", fingerprint);
    order(l, LINK_ORDER_TRUST);
    (void)pthread_mutex_unlock(&l->lock);
}

void link_set_log_level(struct link *l, enum session_level level)
{
    (void)pthread_mutex_lock(&l->lock);
    l->wanted_level = level;
    order(l, LINK_ORDER_LOG_LEVEL);
    (void)pthread_mutex_unlock(&l->lock);
}

void link_snapshot(struct link *l, struct session_snapshot *snapshot)
{
    (void)pthread_mutex_lock(&l->lock);
    if (l->session != NULL) {
        session_snapshot(l->session, snapshot);
    } else {
        memset(&snapshot->stats, 0, sizeof snapshot->stats);
        snapshot->forward_count = snapshot->connection_count = 0;
        snapshot->last_alive_ms = 0;
        mailbox_post(snapshot->reply_to, &snapshot->mail);
    }
    (void)pthread_mutex_unlock(&l->lock);
}
