/*
 * secret_store.h - key texts that come in a variable of the environment or through a descriptor: each is read
 * once, taken out of there, and kept, for every host on the way may name the same one.
 *
 * Any thread may call. What is kept stands in memory of secret.h.
 */
#ifndef CLIENT_SECRET_STORE_H
#define CLIENT_SECRET_STORE_H

#include "adit.h"
#include "client/files.h"

/* *out gets a copy, to be wiped by file_wipe; untouched when it fails. ADIT_E_CONFIG: the variable is not
 * set, or empty; ADIT_E_MEMORY: the variable is where it was, or kept. */
enum adit_err secret_store_env(struct file *out, const char *variable, struct adit_error *err) ADIT_MUST_USE;
/* The same of all that the descriptor holds; it is closed then, unless it is one of the standard three, and
 * never looked at again, also when it was empty or could not be read: ADIT_E_CONFIG ever after. Errors as
 * file_read_fd. */
enum adit_err secret_store_fd(struct file *out, int fd, struct adit_error *err) ADIT_MUST_USE;
void secret_store_wipe(void);

/* Keeps the variables that a text calls env:NAME from the programs that are started from now on, whoever
 * reads the text as what. False: no memory. */
bool secret_store_hide(struct span text) ADIT_MUST_USE;

#endif
