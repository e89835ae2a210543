/*
 * forward_letter.c - forwards that come and go in a session that survives: who asks for them, on any thread,
 * and what it brings about.
 *
 * One that is removed is ended at once but for what the server has still to answer: channels that are to
 * close, and its own listener. Its letter goes back when the listener is gone; what waits for channels alone
 * is freed later, and has nothing of the letter any more.
 */
#include "forward/internal.h"

/* ---- Asked for ---- */

void session_forward_add(struct session *s, struct session_forward_letter *letter)
{
    letter->added.kind = SESSION_MAIL_FORWARD_ADDED;
    letter->added.owner = letter;
    mailbox_post(&s->box, &letter->added);
}

void session_forward_remove(struct session *s, struct session_forward_letter *letter)
{
    letter->removed.kind = SESSION_MAIL_FORWARD_REMOVED;
    letter->removed.owner = letter;
    mailbox_post(&s->box, &letter->removed);
}

/* ---- Added ---- */

static bool may_come(const struct session *s, enum session_forward_type type)
{
    return s->config.survives && forwarders_can_repeat(type) && type != SESSION_FORWARD_AGENT;
}

static void refuse(struct forwarder *f)
{
    struct adit_error err = {ADIT_E_OK, ""};
    f->ops = &forwarder_none;
    (void)adit_fail(&err, ADIT_E_UNSUPPORTED, "such a forward cannot come later");
    forwarder_failed(f, true, &err);
}

static void begin(struct forwarder *f)
{
    if (f->ops->bind)
        f->ops->bind(f);
    if (f->ops->begin && f->state != FORWARDER_FAILED && forwarder_has_begun(f))
        f->ops->begin(f);
}

static void tell_no_memory(struct session *s, size_t index)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct session_notice n = {
        .kind = SESSION_FORWARD_FAILED, .index = index, .error = &err, .is_refused = true};
    (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory");
    session_notify(s, &n);
}

void forward_letter_added(struct session *s, struct session_forward_letter *letter)
{
    letter->forwarder = NULL;
    if (s->phase >= PHASE_DRAINING)
        return;
    struct forwarder *f = forwarders_new(s, &letter->forward);
    if (!f) {
        tell_no_memory(s, letter->index);
        return;
    }
    letter->forwarder = f;
    f->letter = letter;
    f->index = letter->index;
    if (may_come(s, letter->forward.type))
        begin(f);
    else
        refuse(f);
}

/* ---- Removed ---- */

static void cut_flows(struct forwarder *f)
{
    struct flow *flow, *next;
    for (flow = f->flows; flow; flow = next) {
        next = flow->next;
        if (flow->is_dead)
            continue;
        if (f->ops->flow_cut)
            f->ops->flow_cut(flow);
        else
            flow_end(flow, true);
    }
}

/* The listener first: nobody comes between. */
static void leave(struct forwarder *f)
{
    f->is_leaving = true;
    f->session->has_leaving = true;
    if (f->ops->unlisten)
        f->ops->unlisten(f);
    else if (f->ops->stop)
        f->ops->stop(f);
    if (f->state == FORWARDER_READY || f->state == FORWARDER_BINDING || f->state == FORWARDER_FAILED)
        f->state = FORWARDER_OVER; /* else the server's answer is awaited, or could not be asked for */
    cut_flows(f);
    session_progress(f->session);
}

static void tell_gone(struct session *s, size_t index)
{
    struct session_notice n = {.kind = SESSION_FORWARD_GONE, .index = index};
    session_notify(s, &n);
}

void forward_letter_removed(struct session *s, struct session_forward_letter *letter)
{
    if (s->phase >= PHASE_DRAINING)
        return;
    if (letter->forwarder)
        leave(letter->forwarder);
    else /* there was no memory for it */
        tell_gone(s, letter->index);
}

/* ---- Over ---- */

static void give_back(struct forwarder *f)
{
    static const struct session_forward nothing = {.type = SESSION_FORWARD_LOCAL};
    size_t index = f->index;
    if (f->ops->free)
        f->ops->free(f);
    f->spec = &nothing;
    f->letter = NULL;
    forwarder_log(f, SESSION_DEBUG1, "a forward was removed");
    tell_gone(f->session, index);
}

void forward_letters_sweep(struct session *s)
{
    struct forwarder *next;
    s->has_leaving = false;
    for (struct forwarder *f = s->forwarders; f; f = next) {
        next = f->next;
        if (f->is_leaving && f->state == FORWARDER_UP)
            f->ops->stop(f); /* too many requests waited for an answer */
        if (f->is_leaving && f->state == FORWARDER_OVER && f->letter)
            give_back(f);
        if (f->is_leaving && f->state == FORWARDER_OVER && !f->flows)
            forwarders_delete(f);
        else
            s->has_leaving = s->has_leaving || f->is_leaving;
    }
}
