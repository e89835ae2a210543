/*
 * internal.h - what the files of a session, conn.c and flow.c share. No plug-in and nobody outside includes
 * it.
 */
#ifndef FORWARD_INTERNAL_H
#define FORWARD_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "forward/dial.h"
#include "forward/forwarder.h"
#include "forward/session.h"
#include "net/resolve.h"
#include "socks5/upstream.h"

enum {
    SESSION_DRAIN_MS = 5000,    /* a clean stop waits this long for the open connections */
    SESSION_FAREWELL_MS = 1000, /* and this long for DISCONNECT to be taken by the kernel */
    SESSION_STALL_MS = 60000,   /* at the budget, who holds too much without moving has this long */
    SESSION_QUIET_MS = 1000,    /* what nobody waits for is said this long after the authentication */
    SESSION_LOG_LINE = 1024,
};

/* What belongs to one connection, and dies with it. */
struct conn {
    struct session *session;
    struct ssh *ssh;
    void *machine; /* its memory: pages.h */
    struct loop_fd transport;
    struct dial dial;          /* until TCP is up */
    struct upstream *upstream; /* while the proxy is spoken to */
    uint64_t deadline_ms;      /* of connect_timeout_ms; LOOP_NEVER */
    /* Output: see conn_measure. */
    size_t bound;            /* unsent bytes aimed at */
    uint64_t window_us;      /* when the present measurement began */
    uint64_t window_len;     /* bytes written in it */
    bool window_was_blocked; /* the socket was full at least once in it */
    size_t turn_len;         /* bytes moved in the present turn */
    size_t turn_read_len;    /* of them, read */
    uint64_t seen_up;        /* channel data sent, as it was counted last, */
    uint64_t seen_up_us;     /* and when it changed */
    uint64_t seen_down;      /* bytes read, as they were counted last, */
    uint64_t looked_us;      /* and when */
    bool owes_ack;           /* read, and nothing written since */
    bool has_unread;         /* reading stopped at its quota */
    bool is_begun;           /* conn_start was called: transport_fd is ours */
    bool is_over;            /* ENDED was seen, or no connection was made */
};

/* In this order. */
enum session_phase {
    PHASE_BINDING,
    PHASE_DOWN,       /* no connection; or, while conn.is_over, one that is still to be put away */
    PHASE_CONNECTING, /* lookup, TCP */
    PHASE_HANDSHAKE,  /* version, first key exchange */
    PHASE_AUTH,       /* the forwarders have begun */
    PHASE_OPEN,
    PHASE_DRAINING, /* no new connections */
    PHASE_FAREWELL, /* the machine is dead, its last bytes go out */
    PHASE_ENDED,
};

/* What the server shows of its host keys, and then its signatures: see proof.c. */
struct proof {
    bool is_seen; /* it has shown them: once is enough */
    bool is_bad;  /* one of its answers was none */
    size_t due;   /* answers that are to come */
    uint8_t *bytes;
    size_t n, cap;
};

/* Clients who wait for a connection (held.c), the oldest first. */
struct held_clients {
    struct held *first, *last;
    size_t count;
    struct loop_timer timer;
};

/* Whether the server is still there (probe.c). */
struct probe {
    struct loop_timer timer;
    struct channel *channel; /* the probe's, until it is gone: then the server has answered */
    bool is_on;
    bool is_suspect;
    uint64_t sent_ms;  /* the last one */
    uint64_t due_ms;   /* when it was to be looked at, */
    uint64_t awake_ms; /* and when it was after a stop of ours */
    uint64_t seen_us;  /* what came from the server last, when ALIVE was said, */
    uint64_t told_ms;  /* and when that was */
};

/* A command whose answer is wanted (errand.c). */
struct errand {
    struct loop_timer timer;
    struct channel *channel; /* NULL: none is out */
    bool is_closed;          /* the channel is gone by itself */
    bool may_have_run;
    size_t out_len;
    uint8_t out[LIMIT_ERRAND];
};

enum { ORDER_TEXT = 200 };

struct session {
    struct session_config config;
    struct session_ops ops;
    pthread_t thread;
    struct loop loop;
    struct mailbox box;
    struct loop_fd box_fd;
    struct loop_timer tick_timer;     /* what the machine asked for */
    struct loop_timer phase_timer;    /* connecting, draining, farewell */
    struct loop_timer stall_timer;    /* running while the budget is used up */
    struct loop_timer idle_timer;     /* ChannelTimeout: look again */
    uint64_t idle_moved;              /* what had moved, */
    uint64_t idle_since_ms;           /* and since when */
    struct loop_timer sessions_timer; /* no-more-sessions@openssh.com is due */
    struct mail stop_mail[2];
    atomic_uint stop_count;
    struct mail halt_mail;
    bool is_begun;   /* the thread has run */
    bool is_halting; /* session_halt's letter was read: the thread leaves */
    bool is_joined;  /* there is no thread now; the caller's */
    bool stop_waits; /* a stop came while a question is outstanding */
    enum session_phase phase;
    struct forwarder *forwarders, *last_forwarder; /* all: those of the configuration, and then who came */
    struct forwarder *configured;                  /* those of the configuration: config.forward_count */
    size_t guest_count;
    bool has_leaving;          /* some of them are removed, and still there */
    struct forwarder *control; /* the control socket's; NULL: there is none */
    bool has_terminal;         /* the last session channel that began has one */
    bool is_patient;           /* the open connections are waited for without a limit */
    bool forwards_are_told;    /* ALL_FORWARDS_DONE was said */
    struct conn conn;
    struct pump_set pumps;
    struct session_stats stats;
    uint64_t last_flow_id;
    uint64_t heard_ms;       /* when something came from the server last, over a connection that is gone */
    struct adit_error error; /* the first one, or OK */
    uint32_t lines_said;     /* of the log's allowance, and since when it is counted */
    uint64_t lines_since_ms;
    bool lines_are_cut;
    bool is_asking;
    struct session_question question;
    struct proof proof;
    /* Of a session that survives. */
    struct held_clients hold;
    struct probe probe;
    struct loop_timer exit_timer; /* idle_exit_ms */
    struct adit_error lost;       /* why the connection is over that is not put away yet */
    pthread_mutex_t order_lock;   /* who gives an order or reads it, and what comes with one: */
    struct mail connect_order, drop_order, unlisten_order, retry_order, probe_order, run_order;
    struct session_config next; /* connect_order's, */
    bool next_is_given;         /* which is not read yet */
    char why_dropped[ORDER_TEXT];
    char command[SESSION_COMMAND_CAP]; /* run_order's */
    uint32_t command_limit_ms;
    struct errand errand;
};

/* ---- session_log.c */

/* About what the session is at: the key exchange, the authentication, then its channels. */
void session_log(struct session *s, enum session_level level, const char *fmt, ...) ADIT_PRINTF(3, 4);
/* Of the key exchange, whenever it is. */
void session_log_kex(struct session *s, enum session_level level, const char *fmt, ...) ADIT_PRINTF(3, 4);
void session_notify(struct session *s, const struct session_notice *n);
void session_notify_text(struct session *s, enum session_notice_kind kind, const char *text);

/* ---- session_phase.c */

/* Once, when the credential is about to be asked for. */
void session_begin_forwarders(struct session *s);
/* Authenticated: says, or plans to say, that nobody will ask for a command. */
void session_plan_no_more(struct session *s);
void session_tell_no_more(struct session *s); /* its timer */
/* The first error stays; then the end begins: at once where nothing is open yet, by draining otherwise. */
void session_finish(struct session *s, const struct adit_error *why);
/* The connection is over: nothing more can be carried. */
void session_conn_over(struct session *s);
/* Forwards, flows or the phase have changed: go on if that is possible now. */
void session_progress(struct session *s);
void session_on_stop(struct session *s, bool at_once);
void session_on_phase_timer(struct session *s);
/* The connection is over, and somebody still takes what came of it. */
bool session_lingers(const struct session *s);

/* ---- session_event.c */

void session_event(struct session *s, const struct ssh_event *ev);

/* ---- session_mail.c */

void session_on_mailbox(struct session *s);
void session_mail_drop(struct session *s); /* the thread has ended: what nobody read */

/* ---- session_snapshot.c */

uint64_t session_heard_ms(const struct session *s); /* session_snapshot.last_alive_ms */
void session_take_snapshot(struct session *s, struct session_snapshot *snapshot); /* and sends it off */

/* ---- forward_letter.c */

void forward_letter_added(struct session *s, struct session_forward_letter *letter);
void forward_letter_removed(struct session *s, struct session_forward_letter *letter);
/* Once a turn, outside of any event: those that were removed and are over. */
void forward_letters_sweep(struct session *s);

/* ---- forwarders.c */

bool forwarders_make(struct session *s, const struct session_config *config); /* false: no memory */
/* Behind the others, as READY. spec must stay until forwarders_delete. NULL: no memory. */
struct forwarder *forwarders_new(struct session *s, const struct session_forward *spec);
void forwarders_delete(struct forwarder *f);                /* one of those, with what is its own */
extern const struct forwarder_ops forwarder_none;           /* of one that cannot be: nothing happens to it */
bool forwarders_can_repeat(enum session_forward_type type); /* with another connection */
void forwarders_bind(struct session *s);
bool forwarders_any(const struct session *s, enum forwarder_state state);
bool forwarders_any_opening(const struct session *s);
void forwarders_stop(struct session *s);
void forwarders_lose_flows(struct session *s, bool may_linger); /* see flow_lost */
void forwarders_lose_connection(
    struct session *s); /* its flows end; the forwards begin again with the next */
void forwarders_unlisten(struct session *s);
void forwarders_retry(struct session *s);
void forwarders_free(struct session *s);                                           /* what is their own */
void forwarders_wipe(struct session *s);                                           /* themselves */
struct forwarder *forwarders_match(struct session *s, const struct ssh_event *ev); /* NULL: nobody's */
struct forwarder *forwarders_agent(struct session *s);                             /* NULL: there is none */

/* ---- conn.c */

void conn_init(struct conn *c, struct session *s);
void conn_start(struct conn *c);           /* lookup, TCP, machine; or transport_fd */
void conn_dialled(struct conn *c, int fd); /* TCP stands: takes fd */
void conn_on_timer(struct conn *c);        /* the phase timer, while connecting */
void conn_open_qos(struct conn *c);        /* authenticated: its packets are marked otherwise now */
void conn_tick(struct conn *c);            /* tells the machine the time */
bool conn_work(struct conn *c);            /* everything that can be done now; true: more at once */
bool conn_is_light(const struct conn *c);  /* the last turn moved little: no bulk transfer */
/* Before a wait: lets TCP acknowledge what was read. */
void conn_ack(struct conn *c);
/* Before a wait: for how many microseconds nothing need be looked for, since more is on its way and is had
 * for less a little later; 0: at once. */
uint32_t conn_may_rest(struct conn *c);
bool conn_flush(struct conn *c);        /* true: no byte waits, or none can go any more */
size_t conn_room(const struct conn *c); /* for channel data */
void conn_wipe(struct conn *c);

void conn_up(struct conn *c); /* the transport is the server's: the machine begins */
void conn_fail(struct conn *c, const struct adit_error *why); /* no connection is made */
void conn_close(struct conn *c);                              /* the transport's descriptor */

/* ---- proxy.c: while c->upstream is set */

void proxy_begin(struct conn *c); /* the transport is the proxy's */
void proxy_on_transport(struct conn *c);
void proxy_on_timer(struct conn *c);
void proxy_over(struct conn *c); /* forgets it, and its secrets. Any number of times */

/* ---- question.c */

/* Poses the question of an event; false when the event is none. */
bool question_ask(struct session *s, const struct ssh_event *ev);
/* HOST_KEYS or PROOFS; data must stay until it is answered. */
void question_host_keys(struct session *s, enum session_question_kind kind, struct span data);
/* The machine waits for the answer: nothing is read or told until it is there. */
bool question_pauses(const struct session *s);
/* The answer came: gives it to the machine (dead: only wipes it). */
void question_answered(struct session *s, bool is_dead);

/* ---- proof.c */

void proof_on_shown(struct session *s, struct span keys); /* hostkeys-00@openssh.com came */
void proof_ask(struct session *s, const struct span *keys, size_t count);
void proof_on_reply(struct session *s, const struct ssh_event *ev); /* its owner is s->proof */
void proof_wipe(struct proof *p);

/* ---- survive.c */

/* The connection is over, or none could be made, for this reason. True: the session stays, and nothing is
 * left to be done about it but survive_work. */
bool survive_loss(struct session *s, const struct adit_error *why);
void survive_give_up(struct session *s, const struct adit_error *why); /* the same, of our own will */
/* Once a turn, outside of any event: puts a lost connection away. */
void survive_work(struct session *s);
void survive_init(struct session *s); /* orders may come from now on */
void survive_wipe(struct session *s);
bool survive_can(const struct session_config *config); /* false: it should, and one of its forwards cannot */
void survive_start(struct session *s);                 /* the listeners stand: connects, or waits */
void survive_plan_exit(struct session *s);             /* idle_exit_ms: nobody is there, from now on */
void survive_exit(struct session *s);                  /* its timer */
bool survive_order(struct session *s, const struct mail *m); /* false: it is none */

/* ---- held.c */

void held_init(struct session *s);
/* There is no connection that could be asked, but there will be. */
bool held_is_due(const struct session *s);
/* Keeps a flow whose channel cannot be opened now: flow_release follows, or flow_expired. False: there is no
 * room, and the flow was ended. */
bool held_take(struct flow *flow) ADIT_MUST_USE;
void held_forget(struct flow *flow); /* flow.c's: it ends */
void held_release(struct session *s);
void held_expire(struct session *s, bool all); /* its timer */

/* ---- probe.c */

void probe_init(struct session *s);
void probe_start(struct session *s); /* the session is open */
void probe_stop(struct session *s);  /* and no longer */
void probe_now(struct session *s);
void probe_look(struct session *s); /* its timer; and once a turn while is_suspect */
void probe_event(struct session *s, const struct ssh_event *ev); /* of a channel that is nobody else's */

/* ---- errand.c */

void errand_init(struct session *s);
void errand_begin(struct session *s, const char *command, uint32_t limit_ms); /* see session_run */
void errand_event(struct session *s, const struct ssh_event *ev); /* of a channel that is nobody else's */
void errand_late(struct session *s);                              /* its timer */
void errand_lost(struct session *s);                              /* with the connection: nothing is told */

/* ---- idle.c */

void idle_start(struct session *s); /* the session is open: looks from now on, if there is a timeout */
void idle_look(struct session *s);  /* its timer */

/* ---- flow.c */

extern const struct pump_far flow_far;
/* The loop, a timer or a lookup of a flow. */
void flow_on_ready(struct flow *flow, struct loop_fd *fd);
void flow_on_timer(struct flow *flow);
void flow_on_resolved(struct flow *flow, struct resolve *r);
/* A channel event whose owner is a flow. */
void flow_on_event(struct flow *flow, const struct ssh_event *ev);
/* The connection has gone; frees it. by_us: it was ended here, in order, and a local side to which nothing is
 * owed sees an end; otherwise bytes are missing and it sees a reset. may_linger: a session whose output is
 * not all written yet stays until it is. */
void flow_lost(struct flow *flow, bool is_by_us, bool may_linger);
/* The same in a session that goes on: what has nothing of the connection stays, and a client whose channel
 * was not open yet is held for the next one. */
void flow_lost_connection(struct flow *flow);

#endif
