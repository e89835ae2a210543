/*
 * mcp_schema.h - what tools/list says of each tool.
 */
#ifndef DAEMON_MCP_SCHEMA_H
#define DAEMON_MCP_SCHEMA_H

/* A JSON object: name, title, description, inputSchema, annotations. NULL: there is no such tool. */
const char *mcp_schema(const char *tool);

#endif
