/*
 * events.h - what happened to the tunnels, as GET /events tells it: the last 1,000 events, with ids that grow
 * by one, and whoever wants to hear of the next ones.
 *
 * One thread: the main one. Times are not part of an event; its id is its place in the order.
 */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include "adit.h"

enum { EVENTS_KEPT = 1000 };

enum event_kind {
    EVENT_TUNNEL,  /* data: T (tunnel.h), JSON on one line */
    EVENT_REMOVED, /* data: {"id":"..."} */
};

/* What events_get shows lives until the next call of it, or of events_add. */
struct event {
    uint64_t id;
    enum event_kind kind;
    char *data; /* without a line end. NULL: there was no memory for it, and whoever hears of it knows only
                 * that something has changed: he tells "reset" */
};

/* The events of one tunnel are much alike: each is kept as what differs from one of them. */
struct event_base {
    size_t users, len;
    char text[]; /* with its zero */
};
struct event_kept {
    enum event_kind kind;
    struct event_base
        *base; /* its first `head` bytes, then middle, then its last `tail` bytes; NULL: no data */
    size_t head, tail;
    char *middle;
};

const char *event_kind_name(enum event_kind kind); /* "tunnel", "removed" */

/* Who is told of each event as it comes. Embedded in the subscriber's struct; it may leave at any time, also
 * from within the call, but must not make events there. */
struct events_subscriber {
    void *ctx;
    void (*on_event)(void *ctx, const struct event *event);
    struct events_subscriber *next; /* the ring's own */
};

/* Must not move. */
struct events {
    struct event_kept ring[EVENTS_KEPT];
    uint64_t before;                 /* the id before the first one's */
    uint64_t last;                   /* the newest one's id; `before`: there was none yet */
    struct event shown_room, *shown; /* what events_get made last */
    struct events_subscriber *subscribers, *telling;
};

/* The first one's id is behind `before`. */
void events_init(struct events *e, uint64_t before);
void events_wipe(struct events *e);

/* data is taken: it came from malloc, or is NULL. like: one for each tunnel, NULL at first and given back by
 * events_forget; NULL: this one is like no other. */
void events_add(struct events *e, enum event_kind kind, char *data, struct event_base **like);
void events_forget(struct event_base **like);

/* The newest id, or what events_init was given. */
uint64_t events_last(const struct events *e);
uint64_t events_before(const struct events *e); /* the latter */
/* NULL: it is too old, or has not come yet. Whoever has seen id `seen` continues with seen + 1, unless seen
 * is newer than events_last or seen + 1 is not kept any more: then "reset" is what he is told. */
const struct event *events_get(const struct events *e, uint64_t id);

void events_subscribe(struct events *e, struct events_subscriber *s);
void events_unsubscribe(struct events *e, struct events_subscriber *s); /* one that is not there: nothing */

#endif
