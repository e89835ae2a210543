/*
 * conf_secret.h - the secrets that adit.conf names, read when they are used: files, variables of the
 * environment, credentials of systemd.
 */
#ifndef DAEMON_CONF_SECRET_H
#define DAEMON_CONF_SECRET_H

#include "adit.h"

enum { CONF_SECRET_MAX = 1024 };

/* A text with its zero; conf_secret_wipe it, and copy it nowhere that is not wiped. */
struct conf_secret {
    char text[CONF_SECRET_MAX + 1];
};

/* The first line of the file, without its end. ADIT_E_CONFIG, "PATH: ..." : it is not there, is no regular
 * file, others than its owner can read or write it (0600 or less), the owner is neither we nor root, or it is
 * empty, too long or holds a zero byte. */
enum adit_err conf_secret_read(struct conf_secret *out, const char *path,
                               struct adit_error *err) ADIT_MUST_USE;
/* The variable's value; it stays where it is. ADIT_E_CONFIG: not set, empty or too long. */
enum adit_err conf_secret_env(struct conf_secret *out, const char *variable,
                              struct adit_error *err) ADIT_MUST_USE;
/* $CREDENTIALS_DIRECTORY/NAME, whose access systemd sees to. */
enum adit_err conf_secret_credential(struct conf_secret *out, const char *name,
                                     struct adit_error *err) ADIT_MUST_USE;
void conf_secret_wipe(struct conf_secret *s);

#endif
