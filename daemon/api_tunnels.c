/*
 * api_tunnels.c - /tunnels and what may be done with one.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>
#include <string.h>
#include "daemon/definition_json.h"
#include "daemon/json_text.h"

/* ---- Reading */

static json_t *list_of(const struct api *api, json_t *(*of)(const struct tunnel *tunnel))
{
    json_t *list = json_array();

    for (struct tunnel *t = tunnels_first(api->config.tunnels); list && t; t = tunnels_next(t))
        json_list_add(&list, of(t));
    return list;
}

static void list_tunnels(const struct api_call *call)
{
    httpd_reply_json(call->request, 200, json_pack("{s:o}", "tunnels", list_of(call->api, tunnel_json)));
}

void api_list_tunnels(const struct api_call *call)
{
    api_refresh(call, list_tunnels);
}

static void tunnels_status(const struct api_call *call)
{
    size_t up, failed;

    tunnels_badge(call->api->config.tunnels, &up, &failed);
    httpd_reply_json(call->request, 200,
                     json_pack("{s:o, s:I, s:I}", "tunnels", list_of(call->api, tunnel_status_json), "up",
                               (json_int_t)up, "failed", (json_int_t)failed));
}

void api_tunnels_status(const struct api_call *call)
{
    api_refresh(call, tunnels_status);
}

static void get_tunnel(const struct api_call *call)
{
    const struct tunnel *tunnel = api_find(call);

    if (tunnel)
        api_reply_tunnel(call->request, 200, tunnel);
}

void api_get_tunnel(const struct api_call *call)
{
    api_refresh(call, get_tunnel);
}

/* ---- Waiting until an answer is true */

static void then_answer(const struct api_call *call, struct tunnel *tunnel, unsigned status)
{
    if (tunnel)
        api_reply_tunnel(call->request, status, tunnel);
    else
        api_reply_not_found(call->request, call->id);
}

static void then_ok(const struct api_call *call, struct tunnel *tunnel)
{
    then_answer(call, tunnel, 200);
}

static void then_created(const struct api_call *call, struct tunnel *tunnel)
{
    then_answer(call, tunnel, 201);
}

/* What was ordered is under way: ?wait=SECONDS until it has settled, otherwise until its listeners are there.
 */
static void settle(const struct api_call *call, struct tunnel *tunnel, uint32_t wait_s,
                   void (*then)(const struct api_call *call, struct tunnel *tunnel))
{
    if (wait_s > 0)
        api_wait(call, tunnel, TUNNEL_WAIT_SETTLED, wait_s * 1000, then);
    else
        api_wait(call, tunnel, TUNNEL_WAIT_LISTENERS, TUNNEL_WAIT_LISTENERS_MS, then);
}

static bool query_wait(const struct api_call *call, uint32_t *wait_s)
{
    *wait_s = 0;
    return api_query_number(call, "wait", API_WAIT_MAX_S, wait_s);
}

/* ---- Making, changing, removing */

/* Location: /tunnels/ID. What an id may hold is more than a path may. */
static void location_add(struct httpd_request *r, const char *id)
{
    static const char hex[] = "0123456789ABCDEF";
    struct buffer b = {0};

    buffer_text(&b, "/tunnels/");
    for (const unsigned char *p = (const unsigned char *)id; *p; p++) {
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
            strchr("-._~:", *p))
            buffer_add(&b, span_make(p, 1));
        else
            buffer_format(&b, "%%%c%c", hex[*p >> 4], hex[*p & 15]);
    }
    httpd_reply_header(r, "Location", b.is_failed ? NULL : b.p);
    buffer_wipe(&b);
}

static void add_started(const struct api_call *call, struct tunnel *tunnel, uint32_t wait_s)
{
    struct definition_error error, ignored;

    if (tunnel_start(tunnel, &error)) {
        settle(call, tunnel, wait_s, then_created);
        return;
    }
    /* All or nothing: the same request must be possible again. */
    if (!tunnels_remove(call->api->config.tunnels, tunnel, &ignored))
        error = ignored;
    api_reply_error(call->request, &error);
}

void api_add_tunnel(const struct api_call *call)
{
    struct definition d;
    struct definition_error error;
    struct tunnel *tunnel = NULL;
    uint32_t wait_s;
    bool is_start;

    if (!api_query_flag(call, "start", &is_start) || !query_wait(call, &wait_s))
        return;
    definition_init(&d, DEFINITION_API);
    if (definition_from_json(&d, call->body, true, &error))
        tunnel = tunnels_add(call->api->config.tunnels, &d, &error);
    definition_wipe(&d);
    if (!tunnel) {
        api_reply_error(call->request, &error);
        return;
    }
    location_add(call->request, tunnel_definition(tunnel)->id);
    if (is_start)
        add_started(call, tunnel, wait_s);
    else
        api_reply_tunnel(call->request, 201, tunnel);
}

void api_change_tunnel(const struct api_call *call)
{
    struct tunnel *tunnel = api_find(call);
    struct definition d;
    struct definition_error error;
    uint32_t wait_s;
    bool is_done;

    if (!tunnel || !query_wait(call, &wait_s))
        return;
    if (!definition_copy(&d, tunnel_definition(tunnel))) {
        httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        return;
    }
    is_done = definition_from_json(&d, call->body, false, &error) &&
              tunnels_change(call->api->config.tunnels, tunnel, &d, &error);
    definition_wipe(&d);
    if (!is_done)
        api_reply_error(call->request, &error);
    else if (tunnel_is_running(tunnel))
        settle(call, tunnel, wait_s, then_ok);
    else
        api_reply_tunnel(call->request, 200, tunnel);
}

static void remove_now(const struct api_call *call, struct tunnel *tunnel)
{
    struct definition_error error;

    if (tunnel && !tunnels_remove(call->api->config.tunnels, tunnel, &error))
        api_reply_error(call->request, &error);
    else
        httpd_reply_empty(call->request, 204);
}

void api_remove_tunnel(const struct api_call *call)
{
    struct tunnel *tunnel = api_find(call);
    enum definition_origin origin;

    if (!tunnel)
        return;
    origin = tunnel_definition(tunnel)->origin;
    if (origin == DEFINITION_FILE || origin == DEFINITION_SESSION || !tunnel_is_running(tunnel)) {
        remove_now(call, tunnel);
        return;
    }
    tunnel_stop(tunnel);
    api_wait(call, tunnel, TUNNEL_WAIT_LISTENERS, TUNNEL_WAIT_LISTENERS_MS, remove_now);
}

/* ---- Start, stop, trust */

void api_start_tunnel(const struct api_call *call)
{
    struct tunnel *tunnel = api_find(call);
    struct definition_error error;
    uint32_t wait_s;
    bool is_idempotent;

    if (!tunnel || !api_query_flag(call, "idempotent", &is_idempotent) || !query_wait(call, &wait_s))
        return;
    if ((is_idempotent && tunnel_is_running(tunnel)) || tunnel_start(tunnel, &error))
        settle(call, tunnel, wait_s, then_ok);
    else
        api_reply_error(call->request, &error);
}

void api_stop_tunnel(const struct api_call *call)
{
    struct tunnel *tunnel = api_find(call);
    uint32_t wait_s;

    if (!tunnel || !query_wait(call, &wait_s))
        return;
    tunnel_stop(tunnel);
    settle(call, tunnel, wait_s, then_ok);
}

void api_trust_tunnel(const struct api_call *call)
{
    static const char *const names[] = {"fingerprint", NULL};
    struct tunnel *tunnel = api_find(call);
    struct definition_error error;
    const char *fingerprint;

    if (!tunnel || !api_body_knows(call, call->body, names) ||
        !api_body_text(call, "fingerprint", &fingerprint))
        return;
    if (tunnel_trust(tunnel, fingerprint, &error))
        api_reply_tunnel(call->request, 200, tunnel);
    else
        api_reply_error(call->request, &error);
}
