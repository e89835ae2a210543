/*
 * tunnel_state.c - what a tunnel's connection says, and what that makes of the tunnel.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "daemon/counters.h"
#include "daemon/json_text.h"
#include "daemon/registry.h"

/* Without memory the old text stays. */
static void copy_text(char **to, const char *from)
{
    bool ok = definition_set(to, from);
    (void)ok;
}

/* Retries since it joined: those before were not its own. The connection counts anew when it is well. */
static uint32_t retries_of(struct tunnel *u, const struct link_status *s)
{
    if (s->retry_count < u->retries_before)
        u->retries_before = 0;
    return s->retry_count - u->retries_before;
}

/* ---- Its state ---- */

static bool is_missing(const struct tunnel *u, bool local_alone)
{
    for (size_t i = 0; i < u->definition.forward_count; i++)
        if (u->status.forwards[i].state == TUNNEL_FORWARD_FAILED &&
            !(local_alone && u->definition.forwards[i].type == FORWARD_REMOTE))
            return true;
    return false;
}

static bool is_all_up(const struct tunnel *u, bool local_alone)
{
    for (size_t i = 0; i < u->definition.forward_count; i++)
        if (u->status.forwards[i].state != TUNNEL_FORWARD_UP &&
            !(local_alone && u->definition.forwards[i].type == FORWARD_REMOTE))
            return false;
    return true;
}

/* The connection is alive: the rest is about our own forwards. */
static enum keep_state state_when_up(const struct tunnel *u)
{
    if (is_missing(u, false) || u->health.is_failing)
        return KEEP_DEGRADED;
    if (is_all_up(u, false))
        return KEEP_CONNECTED;
    return u->was_up ? KEEP_RECONNECTING : KEEP_CONNECTING;
}

/* What the connection misses may be another tunnel's. */
static enum keep_state state_when_down(const struct tunnel *u, const struct link_status *s)
{
    bool is_first = s->retry_count == 0 && !u->was_up;
    return is_missing(u, false) || !is_first ? KEEP_RECONNECTING : KEEP_CONNECTING;
}

static bool is_up_state(enum keep_state s)
{
    return s == KEEP_CONNECTED || s == KEEP_DEGRADED || s == KEEP_SUSPECT;
}

static enum keep_state state_of(const struct tunnel *u)
{
    if (!u->is_wanted)
        return KEEP_DISCONNECTED;
    if (u->has_failed && u->leaving > 0) /* whoever is told finds its listeners closed */
        return is_up_state(u->status.state) ? KEEP_RECONNECTING : u->status.state;
    if (u->has_failed)
        return KEEP_FAILED;
    if (!u->connection)
        return KEEP_CONNECTING;
    const struct link_status *s = &u->connection->status;
    switch (s->state) {
    case KEEP_CONNECTED:
    case KEEP_DEGRADED:
        return state_when_up(u);
    case KEEP_CONNECTING:
    case KEEP_RECONNECTING:
        return state_when_down(u, s);
    case KEEP_IDLE: /* what the server refused was its connection's: nobody misses it now */
        return is_missing(u, true) ? KEEP_RECONNECTING : is_all_up(u, true) ? KEEP_IDLE : KEEP_CONNECTING;
    case KEEP_DISCONNECTED: /* it was just made */
        return is_missing(u, false) ? KEEP_RECONNECTING : KEEP_CONNECTING;
    default:
        return s->state; /* suspect, failed */
    }
}

static void log_change(struct tunnel *u, enum keep_state old, const char *reason)
{
    enum keep_state now = u->status.state;
    bool is_bad = now == KEEP_FAILED || now == KEEP_RECONNECTING || now == KEEP_DEGRADED;
    const char *why = reason && reason[0] ? reason : is_bad ? u->status.last_error.text : "";
    bool has_error = is_bad && u->status.last_error.code != ADIT_E_OK;
    tunnel_say(u, SESSION_INFO, has_error ? adit_err_kind(u->status.last_error.code) : NULL,
               "state %s -> %s: %s", keep_state_name(old), keep_state_name(now),
               why[0] ? why : keep_state_name(now));
    copy_text(&u->told, why);
}

/* A later try has failed: told when it is for another reason than the one that was told last. */
static void log_reason(struct tunnel *u)
{
    const struct adit_error *why = &u->status.last_error;
    if (u->told != NULL && strcmp(u->told, why->text) == 0)
        return;
    tunnel_say(u, SESSION_INFO, adit_err_kind(why->code), "still reconnecting: %s", why->text);
    copy_text(&u->told, why->text);
}

/* Facts that follow from the state. False: all as before. */
static bool set_state(struct tunnel *u, const char *reason)
{
    struct tunnel_status *s = &u->status;
    enum keep_state old = s->state;
    s->state = state_of(u);
    if (s->state == KEEP_CONNECTED) {
        s->reconnects += old != s->state && u->was_up && u->connection->ups > u->ups_before;
        u->ups_before = u->connection->ups;
        u->was_up = true;
    }
    if (!u->connection) {
        copy_text(&s->kex, NULL);
        copy_text(&s->cipher, NULL);
    }
    if (!is_up_state(s->state))
        s->up_since = 0;
    else if (s->up_since == 0)
        s->up_since = (int64_t)time(NULL);
    if (s->state == old)
        return false;
    log_change(u, old, reason);
    return true;
}

static bool set_retry(struct tunnel *u)
{
    struct tunnel_status *s = &u->status, old = *s;
    const struct connection *c = u->connection;
    if (c && !u->has_failed) {
        s->retry_count = retries_of(u, &c->status);
        s->next_retry_at = tunnels_wall(c->status.next_try_ms);
        s->permanent = c->status.state == KEEP_FAILED && c->status.is_permanent;
    } else {
        s->next_retry_at = u->has_failed ? tunnels_wall(u->again_ms) : 0;
        s->permanent = s->permanent && u->has_failed;
        s->retry_count = u->is_wanted ? s->retry_count : 0;
    }
    bool is_off = s->state == KEEP_DISCONNECTED || s->state == KEEP_FAILED;
    s->listening = !is_off && is_all_up(u, s->state == KEEP_IDLE);
    return s->retry_count != old.retry_count || s->next_retry_at != old.next_retry_at ||
           s->permanent != old.permanent || s->listening != old.listening;
}

void tunnel_changed(struct tunnel *u)
{
    if (u->is_removed)
        return;
    json_t *json = tunnel_json(u);
    events_add(&u->tunnels->events, EVENT_TUNNEL, json_text(json, JSON_COMPACT), &u->events_like);
    json_decref(json);
}

void tunnel_update(struct tunnel *u, const char *reason)
{
    bool is_other = set_state(u, reason);
    is_other = set_retry(u) || is_other || u->is_changed;
    u->is_changed = false;
    health_update(&u->health);
    if (is_other)
        tunnel_changed(u);
    wait_check(u);
}

/* ---- Errors ---- */

void tunnel_set_error(struct tunnel *u, const struct adit_error *err)
{
    u->status.last_error = *err;
    u->status.last_error_at = (int64_t)time(NULL);
    u->is_changed = true;
}

void tunnel_fail_alone(struct tunnel *u, enum adit_err code, const char *text, const char *reason)
{
    struct adit_error err = {ADIT_E_OK, ""};
    (void)adit_fail(&err, code, "%s", text);
    u->has_failed = true;
    u->status.permanent = !adit_err_may_retry(code);
    tunnel_set_error(u, &err);
    if (u->connection)
        connection_leave(u->connection, u);
    tunnel_update(u, reason);
}

/* ---- News of its connection ---- */

/* Its connection goes on for others who have more patience. The count is that of the retries that failed. */
static bool gives_up(struct tunnel *u, const struct link_status *s)
{
    const struct definition *d = &u->definition;
    uint32_t retries = retries_of(u, s);
    if (s->state != KEEP_RECONNECTING || retries == 0 || s->next_try_ms == KEEP_NEVER)
        return false;
    if (!d->auto_reconnect) {
        tunnel_fail_alone(u, s->error.code,
                          u->was_up ? "Connection lost (auto_reconnect disabled)" : s->error.text, NULL);
        return true;
    }
    if (d->max_retries == 0 || retries <= d->max_retries)
        return false;
    tunnel_fail_alone(u, s->error.code, s->error.text, NULL);
    u->status.retry_count = d->max_retries;
    tunnel_changed(u);
    return true;
}

void tunnel_on_state(struct tunnel *u, const struct link_status *s, const char *reason)
{
    enum keep_state old = u->status.state;
    bool is_new =
        s->error.code != ADIT_E_OK && s->error_at_ms != u->error_seen_ms && s->error_at_ms >= u->joined_ms;
    if (is_new) {
        u->error_seen_ms = s->error_at_ms;
        tunnel_set_error(u, &s->error);
    }
    if (gives_up(u, s))
        return;
    if (s->up_since_ms == KEEP_NEVER && u->status.kex)
        tunnel_take_facts(u);
    tunnel_update(u, reason);
    if (is_new && old == KEEP_RECONNECTING && u->status.state == old)
        log_reason(u);
}

static void forget(struct tunnel_forward *f)
{
    for (size_t i = 0; i < TUNNEL_ADDRESSES; i++) {
        free(f->listen[i]);
        f->listen[i] = NULL;
    }
    free(f->error);
    f->error = NULL;
    f->bound_port = 0;
    f->state = TUNNEL_FORWARD_DOWN;
}

/* Takes the text; NULL: there is none any more. */
static void set_listen(struct tunnel_forward *f, size_t address, char **text)
{
    if (address >= TUNNEL_ADDRESSES)
        return;
    free(f->listen[address]);
    f->listen[address] = text ? *text : NULL;
    if (text)
        *text = NULL;
}

/* "localhost:0" is what was asked for; the server has chosen the port. */
static void set_remote_port(struct tunnel_forward *f, const struct definition_forward *d, uint16_t port,
                            char **room)
{
    const char *host = d->remote_host ? d->remote_host : "localhost";
    bool has_colon = strchr(host, ':') != NULL;
    (void)adit_format(*room, CONNECTION_BOUND_CAP, has_colon ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    set_listen(f, 0, room);
}

void tunnel_on_forward(struct tunnel *u, struct connection_forward *cf, const struct connection_news *news)
{
    struct tunnel_forward *f = &u->status.forwards[cf->at];
    const struct definition_forward *d = &u->definition.forwards[cf->at];
    if (news->kind == LINK_FORWARD_DOWN)
        forget(f);
    if (news->kind == LINK_FORWARD_UP)
        set_listen(f, news->address, news->bound);
    if (news->kind == LINK_REMOTE_PORT)
        set_remote_port(f, d, news->bound_port, news->bound);
    if (news->kind == LINK_REMOTE_PORT || (news->kind == LINK_FORWARD_UP && news->bound_port))
        f->bound_port = news->bound_port;
    if (news->kind == LINK_FORWARD_FAILED) {
        set_listen(f, news->address, NULL);
        copy_text(&f->error, news->error->text);
        if (!(cf->was_failed)) /* the first of a row is the news */
            tunnel_set_error(u, news->error);
    }
    cf->was_failed = cf->failed != 0;
    f->state = cf->failed ? TUNNEL_FORWARD_FAILED : cf->up ? TUNNEL_FORWARD_UP : TUNNEL_FORWARD_DOWN;
    if (f->state == TUNNEL_FORWARD_UP)
        copy_text(&f->error, NULL);
    u->is_changed = true;
    tunnel_update(u, f->state == TUNNEL_FORWARD_FAILED ? f->error : NULL);
}

void tunnel_on_gone(struct tunnel *u, const struct connection_forward *cf)
{
    counters_keep(u, &cf->last);
    counters_sum(u);
    if (cf->is_leaving)
        u->leaving--;
    if (u->leaving == 0 && !u->connection)
        for (size_t i = 0; i < u->forward_room; i++)
            forget(&u->status.forwards[i]);
    u->is_changed = true;
    tunnel_advance(u);
    tunnel_update(u, NULL);
}

void tunnel_take_facts(struct tunnel *u)
{
    const struct connection *c = u->connection;
    struct tunnel_status *s = &u->status;
    if (c->host_key.fingerprint) {
        copy_text(&s->host_key_type, c->host_key.type);
        copy_text(&s->host_key_fingerprint, c->host_key.fingerprint);
        copy_text(&s->host_key_line, c->host_key.line);
        copy_text(&u->host_key_file, c->host_key.file);
        s->host_key_known = c->host_key.is_known;
        s->host_key_can_be_trusted = c->host_key.can_be_trusted && s->host_key_line && u->host_key_file;
    }
    copy_text(&s->kex, c->kex);
    copy_text(&s->cipher, c->cipher);
    u->is_changed = true;
}

void tunnel_on_facts(struct tunnel *u)
{
    tunnel_take_facts(u);
    tunnel_update(u, NULL);
}
