/*
 * link.h - a connection that lasts: options, jump hosts, one session that survives (forward/session.h), and
 * the policy of when to connect again (keep.h), on a thread of its own.
 *
 *     link_new(&link, &config, &ops, &err);
 *     link_forward_add(link, id, &spec, NULL);     now or later
 *     link_start(link);
 *     ... ops.notify tells what becomes of it ...
 *     link_stop(link);
 *     ... LINK_ENDED came ...
 *     link_join(link);
 *
 * A link lives once: after link_stop nothing starts it again, and the next one is another link. One whose
 * state is KEEP_FAILED is still there: link_start, link_reconnect, link_trust and link_file_changed bring it
 * back.
 *
 * Threads. Every function but link_new and link_join may be called from any thread, from ops too, at any time
 * before link_join begins: it leaves a letter and returns. The link's thread does what blocks (files, agents,
 * people), so that a letter may wait while somebody is asked; link_stop and link_reconnect end a question
 * (link_cancel_fd). ops and prompt.ask are called on the link's thread alone.
 *
 * Each connection is made anew: configuration files, keys and known_hosts are read again, the jump hosts have
 * sessions of their own and a proxy command is started. All of that is gone before the loss is told. The
 * forwards, their listeners and counters stay.
 */
#ifndef CLIENT_LINK_H
#define CLIENT_LINK_H

#include "adit.h"
#include "client/forward_spec.h"
#include "client/host_keys.h"
#include "client/keep.h"
#include "client/options.h"
#include "client/prompt.h"
#include "client/texts.h"
#include "forward/session.h"

struct chain_hop;
struct link;
struct session_access;

enum {
    LINK_PROBE_MS = 30 * 1000, /* the defaults of the health probe */
    LINK_PROBE_LIMIT_MS = 10 * 1000,
    LINK_PROBE_LIMIT_FAST_MS = 2000, /* the longest with detect_fast */
    LINK_CONNECT_TIMEOUT_S = 30,     /* ConnectTimeout, where ssh_config says nothing; jump hosts' */
};

/* What it points to is borrowed until link_join; the struct itself is copied. */
struct link_config {
    const char *host;        /* as it was given: an alias, a name or a literal */
    const char *config_file; /* see ssh_config.h: NULL: the two files; "none" */
    /* Resolved options, the command line's; or NULL: the next three, and ssh_config is read anew at every
     * connect. Of either, what is to be forwarded or run does not count: forwards, RemoteCommand,
     * LocalCommand, ControlMaster, ForwardAgent and terminals. */
    const struct options *options;
    const struct texts *settings; /* "Keyword value" lines that win over ssh_config, the first one of a
                                   * keyword over those behind it; NULL: none */
    const char *user;             /* NULL: ssh_config's */
    uint16_t port;                /* 0: ssh_config's */
    const struct chain_hop *hops; /* see struct chain_query, */
    size_t hop_count;             /* with or without options */

    struct keep_config keep;           /* its is_lazy is this link's */
    uint32_t hold_ms, hold_max;        /* as struct session_config has them, with its defaults */
    uint32_t probe_ms, probe_limit_ms; /* 0: none. Not in a server's way: no session may be open for it */
    uint32_t idle_exit_ms;             /* lazy: see struct session_config */
    /* How soon a dead connection is found: ServerAliveInterval 15 (false) or 1 (true), 3 times, unless the
     * options say something else; and probe_limit_ms is 2 s at most. A probe goes out at the first suspicion.
     */
    bool detect_fast;
    bool reclaim; /* AditReclaim: see reclaim.h. Of remote forwards with a port of their own */
    enum session_level log_level; /* lines above it are not even made. With options their LogLevel counts */
    /* ask alone is used; NULL: there is nobody to ask. It should give up (false) when link_cancel_fd becomes
     * readable. */
    struct client_prompt prompt;
};

/* ---- What it tells ------------------------------------------------------------------------------- */

enum link_notice_kind {
    LINK_STATE,          /* status, old_state, reason: the state or anything else of status has changed */
    LINK_HOST_KEY,       /* host_key: once a connection and host, when its key was judged */
    LINK_NEGOTIATED,     /* kex, cipher, host_key_alg: of the destination's connection, once it has them */
    LINK_AUTHENTICATED,  /* text: the method */
    LINK_BANNER,         /* text: clean, may hold newlines */
    LINK_FORWARD_UP,     /* id, address_index, bound, bound_port, target: as SESSION_FORWARD_UP. In a new
                          * connection again for remote ones alone */
    LINK_FORWARD_FAILED, /* id, address_index, error: one address of it, or all of it. Tried again by itself
                          */
    LINK_FORWARD_DOWN,   /* id: it is not up any more, and was not removed: a remote one whose connection is
                          * lost, and every local one when the state becomes KEEP_FAILED. Or it had failed
                          * without a connection, and the next one asks for it */
    LINK_REMOTE_PORT,    /* id, bound_port, target: as SESSION_REMOTE_PORT */
    LINK_FORWARD_GONE,   /* id: it was removed, and its access is the caller's again */
    LINK_FORWARDS_DONE,  /* connected, and every forward is up or has failed. count: that failed */
    LINK_TRUSTED,        /* error: what became of link_trust; ADIT_E_OK: the line is in the file */
    LINK_ENDED,          /* the last one: all forwards are gone, and link_join will not wait */
};

struct link_status {
    enum keep_state state;
    uint32_t retry_count; /* as struct keep has it */
    uint64_t next_try_ms; /* of loop_now_ms; KEEP_NEVER: none is awaited */
    uint64_t up_since_ms; /* KEEP_NEVER: there is no connection */
    struct adit_error
        error; /* the last one; ADIT_E_OK: there was none. Its kind: adit_err_kind(error.code) */
    uint64_t error_at_ms;
    bool is_permanent, gave_up; /* failed: no retry mends it; max_retries have failed */
};

struct link_host_key {
    const char *host;      /* as known_hosts has it: "host", "[host]:2222" */
    const char *jump_host; /* as ProxyJump has it; NULL: the destination */
    enum host_key_verdict verdict;
    const char *type;        /* "ED25519" */
    const char *fingerprint; /* "SHA256:..." */
    const char *line;        /* UNKNOWN: the line that makes it known, with its end; else NULL */
    const char *file; /* to which it belongs; NULL: there is none. file_append does it, too, when the link
                       * is no more */
};

/* Valid during the call. All texts are clean. */
struct link_notice {
    enum link_notice_kind kind;
    const struct link_status *status;
    enum keep_state old_state; /* may be the same */
    const char *reason;        /* why the state is what it is: one line */
    const struct link_host_key *host_key;
    const char *kex, *cipher, *host_key_alg;
    const char *text;
    size_t id, address_index;
    const char *bound, *target;
    uint16_t bound_port;
    size_t count;
    const struct adit_error *error;
};

struct link_ops {
    void *ctx;
    void (*notify)(void *ctx, const struct link_notice *n);
    /* One clean line without its end; those of a jump host begin with "[name] ". */
    void (*log)(void *ctx, enum session_level level, enum session_about about, const char *line);
};

/* ---- Life ---------------------------------------------------------------------------------------- */

/* Makes a link in state KEEP_DISCONNECTED and its thread. ADIT_E_MEMORY, ADIT_E_SYSTEM. */
enum adit_err link_new(struct link **out, const struct link_config *config, const struct link_ops *ops,
                       struct adit_error *err) ADIT_MUST_USE;
void link_start(struct link *l);
/* The first call: open connections have the time of session_stop; the second: at once. LINK_ENDED follows. */
void link_stop(struct link *l);
/* After LINK_ENDED (or after link_stop: then it waits). Frees it. */
void link_join(struct link *l);

/* Readable while a question should be given up: for prompt.ask. Nobody reads it but the link. */
int link_cancel_fd(const struct link *l);

/* ---- Orders -------------------------------------------------------------------------------------- */

/* A fresh connection now, in any state but that of a link that was stopped. */
void link_reconnect(struct link *l);
/* Other settings of the policy from its next decision on; is_lazy and seed stay. */
void link_configure(struct link *l, const struct keep_config *config);
/* The outcome of a check through one of the forwards. */
void link_health(struct link *l, bool is_healthy);
/* enum watch_news: what the system says of the network. Somebody has a struct watch for the whole process. */
void link_network(struct link *l, unsigned watch_news);
/* A file that the connection depends on is another: what failed permanently may work now. */
void link_file_changed(struct link *l);
/* Lines above it are not made from now on, and those below are. */
void link_set_log_level(struct link *l, enum session_level level);
/* Accepts the unknown key that was seen last, of whichever host, if it has this fingerprint: its line is
 * added to known_hosts, and what failed for it is tried again. LINK_TRUSTED tells; ADIT_E_HOST_KEY: there is
 * no such key, or it is not unknown. */
void link_trust(struct link *l, const char *fingerprint);

/* LOCAL, DYNAMIC and REMOTE; paths as they are, without tokens. id: the caller's number for it, not in use
 * (that of one that was removed is, up to its FORWARD_GONE). spec is copied; access (NULL: everybody) is
 * borrowed until FORWARD_GONE or LINK_ENDED. ADIT_E_MEMORY; ADIT_E_UNSUPPORTED: another type. */
enum adit_err link_forward_add(struct link *l, size_t id, const struct forward_spec *spec,
                               const struct session_access *access, struct adit_error *err) ADIT_MUST_USE;
/* Its connections end. FORWARD_GONE follows; nothing when there is none of that id. */
void link_forward_remove(struct link *l, size_t id);

/* As session_snapshot; where there is no session it is answered at once, all counts zero. */
void link_snapshot(struct link *l, struct session_snapshot *snapshot);

#endif
