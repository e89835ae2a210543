/*
 * events.c - see events.h.
 */
#include "daemon/events.h"

#include <stdlib.h>
#include <string.h>

#include "client/texts.h"

static const char *const kind_names[] = {[EVENT_TUNNEL] = "tunnel", [EVENT_REMOVED] = "removed"};

const char *event_kind_name(enum event_kind kind)
{
    return kind_names[kind];
}

void events_init(struct events *e, uint64_t before)
{
    memset(e, 0, sizeof *e);
    e->before = e->last = before;
    e->shown = &e->shown_room;
}

/* ---- Bases ---- */

static void base_drop(struct event_base *b)
{
    if (b && --b->users == 0)
        free(b);
}

void events_forget(struct event_base **like)
{
    base_drop(*like);
    *like = NULL;
}

static struct event_base *base_new(const char *text)
{
    size_t len = strlen(text);
    struct event_base *b = malloc(sizeof *b + len + 1);
    if (!b)
        return NULL;
    b->users = 1;
    b->len = len;
    memcpy(b->text, text, len + 1);
    return b;
}

/* How much of text the base has at its beginning and at its end. */
static void compare(const struct event_base *b, const char *text, size_t len, size_t *head, size_t *tail)
{
    size_t both = b->len < len ? b->len : len;
    *head = *tail = 0;
    while (*head < both && b->text[*head] == text[*head])
        ++*head;
    while (*head + *tail < both && b->text[b->len - 1 - *tail] == text[len - 1 - *tail])
        ++*tail;
}

static void kept_wipe(struct event_kept *k)
{
    base_drop(k->base);
    free(k->middle);
    memset(k, 0, sizeof *k);
}

/* False: no memory. */
static bool keep_like(struct event_kept *k, struct event_base *base, const char *text)
{
    size_t len = strlen(text);
    compare(base, text, len, &k->head, &k->tail);
    k->middle = text_copy(span_make(text + k->head, len - k->head - k->tail));
    if (!k->middle)
        return false;
    k->base = base;
    base->users++;
    return true;
}

static bool keep(struct event_kept *k, const char *text, struct event_base **like)
{
    struct event_base *own = NULL;
    size_t head = 0, tail = 0;
    if (like && *like)
        compare(*like, text, strlen(text), &head, &tail);
    if (like && *like && head + tail >= strlen(text) / 2)
        return keep_like(k, *like, text);
    own = base_new(text);
    if (!own)
        return false;
    bool ok = keep_like(k, own, text);
    if (ok && like) {
        base_drop(*like);
        *like = own;
    } else {
        base_drop(own);
    }
    return ok;
}

/* ---- The ring ---- */

void events_wipe(struct events *e)
{
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        kept_wipe(&e->ring[i]);
    free(e->shown_room.data);
    events_init(e, e->before);
}

static void tell(struct events *e, const struct event *event)
{
    /* Whoever is told may leave, and may be the next one: telling is moved on by events_unsubscribe. */
    struct events_subscriber *s = e->subscribers;
    while (s) {
        e->telling = s->next;
        s->on_event(s->ctx, event);
        s = e->telling;
    }
    e->telling = NULL;
}

void events_add(struct events *e, enum event_kind kind, char *data, struct event_base **like)
{
    struct event_kept *k = &e->ring[++e->last % EVENTS_KEPT];
    kept_wipe(k);
    k->kind = kind;
    if (data && !keep(k, data, like)) {
        free(data);
        data = NULL;
    }
    tell(e, &(struct event){.id = e->last, .kind = kind, .data = data});
    free(data);
}

uint64_t events_last(const struct events *e)
{
    return e->last;
}

uint64_t events_before(const struct events *e)
{
    return e->before;
}

/* NULL: there is none, or no memory for it. */
static char *kept_text(const struct event_kept *k)
{
    if (!k->base || !k->middle)
        return NULL;
    size_t middle = strlen(k->middle);
    char *out = malloc(k->head + middle + k->tail + 1);
    if (!out)
        return NULL;
    memcpy(out, k->base->text, k->head);
    memcpy(out + k->head, k->middle, middle);
    memcpy(out + k->head + middle, k->base->text + k->base->len - k->tail, k->tail + 1);
    return out;
}

const struct event *events_get(const struct events *e, uint64_t id)
{
    if (id <= e->before || id > e->last || e->last - id >= EVENTS_KEPT)
        return NULL;
    const struct event_kept *k = &e->ring[id % EVENTS_KEPT];
    free(e->shown->data);
    *e->shown = (struct event){.id = id, .kind = k->kind, .data = kept_text(k)};
    return e->shown;
}

void events_subscribe(struct events *e, struct events_subscriber *s)
{
    s->next = e->subscribers;
    e->subscribers = s;
}

void events_unsubscribe(struct events *e, struct events_subscriber *s)
{
    struct events_subscriber **at = &e->subscribers;
    while (*at && *at != s)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = s->next;
    if (e->telling == s)
        e->telling = s->next;
}
