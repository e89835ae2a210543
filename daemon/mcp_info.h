/*
 * mcp_info.h - a tunnel as MCP shows it.
 *
 *     {id, name, server, type, state, config{localHost, localPort, remoteHost, remotePort}, listen[],
 *      stats{bytesTransferred, connectionsTotal, connectionsActive, errors, createdAt, lastActivity},
 *      bytesSent, bytesReceived, activeConnections, created, lastActivity, lastError, expires}
 *
 * state: connecting, active, reconnecting, failed, closed. A port that was any free one is the one that it
 * became, as soon as that is known. Times are RFC 3339, UTC. What is not there is null.
 */
#ifndef DAEMON_MCP_INFO_H
#define DAEMON_MCP_INFO_H

#include <jansson.h>

#include "daemon/tunnel.h"

enum { MCP_PEER_TEXT_CHARS = 200, MCP_PEER_TEXT_CAP = 4 * MCP_PEER_TEXT_CHARS + 1 };

/* A new object; NULL: no memory. server: as it was asked for. expires: Unix time. */
json_t *mcp_info_json(const struct tunnel *tunnel, const char *server, int64_t expires) ADIT_MUST_USE;
const char *mcp_info_state(const struct tunnel *tunnel);

/* What another machine may have said, for a program that reads it as text: without control characters, and
 * not more than MCP_PEER_TEXT_CHARS characters of it. */
void mcp_info_peer_text(char out[static MCP_PEER_TEXT_CAP], const char *text);

#endif
