/*
 * control.h - adit as a master: whether there is to be a control socket, and what its session must know of
 * terminals. See cli/mux.h for the other side.
 */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include "adit.h"
#include "cli/args.h"
#include "client/client.h"

/* ControlMaster and ControlPath ask for it. */
bool control_is_wanted(const struct options *o);
/* And ControlPersist too: the connection is to stay in the background when the first session is over. */
bool control_is_persistent(const struct options *o);

/* Adds the control socket to what the client's session carries, if it is wanted; one without a path where
 * only has_commandline wants it (cli/commandline.h). *control must stay where it is until client_free.
 * is_background: the session is there for its guests alone. In the process that starts the session. */
void control_add(struct session_control *control, const struct args *args, struct client *client,
                 bool is_background, bool has_commandline);

#endif
