/*
 * tunnel.h - one tunnel: its definition, what became of it, and what may be done with it.
 *
 * Main thread only. A tunnel belongs to its registry (tunnels.h); a pointer to one is good until the next
 * call that may remove it, or the next letter: find it again by its id.
 *
 * Its state is made of two things: what its connection (shared with equals, connection.h) does, and whether
 * its own forwards are up. Only a tunnel whose connection is alive, with every forward of its own up and its
 * health check, if it has one, not failing is called connected. What another tunnel of the same connection
 * misses does not show here.
 *
 * What takes time is ordered, and the call returns at once; tunnel_wait tells when it is so far.
 */
#ifndef DAEMON_TUNNEL_H
#define DAEMON_TUNNEL_H

#include "adit.h"
#include "client/keep.h"
#include "daemon/definition.h"
#include "net/loop.h"

struct json_t; /* jansson's */
struct tunnels;
struct tunnel;

/* ---- What is known of it ---- */

enum tunnel_forward_state {
    TUNNEL_FORWARD_DOWN,   /* not asked for, or not answered yet */
    TUNNEL_FORWARD_UP,     /* every address of it listens */
    TUNNEL_FORWARD_FAILED, /* one does not; it is tried again */
};
enum { TUNNEL_ADDRESSES = 2 }; /* "localhost" is two */

/* One of definition.forwards, at the same place. */
struct tunnel_forward {
    enum tunnel_forward_state state;
    char *listen[TUNNEL_ADDRESSES]; /* "127.0.0.1:8443", "[::1]:8443"; remote: as the server has it. NULL: not
                                     * bound */
    uint16_t bound_port;            /* 0: not known */
    char *error;                    /* of a failed one */
};

/* Sums since the tunnel was made; they are as new as the last tunnels_refresh. */
struct tunnel_counters {
    uint64_t bytes_up, bytes_down; /* towards and from the SSH server */
    uint64_t opened;               /* connections, ever */
    uint32_t open_now;
    uint64_t refused, prohibited, timeout, resolve, local_refused, denied, peer_reset, open_failed;
};

struct tunnel_status {
    enum keep_state state;           /* its names: keep_state_name, keep_status_name */
    bool listening;                  /* it has been started, and each of its listeners is there */
    struct tunnel_forward *forwards; /* definition.forward_count of them */
    int64_t up_since;                /* Unix time: since when it is up; 0: it is not */
    uint32_t retry_count;
    /* Unix time; 0: no retry is awaited. A start that nobody waits for (auto_start, a reload, a change) and
     * that fails for a lack of memory or descriptors is tried again as well, within auto_reconnect and
     * max_retries: it is KEEP_FAILED until then. */
    int64_t next_retry_at;
    /* The last failure, its connection's or a forward's. It stays when things are well again. */
    struct adit_error last_error;               /* ADIT_E_OK: there was none */
    int64_t last_error_at;                      /* Unix time */
    bool permanent;                             /* failed, and no retry will mend it */
    char *host_key_type, *host_key_fingerprint; /* NULL: none was shown yet */
    bool host_key_known;
    bool host_key_can_be_trusted; /* unknown, and shown last: tunnel_trust accepts it */
    char *host_key_line;          /* then: the known_hosts line that would accept it, or NULL */
    char *kex, *cipher;           /* of the connection that is up, or NULL */
    uint32_t rtt_us;              /* 0: not measured */
    int64_t last_activity;        /* Unix time; 0: never */
    int64_t last_alive_at;        /* Unix time: when something came from the server last; 0: never */
    uint64_t reconnects;          /* connections after the first, of the tunnel's whole life */
    uint64_t rekeys;              /* of its connection */
    struct tunnel_counters counters;
};

const struct definition *tunnel_definition(const struct tunnel *tunnel);
const struct tunnel_status *tunnel_status(const struct tunnel *tunnel);
/* It was started and is neither stopped nor failed: starting it again is an error. */
bool tunnel_is_running(const struct tunnel *tunnel);
/* What its connection is called: "user@host:port" as far as they are given. Several tunnels may share one. */
const char *tunnel_transport(const struct tunnel *tunnel);
/* Seconds up, -1: it is not. */
int64_t tunnel_uptime(const struct tunnel *tunnel);

/* ---- What may be done. False: error says why, with the API's code */

/* "running" for one that runs, "profile_incomplete" for `No password found` and `No SSH key path found`,
 * "invalid_value" for a jump that is not there, "draining"; "internal" for a lack of memory or descriptors,
 * and then it is as it was, or stopped: who asked may ask again. A failed one begins anew. */
bool tunnel_start(struct tunnel *tunnel, struct definition_error *error) ADIT_MUST_USE;
/* Of a stopped one: nothing. Its connections are ended, its listeners closed. */
void tunnel_stop(struct tunnel *tunnel);
/* A fresh connection now, in every state (that of all who share it); one that does not run is started. */
bool tunnel_reconnect(struct tunnel *tunnel, struct definition_error *error) ADIT_MUST_USE;
/* Accepts the unknown host key that was shown last, if this is its fingerprint ("SHA256:..."), and tries
 * again. "conflict" otherwise, and for a key that has changed. */
bool tunnel_trust(struct tunnel *tunnel, const char *fingerprint,
                  struct definition_error *error) ADIT_MUST_USE;

/* ---- Waiting */

enum tunnel_wait_for {
    /* Started: each local listener is bound, or could not be; else: they are all closed. Milliseconds. Every
     * answer to start, stop, PUT and DELETE waits for it (limit: TUNNEL_WAIT_LISTENERS_MS), so that what is
     * answered is true when it is read. */
    TUNNEL_WAIT_LISTENERS,
    TUNNEL_WAIT_SETTLED, /* connected, idle, failed, or stopped with its listeners closed */
};
enum { TUNNEL_WAIT_LISTENERS_MS = 1000 };

/* The caller's, until done was called or tunnel_wait_cancel has returned. */
struct tunnel_wait {
    void *ctx;
    /* On the main thread; also from within tunnel_wait. tunnel NULL: it was removed. is_so: it came true in
     * time. The struct may be freed in it. */
    void (*done)(void *ctx, struct tunnel *tunnel, bool is_so);

    /* the registry's own */
    struct tunnel *tunnel;
    enum tunnel_wait_for what;
    struct loop_timer timer;
    struct tunnel_wait *next;
};
void tunnel_wait(struct tunnel *tunnel, struct tunnel_wait *wait, enum tunnel_wait_for what,
                 uint32_t limit_ms);
void tunnel_wait_cancel(struct tunnel_wait *wait);

/* ---- Questions of its connection, for somebody at a terminal
 *
 * `adit up` attends to the tunnel before it starts it, and again at least every 60 s; meanwhile whatever the
 * connection asks waits for an answer. Without anybody a question that the profile's secrets do not answer is
 * refused at once.
 */
enum { TUNNEL_ATTEND_MS = 60 * 1000 };
enum tunnel_prompt_kind {
    TUNNEL_PROMPT_SECRET, /* not to be shown while typed */
    TUNNEL_PROMPT_LINE,
};
struct tunnel_prompt {
    uint64_t id; /* another one for each question */
    enum tunnel_prompt_kind kind;
    const char *text; /* clean, perhaps several lines; good until the next letter */
};
void tunnel_attend(struct tunnel *tunnel);
/* False: nothing is asked. A `tunnel` event is made when a question comes or goes. */
bool tunnel_prompt_pending(const struct tunnel *tunnel, struct tunnel_prompt *out) ADIT_MUST_USE;
/* text NULL: refused. False: that question is not asked any more. The caller wipes text. */
bool tunnel_prompt_answer(struct tunnel *tunnel, uint64_t id, const char *text) ADIT_MUST_USE;

/* ---- As JSON: a new reference each; NULL: no memory */

struct json_t *tunnel_json(const struct tunnel *tunnel);        /* T, all of it */
struct json_t *tunnel_status_json(const struct tunnel *tunnel); /* what is read only, with id and name */

#endif
