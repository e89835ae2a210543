/*
 * background.h - -f: the process that was started waits until the connection stands and then leaves; its
 * child goes on without a terminal.
 *
 * The fork comes first of all, before any thread and before any secret is read. Until the child says that it
 * is ready it belongs to the terminal's job as its parent does, so that it can ask questions; a signal to the
 * parent reaches it, and it ends when the parent is killed.
 */
#ifndef CLI_BACKGROUND_H
#define CLI_BACKGROUND_H

#include "adit.h"

struct background {
    int fd; /* the child's: where it says that it is ready; -1: nobody waits */
};

/* In the child: ADIT_E_OK, *is_parent false. In the parent it returns once the child is ready or has ended,
 * with *is_parent true and the exit status for the process: 0, or what the child ended with. */
enum adit_err background_fork(struct background *b, bool *is_parent, int *status,
                              struct adit_error *err) ADIT_MUST_USE;

/* A copy of a standard descriptor, which background_detach leaves alone: for data that go on (-W, a command).
 */
enum adit_err background_copy(int standard_fd, int *copy, struct adit_error *err) ADIT_MUST_USE;

/* In the child: a session of its own, standard input is /dev/null from now on, and standard output and
 * error are, too, unless they are to be kept; then the parent is told. The working folder stays. Once. */
void background_detach(struct background *b, bool keep_stdout, bool keep_stderr);

#endif
