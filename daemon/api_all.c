/*
 * api_all.c - /tunnels/start-all and stop-all.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>

/* The answer, and the tunnels whose listeners it speaks of. */
struct all {
    json_t *started, *running, *failed, *stopped;
    struct texts ids;
    bool is_failed; /* no memory */
};

static void all_free(struct all *a)
{
    json_decref(a->started);
    json_decref(a->running);
    json_decref(a->failed);
    json_decref(a->stopped);
    texts_wipe(&a->ids);
    free(a);
}

static struct all *all_new(const struct api_call *call)
{
    struct all *a = calloc(1, sizeof *a);

    if (!a) {
        httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        return NULL;
    }
    texts_init(&a->ids);
    a->started = json_array();
    a->running = json_array();
    a->failed = json_array();
    a->stopped = json_array();
    return a;
}

static void all_add(struct all *a, json_t *list, const char *id)
{
    a->is_failed |= json_array_append_new(list, json_string(id)) != 0 || !texts_add(&a->ids, span_str(id));
}

static void told_start(void *ctx, struct tunnel *tunnel, enum tunnels_start what, const char *message)
{
    struct all *a = ctx;
    const char *id = tunnel_definition(tunnel)->id;

    if (what == TUNNELS_FAILED)
        a->is_failed |=
            json_array_append_new(a->failed, json_pack("{s:s, s:s?}", "id", id, "message", message)) != 0;
    else
        all_add(a, what == TUNNELS_STARTED ? a->started : a->running, id);
}

static void told_stop(void *ctx, struct tunnel *tunnel)
{
    struct all *a = ctx;

    all_add(a, a->stopped, tunnel_definition(tunnel)->id);
}

static void then_started(const struct api_call *call, void *ctx, bool is_there)
{
    struct all *a = ctx;

    if (is_there)
        httpd_reply_json(call->request, 200,
                         a->is_failed ? NULL
                                      : json_pack("{s:O, s:O, s:O}", "started", a->started, "running",
                                                  a->running, "failed", a->failed));
    all_free(a);
}

static void then_stopped(const struct api_call *call, void *ctx, bool is_there)
{
    struct all *a = ctx;

    if (is_there)
        httpd_reply_json(call->request, 200, a->is_failed ? NULL : json_pack("{s:O}", "stopped", a->stopped));
    all_free(a);
}

void api_start_all(const struct api_call *call)
{
    struct all *a = all_new(call);

    if (!a)
        return;
    tunnels_start_all(call->api->config.tunnels, a, told_start);
    api_wait_all(call, &a->ids, a, then_started);
}

void api_stop_all(const struct api_call *call)
{
    struct all *a = all_new(call);

    if (!a)
        return;
    tunnels_stop_all(call->api->config.tunnels, a, told_stop);
    api_wait_all(call, &a->ids, a, then_stopped);
}
