#include "forward/guest.h"

#include <stdlib.h>
#include <string.h>

struct guest *guest_new(struct control_client *cl, uint32_t request)
{
    struct control *c = cl->control;
    struct guest *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    *g = (struct guest){.control = c,
                        .next = c->guests,
                        .client = cl,
                        .request = request,
                        .awaits = true,
                        .fds = {-1, -1, -1}};
    c->guests = g;
    return g;
}

static void text_free(char *text)
{
    adit_wipe(text, strlen(text));
    free(text);
}

void guest_free(struct guest *g)
{
    if (g->forwarder)
        forwarder_remove(g->forwarder);
    for (size_t i = 0; i < g->text_count; i++)
        text_free(g->texts[i]);
    for (size_t i = 0; g->env && g->env[i]; i++)
        text_free(g->env[i]);
    free(g->env);
    control_fds_close(g->fds);
    guest_escape_free(g);
    free(g);
}

char *guest_copy(struct span s)
{
    char *text = malloc(s.n + 1);
    if (!text)
        return NULL;
    if (s.n > 0)
        memcpy(text, s.p, s.n);
    text[s.n] = 0;
    return text;
}

const char *guest_keep(struct guest *g, struct span s)
{
    char *text = guest_copy(s);
    if (text)
        g->texts[g->text_count++] = text;
    return text;
}

void guest_leave(struct guest *g, const char *why)
{
    if (g->awaits && g->client)
        control_client_refuse(g->client, g->request, why);
    if (g->client && g->client->session == g)
        g->client->session = NULL; /* it may ask for another one */
    g->awaits = false;
    g->is_leaving = true;
    control_sweep_soon(g->control);
}

bool guest_begin(struct guest *g)
{
    g->forwarder = forwarder_add(g->control->forwarder, &g->spec, g);
    if (!g->forwarder) {
        guest_leave(g, "too many forwards and sessions");
        return false;
    }
    const struct forwarder_ops *ops = g->forwarder->ops;
    if (ops->bind)
        ops->bind(g->forwarder);
    if (ops->begin && g->forwarder->state != FORWARDER_FAILED)
        ops->begin(g->forwarder);
    return true;
}

/* ---- What becomes of it ---- */

static void tell_session(struct guest *g, uint32_t type)
{
    const struct mux_message m = {.type = type, .id = g->request, .session_id = g->id, .number = g->status};
    if (g->client)
        control_client_send(g->client, &m);
}

void control_on_notice(struct forwarder *f, const struct session_notice *n)
{
    struct guest *g = f->guest;
    switch (n->kind) {
    case SESSION_REMOTE_PORT:
        g->port = n->bound_port;
        break;
    case SESSION_FORWARD_UP:
        if (g->awaits)
            guest_answer_forward(g);
        break;
    case SESSION_FORWARD_FAILED:
        control_sweep_soon(g->control); /* one address, or the last of them: its state will say */
        break;
    case SESSION_EXEC_OPENED:
        g->awaits = false;
        tell_session(g, MUX_S_SESSION_OPENED);
        break;
    case SESSION_NO_PTY:
        tell_session(g, MUX_S_TTY_ALLOC_FAIL);
        break;
    case SESSION_EXEC_EXIT:
        g->has_status = !n->text; /* a signal has no message: the client hears of no status */
        g->status = n->number;
        break;
    default:
        break;
    }
}

void control_on_over(struct forwarder *f, const struct adit_error *why)
{
    struct guest *g = f->guest;
    (void)why; /* logged, or the server's own words: the client gets ssh's */
    if (g->is_leaving)
        return;
    if (!g->awaits && g->has_status)
        tell_session(g, MUX_S_EXIT_MESSAGE);
    bool was_open = !g->awaits;
    guest_leave(g, "Session open refused by peer");
    if (g->client && was_open)
        control_client_drop(g->client);
    g->client = NULL;
}

void guest_client_gone(struct control_client *cl)
{
    for (struct guest *g = cl->control->guests; g; g = g->next) {
        if (g->client != cl)
            continue;
        g->client = NULL;
        g->awaits = false;
        if (!g->is_session)
            continue;
        g->is_leaving = true;
        for (struct flow *flow = g->forwarder ? g->forwarder->flows : NULL, *next; flow; flow = next) {
            next = flow->next;
            if (!flow->is_dead)
                flow_end(flow, false);
        }
    }
}
