/*
 * connection.h - one SSH connection of the daemon, shared by every tunnel whose route is the same: a link
 * (client/link.h) on its thread, and what the main thread knows of it.
 *
 * Main thread, but for the hooks of the link, which leave letters here. It is made with its first tunnel and
 * stopped with its last; a stopped one takes no tunnel any more, and goes when its thread has ended.
 */
#ifndef DAEMON_CONNECTION_H
#define DAEMON_CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>

#include "client/link.h"
#include "daemon/access_list.h"
#include "daemon/relay.h"
#include "daemon/route.h"
#include "daemon/tunnel.h"
#include "daemon/watched_files.h"

enum { CONNECTION_BOUND_CAP = LIMIT_HOST + 16 };

struct connection;
struct connection_letter;

/* One forward of a tunnel, from when it is asked for to when the link has let go of it. */
struct connection_forward {
    struct connection_forward *next;
    struct tunnel *tunnel; /* it stays until all of its forwards are gone */
    size_t at;             /* in the tunnel's definition */
    size_t id;             /* the link's */
    bool is_leaving;
    unsigned up, failed; /* a bit for each address */
    bool was_failed;     /* the tunnel knows */
    struct access_list access;
    struct session_forward_stats last; /* the newest numbers */
};

/* The host key that was judged last, of whichever host on the way it matters. */
struct connection_host_key {
    char *type, *fingerprint, *line, *file;
    bool is_known, can_be_trusted;
};

struct connection {
    struct connection *next;
    struct tunnels *tunnels;
    struct route route; /* the link borrows from it */
    struct link *link;
    struct relay relay;
    struct tunnel *members; /* by tunnel->next_member */
    struct connection_forward *forwards;
    size_t next_id;
    struct link_status status; /* as it was told last */
    struct connection_host_key host_key;
    char *kex, *cipher; /* while there is a connection */
    uint64_t rekeys;
    uint32_t rtt_us;
    uint64_t last_alive_ms;
    uint64_t ups;         /* connections that came up */
    unsigned letters_out; /* snapshots that are not back */
    unsigned failing;     /* failed health checks in a row that the link was told of */
    uint64_t seed;        /* of the back-off */
    struct keep_config told;
    bool is_stopping, has_ended;
    bool is_watching; /* it has failed permanently: */
    struct watched_files files;
    bool files_are_others;   /* one has changed, */
    unsigned files_tries;    /* which was so often the reason of a try since the last connection, */
    uint64_t files_tried_ms; /* and then */
    struct connection_letter *last_letter; /* for LINK_ENDED */
    atomic_bool is_deaf; /* it was told to stop: what its thread has no memory to tell need not be told */

    pthread_mutex_t lock; /* of: */
    char *log_name;       /* the tunnel's name, while there is but one; NULL otherwise */
};

/* What a link said of a forward of a tunnel. */
struct connection_news {
    enum link_notice_kind kind; /* FORWARD_UP, FAILED, DOWN, REMOTE_PORT */
    size_t address;
    char **bound; /* the letter's: may be taken. REMOTE_PORT: room for CONNECTION_BOUND_CAP */
    uint16_t bound_port;
    const struct adit_error *error;
};

/* The one with this route's key that still takes tunnels, or NULL. */
struct connection *connection_find(const struct tunnels *t, const char *key);
/* Makes it, with no tunnel yet. route is moved in. NULL: err. */
struct connection *connection_new(struct tunnels *t, struct route *route,
                                  struct adit_error *err) ADIT_MUST_USE;
/* The tunnel becomes a member, and its forwards are asked for. False: err, and nothing is left. */
bool connection_join(struct connection *c, struct tunnel *tunnel, struct adit_error *err) ADIT_MUST_USE;
/* Its forwards go; tunnel->leaving counts those that are still there. With the last member the link is
 * stopped. */
void connection_leave(struct connection *c, struct tunnel *tunnel);
/* What its members want together: told to the link when it changed. */
void connection_configure(struct connection *c);
/* It is connected anew, or was: whom ssh_config leads elsewhere by now goes there (connection_ways.c). */
void connection_part_ways(struct connection *c);
/* Again: at once. */
void connection_stop(struct connection *c);
/* Its thread has ended and no letter is out: it may be freed. */
bool connection_is_over(struct connection *c);
/* Takes it out of the registry. Waits for the thread when it has not ended. */
void connection_free(struct connection *c);

/* It has failed permanently, or has not any more: its files are watched meanwhile. */
void connection_watch(struct connection *c);
/* The registry's timer is due: looks at the files of all who watch theirs. */
void connections_look(struct tunnels *t);

/* The worst of its members' checks (health.h), told to the link. */
void connection_health(struct connection *c);

/* Letters of the registry's mailbox whose owner is a connection. */
void connection_on_notice(struct mail *mail);
void connection_on_relay(struct mail *mail);

/* ---- Between connection.c and connection_letter.c */

struct link_ops connection_ops(struct connection *c);
bool connection_letters_init(struct connection *c) ADIT_MUST_USE;
void connection_letters_wipe(struct connection *c);
void connection_forward_free(struct connection_forward *f);
void connection_host_key_wipe(struct connection_host_key *k);

#endif
