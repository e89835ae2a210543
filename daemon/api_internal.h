/*
 * api_internal.h - what the files api*.c share: the API itself, and the ways to answer later.
 */
#ifndef DAEMON_API_INTERNAL_H
#define DAEMON_API_INTERNAL_H

#include "client/texts.h"
#include "daemon/api.h"
#include "daemon/api_route.h"
#include "daemon/events.h"
#include "daemon/httpd.h"
#include "daemon/journal.h"
#include "daemon/tunnels.h"

struct api_log_stream;
struct api_mcp;
struct api_watcher;

struct api {
    struct api_config config;
    struct httpd *httpd;
    bool is_draining;
    int64_t started_at; /* Unix time */
    uint64_t auth_failures;
    json_t *auth_seen; /* when each transport's last one was: {"user@host:port": Unix time} */
    char *token;       /* for POST /ui */
    char url[API_URL_CAP];
    struct events_subscriber subscriber;
    struct httpd_source journal_news;
    struct api_log_stream *log_streams;
    struct api_mcp *mcp;          /* sessions of `adit mcp` */
    struct api_watcher *watchers; /* told of each event */
    struct httpd_timer watch_timer;
};

/* ---- Answers */

void api_reply_tunnel(struct httpd_request *r, unsigned status, const struct tunnel *tunnel);
void api_reply_error(struct httpd_request *r, const struct definition_error *error);
void api_reply_not_found(struct httpd_request *r, const char *id);
/* The tunnel of a path, by its id or name; NULL: 404 was answered. */
struct tunnel *api_find(const struct api_call *call);

/* A Unix time as RFC 3339. */
enum { API_TIME_CAP = 32 };
void api_time_text(int64_t at, char out[static API_TIME_CAP]);

/* ---- The query. False: 400 was answered */

/* ?name=1 or true; absent, 0 and false are false. */
bool api_query_flag(const struct api_call *call, const char *name, bool *out) ADIT_MUST_USE;
/* A number from 0 to max; absent: *out stays. */
bool api_query_number(const struct api_call *call, const char *name, uint32_t max,
                      uint32_t *out) ADIT_MUST_USE;

/* ---- The body. False: 400 was answered */

/* Members beside these (a list that ends with NULL) are refused. */
bool api_body_knows(const struct api_call *call, const json_t *object,
                    const char *const *names) ADIT_MUST_USE;
/* A text that must be there. */
bool api_body_text(const struct api_call *call, const char *name, const char **out) ADIT_MUST_USE;

/* ---- Later (api_later.c). `call` is copied; what it borrows lives as long as its request */

/* then(call) once the counters are fresh. */
void api_refresh(const struct api_call *call, void (*then)(const struct api_call *call));
/* then(call, tunnel) when it is so far or the time is over; tunnel NULL: it was removed. */
void api_wait(const struct api_call *call, struct tunnel *tunnel, enum tunnel_wait_for what,
              uint32_t limit_ms, void (*then)(const struct api_call *call, struct tunnel *tunnel));
/* The listeners of each of these tunnels, one after the other, TUNNEL_WAIT_LISTENERS_MS in all; ids is
 * emptied. then(ctx, false): the client has gone, and the request with it. */
void api_wait_all(const struct api_call *call, struct texts *ids, void *ctx,
                  void (*then)(const struct api_call *call, void *ctx, bool is_there));

/* ---- Who is told of events (api.c): outside of the call that made them */

struct api_watcher {
    void (*on_news)(void *owner);
    void *owner;
    struct api_watcher *next, **link;
    bool has_news;
};
void api_watch(struct api *api, struct api_watcher *w, void (*on_news)(void *owner), void *owner);
void api_unwatch(struct api_watcher *w);

/* ---- Server-sent events: a stream that says something at least every API_EVENTS_COMMENT_MS */

struct api_stream {
    struct api *api;
    struct httpd_request *request;
    struct httpd_timer timer;
    bool is_begun, wants_comment;
};
/* Answers call's request by a stream; owner is next's and end's, and holds s. False: it was answered
 * otherwise. */
bool api_stream_start(struct api_stream *s, const struct api_call *call, const struct httpd_stream_ops *ops,
                      void *owner) ADIT_MUST_USE;
/* The comments that are due. Each `next` calls it first. */
void api_stream_begin(struct api_stream *s, struct buffer *out);
void api_stream_end(struct api_stream *s); /* in `end` */

/* event: NAME, id: ID (0: none), data: TEXT on one line */
void api_sse_add(struct buffer *out, const char *name, uint64_t id, const char *data);
extern const char api_sse_type[];

/* ---- Handlers */

void api_list_tunnels(const struct api_call *call);
void api_add_tunnel(const struct api_call *call);
void api_get_tunnel(const struct api_call *call);
void api_change_tunnel(const struct api_call *call);
void api_remove_tunnel(const struct api_call *call);
void api_tunnels_status(const struct api_call *call);
void api_start_tunnel(const struct api_call *call);
void api_stop_tunnel(const struct api_call *call);
void api_reconnect_tunnel(const struct api_call *call);
void api_trust_tunnel(const struct api_call *call);
void api_start_all(const struct api_call *call);
void api_stop_all(const struct api_call *call);
void api_connections(const struct api_call *call);
void api_get_prompt(const struct api_call *call);
void api_answer_prompt(const struct api_call *call);
void api_open_session(const struct api_call *call);
void api_mcp_open(const struct api_call *call);
void api_mcp_call(const struct api_call *call);
void api_events(const struct api_call *call);
void api_logs(const struct api_call *call);
void api_healthz(const struct api_call *call);
void api_readyz(const struct api_call *call);
void api_version(const struct api_call *call);
void api_profiles(const struct api_call *call);
void api_openapi(const struct api_call *call);
void api_page(const struct api_call *call);
void api_metrics(const struct api_call *call);
void api_reload(const struct api_call *call);
void api_ui(const struct api_call *call);

/* ---- Whoever follows the log (api_logs.c) */

enum adit_err api_logs_start(struct api *api, struct adit_error *err);
void api_logs_end(struct api *api);

#endif
