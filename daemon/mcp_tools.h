/*
 * mcp_tools.h - the tools of `adit mcp`, on a registry of tunnels.
 *
 *     read:   ssh_tunnel_list {server?}
 *             ssh_tunnel_status {tunnel_id}
 *             ssh_tunnel_wait {tunnel_id, timeout?}
 *     tunnel: ssh_tunnel_create {server, type, localHost?, localPort, remoteHost?, remotePort?, name?, ttl?}
 *             ssh_tunnel_close {tunnel_id | server}
 *
 * They show every tunnel of the registry, and close those that were made by them, no others. A tunnel that
 * does not become active is removed; one that is ends with its ttl. All on the registry's thread.
 */
#ifndef DAEMON_MCP_TOOLS_H
#define DAEMON_MCP_TOOLS_H

#include "daemon/mcp_create.h"
#include "daemon/mcp_rpc.h"
#include "daemon/mcp_schema.h"
#include "daemon/tunnels.h"

enum {
    MCP_TUNNELS_MAX = 64, /* a port or more each; a model in a circle must not take them all */
    MCP_JOBS_MAX = 64,    /* calls that wait at a time: each a few hundred bytes */
    MCP_CREATE_MS = 30 * 1000,
    MCP_WAIT_S = 30,
    MCP_WAIT_MAX_S = 3600,

    MCP_TOOLS_TIMER = 0x121, /* kind of our timers: mcp_tools_on_timer */
};

struct mcp_tools;
struct mcp_tools_config {
    struct loop *loop;
    struct tunnels *tunnels; /* its configuration, as it is at each call, says which servers there are */
    const struct mcp_allow *allow; /* outlives the tools */
    uint32_t max_ttl_s;
    unsigned groups; /* of mcp_schema.h */
};

enum adit_err mcp_tools_new(struct mcp_tools **out, const struct mcp_tools_config *config,
                            struct adit_error *err) ADIT_MUST_USE;
/* Removes the tunnels that were made. What waits is not answered any more. */
void mcp_tools_end(struct mcp_tools *t);
/* Before the requests and the registry go. What waits is not answered any more; tunnels stay. NULL is fine.
 */
void mcp_tools_free(struct mcp_tools *t);

void mcp_tools_on_timer(struct loop_timer *timer);

/* For struct mcp_rpc_ops; ctx is the tools. */
bool mcp_tools_call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request);

#endif
