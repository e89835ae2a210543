#include "daemon/httpd.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "client/texts.h"
#include "daemon/httpd_internal.h"
#include "daemon/json_text.h"

enum { MESSAGE_CAP = 1024 };

static const struct {
    const char *code;
    unsigned status;
} codes[] = {
    {"missing_field", 400},
    {"invalid_value", 400},
    {"unknown_field", 400},
    {"profile_incomplete", 400},
    {"unauthorized", 401},
    {"forbidden_host", 403},
    {"forbidden_origin", 403},
    {"not_found", 404},
    {"method_not_allowed", 405},
    {"exists", 409},
    {"running", 409},
    {"port_in_use", 409},
    {"read_only", 409},
    {"conflict", 409},
    {"too_large", 413},
    {"unsupported_media_type", 415},
    {"draining", 503},
    {"state_unwritable", 503},
    {"busy", 503},
};

static unsigned code_status(const char *code)
{
    for (size_t i = 0; i < ADIT_COUNT(codes); i++)
        if (strcmp(codes[i].code, code) == 0)
            return codes[i].status;
    return 500;
}

void httpd_reply_header(struct httpd_request *r, const char *name, const char *value)
{
    assert(r->header_count < ADIT_COUNT(r->headers));
    r->headers[r->header_count].name = name;
    r->headers[r->header_count++].value = value ? text_copy(span_str(value)) : NULL;
}

static bool add_headers(struct MHD_Response *response, const char *type)
{
    return (!type || MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES) &&
           MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
           MHD_add_response_header(response, "X-Content-Type-Options", "nosniff") == MHD_YES;
}

struct MHD_Response *httpd_lack_new(void)
{
    static const char text[] =
        "{\"error\":{\"code\":\"internal\",\"message\":\"Out of memory\",\"field\":null}}";
    struct MHD_Response *lack = MHD_create_response_from_buffer_static(sizeof text - 1, text);

    if (lack && add_headers(lack, "application/json") &&
        MHD_add_response_header(lack, MHD_HTTP_HEADER_CONNECTION, "close") == MHD_YES)
        return lack;
    if (lack)
        MHD_destroy_response(lack);
    return NULL;
}

void httpd_response_drop(struct httpd_request *r)
{
    if (r->response && r->response != r->httpd->lack)
        MHD_destroy_response(r->response);
    r->response = NULL;
}

/* The answer is made: it goes out now, or when libmicrohttpd has the connection again. */
static void reply(struct httpd_request *r, unsigned status, const char *type, struct MHD_Response *response)
{
    bool is_fine = response != NULL;

    assert(!r->response);
    r->on_gone = NULL;
    is_fine = is_fine && add_headers(response, type);
    for (size_t i = 0; is_fine && i < r->header_count; i++)
        is_fine = r->headers[i].value &&
                  MHD_add_response_header(response, r->headers[i].name, r->headers[i].value) == MHD_YES;
    if (!is_fine && response)
        MHD_destroy_response(response);
    r->response = is_fine ? response : r->httpd->lack;
    r->status = is_fine ? status : MHD_HTTP_INTERNAL_SERVER_ERROR;
    httpd_resume(r);
}

void httpd_reply_static(struct httpd_request *r, unsigned status, const char *type, struct span content)
{
    reply(r, status, type, MHD_create_response_from_buffer_static(content.n, content.p));
}

void httpd_reply_empty(struct httpd_request *r, unsigned status)
{
    reply(r, status, NULL, MHD_create_response_empty(MHD_RF_NONE));
}

void httpd_reply_buffer(struct httpd_request *r, unsigned status, const char *type, struct buffer *b)
{
    struct MHD_Response *response = NULL;

    if (!b->is_failed && b->p)
        response = MHD_create_response_from_buffer_with_free_callback(b->len, b->p, free);
    if (response)
        memset(b, 0, sizeof *b); /* it is the response's */
    else
        buffer_wipe(b);
    reply(r, status, type, response);
}

void httpd_reply_json(struct httpd_request *r, unsigned status, json_t *document)
{
    struct buffer b = {0};

    b.p = json_text(document, JSON_COMPACT | JSON_REAL_PRECISION(6));
    json_decref(document);
    b.len = b.p ? strlen(b.p) : 0;
    b.cap = b.len + 1;
    httpd_reply_buffer(r, status, "application/json", &b);
}

void httpd_reply_error(struct httpd_request *r, const char *code, const char *field, const char *fmt, ...)
{
    char raw[MESSAGE_CAP], message[MESSAGE_CAP];
    va_list ap;

    va_start(ap, fmt);
    (void)adit_vformat(raw, sizeof raw, fmt, ap);
    va_end(ap);
    adit_text_clean(message, sizeof message, span_str(raw), false);
    if (strcmp(code, "busy") == 0) /* so that its place is free at once */
        httpd_reply_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
    httpd_reply_json(
        r, code_status(code),
        json_pack("{s:{s:s, s:s, s:s?}}", "error", "code", code, "message", message, "field", field));
}
