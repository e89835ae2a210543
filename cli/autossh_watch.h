/*
 * autossh_watch.h - called as autossh, with a shell or a command: each connection is a process, and this one
 * starts it again when it fails, as autossh(1) does with ssh.
 */
#ifndef CLI_AUTOSSH_WATCH_H
#define CLI_AUTOSSH_WATCH_H

#include "cli/autossh.h"

/* Exit statuses of autossh, as they were found by running it: 0: ssh ended with 0, there were as many starts
 * as there may be, or its time was over; 1: all else, a signal included. */
enum { AUTOSSH_EXIT_OK = 0, AUTOSSH_EXIT_FAILED = 1 };

/* Runs start(ctx) in a child, whose exit status it is, again and again: after the statuses 1, 2 and 255, and
 * after a signal. It gives up when the first one ends before the gate's time. SIGTERM, SIGINT: the end;
 * SIGUSR1: a fresh start now; SIGHUP: the end of a pause. Returns the exit status for this process. There may
 * be no other thread. */
int autossh_watch(const struct autossh *a, int (*start)(void *ctx), void *ctx);

#endif
