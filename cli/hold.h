/*
 * hold.h - our hold on the terminal while a session has it: raw (cli/raw.h), given back before we are stopped
 * and taken again afterwards.
 *
 * While it is held SIGTSTP and SIGCONT come as news (cli/signals.h: signals_take); whoever reads these calls
 * hold_stop and hold_again. Main thread alone.
 */
#ifndef CLI_HOLD_H
#define CLI_HOLD_H

#include "adit.h"

/* Standard input becomes raw. False: it is no terminal, or refuses. After signals_init. */
bool hold_take(void);
/* As before, and a stop is a stop at once. Does nothing when it is not held. */
void hold_give(void);

/* For a question: gives it, and says whether hold_resume is to take it again. */
bool hold_pause(void);
void hold_resume(bool was_held);

/* SIGTSTP came, or we want to be stopped: gives it, stops (all threads), takes it again once continued. */
void hold_stop(void);
/* SIGCONT came: whoever stopped us may have set the terminal to something else. */
void hold_again(void);

#endif
