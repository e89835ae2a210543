/*
 * forwarder.h - what the plug-ins of a session are: local, remote, dynamic, stdio.
 *
 * A forwarder stands for one struct session_forward. It is told what happens by its operations and works
 * through the calls below; it owns its flows, one for each connection it carries. To add a kind of forward:
 * write its operations and name them in ops_of (forwarders.c). Everything here runs on the session's thread.
 */
#ifndef FORWARD_FORWARDER_H
#define FORWARD_FORWARDER_H

#include "adit.h"
#include "forward/pump.h"
#include "forward/session.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "ssh/ssh.h"

struct forwarder;
struct flow;
struct target;

enum { FORWARDER_TARGET_CAP = SESSION_TARGET_CAP };

/* One connection that is carried. Embed it first in a plug-in's own struct, when that keeps more. */
struct flow {
    struct pump pump; /* not started before flow_start: until then its descriptors are the plug-in's */
    struct forwarder *forwarder;
    struct flow *next, *prev; /* all flows of the forwarder */
    struct channel *channel;  /* from its opening to its end */
    struct target *target;    /* while its near end is being connected (target.c) */
    uint64_t id;              /* grows within a session; of loop_now_ms when it came: FLOW_ID_SHIFT */
    uint8_t kind;             /* enum session_channel_kind */
    bool is_opening;          /* asked for, neither confirmed nor refused yet */
    bool is_dead;             /* ended from here; it waits only for the channel's end */
    bool is_held;             /* its channel is asked for when there is a connection (held.c) */
};
enum { FLOW_ID_SHIFT = 12 }; /* a JSON number holds it for 69 years */

enum forwarder_state {
    FORWARDER_READY,   /* nothing stands in the way of connecting */
    FORWARDER_BINDING, /* its bind name is being looked up: the connection waits for it */
    FORWARDER_ASKED,   /* the server was asked */
    FORWARDER_UP,
    FORWARDER_FAILED,
    FORWARDER_CANCELLING, /* the server was asked to end it: a clean end waits for the answer */
    FORWARDER_OVER,       /* is_leaving, and nothing more is to come of it */
};

/* Why a connection did not come about, or ended. */
enum forwarder_cause {
    FORWARDER_REFUSED,
    FORWARDER_PROHIBITED,
    FORWARDER_TIMEOUT,
    FORWARDER_RESOLVE,
    FORWARDER_OPEN_FAILED,
    FORWARDER_LOCAL_REFUSED,
    FORWARDER_DENIED,
    FORWARDER_PEER_RESET,
};

struct forwarder {
    const struct forwarder_ops *ops;
    struct session *session;
    struct forwarder *next; /* all of the session, those of the configuration first */
    const struct session_forward *spec;
    size_t index;
    enum forwarder_state state;
    struct flow *flows;
    uint32_t handshakes; /* handshake.h's: flows whose client has not named its target yet */
    void *own;           /* the plug-in's */
    struct guest *guest; /* guest.h's: somebody else asked for it; NULL: the configuration or a letter did */
    struct session_forward_letter *letter; /* came by this; NULL: did not, or GONE was said of it */
    bool is_partial;                       /* an address of it could not be had, and is still wanted */
    bool is_cancelled;                     /* stopped at the wish of a client of the control socket */
    bool is_leaving; /* removed: listens no more, and its flows are ended. Freed when they are gone */
    /* Of what is over; flows that are there have theirs in their pumps. The index is not kept here. */
    struct session_forward_stats stats;
};

/* NULL operations are skipped. */
struct forwarder_ops {
    size_t flow_size; /* 0: sizeof(struct flow) */
    /* Before the connection is made: calls forwarder_up or forwarder_failed, now or later (state BINDING). */
    void (*bind)(struct forwarder *f);
    /* The connection is there, and channels may be opened: it is in its authentication, or beyond. */
    void (*begin)(struct forwarder *f);
    /* Authenticated: everything may be opened. */
    void (*open)(struct forwarder *f);
    /* No new connections; the flows go on. */
    void (*stop)(struct forwarder *f);
    /* Releases what is its own; the flows are gone already. */
    void (*free)(struct forwarder *f);

    /* Of a session that survives. The connection is lost, and its flows are: begin comes again. */
    void (*lost)(struct forwarder *f);
    /* Listens no more, and has failed (without a word) until retry. */
    void (*unlisten)(struct forwarder *f);
    /* Tries again what of it has failed, if anything has. */
    void (*retry)(struct forwarder *f);

    void (*on_ready)(struct forwarder *f,
                     struct loop_fd *fd); /* a descriptor with kind SESSION_FD_FORWARDER */
    void (*on_timer)(struct forwarder *f,
                     struct loop_timer *t); /* a timer with kind SESSION_TIMER_FORWARDER */
    void (*on_resolved)(struct forwarder *f, struct resolve *r);       /* forwarder_resolve, with flow NULL */
    void (*on_reply)(struct forwarder *f, const struct ssh_event *ev); /* to its global request */
    void (*on_command)(struct forwarder *f,
                       const struct session_command *c); /* one that concerns forwarders */
    /* A client of the listener (listener.c): takes fd. */
    void (*accepted)(struct forwarder *f, int fd, const struct sock_addr *peer);
    /* The server opens a channel. How well it is meant: 0 not at all, 1 by its port alone, 2 exactly. */
    int (*match)(struct forwarder *f, const struct ssh_event *ev);
    void (*on_open)(struct forwarder *f, const struct ssh_event *ev); /* the best match: take it */

    /* Of a flow. All may end it with flow_end. */
    void (*flow_ready)(struct flow *flow, struct loop_fd *fd); /* before its pump was started */
    void (*flow_timer)(struct flow *flow);
    void (*flow_resolved)(struct flow *flow, struct resolve *r);
    /* Channel events (DATA, SPACE, EOF) before its pump was started; DATA is to be given back then. */
    void (*flow_far)(struct flow *flow, const struct ssh_event *ev);
    /* Answers to target_connect. */
    void (*flow_connected)(struct flow *flow);
    void (*flow_unreachable)(struct flow *flow, const struct adit_error *why);
    /* Its channel is confirmed: call flow_start, now or later. NULL: now. */
    void (*flow_opened)(struct flow *flow);
    /* It was held, as flow_open or flow_open_target could do nothing: call it again. NULL: it has nothing to
     * do with that. */
    void (*flow_release)(struct flow *flow);
    void (*flow_expired)(struct flow *flow); /* it is held no longer. NULL: flow_end with a reset */
    void (*flow_cut)(struct flow *flow);     /* its forward is removed. NULL: the same */
    /* Its channel was refused; NULL: flow_end. The session has logged and counted it. */
    void (*flow_refused)(struct flow *flow, uint32_t reason, struct span text);
    /* A channel event that flow.c does nothing about: REPLY, EXIT, REQUEST (already answered). NULL: passed
     * over. */
    void (*flow_event)(struct flow *flow, const struct ssh_event *ev);
    /* Of what goes up. NULL: it always may. False: not now; call pump_on_space once it may. */
    bool (*flow_may_send)(struct flow *flow);
    void (*flow_sent)(struct flow *flow, size_t n); /* 0: nothing was there to be sent after all */
    void (*flow_target)(const struct flow *flow, char out[FORWARDER_TARGET_CAP]); /* NULL: forwarder_target */
    /* Who it comes from, "" when that is not known. NULL: whoever is at the other end of its near end. */
    const char *(*flow_client)(const struct flow *flow);
    /* Of a session's (pump.is_session): stderr's, which is started, fed and ended with its pump. NULL: it is
     * not there yet. */
    struct pump *(*flow_side)(struct flow *flow);
    void (*flow_wipe)(struct flow *flow);   /* before it is freed: its own things */
    void (*flow_over)(struct forwarder *f); /* after one was freed */
};

extern const struct forwarder_ops forwarder_local, forwarder_remote, forwarder_remote_dynamic,
    forwarder_dynamic, forwarder_stdio, forwarder_jump, forwarder_agent, forwarder_exec, forwarder_control;

/* ---- Kinds of descriptors, timers and letters in a session */

enum {
    SESSION_FD_TRANSPORT,
    SESSION_FD_MAILBOX,
    SESSION_FD_DIAL,      /* an address that is being tried */
    SESSION_FD_FORWARDER, /* owner: the forwarder */
    SESSION_FD_FLOW,      /* owner: the flow */

    SESSION_TIMER_SESSION, /* owner: the session */
    SESSION_TIMER_FORWARDER,
    SESSION_TIMER_FLOW,

    SESSION_MAIL_ANSWER,
    SESSION_MAIL_STOP,
    SESSION_MAIL_SNAPSHOT,
    SESSION_MAIL_RESOLVED, /* the server's name */
    SESSION_MAIL_FORWARDER_RESOLVED,
    SESSION_MAIL_FLOW_RESOLVED,
    SESSION_MAIL_COMMAND,
    SESSION_MAIL_HALT,
    SESSION_MAIL_CONNECT, /* the orders of a session that survives */
    SESSION_MAIL_DROP,
    SESSION_MAIL_UNLISTEN,
    SESSION_MAIL_RETRY,
    SESSION_MAIL_PROBE,
    SESSION_MAIL_RUN,
    SESSION_MAIL_FORWARD_ADDED,
    SESSION_MAIL_FORWARD_REMOVED,
};

/* ---- What a forwarder may ask of its session */

struct loop *forwarder_loop(struct forwarder *f);
struct ssh *forwarder_ssh(struct forwarder *f); /* NULL while there is no connection */
struct session_stats *forwarder_stats(struct forwarder *f);
void forwarder_count(struct forwarder *f, enum forwarder_cause cause); /* in the session's and its own */
const struct session_config *forwarder_config(const struct forwarder *f);

/* Says and keeps that it is up. */
void forwarder_up(struct forwarder *f, size_t address_index, const char *bound, uint16_t bound_port);
void forwarder_remote_port(struct forwarder *f, uint16_t port);
/* Says that only a connection is wanting. */
void forwarder_ready(struct forwarder *f);
/* all: nothing of it works, the state becomes FAILED; otherwise one address of several. Ends the session if
 * it is to exit on forward failures. */
void forwarder_failed(struct forwarder *f, bool all, const struct adit_error *why);
/* The server has answered that it listens no more. */
void forwarder_cancelled(struct forwarder *f);
/* What was the session's reason to be is over (the stdio forward): it ends, with that error if there is one,
 * unless it is told to stay. */
void forwarder_over(struct forwarder *f, const struct adit_error *why);
/* The session channel is over: the session ends as soon as no forwarded connection is open any more (ssh
 * waits for them too, without a limit), unless it is told to stay. */
void forwarder_exec_over(struct forwarder *f, const struct adit_error *why);
/* A session channel begins, with a terminal or not: what the connection's packets are marked as hangs on it.
 */
void forwarder_set_terminal(struct forwarder *f, bool has_one);
/* A notice of the forwarder's own. */
void forwarder_notify(struct forwarder *f, const struct session_notice *n);
/* ---- Forwarders that come and go: control.c's */

enum { FORWARDER_GUESTS = 256 }; /* at one time */
/* spec and guest must stay until forwarder_remove. NULL: there are too many, or no memory. Its operations are
 * not called. */
struct forwarder *forwarder_add(struct forwarder *f, const struct session_forward *spec, struct guest *guest);
/* It has no flows, and nothing comes that names it: frees it with what is its own. */
void forwarder_remove(struct forwarder *f);
/* The i-th of the session's, of the configuration or not; NULL behind the last one. */
struct forwarder *forwarder_at(struct forwarder *f, size_t i);
bool forwarder_may_open(const struct forwarder *f);  /* the session is open, and not about to end */
bool forwarder_has_begun(const struct forwarder *f); /* begin was called, and its connection is still there */
/* Ends the session: in order, or at once. */
void forwarder_end_session(struct forwarder *f, bool at_once);
/* The same at once, with an error. */
void forwarder_end_failed(struct forwarder *f, const struct adit_error *why);
/* What becomes of a guest's: its notices, and its end (why as forwarder_over has it). */
void control_on_notice(struct forwarder *f, const struct session_notice *n);
void control_on_over(struct forwarder *f, const struct adit_error *why);
/* A connection has ended, or something else may have changed. f: the control socket's. */
void control_progress(struct forwarder *f);

/* "10.0.0.5:443", "[::1]:80", "/run/docker.sock"; "-" without a target. */
void forwarder_target(const struct forwarder *f, char out[static FORWARDER_TARGET_CAP]);

void forwarder_log(struct forwarder *f, enum session_level level, const char *fmt, ...) ADIT_PRINTF(3, 4);
bool forwarder_logs(const struct forwarder *f, enum session_level level);

/* A lookup whose letter comes to on_resolved (flow NULL) or flow_resolved. Frees it with resolve_free. */
enum adit_err forwarder_resolve(struct forwarder *f, struct flow *flow, const char *host, uint16_t port,
                                struct resolve **out, struct adit_error *err) ADIT_MUST_USE;

/* ---- Flows */

/* A new flow, its pump not yet started, the descriptor in the loop (fd -1: none yet; pump_take_fds later).
 * Takes fd also when it fails: NULL is out of memory or a refused epoll, which is logged. */
struct flow *flow_new(struct forwarder *f, int fd);
/* What it is to ChannelTimeout. A new one is SESSION_CHANNEL_DIRECT_TCPIP; flow_open_target knows its own. */
void flow_set_kind(struct flow *flow, enum session_channel_kind kind);
/* Ends and frees it: closes what is open; the near end is reset when reset is set. A channel that is being
 * opened is closed when its answer comes: the flow is freed then. */
void flow_end(struct flow *flow, bool reset);
/* Who a flow comes from. RFC 4254 §7.2 wants an address and a port; a client without them (a Unix socket's,
 * standard input) gets those that OpenSSH gives it, since some servers check what stands there. */
struct flow_origin {
    char host[SOCK_TEXT_CAP];
    uint16_t port;
};
void flow_origin_of(struct flow_origin *origin, const struct sock_addr *peer); /* NULL: none */
/* Asks for a direct-tcpip channel, now or, in a session that survives, when there is a connection again (see
 * flow_release). False: it cannot be had, the flow was ended (and logged). */
bool flow_open(struct flow *flow, const char *host, uint16_t port,
               const struct flow_origin *origin) ADIT_MUST_USE;
/* The same to the forward's own target, which may be a Unix socket (direct-streamlocal@openssh.com). */
bool flow_open_target(struct flow *flow, const struct flow_origin *origin) ADIT_MUST_USE;
/* The channel was confirmed, or (remote) accepted by ssh_open_accept with the flow as its owner: carry. */
void flow_start(struct flow *flow, struct channel *channel);

/* ---- Connecting a flow's near end, on this side (target.c). These are operations of a forwarder. ---- */

/* To host:port, or to the Unix socket path. flow_connected or flow_unreachable follows, perhaps before this
 * returns; the descriptor is the pump's then. */
void target_connect(struct flow *flow, const char *host, uint16_t port, const char *path);
void target_on_ready(struct flow *flow, struct loop_fd *fd);
void target_on_resolved(struct flow *flow, struct resolve *r);
void target_on_timer(struct flow *flow);
void target_free(struct flow *flow); /* flow.c's: gives up */

/* ---- The listening side at the server that remote and remote_dynamic share (remote_listener.c). Kept in
 * f->own. */

void remote_listener_bind(struct forwarder *f);
void remote_listener_begin(struct forwarder *f);
void remote_listener_on_reply(struct forwarder *f, const struct ssh_event *ev);
void remote_listener_stop(struct forwarder *f);
void remote_listener_free(struct forwarder *f);
void remote_listener_lost(struct forwarder *f);
void remote_listener_retry(struct forwarder *f);
int remote_listener_match(struct forwarder *f, const struct ssh_event *ev);
void remote_listener_set_kind(struct flow *flow);
/* The client's "address:port" as the server says it; free(3). NULL: not kept, or not known. */
char *remote_listener_client(struct forwarder *f, const struct ssh_event *ev);
void remote_listener_log(struct forwarder *f, const struct ssh_event *ev); /* a client came */

/* ---- The listening side that local and dynamic share (listener.c). Kept in f->own. */

void listener_bind(struct forwarder *f);
void listener_on_resolved(struct forwarder *f, struct resolve *r);
void listener_begin(struct forwarder *f);
void listener_on_ready(struct forwarder *f, struct loop_fd *fd);
void listener_on_timer(struct forwarder *f, struct loop_timer *t);
void listener_stop(struct forwarder *f);
void listener_free(struct forwarder *f);
void listener_unlisten(struct forwarder *f);
void listener_retry(struct forwarder *f);

#endif
