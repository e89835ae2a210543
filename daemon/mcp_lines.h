/*
 * mcp_lines.h - bytes as they come, cut into lines of a bounded length. No I/O here.
 */
#ifndef DAEMON_MCP_LINES_H
#define DAEMON_MCP_LINES_H

#include "daemon/buffer.h"

enum { MCP_LINE_MAX = 1024 * 1024 }; /* bytes, without the line end: as the API's bodies */

struct mcp_lines {
    void *ctx;
    void (*line)(void *ctx, struct span line); /* without its LF; borrowed */
    /* Instead of a line that is lost, once: as soon as it is longer, or there is no memory for more of it. */
    void (*too_long)(void *ctx);
    void (*no_memory)(void *ctx);

    /* its own, all zero at first */
    struct buffer held;
    bool is_skipping;
};

void mcp_lines_feed(struct mcp_lines *l, struct span bytes);
/* No more comes: what stands behind the last LF is a line too. */
void mcp_lines_end(struct mcp_lines *l);
void mcp_lines_wipe(struct mcp_lines *l);

#endif
