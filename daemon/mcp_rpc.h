/*
 * mcp_rpc.h - the Model Context Protocol's messages: JSON-RPC 2.0, one message a line. No I/O here.
 *
 *     mcp_rpc_init(&r, &ops);
 *     for each line: mcp_rpc_line(&r, line);        answers go to ops.write, now or later
 *     mcp_rpc_wipe(&r);
 *
 * Known: initialize, ping, tools/list, tools/call; every notification is ignored. Errors are JSON-RPC's:
 * -32700 no JSON, -32600 no request, -32601 no such method, -32602 wrong params or no such tool, -32603 no
 * memory. Arrays of messages are taken after an initialize with a version that has them (2024-11-05,
 * 2025-03-26).
 */
#ifndef DAEMON_MCP_RPC_H
#define DAEMON_MCP_RPC_H

#include <jansson.h>

#include "adit.h"

enum {
    MCP_E_PARSE = -32700,
    MCP_E_REQUEST = -32600,
    MCP_E_METHOD = -32601,
    MCP_E_PARAMS = -32602,
    MCP_E_INTERNAL = -32603,
};

/* A tools/call that waits for its answer: it gets exactly one, or none when whoever made it ends first. */
struct mcp_request {
    void (*answer)(struct mcp_request *request, json_t *result); /* takes result; ends the request */
};

struct mcp_rpc_ops {
    void *ctx;
    json_t *(*tools)(void *ctx); /* an array of tools: a new reference; NULL: no memory */
    /* Answers now or later, by mcp_request_answer. arguments: an object, borrowed. False: there is no such
     * tool, and request is not its any more. */
    bool (*call)(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request);
    void (*write)(void *ctx, const char *line, size_t len); /* one message, with its line end */
};

struct mcp_rpc {
    struct mcp_rpc_ops ops;
    const struct mcp_version *version; /* NULL: no initialize yet */
    struct mcp_waiting *requests;      /* those that wait */
};

void mcp_rpc_init(struct mcp_rpc *r, const struct mcp_rpc_ops *ops);
/* What still waits gets no answer; who holds a request must have let go of it. */
void mcp_rpc_wipe(struct mcp_rpc *r);

/* One message, or an array of them; a blank line is none. */
void mcp_rpc_line(struct mcp_rpc *r, struct span line);
/* A line that was too long to be kept, and one that there was no memory for. */
void mcp_rpc_too_long(struct mcp_rpc *r);
void mcp_rpc_no_memory(struct mcp_rpc *r);

/* result is taken; NULL: there was no memory for it. The request is gone then. */
void mcp_request_answer(struct mcp_request *request, json_t *result);

#endif
