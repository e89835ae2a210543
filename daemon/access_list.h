/*
 * access_list.h - who may use a tunnel's listener, as a session is told it: the definition's texts made into
 * struct session_access, and the password of SOCKS clients, with memory of its own.
 */
#ifndef DAEMON_ACCESS_LIST_H
#define DAEMON_ACCESS_LIST_H

#include "client/texts.h"
#include "daemon/definition.h"
#include "forward/session.h"

enum { ACCESS_PASSWORD_CAP = 256 }; /* RFC 1929: at most 255 bytes */

struct access_list {
    struct session_access access;
    struct session_net *nets;
    struct texts destinations;
    char *user;
    char *password; /* pages_new memory of ACCESS_PASSWORD_CAP; NULL: none */
};

/* Reads socks_password_file. ADIT_E_CONFIG, ADIT_E_MEMORY: nothing is held. */
enum adit_err access_list_init(struct access_list *list, const struct definition *d,
                               struct adit_error *err) ADIT_MUST_USE;
void access_list_wipe(struct access_list *list);

#endif
