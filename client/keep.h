/*
 * keep.h - the policy of a connection that stays up: which state it is in, what is to be done now, and when
 * to try again.
 *
 * A pure machine: no thread, no clock, no I/O, no memory of its own. The owner tells what happened (each call
 * below, with the time), does what the call returns, looks at the state, and calls keep_due at keep_next().
 * The mechanism is forward/session.h's; what the system says of the network is net/watch.h's.
 *
 *     unsigned todo = keep_lost(&k, loop_now_ms(), error, watch_has_route(host));
 *     ... do it, tell the change of keep_state(&k), set a timer to keep_next(&k) ...
 *
 * With a session: LISTEN is session_start, or session_retry_forwards of one that was told to UNLISTEN;
 * CONNECT is session_connect, but the first of a session comes with its start; DROP, RETRY_FORWARDS, UNLISTEN
 * and STOP have their names there. SESSION_CONNECTED is keep_reached, ALL_FORWARDS_DONE keep_up, LOST,
 * WANTED, ALIVE and SUSPECT are themselves, and whoever counts the forwards that failed says keep_missing.
 *
 * Times are milliseconds of a clock that only grows (loop_now_ms). What comes too late (the notice of a
 * connection that was given up since) is ignored: every call is allowed in every state.
 *
 * How often it tries. A retry is a try after the first loss or the first failed try. Before retry n it waits
 * first_ms * 2^(n-1), at most cap_ms, of which jitter_percent is random. When max_retries of them have failed
 * it gives up. A retry that failed without any route to the server does not count. The count is back at 0
 * when the connection has been up for KEEP_SETTLED_MS. Errors that no retry can mend (adit_err_may_retry)
 * fail at once and are tried again after KEEP_PERMANENT_MS, at keep_reconnect or at keep_file_changed.
 */
#ifndef CLIENT_KEEP_H
#define CLIENT_KEEP_H

#include "adit.h"

enum {
    KEEP_FIRST_MS = 1000, /* the defaults of the back-off */
    KEEP_CAP_MS = 60 * 1000,
    KEEP_SETTLED_MS = 30 * 1000,        /* up for so long: the next loss is a first one again */
    KEEP_PERMANENT_MS = 15 * 60 * 1000, /* no new try sooner after an error that a retry does not mend */
    KEEP_NETWORK_MS = 1000,             /* tries for changes of the network are at least so far apart */
    KEEP_FORWARD_CAP_MS = 10 * 1000,    /* asking for a missing forward again costs little */
    KEEP_HEALTH_FAILURES = 3,           /* failed health checks in a row before the connection is replaced */
};
#define KEEP_NEVER UINT64_MAX

enum keep_state {
    KEEP_DISCONNECTED, /* not started, or stopped */
    KEEP_IDLE,         /* lazy: listening, connects when somebody comes */
    KEEP_CONNECTING,   /* the first try */
    KEEP_CONNECTED,    /* the last probe, keepalive or byte was answered, and every forward is up */
    KEEP_SUSPECT,      /* an answer is overdue */
    KEEP_DEGRADED,     /* connected, but a forward is missing or the health check fails */
    KEEP_RECONNECTING, /* retry_count is awaited or under way, or a forward is missing before the first
                          connection */
    KEEP_FAILED,       /* last_error; the listeners are closed */
    KEEP_STATES
};

/* What is to be done, bits, in this order. */
enum keep_do {
    KEEP_DO_NOTHING = 0,
    KEEP_DO_LISTEN = 1,          /* the listeners are wanted: at the start, and after UNLISTEN */
    KEEP_DO_CONNECT = 2,         /* make a connection; keep_up or keep_lost must follow. There is none now */
    KEEP_DO_DROP = 4,            /* give up the connection or the try: keep_lost must follow */
    KEEP_DO_PROBE = 8,           /* find out now whether the server still answers */
    KEEP_DO_RETRY_FORWARDS = 16, /* ask again for the forwards that are missing */
    KEEP_DO_UNLISTEN = 32,       /* close the listeners: nobody is to come any more */
    KEEP_DO_STOP = 64,           /* end everything; nothing need follow */
};

struct keep_config {
    uint32_t max_retries;      /* 0: unlimited */
    uint32_t first_ms, cap_ms; /* 0: the defaults */
    uint32_t jitter_percent;   /* 0 (exact) to 100 */
    bool auto_reconnect;       /* false: nothing is tried again by itself */
    bool is_lazy;              /* connects when somebody comes */
    uint64_t seed;             /* of the jitter: another one for each, or they all come at the same time */
};

struct keep {
    struct keep_config config;

    /* To be read. */
    uint32_t retry_count;         /* which retry is awaited or under way; up or failed: how many there were */
    uint64_t try_at;              /* when the next try comes; KEEP_NEVER: none is awaited */
    uint64_t up_at;               /* since when there is a connection; KEEP_NEVER: there is none */
    bool is_permanent;            /* failed, by an error that a retry does not mend */
    bool gave_up;                 /* failed, because max_retries have failed */
    struct adit_error last_error; /* ADIT_E_OK: there was none. It stays when things are well again */
    uint64_t last_error_at;

    /* The machine's own. */
    enum keep_phase {
        KEEP_OFF,
        KEEP_RESTING,
        KEEP_TRYING,
        KEEP_WAITING,
        KEEP_UP,
        KEEP_DROPPING,
        KEEP_OVER
    } phase;
    uint32_t step; /* of the back-off */
    uint64_t tried_at;
    bool is_reached, has_changed; /* trying: the server has answered; the network is another since */
    bool is_again;                /* dropping: the next try comes at once */
    bool is_suspect, is_settled;
    size_t missing;
    uint32_t forward_step;
    uint64_t forward_at, forward_tried_at;
    uint32_t health_failures;
    bool is_unhealthy;
    uint64_t random;
};

/* In state KEEP_DISCONNECTED. */
void keep_init(struct keep *k, const struct keep_config *config);
/* Other settings from the next decision on; the seed is not taken again. */
void keep_configure(struct keep *k, const struct keep_config *config);

enum keep_state keep_state(const struct keep *k);
const char *keep_state_name(enum keep_state state);  /* "disconnected", "idle", "connecting", ... */
const char *keep_status_name(enum keep_state state); /* one of five: idle is "disconnected", suspect and
                                                      * degraded are "reconnecting", the others themselves */

/* When keep_due is to be called, or KEEP_NEVER. It may be past: call it at once then. Too early or too often
 * does nothing. */
uint64_t keep_next(const struct keep *k);
unsigned keep_due(struct keep *k, uint64_t now_ms) ADIT_MUST_USE;

/* ---- What somebody wants */

unsigned keep_start(struct keep *k, uint64_t now_ms) ADIT_MUST_USE; /* also of one that failed; counts anew */
unsigned keep_stop(struct keep *k) ADIT_MUST_USE;
/* A fresh connection now, in any state; counts anew. */
unsigned keep_reconnect(struct keep *k, uint64_t now_ms) ADIT_MUST_USE;
/* Lazy: a client waits for a connection. */
unsigned keep_wanted(struct keep *k, uint64_t now_ms) ADIT_MUST_USE;

/* ---- What became of it */

/* The server has answered the try (TCP is up): no change of the network ends it any more. */
void keep_reached(struct keep *k);
/* The connection is authenticated and its forwards were asked for. */
void keep_up(struct keep *k, uint64_t now_ms);
/* The connection, or the try, is over. ADIT_E_OK with is_lazy: nobody needed it. had_route: there was a way
 * to the server, as far as the system knows. Without auto_reconnect the text for a lost connection is
 * "Connection lost (auto_reconnect disabled)". */
unsigned keep_lost(struct keep *k, uint64_t now_ms, const struct adit_error *why,
                   bool had_route) ADIT_MUST_USE;
/* How many forwards are missing now: those that failed. After a loss, remote ones are not. */
void keep_missing(struct keep *k, uint64_t now_ms, size_t count);
void keep_alive(struct keep *k, uint64_t now_ms);   /* the server has answered */
void keep_suspect(struct keep *k, uint64_t now_ms); /* its answer is overdue */
/* The outcome of a health check through the tunnel. */
unsigned keep_health(struct keep *k, uint64_t now_ms, bool is_healthy) ADIT_MUST_USE;

/* ---- What changed around it */

/* An address, a route or a link is another: a retry that is awaited comes within KEEP_NETWORK_MS, a try that
 * the server has not answered begins again, a connection is probed. */
unsigned keep_network_changed(struct keep *k, uint64_t now_ms) ADIT_MUST_USE;
/* The machine slept: the same, and a connection is suspect until the server answers. */
unsigned keep_resumed(struct keep *k, uint64_t now_ms) ADIT_MUST_USE;
/* A file that the connection depends on is another: what failed permanently may work now. */
unsigned keep_file_changed(struct keep *k, uint64_t now_ms) ADIT_MUST_USE;

#endif
