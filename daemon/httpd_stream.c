/*
 * httpd_stream.c - answers that come later or never end, and the clients that go away meanwhile.
 *
 * While a connection is suspended libmicrohttpd does not look at its descriptor; we do.
 */
#include "daemon/httpd.h"

#include <assert.h>
#include <string.h>
#include "daemon/httpd_internal.h"

void httpd_watch_ready(void *owner)
{
    struct httpd_request *r = owner;
    bool is_over = r->watch.fd.hangup || (r->watch.fd.peer_done && r->stream && r->stream->ends_with_input);

    if (!is_over || r->is_gone)
        return;
    httpd_abandon(r);
    httpd_resume(r);
}

void httpd_suspend(struct httpd_request *r)
{
    struct httpd *h = r->httpd;

    MHD_suspend_connection(r->mhd);
    r->is_suspended = true;
    if (r->watch.fd.fd >= 0)
        return;
    if (loop_add(h->config.loop, &r->watch.fd, r->conn->fd, NULL))
        return; /* without it a hang-up is seen at the next write */
}

void httpd_resume(struct httpd_request *r)
{
    if (!r->is_suspended)
        return;
    r->is_suspended = false;
    MHD_resume_connection(r->mhd);
    httpd_kick(r->httpd);
}

bool httpd_wait_add(struct httpd_request *r)
{
    bool is_tcp = r->conn->is_tcp;

    if (r->httpd->waiting[is_tcp] + HTTPD_SPARE >= (is_tcp ? HTTPD_MAX_TCP : HTTPD_MAX_UNIX)) {
        httpd_reply_error(r, "busy", NULL, "Too many requests are waiting");
        return false;
    }
    r->httpd->waiting[is_tcp]++;
    r->is_counted = true;
    return true;
}

bool httpd_hold(struct httpd_request *r, void (*on_gone)(void *owner), void *owner)
{
    if (!r->is_counted && !httpd_wait_add(r)) /* one that was held before is counted already */
        return false;
    r->on_gone = on_gone;
    r->owner = owner;
    return true;
}

/* The next bytes of a stream; called again after httpd_resume when there were none. */
static ssize_t stream_read(void *owner, uint64_t at, char *out, size_t cap)
{
    struct httpd_request *r = owner;
    size_t n;

    (void)at;
    if (r->is_gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (r->out_at == r->out.len && !r->is_over) {
        buffer_clear(&r->out);
        r->out_at = 0;
        r->is_over = !r->stream->next(r->owner, &r->out);
    }
    if (r->out.is_failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = r->out.len - r->out_at;
    if (n == 0 && r->is_over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0) {
        httpd_suspend(r);
        return 0;
    }
    if (n > cap)
        n = cap;
    memcpy(out, r->out.p + r->out_at, n);
    r->out_at += n;
    return (ssize_t)n;
}

bool httpd_stream(struct httpd_request *r, const char *type, const struct httpd_stream_ops *ops, void *owner)
{
    struct MHD_Response *response;

    if (!r->is_counted && !httpd_wait_add(r)) /* one that was held is counted already */
        return false;
    assert(!r->response);
    r->on_gone = NULL;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, stream_read, r, NULL);
    if (!response || MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) != MHD_YES ||
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") != MHD_YES ||
        MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") != MHD_YES) {
        if (response)
            MHD_destroy_response(response);
        httpd_reply_error(r, "busy", NULL, "Out of memory");
        return false;
    }
    r->stream = ops;
    r->owner = owner;
    r->response = response;
    r->status = 200;
    httpd_resume(r);
    return true;
}

void httpd_stream_wake(struct httpd_request *r)
{
    httpd_resume(r);
}
