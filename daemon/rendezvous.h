/*
 * rendezvous.h - the daemon's Unix socket: made so that nobody can meet a half-made one, in the place of a
 * dead one, never of a live one.
 */
#ifndef DAEMON_RENDEZVOUS_H
#define DAEMON_RENDEZVOUS_H

#include <sys/types.h>

#include "adit.h"
#include "net/sock.h"

struct rendezvous {
    int fd; /* listens; -1: none */
    char path[SOCK_PATH_CAP];
    struct sock_file file;
};

/* Makes the folder where it is missing (0700; root's 0755). Mode 0600, with a group 0660 and that group's. A
 * socket that nobody listens on any more is replaced at one stroke; another file never is. ADIT_E_CONFIG: the
 * path is too long; ADIT_E_SYSTEM: "another daemon answers at P", or the system's reason. */
enum adit_err rendezvous_open(struct rendezvous *r, const char *path, const gid_t *group,
                              struct adit_error *err) ADIT_MUST_USE;
/* Another group, or none (NULL), for the socket that is there. ADIT_E_SYSTEM: nothing has changed. */
enum adit_err rendezvous_set_group(const struct rendezvous *r, const gid_t *group,
                                   struct adit_error *err) ADIT_MUST_USE;
/* Removes the file, if it is still ours. The descriptor is the caller's when he has set fd to -1; otherwise
 * it is closed. */
void rendezvous_close(struct rendezvous *r);

#endif
