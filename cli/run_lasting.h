/*
 * run_lasting.h - a connection that lasts (AditReconnect): forwards alone, on a client/link.h.
 *
 * Each change of its state is one line: `state OLD -> NEW: reason`. SIGUSR1 makes a fresh connection.
 */
#ifndef CLI_RUN_LASTING_H
#define CLI_RUN_LASTING_H

#include "cli/args.h"
#include "cli/background.h"

/* As run_connection (run.h). It ends by a signal; and, before the forwards were up for the first time, by an
 * error that no retry mends, or by a forward that fails (ExitOnForwardFailure). */
int run_lasting(const struct args *args, struct background *background);

#endif
