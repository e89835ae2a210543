#include "daemon/api.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "daemon/api_internal.h"
#include "daemon/mcp_tools.h"
#include "net/sock.h"

/* ---- Requests */

static bool refuse_path(const struct api_call *call, enum api_route_found found, const char *allow)
{
    struct httpd_request *r = call->request;

    switch (found) {
    case API_ROUTE_FOUND:
        return false;
    case API_ROUTE_NO_PATH:
        httpd_reply_error(r, "not_found", NULL, "There is nothing at %s", httpd_path(r));
        break;
    case API_ROUTE_NO_METHOD:
        httpd_reply_header(r, "Allow", allow);
        httpd_reply_error(r, "method_not_allowed", NULL, "%s is not possible here", httpd_method(r));
        break;
    case API_ROUTE_BAD_PARAM:
        httpd_reply_error(r, "not_found", NULL, "Tunnel %s not found", strchr(httpd_path(r) + 1, '/') + 1);
        break;
    }
    return true;
}

static void on_request(void *ctx, struct httpd_request *r)
{
    static const char *const nothing[] = {NULL};
    struct api_call call = {.api = ctx, .request = r};
    char allow[API_ROUTE_ALLOW_CAP];
    const struct api_route *route;
    enum api_route_found found = api_route_find(api_routes, api_route_count, httpd_is_tcp(r), httpd_method(r),
                                                httpd_path(r), &route, call.id, allow);

    if (call.api->config.journal) /* the path alone: what stands behind it is nobody's who reads a log */
        journal_say_about(call.api->config.journal, SESSION_DEBUG1, SESSION_ABOUT_API, "%s %s",
                          httpd_method(r), httpd_path(r));
    if (refuse_path(&call, found, allow))
        return;
    if ((route->flags & API_ROUTE_CHANGES) && call.api->is_draining) {
        httpd_reply_error(r, "draining", NULL, "The daemon is ending");
        return;
    }
    if (!httpd_body(r, route->flags & API_ROUTE_TAKES_BODY, &call.body))
        return;
    if (call.body && !(route->flags & (API_ROUTE_TAKES_BODY | API_ROUTE_MAY_BODY)) &&
        !api_body_knows(&call, call.body, nothing))
        return;
    route->handle(&call);
}

static bool is_open(void *ctx, const char *method, const char *path)
{
    char id[API_ROUTE_PARAM_CAP], allow[API_ROUTE_ALLOW_CAP];
    const struct api_route *route;

    (void)ctx;
    return api_route_find(api_routes, api_route_count, true, method, path, &route, id, allow) ==
               API_ROUTE_FOUND &&
           (route->flags & API_ROUTE_OPEN);
}

/* ---- Events */

/* Counts the logins that were refused, once for each transport and time. */
static void auth_failures_count(struct api *api)
{
    for (const struct tunnel *t = tunnels_first(api->config.tunnels); t; t = tunnels_next(t)) {
        const struct tunnel_status *s = tunnel_status(t);
        const char *transport = tunnel_transport(t);

        if (s->last_error.code != ADIT_E_AUTH ||
            json_integer_value(json_object_get(api->auth_seen, transport)) >= s->last_error_at)
            continue;
        if (json_object_set_new(api->auth_seen, transport, json_integer(s->last_error_at)) == 0)
            api->auth_failures++;
    }
}

static void watchers_tell(void *owner)
{
    struct api *api = owner;
    struct api_watcher *w = api->watchers;

    auth_failures_count(api);
    while (w) { /* from the start again after each: it may take itself, or others, out */
        if (w->has_news) {
            w->has_news = false;
            w->on_news(w->owner);
            w = api->watchers;
        } else {
            w = w->next;
        }
    }
}

static void on_event(void *ctx, const struct event *event)
{
    struct api *api = ctx;

    (void)event;
    for (struct api_watcher *w = api->watchers; w; w = w->next)
        w->has_news = true;
    if (!api->watch_timer.timer.is_set)
        httpd_timer_after(api->httpd, &api->watch_timer, 0);
}

void api_watch(struct api *api, struct api_watcher *w, void (*on_news)(void *owner), void *owner)
{
    memset(w, 0, sizeof *w);
    w->on_news = on_news;
    w->owner = owner;
    w->next = api->watchers;
    w->link = &api->watchers;
    if (w->next)
        w->next->link = &w->next;
    api->watchers = w;
}

void api_unwatch(struct api_watcher *w)
{
    if (!w->link)
        return;
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->link = NULL;
}

/* ---- Life */

static enum adit_err server_new(struct api *api, struct adit_error *err)
{
    struct httpd_config config = {
        .loop = api->config.loop,
        .fd_kind = API_FD_KIND,
        .timer_kind = API_TIMER_KIND,
        .token = api->config.token,
        .has_group = api->config.has_group,
        .group = api->config.group,
        .on_request = on_request,
        .is_open = is_open,
        .ctx = api,
    };

    return httpd_new(&api->httpd, &config, err);
}

enum adit_err api_new(struct api **out, const struct api_config *config, struct adit_error *err)
{
    struct api *api = calloc(1, sizeof *api);
    enum adit_err e;

    *out = NULL;
    if (!api)
        return adit_fail(err, ADIT_E_MEMORY, "no memory for the API");
    api->config = *config;
    api->started_at = (int64_t)time(NULL);
    api->subscriber.ctx = api;
    api->subscriber.on_event = on_event;
    api->token = text_copy(span_str(config->token));
    api->auth_seen = json_object();
    e = api->token && api->auth_seen ? server_new(api, err)
                                     : adit_fail(err, ADIT_E_MEMORY, "no memory for the API");
    if (!e) {
        httpd_timer_init(api->httpd, &api->watch_timer, watchers_tell, api);
        events_subscribe(tunnels_events(config->tunnels), &api->subscriber);
        e = api_logs_start(api, err);
    }
    if (e) {
        api_free(api);
        return e;
    }
    *out = api;
    return ADIT_E_OK;
}

void api_free(struct api *api)
{
    if (!api)
        return;
    if (api->httpd) {
        events_unsubscribe(tunnels_events(api->config.tunnels), &api->subscriber);
        httpd_timer_cancel(api->httpd, &api->watch_timer);
        api_logs_end(api);
    }
    httpd_free(api->httpd);
    if (api->token)
        adit_wipe(api->token, strlen(api->token));
    free(api->token);
    json_decref(api->auth_seen);
    free(api);
}

void api_drain(struct api *api)
{
    api->is_draining = true;
}

void api_on_fd(struct loop_fd *f)
{
    httpd_on_fd(f);
}

void api_on_timer(struct loop_timer *t)
{
    if (t->kind == MCP_TOOLS_TIMER)
        mcp_tools_on_timer(t);
    else
        httpd_on_timer(t);
}

/* ---- Where it listens */

static void url_note(struct api *api, const struct sock_addr *at)
{
    if (!api->url[0])
        adit_format(api->url, sizeof api->url, "http://%s:%u/",
                    sock_addr_family(at) == AF_INET6 ? "[::1]" : "127.0.0.1", (unsigned)sock_addr_port(at));
}

enum adit_err api_listen(struct api *api, int fd, struct adit_error *err)
{
    struct sock_addr at;
    enum adit_err e;

    e = sock_find_local(fd, &at, err);
    if (!e && !sock_addr_is_loopback(&at))
        e = adit_fail(err, ADIT_E_USAGE, "the API listens on loopback addresses and Unix sockets only");
    if (e) {
        sock_close(&fd);
        return e;
    }
    e = httpd_listen(api->httpd, fd, err);
    if (!e && sock_addr_family(&at) != AF_UNIX)
        url_note(api, &at);
    return e;
}

enum adit_err api_listen_tcp(struct api *api, const char *host, uint16_t port, int *out,
                             struct adit_error *err)
{
    struct sock_addr at;
    enum adit_err e;
    int fd;

    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (!sock_addr_parse(&at, host, port) || !sock_addr_is_loopback(&at))
        return adit_fail(err, ADIT_E_USAGE, "%s: the API listens on loopback addresses only", host);
    e = sock_listen(&fd, &at, NULL, err);
    if (!e)
        e = api_listen(api, fd, err);
    if (!e && out)
        *out = fd;
    return e;
}

void api_unlisten(struct api *api, int fd)
{
    struct sock_addr at;

    httpd_unlisten(api->httpd, fd);
    api->url[0] = 0;
    if (sock_local(httpd_tcp_fd(api->httpd), &at))
        url_note(api, &at);
}

void api_set_group(struct api *api, bool has_group, gid_t group)
{
    httpd_set_group(api->httpd, has_group, group);
}

const char *api_url(const struct api *api)
{
    return api->url[0] ? api->url : NULL;
}
