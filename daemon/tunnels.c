/*
 * tunnels.c - see tunnels.h: the registry itself, its life and its letters. What changes tunnels is in
 * tunnels_change.c, a new configuration in tunnels_reload.c, sessions in tunnels_session.c.
 */
#include "daemon/tunnels.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/conf.h"
#include "daemon/counters.h"
#include "daemon/journal.h"
#include "daemon/registry.h"
#include "daemon/store.h"

/* ---- Small things ---- */

void tunnel_say(const struct tunnel *u, enum session_level level, const char *kind, const char *fmt, ...)
{
    const struct tunnels_ops *ops = &u->tunnels->config.ops;
    char text[LIMIT_ERROR_TEXT + 128];
    struct journal_note note = {
        .level = level, .tunnel = u->definition.name, .transport = u->transport, .kind = kind, .text = text};
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vformat(text, sizeof text, fmt, ap);
    va_end(ap);
    ops->log(ops->ctx, &note);
}

int64_t tunnels_wall(uint64_t at_ms)
{
    if (at_ms == 0 || at_ms == KEEP_NEVER)
        return 0;
    struct timespec wall;
    uint64_t now_ms = loop_now_ms();

    clock_gettime(CLOCK_REALTIME, &wall);
    /* To the millisecond until the end, so that asking later does not change the second; what is to come is
     * not told too early. */
    int64_t ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000 + (int64_t)(at_ms - now_ms);
    return (ms + (at_ms > now_ms ? 999 : 0)) / 1000;
}

struct events *tunnels_events(struct tunnels *t)
{
    return &t->events;
}

const struct conf *tunnels_conf(const struct tunnels *t)
{
    return t->conf;
}

/* ---- Life ---- */

static enum adit_err no_memory(struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "no memory for the tunnels");
}

static enum adit_err take_files(struct tunnels *t, struct adit_error *err)
{
    for (size_t i = 0; i < t->conf->tunnel_count; i++)
        if (!tunnels_append(t, &t->conf->tunnels[i]))
            return no_memory(err);
    return ADIT_E_OK;
}

/* A file's tunnel may have got the name of one that the API made: names find the file's then. */
static enum adit_err take_state(struct tunnels *t, struct adit_error *err)
{
    struct definition *saved = NULL;
    size_t count = 0;
    enum adit_err e = t->config.store ? store_load(t->config.store, &saved, &count, err) : ADIT_E_OK;
    for (size_t i = 0; i < count; i++) {
        const struct tunnel *other = tunnels_find_name(t, saved[i].name);
        if (e == ADIT_E_OK && other)
            tunnel_say(other, SESSION_ERROR, NULL,
                       "two tunnels have this name: one of a file, one of the API (%s)", saved[i].id);
        if (e == ADIT_E_OK && !tunnels_append(t, &saved[i]))
            e = no_memory(err);
        definition_wipe(&saved[i]);
    }
    free(saved);
    return e;
}

enum adit_err tunnels_new(struct tunnels **out, const struct tunnels_config *config, struct adit_error *err)
{
    struct tunnels *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return no_memory(err);
    t->config = *config;
    t->conf = config->conf;
    t->refresh_round = 1;
    events_init(&t->events, config->events_before);
    loop_timer_init(&t->refresh_timer, REGISTRY_TIMER_REFRESH, t);
    loop_timer_init(&t->waits_timer, REGISTRY_TIMER_WAITS, t);
    loop_timer_init(&t->files_timer, REGISTRY_TIMER_FILES, t);
    loop_timer_init(&t->starts_timer, REGISTRY_TIMER_STARTS, t);
    enum adit_err e = take_files(t, err);
    if (e == ADIT_E_OK)
        e = take_state(t, err);
    if (e == ADIT_E_OK)
        *out = t;
    else
        tunnels_free(t);
    return e;
}

void tunnels_end(struct tunnels *t)
{
    bool is_second = t->is_ending;
    t->is_ending = true;
    for (struct tunnel *u = t->first; u; u = u->next)
        tunnel_stop(u);
    for (struct connection *c = t->connections; is_second && c; c = c->next)
        connection_stop(c);
}

bool tunnels_has_ended(const struct tunnels *t)
{
    return t->is_ending && !t->connections;
}

/* What is left of connections and removed tunnels goes when nothing points to it any more. */
static void sweep(struct tunnels *t)
{
    for (struct connection *c = t->connections, *next; c; c = next) {
        next = c->next;
        if (connection_is_over(c))
            connection_free(c);
    }
    for (struct tunnel **at = &t->leaving; *at;) {
        struct tunnel *u = *at;
        bool is_over = u->leaving == 0 && !u->connection;
        *at = is_over ? u->next : u;
        if (is_over)
            tunnel_free(u);
        else
            at = &u->next;
    }
}

static void wait_for_the_end(struct tunnels *t)
{
    struct pollfd p = {mailbox_fd(t->config.box), POLLIN, 0};
    struct mail *mail;
    tunnels_end(t);
    tunnels_end(t);
    sweep(t);
    while (!tunnels_has_ended(t)) {
        (void)poll(&p, 1, -1);
        while ((mail = mailbox_take(t->config.box)))
            tunnels_on_mail(t, mail);
    }
}

void tunnels_free(struct tunnels *t)
{
    struct tunnel *u;
    if (!t)
        return;
    wait_for_the_end(t);
    while (t->sessions)
        tunnels_session_close(t, t->sessions);
    sweep(t);
    while ((u = t->first)) {
        t->first = u->next;
        tunnel_free(u);
    }
    loop_timer_cancel(t->config.loop, &t->refresh_timer);
    loop_timer_cancel(t->config.loop, &t->files_timer);
    loop_timer_cancel(t->config.loop, &t->starts_timer);
    loop_timer_cancel(t->config.loop, &t->waits_timer);
    events_wipe(&t->events);
    free(t);
}

/* ---- Letters, timers, descriptors ---- */

void tunnels_on_mail(struct tunnels *t, struct mail *mail)
{
    if (mail->kind == REGISTRY_MAIL_NOTICE)
        connection_on_notice(mail);
    else if (mail->kind == REGISTRY_MAIL_RELAY)
        connection_on_relay(mail);
    else if (mail->kind == REGISTRY_MAIL_SNAPSHOT)
        counters_on_mail(t, mail);
    else if (mail->kind == REGISTRY_MAIL_LIST)
        connections_list_on_mail(mail);
    waits_tell(t);
    sweep(t);
}

void tunnels_on_timer(struct tunnels *t, struct loop_timer *timer)
{
    if (timer->kind == REGISTRY_TIMER_WAIT)
        wait_on_timer(timer);
    else if (timer->kind == REGISTRY_TIMER_REFRESH)
        counters_on_timer(t);
    else if (timer->kind == REGISTRY_TIMER_FILES)
        connections_look(t);
    else if (timer->kind == REGISTRY_TIMER_HEALTH)
        health_on_timer(timer->owner);
    else if (timer->kind == REGISTRY_TIMER_LIST)
        connections_list_on_timer(timer);
    else if (timer->kind == REGISTRY_TIMER_STARTS)
        tunnels_start_again(t);
    waits_tell(t);
    sweep(t);
}

void tunnels_on_fd(struct tunnels *t, struct loop_fd *fd)
{
    if (fd->kind == REGISTRY_FD_HEALTH)
        health_on_fd(fd->owner);
    waits_tell(t);
    sweep(t);
}

void tunnels_set_log_level(struct tunnels *t, enum session_level level)
{
    if (level == t->config.log_level)
        return;
    t->config.log_level = level;
    for (struct connection *c = t->connections; c; c = c->next)
        if (!c->is_stopping)
            link_set_log_level(c->link, level);
}

void tunnels_network(struct tunnels *t, unsigned news)
{
    for (struct connection *c = t->connections; c; c = c->next)
        if (!c->is_stopping)
            link_network(c->link, news);
}

/* ---- Finding ---- */

size_t tunnels_count(const struct tunnels *t)
{
    return t->count;
}

struct tunnel *tunnels_first(const struct tunnels *t)
{
    return t->first;
}

struct tunnel *tunnels_next(const struct tunnel *tunnel)
{
    return tunnel->next;
}

struct tunnel *tunnels_find_id(const struct tunnels *t, const char *id)
{
    for (struct tunnel *u = t->first; u; u = u->next)
        if (strcmp(u->definition.id, id) == 0)
            return u;
    return NULL;
}

/* Session tunnels have names for people alone: several may have the same one. */
struct tunnel *tunnels_find_name(const struct tunnels *t, const char *name)
{
    for (struct tunnel *u = t->first; u; u = u->next)
        if (u->definition.origin != DEFINITION_SESSION && strcmp(u->definition.name, name) == 0)
            return u;
    return NULL;
}

struct tunnel *tunnels_find(const struct tunnels *t, const char *id_or_name)
{
    struct tunnel *u = tunnels_find_id(t, id_or_name);
    return u ? u : tunnels_find_name(t, id_or_name);
}

void tunnels_badge(const struct tunnels *t, size_t *up, size_t *failed)
{
    *up = *failed = 0;
    for (const struct tunnel *u = t->first; u; u = u->next) {
        *up += u->status.state == KEEP_CONNECTED;
        *failed += u->status.state == KEEP_FAILED;
    }
}

/* ---- All of them ---- */

/* One that cannot start by itself is failed, with the reason, where somebody sees it. */
static void start_by_itself(struct tunnel *u, void *ctx,
                            void (*told)(void *ctx, struct tunnel *tunnel, enum tunnels_start what,
                                         const char *message))
{
    struct definition_error error = {.code = NULL};
    enum tunnels_start what = TUNNELS_RUNNING;
    if (!tunnel_is_running(u)) {
        what = TUNNELS_STARTED;
        if (!tunnel_start(u, &error)) {
            what = TUNNELS_FAILED;
            tunnel_fail_start(u, &error);
        }
    }
    if (told)
        told(ctx, u, what, what == TUNNELS_FAILED ? error.message : NULL);
}

void tunnels_start_all(struct tunnels *t, void *ctx,
                       void (*told)(void *ctx, struct tunnel *tunnel, enum tunnels_start what,
                                    const char *message))
{
    for (struct tunnel *u = t->first; u; u = u->next)
        if (u->definition.auto_start)
            start_by_itself(u, ctx, told);
}

void tunnels_stop_all(struct tunnels *t, void *ctx, void (*told)(void *ctx, struct tunnel *tunnel))
{
    for (struct tunnel *u = t->first; u; u = u->next) {
        bool was_wanted = u->is_wanted;
        tunnel_stop(u);
        if (was_wanted && told)
            told(ctx, u);
    }
}

void tunnels_reconnect_all(struct tunnels *t)
{
    for (struct connection *c = t->connections; c; c = c->next)
        if (!c->is_stopping && c->members)
            link_reconnect(c->link);
}
