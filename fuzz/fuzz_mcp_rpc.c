#include <string.h>

#include "daemon/mcp_create.h"
#include "daemon/mcp_lines.h"
#include "daemon/mcp_rpc.h"
#include "fuzz/fuzz.h"

enum { HELD_MAX = 8 };

struct world {
    struct mcp_rpc rpc;
    struct mcp_request *held[HELD_MAX];
    size_t held_count;
    size_t answers;
};

static const char *const servers[] = {"box*", "*.example.com"};

static json_t *on_tools(void *ctx)
{
    (void)ctx;
    return json_array();
}

/* Whatever was taken is right, and within what is allowed. */
static void judge(const struct mcp_wish *w, const struct mcp_limits *limits)
{
    const struct definition *d = &w->definition;
    const struct definition_forward *f = &d->forwards[0];
    struct definition_error error;
    ALWAYS(definition_check(d, &error));
    ALWAYS(d->forward_count == 1 && w->ttl_s > 0 && w->ttl_s <= limits->max_ttl_s);
    ALWAYS(d->host[0] != '-' && strpbrk(d->host, " ;|&$`'\"<>()\\\n") == NULL);
    ALWAYS(d->user == NULL || d->user[0] != '-');
    if (f->type == FORWARD_LOCAL)
        ALWAYS(mcp_allow_has(&limits->allow->targets, f->remote_host, f->remote_port));
    else if (f->type == FORWARD_REMOTE)
        ALWAYS(mcp_allow_has(&limits->allow->locals, f->bind_address != NULL ? f->bind_address : "127.0.0.1",
                             f->local_port));
    else
        ALWAYS(d->destinations.count == limits->allow->targets.count);
}

static void create(const json_t *arguments)
{
    struct conf conf;
    struct mcp_allow allow;
    struct adit_error err = {0};
    struct mcp_wish w;
    conf_init(&conf);
    mcp_allow_init(&allow);
    ALWAYS(definition_set(&conf.ssh_config, "none"));
    for (size_t i = 0; i < ADIT_COUNT(servers); i++)
        ALWAYS(mcp_allow_add_server(&allow, servers[i], NULL) == ADIT_E_OK);
    ALWAYS(mcp_allow_add(&allow.targets, "10.0.*:443", NULL) == ADIT_E_OK);
    ALWAYS(mcp_allow_add(&allow.locals, "127.0.0.1:3*", NULL) == ADIT_E_OK);
    const struct mcp_limits limits = {.allow = &allow, .conf = &conf, .max_ttl_s = 600};
    if (mcp_wish_read(&w, arguments, &limits, "mcp-1", &err) == ADIT_E_OK) {
        judge(&w, &limits);
        mcp_wish_wipe(&w);
    } else {
        ALWAYS(err.code != ADIT_E_OK && err.text[0] != 0);
    }
    mcp_allow_wipe(&allow);
    conf_wipe(&conf);
}

static bool on_call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request)
{
    struct world *w = ctx;
    if (strcmp(tool, "ssh_tunnel_create") == 0)
        create(arguments);
    else if (strcmp(tool, "later") == 0 && w->held_count < HELD_MAX) {
        w->held[w->held_count++] = request;
        return true;
    } else if (strcmp(tool, "now") != 0) {
        return false;
    }
    mcp_request_answer(request, json_object());
    return true;
}

/* Each answer is one line of JSON. */
static void on_write(void *ctx, const char *line, size_t len)
{
    struct world *w = ctx;
    json_t *answer = json_loadb(line, len, 0, NULL);
    ALWAYS(len > 1 && memchr(line, '\n', len) == line + len - 1);
    ALWAYS(json_is_object(answer) || (json_is_array(answer) && json_array_size(answer) > 0));
    json_decref(answer);
    w->answers++;
}

static void on_line(void *ctx, struct span line)
{
    struct world *w = ctx;
    mcp_rpc_line(&w->rpc, line);
}

static void on_too_long(void *ctx)
{
    struct world *w = ctx;
    mcp_rpc_too_long(&w->rpc);
}

static void on_no_memory(void *ctx)
{
    struct world *w = ctx;
    mcp_rpc_no_memory(&w->rpc);
}

/* The first byte: how long a piece is, and whether what waits is answered before the end. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct world w = {.held_count = 0};
    const struct mcp_rpc_ops ops = {.ctx = &w, .tools = on_tools, .call = on_call, .write = on_write};
    struct mcp_lines lines = {.ctx = &w, .line = on_line, .too_long = on_too_long, .no_memory = on_no_memory};
    size_t step = (data[0] & 0x7f) + 1;
    mcp_rpc_init(&w.rpc, &ops);
    for (size_t i = 1; i < size; i += step)
        mcp_lines_feed(&lines, span_make(data + i, size - i < step ? size - i : step));
    mcp_lines_end(&lines);
    for (size_t i = 0; i < w.held_count && (data[0] & 0x80) != 0; i++)
        mcp_request_answer(w.held[i], i % 2 == 0 ? json_object() : NULL);
    mcp_rpc_wipe(&w.rpc);
    mcp_lines_wipe(&lines);
    return 0;
}
