/*
 * secrets.h - a profile's password and passphrase: where they are, and their text when it is needed.
 *
 * Nothing is kept: a file, a variable or a credential of systemd is read at each use, so that what was
 * changed holds from the next connection on. Texts end at the first line's end.
 */
#ifndef DAEMON_SECRETS_H
#define DAEMON_SECRETS_H

#include "adit.h"

struct profile;

/* Copies of a profile's words; NULL: not given. */
struct secrets {
    char *password_file, *password_env, *password_credential, *passphrase_file;
};

/* profile NULL: there are none. False: no memory, and nothing is held. */
bool secrets_init(struct secrets *s, const struct profile *profile) ADIT_MUST_USE;
void secrets_wipe(struct secrets *s);

bool secrets_have_password(const struct secrets *s); /* somebody said where one is */
bool secrets_have_passphrase(const struct secrets *s);

/* The text with its zero, at most cap - 1 bytes; the caller wipes it. ADIT_E_CONFIG: there is none, it is too
 * long, or what conf_secret.h refuses; ADIT_E_MEMORY as of file_read: there may be one. */
enum adit_err secrets_password(const struct secrets *s, char *out, size_t cap,
                               struct adit_error *err) ADIT_MUST_USE;
enum adit_err secrets_passphrase(const struct secrets *s, char *out, size_t cap,
                                 struct adit_error *err) ADIT_MUST_USE;
/* The same of any file that must be ours alone (SocksPasswordFile). */
enum adit_err secrets_file(const char *path, char *out, size_t cap, struct adit_error *err) ADIT_MUST_USE;

#endif
