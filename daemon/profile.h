/*
 * profile.h - how to log in somewhere: a Profile block of adit.conf. It names where a secret is, and never
 * holds one.
 */
#ifndef DAEMON_PROFILE_H
#define DAEMON_PROFILE_H

#include "adit.h"
#include "client/texts.h"

enum profile_auth {
    PROFILE_AUTH_AUTO, /* as ssh */
    PROFILE_AUTH_KEY,
    PROFILE_AUTH_PASSWORD,
};

/* A text that is NULL was not given. It owns all of them. */
struct profile {
    char *name;
    char *user; /* to be shown: keywords has it too */
    enum profile_auth auth;
    char *password_file, *password_env, *password_credential; /* at most one of the three */
    char *passphrase_file;
    struct texts keywords; /* "Keyword value" of ssh_config, as options_set_line takes them: the first wins,
                            * all of them over ssh_config's */
    char *file;            /* where it begins */
    unsigned line;
};

void profile_init(struct profile *p);
void profile_wipe(struct profile *p);
const char *profile_auth_name(enum profile_auth auth); /* "auto", "key", "password" */
/* Equal but for where it stands. */
bool profile_same(const struct profile *a, const struct profile *b);

#endif
