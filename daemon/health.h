/*
 * health.h - HealthCheck: does a service answer through the tunnel? A connection to the tunnel's own
 * listener, made by the main loop without ever waiting.
 *
 *     tcp: the server has opened a channel for it: something comes within HEALTH_LIMIT_MS, or the session has
 *          counted the channel by then, or by its end; a reset is a failure
 *     http: GET PATH is answered by a status from 200 to 399 within HEALTH_LIMIT_MS
 *
 * It runs while the connection is up, at once and then every interval. HEALTH_FAILURES in a row make the
 * tunnel degraded until a check succeeds, and the link replaces its connection (keep_health).
 */
#ifndef DAEMON_HEALTH_H
#define DAEMON_HEALTH_H

#include <stdatomic.h>

#include "adit.h"
#include "daemon/tunnels.h"
#include "net/loop.h"
#include "net/sock.h"

enum {
    HEALTH_LIMIT_MS = 5000,
    HEALTH_FAILURES = 3,
    HEALTH_REQUEST_CAP = 2560,    /* a path is at most 2,000 bytes */
    HEALTH_DRAIN_MAX = 64 * 1024, /* of what a service says after its first words */
    HEALTH_REPLY_CAP = 32,        /* "HTTP/1.1 200 " and a little more */
};

enum health_phase {
    HEALTH_OFF,
    HEALTH_RESTING,
    HEALTH_CONNECTING,
    HEALTH_SENDING,
    HEALTH_READING,
    HEALTH_COUNTING
};

/* Embedded in its tunnel. */
struct health {
    struct tunnel *tunnel;
    enum health_phase phase;
    struct loop_timer timer; /* the next check, or the end of this one */
    struct loop_fd io;
    int fd;
    struct sock_addr to;
    atomic_uint
        own_end;     /* of its own end: the listener lets it in whatever Allow says (struct session_access) */
    uint64_t opened; /* channels before it */
    bool is_over;    /* the other end has said nothing, and goes */
    char request[HEALTH_REQUEST_CAP];
    size_t request_len, sent;
    char reply[HEALTH_REPLY_CAP];
    size_t reply_len, drained;
    struct tunnels_refresh refresh;

    /* to be read */
    unsigned run;    /* failures in a row on this connection */
    unsigned in_row; /* and whatever the connection */
    bool is_failing; /* HEALTH_FAILURES of them: until a check succeeds */
};

void health_init(struct health *h, struct tunnel *tunnel);
/* The tunnel is another than before: begins, goes on or ends as its state says. Forgets the past when it is
 * stopped. */
void health_update(struct health *h);
void health_stop(struct health *h);
void health_on_timer(struct health *h);
void health_on_fd(struct health *h);

#endif
