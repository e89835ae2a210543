#include "daemon/json_text.h"

#include "daemon/buffer.h"

static int add(const char *bytes, size_t n, void *ctx)
{
    struct buffer *b = ctx;
    buffer_add(b, span_make(bytes, n));
    return b->is_failed ? -1 : 0;
}

char *json_text(const json_t *document, size_t flags)
{
    struct buffer b = {0};
    /* Both: the library forgets what some of the calls returned. */
    if (json_dump_callback(document, add, &b, flags) != 0 || b.is_failed)
        buffer_wipe(&b);
    return b.p;
}
