/*
 * api_routes.c - what there is. Each of these stands in openapi.json too.
 */
#include "daemon/api_internal.h"

#define READS   API_ROUTE_READS
#define CHANGES API_ROUTE_CHANGES
#define BODY    API_ROUTE_TAKES_BODY
#define LOCAL   API_ROUTE_UNIX_ONLY

const struct api_route api_routes[] = {
    {"GET", "/tunnels", READS, api_list_tunnels},
    {"POST", "/tunnels", CHANGES | BODY, api_add_tunnel},
    {"GET", "/tunnels/status", READS, api_tunnels_status},
    {"POST", "/tunnels/start-all", CHANGES, api_start_all},
    {"POST", "/tunnels/stop-all", CHANGES, api_stop_all},
    {"GET", "/tunnels/{id}", READS, api_get_tunnel},
    {"PUT", "/tunnels/{id}", CHANGES | BODY, api_change_tunnel},
    {"DELETE", "/tunnels/{id}", CHANGES, api_remove_tunnel},
    {"POST", "/tunnels/{id}/start", CHANGES, api_start_tunnel},
    {"POST", "/tunnels/{id}/stop", CHANGES, api_stop_tunnel},
    {"POST", "/tunnels/{id}/reconnect", CHANGES, api_reconnect_tunnel},
    {"POST", "/tunnels/{id}/trust", CHANGES | BODY, api_trust_tunnel},
    {"GET", "/tunnels/{id}/connections", READS, api_connections},
    {"GET", "/tunnels/{id}/prompt", LOCAL, api_get_prompt},
    {"POST", "/tunnels/{id}/prompt", CHANGES | BODY | LOCAL, api_answer_prompt},
    {"POST", "/sessions", CHANGES | BODY, api_open_session},
    {"POST", "/mcp", CHANGES | BODY | LOCAL, api_mcp_open},
    {"POST", "/mcp/{id}/call", CHANGES | BODY | LOCAL, api_mcp_call},
    {"GET", "/profiles", READS, api_profiles},
    {"GET", "/events", READS, api_events},
    {"GET", "/logs", READS, api_logs},
    {"GET", "/healthz", API_ROUTE_OPEN, api_healthz},
    {"GET", "/readyz", READS, api_readyz},
    {"GET", "/version", READS, api_version},
    {"GET", "/metrics", READS, api_metrics},
    {"GET", "/openapi.json", READS, api_openapi},
    {"GET", "/", API_ROUTE_OPEN, api_page},
    {"POST", "/reload", CHANGES | API_ROUTE_MAY_BODY | LOCAL, api_reload},
    {"POST", "/ui", CHANGES | LOCAL, api_ui},
};
const size_t api_route_count = ADIT_COUNT(api_routes);
