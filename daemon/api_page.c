/*
 * api_page.c - GET /: the page, one file. It loads nothing and runs no script but its own, which the policy
 * names by its hash; the token comes to it in the fragment, which no request shows.
 */
#include "daemon/api_page.h"
#include "daemon/api_internal.h"
#include "daemon/packed.h"

PACKED_FILE(page, "page.html")

void api_page_text(struct buffer *out)
{
    packed_open(out, page_packed());
}

void api_page(const struct api_call *call)
{
    struct buffer text = {0};

    httpd_reply_header(call->request, "Content-Security-Policy", API_PAGE_POLICY);
    httpd_reply_header(call->request, "Referrer-Policy", "no-referrer");
    api_page_text(&text);
    httpd_reply_buffer(call->request, 200, "text/html; charset=utf-8", &text);
}
