/*
 * mux.h - adit as a guest in a master's connection: -O, and sessions through ControlPath's socket.
 */
#ifndef CLI_MUX_H
#define CLI_MUX_H

#include "adit.h"
#include "cli/args.h"

/* -O: asks the master and says what came of it, in ssh's words. Returns the exit status. */
int mux_command(const struct args *args);

/* The session that args ask for through a master that is there already, if ControlPath and ControlMaster want
 * that. False: there is none, or it would not; a connection of our own is to be made. Before any thread is
 * started. */
bool mux_session(const struct args *args, int *status);

/* The same through the master that we have just started in the background (ControlPersist), at whose other
 * end fd is: taken, whatever ControlMaster says. */
bool mux_session_of_own(const struct args *args, int fd, int *status);

#endif
