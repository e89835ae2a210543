/*
 * signals.h - signals as a descriptor: the main thread waits for them beside everything else.
 *
 * SIGINT, SIGTERM and SIGHUP are noted and make signals_fd readable; nothing else happens in the handler, so
 * that a terminal is always restored by ordinary code.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include "adit.h"

/* A reader that is gone is an error of the write, not the end of the process. */
void signals_ignore_pipe(void);

/* Once, before any thread is started. A signal that is ignored when the process starts (nohup) stays so. */
enum adit_err signals_init(struct adit_error *err) ADIT_MUST_USE;

/* Readable from the first signal on. */
int signals_fd(void);

/* Takes the notice of one signal off the descriptor; 0 when there is none. */
int signals_take(void);

/* The last signal that came; 0: none so far. */
int signals_seen(void);

#endif
