/*
 * http_talk.h - a client of HTTP in the same thread as the server that it speaks to: what it waits for is
 * what the loop brings about.
 */
#ifndef TESTS_HTTP_TALK_H
#define TESTS_HTTP_TALK_H

#include "tests/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "daemon/buffer.h"
#include "net/loop.h"
#include "net/sock.h"

enum { HTTP_TALK_PATIENCE_MS = 60 * 1000 }; /* then something hangs */

struct http_talk {
    int fd;
    bool is_over; /* the server has closed it */
    struct buffer in;
    /* the last answer */
    int status;
    char *head, *body; /* with their zeroes; body without the chunks' frames */
    size_t body_len;
    void (*step)(void *ctx); /* one round of the server's loop, at most a little while */
    void *ctx;
};

static inline void http_talk_init(struct http_talk *c, int fd, void (*step)(void *ctx), void *ctx)
{
    memset(c, 0, sizeof *c);
    c->fd = fd;
    c->step = step;
    c->ctx = ctx;
}

static inline void http_talk_forget(struct http_talk *c)
{
    free(c->head);
    free(c->body);
    c->head = c->body = NULL;
    c->body_len = 0;
    c->status = 0;
}

static inline void http_talk_close(struct http_talk *c)
{
    sock_close(&c->fd);
    buffer_wipe(&c->in);
    http_talk_forget(c);
}

/* What has come is in c->in. */
static inline void http_talk_take(struct http_talk *c)
{
    char bytes[16 * 1024];
    size_t n;

    while (!c->is_over) {
        switch (sock_read(c->fd, bytes, sizeof bytes, &n, NULL)) {
        case SOCK_IO_OK:
            buffer_add(&c->in, span_make(bytes, n));
            break;
        case SOCK_IO_AGAIN:
            return;
        case SOCK_IO_EOF:
        case SOCK_IO_FAILED:
            c->is_over = true;
            break;
        }
    }
}

static inline void http_talk_send_bytes(struct http_talk *c, struct span bytes)
{
    uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS;
    size_t n;

    while (bytes.n > 0) {
        enum sock_io io = sock_write(c->fd, bytes.p, bytes.n, &n, NULL);

        if (io == SOCK_IO_FAILED)
            return; /* its answer tells why */
        bytes = span_sub(bytes, io == SOCK_IO_OK ? n : 0, bytes.n);
        c->step(c->ctx);
        http_talk_take(c);
        assert_true(loop_now_ms() < until);
    }
}

static inline void http_talk_send(struct http_talk *c, const char *text)
{
    http_talk_send_bytes(c, span_str(text));
}

/* Rounds until text has come. */
static inline void http_talk_until(struct http_talk *c, const char *text)
{
    uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    http_talk_take(c);
    while (!c->in.p || !strstr(c->in.p, text)) {
        if (c->is_over || loop_now_ms() > until)
            fail_msg("no '%s' in '%s'", text, c->in.p ? c->in.p : "");
        c->step(c->ctx);
        http_talk_take(c);
    }
}

static inline void http_talk_until_over(struct http_talk *c)
{
    uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    http_talk_take(c);
    while (!c->is_over) {
        assert_true(loop_now_ms() < until);
        c->step(c->ctx);
        http_talk_take(c);
    }
}

/* A header's value of the last answer, on the heap; NULL: absent. */
static inline char *http_talk_header(const struct http_talk *c, const char *name)
{
    size_t n = strlen(name);

    for (const char *line = c->head; line; line = strstr(line, "\r\n")) {
        line += strncmp(line, "\r\n", 2) == 0 ? 2 : 0;
        if (strncasecmp(line, name, n) == 0 && line[n] == ':') {
            const char *value = line + n + 1 + strspn(line + n + 1, " ");

            return strndup(value, strcspn(value, "\r"));
        }
    }
    return NULL;
}

/* The whole body of the chunks at p, or 0: not all of it is here. *used is what they take. */
static inline bool http_talk_chunks(const char *p, size_t len, struct buffer *out, size_t *used)
{
    size_t at = 0;

    for (;;) {
        const char *end = memmem(p + at, len - at, "\r\n", 2);
        size_t n;

        if (!end)
            return false;
        n = strtoul(p + at, NULL, 16);
        at = (size_t)(end - p) + 2;
        if (len - at < n + 2)
            return false;
        buffer_add(out, span_make(p + at, n));
        at += n + 2;
        if (n == 0) {
            *used = at;
            return true;
        }
    }
}

/* Takes a whole answer out of c->in. is_head: it has no body whatever its headers say. */
static inline bool http_talk_parse(struct http_talk *c, bool is_head)
{
    struct buffer body = {0};
    char *end = c->in.p ? memmem(c->in.p, c->in.len, "\r\n\r\n", 4) : NULL;
    size_t at, used = 0;
    char *length, *coding;
    bool is_whole = true;

    if (!end)
        return false;
    http_talk_forget(c);
    at = (size_t)(end - c->in.p) + 4;
    c->head = strndup(c->in.p, at);
    c->status = atoi(c->head + sizeof "HTTP/1.1");
    length = http_talk_header(c, "Content-Length");
    coding = http_talk_header(c, "Transfer-Encoding");
    if (is_head || c->status == 204 || c->status == 100) {
        used = 0;
    } else if (coding) {
        is_whole = http_talk_chunks(c->in.p + at, c->in.len - at, &body, &used);
    } else if (length) {
        used = strtoul(length, NULL, 10);
        is_whole = c->in.len - at >= used;
        if (is_whole)
            buffer_add(&body, span_make(c->in.p + at, used));
    }
    free(length);
    free(coding);
    if (is_whole) {
        c->body = body.p ? body.p : strdup("");
        c->body_len = body.len;
        memmove(c->in.p, c->in.p + at + used, c->in.len - at - used);
        c->in.len -= at + used;
        c->in.p[c->in.len] = 0;
    } else {
        buffer_wipe(&body);
        http_talk_forget(c);
    }
    return is_whole;
}

/* Rounds until an answer is here; its status. 0: the connection ended without one. */
static inline int http_talk_answer_of(struct http_talk *c, bool is_head)
{
    uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    http_talk_take(c);
    while (!http_talk_parse(c, is_head)) {
        if (c->is_over) {
            http_talk_forget(c);
            return 0;
        }
        assert_true(loop_now_ms() < until);
        c->step(c->ctx);
        http_talk_take(c);
    }
    return c->status;
}

static inline int http_talk_answer(struct http_talk *c)
{
    return http_talk_answer_of(c, false);
}

/* Sends a request and waits for its answer. headers: whole lines with their ends, or "". body NULL: none. */
static inline int http_talk_ask(struct http_talk *c, const char *method, const char *path,
                                const char *headers, const char *body)
{
    struct buffer out = {0};

    buffer_format(&out, "%s %s HTTP/1.1\r\n%s", method, path, headers);
    if (!strstr(headers, "Host:"))
        buffer_text(&out, "Host: localhost\r\n");
    if (body && !strstr(headers, "Content-Type:"))
        buffer_text(&out, "Content-Type: application/json\r\n");
    if (body)
        buffer_format(&out, "Content-Length: %zu\r\n", strlen(body));
    buffer_text(&out, "\r\n");
    buffer_text(&out, body ? body : "");
    http_talk_send_bytes(c, span_make(out.p, out.len));
    buffer_wipe(&out);
    return http_talk_answer_of(c, strcmp(method, "HEAD") == 0);
}

/* The last answer's body; json_decref it. */
static inline json_t *http_talk_json(const struct http_talk *c)
{
    json_t *j = json_loads(c->body, JSON_DECODE_ANY, NULL);

    if (!j)
        fail_msg("not JSON: %s", c->body);
    return j;
}

/* The last answer is the error document with this code; field NULL: null. */
static inline void http_talk_expect_error(const struct http_talk *c, int status, const char *code,
                                          const char *field)
{
    json_t *j = http_talk_json(c), *e = json_object_get(j, "error");
    json_t *f = json_object_get(e, "field");

    if (c->status != status || !json_is_string(json_object_get(e, "code")) ||
        strcmp(json_string_value(json_object_get(e, "code")), code) != 0)
        fail_msg("%d %s instead of %d %s", c->status, c->body, status, code);
    assert_true(json_is_string(json_object_get(e, "message")));
    assert_int_equal(json_object_size(e), 3);
    if (field)
        assert_string_equal(json_string_value(f), field);
    else
        assert_true(json_is_null(f));
    json_decref(j);
}

/* ---- A clock that goes before ours: each timer that is due is given once a round, also one that is set again to
 * a time that lies before that clock's. */

enum { HTTP_TALK_TIMERS = 64 };

struct http_talk_round {
    uint64_t now_ms;
    const struct loop_timer *seen[HTTP_TALK_TIMERS];
    size_t count;
    struct {
        struct loop_timer *timer;
        uint64_t at_ms;
    } again[HTTP_TALK_TIMERS]; /* for the next round */
    size_t again_count;
};

static inline bool http_talk_is_new(const struct http_talk_round *r, const struct loop_timer *t)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->seen[i] == t)
            return false;
    return r->count < HTTP_TALK_TIMERS;
}

/* NULL: the round is over. */
static inline struct loop_timer *http_talk_expired(struct http_talk_round *r, struct loop *loop)
{
    struct loop_timer *t;

    while ((t = loop_expired(loop, r->now_ms))) {
        if (http_talk_is_new(r, t)) {
            r->seen[r->count++] = t;
            return t;
        }
        assert_true(r->again_count < HTTP_TALK_TIMERS);
        r->again[r->again_count].timer = t;
        r->again[r->again_count++].at_ms = t->at_ms;
    }
    for (size_t i = 0; i < r->again_count; i++)
        if (!r->again[i].timer->is_set)
            loop_timer_set(loop, r->again[i].timer, r->again[i].at_ms);
    return NULL;
}

#endif
