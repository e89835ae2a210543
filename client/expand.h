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
    const char *jump;        /* %j: the jump host nearest to the destination; NULL: none, %j is empty */
    /* Known to KnownHostsCommand alone; NULL: no such token here. */
    const char *fingerprint; /* %f */
    const char *searched;    /* %H */
    const char *reason;      /* %I */
    const char *key_base64;  /* %K */
    const char *key_type;    /* %t */
    /* Known to LocalCommand alone, with the five above; NULL: no such token here. */
    const char *tunnel; /* %T */
};

/* %C is the hex SHA-1 of %l%h%p%r%j. */

/* The user's home: $HOME when it is an absolute path, else the passwd database's. The name: the passwd
 * database's, else $USER (a container whose user number has no entry). Empty texts when nothing is known. */
void expand_user(char home[static EXPAND_PATH_CAP], char user[static LIMIT_USER + 1]);

/* "~", tokens and variables. ADIT_E_CONFIG: an unknown token, a variable that is not set, or too long. */
enum adit_err expand_path(char out[static EXPAND_PATH_CAP], const char *text,
                          const struct expand_names *names, struct adit_error *err) ADIT_MUST_USE;

/* "~" alone; "%" and "${...}" have no meaning here. Errors as expand_path. */
enum adit_err expand_home(char out[static EXPAND_PATH_CAP], const char *text,
                          const struct expand_names *names, struct adit_error *err) ADIT_MUST_USE;

/* Tokens and variables; "~" is a letter as any other. Errors as expand_path. */
enum adit_err expand_value(char out[static EXPAND_PATH_CAP], const char *text,
                           const struct expand_names *names, struct adit_error *err) ADIT_MUST_USE;

/* The tokens alone, and of them those whose letters are in `allowed` ("hnpr"; %% always is; NULL: all); "~"
 * and "${...}" have no meaning here. Errors as expand_path. */
enum adit_err expand_tokens(char out[static EXPAND_PATH_CAP], const char *text, const char *allowed,
                            const struct expand_names *names, struct adit_error *err) ADIT_MUST_USE;

#endif
