/*
 * mcp_create.h - the arguments of the tool ssh_tunnel_create, as a definition: what it may ask for is decided
 * here.
 *
 * Errors are an adit_error whose kind and text are shown to whoever asked: ADIT_E_USAGE for what is wrong,
 * ADIT_E_FORWARD for what is not allowed, ADIT_E_MEMORY.
 */
#ifndef DAEMON_MCP_CREATE_H
#define DAEMON_MCP_CREATE_H

#include <jansson.h>

#include "daemon/conf.h"
#include "daemon/definition.h"
#include "daemon/mcp_allow.h"

enum {
    MCP_TTL_S = 3600, /* of a tunnel whose maker does not say */
    MCP_RETRIES = 5,
    MCP_BACKOFF_FIRST_MS = 2000, /* 2, 4, 8, 16, 30 s */
    MCP_BACKOFF_CAP_MS = 30 * 1000,
};

/* What the command line and the files say. Borrowed. */
struct mcp_limits {
    const struct mcp_allow *allow;
    const struct conf *conf;
    uint32_t max_ttl_s;
};

struct mcp_wish {
    struct definition definition; /* of origin MCP, right by definition_check */
    char *server;                 /* as it was given */
    uint32_t ttl_s;
};

/* name: the tunnel's, where none is given. On failure there is nothing to wipe. */
enum adit_err mcp_wish_read(struct mcp_wish *out, const json_t *arguments, const struct mcp_limits *limits,
                            const char *name, struct adit_error *err) ADIT_MUST_USE;
void mcp_wish_wipe(struct mcp_wish *w);

/* The arguments are these and no others (a list of names that ends with NULL): else ADIT_E_USAGE. */
enum adit_err mcp_arguments_known(const json_t *arguments, const char *const *names,
                                  struct adit_error *err) ADIT_MUST_USE;
/* A text; NULL: not given, or null. ADIT_E_USAGE: it is something else. */
enum adit_err mcp_argument_text(const json_t *arguments, const char *name, const char **out,
                                struct adit_error *err) ADIT_MUST_USE;
/* An integer; *has: it was given. ADIT_E_USAGE: it is something else, or out of bounds. */
enum adit_err mcp_argument_number(const json_t *arguments, const char *name, uint32_t min, uint32_t max,
                                  bool *has, uint32_t *out, struct adit_error *err) ADIT_MUST_USE;

#endif
