/*
 * control_confirm.c - ControlMaster ask: before a request is done somebody must agree, who is asked by the
 * program that SSH_ASKPASS names.
 *
 * It gets the question as its argument and SSH_ASKPASS_PROMPT=confirm. As with ssh, an empty line or "yes"
 * agrees if its exit status is 0, and all else does not. Traffic goes on meanwhile; the client's own messages
 * wait, its request first of all: in its room, from where it is done once more when the answer is there.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/guest.h"

enum {
    END_LOOK_MS = 50,
    OUTPUT_MAX = 4096, /* no yes is as long */
};

void control_confirm_init(struct control *c)
{
    c->confirm.child.pid = -1;
    loop_fd_init(&c->confirm.out, SESSION_FD_FORWARDER, c->forwarder);
    loop_timer_init(&c->confirm.end, SESSION_TIMER_FORWARDER, c->forwarder);
}

static void output_close(struct control *c)
{
    int fd = c->confirm.out.fd;
    loop_del(control_loop(c), &c->confirm.out);
    sock_close(&fd);
}

void control_confirm_wipe(struct control *c)
{
    output_close(c);
    loop_timer_cancel(control_loop(c), &c->confirm.end);
    child_abandon(&c->confirm.child);
    c->confirm.client = NULL;
}

void control_confirm_forget(struct control_client *cl)
{
    if (cl->control->confirm.client == cl)
        control_confirm_wipe(cl->control);
    free(cl->question);
    cl->question = NULL;
}

bool control_confirm_take(struct control_client *cl, const struct mux_message *m, const char *question)
{
    const struct session_control *spec = cl->control->spec;
    bool is_agreed = cl->is_agreed || cl->is_own || !spec->must_ask;
    cl->is_agreed = false;
    if (is_agreed)
        return true;
    cl->question = spec->askpass ? guest_copy(span_str(question)) : NULL;
    if (cl->question)
        control_sweep_soon(cl->control);
    else
        control_client_deny(cl, m->id);
    return false;
}

static enum adit_err ask(struct control *c, struct control_client *cl, struct adit_error *err)
{
    const char *const argv[] = {c->spec->askpass, cl->question, NULL};
    const char *const env[] = {"SSH_ASKPASS_PROMPT=confirm", NULL};
    struct control_confirm *confirm = &c->confirm;
    int fd;
    confirm->output_len = 0;
    if (child_start_reading(&confirm->child, argv, env, &fd, err) != ADIT_E_OK)
        return err->code;
    confirm->client = cl;
    if (loop_add(control_loop(c), &confirm->out, fd, err) == ADIT_E_OK)
        return ADIT_E_OK;
    sock_close(&fd);
    control_confirm_wipe(c);
    return err->code;
}

/* Those who came last stand first. */
static struct control_client *longest_waiting(const struct control *c)
{
    struct control_client *found = NULL;
    for (struct control_client *cl = c->clients; cl; cl = cl->next)
        if (cl->question && !cl->is_gone)
            found = cl;
    return found;
}

void control_confirm_next(struct control *c)
{
    struct control_client *cl;
    while (!c->confirm.client && (cl = longest_waiting(c)) != NULL) {
        struct adit_error err = {ADIT_E_OK, ""};
        if (ask(c, cl, &err) == ADIT_E_OK)
            return;
        forwarder_log(c->forwarder, SESSION_ERROR, "control socket: nobody can be asked: %s", err.text);
        control_client_resume(cl, false);
    }
}

/* ---- The answer ---- */

static bool is_yes(const struct control_confirm *confirm)
{
    static const char yes[] = "yes";
    size_t n = 0,
           kept = confirm->output_len < sizeof confirm->line ? confirm->output_len : sizeof confirm->line;
    while (n < kept && confirm->line[n] != '\n' && confirm->line[n] != '\r' && confirm->line[n] != 0)
        n++;
    for (size_t i = 0; i < n && n == strlen(yes); i++)
        if ((confirm->line[i] | 0x20) != yes[i])
            return false;
    return n == 0 || n == strlen(yes);
}

/* It has said all; it may not have ended yet. */
void control_confirm_on_timer(struct control *c)
{
    struct control_confirm *confirm = &c->confirm;
    struct control_client *cl = confirm->client;
    int status = 0;
    if (!child_reap(&confirm->child, false, &status)) {
        loop_timer_set(control_loop(c), &confirm->end, loop_now_ms() + END_LOOK_MS);
        return;
    }
    confirm->client = NULL;
    control_client_resume(cl, status == 0 && is_yes(confirm));
    control_sweep_soon(c);
}

static void output_add(struct control_confirm *confirm, const char *p, size_t n)
{
    for (size_t i = 0; i < n && confirm->output_len + i < sizeof confirm->line; i++)
        confirm->line[confirm->output_len + i] = p[i];
    confirm->output_len += n;
}

/* What prints without an end would never be reaped. */
static void give_up(struct control *c)
{
    struct control_client *cl = c->confirm.client;
    control_confirm_wipe(c);
    control_client_resume(cl, false);
    control_sweep_soon(c);
}

void control_confirm_on_ready(struct control *c)
{
    struct adit_error err = {ADIT_E_OK, ""};
    char buf[256];
    size_t n;
    enum sock_io io;
    while ((io = sock_read(c->confirm.out.fd, buf, sizeof buf, &n, &err)) == SOCK_IO_OK &&
           c->confirm.output_len <= OUTPUT_MAX)
        output_add(&c->confirm, buf, n);
    if (io == SOCK_IO_OK) {
        give_up(c);
        return;
    }
    if (io == SOCK_IO_AGAIN) {
        loop_fd_not_readable(&c->confirm.out);
        return;
    }
    output_close(c);
    control_confirm_on_timer(c);
}
