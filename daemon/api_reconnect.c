/*
 * api_reconnect.c - POST /tunnels/{id}/reconnect.
 *
 * The order goes to the connection's thread: until it has come there the tunnel still is as it was, perhaps
 * connected. Whoever wants to know how it ended (?wait=) waits for it to be another than before, first.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>

struct reconnecting {
    struct api_call call;
    struct api_watcher watcher;
    struct httpd_timer timer;
    uint64_t until_ms, reconnects; /* how many there were before */
};

static void reply_now(const struct api_call *call, struct tunnel *tunnel)
{
    if (tunnel)
        api_reply_tunnel(call->request, 200, tunnel);
    else
        api_reply_not_found(call->request, call->id);
}

static void reconnecting_free(struct reconnecting *w)
{
    api_unwatch(&w->watcher);
    httpd_timer_cancel(w->call.api->httpd, &w->timer);
    free(w);
}

static void reconnecting_gone(void *owner)
{
    reconnecting_free(owner);
}

static void reconnecting_late(void *owner)
{
    struct reconnecting *w = owner;

    reply_now(&w->call, tunnels_find(w->call.api->config.tunnels, w->call.id));
    reconnecting_free(w);
}

static bool is_settled(const struct tunnel *tunnel)
{
    enum keep_state state = tunnel_status(tunnel)->state;

    return state == KEEP_CONNECTED || state == KEEP_IDLE;
}

static void reconnecting_news(void *owner)
{
    struct reconnecting *w = owner;
    struct tunnel *tunnel = tunnels_find(w->call.api->config.tunnels, w->call.id);
    uint64_t now = loop_now_ms();

    if (!tunnel)
        reply_now(&w->call, NULL);
    else if (!is_settled(tunnel) || tunnel_status(tunnel)->reconnects > w->reconnects)
        api_wait(&w->call, tunnel, TUNNEL_WAIT_SETTLED, now < w->until_ms ? (uint32_t)(w->until_ms - now) : 0,
                 reply_now);
    else
        return;
    reconnecting_free(w);
}

/* It has been ordered, of a tunnel that was well. */
static void reconnecting_wait(const struct api_call *call, uint64_t reconnects, uint32_t wait_s)
{
    struct reconnecting *w = calloc(1, sizeof *w);

    if (!w) {
        httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        return;
    }
    w->call = *call;
    w->reconnects = reconnects;
    w->until_ms = loop_now_ms() + wait_s * 1000;
    if (!httpd_hold(call->request, reconnecting_gone, w)) {
        free(w);
        return;
    }
    httpd_timer_init(call->api->httpd, &w->timer, reconnecting_late, w);
    httpd_timer_after(call->api->httpd, &w->timer, wait_s * 1000);
    api_watch(call->api, &w->watcher, reconnecting_news, w);
}

void api_reconnect_tunnel(const struct api_call *call)
{
    struct tunnel *tunnel = api_find(call);
    struct definition_error error;
    uint32_t wait_s = 0;
    uint64_t reconnects;
    bool was_settled;

    if (!tunnel || !api_query_number(call, "wait", API_WAIT_MAX_S, &wait_s))
        return;
    reconnects = tunnel_status(tunnel)->reconnects;
    was_settled = is_settled(tunnel);
    if (!tunnel_reconnect(tunnel, &error))
        api_reply_error(call->request, &error);
    else if (wait_s > 0 && was_settled && is_settled(tunnel))
        reconnecting_wait(call, reconnects, wait_s);
    else if (wait_s > 0)
        api_wait(call, tunnel, TUNNEL_WAIT_SETTLED, wait_s * 1000, reply_now);
    else
        api_wait(call, tunnel, TUNNEL_WAIT_LISTENERS, TUNNEL_WAIT_LISTENERS_MS, reply_now);
}
