/*
 * local_command.h - a command line for the user's shell on this side: LocalCommand, and ~C's "!".
 */
#ifndef CLI_LOCAL_COMMAND_H
#define CLI_LOCAL_COMMAND_H

#include "adit.h"

/* On our own standard descriptors; waits for its end, and does not mind how that is, as ssh. A signal that
 * ends us (cli/signals.h) ends the wait too, and the command is left to itself. What cannot be started is
 * logged. is_carrying: standard input and output are a forward's (-W); it gets no input then, and its output
 * goes to standard error. */
void local_command_run(const char *command, bool is_carrying);

#endif
