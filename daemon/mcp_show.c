#include "daemon/mcp_internal.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/mcp_info.h"

/* As it was asked for; of a tunnel that was not made here, its host. */
static const char *server_of(const struct mcp_tools *t, const struct tunnel *u)
{
    const struct mcp_made *m = mcp_made_find(t, tunnel_definition(u)->id);
    return m != NULL ? m->server : tunnel_definition(u)->host;
}

static json_t *info_of(const struct mcp_tools *t, const struct tunnel *u)
{
    const struct mcp_made *m = mcp_made_find(t, tunnel_definition(u)->id);
    return mcp_info_json(u, server_of(t, u), m != NULL ? m->expires : 0);
}

void mcp_show_one(void *ctx)
{
    struct mcp_job *j = ctx;
    struct tunnel *u = tunnels_find_id(j->tools->config.tunnels, j->id);
    j->is_refreshing = false;
    if (u != NULL)
        mcp_answer(j->request, info_of(j->tools, u));
    else
        mcp_fail_unknown(j->request, j->id);
    mcp_job_free(j);
}

static bool is_listed(const struct mcp_job *j, const struct tunnel *u)
{
    return tunnel_status(u)->state != KEEP_DISCONNECTED &&
           (j->server == NULL || strcmp(j->server, server_of(j->tools, u)) == 0);
}

static void show_all(void *ctx)
{
    struct mcp_job *j = ctx;
    json_t *list = json_array();
    bool ok = list != NULL;
    j->is_refreshing = false;
    for (const struct tunnel *u = tunnels_first(j->tools->config.tunnels); u != NULL && ok;
         u = tunnels_next(u))
        if (is_listed(j, u))
            ok = json_array_append_new(list, info_of(j->tools, u)) == 0;
    if (ok)
        mcp_answer(j->request, json_pack("{s:i, s:O}", "count", (int)json_array_size(list), "tunnels", list));
    else
        mcp_fail_memory(j->request);
    json_decref(list);
    mcp_job_free(j);
}

void mcp_tool_list(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    static const char *const names[] = {"server", NULL};
    struct adit_error err = {0};
    const char *server = NULL;
    if (mcp_arguments_known(arguments, names, &err) != ADIT_E_OK ||
        mcp_argument_text(arguments, "server", &server, &err) != ADIT_E_OK) {
        mcp_fail(request, &err);
        return;
    }
    struct mcp_job *j = mcp_job_new(t, request, NULL);
    if (j == NULL || !definition_set(&j->server, server)) {
        if (j != NULL)
            mcp_job_free(j);
        mcp_fail_memory(request);
        return;
    }
    mcp_job_refresh(j, show_all);
}

/* The tunnel that is meant, or NULL: it was answered why not. */
static struct tunnel *tunnel_meant(struct mcp_tools *t, const json_t *arguments, const char *const *names,
                                   struct mcp_request *request)
{
    struct adit_error err = {0};
    const char *id = NULL;
    struct tunnel *u = NULL;
    if (mcp_arguments_known(arguments, names, &err) == ADIT_E_OK &&
        mcp_argument_text(arguments, "tunnel_id", &id, &err) == ADIT_E_OK && id == NULL)
        (void)adit_fail(&err, ADIT_E_USAGE, "tunnel_id required");
    if (err.code != ADIT_E_OK)
        mcp_fail(request, &err);
    else if ((u = tunnels_find(t->config.tunnels, id)) == NULL)
        mcp_fail_unknown(request, id);
    return u;
}

void mcp_tool_status(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    static const char *const names[] = {"tunnel_id", NULL};
    const struct tunnel *u = tunnel_meant(t, arguments, names, request);
    if (u == NULL)
        return;
    struct mcp_job *j = mcp_job_new(t, request, tunnel_definition(u)->id);
    if (j != NULL)
        mcp_job_refresh(j, mcp_show_one);
    else
        mcp_fail_memory(request);
}

static void on_waited(void *ctx, struct tunnel *u, bool is_so)
{
    struct mcp_job *j = ctx;
    (void)is_so;
    j->is_waiting = false;
    if (u != NULL && mcp_job_is_active(u)) {
        mcp_job_refresh(j, mcp_show_one);
        return;
    }
    if (u != NULL)
        mcp_job_fail_inactive(j->request, u, j->seconds);
    else
        mcp_fail_unknown(j->request, j->id);
    mcp_job_free(j);
}

void mcp_tool_wait(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    static const char *const names[] = {"tunnel_id", "timeout", NULL};
    struct adit_error err = {0};
    uint32_t seconds = 0;
    bool has = false;
    struct tunnel *u = tunnel_meant(t, arguments, names, request);
    if (u == NULL)
        return;
    if (mcp_argument_number(arguments, "timeout", 0, MCP_WAIT_MAX_S, &has, &seconds, &err) != ADIT_E_OK) {
        mcp_fail(request, &err);
        return;
    }
    struct mcp_job *j = mcp_job_new(t, request, tunnel_definition(u)->id);
    if (j == NULL) {
        mcp_fail_memory(request);
        return;
    }
    j->seconds = has ? seconds : MCP_WAIT_S;
    mcp_job_wait(j, u, TUNNEL_WAIT_SETTLED, j->seconds * 1000, on_waited);
}
