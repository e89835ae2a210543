/*
 * signals.h - signals as a descriptor: the main thread waits for them beside everything else.
 *
 * SIGINT, SIGTERM, SIGHUP and SIGQUIT are noted, make signals_fd readable and set a last deadline; nothing
 * else happens, so that a terminal is always restored by ordinary code.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include "adit.h"

/* A reader that is gone is an error of the write, not the end of the process. */
void signals_ignore_pipe(void);

/* Seconds after the first and after the second signal in which the main thread has to end the process. */
enum { SIGNALS_HANG_S = 10, SIGNALS_HANG_AT_ONCE_S = 3 };

/* Once, before any thread is started. A signal that is ignored when the process starts (nohup) stays so. A
 * main thread that has not ended in time (above: it hangs in a write that nobody reads) is ended with status,
 * or with 128 + the signal's number where that is negative. */
enum adit_err signals_init(int status, struct adit_error *err) ADIT_MUST_USE;

/* A signal that is only to be told (SIGWINCH): signals_take returns it, signals_seen does not count it. After
 * signals_init. */
bool signals_watch(int number);

/* Readable from the first signal on. From the first call on it is the same descriptor; -1: the system has
 * none. */
int signals_fd(void);

/* Takes the notice of one signal off the descriptor; 0 when there is none. */
int signals_take(void);

/* The last signal that came; 0: none so far. */
int signals_seen(void);

#endif
