/*
 * tunnel_json.c - a tunnel as the API shows it: T, its written fields and those that are read only.
 */
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "daemon/definition_json.h"
#include "daemon/json_text.h"
#include "daemon/tunnel.h"

/* ---- Values: all of them new references, null where there is nothing; NULL: no memory ---- */

static json_t *text(const char *s)
{
    return s && s[0] ? json_utf8(s) : json_null();
}

/* RFC 3339, UTC. */
static json_t *moment(int64_t at)
{
    char out[32];
    struct tm tm;
    time_t t = (time_t)at;
    if (at <= 0 || !gmtime_r(&t, &tm) || strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return json_null();
    return json_string(out);
}

static json_t *number_or_null(int64_t n, bool is_known)
{
    return is_known ? json_integer(n) : json_null();
}

static json_t *port(uint16_t n)
{
    return number_or_null(n, n != 0);
}

/* ---- Parts ---- */

static const char *forward_state_name(enum tunnel_forward_state s)
{
    return s == TUNNEL_FORWARD_UP ? "up" : s == TUNNEL_FORWARD_FAILED ? "failed" : "down";
}

/* Where a forward leads to: "10.0.0.5:443", "-" where clients name it. */
static void target_of(const struct definition_forward *f, char out[static FORWARD_TARGET_CAP])
{
    struct forward_spec spec;
    definition_forward_spec(f, &spec);
    forward_spec_target(&spec, out);
}

static json_t *forward_json(const struct definition_forward *d, const struct tunnel_forward *f)
{
    char target[FORWARD_TARGET_CAP];
    target_of(d, target);
    return json_pack("{s:s, s:o, s:o, s:o, s:s, s:o}", "type", definition_type_name(d->type), "listen",
                     text(f->listen[0] ? f->listen[0] : f->listen[1]), "target", text(target), "bound_port",
                     port(f->bound_port), "state", forward_state_name(f->state), "error", text(f->error));
}

static json_t *forwards_json(const struct tunnel *u)
{
    const struct definition *d = tunnel_definition(u);
    json_t *list = json_array();
    for (size_t i = 0; i < d->forward_count; i++)
        json_list_add(&list, forward_json(&d->forwards[i], &tunnel_status(u)->forwards[i]));
    return list;
}

static json_t *listen_json(const struct tunnel *u)
{
    json_t *list = json_array();
    for (size_t i = 0; i < tunnel_definition(u)->forward_count; i++)
        for (size_t k = 0; k < TUNNEL_ADDRESSES; k++)
            if (tunnel_status(u)->forwards[i].listen[k])
                json_list_add(&list, text(tunnel_status(u)->forwards[i].listen[k]));
    return list;
}

static json_t *host_key_json(const struct tunnel_status *s)
{
    if (!s->host_key_fingerprint)
        return json_null();
    return json_pack("{s:o, s:s, s:b}", "type", text(s->host_key_type), "fingerprint",
                     s->host_key_fingerprint, "known", (int)s->host_key_known);
}

static json_t *errors_json(const struct tunnel_counters *c)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "refused", (json_int_t)c->refused, "prohibited",
                     (json_int_t)c->prohibited, "timeout", (json_int_t)c->timeout, "resolve",
                     (json_int_t)c->resolve, "local_refused", (json_int_t)c->local_refused, "denied",
                     (json_int_t)c->denied, "peer_reset", (json_int_t)c->peer_reset);
}

static uint64_t errors_total(const struct tunnel_counters *c)
{
    return c->refused + c->prohibited + c->timeout + c->resolve + c->local_refused + c->denied +
           c->peer_reset + c->open_failed;
}

/* ---- Groups of fields ---- */

static bool set(json_t *to, const char *name, json_t *value)
{
    return json_object_set_new(to, name, value) == 0;
}

static bool set_state(json_t *to, const struct tunnel *u)
{
    const struct definition *d = tunnel_definition(u);
    const struct tunnel_status *s = tunnel_status(u);
    const struct tunnel_forward *first = d->forward_count ? &s->forwards[0] : NULL;
    char spec[DEFINITION_SPEC_CAP];
    definition_spec(d, false, spec);
    return set(to, "status", text(keep_status_name(s->state))) &&
           set(to, "state", text(keep_state_name(s->state))) &&
           set(to, "listening", json_boolean(s->listening)) && set(to, "spec", text(spec)) &&
           set(to, "via", text(d->host)) && set(to, "forwards", forwards_json(u)) &&
           set(to, "listen", listen_json(u)) && set(to, "bound_port", port(first ? first->bound_port : 0));
}

static bool set_history(json_t *to, const struct tunnel *u)
{
    const struct tunnel_status *s = tunnel_status(u);
    int64_t uptime = tunnel_uptime(u);
    bool has_failed = s->last_error.code != ADIT_E_OK;
    return set(to, "uptime", number_or_null(uptime, uptime >= 0)) &&
           set(to, "retry_count", json_integer(s->retry_count)) &&
           set(to, "next_retry_at", moment(s->next_retry_at)) &&
           set(to, "last_error", text(has_failed ? s->last_error.text : NULL)) &&
           set(to, "last_error_kind", text(has_failed ? adit_err_kind(s->last_error.code) : NULL)) &&
           set(to, "last_error_at", moment(s->last_error_at)) &&
           set(to, "permanent", json_boolean(s->permanent));
}

static bool set_connection(json_t *to, const struct tunnel *u)
{
    const struct tunnel_status *s = tunnel_status(u);
    return set(to, "host_key", host_key_json(s)) && set(to, "kex", text(s->kex)) &&
           set(to, "cipher", text(s->cipher)) &&
           set(to, "rtt_ms", number_or_null((s->rtt_us + 500) / 1000, s->rtt_us != 0)) &&
           set(to, "created_at", moment(tunnel_definition(u)->created_at / 1000)) &&
           set(to, "last_activity", moment(s->last_activity));
}

static bool set_counters(json_t *to, const struct tunnel_counters *c)
{
    return set(to, "bytes_sent", json_integer((json_int_t)c->bytes_up)) &&
           set(to, "bytes_received", json_integer((json_int_t)c->bytes_down)) &&
           set(to, "connections_total", json_integer((json_int_t)c->opened)) &&
           set(to, "connections_active", json_integer(c->open_now)) &&
           set(to, "errors_total", json_integer((json_int_t)errors_total(c))) &&
           set(to, "errors", errors_json(c));
}

static bool set_read(json_t *to, const struct tunnel *u)
{
    return set_state(to, u) && set_history(to, u) && set_connection(to, u) &&
           set_counters(to, &tunnel_status(u)->counters);
}

/* ---- The whole ---- */

json_t *tunnel_status_json(const struct tunnel *tunnel)
{
    const struct definition *d = tunnel_definition(tunnel);
    json_t *to = json_object();
    bool ok = to && set(to, "id", text(d->id)) && set(to, "name", text(d->name)) &&
              set(to, "origin", json_string(definition_origin_name(d->origin))) && set_read(to, tunnel);
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}

json_t *tunnel_json(const struct tunnel *tunnel)
{
    const struct definition *d = tunnel_definition(tunnel);
    json_t *to = json_object(), *written = definition_to_json(d);
    bool ok = to && written && set(to, "id", text(d->id)) && json_object_update(to, written) == 0 &&
              set(to, "origin", json_string(definition_origin_name(d->origin))) && set_read(to, tunnel);
    json_decref(written);
    if (ok)
        return to;
    json_decref(to);
    return NULL;
}
