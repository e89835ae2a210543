/*
 * api_later.c - answers that wait for something: fresh counters, one tunnel, several.
 *
 * Whatever waits may lose its client meanwhile: then what it waits for is called off, and nothing is
 * answered.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>

/* ---- Fresh counters */

struct later_refresh {
    struct api_call call;
    struct tunnels_refresh refresh;
    void (*then)(const struct api_call *call);
};

static void refresh_gone(void *owner)
{
    struct later_refresh *l = owner;

    tunnels_refresh_cancel(l->call.api->config.tunnels, &l->refresh);
    free(l);
}

static void refresh_done(void *ctx)
{
    struct later_refresh *l = ctx;

    l->then(&l->call);
    free(l);
}

void api_refresh(const struct api_call *call, void (*then)(const struct api_call *call))
{
    struct later_refresh *l = calloc(1, sizeof *l);

    if (!l) {
        httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        return;
    }
    l->call = *call;
    l->then = then;
    l->refresh.ctx = l;
    l->refresh.done = refresh_done;
    if (!httpd_hold(call->request, refresh_gone, l)) {
        free(l);
        return;
    }
    tunnels_refresh(call->api->config.tunnels, &l->refresh);
}

/* ---- One tunnel */

struct later_wait {
    struct api_call call;
    struct tunnel_wait wait;
    void (*then)(const struct api_call *call, struct tunnel *tunnel);
};

static void wait_gone(void *owner)
{
    struct later_wait *l = owner;

    tunnel_wait_cancel(&l->wait);
    free(l);
}

static void wait_done(void *ctx, struct tunnel *tunnel, bool is_so)
{
    struct later_wait *l = ctx;

    (void)is_so;
    l->then(&l->call, tunnel);
    free(l);
}

void api_wait(const struct api_call *call, struct tunnel *tunnel, enum tunnel_wait_for what,
              uint32_t limit_ms, void (*then)(const struct api_call *call, struct tunnel *tunnel))
{
    struct later_wait *l = calloc(1, sizeof *l);

    if (!l) {
        httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        return;
    }
    l->call = *call;
    l->then = then;
    l->wait.ctx = l;
    l->wait.done = wait_done;
    if (!httpd_hold(call->request, wait_gone, l)) {
        free(l);
        return;
    }
    tunnel_wait(tunnel, &l->wait, what, limit_ms);
}

/* ---- Several */

struct later_all {
    struct api_call call;
    struct texts ids;
    size_t at;
    struct tunnel_wait wait;
    bool is_within, is_so; /* within tunnel_wait; it was so at once */
    uint64_t until_ms;
    void *ctx;
    void (*then)(const struct api_call *call, void *ctx, bool is_there);
};

static void all_end(struct later_all *l, bool is_there)
{
    l->then(&l->call, l->ctx, is_there);
    texts_wipe(&l->ids);
    free(l);
}

static void all_gone(void *owner)
{
    struct later_all *l = owner;

    tunnel_wait_cancel(&l->wait);
    all_end(l, false);
}

static void all_go_on(struct later_all *l)
{
    while (l->at < l->ids.count) {
        struct tunnel *tunnel = tunnels_find_id(l->call.api->config.tunnels, l->ids.item[l->at++]);
        uint64_t now = loop_now_ms();

        if (!tunnel)
            continue;
        l->is_so = false;
        l->is_within = true;
        tunnel_wait(tunnel, &l->wait, TUNNEL_WAIT_LISTENERS,
                    now < l->until_ms ? (uint32_t)(l->until_ms - now) : 0);
        l->is_within = false;
        if (!l->is_so)
            return;
    }
    all_end(l, true);
}

static void all_done(void *ctx, struct tunnel *tunnel, bool is_so)
{
    struct later_all *l = ctx;

    (void)tunnel;
    (void)is_so;
    l->is_so = true;
    if (!l->is_within)
        all_go_on(l);
}

void api_wait_all(const struct api_call *call, struct texts *ids, void *ctx,
                  void (*then)(const struct api_call *call, void *ctx, bool is_there))
{
    struct later_all *l = calloc(1, sizeof *l);

    if (!l || !httpd_hold(call->request, all_gone, l)) {
        if (!l)
            httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        free(l);
        texts_wipe(ids);
        then(call, ctx, false);
        return;
    }
    l->call = *call;
    l->ids = *ids;
    texts_init(ids);
    l->ctx = ctx;
    l->then = then;
    l->wait.ctx = l;
    l->wait.done = all_done;
    l->until_ms = loop_now_ms() + TUNNEL_WAIT_LISTENERS_MS;
    all_go_on(l);
}
