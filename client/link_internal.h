/*
 * link_internal.h - what the files of a link share: link.c (its life, its thread and what it reads),
 * link_order.c (the letters to it), link_connect.c (the way to the server), link_forward.c, link_notice.c
 * (what its sessions say, on their threads and then on the link's), link_state.c (what it tells),
 * link_limit.c, link_trust.c and link_reclaim.c.
 */
#ifndef CLIENT_LINK_INTERNAL_H
#define CLIENT_LINK_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/chain.h"
#include "client/link.h"
#include "client/reclaim.h"
#include "client/reclaim_right.h"
#include "net/mailbox.h"

enum link_mail {
    LINK_MAIL_START,
    LINK_MAIL_STOP,
    LINK_MAIL_RECONNECT,
    LINK_MAIL_CONFIGURE,
    LINK_MAIL_HEALTHY,
    LINK_MAIL_SICK,
    LINK_MAIL_NETWORK,
    LINK_MAIL_FILE,
    LINK_MAIL_TRUST,
    LINK_MAIL_LOG_LEVEL,
    LINK_MAIL_FORWARD_ADD,
    LINK_MAIL_FORWARD_REMOVE,
    LINK_MAIL_QUESTION,  /* owner: the struct session_question */
    LINK_MAIL_NEWS,      /* owner: a struct link_news */
    LINK_MAIL_CLOSED,    /* the session has no listeners any more */
    LINK_MAIL_LOST,      /* the destination's session says so */
    LINK_MAIL_ENDED,     /* it is over */
    LINK_MAIL_HOP_ENDED, /* owner: the struct link_hop */
    LINK_MAIL_UNHEARD,   /* the same, whose session had no memory for what it was to say */
    LINK_MAILS
};

/* Letters that are alike are one: the last. */
enum link_order {
    LINK_ORDER_START,
    LINK_ORDER_STOP,
    LINK_ORDER_STOP_AGAIN,
    LINK_ORDER_RECONNECT,
    LINK_ORDER_CONFIGURE,
    LINK_ORDER_HEALTHY,
    LINK_ORDER_SICK,
    LINK_ORDER_NETWORK,
    LINK_ORDER_FILE,
    LINK_ORDER_TRUST,
    LINK_ORDER_LOG_LEVEL,
    LINK_ORDERS
};

enum { LINK_FINGERPRINT_CAP = 64, LINK_REASON_CAP = LIMIT_ERROR_TEXT };

/* A session of the connection that is being made or is there: a jump host's. */
struct link_hop {
    struct link *link;
    const char *name; /* as ProxyJump has it; the chain's */
    struct client *client;
    struct session *session;
    struct mail ended, unheard;
    bool has_ended;
    bool is_unheard;            /* the session's thread: it has waited for memory once, and does not again */
    char why[LIMIT_ERROR_TEXT]; /* it does not reach the next one; empty: it did */
};

struct link_forward {
    struct link_forward *next;
    struct mail add, remove;
    size_t id;
    struct forward_spec spec;
    struct session_forward_letter letter; /* points into spec */
    bool is_leaving;                      /* with the lock: somebody has asked for its end */
    bool is_given;                        /* the session has the letter, */
    bool is_taken;                        /* and has been told to give it back */
    bool is_up, is_missing;
    struct reclaim_id holder; /* of a remote one: the server's process that had its port last */
    bool wants_reclaim;       /* which is to be ended, as soon as that can be */
    const char *reclaim_why;  /* why that did not help; NULL: nothing is known */
};

enum link_reclaim_doing { LINK_RECLAIM_NOTHING, LINK_RECLAIM_WHO, LINK_RECLAIM_END };

enum { LINK_ACCOUNT_CAP = LIMIT_USER + LIMIT_HOST + 16 };

/* AditReclaim: of the present connection. */
struct link_reclaim {
    enum link_reclaim_doing doing; /* the command that is out */
    bool is_asked;                 /* who we are; or it is off */
    bool is_first;                 /* the right is to be settled by what is out */
    uint64_t again_at;             /* look again; KEEP_NEVER */
    struct reclaim_id mine, ending;
    char account[LINK_ACCOUNT_CAP]; /* "user@host:port" */
};

enum link_phase {
    LINK_APART,    /* no connection, and none is being made */
    LINK_HOPPING,  /* the jump hosts are on their way */
    LINK_BOUND,    /* the session has its order to connect: LOST will come */
    LINK_CLEARING, /* the connection is over, and its jump hosts are ending */
};

struct link {
    struct link_config config;
    struct link_ops ops;
    pthread_t thread;
    struct mailbox box;
    int cancel_fd;

    atomic_bool is_deaf; /* it was told to stop: what cannot be copied for it need not be */

    pthread_mutex_t lock; /* up to the next blank line */
    struct mail orders[LINK_ORDERS];
    unsigned stops;
    bool is_recalled; /* link_reconnect's letter is not read yet */
    unsigned network;
    struct keep_config settings;
    char trusted[LINK_FINGERPRINT_CAP];
    enum session_level wanted_level;
    struct link_forward *forwards;
    struct session *session; /* the destination's, from the first LISTEN on; the link's thread writes it */

    /* The link's thread alone. */
    struct keep keep;
    unsigned todo; /* enum keep_do, not done yet */
    struct client_prompt prompt;
    enum session_level log_level;
    bool is_stopping, is_hasty, is_over;
    unsigned stops_told; /* to the destination's session */
    enum link_phase phase;
    struct options own; /* of this connection, where config has none */
    bool has_own;
    struct chain *chain;
    struct link_hop *hops;
    size_t hop_count, hops_started; /* jump hosts alone */
    struct link_hop destination;    /* without a session: see above */
    char route[LIMIT_HOST + 1];     /* what is connected to first; empty: unknown */
    char method[64];                /* how it was authenticated */
    struct adit_error over;         /* why the connection is over */
    bool was_cut;                   /* a question of it was given up for something that somebody wants */
    uint64_t limit_at;              /* until when the server must have let us in; KEEP_NEVER */
    bool is_late;                   /* it did not */
    bool session_is_over;
    struct link_reclaim reclaim;
    char held_at[LINK_ACCOUNT_CAP]; /* the account of all holders: another one's processes are none of them */
    bool is_closing; /* the listeners are about to close, and nobody is told of the failure before: */
    struct session_snapshot closed; /* asks for nothing, but is answered behind that */
    struct link_status told;
    char missing_why[LIMIT_ERROR_TEXT];               /* of the forward that failed last */
    char *unknown_host, *unknown_line, *unknown_file; /* the unknown key seen last; NULL: none */
    char unknown_fingerprint[LINK_FINGERPRINT_CAP];

    /* The session's thread writes, and then posts. */
    struct mail lost_mail, ended_mail;
    struct adit_error lost, ended;
};

/* What a session said, copied. */
struct link_news {
    struct mail mail;
    struct link_hop *hop; /* NULL: the destination's */
    bool is_log;
    enum session_level level;
    enum session_about about;
    struct session_notice notice; /* its texts point into text */
    struct adit_error error;
    char text[];
};

/* ---- link_state.c */

extern const char link_unhealthy[]; /* a reason */

void link_log(struct link *l, enum session_level level, enum session_about about, const char *line);
void link_notify(struct link *l, const struct link_notice *n);
/* If anything of the status has changed. */
void link_tell_state(struct link *l);

/* ---- link.c */

/* More to be done, by keep's word. */
void link_do(struct link *l, unsigned todo);

/* ---- link_order.c */

void link_orders_init(struct link *l);

/* ---- link_connect.c */

/* Makes the session, with listeners for all forwards. */
enum adit_err link_listen(struct link *l, struct adit_error *err) ADIT_MUST_USE;
void link_connect(struct link *l);
void link_session_broken(struct link *l); /* the destination's session is over, and nobody wanted that */
void link_hop_unheard(struct link *l, const struct link_hop *hop); /* UNHEARD */
void link_hop_reached(struct link *l, const struct link_hop *hop);
void link_hop_ended(struct link *l, struct link_hop *hop);
/* The connection, or the try, is over for this reason: clears away what belongs to it, and then tells keep.
 */
void link_connection_over(struct link *l, const struct adit_error *why);
void link_stop_all(struct link *l); /* as far as that can go now; in the end is_over */

/* ---- link_notice.c */

struct session_ops link_session_ops(struct link_hop *hop);
/* Of a struct client_prompt whose ctx is the link. */
bool link_ask(void *ctx, const struct prompt_question *q, char *answer, size_t cap);
void link_prompt_log(void *ctx, enum log_level level, const char *line);
/* A line about something else than who is who. */
void link_log_about(struct link *l, enum log_level level, enum session_about about, const char *line);
void link_on_question(struct link *l, struct session_question *q);
void link_on_news(struct link *l, struct link_news *news);

/* ---- link_forward.c */

void link_forward_give(struct link *l, struct link_forward *f); /* to the session, if there is one */
void link_forwards_give(struct link *l);
void link_forward_take(struct link *l, struct link_forward *f); /* its removal was asked for */
void link_forward_free(struct link *l, struct link_forward *f); /* GONE */
struct link_forward *link_forward_find(struct link *l, size_t id);
struct link_forward *link_forward_next(struct link *l, struct link_forward *f); /* NULL: the first */
void link_forwards_count(struct link *l);  /* tells keep how many are missing */
void link_forwards_lost(struct link *l);   /* no connection: what is remote is not up */
void link_forwards_closed(struct link *l); /* UNLISTEN */
void link_forwards_return(struct link *l); /* the session is no more: nobody has their letters */
void link_forwards_wipe(struct link *l);

/* ---- link_limit.c */

void link_limit_begin(struct link *l, uint32_t timeout_ms); /* 0: none */
void link_limit_pause(struct link *l, uint64_t since_ms);   /* that was somebody's time to answer */
void link_limit_end(struct link *l);
void link_limit_look(struct link *l); /* at limit_at, or earlier */

/* ---- link_reclaim.c */

void link_reclaim_up(struct link *l, struct link_forward *f);     /* FORWARD_UP of it */
void link_reclaim_failed(struct link *l, struct link_forward *f); /* FORWARD_FAILED */
/* why, and what came of reclaiming it. */
void link_reclaim_reason(const struct link_forward *f, const struct adit_error *why, struct adit_error *out);
void link_reclaim_ran(struct link *l, const struct session_notice *s); /* RAN */
void link_reclaim_look(struct link *l);                                /* at again_at, or earlier */
void link_reclaim_lost(struct link *l); /* the connection, or the try; and before the first */

/* ---- link_trust.c */

void link_see_host_key(struct link *l, const struct client *client, const char *jump_host);
void link_trust_wipe(struct link *l);
void link_on_trust(struct link *l);

#endif
