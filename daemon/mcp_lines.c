#include "daemon/mcp_lines.h"

#include <string.h>

/* The rest of it is skipped. */
static void lose(struct mcp_lines *l, void (*tell)(void *ctx))
{
    l->is_skipping = true;
    buffer_wipe(&l->held);
    tell(l->ctx);
}

static void hold(struct mcp_lines *l, struct span piece)
{
    if (l->is_skipping)
        return;
    if (piece.n > MCP_LINE_MAX - l->held.len) {
        lose(l, l->too_long);
        return;
    }
    buffer_add(&l->held, piece);
    if (l->held.is_failed)
        lose(l, l->no_memory);
}

static void finish(struct mcp_lines *l)
{
    bool is_whole = !l->is_skipping;
    l->is_skipping = false;
    if (is_whole)
        l->line(l->ctx, span_make(l->held.p, l->held.len));
    buffer_clear(&l->held);
}

void mcp_lines_feed(struct mcp_lines *l, struct span bytes)
{
    while (bytes.n > 0) {
        const uint8_t *lf = memchr(bytes.p, '\n', bytes.n);
        size_t n = lf != NULL ? (size_t)(lf - bytes.p) : bytes.n;
        hold(l, span_sub(bytes, 0, n));
        if (lf != NULL)
            finish(l);
        bytes = span_sub(bytes, n + (lf != NULL), bytes.n);
    }
}

void mcp_lines_end(struct mcp_lines *l)
{
    if (l->held.len > 0 || l->is_skipping)
        finish(l);
}

void mcp_lines_wipe(struct mcp_lines *l)
{
    buffer_wipe(&l->held);
}
