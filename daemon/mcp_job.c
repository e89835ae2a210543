#include "daemon/mcp_internal.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/mcp_info.h"

void mcp_job_fail_inactive(struct mcp_request *request, const struct tunnel *u, uint32_t seconds)
{
    const struct tunnel_status *s = tunnel_status(u);
    char clean[MCP_PEER_TEXT_CAP];
    struct adit_error err = {0};
    mcp_info_peer_text(clean, s->last_error.text);
    if (s->state == KEEP_FAILED || s->state == KEEP_DISCONNECTED || s->last_error.code != ADIT_E_OK)
        (void)adit_fail(&err, s->last_error.code != ADIT_E_OK ? s->last_error.code : ADIT_E_CLOSED, "%s",
                        clean[0] != 0 ? clean : "the tunnel was closed");
    else
        (void)adit_fail(&err, ADIT_E_WAIT_TIMEOUT, "Tunnel %s is not active after %u s",
                        tunnel_definition(u)->id, (unsigned)seconds);
    mcp_fail(request, &err);
}

struct mcp_job *mcp_job_new(struct mcp_tools *t, struct mcp_request *request, const char *id)
{
    struct mcp_job *j = calloc(1, sizeof *j);
    if (j == NULL || !definition_set(&j->id, id)) {
        free(j);
        return NULL;
    }
    j->tools = t;
    j->request = request;
    j->next = t->jobs;
    t->jobs = j;
    t->job_count++;
    return j;
}

void mcp_job_release(struct mcp_job *j)
{
    if (j->is_waiting)
        tunnel_wait_cancel(&j->wait);
    if (j->is_refreshing)
        tunnels_refresh_cancel(j->tools->config.tunnels, &j->refresh);
    free(j->id);
    free(j->server);
    free(j);
}

void mcp_job_free(struct mcp_job *j)
{
    struct mcp_job **at = &j->tools->jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    j->tools->job_count--;
    mcp_job_release(j);
}

void mcp_job_wait(struct mcp_job *j, struct tunnel *u, enum tunnel_wait_for what, uint32_t limit_ms,
                  void (*done)(void *ctx, struct tunnel *u, bool is_so))
{
    j->is_waiting = true;
    j->wait.ctx = j;
    j->wait.done = done;
    tunnel_wait(u, &j->wait, what, limit_ms);
}

void mcp_job_refresh(struct mcp_job *j, void (*done)(void *ctx))
{
    j->is_refreshing = true;
    j->refresh.ctx = j;
    j->refresh.done = done;
    tunnels_refresh(j->tools->config.tunnels, &j->refresh);
}

bool mcp_job_is_active(const struct tunnel *u)
{
    enum keep_state s = tunnel_status(u)->state;
    return s == KEEP_CONNECTED || s == KEEP_IDLE;
}
