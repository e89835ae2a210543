/*
 * run.h - one connection: from the arguments to the exit status.
 */
#ifndef CLI_RUN_H
#define CLI_RUN_H

#include "adit.h"
#include "cli/args.h"
#include "cli/background.h"
#include "forward/session.h"

/* Connects, serves questions and signals until the session ends, and says why it ended. Returns the exit
 * status. background: who waits until the forwards are up (-f), or NULL: it stays in the foreground. */
int run_connection(const struct args *args, struct background *background);

/* ssh: a connection that was up, without a session, and was told to end by SIGTERM ended as it should (0). */
bool run_is_clean_end(bool was_up, bool has_session, int signal_number);

/* Parts of it for run_lasting.c. */
void run_show_banner(const char *text);                /* clean; on standard error, unless -q */
void run_show_port(uint16_t port, const char *target); /* that a server has chosen */

/* The connection is up: gives up what is not needed any more (AditSandbox), and says so with -v. again: it
 * may be made once more. The main thread's. */
void run_confine(const struct options *options, bool again);

/* ssh's 255 for any failure, or the finer codes of AditExitCodes. signal_number: 0, or what ended it. */
int run_exit_status(bool exit_codes, enum adit_err e, int signal_number);

#endif
