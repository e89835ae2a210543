/*
 * mcp_engine.h - who has the tunnels of `adit mcp`: a registry in this process (mcp_own.c), or a daemon that
 * runs (mcp_remote.c). What a tool does is the same in both: mcp_tools.h, here or there.
 *
 * All on the thread of mcp.c's loop. Nothing here blocks.
 */
#ifndef DAEMON_MCP_ENGINE_H
#define DAEMON_MCP_ENGINE_H

#include "daemon/mcp.h"
#include "daemon/mcp_rpc.h"
#include "net/loop.h"

/* Descriptors of these kinds are the engine's; so is every timer that is not mcp.c's. */
enum { MCP_ENGINE_FD = 0x10, MCP_ENGINE_FD_LAST = 0x1f };

struct mcp_engine;
struct mcp_engine_ops {
    /* As struct mcp_rpc_ops.call. */
    bool (*call)(struct mcp_engine *e, const char *tool, const json_t *arguments,
                 struct mcp_request *request);
    void (*on_fd)(struct mcp_engine *e, struct loop_fd *f);
    void (*on_timer)(struct mcp_engine *e, struct loop_timer *t);
    /* Closes all tunnels that were made; what waits is not answered any more, and nothing is called. */
    void (*end)(struct mcp_engine *e);
    bool (*has_ended)(const struct mcp_engine *e); /* after end: nothing is left of them */
    void (*free)(struct mcp_engine *e);
};
struct mcp_engine {
    const struct mcp_engine_ops *ops;
};

/* args and loop outlive it. NULL: err says why, as mcp_run. */
struct mcp_engine *mcp_own_new(const struct mcp_args *args, struct loop *loop, struct adit_error *err);
/* The daemon at args->socket. It is not asked for anything before the first call; each call that finds none
 * there any more is answered by an error, and the next one looks again. */
struct mcp_engine *mcp_remote_new(const struct mcp_args *args, struct loop *loop, struct adit_error *err);

#endif
