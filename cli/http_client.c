#include "cli/http_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "net/loop.h"
#include "net/sock.h"

enum { HEAD_CAP = 4096 };

static enum adit_err no_daemon(const char *socket, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_NO_DAEMON,
                     "no daemon at %s: start one with 'adit daemon -f' or 'systemctl --user start aditd'",
                     socket);
}

static enum adit_err broken(const struct http_client_stream *s, const char *what, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_PROTOCOL, "%s: %s", s->request.socket, what);
}

static enum adit_err no_memory(const struct http_client_stream *s, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "%s: out of memory", s->request.socket);
}

/* ---- The socket ---- */

static enum adit_err connect_to(const char *path, int *fd, struct adit_error *err)
{
    struct sock_addr addr;
    int n;
    *fd = -1;
    if (sock_addr_path(&addr, path, err) != ADIT_E_OK || sock_open(fd, &addr, err) != ADIT_E_OK)
        return err->code;
    /* A backlog that is full is one of a daemon that is there: blocking waits for it. */
    (void)sock_set_nonblock(*fd, false);
    while ((n = connect(*fd, (const struct sockaddr *)(const void *)&addr.storage, addr.len)) != 0 &&
           errno == EINTR)
        continue;
    int why = errno;
    (void)sock_set_nonblock(*fd, true);
    if (n == 0 && sock_peer_is_us(*fd))
        return ADIT_E_OK;
    sock_close(fd);
    if (n == 0)
        return adit_fail(err, ADIT_E_NO_DAEMON, "%s: whoever listens there is another user", path);
    if (why == ENOENT || why == ECONNREFUSED || why == ENOTDIR)
        return no_daemon(path, err);
    return adit_fail(err, ADIT_E_NO_DAEMON, "%s: %s", path, strerror(why));
}

bool http_client_is_answered(const char *socket)
{
    struct adit_error err = {0};
    int fd;
    bool is_there = connect_to(socket, &fd, &err) == ADIT_E_OK;
    sock_close(&fd);
    return is_there;
}

static uint64_t deadline_of(const struct http_client_request *r)
{
    return loop_now_ms() + (r->timeout_ms > 0 ? r->timeout_ms : HTTP_CLIENT_TIMEOUT_MS);
}

static enum adit_err wait_for(const struct http_client_stream *s, short events, uint64_t deadline,
                              struct adit_error *err)
{
    for (;;) {
        struct pollfd fds[2] = {{s->fd, events, 0}, {s->request.cancel_fd, POLLIN, 0}};
        uint64_t now = loop_now_ms();
        if (now >= deadline)
            return adit_fail(err, ADIT_E_TIMEOUT, "%s: no answer in time", s->request.socket);
        int n = poll(fds, s->request.cancel_fd >= 0 ? 2 : 1,
                     deadline - now > 60000 ? 60000 : (int)(deadline - now));
        if (n < 0 && errno != EINTR)
            return adit_fail(err, ADIT_E_SYSTEM, "poll: %s", strerror(errno));
        if (n > 0 && s->request.cancel_fd >= 0 && fds[1].revents != 0)
            return adit_fail(err, ADIT_E_INTERRUPTED, "interrupted");
        if (n > 0 && fds[0].revents != 0)
            return ADIT_E_OK;
    }
}

static enum adit_err send_all(const struct http_client_stream *s, const char *text, size_t len,
                              struct adit_error *err)
{
    uint64_t deadline = deadline_of(&s->request);
    enum adit_err e = ADIT_E_OK;
    while (len > 0 && e == ADIT_E_OK) {
        size_t n = 0;
        enum sock_io io = sock_write(s->fd, text, len, &n, err);
        if (io == SOCK_IO_AGAIN)
            e = wait_for(s, POLLOUT, deadline, err);
        else if (io != SOCK_IO_OK)
            return err->code;
        text += n;
        len -= n;
    }
    return e;
}

static enum adit_err request_send(const struct http_client_stream *s, struct adit_error *err)
{
    const struct http_client_request *r = &s->request;
    char head[HEAD_CAP];
    size_t body_len = r->body != NULL ? strlen(r->body) : 0;
    size_t n = adit_format(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                           r->method, r->target);
    if (r->body != NULL)
        n += adit_format(head + n, sizeof head - n, "Content-Type: application/json\r\n");
    if (r->body != NULL || strcmp(r->method, "GET") != 0)
        n += adit_format(head + n, sizeof head - n, "Content-Length: %zu\r\n", body_len);
    n += adit_format(head + n, sizeof head - n, "\r\n");
    if (n + 1 >= sizeof head)
        return adit_fail(err, ADIT_E_USAGE, "a name is too long");
    enum adit_err e = send_all(s, head, n, err);
    return e == ADIT_E_OK ? send_all(s, r->body, body_len, err) : e;
}

/* ---- The answer ---- */

static enum adit_err more_read(struct http_client_stream *s, bool *is_eof, struct adit_error *err)
{
    uint64_t deadline = deadline_of(&s->request);
    for (;;) {
        size_t n = 0;
        enum sock_io io = sock_read(s->fd, s->buffer, sizeof s->buffer, &n, err);
        *is_eof = io == SOCK_IO_EOF;
        s->in = span_make(s->buffer, n);
        if (io == SOCK_IO_OK || io == SOCK_IO_EOF)
            return ADIT_E_OK;
        if (io == SOCK_IO_FAILED)
            return err->code;
        enum adit_err e = wait_for(s, POLLIN, deadline, err);
        if (e != ADIT_E_OK)
            return e;
    }
}

/* The next step that is not HTTP_STEP_MORE. head_only: or as soon as the head is there. */
static enum adit_err step(struct http_client_stream *s, bool head_only, struct span *piece,
                          enum http_step *out, struct adit_error *err)
{
    for (;;) {
        bool is_eof = false;
        if (head_only && s->answer.has_head)
            return ADIT_E_OK;
        /* The body's first bytes are left for whoever reads it. */
        struct span part = head_only ? span_sub(s->in, 0, 1) : s->in;
        size_t had = part.n;
        *out = http_answer_step(&s->answer, &part, piece);
        s->in = span_sub(s->in, had - part.n, SIZE_MAX);
        if (*out == HTTP_STEP_MORE && s->in.n > 0)
            continue;
        if (*out == HTTP_STEP_BAD)
            return broken(s, "what answers there does not speak HTTP", err);
        if (*out != HTTP_STEP_MORE || (head_only && s->answer.has_head))
            return ADIT_E_OK;
        if (more_read(s, &is_eof, err) != ADIT_E_OK)
            return err->code;
        if (is_eof && http_answer_eof(&s->answer) == HTTP_STEP_BAD)
            return broken(s, "the daemon's answer was cut off", err);
    }
}

enum adit_err http_client_open(struct http_client_stream *s, const struct http_client_request *request,
                               struct adit_error *err)
{
    struct span piece;
    enum http_step ignored;
    s->request = *request;
    s->fd = -1;
    s->in = s->events = span_make(NULL, 0);
    http_answer_init(&s->answer);
    sse_init(&s->sse);
    enum adit_err e = connect_to(request->socket, &s->fd, err);
    if (e == ADIT_E_OK)
        e = request_send(s, err);
    return e == ADIT_E_OK ? step(s, true, &piece, &ignored, err) : e;
}

void http_client_close(struct http_client_stream *s)
{
    sock_close(&s->fd);
    sse_wipe(&s->sse);
    adit_wipe(s->buffer, sizeof s->buffer);
}

enum adit_err http_client_read(struct http_client_stream *s, struct span *piece, struct adit_error *err)
{
    enum http_step at = HTTP_STEP_MORE;
    *piece = span_make(NULL, 0);
    return step(s, false, piece, &at, err);
}

enum adit_err http_client_event(struct http_client_stream *s, bool *is_end, struct adit_error *err)
{
    *is_end = false;
    for (;;) {
        enum sse_step at = sse_step(&s->sse, &s->events);
        if (at == SSE_EVENT)
            return ADIT_E_OK;
        if (at == SSE_BAD)
            return broken(s, "an event of the daemon's is too long or damaged", err);
        if (at == SSE_NO_MEMORY)
            return no_memory(s, err);
        enum adit_err e = http_client_read(s, &s->events, err);
        *is_end = s->events.n == 0;
        if (e != ADIT_E_OK || *is_end)
            return e;
    }
}

static enum adit_err reply_add(const struct http_client_stream *s, struct http_client_reply *reply,
                               size_t *cap, struct span piece, struct adit_error *err)
{
    if (piece.n > HTTP_CLIENT_BODY_MAX - reply->len)
        return broken(s, "the daemon's answer is too long", err);
    if (reply->len + piece.n + 1 > *cap) {
        size_t want = 2 * (reply->len + piece.n + 1);
        char *bigger = realloc(reply->body, want);
        if (bigger == NULL)
            return no_memory(s, err);
        reply->body = bigger;
        *cap = want;
    }
    if (piece.n > 0)
        memcpy(reply->body + reply->len, piece.p, piece.n);
    reply->len += piece.n;
    reply->body[reply->len] = 0;
    return ADIT_E_OK;
}

static enum adit_err body_read(struct http_client_stream *s, struct http_client_reply *reply,
                               struct adit_error *err)
{
    size_t cap = 0;
    struct span piece;
    enum adit_err e;
    do {
        e = http_client_read(s, &piece, err);
        if (e == ADIT_E_OK)
            e = reply_add(s, reply, &cap, piece, err);
    } while (e == ADIT_E_OK && piece.n > 0);
    return e;
}

enum adit_err http_client_ask(const struct http_client_request *request, struct http_client_reply *reply,
                              struct adit_error *err)
{
    *reply = (struct http_client_reply){0};
    struct http_client_stream *s = malloc(sizeof *s);
    if (s == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = http_client_open(s, request, err);
    reply->status = s->answer.status;
    if (e == ADIT_E_OK)
        e = body_read(s, reply, err);
    http_client_close(s);
    free(s);
    if (e != ADIT_E_OK)
        http_client_reply_wipe(reply);
    return e;
}

void http_client_reply_wipe(struct http_client_reply *reply)
{
    if (reply->body != NULL)
        adit_wipe(reply->body, reply->len);
    free(reply->body);
    *reply = (struct http_client_reply){0};
}

bool http_client_encode(const char *text, char *out, size_t cap)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    size_t n = 0;
    for (; *text != 0; text++) {
        bool is_plain = strchr(plain, *text) != NULL;
        if (n + (is_plain ? 1 : 3) >= cap)
            return false;
        n += is_plain ? adit_format(out + n, cap - n, "%c", *text)
                      : adit_format(out + n, cap - n, "%%%02x", (unsigned)(uint8_t)*text);
    }
    out[n] = 0;
    return cap > 0;
}
