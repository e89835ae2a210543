/*
 * tunnel.c - see tunnel.h: what a tunnel is told to do. What it makes of its connection's news is in
 * tunnel_state.c.
 */
#include "daemon/tunnel.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/files.h"
#include "daemon/counters.h"
#include "daemon/registry.h"

/* ---- Life ---- */

static void free_forwards(struct tunnel_forward *forwards, size_t count)
{
    for (size_t i = 0; forwards && i < count; i++) {
        for (size_t k = 0; k < TUNNEL_ADDRESSES; k++)
            free(forwards[i].listen[k]);
        free(forwards[i].error);
    }
    free(forwards);
}

struct tunnel *tunnel_new(struct tunnels *t, const struct definition *d)
{
    struct tunnel *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->tunnels = t;
    health_init(&u->health, u);
    u->status.forwards = tunnel_make_room(d);
    u->forward_room = d->forward_count;
    if (u->status.forwards && definition_copy(&u->definition, d))
        return u;
    tunnel_free(u);
    return NULL;
}

struct tunnel_forward *tunnel_make_room(const struct definition *d)
{
    size_t n = d->forward_count;
    return calloc(n ? n : 1, sizeof(struct tunnel_forward));
}

void tunnel_take_room(struct tunnel *u, struct tunnel_forward *room, size_t count)
{
    free_forwards(u->status.forwards, u->forward_room);
    u->status.forwards = room;
    u->forward_room = count;
}

void tunnel_free(struct tunnel *u)
{
    wait_end(u);
    events_forget(&u->events_like);
    health_stop(&u->health);
    free_forwards(u->status.forwards, u->forward_room);
    free(u->status.host_key_type);
    free(u->status.host_key_fingerprint);
    free(u->status.host_key_line);
    free(u->told);
    free(u->status.kex);
    free(u->status.cipher);
    free(u->host_key_file);
    free(u->transport);
    route_free_words(u->way);
    definition_wipe(&u->definition);
    free(u);
}

/* ---- To be read ---- */

const struct definition *tunnel_definition(const struct tunnel *tunnel)
{
    return &tunnel->definition;
}

const struct tunnel_status *tunnel_status(const struct tunnel *tunnel)
{
    return &tunnel->status;
}

bool tunnel_is_running(const struct tunnel *tunnel)
{
    return tunnel->is_wanted && !tunnel->has_failed && tunnel->status.state != KEEP_FAILED;
}

const char *tunnel_transport(const struct tunnel *tunnel)
{
    return tunnel->transport ? tunnel->transport : tunnel->definition.host;
}

int64_t tunnel_uptime(const struct tunnel *tunnel)
{
    int64_t since = tunnel->status.up_since, now = (int64_t)time(NULL);
    return since == 0 ? -1 : now > since ? now - since : 0;
}

/* ---- Start ---- */

/* Back-off would be of no use here: nobody is asked for anything but ourselves. */
enum { AGAIN_MS = 10 * 1000 };

static bool may_start_again(const struct tunnel *u, enum adit_err code)
{
    const struct definition *d = &u->definition;
    return adit_err_may_retry(code) && d->auto_reconnect && !u->tunnels->is_ending &&
           (d->max_retries == 0 || u->status.retry_count < d->max_retries);
}

void tunnel_fail_for_now(struct tunnel *u, enum adit_err code, const char *text)
{
    uint64_t now = loop_now_ms();
    u->again_ms = may_start_again(u, code) ? now + AGAIN_MS : 0;
    tunnel_fail_alone(u, code, text, NULL);
    tunnels_await_starts(u->tunnels);
}

void tunnel_fail_start(struct tunnel *u, const struct definition_error *error)
{
    bool is_secret = error->code && strcmp(error->code, "profile_incomplete") == 0;
    bool is_ours = error->code && strcmp(error->code, DEFINITION_E_INTERNAL) == 0;
    u->is_wanted = true;
    tunnel_fail_for_now(u, is_secret ? ADIT_E_AUTH : is_ours ? ADIT_E_MEMORY : ADIT_E_CONFIG, error->message);
}

static bool fail_start(struct tunnel *u, const struct adit_error *err, struct definition_error *error)
{
    bool is_ours = adit_err_may_retry(err->code); /* memory, descriptors: not what was asked for */
    u->is_wanted = false;
    tunnel_set_error(u, err);
    tunnel_update(u, err->text);
    return definition_fail(error, is_ours ? DEFINITION_E_INTERNAL : DEFINITION_E_INVALID, NULL, "%s",
                           err->text);
}

static bool set_transport(struct tunnel *u, const char *name)
{
    return definition_set(&u->transport, name);
}

/* Shares the connection of its like, or makes one. route is taken. */
static bool join(struct tunnel *u, struct route *route, struct adit_error *err)
{
    struct connection *c = connection_find(u->tunnels, route->key);
    bool is_named = set_transport(u, route->places[0].name);
    route_free_words(u->way);
    u->way = route->given;
    route->given = text_copy(span_str(u->way));
    is_named = is_named && route->given;
    if (c)
        route_wipe(route);
    else
        c = connection_new(u->tunnels, route, err);
    if (!c)
        return false;
    if (!is_named) {
        if (!c->members)
            connection_stop(c);
        return adit_fail(err, ADIT_E_MEMORY, "no memory for a tunnel") == ADIT_E_OK;
    }
    return connection_join(c, u, err);
}

/* The route is made again when the old listeners are closed: it may be another one by then. */
void tunnel_advance(struct tunnel *u)
{
    struct definition_error error = {.code = NULL};
    struct adit_error err = {ADIT_E_OK, ""};
    struct route route;
    if (!u->is_wanted || u->has_failed || u->connection || u->leaving > 0 || u->tunnels->is_ending)
        return;
    if (!route_init(&route, u, &error)) {
        tunnel_fail_start(u, &error);
    } else if (join(u, &route, &err)) {
        tunnel_take_facts(u);
        tunnel_update(u, NULL);
    } else {
        tunnel_fail_for_now(u, err.code, err.text);
    }
}

static void begin_anew(struct tunnel *u)
{
    u->is_wanted = true;
    u->has_failed = u->was_up = false;
    u->again_ms = 0;
    u->health.in_row = u->health.run = 0;
    u->health.is_failing = false;
}

/* Failing again leaves it failed: no state in between is told. */
static void start_again(struct tunnel *u)
{
    begin_anew(u);
    u->status.retry_count++;
    tunnel_advance(u);
    tunnel_update(u, NULL);
}

void tunnels_await_starts(struct tunnels *t)
{
    uint64_t first = UINT64_MAX;
    for (const struct tunnel *u = t->first; u; u = u->next)
        if (u->again_ms != 0 && u->again_ms < first)
            first = u->again_ms;
    if (first != UINT64_MAX)
        loop_timer_set(t->config.loop, &t->starts_timer, first);
}

void tunnels_start_again(struct tunnels *t)
{
    uint64_t now = loop_now_ms();
    for (struct tunnel *u = t->first; u; u = u->next)
        if (u->again_ms != 0 && u->again_ms <= now)
            start_again(u);
    tunnels_await_starts(t);
}

bool tunnel_start(struct tunnel *tunnel, struct definition_error *error)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct route route;
    if (tunnel->tunnels->is_ending)
        return definition_fail(error, "draining", NULL, "The daemon is about to end");
    if (tunnel_is_running(tunnel))
        return definition_fail(error, "running", NULL, "Tunnel is already running");
    if (!route_init(&route, tunnel, error))
        return false;
    /* One that has failed with its connection begins anew, with what the files say now. */
    if (tunnel->connection)
        connection_leave(tunnel->connection, tunnel);
    begin_anew(tunnel);
    tunnel->status.retry_count = 0;
    if (tunnel->leaving > 0) { /* tunnel_advance follows */
        route_wipe(&route);
        tunnel_update(tunnel, "started");
        return true;
    }
    if (!join(tunnel, &route, &err))
        return fail_start(tunnel, &err, error);
    tunnel_take_facts(tunnel);
    tunnel_update(tunnel, "started");
    return true;
}

/* ---- Stop, and again ---- */

void tunnel_stop(struct tunnel *tunnel)
{
    if (!tunnel->is_wanted)
        return;
    tunnel->is_wanted = tunnel->has_failed = tunnel->was_up = false;
    tunnel->again_ms = 0;
    if (tunnel->connection)
        connection_leave(tunnel->connection, tunnel);
    tunnel_update(tunnel, "stopped");
}

bool tunnel_reconnect(struct tunnel *tunnel, struct definition_error *error)
{
    if (!tunnel_is_running(tunnel))
        return tunnel_start(tunnel, error);
    if (tunnel->tunnels->is_ending)
        return definition_fail(error, "draining", NULL, "The daemon is about to end");
    if (tunnel->connection)
        link_reconnect(tunnel->connection->link);
    return true;
}

/* ---- Trust ---- */

bool tunnel_trust(struct tunnel *tunnel, const char *fingerprint, struct definition_error *error)
{
    struct tunnel_status *s = &tunnel->status;
    struct adit_error err = {ADIT_E_OK, ""};
    if (!s->host_key_fingerprint)
        return definition_fail(error, "conflict", "fingerprint", "No host key was shown yet");
    if (strcmp(s->host_key_fingerprint, fingerprint) != 0)
        return definition_fail(error, "conflict", "fingerprint",
                               "The host key seen last has another fingerprint: %s", s->host_key_fingerprint);
    if (s->host_key_known)
        return true;
    if (!s->host_key_can_be_trusted)
        return definition_fail(error, "conflict", "fingerprint",
                               "The host key has changed: this cannot accept it");
    if (file_append(tunnel->host_key_file, span_str(s->host_key_line), LIMIT_FILE_KNOWN_HOSTS, &err) !=
        ADIT_E_OK)
        return definition_fail(error, "state_unwritable", NULL, "%s", err.text);
    tunnel_say(tunnel, SESSION_INFO, NULL, "host key %s is trusted", fingerprint);
    s->host_key_known = true;
    s->host_key_can_be_trusted = false;
    if (tunnel->connection) {
        tunnel->connection->host_key.is_known = true;
        tunnel->connection->host_key.can_be_trusted = false;
        link_file_changed(tunnel->connection->link);
    }
    tunnel_changed(tunnel);
    return true;
}

/* ---- Questions ---- */

void tunnel_attend(struct tunnel *tunnel)
{
    tunnel->attended_until = loop_now_ms() + TUNNEL_ATTEND_MS;
    if (tunnel->connection)
        relay_attend(&tunnel->connection->relay, tunnel->attended_until);
}

bool tunnel_prompt_pending(const struct tunnel *tunnel, struct tunnel_prompt *out)
{
    const struct relay *r = tunnel->connection ? &tunnel->connection->relay : NULL;
    if (!r || r->shown_id == 0)
        return false;
    *out = (struct tunnel_prompt){
        .id = r->shown_id,
        .kind = r->shown_kind == PROMPT_SECRET ? TUNNEL_PROMPT_SECRET : TUNNEL_PROMPT_LINE,
        .text = r->shown_text,
    };
    return true;
}

bool tunnel_prompt_answer(struct tunnel *tunnel, uint64_t id, const char *text)
{
    return tunnel->connection && relay_answer(&tunnel->connection->relay, id, text);
}
