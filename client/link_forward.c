/*
 * link_forward.c - the forwards of a link: theirs is the list here, and the session has a letter of each.
 */
#include <stdlib.h>
#include <string.h>

#include "client/link_internal.h"
#include "net/loop.h"

/* ---- From outside ---- */

static bool may_go(const struct forward_spec *spec)
{
    return spec->type == FORWARD_LOCAL || spec->type == FORWARD_REMOTE || spec->type == FORWARD_DYNAMIC;
}

static struct link_forward *forward_new(const struct link *l, size_t id, const struct forward_spec *spec,
                                        const struct session_access *access)
{
    struct link_forward *f = calloc(1, sizeof *f);
    if (f == NULL)
        return NULL;
    f->id = id;
    f->spec = *spec;
    f->letter.index = id;
    f->letter.forward =
        client_forward_of(&f->spec, l->config.options != NULL && l->config.options->gateway_ports);
    f->letter.forward.access = access;
    f->add.kind = LINK_MAIL_FORWARD_ADD;
    f->remove.kind = LINK_MAIL_FORWARD_REMOVE;
    f->add.owner = f->remove.owner = f;
    return f;
}

enum adit_err link_forward_add(struct link *l, size_t id, const struct forward_spec *spec,
                               const struct session_access *access, struct adit_error *err)
{
    if (!may_go(spec))
        return adit_fail(err, ADIT_E_UNSUPPORTED, "such a forward cannot survive its connection");
    struct link_forward *f = forward_new(l, id, spec, access);
    if (f == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    (void)pthread_mutex_lock(&l->lock);
    struct link_forward **end = &l->forwards;
    while (*end != NULL)
        end = &(*end)->next;
    *end = f;
    mailbox_post(&l->box, &f->add);
    (void)pthread_mutex_unlock(&l->lock);
    return ADIT_E_OK;
}

void link_forward_remove(struct link *l, size_t id)
{
    (void)pthread_mutex_lock(&l->lock);
    struct link_forward *f = l->forwards;
    while (f != NULL && (f->id != id || f->is_leaving))
        f = f->next;
    if (f != NULL) {
        f->is_leaving = true;
        mailbox_post(&l->box, &f->remove);
    }
    (void)pthread_mutex_unlock(&l->lock);
}

/* ---- The list: others only add to its end, so that the link's thread may go along it without the lock but
 * for its last step. ---- */

struct link_forward *link_forward_next(struct link *l, struct link_forward *f)
{
    (void)pthread_mutex_lock(&l->lock);
    struct link_forward *next = f != NULL ? f->next : l->forwards;
    (void)pthread_mutex_unlock(&l->lock);
    return next;
}

struct link_forward *link_forward_find(struct link *l, size_t id)
{
    struct link_forward *f = NULL;
    while ((f = link_forward_next(l, f)) != NULL && f->id != id)
        ;
    return f;
}

static void tell(struct link *l, enum link_notice_kind kind, size_t id)
{
    struct link_notice n = {.kind = kind, .id = id};
    link_notify(l, &n);
}

void link_forward_free(struct link *l, struct link_forward *f)
{
    size_t id = f->id;
    (void)pthread_mutex_lock(&l->lock);
    struct link_forward **at = &l->forwards;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    (void)pthread_mutex_unlock(&l->lock);
    free(f);
    tell(l, LINK_FORWARD_GONE, id);
    link_forwards_count(l);
}

/* ---- Given to the session, and taken from it ---- */

void link_forward_give(struct link *l, struct link_forward *f)
{
    if (l->session == NULL || f->is_given)
        return;
    f->is_given = true;
    session_forward_add(l->session, &f->letter);
}

void link_forwards_give(struct link *l)
{
    struct link_forward *f = NULL;
    while ((f = link_forward_next(l, f)) != NULL)
        link_forward_give(l, f);
}

void link_forward_take(struct link *l, struct link_forward *f)
{
    f->is_taken = true;
    if (f->is_given)
        session_forward_remove(l->session, &f->letter);
    else
        link_forward_free(l, f);
}

/* ---- What became of them ---- */

static bool is_leaving(struct link *l, const struct link_forward *f)
{
    (void)pthread_mutex_lock(&l->lock);
    bool is = f->is_leaving;
    (void)pthread_mutex_unlock(&l->lock);
    return is;
}

void link_forwards_count(struct link *l)
{
    size_t missing = 0;
    struct link_forward *f = NULL;
    while ((f = link_forward_next(l, f)) != NULL)
        missing += f->is_missing && !is_leaving(l, f);
    keep_missing(&l->keep, loop_now_ms(), missing);
}

static void tell_down(struct link *l, struct link_forward *f)
{
    if (f->is_up && !is_leaving(l, f))
        tell(l, LINK_FORWARD_DOWN, f->id);
    f->is_up = false;
}

void link_forwards_lost(struct link *l)
{
    struct link_forward *f = NULL;
    while ((f = link_forward_next(l, f)) != NULL) {
        if (f->spec.type != FORWARD_REMOTE)
            continue;
        tell_down(l, f);
        f->is_missing = false;
    }
    link_forwards_count(l);
}

void link_forwards_closed(struct link *l)
{
    struct link_forward *f = NULL;
    while ((f = link_forward_next(l, f)) != NULL) {
        tell_down(l, f);
        f->is_missing = false;
    }
    link_forwards_count(l);
}

/* The session is no more: nobody has a letter. */
void link_forwards_return(struct link *l)
{
    struct link_forward *next = link_forward_next(l, NULL);
    while (next != NULL) {
        struct link_forward *f = next;
        next = link_forward_next(l, f);
        f->is_given = false;
        f->letter = (struct session_forward_letter){.forward = f->letter.forward, .index = f->id};
        if (f->is_taken)
            link_forward_free(l, f);
    }
}

void link_forwards_wipe(struct link *l)
{
    (void)pthread_mutex_lock(&l->lock);
    struct link_forward *f = l->forwards;
    l->forwards = NULL;
    (void)pthread_mutex_unlock(&l->lock);
    while (f != NULL) {
        struct link_forward *next = f->next;
        free(f);
        f = next;
    }
}
