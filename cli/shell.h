/*
 * shell.h - the session channel as the command line has it: a command, a subsystem or a shell on our standard
 * descriptors, and the exit status that comes of it.
 */
#ifndef CLI_SHELL_H
#define CLI_SHELL_H

#include "adit.h"
#include "cli/args.h"
#include "client/client.h"

struct shell {
    struct session_exec exec;
    bool is_wanted; /* there is a session channel: no -N and no -W */
    int null_fd;    /* -n: what stdin is then; -1 */
    /* Told on the session's thread; to be read after session_join. */
    bool has_status; /* the server said how it ended: */
    bool is_signal;  /* by a signal, */
    uint32_t status; /* or with this status */
};

/* Adds the session channel that args ask for to the client's configuration, before session_start. s must stay
 * where it is until client_free. shell_wipe it in any case. */
enum adit_err shell_init(struct shell *s, const struct args *args, struct client *client,
                         struct adit_error *err) ADIT_MUST_USE;
void shell_wipe(struct shell *s);

/* What the session says about its channel; other notices are passed over. */
void shell_on_notice(struct shell *s, const struct session_notice *n);

/* The exit status of a session that ended without an error: the remote side's; 255 (ssh's) when it was ended
 * by a signal, or did not say. */
int shell_exit_status(const struct shell *s);

#endif
