/*
 * forwarder.h - what the plug-ins of a session are: local, remote, dynamic, stdio.
 *
 * A forwarder stands for one struct session_forward. It is told what happens by its operations and works
 * through the calls below; it owns its flows, one for each connection it carries. To add a kind of forward:
 * write its operations and name them in forwarder_ops_of. Everything here runs on the session's thread.
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

/* One connection that is carried. Embed it first in a plug-in's own struct, when that keeps more. */
struct flow {
    struct pump pump;
    struct forwarder *forwarder;
    struct flow *next, *prev; /* all flows of the forwarder */
    struct channel *opening;  /* asked for, neither confirmed nor refused yet */
    bool is_dead;             /* the near end went away before the channel was confirmed */
};

enum forwarder_state {
    FORWARDER_BINDING, /* its bind name is being looked up */
    FORWARDER_BOUND,   /* its local side is ready */
    FORWARDER_ASKED,   /* the server was asked */
    FORWARDER_UP,
    FORWARDER_FAILED,
    FORWARDER_STOPPED,
};

struct forwarder {
    const struct forwarder_ops *ops;
    struct session *session;
    const struct session_forward *spec;
    size_t index;
    enum forwarder_state state;
    struct flow *flows;
    void *own; /* the plug-in's */
};

/* NULL operations are skipped. */
struct forwarder_ops {
    size_t flow_size; /* 0: sizeof(struct flow) */
    /* Before the connection is made. Sets the state to BOUND, or BINDING and later BOUND, or calls
     * forwarder_failed. */
    void (*bind)(struct forwarder *f);
    /* The connection is there, and channels may be opened: it is in its authentication, or beyond. */
    void (*begin)(struct forwarder *f);
    /* No new connections; the flows go on. */
    void (*stop)(struct forwarder *f);
    /* Releases what is its own; the flows are gone already. */
    void (*free)(struct forwarder *f);

    void (*on_ready)(struct forwarder *f,
                     struct loop_fd *fd); /* a descriptor with kind SESSION_FD_FORWARDER */
    void (*on_timer)(struct forwarder *f,
                     struct loop_timer *t); /* a timer with kind SESSION_TIMER_FORWARDER */
    void (*on_resolved)(struct forwarder *f, struct resolve *r);       /* forwarder_resolve, with flow NULL */
    void (*on_reply)(struct forwarder *f, const struct ssh_event *ev); /* to its global request */
    /* The server opens a channel. How well it is meant: 0 not at all, 1 by its port alone, 2 exactly. */
    int (*match)(struct forwarder *f, const struct ssh_event *ev);
    void (*on_open)(struct forwarder *f, const struct ssh_event *ev); /* the best match: take it */

    /* Of a flow. All but on_opened may end with flow_end. */
    void (*flow_ready)(struct flow *flow, struct loop_fd *fd); /* before its pump was started */
    void (*flow_timer)(struct flow *flow);
    void (*flow_resolved)(struct flow *flow, struct resolve *r);
    void (*flow_opened)(struct flow *flow); /* its channel is confirmed; NULL: starts the pump */
    /* Its channel was refused; NULL: flow_end. The session has logged and counted it. */
    void (*flow_refused)(struct flow *flow, uint32_t reason, struct span text);
    void (*flow_wipe)(struct flow *flow);   /* before it is freed: its own things */
    void (*flow_over)(struct forwarder *f); /* after one was freed */
};

extern const struct forwarder_ops forwarder_local, forwarder_remote, forwarder_dynamic, forwarder_stdio;

/* ---- Kinds of descriptors, timers and letters in a session */

enum {
    SESSION_FD_TRANSPORT,
    SESSION_FD_MAILBOX,
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
};

/* ---- What a forwarder may ask of its session */

struct loop *forwarder_loop(struct forwarder *f);
struct ssh *forwarder_ssh(struct forwarder *f); /* NULL while there is no connection */
struct session_stats *forwarder_stats(struct forwarder *f);
const struct session_config *forwarder_config(const struct forwarder *f);

/* Says and keeps that it is up; fails the session when that is what failing means. */
void forwarder_up(struct forwarder *f, size_t address_index, const char *bound, uint16_t bound_port);
void forwarder_remote_port(struct forwarder *f, uint16_t port);
/* all: nothing of it works; the state becomes FAILED. Otherwise one address of several. */
void forwarder_failed(struct forwarder *f, bool all, const struct adit_error *why);
/* The state may have changed so that the session can go on (bound, up, failed, over). */
void forwarder_progress(struct forwarder *f);
/* "10.0.0.5:443", "[::1]:80"; "-" without a target. */
enum { FORWARDER_TARGET_CAP = LIMIT_HOST + 16 };
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
/* Ends and frees it: closes what is open; the near end is reset when reset is set. A channel that is being
 * opened is closed when its answer comes: the flow is freed then. */
void flow_end(struct flow *flow, bool reset);
/* Asks for a direct-tcpip channel. False: it cannot be had, the flow was ended (and logged). */
bool flow_open(struct flow *flow, const char *host, uint16_t port, const char *originator,
               uint16_t originator_port) ADIT_MUST_USE;
/* The session_stats counter that a refused open belongs to. */
void flow_count_refusal(struct forwarder *f, uint32_t reason, struct span text);

/* ---- The listening side that local and dynamic share (listener.c). Kept in f->own. */

void listener_bind(struct forwarder *f);
void listener_on_resolved(struct forwarder *f, struct resolve *r);
void listener_begin(struct forwarder *f);
void listener_on_ready(struct forwarder *f, struct loop_fd *fd);
void listener_on_timer(struct forwarder *f, struct loop_timer *t);
void listener_stop(struct forwarder *f);
void listener_free(struct forwarder *f);
