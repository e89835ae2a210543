/*
 * api_mcp.c - POST /mcp and POST /mcp/{id}/call: the tools of `adit mcp`, run here for a process that speaks
 * MCP and holds the first one's stream open (mcp_remote.c). What it may reach, it says with the first one.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>
#include <string.h>
#include "daemon/mcp_tools.h"

enum { ID_MIN = 16, ID_MAX = 64 };

struct api_mcp {
    struct api_mcp *next;
    struct api_stream stream;
    char id[ID_MAX + 1];
    struct mcp_allow allow;
    struct mcp_tools *tools;
    struct mcp_call *calls;
};

/* One tool that is not done yet. */
struct mcp_call {
    struct mcp_request request;
    struct mcp_call *next;
    struct api_mcp *session;
    struct httpd_request *http; /* NULL: nobody waits for the result any more */
};

/* ---- The session */

static void session_free(struct api_mcp *s)
{
    mcp_tools_free(s->tools);
    mcp_allow_wipe(&s->allow);
    free(s);
}

static bool session_next(void *owner, struct buffer *out)
{
    struct api_mcp *s = owner;

    api_stream_begin(&s->stream, out);
    return true;
}

static void session_end(void *owner)
{
    struct api_mcp *s = owner, **at = &s->stream.api->mcp;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    api_stream_end(&s->stream);
    mcp_tools_end(s->tools);
    for (struct mcp_call *c = s->calls, *next; c; c = next) {
        next = c->next;
        if (c->http)
            httpd_reply_error(c->http, "not_found", NULL, "The session has ended");
        free(c);
    }
    session_free(s);
}

static struct api_mcp *session_find(const struct api *api, const char *id)
{
    struct api_mcp *s = api->mcp;

    while (s && strcmp(s->id, id) != 0)
        s = s->next;
    return s;
}

/* ---- What it may do */

static bool wrong(const struct api_call *call, const char *field, const char *what)
{
    httpd_reply_error(call->request, "invalid_value", field, "%s must be %s", field, what);
    return false;
}

static bool id_take(const struct api_call *call, char out[static ID_MAX + 1])
{
    const char *id;
    size_t n;

    if (!api_body_text(call, "id", &id))
        return false;
    n = strlen(id);
    if (n < ID_MIN || n > ID_MAX || strspn(id, "0123456789abcdef") != n)
        return wrong(call, "id", "hex digits");
    if (session_find(call->api, id)) {
        httpd_reply_error(call->request, "exists", "id", "There is such a session already");
        return false;
    }
    adit_format(out, ID_MAX + 1, "%s", id);
    return true;
}

/* Each text of a list that may be absent, by add(s, text). */
static bool list_take(const struct api_call *call, struct api_mcp *s, const char *name,
                      bool (*add)(struct api_mcp *s, const char *name, const char *text))
{
    const json_t *list = json_object_get(call->body, name);
    json_t *item;
    size_t i;

    if (list && !json_is_array(list))
        return wrong(call, name, "a list of texts");
    json_array_foreach(
        list, i,
        item) if (!json_is_string(item) ||
                  !add(s, name, json_string_value(item))) return wrong(call, name,
                                                                       "a list of texts that are fit for it");
    return true;
}

static bool add_target(struct api_mcp *s, const char *name, const char *text)
{
    struct texts *to = strcmp(name, "allow") == 0 ? &s->allow.targets : &s->allow.locals;

    return mcp_allow_add(to, text, NULL) == ADIT_E_OK;
}

static bool add_server(struct api_mcp *s, const char *name, const char *text)
{
    (void)name;
    return mcp_allow_add_server(&s->allow, text, NULL) == ADIT_E_OK;
}

static bool groups_take(const struct api_call *call, unsigned *groups)
{
    const json_t *list = json_object_get(call->body, "tools");
    json_t *item;
    size_t i;

    *groups = list ? 0 : MCP_TOOLS_READ;
    if (list && !json_is_array(list))
        return wrong(call, "tools", "a list of groups");
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(item);

        if (!name || (strcmp(name, "read") != 0 && strcmp(name, "tunnel") != 0))
            return wrong(call, "tools", "a list of read and tunnel");
        *groups |= strcmp(name, "read") == 0 ? MCP_TOOLS_READ : MCP_TOOLS_TUNNEL;
    }
    return true;
}

static bool ttl_take(const struct api_call *call, uint32_t *seconds)
{
    const json_t *ttl = json_object_get(call->body, "max_ttl");
    json_int_t n = json_integer_value(ttl);

    *seconds = ttl ? (uint32_t)n : MCP_TTL_S;
    return !ttl || (json_is_integer(ttl) && n > 0 && n <= UINT32_MAX) || wrong(call, "max_ttl", "seconds");
}

static bool session_take(const struct api_call *call, struct api_mcp *s)
{
    struct mcp_tools_config config = {
        .loop = call->api->config.loop, .tunnels = call->api->config.tunnels, .allow = &s->allow};

    if (!id_take(call, s->id) || !groups_take(call, &config.groups) || !ttl_take(call, &config.max_ttl_s) ||
        !list_take(call, s, "allow", add_target) || !list_take(call, s, "allow_local", add_target) ||
        !list_take(call, s, "allow_server", add_server))
        return false;
    if (mcp_tools_new(&s->tools, &config, NULL) == ADIT_E_OK)
        return true;
    httpd_reply_error(call->request, "internal", NULL, "Out of memory");
    return false;
}

void api_mcp_open(const struct api_call *call)
{
    static const char *const names[] = {"id",           "tools",   "allow", "allow_local",
                                        "allow_server", "max_ttl", NULL};
    static const struct httpd_stream_ops ops = {
        .next = session_next, .end = session_end, .ends_with_input = true};
    struct api_mcp *s;

    if (!api_body_knows(call, call->body, names))
        return;
    s = calloc(1, sizeof *s);
    if (!s) {
        httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        return;
    }
    mcp_allow_init(&s->allow);
    if (!session_take(call, s) || !api_stream_start(&s->stream, call, &ops, s)) {
        session_free(s);
        return;
    }
    s->next = call->api->mcp;
    call->api->mcp = s;
}

/* ---- A call */

static void call_free(struct mcp_call *c)
{
    struct mcp_call **at = &c->session->calls;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    free(c);
}

static void call_answer(struct mcp_request *request, json_t *result)
{
    struct mcp_call *c = (struct mcp_call *)request;

    if (c->http)
        httpd_reply_json(c->http, 200, result);
    else
        json_decref(result);
    call_free(c);
}

static void call_gone(void *owner)
{
    struct mcp_call *c = owner;

    c->http = NULL;
}

static void call_begin(const struct api_call *call, struct api_mcp *s, const char *tool,
                       const json_t *arguments)
{
    struct mcp_call *c = calloc(1, sizeof *c);

    if (!c) {
        httpd_reply_error(call->request, "internal", NULL, "Out of memory");
        return;
    }
    *c = (struct mcp_call){.request = {call_answer}, .next = s->calls, .session = s, .http = call->request};
    s->calls = c;
    if (!httpd_hold(call->request, call_gone, c)) {
        call_free(c);
        return;
    }
    if (mcp_tools_call(s->tools, tool, arguments, &c->request))
        return;
    httpd_reply_error(call->request, "invalid_value", "tool", "Unknown tool: %s", tool);
    call_free(c);
}

void api_mcp_call(const struct api_call *call)
{
    static const char *const names[] = {"tool", "arguments", NULL};
    const json_t *arguments = json_object_get(call->body, "arguments");
    struct api_mcp *s = session_find(call->api, call->id);
    const char *tool;

    if (!s) {
        httpd_reply_error(call->request, "not_found", NULL, "There is no such session");
        return;
    }
    if (!api_body_knows(call, call->body, names) || !api_body_text(call, "tool", &tool))
        return;
    if (json_is_object(arguments))
        call_begin(call, s, tool, arguments);
    else
        (void)wrong(call, "arguments", "an object");
}
