/*
 * mcp_allow.h - what whoever speaks MCP to us may reach: nothing that the command line, the configuration or
 * ssh_config does not name.
 */
#ifndef DAEMON_MCP_ALLOW_H
#define DAEMON_MCP_ALLOW_H

#include "adit.h"
#include "client/jump_spec.h"
#include "client/texts.h"

struct mcp_allow {
    struct texts targets; /* --allow: "HOST:PORT", either part a glob; empty: none */
    struct texts locals;  /* --allow-local: the same, what a remote forward may lead to */
    struct texts servers; /* --allow-server: globs of hosts, or of host:port; a leading '!' excludes */
};

void mcp_allow_init(struct mcp_allow *a);
void mcp_allow_wipe(struct mcp_allow *a);

/* One more. ADIT_E_USAGE: it is malformed; ADIT_E_MEMORY. */
enum adit_err mcp_allow_add(struct texts *to, const char *text, struct adit_error *err) ADIT_MUST_USE;
enum adit_err mcp_allow_add_server(struct mcp_allow *a, const char *text,
                                   struct adit_error *err) ADIT_MUST_USE;

/* list: targets or locals. host: a name, or an address without brackets. */
bool mcp_allow_has(const struct texts *list, const char *host, uint16_t port);
bool mcp_allow_has_server(const struct mcp_allow *a, const struct jump_spec *server);

#endif
