/*
 * api_connections.c - GET /tunnels/{id}/connections.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>
#include "daemon/json_text.h"

/* The registry's answer cannot be called off: it may come when nobody waits for it any more. */
struct asked {
    struct api_call call;
    bool is_gone;
};

static void asked_gone(void *owner)
{
    struct asked *a = owner;

    a->is_gone = true;
}

static json_t *connection_json(const struct tunnel_connection *c)
{
    char opened[API_TIME_CAP];

    api_time_text(c->opened_at, opened);
    return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I}", "id", (json_int_t)c->id, "client", c->client, "target",
                     c->target, "opened_at", opened, "bytes_sent", (json_int_t)c->bytes_up, "bytes_received",
                     (json_int_t)c->bytes_down);
}

static void asked_done(void *ctx, struct tunnel *tunnel, const struct tunnel_connection *list, size_t count)
{
    struct asked *a = ctx;
    json_t *all = json_array();

    for (size_t i = 0; i < count; i++)
        json_list_add(&all, connection_json(&list[i]));
    if (a->is_gone)
        json_decref(all);
    else if (tunnel && list)
        httpd_reply_json(a->call.request, 200, json_pack("{s:o}", "connections", all));
    else {
        json_decref(all);
        if (tunnel)
            httpd_reply_error(a->call.request, "internal", NULL, "Out of memory");
        else
            api_reply_not_found(a->call.request, a->call.id);
    }
    free(a);
}

void api_connections(const struct api_call *call)
{
    struct tunnel *tunnel = api_find(call);
    struct asked *a = tunnel ? calloc(1, sizeof *a) : NULL;

    if (!tunnel)
        return;
    if (!a) {
        httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        return;
    }
    a->call = *call;
    if (httpd_hold(call->request, asked_gone, a))
        tunnels_connections(call->api->config.tunnels, tunnel,
                            &(struct tunnel_connections){.ctx = a, .done = asked_done});
    else
        free(a);
}
