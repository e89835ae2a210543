#include "daemon/mcp_tools.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/mcp_internal.h"

static const struct {
    const char *name;
    void (*run)(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request);
} tools[] = {
    {"ssh_tunnel_list", mcp_tool_list},   {"ssh_tunnel_status", mcp_tool_status},
    {"ssh_tunnel_wait", mcp_tool_wait},   {"ssh_tunnel_create", mcp_tool_create},
    {"ssh_tunnel_close", mcp_tool_close},
};

bool mcp_tools_call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request)
{
    struct mcp_tools *t = ctx;
    struct adit_error err = {0};
    size_t i = 0;
    mcp_closings_sweep(t, false);
    while (i < ADIT_COUNT(tools) && strcmp(tools[i].name, tool) != 0)
        i++;
    if (i == ADIT_COUNT(tools) || !mcp_schema_has(t->config.groups, tool))
        return false;
    if (t->job_count >= MCP_JOBS_MAX) {
        (void)adit_fail(&err, ADIT_E_LIMIT, "%d calls wait already", (int)MCP_JOBS_MAX);
        mcp_fail(request, &err);
    } else {
        tools[i].run(t, arguments, request);
    }
    return true;
}

/* ---- Life ---- */

enum adit_err mcp_tools_new(struct mcp_tools **out, const struct mcp_tools_config *config,
                            struct adit_error *err)
{
    struct mcp_tools *t = calloc(1, sizeof *t);
    *out = t;
    if (t == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    t->config = *config;
    texts_init(&t->closed);
    return ADIT_E_OK;
}

static void jobs_end(struct mcp_tools *t)
{
    for (struct mcp_job *j = t->jobs, *next; j != NULL; j = next) {
        next = j->next;
        mcp_job_release(j);
    }
    t->jobs = NULL;
    t->job_count = 0;
}

void mcp_tools_end(struct mcp_tools *t)
{
    jobs_end(t); /* first: nobody is told of what is closed now */
    while (t->made != NULL)
        mcp_made_remove(t->made, false);
}

void mcp_tools_free(struct mcp_tools *t)
{
    if (t == NULL)
        return;
    jobs_end(t);
    for (struct mcp_made *m = t->made, *next; m != NULL; m = next) {
        next = m->next;
        mcp_made_release(m);
    }
    mcp_closings_sweep(t, true);
    texts_wipe(&t->closed);
    free(t);
}

void mcp_tools_on_timer(struct loop_timer *timer)
{
    mcp_made_remove(timer->owner, true);
}
