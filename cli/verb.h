/*
 * verb.h - the words that talk to the daemon: `adit up NAME` and the like, and `adit daemon` itself.
 *
 * A word is a verb only as the first one behind the program's name, and only where that is not ssh or
 * autossh; a host of that name is ssh://NAME.
 */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include "adit.h"

/* Their names, for the usage text of the program; written to fd. */
void verb_usage(int fd);

bool verb_is_called(int argc, char *const argv[]);
/* Of a command line that calls one. Returns the exit status: 0 ok, 1 other, 2 usage or configuration, 3
 * authentication, 4 host key, 5 transport, 6 forwarding, 7 waiting timed out, 8 gave up, 9 no daemon. */
int verb_main(int argc, char *const argv[]);

#endif
