#include "daemon/mcp_internal.h"

#include <string.h>
#include <time.h>

static void create_failed(struct mcp_job *j, const struct tunnel *u)
{
    struct mcp_made *m = mcp_made_find(j->tools, j->id);
    j->is_waiting = false;
    if (u != NULL)
        mcp_job_fail_inactive(j->request, u, MCP_CREATE_MS / 1000);
    else
        mcp_fail_unknown(j->request, j->id); /* somebody has closed it meanwhile */
    if (m != NULL)
        mcp_made_remove(m, false);
    mcp_job_free(j);
}

/* Its time begins with the answer: however short it is, whoever made it learns of it. */
static void show_created(void *ctx)
{
    struct mcp_job *j = ctx;
    struct mcp_made *m = mcp_made_find(j->tools, j->id);
    if (m != NULL) {
        m->expires = (int64_t)time(NULL) + m->ttl_s;
        loop_timer_set(j->tools->config.loop, &m->ttl, loop_now_ms() + (uint64_t)m->ttl_s * 1000);
    }
    mcp_show_one(j);
}

static void on_created(void *ctx, struct tunnel *u, bool is_so)
{
    struct mcp_job *j = ctx;
    (void)is_so;
    j->is_waiting = false;
    if (u != NULL && mcp_job_is_active(u))
        mcp_job_refresh(j, show_created);
    else
        create_failed(j, u);
}

/* A port that is taken here stays so: nobody has to wait for that. */
static void on_listening(void *ctx, struct tunnel *u, bool is_so)
{
    struct mcp_job *j = ctx;
    uint64_t now = loop_now_ms();
    (void)is_so;
    j->is_waiting = false;
    if (u == NULL || tunnel_status(u)->forwards[0].state == TUNNEL_FORWARD_FAILED)
        create_failed(j, u);
    else
        mcp_job_wait(j, u, TUNNEL_WAIT_SETTLED, j->deadline_ms > now ? (uint32_t)(j->deadline_ms - now) : 0,
                     on_created);
}

static void create_begin(struct mcp_tools *t, struct tunnel *u, const struct mcp_wish *w,
                         struct mcp_request *request)
{
    struct definition_error error = {.code = NULL};
    struct mcp_made *m = mcp_made_new(t, u, w);
    struct mcp_job *j = m != NULL ? mcp_job_new(t, request, m->id) : NULL;
    bool is_started = j != NULL && tunnel_start(u, &error);
    if (is_started) {
        j->deadline_ms = loop_now_ms() + MCP_CREATE_MS;
        mcp_job_wait(j, u, TUNNEL_WAIT_LISTENERS, MCP_CREATE_MS, on_listening);
        return;
    }
    if (j != NULL)
        mcp_fail_definition(request, &error);
    else
        mcp_fail_memory(request);
    if (j != NULL)
        mcp_job_free(j);
    if (m != NULL)
        mcp_made_remove(m, false);
    else if (!tunnels_remove(t->config.tunnels, u, &error))
        tunnel_stop(u);
}

static void give_name(struct mcp_tools *t, char out[static 24])
{
    do
        (void)adit_format(out, 24, "mcp-%u", ++t->named);
    while (tunnels_find(t->config.tunnels, out) != NULL);
}

void mcp_tool_create(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    struct adit_error err = {0};
    struct definition_error error = {.code = NULL};
    struct mcp_wish w;
    char name[24];
    if (t->made_count >= MCP_TUNNELS_MAX) {
        (void)adit_fail(&err, ADIT_E_FORWARD, "there are %d tunnels already: close some first",
                        (int)MCP_TUNNELS_MAX);
        mcp_fail(request, &err);
        return;
    }
    give_name(t, name);
    const struct mcp_limits limits = {
        .allow = t->config.allow, .conf = tunnels_conf(t->config.tunnels), .max_ttl_s = t->config.max_ttl_s};
    if (mcp_wish_read(&w, arguments, &limits, name, &err) != ADIT_E_OK) {
        mcp_fail(request, &err);
        return;
    }
    struct tunnel *u = tunnels_add(t->config.tunnels, &w.definition, &error);
    if (u != NULL)
        create_begin(t, u, &w, request);
    else
        mcp_fail_definition(request, &error);
    mcp_wish_wipe(&w);
}
