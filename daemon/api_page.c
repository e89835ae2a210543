/*
 * api_page.c - GET /: the page, one file, taken in by the assembler. It loads nothing and runs no script but
 * its own, which the policy names by its hash; the token comes to it in the fragment, which no request shows.
 */
#include "daemon/api_internal.h"
#include "daemon/api_page.h"

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "adit_page_begin:\n"
        ".incbin \"daemon/page.html\"\n"
        "adit_page_end:\n"
        ".byte 0\n"
        ".balign 4\n"
        "adit_page_len: .long adit_page_end - adit_page_begin\n"
        ".popsection\n");
extern const uint8_t adit_page_begin[] __attribute__((visibility("hidden")));
extern const uint32_t adit_page_len __attribute__((visibility("hidden")));

struct span api_page_text(void)
{
    return span_make(adit_page_begin, adit_page_len);
}

void api_page(const struct api_call *call)
{
    httpd_reply_header(call->request, "Content-Security-Policy", API_PAGE_POLICY);
    httpd_reply_header(call->request, "Referrer-Policy", "no-referrer");
    httpd_reply_static(call->request, 200, "text/html; charset=utf-8", api_page_text());
}
