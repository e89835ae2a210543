#include <stdlib.h>
#include <string.h>

#include "forward/guest.h"

static bool copy_env(struct guest *g, struct span list)
{
    struct span rest = list, one;
    size_t n = 0;
    while (mux_env_next(&rest, &one))
        n++;
    g->env = calloc(n + 1, sizeof *g->env);
    if (!g->env)
        return false;
    while (mux_env_next(&list, &one) && g->exec.env_count < n) {
        g->env[g->exec.env_count] = guest_copy(one);
        if (!g->env[g->exec.env_count])
            return false;
        g->exec.env_count++;
    }
    g->exec.env = (const char *const *)g->env;
    return true;
}

static bool session_fill(struct guest *g, const struct mux_session *m)
{
    struct session_exec *exec = &g->exec;
    exec->text = guest_keep(g, m->command);
    exec->term = guest_keep(g, m->term);
    if (!exec->text || !exec->term || !copy_env(g, m->env))
        return false;
    exec->kind = m->is_subsystem    ? SESSION_EXEC_SUBSYSTEM
                 : m->command.n > 0 ? SESSION_EXEC_COMMAND
                                    : SESSION_EXEC_SHELL;
    exec->wants_pty = m->wants_tty;
    exec->wants_agent = m->wants_agent;
    exec->modes = g->modes;
    exec->in_fd = g->fds[0];
    exec->out_fd = g->fds[1];
    exec->err_fd = g->fds[2];
    if (exec->wants_pty && g->control->spec->describe)
        g->control->spec->describe(g->fds[0], exec, g->modes);
    g->spec.type = SESSION_FORWARD_EXEC;
    g->spec.exec = exec;
    if (exec->wants_pty && m->escape <= UINT8_MAX)
        return guest_escape_begin(g, (int)m->escape, &exec->in_fd);
    return true;
}

static bool stdio_fill(struct guest *g, const struct mux_forward *m)
{
    const char *host = guest_keep(g, m->connect_host);
    g->spec.type = SESSION_FORWARD_STDIO;
    g->spec.fds = g->fds;
    if (m->connect_port == MUX_PORT_PATH)
        g->spec.path = host;
    else
        g->spec.host = host;
    g->spec.port = g->spec.path ? 0 : (uint16_t)m->connect_port;
    return host != NULL;
}

static bool stdio_is_sound(const struct mux_forward *m)
{
    return m->connect_host.n > 0 &&
           (m->connect_port == MUX_PORT_PATH || (m->connect_port > 0 && m->connect_port <= UINT16_MAX));
}

static bool is_agreed_to(struct control_client *cl, const struct mux_message *m)
{
    char text[LIMIT_HOST + 240], host[201];
    if (m->type == MUX_C_NEW_SESSION) {
        (void)adit_format(text, sizeof text, "Allow shared connection to %s? ",
                          forwarder_config(cl->control->forwarder)->host);
    } else {
        (void)adit_text_clean(host, sizeof host, m->forward.connect_host, false);
        (void)adit_format(text, sizeof text, "Allow forward to %s:%u? ", host, m->forward.connect_port);
    }
    return control_confirm_take(cl, m, text);
}

static bool has_place(struct control_client *cl, const struct mux_message *m)
{
    if (cl->session)
        control_client_refuse(cl, m->id, "Multiple sessions not supported");
    else if (!forwarder_may_open(cl->control->forwarder))
        control_client_refuse(cl, m->id, "the connection is about to end");
    else if (m->type == MUX_C_NEW_STDIO_FWD && !stdio_is_sound(&m->forward))
        control_client_refuse(cl, m->id, "Invalid forwarding request");
    else
        return true;
    return false;
}

void guest_open_session(struct control_client *cl, const struct mux_message *m)
{
    bool is_exec = m->type == MUX_C_NEW_SESSION;
    if (!has_place(cl, m)) {
        control_fds_close(cl->fds);
        return;
    }
    if (!is_agreed_to(cl, m))
        return;
    struct guest *g = guest_new(cl, m->id);
    if (!g) {
        control_client_refuse(cl, m->id, "out of memory");
        control_fds_close(cl->fds);
        return;
    }
    g->is_session = true;
    g->id = ++cl->control->last_id;
    cl->session = g;
    memcpy(g->fds, cl->fds, sizeof g->fds);
    for (size_t i = 0; i < CONTROL_DESCRIPTORS; i++)
        cl->fds[i] = -1;
    if (!(is_exec ? session_fill(g, &m->session) : stdio_fill(g, &m->forward)))
        guest_leave(g, "out of memory");
    else if (guest_begin(g) && is_exec) {
        /* Copies are the session's own by now. Ours would keep the readers of the output waiting. */
        guest_escape_taken(g);
        sock_close(&g->fds[1]);
        sock_close(&g->fds[2]);
        if (!g->exec.wants_pty)
            sock_close(&g->fds[0]);
    }
}
