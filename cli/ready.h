/*
 * ready.h - telling programs that the forwards are up: one line a listener,
 *
 *     listening L 127.0.0.1:43211 10.0.0.5:443
 *
 * (type, what was bound, target; "-" for -D; for -R what the server bound), in the order of the options, on
 * standard output and on the descriptor of AditReadyFd, which is then closed. Nothing is written before all
 * of them are up.
 */
#ifndef CLI_READY_H
#define CLI_READY_H

#include "adit.h"

enum { READY_LINE_CAP = 2 * LIMIT_HOST + 64 };

struct ready {
    char (*lines)[READY_LINE_CAP]; /* by forward; empty: none yet. Their room is there from the start */
    size_t count;
    bool to_stdout;
    int fd; /* AditReadyFd; -1: none */
};

enum adit_err ready_init(struct ready *r, size_t forward_count, bool to_stdout, int fd,
                         struct adit_error *err) ADIT_MUST_USE;
void ready_wipe(struct ready *r);

/* The forward's first listener is up; later calls for the same index change nothing. */
void ready_up(struct ready *r, size_t index, char letter, const char *bound, const char *target);
/* All are: writes the lines. Once. */
void ready_all(struct ready *r);

#endif
