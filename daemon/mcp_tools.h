/*
 * mcp_tools.h - the tools of `adit mcp`, on a registry of tunnels.
 *
 *     read:    ssh_tunnel_list {server?}   ssh_tunnel_status {tunnel_id}   ssh_tunnel_wait {tunnel_id,
 * timeout?} tunnel:  ssh_tunnel_create {server, type, localHost?, localPort, remoteHost?, remotePort?, name?,
 * ttl?} ssh_tunnel_close {tunnel_id | server}
 *
 * They show and close the tunnels that were made by them, and no others. A tunnel that does not become active
 * is removed; one that is ends with its ttl. All on the registry's thread.
 */
#ifndef DAEMON_MCP_TOOLS_H
#define DAEMON_MCP_TOOLS_H

#include "daemon/mcp_create.h"
#include "daemon/mcp_rpc.h"
#include "daemon/tunnels.h"

enum {
    MCP_TOOLS_READ = 1, /* bits */
    MCP_TOOLS_TUNNEL = 2,

    MCP_TUNNELS_MAX = 64, /* a port or more each; a model in a circle must not take them all */
    MCP_JOBS_MAX = 64,    /* calls that wait at a time: each a few hundred bytes */
    MCP_CREATE_MS = 30 * 1000,
    MCP_WAIT_S = 30,
    MCP_WAIT_MAX_S = 3600,

    MCP_TOOLS_TIMER = 0x200, /* kind of our timers: mcp_tools_on_timer */
};

struct mcp_tools;
struct mcp_tools_config {
    struct loop *loop;
    struct tunnels *tunnels;
    struct mcp_limits limits; /* what it points to outlives the tools */
    unsigned groups;
};

enum adit_err mcp_tools_new(struct mcp_tools **out, const struct mcp_tools_config *config,
                            struct adit_error *err) ADIT_MUST_USE;
/* Before its rpc and its registry go. What waits is not answered any more; tunnels stay in the registry. */
void mcp_tools_free(struct mcp_tools *t);

void mcp_tools_on_timer(struct mcp_tools *t, struct loop_timer *timer);

/* For struct mcp_rpc_ops; ctx is the tools. */
json_t *mcp_tools_list(void *ctx);
bool mcp_tools_call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request);

#endif
