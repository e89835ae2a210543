/*
 * prompt.h - questions to the user: the terminal, or the program in SSH_ASKPASS.
 *
 * As ssh does it: the terminal when there is one. SSH_ASKPASS when there is none and a display is known
 * (DISPLAY, WAYLAND_DISPLAY); SSH_ASKPASS_REQUIRE=prefer takes it first where a display is known, =force
 * always, =never not at all. Standard input is never read.
 */
#ifndef CLI_PROMPT_H
#define CLI_PROMPT_H

#include "client/prompt.h"

/* The terminal's implementation of struct client_prompt. A signal (signals.h) cancels a question. */
struct client_prompt prompt_make(void);
/* The same for a thread that does not read the signals: the descriptor cancels, which is looked at with each
 * question. */
struct client_prompt prompt_make_with(const int *cancel_fd);

/* True when SSH_ASKPASS is to be asked. The four are what the environment says (NULL: not set). */
bool prompt_wants_askpass(const char *require, const char *askpass, bool has_display, bool has_terminal);

/* A question would be asked by a program, as things are now. */
bool prompt_starts_program(void);

/* The program that is to be asked whether something may be done, whatever terminal there is (ControlMaster
 * ask): SSH_ASKPASS, or ssh's own when that is not set. NULL: none may be. */
const char *prompt_askpass(void);

#endif
