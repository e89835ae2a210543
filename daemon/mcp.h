/*
 * mcp.h - `adit mcp`: tunnels for a program that speaks the Model Context Protocol on two descriptors, one
 * JSON-RPC message a line. The tunnels are this process's own or a daemon's, and end with it.
 */
#ifndef DAEMON_MCP_H
#define DAEMON_MCP_H

#include "adit.h"
#include "daemon/mcp_allow.h"

enum {
    MCP_END_MS = 700,              /* after the input's end: no more waiting */
    MCP_OUT_MAX = 4 * 1024 * 1024, /* answers that nobody reads: no more questions are taken */
    MCP_TTL_MAX_S = 24 * 3600,     /* --max-ttl's default */
};

/* Borrowed. */
struct mcp_args {
    const char *socket;      /* of the daemon; NULL: the tunnels are this process's own */
    const char *config_file; /* NULL: $ADIT_CONFIG, or the default files. Not read with a daemon */
    unsigned groups;         /* of mcp_schema.h */
    struct mcp_allow allow;
    uint32_t max_ttl_s;
    int in_fd, out_fd, log_fd; /* they stay as they are: nothing about them is changed */
};

/* Once, in a process that ignores SIGPIPE. Returns when the input ends or nobody takes the answers any more,
 * with all tunnels closed; where a connection's thread has not let go in MCP_END_MS, nothing is freed, and
 * the process must end. ADIT_E_CONFIG, ADIT_E_SYSTEM, ADIT_E_MEMORY. */
enum adit_err mcp_run(const struct mcp_args *args, struct adit_error *err) ADIT_MUST_USE;

#endif
