/*
 * session_mail.c - letters to a session: who writes them, on any thread, and what they bring about, on its
 * own.
 */
#include <stdlib.h>

#include "forward/internal.h"

struct command_mail {
    struct mail mail;
    struct session_command command;
};

/* It brings nothing about: what came with it is not needed. */
static void command_drop(const struct session_command *c)
{
    int fd = c->fd;
    if (c->kind == SESSION_DO_TAKE_CLIENT)
        sock_close(&fd);
}

/* ---- Written ---- */

void session_stop(struct session *s)
{
    unsigned n = atomic_fetch_add(&s->stop_count, 1);
    if (n >= ADIT_COUNT(s->stop_mail))
        return;
    s->stop_mail[n].kind = SESSION_MAIL_STOP;
    mailbox_post(&s->box, &s->stop_mail[n]);
}

bool session_do(struct session *s, const struct session_command *command)
{
    struct command_mail *letter = calloc(1, sizeof *letter);
    if (!letter) {
        command_drop(command);
        return false;
    }
    letter->command = *command;
    letter->mail.kind = SESSION_MAIL_COMMAND;
    letter->mail.owner = letter;
    mailbox_post(&s->box, &letter->mail);
    return true;
}

void session_snapshot(struct session *s, struct session_snapshot *snapshot)
{
    snapshot->request.kind = SESSION_MAIL_SNAPSHOT;
    snapshot->request.owner = snapshot;
    mailbox_post(&s->box, &snapshot->request);
}

/* ---- Read ---- */

static void on_answer(struct session *s)
{
    question_answered(s, s->stop_waits || s->conn.is_over);
    if (s->stop_waits)
        session_finish(s, NULL);
}

static void on_forwarder_resolved(struct mail *m)
{
    struct forwarder *f = m->owner;
    f->ops->on_resolved(f, resolve_of_mail(m));
}

static void command_execute(struct session *s, const struct session_command *c)
{
    if (c->kind == SESSION_DO_LOG_LEVEL)
        s->config.log_level = c->level;
    if (s->phase != PHASE_OPEN || (c->kind == SESSION_DO_TAKE_CLIENT && !s->control)) {
        command_drop(c);
        return;
    }
    if (c->kind == SESSION_DO_REKEY)
        ssh_rekey(s->conn.ssh);
    if (c->kind == SESSION_DO_STOP_LISTENING)
        forwarders_stop(s);
    for (struct forwarder *f = s->forwarders; f; f = f->next)
        if (f->ops->on_command && !f->guest)
            f->ops->on_command(f, c);
}

static void on_command(struct session *s, struct mail *m)
{
    struct command_mail *letter = m->owner;
    command_execute(s, &letter->command);
    free(letter);
}

static void on_mail(struct session *s, struct mail *m)
{
    switch (m->kind) {
    case SESSION_MAIL_ANSWER:
        on_answer(s);
        return;
    case SESSION_MAIL_STOP:
        session_on_stop(s, m == &s->stop_mail[1]);
        return;
    case SESSION_MAIL_SNAPSHOT:
        session_take_snapshot(s, m->owner);
        return;
    case SESSION_MAIL_FORWARD_ADDED:
        forward_letter_added(s, m->owner);
        return;
    case SESSION_MAIL_FORWARD_REMOVED:
        forward_letter_removed(s, m->owner);
        return;
    case SESSION_MAIL_RESOLVED:
        if (s->phase == PHASE_CONNECTING)
            dial_on_resolved(&s->conn.dial);
        return;
    case SESSION_MAIL_FORWARDER_RESOLVED:
        if (s->phase <= PHASE_OPEN)
            on_forwarder_resolved(m);
        return;
    case SESSION_MAIL_FLOW_RESOLVED:
        flow_on_resolved(m->owner, resolve_of_mail(m));
        return;
    case SESSION_MAIL_COMMAND:
        on_command(s, m);
        return;
    case SESSION_MAIL_HALT:
        s->is_halting = true;
        return;
    default:
        (void)survive_order(s, m);
        return;
    }
}

void session_on_mailbox(struct session *s)
{
    struct mail *m;
    loop_fd_not_readable(&s->box_fd);
    while ((m = mailbox_take(&s->box)))
        on_mail(s, m);
}

static void letter_drop(struct command_mail *letter)
{
    command_drop(&letter->command);
    free(letter);
}

void session_mail_drop(struct session *s)
{
    struct mail *m;
    while ((m = mailbox_take(&s->box)))
        if (m->kind == SESSION_MAIL_SNAPSHOT)
            session_take_snapshot(s, m->owner);
        else if (m->kind == SESSION_MAIL_COMMAND)
            letter_drop(m->owner);
        else if (m->kind == SESSION_MAIL_CONNECT)
            sock_close(&s->next.transport_fd);
}
