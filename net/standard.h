/*
 * standard.h - standard input, output and error as a session uses them: descriptors that others share.
 *
 * Their file description belongs to the parent too (a shell, git, rsync), so nothing about it may change: it
 * is never made non-blocking, not even for a moment. For a pipe or a terminal the kernel gives us a
 * description of our own of the same object, non-blocking, so that one that is stopped (Ctrl-S) or that
 * nobody reads stops nothing else; a regular file never waits; for what is left (sockets, other devices, a
 * terminal of another user that is not our session's) every transfer asks first.
 */
#ifndef NET_STANDARD_H
#define NET_STANDARD_H

#include "adit.h"
#include "net/sock.h"

struct standard {
    int fd;         /* a copy, close-on-exec, above 2; the caller closes it */
    bool is_shared; /* the description is the parent's: sock_shared_* alone. Otherwise standard_readv and
                       _writev */
};

/* A copy of fd for reading or for writing. ADIT_E_SYSTEM. */
enum adit_err standard_copy(struct standard *out, int fd, bool for_writing,
                            struct adit_error *err) ADIT_MUST_USE;

/* A pipe in the place of standard input: what is written to *near, which never waits, is read from *far. Both
 * are the caller's, close-on-exec. ADIT_E_SYSTEM. */
enum adit_err standard_pipe(int *far, int *near, struct adit_error *err) ADIT_MUST_USE;

/* As sock_readv and sock_writev, of a copy that is not shared. */
enum sock_io standard_readv(int fd, const struct iovec *iov, int count, size_t *n,
                            struct adit_error *err) ADIT_MUST_USE;
enum sock_io standard_writev(int fd, const struct iovec *iov, int count, size_t *n,
                             struct adit_error *err) ADIT_MUST_USE;

#endif
