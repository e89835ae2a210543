#include "daemon/mcp_internal.h"

#include <stdlib.h>
#include <string.h>

static void close_let_go(struct mcp_closing *c)
{
    if (--c->waiting > 0)
        return;
    int count = (int)json_array_size(c->ids);
    mcp_answer(c->request, json_pack("{s:i, s:O}", "closed", count, "ids", c->ids));
}

void mcp_closings_sweep(struct mcp_tools *t, bool all)
{
    for (struct mcp_closing **at = &t->closings, *c; (c = *at) != NULL;) {
        if (!all && c->waiting > 0) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        json_decref(c->ids);
        free(c);
    }
}

static void on_closed(void *ctx, struct tunnel *u, bool is_so)
{
    struct mcp_job *j = ctx;
    struct mcp_closing *c = j->closing;
    struct mcp_made *m = mcp_made_find(j->tools, j->id);
    (void)is_so;
    (void)u;
    j->is_waiting = false;
    mcp_job_free(j);
    if (m != NULL)
        mcp_made_remove(m, true);
    close_let_go(c);
}

static bool close_one(struct mcp_tools *t, struct tunnel *u, struct mcp_closing *c)
{
    const char *id = tunnel_definition(u)->id;
    struct mcp_job *j = mcp_job_new(t, c->request, id);
    if (j == NULL || json_array_append_new(c->ids, json_string(id)) != 0) {
        if (j != NULL)
            mcp_job_free(j);
        return false;
    }
    j->closing = c;
    c->waiting++;
    tunnel_stop(u);
    u = tunnels_find_id(t->config.tunnels, j->id); /* whoever was making it has taken it out just now */
    if (u != NULL)
        mcp_job_wait(j, u, TUNNEL_WAIT_LISTENERS, TUNNEL_WAIT_LISTENERS_MS, on_closed);
    else
        on_closed(j, NULL, false);
    return true;
}

/* Closing one takes it out of the list at the earliest when it returns: `next` was read before. */
static void close_all(struct mcp_tools *t, const char *server, struct mcp_closing *c)
{
    for (struct mcp_made *m = t->made, *next; m != NULL; m = next) {
        next = m->next;
        struct tunnel *u = strcmp(m->server, server) == 0 ? tunnels_find_id(t->config.tunnels, m->id) : NULL;
        if (u != NULL && !close_one(t, u, c))
            return;
    }
}

static void fail_not_ours(const struct tunnel *u, const char *id, struct mcp_request *request)
{
    struct adit_error err = {0};
    if (u == NULL) {
        mcp_fail_unknown(request, id);
        return;
    }
    (void)adit_fail(&err, ADIT_E_FORWARD, "Tunnel %s was not made here: it cannot be closed here", id);
    mcp_fail(request, &err);
}

static void close_begin(struct mcp_tools *t, const char *id, const char *server, struct mcp_request *request)
{
    struct tunnel *u = id != NULL ? tunnels_find(t->config.tunnels, id) : NULL;
    bool is_ours = u != NULL && mcp_made_find(t, tunnel_definition(u)->id) != NULL;
    if (id != NULL && !is_ours && !texts_has(&t->closed, id)) {
        fail_not_ours(u, id, request);
        return;
    }
    struct mcp_closing *c = calloc(1, sizeof *c);
    if (c == NULL || (c->ids = json_array()) == NULL) {
        free(c);
        mcp_fail_memory(request);
        return;
    }
    c->request = request;
    c->waiting = 1;
    c->next = t->closings;
    t->closings = c;
    if (is_ours)
        (void)close_one(t, u, c);
    else if (server != NULL)
        close_all(t, server, c);
    close_let_go(c);
}

void mcp_tool_close(struct mcp_tools *t, const json_t *arguments, struct mcp_request *request)
{
    static const char *const names[] = {"tunnel_id", "server", NULL};
    struct adit_error err = {0};
    const char *id = NULL, *server = NULL;
    if (mcp_arguments_known(arguments, names, &err) == ADIT_E_OK &&
        mcp_argument_text(arguments, "tunnel_id", &id, &err) == ADIT_E_OK &&
        mcp_argument_text(arguments, "server", &server, &err) == ADIT_E_OK &&
        (id == NULL) == (server == NULL))
        (void)adit_fail(&err, ADIT_E_USAGE, "either tunnel_id or server is required");
    if (err.code != ADIT_E_OK)
        mcp_fail(request, &err);
    else
        close_begin(t, id, server, request);
}
