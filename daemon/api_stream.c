/*
 * api_stream.c - server-sent events: GET /events, and what it shares with other streams.
 */
#include "daemon/api_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_MAX = 16 * 1024 }; /* more is not made at one time */

const char api_sse_type[] = "text/event-stream";

void api_sse_add(struct buffer *out, const char *name, uint64_t id, const char *data)
{
    buffer_format(out, "event: %s\n", name);
    if (id)
        buffer_format(out, "id: %llu\n", (unsigned long long)id);
    buffer_text(out, "data: ");
    buffer_text(out, data);
    buffer_text(out, "\n\n");
}

/* ---- Any stream */

static void comment_due(void *owner)
{
    struct api_stream *s = owner;

    s->wants_comment = true;
    httpd_timer_after(s->api->httpd, &s->timer, API_EVENTS_COMMENT_MS);
    httpd_stream_wake(s->request);
}

bool api_stream_start(struct api_stream *s, const struct api_call *call, const struct httpd_stream_ops *ops,
                      void *owner)
{
    s->api = call->api;
    s->request = call->request;
    httpd_timer_init(call->api->httpd, &s->timer, comment_due, s);
    if (!httpd_stream(call->request, api_sse_type, ops, owner))
        return false;
    httpd_timer_after(call->api->httpd, &s->timer, API_EVENTS_COMMENT_MS);
    return true;
}

void api_stream_begin(struct api_stream *s, struct buffer *out)
{
    if (!s->is_begun || s->wants_comment) /* the first one, so that the headers go out at once */
        buffer_text(out, ":\n\n");
    s->is_begun = true;
    s->wants_comment = false;
}

void api_stream_end(struct api_stream *s)
{
    httpd_timer_cancel(s->api->httpd, &s->timer);
}

/* ---- GET /events */

struct events_stream {
    struct api_stream stream;
    struct api_watcher watcher;
    uint64_t seen;
    bool wants_reset;
};

static void events_news(void *owner)
{
    const struct events_stream *s = owner;

    httpd_stream_wake(s->stream.request);
}

/* One event; what was lost is told as a reset, after which all is known by asking. */
static void event_add(struct events_stream *s, const struct events *ring, struct buffer *out)
{
    const struct event *event = s->wants_reset ? NULL : events_get(ring, s->seen + 1);

    if (event && event->data) {
        s->seen = event->id;
        api_sse_add(out, event_kind_name(event->kind), event->id, event->data);
        return;
    }
    s->wants_reset = false;
    s->seen = event ? event->id : events_last(ring);
    api_sse_add(out, "reset", s->seen, "{}");
}

static bool events_next(void *owner, struct buffer *out)
{
    struct events_stream *s = owner;
    const struct events *ring = tunnels_events(s->stream.api->config.tunnels);

    api_stream_begin(&s->stream, out);
    while (out->len < PIECE_MAX && (s->wants_reset || s->seen < events_last(ring)))
        event_add(s, ring, out);
    return true;
}

static void events_end(void *owner)
{
    struct events_stream *s = owner;

    api_stream_end(&s->stream);
    api_unwatch(&s->watcher);
    free(s);
}

/* From where on: all that comes from now, or what the client has missed. */
static void events_seek(struct events_stream *s, const char *last_id)
{
    const struct events *ring = tunnels_events(s->stream.api->config.tunnels);
    uint64_t last = events_last(ring);
    char *end;

    s->seen = last;
    if (!last_id)
        return;
    errno = 0;
    s->seen = strtoull(last_id, &end, 10);
    if (strcmp(last_id, "0") == 0) /* from the beginning */
        s->seen = events_before(ring);
    s->wants_reset = last_id[0] < '0' || last_id[0] > '9' || *end || errno || s->seen > last ||
                     (s->seen < last && !events_get(ring, s->seen + 1));
}

void api_events(const struct api_call *call)
{
    static const struct httpd_stream_ops on_unix = {.next = events_next, .end = events_end};
    /* Over TCP a client that has gone looks like one that says no more. */
    static const struct httpd_stream_ops on_tcp = {
        .next = events_next, .end = events_end, .ends_with_input = true};
    struct events_stream *s = calloc(1, sizeof *s);
    bool is_tcp = httpd_is_tcp(call->request);

    if (!s || !api_stream_start(&s->stream, call, is_tcp ? &on_tcp : &on_unix, s)) {
        if (!s)
            httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        free(s);
        return;
    }
    events_seek(s, httpd_header(call->request, "Last-Event-ID"));
    api_watch(call->api, &s->watcher, events_news, s);
}
