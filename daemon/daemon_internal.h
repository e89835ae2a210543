/*
 * daemon_internal.h - what the files of the daemon share: daemon.c (its beginning and its end), daemon_conf.c
 * (the files, read at first and again), daemon_listen.c (where the API listens), daemon_loop.c (what comes
 * from outside).
 */
#ifndef DAEMON_DAEMON_INTERNAL_H
#define DAEMON_DAEMON_INTERNAL_H

#include "daemon/api.h"
#include "daemon/conf.h"
#include "daemon/daemon.h"
#include "daemon/journal.h"
#include "daemon/rendezvous.h"
#include "daemon/store.h"
#include "daemon/tunnels.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/watch.h"

enum { FD_SIGNALS = 1, FD_MAIL, FD_NETWORK };
enum { TIMER_END = 1, TIMER_END_HARD, TIMER_WATCHDOG };

struct daemon {
    const struct daemon_args *args;
    struct conf *conf; /* what holds now */
    struct journal *journal;
    int log_fd;
    struct store *store;
    struct rendezvous socket;
    int socket_fd, listen_fd; /* the API's: the socket's, Listen's; -1: none */
    bool has_group;           /* SocketGroup */
    gid_t group;
    bool is_activated; /* LISTEN_FDS: Socket has no part in it */
    struct loop loop;
    struct mailbox box;
    struct watch watch;
    bool has_loop, has_box, has_watch, is_ending;
    struct tunnels *tunnels;
    struct api *api;
    int signal_fd;
    struct loop_fd signals, mail, network;
    struct loop_timer end, end_hard, watchdog;
    uint64_t watchdog_ms;
    uint64_t told; /* the newest event when the service manager was told the status */
};

/* ---- daemon_conf.c */

/* The files as they are now, with what the command line says over them. daemon_conf_free, unless it failed.
 */
enum adit_err daemon_conf_read(const struct daemon *d, const char *path, struct conf **out,
                               struct adit_error *err) ADIT_MUST_USE;
void daemon_conf_free(struct conf *conf); /* NULL is fine */
enum session_level daemon_log_level(const struct daemon *d);
/* Reads the files again and applies the difference. ADIT_E_CONFIG: nothing has changed, and the log says so.
 */
enum adit_err daemon_reload(struct daemon *d, struct tunnels_reloaded *out,
                            struct adit_error *err) ADIT_MUST_USE;
/* What would be, if these (NULL: its own) were the files. */
enum adit_err daemon_check(const struct daemon *d, const char *path, struct tunnels_reloaded *out,
                           struct adit_error *err) ADIT_MUST_USE;

/* ---- daemon_listen.c */

/* SocketGroup of these files. ADIT_E_CONFIG. */
enum adit_err daemon_group_find(const struct conf *conf, bool *has_group, gid_t *group,
                                struct adit_error *err) ADIT_MUST_USE;
/* The sockets that we were given, or Socket; and Listen. */
enum adit_err daemon_listen(struct daemon *d, struct adit_error *err) ADIT_MUST_USE;

/* From one configuration to the next, in two steps: what may fail, and then the rest. */
struct daemon_move {
    struct rendezvous socket; /* the new one */
    int socket_fd, listen_fd; /* the API's already; -1: none */
    bool has_socket, changes_listen, changes_group;
    bool has_group;
    gid_t group;
};
/* Listens where conf says, and still where it was. ADIT_E_CONFIG with "FILE:LINE: ...": nothing has changed.
 */
enum adit_err daemon_move_begin(struct daemon *d, const struct conf *conf, struct daemon_move *m,
                                struct adit_error *err) ADIT_MUST_USE;
void daemon_move_end(struct daemon *d, struct daemon_move *m);  /* the new ones alone */
void daemon_move_undo(struct daemon *d, struct daemon_move *m); /* the old ones alone */

/* ---- daemon_loop.c */

enum adit_err daemon_loop_open(struct daemon *d, struct adit_error *err) ADIT_MUST_USE;
enum adit_err daemon_loop_run(struct daemon *d, struct adit_error *err) ADIT_MUST_USE; /* to the end */

#endif
