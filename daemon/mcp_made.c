#include "daemon/mcp_internal.h"

#include <stdlib.h>
#include <string.h>

enum { CLOSED_MAX = 1000 };

struct mcp_made *mcp_made_find(const struct mcp_tools *t, const char *id)
{
    struct mcp_made *m = t->made;
    while (m != NULL && strcmp(m->id, id) != 0)
        m = m->next;
    return m;
}

static void made_free(struct mcp_made *m)
{
    free(m->id);
    free(m->server);
    free(m);
}

struct mcp_made *mcp_made_new(struct mcp_tools *t, const struct tunnel *u, const struct mcp_wish *w)
{
    struct mcp_made **at = &t->made, *m = calloc(1, sizeof *m);
    if (m == NULL || !definition_set(&m->id, tunnel_definition(u)->id) ||
        !definition_set(&m->server, w->server)) {
        if (m != NULL)
            made_free(m);
        return NULL;
    }
    m->tools = t;
    m->ttl_s = w->ttl_s;
    loop_timer_init(&m->ttl, MCP_TOOLS_TIMER, m);
    while (*at != NULL)
        at = &(*at)->next;
    *at = m;
    t->made_count++;
    return m;
}

void mcp_made_release(struct mcp_made *m)
{
    loop_timer_cancel(m->tools->config.loop, &m->ttl);
    made_free(m);
}

static void made_forget(struct mcp_made *m)
{
    struct mcp_tools *t = m->tools;
    struct mcp_made **at = &t->made;
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    t->made_count--;
    mcp_made_release(m);
}

static void remember_closed(struct mcp_tools *t, const char *id)
{
    if (t->closed.count == CLOSED_MAX)
        texts_wipe(&t->closed);
    if (!texts_add(&t->closed, span_str(id)))
        return; /* it will be unknown, that is all */
}

/* Whoever waits for it is told meanwhile. */
void mcp_made_remove(struct mcp_made *m, bool was_shown)
{
    struct mcp_tools *t = m->tools;
    struct definition_error ignored;
    struct tunnel *u = tunnels_find_id(t->config.tunnels, m->id);
    if (was_shown)
        remember_closed(t, m->id);
    made_forget(m);
    if (u != NULL && !tunnels_remove(t->config.tunnels, u, &ignored))
        tunnel_stop(u);
}
