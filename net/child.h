/*
 * child.h - other programs: started with chosen descriptors, reaped, killed. (SSH_ASKPASS and
 * KnownHostsCommand.)
 *
 * The program gets the three standard descriptors, default signal handling and an empty signal mask; what
 * adit itself opens is close-on-exec, and so is what it was started with: see child_guard_descriptors. Never
 * through a shell: argv is handed over as it is. The process must not ignore SIGCHLD.
 */
#ifndef NET_CHILD_H
#define NET_CHILD_H

#include <sys/types.h>

#include "adit.h"

/* No program that is started from now on gets this variable of our environment, besides $ADIT_KEY. Any
 * thread. False: no memory. */
bool child_hide_env(struct span name) ADIT_MUST_USE;
/* "NAME=value" is one of those. */
bool child_env_is_hidden(const char *variable);

/* Once, at the program's start: no program that we start gets a descriptor that we were started with, besides
 * the standard three. */
void child_guard_descriptors(void);

enum {
    CHILD_LINE_CAP = 4096, /* the longest first line that child_run_line keeps, with its zero */
    CHILD_ENV_EXTRAS = 16, /* the most variables that one call may add */
};

struct child {
    pid_t pid; /* -1: not started, or reaped */
};

/* Starts argv[0] (looked up in PATH) with fds[0..2] as its standard input, output and error (the caller keeps
 * its own copies; -1: /dev/null), and the process's environment without what is hidden, plus env_extra
 * ("NAME=value", NULL-terminated, these win; NULL: none). new_session: its own session, without the
 * controlling terminal. ADIT_E_SYSTEM when it cannot be started, with the reason ("cannot run X: No such file
 * or directory"). */
enum adit_err child_start(struct child *child, const char *const argv[], const char *const env_extra[],
                          const int fds[static 3], bool new_session, struct adit_error *err) ADIT_MUST_USE;

/* The same with /dev/null as its input and our standard error; its output can be read from *out_fd, which is
 * the caller's, close-on-exec and non-blocking. After a failure *out_fd and child->pid are -1. */
enum adit_err child_start_reading(struct child *child, const char *const argv[],
                                  const char *const env_extra[], int *out_fd,
                                  struct adit_error *err) ADIT_MUST_USE;

/* True when it has ended: *status is its exit status, or 128 + the signal. Without `wait` it never blocks. */
bool child_reap(struct child *child, bool wait, int *status);
/* Sends a signal if it has not been reaped. */
void child_kill(const struct child *child, int sig);
/* Its end is not waited for any more: kills and reaps it, if that was not done yet. */
void child_abandon(struct child *child);

/* Runs a program to its end and keeps the first line of its output, without its line end, zero-terminated, in
 * line (the rest is read and thrown away; the buffer on the way is wiped; the caller wipes line). *status as
 * child_reap. stderr is shared; stdin is /dev/null. Blocks for as long as the program runs, or until
 * cancel_fd (-1: none) becomes readable: then it is killed and ADIT_E_INTERRUPTED comes back. ADIT_E_LIMIT
 * when the line does not fit. */
enum adit_err child_run_line(const char *const argv[], const char *const env_extra[], int cancel_fd,
                             char line[static CHILD_LINE_CAP], int *status,
                             struct adit_error *err) ADIT_MUST_USE;

/* The same, keeping all of its output: *out (free it; NULL when there is none) of *n bytes. ADIT_E_LIMIT when
 * there are more than max. After a failure there is nothing to free. */
enum adit_err child_run_output(const char *const argv[], int cancel_fd, size_t max, uint8_t **out, size_t *n,
                               int *status, struct adit_error *err) ADIT_MUST_USE;

#endif
