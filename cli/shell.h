/*
 * shell.h - the session channel as the command line has it: a command, a subsystem or a shell, on our
 * standard descriptors or on our terminal, and the exit status that comes of it.
 *
 * With a terminal at the server's side ours is raw, and what is typed passes through the main thread, which
 * looks for escape sequences; so "~." works also when the connection does not. Without one the session reads
 * stdin by itself.
 */
#ifndef CLI_SHELL_H
#define CLI_SHELL_H

#include <poll.h>

#include "adit.h"
#include "cli/args.h"
#include "cli/commandline.h"
#include "client/client.h"
#include "forward/escape.h"

/* What the main thread is to know, by letter. */
enum shell_news { SHELL_AUTHENTICATED, SHELL_NO_PTY, SHELL_OVER, SHELL_NEWS_COUNT, SHELL_NO_NEWS };

struct shell {
    struct session_exec exec;
    const struct args *args;
    struct client *client;
    bool is_wanted; /* there is a session channel: no -N and no -W */
    int null_fd;    /* -n: what stdin is then; -1 */
    struct texts env;
    struct ssh_mode modes[LIMIT_SESSION_MODES];
    /* What is typed. */
    struct escape escape;
    bool is_filtered;  /* the main thread reads stdin, */
    bool is_reading;   /* from the authentication on */
    int pipe[2];       /* and hands it to the session; -1 */
    uint8_t typed[64]; /* read and not yet taken: a few bytes, so that an escape is not far behind */
    struct span rest;  /* of it, not yet looked at */
    uint8_t out[65];
    size_t out_from, out_to;
    struct commandline commandline;
    bool has_commandline;    /* ~C opens one */
    struct session *session; /* NULL: not started, or over */
    struct mailbox *box; /* the main thread's; snapshot.mail comes there, with the kind that run.c gave it */
    struct session_snapshot snapshot;
    bool is_counting; /* the snapshot is the session's */
    /* Told on the session's thread; to be read after session_join. */
    bool has_status; /* the server said how it ended: */
    bool is_signal;  /* by a signal, */
    uint32_t status; /* or with this status */
    bool was_up;     /* it was asked for: the connection stood */
};

/* Adds the session channel that args ask for to the client's configuration, before session_start. s must stay
 * where it is until client_free. shell_wipe it in any case. */
enum adit_err shell_init(struct shell *s, const struct args *args, struct client *client,
                         struct adit_error *err) ADIT_MUST_USE;
void shell_wipe(struct shell *s);

/* What the session says about its channel; other notices are passed over. On the session's thread. */
enum shell_news shell_on_notice(struct shell *s, const struct session_notice *n);

/* ---- The main thread */

void shell_on_news(struct shell *s, enum shell_news news, struct session *session);
void shell_on_resize(struct shell *s);   /* SIGWINCH came */
void shell_on_stop(struct shell *s);     /* SIGTSTP: returns when we are continued */
void shell_on_continue(struct shell *s); /* SIGCONT, not behind that */
/* What was typed that concerns more than the session. */
enum shell_wish {
    SHELL_STAYS,
    SHELL_QUITS,  /* "~.": the end, at once */
    SHELL_LEAVES, /* "~&": the terminal is given back already; the process goes to the background */
};
/* Its part of the main thread's poll(2), and what to do after it. */
enum { SHELL_POLL_COUNT = 2 };
void shell_poll(const struct shell *s, struct pollfd fds[static SHELL_POLL_COUNT]);
enum shell_wish shell_serve(struct shell *s, const struct pollfd fds[static SHELL_POLL_COUNT]);
void shell_on_snapshot(struct shell *s); /* snapshot.mail came */
/* The session is over: our terminal is as it was before, and the person is told. */
void shell_end(struct shell *s);

/* ---- What the two files of it share */

/* With the terminal's size. False: no memory. */
bool shell_tell(struct shell *s, enum session_command_kind kind);
void shell_end_input(struct shell *s);
bool shell_flush(struct shell *s); /* what was typed goes to the session; true: nothing waits any more */
enum shell_wish shell_escape(struct shell *s, enum escape_action action); /* shell_escape.c */

/* The exit status of a session that ended without an error: the remote side's; 255 (ssh's) when it was ended
 * by a signal, or did not say. */
int shell_exit_status(const struct shell *s);

#endif
