#include "daemon/mcp_info.h"

#include <string.h>
#include <time.h>

#include "daemon/json_text.h"

/* ---- Values: new references, null where there is nothing; NULL: no memory ---- */

static json_t *text(const char *s)
{
    return s != NULL ? json_utf8(s) : json_null();
}

static json_t *moment(int64_t at)
{
    char out[32];
    struct tm tm;
    time_t t = (time_t)at;
    if (at <= 0 || gmtime_r(&t, &tm) == NULL || strftime(out, sizeof out, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return json_null();
    return json_string(out);
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *port(bool is_given, uint16_t n)
{
    return is_given ? json_integer(n) : json_null();
}

void mcp_info_peer_text(char out[static MCP_PEER_TEXT_CAP], const char *from)
{
    size_t at = 0, count = 0;
    (void)adit_text_clean(out, MCP_PEER_TEXT_CAP, span_str(from), false);
    for (; out[at] != 0; at++) {
        if (out[at] == '\t')
            out[at] = ' ';
        if (((uint8_t)out[at] & 0xc0) != 0x80 && ++count > MCP_PEER_TEXT_CHARS)
            break;
    }
    out[at] = 0;
}

/* ---- Parts ---- */

const char *mcp_info_state(const struct tunnel *tunnel)
{
    switch (tunnel_status(tunnel)->state) {
    case KEEP_CONNECTED:
    case KEEP_IDLE: /* it carries whoever comes */
        return "active";
    case KEEP_CONNECTING:
        return "connecting";
    case KEEP_SUSPECT:
    case KEEP_DEGRADED:
    case KEEP_RECONNECTING:
        return "reconnecting";
    case KEEP_FAILED:
        return "failed";
    default:
        return "closed";
    }
}

static json_t *config_json(const struct definition_forward *f, const struct tunnel_forward *now)
{
    bool is_remote = f->type == FORWARD_REMOTE;
    uint16_t local = !is_remote && now->bound_port != 0 ? now->bound_port : f->local_port;
    uint16_t remote = is_remote && now->bound_port != 0 ? now->bound_port : f->remote_port;
    return json_pack("{s:o, s:o, s:o, s:o}", "localHost",
                     text(f->bind_address != NULL ? f->bind_address : "127.0.0.1"), "localPort",
                     port(f->has_local_port, local), "remoteHost", text(f->remote_host), "remotePort",
                     port(f->has_remote_port, remote));
}

static json_t *listen_json(const struct tunnel_forward *f)
{
    json_t *list = json_array();
    for (size_t i = 0; i < TUNNEL_ADDRESSES; i++)
        if (f->listen[i] != NULL && json_array_append_new(list, text(f->listen[i])) != 0) {
            json_decref(list); /* one that is missing is no address less */
            return NULL;
        }
    return list;
}

static uint64_t errors_of(const struct tunnel_counters *c)
{
    return c->refused + c->prohibited + c->timeout + c->resolve + c->local_refused + c->denied +
           c->peer_reset + c->open_failed;
}

static json_t *stats_json(const struct tunnel *u)
{
    const struct tunnel_counters *c = &tunnel_status(u)->counters;
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "bytesTransferred",
                     number(c->bytes_up + c->bytes_down), "connectionsTotal", number(c->opened),
                     "connectionsActive", number(c->open_now), "errors", number(errors_of(c)), "createdAt",
                     moment(tunnel_definition(u)->created_at / 1000), "lastActivity",
                     moment(tunnel_status(u)->last_activity));
}

static json_t *error_json(const struct tunnel_status *s)
{
    char clean[MCP_PEER_TEXT_CAP];
    if (s->last_error.code == ADIT_E_OK)
        return json_null();
    mcp_info_peer_text(clean, s->last_error.text);
    return json_string(clean);
}

/* ---- The whole ---- */

static bool set(json_t *to, const char *name, json_t *value)
{
    return json_object_set_new(to, name, value) == 0;
}

static bool set_definition(json_t *to, const struct tunnel *u, const char *server)
{
    const struct definition *d = tunnel_definition(u);
    const struct tunnel_forward *now = &tunnel_status(u)->forwards[0];
    return set(to, "id", text(d->id)) && set(to, "name", text(d->name)) && set(to, "server", text(server)) &&
           set(to, "type", text(definition_type_name(d->forwards[0].type))) &&
           set(to, "state", text(mcp_info_state(u))) &&
           set(to, "config", config_json(&d->forwards[0], now)) && set(to, "listen", listen_json(now));
}

static bool set_numbers(json_t *to, const struct tunnel *u, int64_t expires)
{
    const struct tunnel_status *s = tunnel_status(u);
    return set(to, "stats", stats_json(u)) && set(to, "bytesSent", number(s->counters.bytes_up)) &&
           set(to, "bytesReceived", number(s->counters.bytes_down)) &&
           set(to, "activeConnections", number(s->counters.open_now)) &&
           set(to, "created", moment(tunnel_definition(u)->created_at / 1000)) &&
           set(to, "lastActivity", moment(s->last_activity)) && set(to, "lastError", error_json(s)) &&
           set(to, "expires", moment(expires));
}

json_t *mcp_info_json(const struct tunnel *tunnel, const char *server, int64_t expires)
{
    json_t *to = json_object();
    if (to != NULL && set_definition(to, tunnel, server) && set_numbers(to, tunnel, expires))
        return to;
    json_decref(to);
    return NULL;
}
