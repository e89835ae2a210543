#include "daemon/mcp_create.h"

#include <stdlib.h>
#include <string.h>

#include "client/jump_spec.h"

static enum adit_err wrong(struct adit_error *err, const char *text)
{
    return adit_fail(err, ADIT_E_USAGE, "%s", text);
}

static enum adit_err no_memory(struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

/* ---- Arguments ---- */

enum adit_err mcp_arguments_known(const json_t *arguments, const char *const *names, struct adit_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)arguments, name, value)
    {
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], name) != 0)
            i++;
        if (names[i] == NULL)
            return adit_fail(err, ADIT_E_USAGE, "Unknown argument: %s", name);
    }
    return ADIT_E_OK;
}

enum adit_err mcp_argument_text(const json_t *arguments, const char *name, const char **out,
                                struct adit_error *err)
{
    const json_t *value = json_object_get(arguments, name);
    *out = json_string_value(value);
    if (value != NULL && !json_is_null(value) && *out == NULL)
        return adit_fail(err, ADIT_E_USAGE, "%s must be a string", name);
    return ADIT_E_OK;
}

enum adit_err mcp_argument_number(const json_t *arguments, const char *name, uint32_t min, uint32_t max,
                                  bool *has, uint32_t *out, struct adit_error *err)
{
    const json_t *value = json_object_get(arguments, name);
    json_int_t n = json_integer_value(value);
    *has = value != NULL && !json_is_null(value);
    if (*has && (!json_is_integer(value) || n < (json_int_t)min || n > (json_int_t)max))
        return adit_fail(err, ADIT_E_USAGE, "%s must be an integer from %u to %u", name, (unsigned)min,
                         (unsigned)max);
    *out = (uint32_t)n;
    return ADIT_E_OK;
}

/* ---- The server ---- */

/* is_unsure: it may be one, but not all could be had. */
static bool is_alias(const struct conf *conf, const char *name, bool *is_unsure)
{
    struct texts aliases;
    texts_init(&aliases);
    bool are_all = conf_aliases(conf->ssh_config, &aliases), is = texts_has(&aliases, name);
    *is_unsure = !are_all && !is;
    texts_wipe(&aliases);
    return is;
}

static enum adit_err set_server(struct definition *d, const char *host, const char *user, uint16_t port,
                                const char *profile, struct adit_error *err)
{
    d->port = port;
    return definition_set(&d->host, host) && definition_set(&d->user, user) &&
                   definition_set(&d->profile_id, profile)
               ? ADIT_E_OK
               : no_memory(err);
}

/* The way of a tunnel of the configuration. */
static enum adit_err set_tunnel(struct definition *d, const struct definition *from, struct adit_error *err)
{
    enum adit_err e = set_server(d, from->host, from->user, from->port,
                                 from->profile_id != NULL ? from->profile_id : CONF_PROFILE_DEFAULT, err);
    bool ok = definition_set(&d->jump_host_id, from->jump_host_id) &&
              definition_set(&d->jump_session_id, from->jump_session_id);
    for (size_t i = 0; i < from->keywords.count && ok; i++)
        ok = texts_add(&d->keywords, span_str(from->keywords.item[i]));
    return e == ADIT_E_OK && !ok ? no_memory(err) : e;
}

static enum adit_err set_allowed(struct definition *d, const char *server, const struct mcp_allow *allow,
                                 struct adit_error *err)
{
    struct jump_spec spec;
    if (jump_spec_parse(&spec, span_str(server), NULL) != ADIT_E_OK)
        return adit_fail(err, ADIT_E_USAGE, "Invalid server: %.200s", server);
    if (!mcp_allow_has_server(allow, &spec))
        return adit_fail(err, ADIT_E_FORWARD,
                         "server not allowed: %s (start adit mcp with --allow-server %s)", server, spec.host);
    return set_server(d, spec.host, spec.user[0] != 0 ? spec.user : NULL, spec.port, CONF_PROFILE_DEFAULT,
                      err);
}

static enum adit_err read_server(struct mcp_wish *w, const json_t *arguments, const struct mcp_limits *limits,
                                 struct adit_error *err)
{
    const char *server = NULL;
    if (mcp_argument_text(arguments, "server", &server, err) != ADIT_E_OK)
        return err->code;
    if (server == NULL || server[0] == 0)
        return wrong(err, "Server required");
    if (!definition_set(&w->server, server))
        return no_memory(err);
    const struct definition *tunnel = conf_tunnel(limits->conf, server);
    bool is_unsure;
    if (is_alias(limits->conf, server, &is_unsure))
        return set_server(&w->definition, server, NULL, 0, CONF_PROFILE_DEFAULT, err);
    if (conf_profile(limits->conf, server) != NULL)
        return set_server(&w->definition, server, NULL, 0, server, err);
    if (tunnel != NULL)
        return set_tunnel(&w->definition, tunnel, err);
    if (is_unsure)
        return adit_fail(err, ADIT_E_MEMORY, "%s", CONF_ALIASES_LACK);
    return set_allowed(&w->definition, server, limits->allow, err);
}

/* ---- The forward ---- */

static enum adit_err read_type(struct definition *d, const json_t *arguments, struct adit_error *err)
{
    enum forward_type type = FORWARD_LOCAL;
    struct definition_error ignored;
    const char *text = NULL;
    if (mcp_argument_text(arguments, "type", &text, err) != ADIT_E_OK)
        return err->code;
    if (text == NULL)
        return wrong(err, "Tunnel type required: local, remote or dynamic");
    if (!definition_type_parse(&type, text, &ignored))
        return adit_fail(err, ADIT_E_USAGE, "Invalid tunnel type: %s", text);
    return definition_forward_add(d, type) != NULL ? ADIT_E_OK : no_memory(err);
}

static enum adit_err read_remote(struct definition_forward *f, const json_t *arguments,
                                 struct adit_error *err)
{
    const char *host = NULL;
    uint32_t port = 0;
    if (mcp_argument_text(arguments, "remoteHost", &host, err) != ADIT_E_OK ||
        mcp_argument_number(arguments, "remotePort", 0, UINT16_MAX, &f->has_remote_port, &port, err) !=
            ADIT_E_OK)
        return err->code;
    bool is_given = host != NULL && host[0] != 0 && f->has_remote_port;
    f->remote_port = (uint16_t)port;
    if (f->type == FORWARD_DYNAMIC)
        return host == NULL && !f->has_remote_port
                   ? ADIT_E_OK
                   : wrong(err, "remoteHost and remotePort are not for type dynamic");
    if (!is_given || (port == 0 && f->type == FORWARD_LOCAL))
        return wrong(err, "Remote host and port required for port forwarding");
    return definition_set(&f->remote_host, host) ? ADIT_E_OK : no_memory(err);
}

static enum adit_err read_local(struct definition_forward *f, const json_t *arguments, struct adit_error *err)
{
    const char *host = NULL;
    uint32_t port = 0;
    uint32_t min = f->type == FORWARD_REMOTE; /* the target's port: 0 is none */
    if (mcp_argument_text(arguments, "localHost", &host, err) != ADIT_E_OK ||
        mcp_argument_number(arguments, "localPort", min, UINT16_MAX, &f->has_local_port, &port, err) !=
            ADIT_E_OK)
        return err->code;
    if (!f->has_local_port)
        return wrong(err, "Local port required");
    f->local_port = (uint16_t)port;
    if (host == NULL || strcmp(host, "127.0.0.1") == 0)
        return ADIT_E_OK;
    return definition_set(&f->bind_address, host) ? ADIT_E_OK : no_memory(err);
}

static enum adit_err refuse(const char *host, uint16_t port, const char *option, struct adit_error *err)
{
    char text[2 * LIMIT_HOST];
    bool has_colon = strchr(host, ':') != NULL;
    (void)adit_format(text, sizeof text, has_colon ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
    return adit_fail(err, ADIT_E_FORWARD, "destination not allowed: %s (start adit mcp with %s %s)", text,
                     option, text);
}

/* A dynamic one is judged at each connection, by the session. */
static enum adit_err set_destinations(struct definition *d, const struct mcp_allow *allow,
                                      struct adit_error *err)
{
    bool ok = allow->targets.count > 0 || texts_add(&d->destinations, span_str("none"));
    for (size_t i = 0; i < allow->targets.count && ok; i++)
        ok = texts_add(&d->destinations, span_str(allow->targets.item[i]));
    return ok ? ADIT_E_OK : no_memory(err);
}

static enum adit_err judge(struct definition *d, const struct mcp_allow *allow, struct adit_error *err)
{
    const struct definition_forward *f = &d->forwards[0];
    const char *local = f->bind_address != NULL ? f->bind_address : "127.0.0.1";
    if (f->type == FORWARD_DYNAMIC)
        return set_destinations(d, allow, err);
    if (f->type == FORWARD_LOCAL && !mcp_allow_has(&allow->targets, f->remote_host, f->remote_port))
        return refuse(f->remote_host, f->remote_port, "--allow", err);
    if (f->type == FORWARD_REMOTE && !mcp_allow_has(&allow->locals, local, f->local_port))
        return refuse(local, f->local_port, "--allow-local", err);
    return ADIT_E_OK;
}

static enum adit_err read_forward(struct definition *d, const json_t *arguments, struct adit_error *err)
{
    enum adit_err e = read_type(d, arguments, err);
    if (e == ADIT_E_OK)
        e = read_remote(&d->forwards[0], arguments, err);
    return e == ADIT_E_OK ? read_local(&d->forwards[0], arguments, err) : e;
}

/* ---- The whole ---- */

static enum adit_err read_rest(struct mcp_wish *w, const json_t *arguments, const struct mcp_limits *limits,
                               const char *fallback, struct adit_error *err)
{
    const char *name = NULL;
    bool has_ttl = false;
    if (mcp_argument_text(arguments, "name", &name, err) != ADIT_E_OK ||
        mcp_argument_number(arguments, "ttl", 1, UINT32_MAX, &has_ttl, &w->ttl_s, err) != ADIT_E_OK)
        return err->code;
    if (!has_ttl)
        w->ttl_s = MCP_TTL_S;
    if (w->ttl_s > limits->max_ttl_s)
        w->ttl_s = limits->max_ttl_s;
    return definition_set(&w->definition.name, name != NULL ? name : fallback) ? ADIT_E_OK : no_memory(err);
}

static enum adit_err read_all(struct mcp_wish *w, const json_t *arguments, const struct mcp_limits *limits,
                              const char *name, struct adit_error *err)
{
    static const char *const names[] = {"server",     "type", "localHost", "localPort", "remoteHost",
                                        "remotePort", "name", "ttl",       NULL};
    struct definition_error error;
    enum adit_err e = mcp_arguments_known(arguments, names, err);
    if (e == ADIT_E_OK)
        e = read_forward(&w->definition, arguments, err);
    if (e == ADIT_E_OK)
        e = read_server(w, arguments, limits, err);
    if (e == ADIT_E_OK)
        e = read_rest(w, arguments, limits, name, err);
    /* What is malformed is told as that, also where everything is allowed. */
    if (e == ADIT_E_OK && !definition_check(&w->definition, &error))
        e = wrong(err, error.message);
    return e == ADIT_E_OK ? judge(&w->definition, limits->allow, err) : e;
}

enum adit_err mcp_wish_read(struct mcp_wish *out, const json_t *arguments, const struct mcp_limits *limits,
                            const char *name, struct adit_error *err)
{
    memset(out, 0, sizeof *out);
    definition_init(&out->definition, DEFINITION_MCP);
    out->definition.max_retries = MCP_RETRIES;
    out->definition.backoff_first_ms = MCP_BACKOFF_FIRST_MS;
    out->definition.backoff_cap_ms = MCP_BACKOFF_CAP_MS;
    out->definition.jitter_percent = 0;
    enum adit_err e = read_all(out, arguments, limits, name, err);
    if (e != ADIT_E_OK)
        mcp_wish_wipe(out);
    return e;
}

void mcp_wish_wipe(struct mcp_wish *w)
{
    definition_wipe(&w->definition);
    free(w->server);
    w->server = NULL;
}
