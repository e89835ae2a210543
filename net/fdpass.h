/*
 * fdpass.h - descriptors that travel through a Unix socket (SCM_RIGHTS, unix(7)).
 */
#ifndef NET_FDPASS_H
#define NET_FDPASS_H

#include "adit.h"

/* Waits on the non-blocking socket until a message with one descriptor came, timeout_ms passed (0: never) or
 * cancel_fd (-1: none) became readable. *out is close-on-exec and the caller's; -1 after a failure.
 * ADIT_E_TIMEOUT, ADIT_E_INTERRUPTED, ADIT_E_CONNECT (the other side ended, or sent something else),
 * ADIT_E_SYSTEM. */
enum adit_err fdpass_receive(int socket, int cancel_fd, uint32_t timeout_ms, int *out,
                             struct adit_error *err) ADIT_MUST_USE;

/* The same without waiting: ADIT_E_OK with *out -1 when nothing has come yet. One byte of the stream is taken
 * with the descriptor; of several in one message, which nobody sends, all but the first are closed. */
enum adit_err fdpass_take(int socket, int *out, struct adit_error *err) ADIT_MUST_USE;

/* Sends fd with one byte of data. False: see errno. The caller keeps fd. */
bool fdpass_send(int socket, int fd) ADIT_MUST_USE;

#endif
