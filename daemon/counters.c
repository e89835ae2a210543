/*
 * counters.c - see counters.h.
 */
#include "daemon/counters.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/registry.h"

/* ---- Asking ---- */

struct counters_letter {
    struct session_snapshot snapshot; /* its mail's owner is this letter */
    struct connection *connection;
    uint64_t round;
    struct session_forward_stats forwards[];
};

static size_t count_forwards(const struct connection *c)
{
    size_t n = 0;
    for (const struct connection_forward *f = c->forwards; f; f = f->next)
        n++;
    return n;
}

bool counters_ask(struct connection *c, uint64_t round)
{
    size_t room = count_forwards(c);
    if (c->has_ended)
        return false;
    struct counters_letter *letter = calloc(1, sizeof *letter + room * sizeof letter->forwards[0]);
    if (!letter)
        return false;
    letter->connection = c;
    letter->round = round;
    letter->snapshot.mail.kind = REGISTRY_MAIL_SNAPSHOT;
    letter->snapshot.mail.owner = letter;
    letter->snapshot.reply_to = c->tunnels->config.box;
    letter->snapshot.only_index = SIZE_MAX;
    letter->snapshot.forwards = room ? letter->forwards : NULL;
    letter->snapshot.forward_room = room;
    c->letters_out++;
    link_snapshot(c->link, &letter->snapshot);
    return true;
}

/* ---- What was told ---- */

static void add(struct tunnel_counters *to, const struct session_forward_stats *s)
{
    to->bytes_up += s->bytes_up;
    to->bytes_down += s->bytes_down;
    to->opened += s->opened;
    to->refused += s->refused;
    to->prohibited += s->prohibited;
    to->timeout += s->timeout;
    to->resolve += s->resolve;
    to->local_refused += s->local_refused;
    to->denied += s->denied;
    to->peer_reset += s->peer_reset;
    to->open_failed += s->open_failed;
}

static void see_activity(struct tunnel *u, const struct session_forward_stats *s)
{
    int64_t at = tunnels_wall(s->last_activity_ms);
    if (at > u->status.last_activity)
        u->status.last_activity = at;
}

void counters_keep(struct tunnel *u, const struct session_forward_stats *s)
{
    add(&u->base, s);
    see_activity(u, s);
}

void counters_sum(struct tunnel *u)
{
    struct tunnel_counters sum = u->base;
    const struct connection *c = u->connection;
    for (const struct connection_forward *f = c ? c->forwards : NULL; f; f = f->next) {
        if (f->tunnel != u)
            continue;
        add(&sum, &f->last);
        sum.open_now += f->is_leaving ? 0 : f->last.open_now;
        see_activity(u, &f->last);
    }
    u->status.counters = sum;
    u->status.rtt_us = c ? c->rtt_us : 0;
    u->status.rekeys = c ? c->rekeys : 0;
    u->status.last_alive_at = c ? tunnels_wall(c->last_alive_ms) : 0;
}

/* A link may have made another session, which counts from zero. */
static void renew(struct connection_forward *f, const struct session_forward_stats *now)
{
    bool is_less = now->bytes_up < f->last.bytes_up || now->bytes_down < f->last.bytes_down ||
                   now->opened < f->last.opened;
    if (is_less)
        counters_keep(f->tunnel, &f->last);
    f->last = *now;
}

/* A session that is not there answers with nothing: what was known stays. */
static void take(struct connection *c, const struct session_snapshot *s)
{
    size_t n = s->forward_count < s->forward_room ? s->forward_count : s->forward_room;
    for (size_t i = 0; i < n; i++)
        for (struct connection_forward *f = c->forwards; f; f = f->next)
            if (f->id == s->forwards[i].index)
                renew(f, &s->forwards[i]);
    c->rtt_us = s->stats.rtt_us;
    c->rekeys = s->stats.rekeys;
    c->last_alive_ms = s->last_alive_ms;
    for (struct tunnel *u = c->members; u; u = u->next_member)
        counters_sum(u);
}

/* ---- Rounds ---- */

static void finish(struct tunnels *t)
{
    struct tunnels_refresh *r;
    t->refresh_waits = 0;
    t->refresh_round++;
    loop_timer_cancel(t->config.loop, &t->refresh_timer);
    /* Whoever came while the round ran stays for the next one; so does whoever comes from within done. */
    for (struct tunnels_refresh **at = &t->refreshes; (r = *at);) {
        if (!r->is_running) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        r->is_waiting = r->is_running = false;
        r->done(r->ctx);
        at = &t->refreshes;
    }
}

static void begin(struct tunnels *t)
{
    for (struct tunnels_refresh *r = t->refreshes; r; r = r->next)
        r->is_running = true;
    for (struct connection *c = t->connections; c; c = c->next)
        t->refresh_waits += counters_ask(c, t->refresh_round);
    if (t->refresh_waits > 0)
        loop_timer_set(t->config.loop, &t->refresh_timer, loop_now_ms() + TUNNELS_REFRESH_MS);
}

static void advance(struct tunnels *t)
{
    while (t->refreshes && t->refresh_waits == 0) {
        begin(t);
        if (t->refresh_waits == 0)
            finish(t);
    }
}

void tunnels_refresh(struct tunnels *t, struct tunnels_refresh *r)
{
    struct tunnels_refresh **at = &t->refreshes;
    while (*at)
        at = &(*at)->next;
    *at = r;
    r->next = NULL;
    r->is_waiting = true;
    r->is_running = false;
    advance(t);
}

void tunnels_refresh_cancel(struct tunnels *t, struct tunnels_refresh *r)
{
    for (struct tunnels_refresh **at = &t->refreshes; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            r->is_waiting = r->is_running = false;
            return;
        }
}

void counters_on_timer(struct tunnels *t)
{
    finish(t);
    advance(t);
}

void counters_on_mail(struct tunnels *t, struct mail *mail)
{
    struct counters_letter *letter = mail->owner;
    bool is_awaited = letter->round != 0 && letter->round == t->refresh_round && t->refresh_waits > 0;
    take(letter->connection, &letter->snapshot);
    letter->connection->letters_out--;
    free(letter);
    if (is_awaited && --t->refresh_waits == 0) {
        finish(t);
        advance(t);
    }
}
