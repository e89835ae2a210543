/*
 * link_reclaim.c - AditReclaim: a port of -R that our own stale session still holds at the server.
 *
 * As soon as such a forward is up the server is asked which process this session is; it becomes the
 * forward's holder. When a later connection is refused the port, the holder, and nothing else, is ended, and
 * the forward is asked for again. One command at a time. A holder is tried once: whatever came of that, it is
 * forgotten.
 */
#include <string.h>

#include "client/link_internal.h"
#include "net/loop.h"

enum {
    ANSWER_MS = 15 * 1000, /* the longest that a command may take: it waits 10 s by itself */
    AGAIN_MS = 1000,       /* another link is asking the same account */
};

static void say(struct link *l, enum session_level level, const char *fmt, ...) ADIT_PRINTF(3, 4);
static void say(struct link *l, enum session_level level, const char *fmt, ...)
{
    char line[LIMIT_ERROR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    (void)adit_vformat(line, sizeof line, fmt, ap);
    va_end(ap);
    if (level <= l->log_level)
        link_log(l, level, SESSION_ABOUT_FORWARD, line);
}

/* ---- Forwards ---- */

/* A port that was asked for by its number: any other one is as good as the last, and a socket's file stays
 * when its process ends. */
static bool concerns(const struct link_forward *f)
{
    return f->spec.type == FORWARD_REMOTE && f->spec.bind != FORWARD_BIND_PATH && f->spec.port != 0;
}

static bool wants_end(const struct link_forward *f)
{
    return f->wants_reclaim;
}

static bool lacks_holder(const struct link_forward *f)
{
    return concerns(f) && f->is_up && f->holder.pid == 0;
}

static struct link_forward *first(struct link *l, bool (*is_meant)(const struct link_forward *))
{
    struct link_forward *f = NULL;
    while ((f = link_forward_next(l, f)) != NULL && !is_meant(f))
        ;
    return f;
}

static const char refused[] = "the server refused it; AditReclaim: ";

/* The reason goes with the forward, until it is up. */
static void tell_why(struct link *l, struct link_forward *f, const char *why)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct link_notice n = {.kind = LINK_FORWARD_FAILED, .id = f->id, .error = &err};
    f->reclaim_why = why;
    (void)adit_fail(&err, ADIT_E_FORWARD, "remote port forwarding failed for listen port %u: %s%s",
                    (unsigned)f->spec.port, refused, why);
    (void)adit_format(l->missing_why, sizeof l->missing_why, "%s", err.text);
    say(l, SESSION_INFO, "%s", err.text);
    link_notify(l, &n);
}

/* Every forward whose holder that was has lost it. */
static void forget_holder(struct link *l, const struct reclaim_id *id, const char *why)
{
    struct link_forward *f = NULL;
    while ((f = link_forward_next(l, f)) != NULL) {
        if (!concerns(f) || !reclaim_id_same(&f->holder, id))
            continue;
        f->holder = (struct reclaim_id){0};
        f->wants_reclaim = false;
        if (why != NULL && f->is_missing)
            tell_why(l, f, why);
    }
}

/* What ssh_config says may have led here from another account. */
static void forget_elsewhere(struct link *l)
{
    struct link_forward *f = NULL;
    if (strcmp(l->held_at, l->reclaim.account) == 0)
        return;
    while ((f = link_forward_next(l, f)) != NULL) {
        f->holder = (struct reclaim_id){0};
        f->wants_reclaim = false;
    }
    (void)adit_format(l->held_at, sizeof l->held_at, "%s", l->reclaim.account);
}

/* ---- Commands ---- */

static void note_account(struct link *l)
{
    const struct client *c = l->destination.client;
    (void)adit_format(l->reclaim.account, sizeof l->reclaim.account, "%s@%s:%u", client_user(c),
                      client_host(c), (unsigned)client_port(c));
}

static void run(struct link *l, enum link_reclaim_doing doing, const char *command)
{
    l->reclaim.doing = doing;
    session_run(l->session, command, ANSWER_MS);
}

static void ask_who(struct link *l)
{
    char command[RECLAIM_COMMAND_CAP];
    enum reclaim_right right;
    note_account(l);
    right = reclaim_right_of(l->reclaim.account);
    if (right == RECLAIM_RIGHT_WAIT) {
        l->reclaim.again_at = loop_now_ms() + AGAIN_MS;
        return;
    }
    l->reclaim.is_asked = true;
    if (right == RECLAIM_RIGHT_NO)
        return;
    l->reclaim.is_first = right == RECLAIM_RIGHT_FIRST;
    reclaim_who(command);
    run(l, LINK_RECLAIM_WHO, command);
}

static void end_holder(struct link *l, struct link_forward *f)
{
    char command[RECLAIM_COMMAND_CAP];
    f->wants_reclaim = false;
    note_account(l);
    if (strcmp(l->held_at, l->reclaim.account) != 0) {
        tell_why(l, f, "it was held at another account");
        return;
    }
    enum reclaim_right right = reclaim_right_of(l->reclaim.account);
    if (right == RECLAIM_RIGHT_FIRST) /* another account than the holder's: nobody knows it */
        reclaim_right_settle(l->reclaim.account, RECLAIM_RIGHT_FIRST);
    if (right != RECLAIM_RIGHT_YES) {
        tell_why(l, f, "it is off for this account");
        return;
    }
    l->reclaim.ending = f->holder;
    say(l, SESSION_DEBUG1, "AditReclaim: port %u is held: ending process %u of the server",
        (unsigned)f->spec.port, (unsigned)f->holder.pid);
    reclaim_end(&f->holder, command);
    run(l, LINK_RECLAIM_END, command);
}

static void go_on(struct link *l)
{
    struct link_reclaim *r = &l->reclaim;
    struct link_forward *f;
    if (!l->config.reclaim || r->doing != LINK_RECLAIM_NOTHING || l->phase != LINK_BOUND)
        return;
    if ((f = first(l, wants_end)) != NULL)
        end_holder(l, f);
    else if (!r->is_asked && r->again_at == KEEP_NEVER && first(l, lacks_holder) != NULL)
        ask_who(l);
}

/* ---- Answers ---- */

static void settle(struct link *l, enum reclaim_right what, const char *why)
{
    reclaim_right_settle(l->reclaim.account, what);
    l->reclaim.is_first = false;
    if (why != NULL)
        say(l, SESSION_INFO, "AditReclaim is off for %s: %s", l->reclaim.account, why);
}

/* False: there was none that could be ours. */
static bool is_answered(struct link *l, const struct session_notice *s)
{
    if (s->error == NULL)
        return true;
    say(l, SESSION_DEBUG1, "AditReclaim: %s", s->error->text);
    /* Where it is known that no other command is forced a slow answer says nothing. */
    if (s->number != 0 && (l->reclaim.is_first || s->error->code == ADIT_E_LIMIT))
        settle(l, RECLAIM_RIGHT_NO, s->error->text);
    else if (l->reclaim.is_first)
        settle(l, RECLAIM_RIGHT_FIRST, NULL);
    return false;
}

static void take_holder(struct link *l, const struct reclaim_id *mine)
{
    struct link_forward *f;
    forget_elsewhere(l);
    l->reclaim.mine = *mine;
    while ((f = first(l, lacks_holder)) != NULL)
        f->holder = *mine;
    say(l, SESSION_DEBUG1, "AditReclaim: this session is process %u of the server", (unsigned)mine->pid);
}

static void on_who(struct link *l, const struct session_notice *s)
{
    struct reclaim_id mine;
    if (!is_answered(l, s))
        return;
    switch (reclaim_read_who(s->text, &mine)) {
    case RECLAIM_WHO_KNOWN:
        settle(l, RECLAIM_RIGHT_YES, NULL);
        take_holder(l, &mine);
        return;
    case RECLAIM_WHO_NO_PROC:
        settle(l, RECLAIM_RIGHT_NO, "the server shows no /proc/PID/stat");
        return;
    case RECLAIM_WHO_FOREIGN:
        settle(l, RECLAIM_RIGHT_NO, "another command was run there (a forced one, or another shell)");
        return;
    }
}

static void on_end(struct link *l, const struct session_notice *s)
{
    const struct reclaim_id id = l->reclaim.ending;
    static const char *const why[] = {
        [RECLAIM_END_DONE] = NULL,
        [RECLAIM_END_GONE] = "the session that held it is gone",
        [RECLAIM_END_OTHER] = "its process id is another one's now, which is left alone",
        [RECLAIM_END_DENIED] = "the server does not let us end the process that held it",
        [RECLAIM_END_ALIVE] = "the process that held it does not end",
        [RECLAIM_END_FOREIGN] = "another command was run there",
    };
    enum reclaim_end what = is_answered(l, s) ? reclaim_read_end(s->text) : RECLAIM_END_FOREIGN;
    if (s->error == NULL && what == RECLAIM_END_FOREIGN)
        settle(l, RECLAIM_RIGHT_NO, why[what]);
    forget_holder(l, &id, s->error != NULL ? "the server did not answer" : why[what]);
    if (what == RECLAIM_END_DONE)
        say(l, SESSION_INFO, "AditReclaim: ended our stale session (process %u of the server)",
            (unsigned)id.pid);
    if (what == RECLAIM_END_DONE || what == RECLAIM_END_GONE)
        session_retry_forwards(l->session);
}

void link_reclaim_ran(struct link *l, const struct session_notice *s)
{
    enum link_reclaim_doing done = l->reclaim.doing;
    l->reclaim.doing = LINK_RECLAIM_NOTHING;
    if (done == LINK_RECLAIM_WHO)
        on_who(l, s);
    else if (done == LINK_RECLAIM_END)
        on_end(l, s);
    go_on(l);
}

/* ---- What happens ---- */

void link_reclaim_up(struct link *l, struct link_forward *f)
{
    f->holder = l->reclaim.mine;
    f->wants_reclaim = false;
    f->reclaim_why = NULL;
    go_on(l);
}

void link_reclaim_reason(const struct link_forward *f, const struct adit_error *why, struct adit_error *out)
{
    if (f->reclaim_why != NULL)
        (void)adit_fail(out, why->code, "%s; AditReclaim: %s", why->text, f->reclaim_why);
    else
        *out = *why;
}

void link_reclaim_failed(struct link *l, struct link_forward *f)
{
    bool is_ours = concerns(f) && f->holder.pid != 0 && !reclaim_id_same(&f->holder, &l->reclaim.mine);
    f->wants_reclaim = l->config.reclaim && is_ours;
    go_on(l);
}

void link_reclaim_look(struct link *l)
{
    if (l->reclaim.again_at == KEEP_NEVER || loop_now_ms() < l->reclaim.again_at)
        return;
    l->reclaim.again_at = KEEP_NEVER;
    go_on(l);
}

/* What was on its way may have been run. */
void link_reclaim_lost(struct link *l)
{
    struct link_forward *f = NULL;
    if (l->reclaim.is_first)
        settle(l, RECLAIM_RIGHT_NO, "the connection was lost before the answer came");
    l->reclaim = (struct link_reclaim){.again_at = KEEP_NEVER};
    while ((f = link_forward_next(l, f)) != NULL)
        f->wants_reclaim = false;
}
