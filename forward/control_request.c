#include "forward/guest.h"

static void on_alive(struct control_client *cl, const struct mux_message *m)
{
    const struct mux_message alive = {.type = MUX_S_ALIVE, .id = m->id, .number = cl->control->spec->pid};
    control_client_send(cl, &alive);
}

static void on_forward(struct control_client *cl, const struct mux_message *m)
{
    if (!mux_forward_is_sound(&m->forward))
        control_client_refuse(cl, m->id, "Invalid forwarding request");
    else if (!forwarder_may_open(cl->control->forwarder))
        control_client_refuse(cl, m->id, "the connection is about to end");
    else if (m->type == MUX_C_OPEN_FWD)
        guest_open_forward(cl, m);
    else
        guest_close_forward(cl, m);
}

static bool is_agreed_to(struct control_client *cl, const struct mux_message *m, const char *what)
{
    char question[LIMIT_HOST + 80];
    (void)adit_format(question, sizeof question, "%s shared connection to %s? ", what,
                      forwarder_config(cl->control->forwarder)->host);
    return control_confirm_take(cl, m, question);
}

static void on_terminate(struct control_client *cl, const struct mux_message *m)
{
    struct control *c = cl->control;
    if (!is_agreed_to(cl, m, "Terminate"))
        return;
    forwarder_log(c->forwarder, SESSION_DEBUG1, "control socket: told to end");
    control_client_answer(cl, MUX_S_OK, m->id);
    control_stop_listening(c);
    forwarder_end_session(c->forwarder, true);
}

static void on_stop(struct control_client *cl, const struct mux_message *m)
{
    struct control *c = cl->control;
    if (!is_agreed_to(cl, m, "Disable further multiplexing on"))
        return;
    forwarder_log(c->forwarder, SESSION_DEBUG1, "control socket: told to stop listening");
    control_go_deaf(c);
    control_client_answer(cl, MUX_S_OK, m->id);
}

void control_request(struct control_client *cl, const struct mux_message *m)
{
    switch (m->type) {
    case MUX_C_ALIVE_CHECK:
        on_alive(cl, m);
        break;
    case MUX_C_TERMINATE:
        on_terminate(cl, m);
        break;
    case MUX_C_OPEN_FWD:
    case MUX_C_CLOSE_FWD:
        on_forward(cl, m);
        break;
    case MUX_C_NEW_SESSION:
    case MUX_C_NEW_STDIO_FWD:
        guest_open_session(cl, m);
        break;
    case MUX_C_STOP_LISTENING:
        on_stop(cl, m);
        break;
    default:
        control_client_refuse(cl, m->id, "unsupported request");
    }
}
