/*
 * mcp_answer.h - the results of tools: what there is to know, or an error {kind, message} (MCP's isError).
 *
 * Each answers the request, which is gone then.
 */
#ifndef DAEMON_MCP_ANSWER_H
#define DAEMON_MCP_ANSWER_H

#include "daemon/definition.h"
#include "daemon/mcp_rpc.h"

/* Takes structured (NULL: there was no memory for it), which is shown as text too. */
void mcp_answer(struct mcp_request *request, json_t *structured);

void mcp_fail(struct mcp_request *request, const struct adit_error *err);
void mcp_fail_kind(struct mcp_request *request, const char *kind, const char *message);
void mcp_fail_unknown(struct mcp_request *request, const char *id); /* "Tunnel X not found" */
void mcp_fail_definition(struct mcp_request *request, const struct definition_error *error);
void mcp_fail_memory(struct mcp_request *request);

#endif
