/* api_openapi.c - GET /openapi.json: the file itself. */
#include "daemon/api_internal.h"
#include "daemon/packed.h"

PACKED_FILE(openapi, "openapi.json")

void api_openapi(const struct api_call *call)
{
    struct buffer text = {0};

    packed_open(&text, openapi_packed());
    httpd_reply_buffer(call->request, 200, "application/json", &text);
}
