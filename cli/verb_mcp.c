/* `adit mcp`: its options. */
#include <string.h>
#include <unistd.h>

#include "cli/verb_call.h"
#include "client/units.h"
#include "daemon/conf.h"
#include "daemon/conf_paths.h"
#include "daemon/mcp.h"
#include "daemon/mcp_schema.h"

enum { KEY_TOOLS = 2, KEY_ALLOW, KEY_ALLOW_SERVER, KEY_ALLOW_LOCAL, KEY_MAX_TTL, KEY_CONFIG };

static const struct verb_option options[] = {{"tools", 0, true, KEY_TOOLS},
                                             {"allow", 0, true, KEY_ALLOW},
                                             {"allow-server", 0, true, KEY_ALLOW_SERVER},
                                             {"allow-local", 0, true, KEY_ALLOW_LOCAL},
                                             {"max-ttl", 0, true, KEY_MAX_TTL},
                                             {"", 'c', true, KEY_CONFIG},
                                             {0}};

static enum adit_err take_tools(struct mcp_args *a, const char *value, struct adit_error *err)
{
    struct span rest = span_str(value), word;
    a->groups = 0;
    while (text_comma(&rest, &word)) {
        if (!span_is(word, "read") && !span_is(word, "tunnel"))
            return adit_fail(err, ADIT_E_USAGE, "--tools: '%.*s' is neither read nor tunnel",
                             (int)(word.n < 100 ? word.n : 100), (const char *)word.p);
        a->groups |= span_is(word, "read") ? MCP_TOOLS_READ : MCP_TOOLS_TUNNEL;
    }
    return a->groups != 0 ? ADIT_E_OK : adit_fail(err, ADIT_E_USAGE, "--tools: there are read and tunnel");
}

static enum adit_err take_ttl(struct mcp_args *a, const char *value, struct adit_error *err)
{
    if (units_time(span_str(value), &a->max_ttl_s) && a->max_ttl_s > 0)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_USAGE, "--max-ttl: '%.100s' is not a time of a second or more", value);
}

static bool take(void *ctx, int key, const char *value, struct adit_error *err)
{
    struct mcp_args *a = ctx;
    switch (key) {
    case KEY_TOOLS:
        return take_tools(a, value, err) == ADIT_E_OK;
    case KEY_ALLOW:
        return mcp_allow_add(&a->allow.targets, value, err) == ADIT_E_OK;
    case KEY_ALLOW_LOCAL:
        return mcp_allow_add(&a->allow.locals, value, err) == ADIT_E_OK;
    case KEY_ALLOW_SERVER:
        return mcp_allow_add_server(&a->allow, value, err) == ADIT_E_OK;
    case KEY_MAX_TTL:
        return take_ttl(a, value, err) == ADIT_E_OK;
    default:
        a->config_file = value;
        return true;
    }
}

/* Where that file says; without -c as every verb. */
static enum adit_err socket_find(struct verb_call *c, const char *config_file, struct adit_error *err)
{
    struct conf conf;
    struct conf_world world;
    char path[EXPAND_PATH_CAP];
    if (config_file == NULL)
        return ADIT_E_OK;
    conf_world_init(&world);
    conf_init(&conf);
    enum adit_err e = conf_load(&conf, config_file, err);
    if (e == ADIT_E_OK)
        e = conf_path_socket(&world, c->socket_given, conf.socket, path, err);
    if (e == ADIT_E_OK)
        (void)adit_format(c->socket, sizeof c->socket, "%s", path);
    conf_wipe(&conf);
    return e;
}

static int run(struct verb_call *c, struct mcp_args *args)
{
    struct adit_error err = {0};
    if (socket_find(c, args->config_file, &err) != ADIT_E_OK)
        return verb_fail(&err);
    if (http_client_is_answered(c->socket))
        args->socket = c->socket;
    return mcp_run(args, &err) == ADIT_E_OK ? 0 : verb_fail(&err);
}

int verb_mcp(struct verb_call *c)
{
    struct mcp_args args = {.groups = MCP_TOOLS_READ,
                            .max_ttl_s = MCP_TTL_MAX_S,
                            .in_fd = STDIN_FILENO,
                            .out_fd = STDOUT_FILENO,
                            .log_fd = STDERR_FILENO};
    int status;
    mcp_allow_init(&args.allow);
    if (verb_parse(c, options, &args, take, 0, 0, &status))
        status = run(c, &args);
    mcp_allow_wipe(&args.allow);
    return status;
}
