/*
 * local_command.h - a command line for the user's shell on this side: LocalCommand, and ~C's "!".
 */
#ifndef CLI_LOCAL_COMMAND_H
#define CLI_LOCAL_COMMAND_H

/* On our own standard descriptors; waits for its end, and does not mind how that is, as ssh. What cannot be
 * started is logged. */
void local_command_run(const char *command);

#endif
