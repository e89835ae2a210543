#include "daemon/mcp_rpc.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/json_text.h"

/* ---- Versions ---- */

struct mcp_version {
    const char *name;
    bool has_batches;
};

/* The last one is what we speak when the client knows none of them. */
static const struct mcp_version versions[] = {
    {"2024-11-05", true}, {"2025-03-26", true}, {"2025-06-18", false}};

static const struct mcp_version *version_choose(const char *name)
{
    for (size_t i = 0; i < ADIT_COUNT(versions); i++)
        if (strcmp(versions[i].name, name) == 0)
            return &versions[i];
    return &versions[ADIT_COUNT(versions) - 1];
}

/* ---- Answers ---- */

/* An array of messages: its answers are one array too, sent when the last one is there. */
struct batch {
    json_t *answers;
    size_t waiting; /* requests, and one while the array is read */
};

struct mcp_waiting {
    struct mcp_request request;
    struct mcp_waiting *next;
    struct mcp_rpc *rpc;
    struct batch *batch; /* NULL: it came alone */
    json_t *id;
};

static void write_json(struct mcp_rpc *r, json_t *message)
{
    static const char no_memory[] =
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32603,\"message\":\"out of memory\"}}\n";
    char *text = json_text(message, JSON_COMPACT);
    size_t len = text != NULL ? strlen(text) : 0;
    char *line = text != NULL ? realloc(text, len + 2) : NULL;
    if (line != NULL) {
        memcpy(line + len, "\n", 2);
        r->ops.write(r->ops.ctx, line, len + 1);
    } else {
        free(text);
        r->ops.write(r->ops.ctx, no_memory, sizeof no_memory - 1);
    }
    free(line);
}

static void batch_let_go(struct mcp_rpc *r, struct batch *b)
{
    if (b == NULL || --b->waiting > 0)
        return;
    if (b->answers == NULL || json_array_size(b->answers) > 0) /* notifications have no answers */
        write_json(r, b->answers);
    json_decref(b->answers);
    free(b);
}

/* Takes message. */
static void deliver(struct mcp_rpc *r, struct batch *b, json_t *message)
{
    if (b == NULL) {
        write_json(r, message);
        json_decref(message);
    } else if (json_array_append_new(b->answers, message) != 0) {
        json_decref(b->answers); /* one is missing: none is sent, and that is said */
        b->answers = NULL;
    }
}

/* Takes result. */
static void answer(struct mcp_rpc *r, struct batch *b, json_t *id, json_t *result)
{
    deliver(r, b, json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id", id, "result", result));
}

/* id NULL: it is not known. */
static void refuse(struct mcp_rpc *r, struct batch *b, json_t *id, int code, const char *fmt, ...)
    ADIT_PRINTF(5, 6);
static void refuse(struct mcp_rpc *r, struct batch *b, json_t *id, int code, const char *fmt, ...)
{
    struct adit_error text = {0};
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vfail(&text, ADIT_E_PROTOCOL, fmt, ap); /* it cleans what it shows */
    va_end(ap);
    deliver(r, b,
            json_pack("{s:s, s:o, s:{s:i, s:s}}", "jsonrpc", "2.0", "id",
                      id != NULL ? json_incref(id) : json_null(), "error", "code", code, "message",
                      text.text));
}

/* ---- Requests that wait ---- */

static void request_answer(struct mcp_request *request, json_t *result);

static struct mcp_waiting *request_new(struct mcp_rpc *r, struct batch *b, json_t *id)
{
    struct mcp_waiting *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    *w = (struct mcp_waiting){
        .request = {request_answer}, .next = r->requests, .rpc = r, .batch = b, .id = json_incref(id)};
    if (b != NULL)
        b->waiting++;
    r->requests = w;
    return w;
}

static void request_release(struct mcp_waiting *w)
{
    json_decref(w->id);
    free(w);
}

static void request_free(struct mcp_waiting *w)
{
    struct mcp_waiting **at = &w->rpc->requests;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    request_release(w);
}

static void request_answer(struct mcp_request *request, json_t *result)
{
    struct mcp_waiting *w = (struct mcp_waiting *)request;
    struct mcp_rpc *r = w->rpc;
    struct batch *b = w->batch;
    answer(r, b, w->id, result);
    request_free(w);
    batch_let_go(r, b);
}

void mcp_request_answer(struct mcp_request *request, json_t *result)
{
    request->answer(request, result);
}

/* ---- Methods ---- */

struct message {
    struct batch *batch;
    json_t *id, *params; /* params NULL: none */
};

static void on_initialize(struct mcp_rpc *r, const struct message *m)
{
    const char *name = json_string_value(json_object_get(m->params, "protocolVersion"));
    if (m->batch != NULL) {
        refuse(r, m->batch, m->id, MCP_E_REQUEST, "initialize must come alone");
        return;
    }
    if (name == NULL) {
        refuse(r, m->batch, m->id, MCP_E_PARAMS, "protocolVersion is required");
        return;
    }
    r->version = version_choose(name);
    answer(r, m->batch, m->id,
           json_pack("{s:s, s:{s:{s:b}}, s:{s:s, s:s, s:s}}", "protocolVersion", r->version->name,
                     "capabilities", "tools", "listChanged", 0, "serverInfo", "name", "adit", "title",
                     "adit SSH tunnels", "version", ADIT_VERSION));
}

static void on_ping(struct mcp_rpc *r, const struct message *m)
{
    answer(r, m->batch, m->id, json_object());
}

static void on_tools_list(struct mcp_rpc *r, const struct message *m)
{
    answer(r, m->batch, m->id, json_pack("{s:o}", "tools", r->ops.tools(r->ops.ctx)));
}

static void call_tool(struct mcp_rpc *r, const struct message *m, const char *name, const json_t *arguments)
{
    struct mcp_waiting *w = request_new(r, m->batch, m->id);
    if (w == NULL) {
        refuse(r, m->batch, m->id, MCP_E_INTERNAL, "out of memory");
        return;
    }
    if (r->ops.call(r->ops.ctx, name, arguments, &w->request))
        return;
    refuse(r, m->batch, m->id, MCP_E_PARAMS, "Unknown tool: %s", name);
    request_free(w);
    batch_let_go(r, m->batch);
}

static void on_tools_call(struct mcp_rpc *r, const struct message *m)
{
    const char *name = json_string_value(json_object_get(m->params, "name"));
    json_t *given = json_object_get(m->params, "arguments");
    if (name == NULL || (given != NULL && !json_is_object(given))) {
        refuse(r, m->batch, m->id, MCP_E_PARAMS,
               name == NULL ? "name is required" : "arguments must be an object");
        return;
    }
    json_t *arguments = given != NULL ? json_incref(given) : json_object();
    if (arguments != NULL)
        call_tool(r, m, name, arguments);
    else
        refuse(r, m->batch, m->id, MCP_E_INTERNAL, "out of memory");
    json_decref(arguments);
}

static const struct {
    const char *name;
    void (*run)(struct mcp_rpc *r, const struct message *m);
} methods[] = {{"initialize", on_initialize},
               {"ping", on_ping},
               {"tools/list", on_tools_list},
               {"tools/call", on_tools_call}};

static void dispatch(struct mcp_rpc *r, const struct message *m, const char *method)
{
    for (size_t i = 0; i < ADIT_COUNT(methods); i++) {
        if (strcmp(methods[i].name, method) != 0)
            continue;
        if (m->params != NULL && !json_is_object(m->params)) /* MCP has no params by place */
            refuse(r, m->batch, m->id, MCP_E_PARAMS, "params must be an object");
        else
            methods[i].run(r, m);
        return;
    }
    refuse(r, m->batch, m->id, MCP_E_METHOD, "Method not found: %s", method);
}

/* ---- Messages ---- */

/* JSON-RPC 2.0 §4, and MCP: an id is a text or an integer, never null. */
static bool is_id(const json_t *id)
{
    return json_is_string(id) || json_is_integer(id);
}

static bool is_request(const json_t *message, const json_t *id)
{
    const char *rpc = json_string_value(json_object_get(message, "jsonrpc"));
    const json_t *params = json_object_get(message, "params");
    return rpc != NULL && strcmp(rpc, "2.0") == 0 && json_is_string(json_object_get(message, "method")) &&
           (id == NULL || is_id(id)) && (params == NULL || json_is_object(params) || json_is_array(params));
}

/* We ask for nothing, so whatever is answered is nothing to us. */
static bool is_response(const json_t *message)
{
    return json_object_get(message, "method") == NULL &&
           (json_object_get(message, "result") != NULL || json_object_get(message, "error") != NULL);
}

static void on_message(struct mcp_rpc *r, struct batch *b, json_t *message)
{
    json_t *id = json_object_get(message, "id");
    const struct message m = {b, id, json_object_get(message, "params")};
    if (json_is_object(message) && is_response(message))
        return;
    if (!json_is_object(message) || !is_request(message, id))
        refuse(r, b, is_id(id) ? id : NULL, MCP_E_REQUEST, "Invalid Request");
    else if (id != NULL) /* without one it is a notification */
        dispatch(r, &m, json_string_value(json_object_get(message, "method")));
}

static void on_batch(struct mcp_rpc *r, json_t *list)
{
    struct batch *b = calloc(1, sizeof *b);
    if (b != NULL)
        b->answers = json_array();
    if (b == NULL || b->answers == NULL) {
        free(b);
        write_json(r, NULL);
        return;
    }
    b->waiting = 1;
    for (size_t i = 0; i < json_array_size(list); i++)
        on_message(r, b, json_array_get(list, i));
    batch_let_go(r, b);
}

static void on_json(struct mcp_rpc *r, json_t *json)
{
    if (!json_is_array(json))
        on_message(r, NULL, json);
    else if (r->version == NULL || !r->version->has_batches || json_array_size(json) == 0)
        refuse(r, NULL, NULL, MCP_E_REQUEST,
               json_array_size(json) == 0 ? "Invalid Request: an empty batch"
                                          : "Invalid Request: this protocol version has no batches");
    else
        on_batch(r, json);
}

static bool is_blank(struct span line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == 0 || strchr(" \t\r\n", line.p[i]) == NULL)
            return false;
    return true;
}

void mcp_rpc_line(struct mcp_rpc *r, struct span line)
{
    json_error_t where;
    if (is_blank(line))
        return;
    json_t *json = json_read(line, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (json != NULL)
        on_json(r, json);
    else if (json_error_code(&where) == json_error_out_of_memory)
        mcp_rpc_no_memory(r);
    else
        refuse(r, NULL, NULL, MCP_E_PARSE, "Parse error: %s", where.text);
    json_decref(json);
}

void mcp_rpc_too_long(struct mcp_rpc *r)
{
    refuse(r, NULL, NULL, MCP_E_REQUEST, "Invalid Request: the line is too long");
}

void mcp_rpc_no_memory(struct mcp_rpc *r)
{
    refuse(r, NULL, NULL, MCP_E_INTERNAL, "out of memory");
}

/* ---- Life ---- */

void mcp_rpc_init(struct mcp_rpc *r, const struct mcp_rpc_ops *ops)
{
    *r = (struct mcp_rpc){.ops = *ops};
}

void mcp_rpc_wipe(struct mcp_rpc *r)
{
    for (struct mcp_waiting *w = r->requests, *next; w != NULL; w = next) {
        struct batch *b = w->batch;
        next = w->next;
        request_release(w);
        if (b != NULL && --b->waiting == 0) {
            json_decref(b->answers);
            free(b);
        }
    }
    r->requests = NULL;
}
