/*
 * events.c - see events.h.
 */
#include "daemon/events.h"

#include <stdlib.h>
#include <string.h>

static const char *const kind_names[] = {[EVENT_TUNNEL] = "tunnel", [EVENT_REMOVED] = "removed"};

const char *event_kind_name(enum event_kind kind)
{
    return kind_names[kind];
}

void events_init(struct events *e)
{
    memset(e, 0, sizeof *e);
}

void events_wipe(struct events *e)
{
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        free(e->ring[i].data);
    events_init(e);
}

void events_add(struct events *e, enum event_kind kind, char *data)
{
    struct event *event = &e->ring[++e->last % EVENTS_KEPT];
    free(event->data);
    *event = (struct event){.id = e->last, .kind = kind, .data = data};
    /* Whoever is told may leave, and may be the next one: telling is moved on by events_unsubscribe. */
    struct events_subscriber *s = e->subscribers;
    while (s) {
        e->telling = s->next;
        s->on_event(s->ctx, event);
        s = e->telling;
    }
    e->telling = NULL;
}

uint64_t events_last(const struct events *e)
{
    return e->last;
}

const struct event *events_get(const struct events *e, uint64_t id)
{
    if (id == 0 || id > e->last || e->last - id >= EVENTS_KEPT)
        return NULL;
    return &e->ring[id % EVENTS_KEPT];
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
