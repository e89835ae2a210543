/*
 * api_openapi.c - GET /openapi.json: the file itself, taken in by the assembler.
 */
#include "daemon/api_internal.h"

__asm__(".pushsection .rodata\n"
        ".balign 16\n"
        "adit_openapi_begin:\n"
        ".incbin \"daemon/openapi.json\"\n"
        "adit_openapi_end:\n"
        ".byte 0\n"
        ".balign 4\n"
        "adit_openapi_len: .long adit_openapi_end - adit_openapi_begin\n"
        ".popsection\n");
extern const uint8_t adit_openapi_begin[] __attribute__((visibility("hidden")));
extern const uint32_t adit_openapi_len __attribute__((visibility("hidden")));

void api_openapi(const struct api_call *call)
{
    httpd_reply_static(call->request, 200, "application/json",
                       span_make(adit_openapi_begin, adit_openapi_len));
}
