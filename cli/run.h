/*
 * run.h - one connection in the foreground: from the arguments to the exit status.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "adit.h"
#include "cli/args.h"

/* Connects, serves questions and signals until the session ends, and says why it ended. Returns the exit
 * status. */
int run_connection(const struct args *args);

/* ssh's 255 for any failure, or the finer codes of AditExitCodes. signal_number: 0, or what ended it. */
int run_exit_status(bool exit_codes, enum adit_err e, int signal_number);

#endif
