#include "daemon/mcp_schema.h"

#include <string.h>

#include "adit.h"

#define ID                                                                                                 \
    "\"tunnel_id\":{\"type\":\"string\",\"description\":\"The tunnel's id, as ssh_tunnel_create returned " \
    "it, or its name\"}"
#define PORT(from) "{\"type\":\"integer\",\"minimum\":" from ",\"maximum\":65535,\"description\":"
#define HINTS(read_only, destructive, idempotent)                                      \
    "\"annotations\":{\"readOnlyHint\":" read_only ",\"destructiveHint\":" destructive \
    ",\"idempotentHint\":" idempotent ",\"openWorldHint\":true}"

static const struct {
    const char *name;
    unsigned group;
    const char *json;
} tools[] = {
    {"ssh_tunnel_list", MCP_TOOLS_READ,
     "{\"name\":\"ssh_tunnel_list\",\"title\":\"List SSH tunnels\","
     "\"description\":\"Lists the SSH tunnels that are open, with state, addresses and counters.\","
     "\"inputSchema\":{\"type\":\"object\",\"properties\":{"
     "\"server\":{\"type\":\"string\",\"description\":\"Only the tunnels of this server\"}},"
     "\"additionalProperties\":false}," HINTS("true", "false", "true") "}"},
    {"ssh_tunnel_status", MCP_TOOLS_READ,
     "{\"name\":\"ssh_tunnel_status\",\"title\":\"Status of an SSH tunnel\","
     "\"description\":\"Shows one tunnel: its state, where it listens, its counters and its last error.\","
     "\"inputSchema\":{\"type\":\"object\",\"properties\":{" ID "},\"required\":[\"tunnel_id\"],"
     "\"additionalProperties\":false}," HINTS("true", "false", "true") "}"},
    {"ssh_tunnel_wait", MCP_TOOLS_READ,
     "{\"name\":\"ssh_tunnel_wait\",\"title\":\"Wait for an SSH tunnel\","
     "\"description\":\"Waits until a tunnel is active, for instance while it reconnects.\","
     "\"inputSchema\":{\"type\":\"object\",\"properties\":{" ID ","
     "\"timeout\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":3600,\"default\":30,"
     "\"description\":\"Seconds to wait at most\"}},\"required\":[\"tunnel_id\"],"
     "\"additionalProperties\":false}," HINTS("true", "false", "true") "}"},
    {"ssh_tunnel_create", MCP_TOOLS_TUNNEL,
     "{\"name\":\"ssh_tunnel_create\",\"title\":\"Create an SSH tunnel\","
     "\"description\":\"Opens an SSH tunnel and waits until it is active. local: a port here leads to "
     "remoteHost:remotePort as the server sees it. remote: a port at the server leads to "
     "localHost:localPort here. dynamic: a SOCKS proxy here. Only servers and destinations that the "
     "user has allowed can be reached. The tunnel ends with its ttl and with this session.\","
     "\"inputSchema\":{\"type\":\"object\",\"properties\":{"
     "\"server\":{\"type\":\"string\",\"description\":\"A Host alias of ssh_config, a Profile or Tunnel of "
     "adit.conf, or an allowed host\"},"
     "\"type\":{\"type\":\"string\",\"enum\":[\"local\",\"remote\",\"dynamic\"]},"
     "\"localHost\":{\"type\":\"string\",\"default\":\"127.0.0.1\",\"description\":\"local and dynamic: the "
     "loopback address to listen on; remote: the target\"},"
     "\"localPort\":" PORT(
         "0") "\"local and dynamic: the port to listen on, 0 for any free one; remote: the "
              "target's port\"},"
              "\"remoteHost\":{\"type\":\"string\",\"description\":\"local: the target; remote: the address "
              "to "
              "listen on at the server; not for dynamic\"},"
              "\"remotePort\":" PORT(
                  "0") "\"local: the target's port; remote: the port to listen on at the server, 0 "
                       "for any free one; not for dynamic\"},"
                       "\"name\":{\"type\":\"string\",\"description\":\"A name for people\"},"
                       "\"ttl\":{\"type\":\"integer\",\"minimum\":1,\"default\":3600,\"description\":"
                       "\"Seconds until the tunnel "
                       "is closed by itself\"}},\"required\":[\"server\",\"type\",\"localPort\"],"
                       "\"additionalProperties\":false}," HINTS("false", "false", "false") "}"},
    {"ssh_tunnel_close", MCP_TOOLS_TUNNEL,
     "{\"name\":\"ssh_tunnel_close\",\"title\":\"Close SSH tunnels\","
     "\"description\":\"Closes one tunnel, or all tunnels of a server: ends its connections and frees its "
     "ports.\",\"inputSchema\":{\"type\":\"object\",\"properties\":{" ID ","
     "\"server\":{\"type\":\"string\",\"description\":\"Instead of tunnel_id: all tunnels of this server\"}},"
     "\"additionalProperties\":false}," HINTS("false", "true", "true") "}"},
};

const char *mcp_schema(const char *tool)
{
    for (size_t i = 0; i < ADIT_COUNT(tools); i++)
        if (strcmp(tools[i].name, tool) == 0)
            return tools[i].json;
    return NULL;
}

bool mcp_schema_has(unsigned groups, const char *tool)
{
    for (size_t i = 0; i < ADIT_COUNT(tools); i++)
        if (strcmp(tools[i].name, tool) == 0)
            return (groups & tools[i].group) != 0;
    return false;
}

json_t *mcp_schema_list(unsigned groups)
{
    json_t *list = json_array();
    for (size_t i = 0; i < ADIT_COUNT(tools); i++)
        if ((groups & tools[i].group) != 0 &&
            json_array_append_new(list, json_loads(tools[i].json, 0, NULL)) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}
