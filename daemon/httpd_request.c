#include "daemon/httpd.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "daemon/httpd_check.h"
#include "daemon/httpd_internal.h"
#include "daemon/json_text.h"

enum {
    /* A body that is refused is read to its end all the same, up to this: a client that is still writing
     * might not see the answer. */
    MAX_DISCARDED = 16 * HTTPD_MAX_BODY,
};

/* ---- What was asked */

const char *httpd_method(const struct httpd_request *r)
{
    return strcmp(r->method, MHD_HTTP_METHOD_HEAD) == 0 ? MHD_HTTP_METHOD_GET : r->method;
}

const char *httpd_path(const struct httpd_request *r)
{
    return r->path;
}

bool httpd_is_tcp(const struct httpd_request *r)
{
    return r->conn->is_tcp;
}

const char *httpd_header(const struct httpd_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

bool httpd_query(const struct httpd_request *r, const char *name, char *out, size_t cap, bool *is_bad)
{
    const char *value = NULL;

    if (MHD_lookup_connection_value_n(r->mhd, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, NULL) !=
        MHD_YES)
        return false;
    *is_bad = !httpd_unescape(out, cap, span_str(value));
    return !*is_bad;
}

/* ---- May this be asked here? */

struct header_count {
    const char *name;
    unsigned count;
};

static enum MHD_Result header_count(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_count *c = ctx;

    (void)kind;
    (void)value;
    c->count += strcasecmp(name, c->name) == 0;
    return MHD_YES;
}

/* A header that must not stand there twice: another program might believe the other one. */
static bool header_is_twice(const struct httpd_request *r, const char *name)
{
    struct header_count c = {.name = name};

    (void)MHD_get_connection_values(r->mhd, MHD_HEADER_KIND, header_count, &c);
    return c.count > 1;
}

static enum httpd_refusal refusal_of(const struct httpd_request *r)
{
    const char *host = httpd_header(r, MHD_HTTP_HEADER_HOST);
    const char *origin = httpd_header(r, MHD_HTTP_HEADER_ORIGIN);
    const struct httpd_config *config = &r->httpd->config;

    if (!r->conn->is_tcp)
        return HTTPD_FINE;
    if (!host || header_is_twice(r, MHD_HTTP_HEADER_HOST) || !httpd_host_is_ours(host, r->conn->port))
        return HTTPD_BAD_HOST;
    if (origin &&
        (header_is_twice(r, MHD_HTTP_HEADER_ORIGIN) || !httpd_origin_is_ours(origin, r->conn->port)))
        return HTTPD_BAD_ORIGIN;
    if (config->is_open && config->is_open(config->ctx, httpd_method(r), r->path))
        return HTTPD_FINE;
    if (!httpd_token_matches(httpd_header(r, MHD_HTTP_HEADER_AUTHORIZATION), r->httpd->token))
        return HTTPD_NO_TOKEN;
    r->conn->is_known = true;
    return HTTPD_FINE;
}

static void refuse(struct httpd_request *r)
{
    switch (r->refusal) {
    case HTTPD_FINE:
        break;
    case HTTPD_BAD_HOST:
        httpd_reply_error(r, "forbidden_host", NULL,
                          "Host must be 127.0.0.1, [::1] or localhost with this port");
        break;
    case HTTPD_BAD_ORIGIN:
        httpd_reply_error(r, "forbidden_origin", NULL, "Requests of other origins are refused");
        break;
    case HTTPD_NO_TOKEN:
        httpd_reply_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
        httpd_reply_error(r, "unauthorized", NULL, "Authorization: Bearer TOKEN is required");
        break;
    }
}

/* ---- Its life */

static struct httpd_request *request_new(struct httpd *h, struct MHD_Connection *mhd, const char *path,
                                         const char *method)
{
    struct httpd_conn *c = httpd_conn_of(mhd);
    struct httpd_request *r = c ? calloc(1, sizeof *r) : NULL;
    const char *length, *type;

    if (!r)
        return NULL;
    r->httpd = h;
    r->conn = c;
    r->mhd = mhd;
    r->method = method;
    r->path = path;
    httpd_source_init(h, &r->watch, httpd_watch_ready, r);
    r->next = h->requests;
    r->link = &h->requests;
    if (r->next)
        r->next->link = &r->next;
    h->requests = r;
    type = httpd_header(r, MHD_HTTP_HEADER_CONTENT_TYPE);
    r->has_type = type != NULL;
    r->is_other_type = type && !httpd_type_is_json(type);
    length = httpd_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
    r->is_too_large = length && strtoull(length, NULL, 10) > HTTPD_MAX_BODY;
    r->refusal = refusal_of(r);
    return r;
}

void httpd_abandon(struct httpd_request *r)
{
    void (*on_gone)(void *owner) = r->on_gone;

    r->is_gone = true;
    r->on_gone = NULL;
    if (on_gone)
        on_gone(r->owner);
}

static void body_drop(struct httpd_request *r)
{
    json_decref(r->json);
    r->json = NULL;
    if (r->body.p)
        adit_wipe(r->body.p, r->body.len); /* an answer to a prompt */
    r->httpd->bodies_len -= r->body.len;
    buffer_wipe(&r->body);
}

void httpd_completed(void *httpd, struct MHD_Connection *mhd, void **request,
                     enum MHD_RequestTerminationCode why)
{
    struct httpd_request *r = *request;
    struct httpd *h = httpd;

    (void)mhd;
    (void)why;
    if (!r)
        return;
    *request = NULL;
    httpd_abandon(r);
    if (r->stream)
        r->stream->end(r->owner);
    loop_del(h->config.loop, &r->watch.fd);
    *r->link = r->next;
    if (r->next)
        r->next->link = r->link;
    h->waiting[r->conn->is_tcp] -= r->is_counted;
    if (!h->is_ending)
        httpd_deadline_set(r->conn, false); /* for the next one on this connection */
    httpd_response_drop(r);
    for (size_t i = 0; i < r->header_count; i++)
        free(r->headers[i].value);
    body_drop(r);
    buffer_wipe(&r->out);
    free(r);
}

static void body_take(struct httpd_request *r, const char *data, size_t len)
{
    r->body_len += len;
    if (r->body_len > HTTPD_MAX_BODY)
        r->is_too_large = true;
    if (r->httpd->bodies_len + len > HTTPD_ALL_BODIES)
        r->is_crowded = true;
    if (r->refusal || r->is_too_large || r->is_crowded || r->is_other_type || !r->has_type) {
        body_drop(r);
        return;
    }
    r->httpd->bodies_len -= r->body.len;
    buffer_add(&r->body, span_make(data, len));
    r->httpd->bodies_len += r->body.len;
}

static void dispatch(struct httpd_request *r)
{
    r->is_dispatched = true;
    httpd_timer_cancel(r->httpd, &r->conn->deadline);
    if (r->refusal)
        refuse(r);
    else
        r->httpd->config.on_request(r->httpd->config.ctx, r);
}

static enum MHD_Result queue(struct httpd_request *r)
{
    enum MHD_Result result = MHD_queue_response(r->mhd, r->status, r->response);

    if (!r->stream) /* whoever waited for the answer has read all that he was told */
        body_drop(r);
    httpd_response_drop(r); /* the connection has its own hold on it */
    return result;
}

/* Called with the headers, for each piece of the body, with its end, and again after every httpd_resume. */
enum MHD_Result httpd_access(void *httpd, struct MHD_Connection *mhd, const char *path, const char *method,
                             const char *version, const char *data, size_t *data_len, void **request)
{
    struct httpd_request *r = *request;

    (void)version;
    if (!r) {
        r = request_new(httpd, mhd, path, method);
        *request = r;
        if (!r) /* no memory */
            return MHD_queue_response(mhd, MHD_HTTP_INTERNAL_SERVER_ERROR, ((struct httpd *)httpd)->lack);
        /* Who asks first whether he may send is told at once that he may not. */
        if ((r->refusal || r->is_too_large) && httpd_header(r, MHD_HTTP_HEADER_EXPECT))
            dispatch(r);
        return r->response ? queue(r) : MHD_YES;
    }
    if (*data_len > 0) {
        body_take(r, data, *data_len);
        *data_len = 0;
        return r->body_len > MAX_DISCARDED ? MHD_NO : MHD_YES;
    }
    if (r->is_gone)
        return MHD_NO;
    if (!r->is_dispatched)
        dispatch(r);
    if (r->response)
        return queue(r);
    if (!r->on_gone) /* nobody answers it */
        return MHD_NO;
    httpd_suspend(r);
    return MHD_YES;
}

/* ---- The body */

static bool body_parse(struct httpd_request *r)
{
    json_error_t error;

    if (!httpd_depth_is_at_most(span_make(r->body.p, r->body.len), HTTPD_MAX_DEPTH)) {
        httpd_reply_error(r, "invalid_value", NULL, "The body is nested deeper than %d levels",
                          HTTPD_MAX_DEPTH);
        return false;
    }
    if (!httpd_values_are_at_most(span_make(r->body.p, r->body.len), HTTPD_MAX_VALUES)) {
        httpd_reply_error(r, "invalid_value", NULL, "The body has more than %d values", HTTPD_MAX_VALUES);
        return false;
    }
    r->json = json_read(span_make(r->body.p, r->body.len), JSON_REJECT_DUPLICATES, &error);
    if (!r->json && json_error_code(&error) == json_error_out_of_memory)
        httpd_reply_error(r, "internal", NULL, "Out of memory");
    else if (!r->json)
        httpd_reply_error(r, "invalid_value", NULL, "The body is not valid JSON: line %d: %s", error.line,
                          error.text);
    else if (!json_is_object(r->json))
        httpd_reply_error(r, "invalid_value", NULL, "The body must be a JSON object");
    return json_is_object(r->json);
}

bool httpd_body(struct httpd_request *r, bool is_wanted, const json_t **body)
{
    *body = NULL;
    if (r->is_too_large) {
        httpd_reply_error(r, "too_large", NULL, "A body may have %d bytes", HTTPD_MAX_BODY);
        return false;
    }
    if (r->is_crowded) {
        httpd_reply_error(r, "busy", NULL, "Too many bodies are being sent");
        return false;
    }
    if (r->body_len == 0 && !is_wanted)
        return true;
    if (r->is_other_type || (!r->has_type && r->body_len > 0)) {
        httpd_reply_error(r, "unsupported_media_type", NULL, "The body must be application/json");
        return false;
    }
    if (r->body.is_failed || !body_parse(r)) {
        if (!r->response) /* no memory */
            httpd_reply_error(r, "internal", NULL, "Out of memory");
        return false;
    }
    *body = r->json;
    return true;
}
