/*
 * expand.h - "~", "%h" and "${VAR}" in the values of options that name files and sockets, as ssh_config(5),
 * TOKENS and ENVIRONMENT VARIABLES, has them.
 */
#ifndef CLIENT_EXPAND_H
#define CLIENT_EXPAND_H

#include "adit.h"

enum { EXPAND_PATH_CAP = 4096 };

/* Who and where; all texts are the caller's. */
struct expand_names {
    const char *home;        /* %d and ~ */
    const char *local_user;  /* %u */
    const char *local_host;  /* %l; %L is its first label */
    const char *host;        /* %h: where we connect to */
    const char *given_host;  /* %n: as on the command line */
    const char *host_key;    /* %k: HostKeyAlias, or %n */
    const char *remote_user; /* %r */
    uint16_t port;           /* %p */
};

/* The user's home: $HOME when it is an absolute path, else the passwd database's. The name: the passwd
 * database's, else $USER (a container whose user number has no entry). Empty texts when nothing is known. */
void expand_user(char home[static EXPAND_PATH_CAP], char user[static LIMIT_USER + 1]);

/* ADIT_E_CONFIG: an unknown token, a variable that is not set, or too long. */
enum adit_err expand_path(char out[static EXPAND_PATH_CAP], const char *text,
                          const struct expand_names *names, struct adit_error *err) ADIT_MUST_USE;

#endif
