#include <string.h>

#include "forward/guest.h"

/* ---- What is there already ---- */

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_forward(const struct forwarder *f, const struct session_forward *b)
{
    const struct session_forward *a = f->spec;
    if (!a || f->is_cancelled || f->state == FORWARDER_FAILED || a->type != b->type)
        return false;
    bool same_port =
        a->bind_port == b->bind_port || (f->guest && a->bind_port == 0 && f->guest->port == b->bind_port);
    return same_port && a->port == b->port && same_text(a->bind, b->bind) &&
           same_text(a->bind_path, b->bind_path) && same_text(a->host, b->host) &&
           same_text(a->path, b->path);
}

static struct forwarder *find_forward(struct control *c, const struct session_forward *spec)
{
    struct forwarder *f;
    for (size_t i = 0; (f = forwarder_at(c->forwarder, i)) != NULL; i++)
        if (same_forward(f, spec))
            return f;
    return NULL;
}

/* ---- What is asked for, and answered ---- */

/* False: no memory. */
static bool forward_fill(struct guest *g, const struct mux_forward *m)
{
    static const enum session_forward_type types[] = {[MUX_FORWARD_LOCAL] = SESSION_FORWARD_LOCAL,
                                                      [MUX_FORWARD_REMOTE] = SESSION_FORWARD_REMOTE,
                                                      [MUX_FORWARD_DYNAMIC] = SESSION_FORWARD_DYNAMIC};
    struct session_forward *spec = &g->spec;
    bool is_local = m->type != MUX_FORWARD_REMOTE;
    const char *listen = guest_keep(g, m->listen_host), *connect = guest_keep(g, m->connect_host);
    bool is_socks =
        m->type == MUX_FORWARD_DYNAMIC || (m->connect_port == 0 && span_is(m->connect_host, "socks"));
    if (!listen || !connect)
        return false;
    spec->type = types[m->type];
    if (m->listen_port == MUX_PORT_PATH)
        spec->bind_path = listen;
    else if (m->listen_host.n == 0)
        spec->bind = is_local && g->control->spec->gateway_ports ? "" : NULL;
    else
        spec->bind = strcmp(listen, "*") == 0 ? "" : listen;
    spec->bind_port = spec->bind_path ? 0 : (uint16_t)m->listen_port;
    if (is_socks)
        return true;
    if (m->connect_port == MUX_PORT_PATH)
        spec->path = connect;
    else
        spec->host = connect;
    spec->port = spec->path ? 0 : (uint16_t)m->connect_port;
    return true;
}

void guest_answer_forward(struct guest *g)
{
    struct control_client *cl = g->client;
    g->awaits = false;
    g->client = NULL;
    if (!cl)
        return;
    if (g->spec.type == SESSION_FORWARD_REMOTE && !g->spec.bind_path && g->spec.bind_port == 0) {
        const struct mux_message m = {.type = MUX_S_REMOTE_PORT, .id = g->request, .number = g->port};
        control_client_send(cl, &m);
    } else {
        control_client_answer(cl, MUX_S_OK, g->request);
    }
}

void guest_refuse_forward(struct guest *g)
{
    char text[96];
    if (g->spec.type == SESSION_FORWARD_REMOTE)
        (void)adit_format(text, sizeof text, "remote port forwarding failed for listen port %u",
                          (unsigned)g->spec.bind_port);
    else
        (void)adit_format(text, sizeof text, "Port forwarding failed");
    guest_leave(g, text);
}

/* ---- ControlMaster ask ---- */

enum { QUESTION_HOST_CAP = 201, QUESTION_END_CAP = QUESTION_HOST_CAP + 8 };

static void end_text(char out[static QUESTION_END_CAP], struct span host, uint32_t port, const char *none)
{
    char clean[QUESTION_HOST_CAP];
    (void)adit_text_clean(clean, sizeof clean, host.n > 0 ? host : span_str(none), false);
    if (port == MUX_PORT_PATH)
        (void)adit_format(out, QUESTION_END_CAP, "%s", clean);
    else
        (void)adit_format(out, QUESTION_END_CAP, "%s:%u", clean, port);
}

/* In ssh's words. */
static bool is_agreed_to(struct control_client *cl, const struct mux_message *m)
{
    static const char *const names[] = {
        [MUX_FORWARD_LOCAL] = "local", [MUX_FORWARD_REMOTE] = "remote", [MUX_FORWARD_DYNAMIC] = "dynamic"};
    const struct mux_forward *f = &m->forward;
    char text[2 * QUESTION_END_CAP + LIMIT_HOST + 40], near[QUESTION_END_CAP], far[QUESTION_END_CAP] = "*";
    bool is_everywhere = f->type != MUX_FORWARD_REMOTE && cl->control->spec->gateway_ports;
    end_text(near, f->listen_host, f->listen_port, is_everywhere ? "*" : "LOCALHOST");
    if (f->type != MUX_FORWARD_DYNAMIC)
        end_text(far, f->connect_host, f->connect_port, "");
    (void)adit_format(text, sizeof text, "Open %s forward %s -> %s on %s?", names[f->type], near, far,
                      forwarder_config(cl->control->forwarder)->host);
    return control_confirm_take(cl, m, text);
}

/* ---- Requests ---- */

/* The same again is no failure (two clients with one configuration file): it is there already. */
void guest_open_forward(struct control_client *cl, const struct mux_message *m)
{
    struct guest *g = guest_new(cl, m->id);
    if (!g || !forward_fill(g, &m->forward)) {
        if (g)
            guest_leave(g, "out of memory");
        else
            control_client_refuse(cl, m->id, "out of memory");
        return;
    }
    const struct forwarder *known = find_forward(cl->control, &g->spec);
    if (known && known->state == FORWARDER_UP) {
        g->port = known->guest ? known->guest->port : 0;
        guest_answer_forward(g);
        guest_leave(g, "");
        return;
    }
    if (!is_agreed_to(cl, m)) {
        g->awaits = false;
        guest_leave(g, "");
        return;
    }
    forwarder_log(cl->control->forwarder, SESSION_DEBUG1, "control socket: a forward was asked for");
    (void)guest_begin(g);
}

/* Those who are connected already stay so, as with ssh. */
void guest_close_forward(struct control_client *cl, const struct mux_message *m)
{
    struct guest *wanted = guest_new(cl, m->id);
    if (!wanted || !forward_fill(wanted, &m->forward)) {
        if (wanted)
            guest_leave(wanted, "out of memory");
        else
            control_client_refuse(cl, m->id, "out of memory");
        return;
    }
    struct forwarder *f = find_forward(cl->control, &wanted->spec);
    if (!f || f->state != FORWARDER_UP) {
        guest_leave(wanted, "port not forwarded");
        return;
    }
    f->is_cancelled = true;
    if (f->ops->stop)
        f->ops->stop(f);
    if (f->guest)
        f->guest->is_leaving = true;
    control_client_answer(cl, MUX_S_OK, m->id);
    wanted->awaits = false;
    guest_leave(wanted, "");
}
