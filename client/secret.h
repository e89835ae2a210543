/*
 * secret.h - memory for keys that live long: pages of their own, kept out of swap and of core dumps where
 * the system allows it (a full mlock limit is no error), zeroed before they go back.
 */
#ifndef CLIENT_SECRET_H
#define CLIENT_SECRET_H

#include "adit.h"

void *secret_new(size_t n) ADIT_MUST_USE; /* zeroed; NULL when memory is short */
void secret_free(void *p, size_t n);      /* n as it was asked for; NULL is fine */

/* The process leaves no core file from now on. */
void secret_forbid_core(void);

/* Takes a variable out of the environment, if it is there: its value is overwritten. */
void secret_wipe_env(const char *name);

#endif
