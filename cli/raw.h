/*
 * raw.h - our terminal while the server's side edits and echoes: every byte as it is typed.
 *
 * The settings from before come back on every way out of the process that leaves us a word: raw_leave,
 * exit(3), and the signals that cli/signals.h catches, from whose handlers raw_leave may be called.
 */
#ifndef CLI_RAW_H
#define CLI_RAW_H

#include <termios.h>

#include "adit.h"

/* fd's settings now, or from before raw_enter. False: it is no terminal. */
bool raw_before(int fd, struct termios *out);
/* False: it is no terminal, or refuses. Does nothing when it is raw already. */
bool raw_enter(int fd) ADIT_MUST_USE;
/* Safe in a signal handler. Does nothing when it is not raw. */
void raw_leave(void);
bool raw_is_on(void);
/* We were stopped, by SIGSTOP perhaps, and somebody else has set the terminal: as raw_enter had it. Does
 * nothing when it is not raw. */
void raw_again(void);

#endif
