/*
 * agent_conn.h - a conversation with the agent behind a Unix socket, with a deadline.
 *
 * Each call makes a connection of its own: an agent that hangs or dies costs one request. Blocks its caller
 * (the thread that answers questions), never a session.
 */
#ifndef CLIENT_AGENT_CONN_H
#define CLIENT_AGENT_CONN_H

#include "adit.h"
#include "client/files.h"

enum {
    AGENT_LIST_MS = 10 * 1000,
    AGENT_SIGN_MS = 120 * 1000, /* somebody may have to confirm, or to touch a token */
};

/* As agent_call, with `first` sent before on the same connection and its reply thrown away
 * (session-bind@openssh.com, which not every agent knows: one that ends the connection over it is asked again
 * without). first may be empty. */
enum adit_err agent_call_after(struct file *reply, const char *path, struct span first, struct span request,
                               uint32_t timeout_ms, int cancel_fd, struct adit_error *err) ADIT_MUST_USE;

/* Sends request to the socket at path and collects one reply (without its length word) in *reply, which the
 * caller wipes. cancel_fd (-1: none) ends the wait when it becomes readable. "agent PATH: reason", and reply
 * is empty then: ADIT_E_CONNECT: nobody listens there, or not for us; ADIT_E_AUTH: it cannot be reached or
 * answers badly, late or not at all; ADIT_E_LIMIT: it has too many callers just now; ADIT_E_INTERRUPTED: by
 * cancel_fd; ADIT_E_MEMORY: memory or descriptors ended, or a call of the system failed, which says nothing
 * of the agent. */
enum adit_err agent_call(struct file *reply, const char *path, struct span request, uint32_t timeout_ms,
                         int cancel_fd, struct adit_error *err) ADIT_MUST_USE;

/* Whether somebody listens there. Does not wait: one with too many callers just now counts as there. False
 * and an error: that could not be found out. */
bool agent_is_there(const char *path, struct adit_error *err);

#endif
