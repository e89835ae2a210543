/*
 * mcp_schema.h - what tools/list says of each tool.
 */
#ifndef DAEMON_MCP_SCHEMA_H
#define DAEMON_MCP_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

enum { /* groups of tools: bits */
       MCP_TOOLS_READ = 1,
       MCP_TOOLS_TUNNEL = 2,
};

/* A JSON object: name, title, description, inputSchema, annotations. NULL: there is no such tool. */
const char *mcp_schema(const char *tool);

/* There is such a tool in these groups. */
bool mcp_schema_has(unsigned groups, const char *tool);
/* All of these groups, as an array: a new reference; NULL: no memory. */
json_t *mcp_schema_list(unsigned groups);

#endif
