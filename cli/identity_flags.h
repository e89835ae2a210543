/*
 * identity_flags.h - -i of a file that is not there: said and forgotten, as ssh does it.
 *
 * The default keys are then tried, if it was the only one. (An IdentityFile of a configuration file may be
 * missing without a word.)
 */
#ifndef CLI_IDENTITY_FLAGS_H
#define CLI_IDENTITY_FLAGS_H

#include "cli/args.h"

/* After args_parse, before configuration files are read. Warnings go to the log. */
void identity_flags_check(struct args *args);

#endif
