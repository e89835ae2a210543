/*
 * environment.h - the variables that a session takes along: SendEnv and SetEnv of ssh_config(5).
 */
#ifndef CLIENT_ENVIRONMENT_H
#define CLIENT_ENVIRONMENT_H

#include "adit.h"
#include "client/options.h"

/* "NAME=value" each, in the order in which they are to be said: those of environ (NULL-terminated, as
 * environ(7) has it) whose names a SendEnv pattern matches, then SetEnv's, so that these win. False: no
 * memory. texts_wipe it in any case. */
bool environment_make(struct texts *out, const struct options *o, char *const environ_list[]) ADIT_MUST_USE;

/* The last value of name in list, or NULL. */
const char *environment_find(const struct texts *list, const char *name);

#endif
