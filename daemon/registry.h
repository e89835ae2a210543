/*
 * registry.h - what the files of the registry share: what a tunnel and the registry are made of. Nobody else
 * includes this; tunnels.h and tunnel.h are for the others.
 */
#ifndef DAEMON_REGISTRY_H
#define DAEMON_REGISTRY_H

#include "daemon/connection.h"
#include "daemon/connections_list.h"
#include "daemon/definition.h"
#include "daemon/events.h"
#include "daemon/health.h"
#include "daemon/tunnel.h"
#include "daemon/tunnels.h"
#include "daemon/wait.h"

/* Kinds of our letters, timers and descriptors. */
enum {
    REGISTRY_MAIL_NOTICE = TUNNELS_MAIL_FIRST, /* a link's; owner: the connection */
    REGISTRY_MAIL_RELAY,                       /* a question came or went; owner: the connection */
    REGISTRY_MAIL_SNAPSHOT,                    /* numbers; owner: struct counters_letter */
    REGISTRY_MAIL_LIST,                        /* connections; owner: struct list_letter */

    REGISTRY_TIMER_WAIT = TUNNELS_TIMER_FIRST, /* owner: struct tunnel_wait */
    REGISTRY_TIMER_WAITS,                      /* owner: struct tunnels */
    REGISTRY_TIMER_REFRESH,                    /* owner: struct tunnels */
    REGISTRY_TIMER_FILES,                      /* owner: struct tunnels */
    REGISTRY_TIMER_HEALTH,                     /* owner: struct health */
    REGISTRY_TIMER_LIST,                       /* owner: struct list_letter */
    REGISTRY_TIMER_STARTS,                     /* owner: struct tunnels */

    REGISTRY_FD_HEALTH = TUNNELS_FD_FIRST, /* owner: struct health */
};

struct tunnel {
    struct tunnel *next; /* the registry's order */
    struct tunnels *tunnels;
    struct definition definition;
    struct tunnel_status status;
    char *transport; /* what its connection is, or was, called */
    char *way;       /* route.given of its connection: NULL, or old, without one */

    bool is_wanted;                /* started, and not stopped since */
    bool has_failed;               /* wanted, but given up by itself: its connection may serve others still */
    bool was_up;                   /* connected once since the start */
    bool is_changed;               /* since the last event: tunnel_update makes one */
    bool is_removed;               /* not in the registry any more: goes when nothing of it is left */
    struct connection *connection; /* NULL: none; or the old listeners are still closing */
    struct tunnel *next_member;
    size_t leaving;    /* forwards of old connections that are not gone yet */
    uint64_t again_ms; /* its start failed, and is tried again then; 0: it is not */
    uint64_t attended_until;
    struct tunnel_counters base;       /* of forwards that are no more */
    uint64_t ups_before;               /* the connection's, when it was connected last */
    uint64_t joined_ms, error_seen_ms; /* which errors of the connection are news to it */
    char *told;                        /* why it is in its state, as the log was told last */
    uint32_t retries_before;           /* the connection's, when it joined */
    size_t forward_room;               /* of status.forwards */
    char *host_key_file;
    struct health health;
    struct tunnel_wait *waits;
    struct event_base *events_like;
};

struct tunnels {
    struct tunnels_config config;
    const struct conf *conf;
    struct events events;
    struct tunnel *first; /* in their order; those that were removed and are not gone yet are in leaving */
    struct tunnel *leaving;
    size_t count;
    struct connection *connections;
    struct tunnels_session *sessions;
    bool is_ending;
    /* counters.h */
    struct tunnels_refresh *refreshes;
    struct loop_timer refresh_timer;
    struct loop_timer files_timer;  /* connections_look */
    struct loop_timer starts_timer; /* tunnels_start_again */
    struct loop_timer waits_timer;  /* waits_tell, */
    bool waits_are_due;             /* which has something to do */
    unsigned refresh_waits;         /* letters that the round which runs still waits for */
    uint64_t refresh_round;
};

/* ---- tunnel.c */

struct tunnel *tunnel_new(struct tunnels *t, const struct definition *d);
void tunnel_free(struct tunnel *u);
/* Its state anew: a line in the log when it is another, an event when anything is, and the waits. reason may
 * be NULL. */
void tunnel_update(struct tunnel *u, const char *reason);
void tunnel_changed(struct tunnel *u); /* an event, whatever it is */
void tunnel_fail_alone(struct tunnel *u, enum adit_err code, const char *text, const char *reason);
/* Wanted, and nothing is in the way any more: join a connection. */
void tunnel_advance(struct tunnel *u);

/* status.forwards for that definition; NULL: no memory. The second puts it in the place of the old one. */
struct tunnel_forward *tunnel_make_room(const struct definition *d);
void tunnel_take_room(struct tunnel *u, struct tunnel_forward *room, size_t count);
/* d is moved in. restarts: what was started begins anew. False: no memory, and nothing has changed. */
bool tunnel_redefine(struct tunnel *u, struct definition *d, bool restarts) ADIT_MUST_USE;
/* It should run and cannot: failed, for this reason. DEFINITION_E_INTERNAL: as tunnel_fail_for_now. */
void tunnel_fail_start(struct tunnel *u, const struct definition_error *error);
/* Has no connection that would try again, though a retry may help (adit_err_may_retry): the registry starts
 * it again by itself, within the tunnel's auto_reconnect and max_retries. */
void tunnel_fail_for_now(struct tunnel *u, enum adit_err code, const char *text);
void tunnels_await_starts(struct tunnels *t); /* sets the timer to the first of them */
void tunnels_start_again(struct tunnels *t);  /* those whose time has come */
void tunnel_set_error(struct tunnel *u, const struct adit_error *err);

/* What its connection says (connection_letter.c). */
void tunnel_on_state(struct tunnel *u, const struct link_status *status, const char *reason);
void tunnel_on_forward(struct tunnel *u, struct connection_forward *f, const struct connection_news *news);
void tunnel_on_gone(struct tunnel *u, const struct connection_forward *f); /* which is about to be freed */
void tunnel_on_facts(struct tunnel *u);   /* host key, algorithms: those of its connection */
void tunnel_take_facts(struct tunnel *u); /* the same, and tunnel_update is to follow */

/* ---- tunnels.c */

/* A line of the log, about u. kind: an error's, or NULL. */
void tunnel_say(const struct tunnel *u, enum session_level level, const char *kind, const char *fmt, ...)
    ADIT_PRINTF(4, 5);
struct tunnel *tunnels_find_name(const struct tunnels *t, const char *name);
int64_t tunnels_wall(uint64_t at_ms); /* Unix time of a time of loop_now_ms; 0 and KEEP_NEVER: 0 */

/* ---- connection_ways.c */

/* A definition or a profile is another: who jumps through a tunnel that leads elsewhere now follows it. */
void tunnels_reroute(struct tunnels *t);

/* ---- tunnels_change.c */

struct tunnel *tunnels_append(struct tunnels *t, const struct definition *d); /* NULL: no memory */
/* Stops it, and it is not in the registry any more; the struct goes when nothing of it is left. */
void tunnels_take_out(struct tunnels *t, struct tunnel *u);

#endif
