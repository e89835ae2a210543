/*
 * verb_socket.h - where the daemon listens, as a verb finds it.
 */
#ifndef CLI_VERB_SOCKET_H
#define CLI_VERB_SOCKET_H

#include "adit.h"
#include "net/sock.h"

/* given (--socket), $ADIT_SOCK, the configuration's Socket, the user's default; and root's where nothing is
 * there. ADIT_E_CONFIG: a path that is too long. */
enum adit_err verb_socket_find(const char *given, char out[static SOCK_PATH_CAP],
                               struct adit_error *err) ADIT_MUST_USE;
/* The same without root's: where a daemon of this user's would listen. */
enum adit_err verb_socket_own(const char *given, char out[static SOCK_PATH_CAP],
                              struct adit_error *err) ADIT_MUST_USE;

#endif
