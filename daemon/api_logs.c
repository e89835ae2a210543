/*
 * api_logs.c - GET /logs: the last lines of the log, and those that come.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/json_text.h"

enum { PIECE_MAX = 16 * 1024, NAME_CAP = 512, LINES_DEFAULT = 100 };

struct api_log_stream {
    struct api_stream stream;
    char name[NAME_CAP]; /* of a tunnel; empty: all */
    uint64_t next_line;
    struct api_log_stream *next, **link;
};

static const char *name_of(const char *name)
{
    return name[0] ? name : NULL;
}

/* ---- The stream */

static bool log_next(void *owner, struct buffer *out)
{
    struct api_log_stream *s = owner;
    struct journal *journal = s->stream.api->config.journal;
    char line[JOURNAL_LINE_CAP];
    uint64_t n;

    api_stream_begin(&s->stream, out);
    while (journal && out->len < PIECE_MAX &&
           (n = journal_read(journal, s->next_line, name_of(s->name), line)) != 0) {
        s->next_line = n + 1;
        buffer_format(out, "data: %s\n\n", line);
    }
    return true;
}

static void log_end(void *owner)
{
    struct api_log_stream *s = owner;

    api_stream_end(&s->stream);
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    free(s);
}

static void log_follow(const struct api_call *call, const char *name, uint64_t from)
{
    static const struct httpd_stream_ops ops = {.next = log_next, .end = log_end};
    struct api_log_stream *s = calloc(1, sizeof *s);

    if (!s || !api_stream_start(&s->stream, call, &ops, s)) {
        if (!s)
            httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        free(s);
        return;
    }
    adit_format(s->name, sizeof s->name, "%s", name);
    s->next_line = from;
    s->next = call->api->log_streams;
    s->link = &call->api->log_streams;
    if (s->next)
        s->next->link = &s->next;
    call->api->log_streams = s;
}

static void log_news(void *owner)
{
    struct api *api = owner;

    loop_fd_not_readable(&api->journal_news.fd);
    journal_news_take(api->config.journal);
    for (struct api_log_stream *s = api->log_streams; s; s = s->next)
        httpd_stream_wake(s->stream.request);
}

enum adit_err api_logs_start(struct api *api, struct adit_error *err)
{
    int fd = api->config.journal ? journal_news_fd(api->config.journal) : -1;

    httpd_source_init(api->httpd, &api->journal_news, log_news, api);
    return fd < 0 ? ADIT_E_OK : loop_add(api->config.loop, &api->journal_news.fd, fd, err);
}

void api_logs_end(struct api *api)
{
    loop_del(api->config.loop, &api->journal_news.fd);
}

/* ---- What is there */

static void reply_text(const struct api_call *call, const char *name, uint64_t from)
{
    struct buffer out = {0};
    char line[JOURNAL_LINE_CAP];
    uint64_t n;

    buffer_text(&out, "");
    while (call->api->config.journal &&
           (n = journal_read(call->api->config.journal, from, name_of(name), line)) != 0) {
        from = n + 1;
        buffer_text(&out, line);
        buffer_text(&out, "\n");
    }
    httpd_reply_buffer(call->request, 200, "text/plain; charset=utf-8", &out);
}

static void reply_json(const struct api_call *call, const char *name, uint64_t from)
{
    json_t *lines = json_array();
    char line[JOURNAL_LINE_CAP];
    uint64_t n;

    while (call->api->config.journal &&
           (n = journal_read(call->api->config.journal, from, name_of(name), line)) != 0) {
        from = n + 1;
        if (json_array_append_new(lines, json_utf8(line)) != 0)
            break;
    }
    httpd_reply_json(call->request, 200, json_pack("{s:o}", "lines", lines));
}

void api_logs(const struct api_call *call)
{
    struct journal *journal = call->api->config.journal;
    char name[NAME_CAP];
    uint32_t count = LINES_DEFAULT;
    bool is_bad = false, is_follow, is_json;
    uint64_t from;

    if (!api_query_number(call, "n", JOURNAL_LINES, &count) || !api_query_flag(call, "follow", &is_follow) ||
        !api_query_flag(call, "json", &is_json))
        return;
    if (!httpd_query(call->request, "name", name, sizeof name, &is_bad))
        name[0] = 0;
    if (is_bad) {
        httpd_reply_error(call->request, "invalid_value", "name", "name is no text");
        return;
    }
    from = journal ? journal_tail(journal, name_of(name), count) : 0;
    if (is_follow)
        log_follow(call, name, from);
    else
        (is_json ? reply_json : reply_text)(call, name, from);
}
