/*
 * mux_client.h - a client of a master: what is asked on a control socket, and what comes back (ssh/mux.h).
 *
 * Everything blocks but mux_client_fd, which is for poll(2): the master is a program of the same user, and
 * one that is stopped stops its clients too, as with ssh. Nothing is printed.
 */
#ifndef CLIENT_MUX_CLIENT_H
#define CLIENT_MUX_CLIENT_H

#include "adit.h"
#include "client/forward_spec.h"
#include "client/texts.h"
#include "forward/session.h"

struct mux_client;

/* Connects and exchanges HELLO; *out is NULL after a failure. A master must be of our own user or root:
 * EPERM. *why is then the errno of the connecting, or 0 when that went well and the master said something
 * else than version 4 (or nothing within timeout_s; 0: no limit). The text of err is ssh's. ADIT_E_CONNECT,
 * ADIT_E_CLOSED, ADIT_E_PROTOCOL, ADIT_E_MEMORY. */
enum adit_err mux_client_open(struct mux_client **out, const char *path, uint32_t timeout_s, int *why,
                              struct adit_error *err) ADIT_MUST_USE;
/* The same on a stream that is connected already, which is taken, also after a failure. timeout_s holds for
 * every answer. */
enum adit_err mux_client_take(struct mux_client **out, int fd, uint32_t timeout_s,
                              struct adit_error *err) ADIT_MUST_USE;
void mux_client_free(struct mux_client *m); /* NULL is fine */
int mux_client_fd(const struct mux_client *m);

/* Of all requests. ADIT_E_COMMAND: the master refused, and err has its words; ADIT_E_CLOSED,
 * ADIT_E_PROTOCOL. */

/* The last refusal was a person's (ControlMaster ask). */
bool mux_client_was_denied(const struct mux_client *m);
/* *pid: 1 to INT32_MAX. */
enum adit_err mux_client_alive(struct mux_client *m, uint32_t *pid, struct adit_error *err) ADIT_MUST_USE;
enum adit_err mux_client_terminate(struct mux_client *m, struct adit_error *err) ADIT_MUST_USE;
enum adit_err mux_client_stop(struct mux_client *m, struct adit_error *err) ADIT_MUST_USE;
/* Opens the forward f, or closes it. *port: what the server chose, when it was to choose; else 0. */
enum adit_err mux_client_forward(struct mux_client *m, const struct session_forward *f, bool is_close,
                                 uint32_t *port, struct adit_error *err) ADIT_MUST_USE;

/* A session channel in the master's connection on the descriptors of exec, or the forward stdio (in and out
 * alone). The descriptors stay the caller's. */
struct mux_client_session {
    const struct session_exec *exec;
    int escape_char; /* -1: none */
    bool wants_agent;
};
enum adit_err mux_client_session(struct mux_client *m, const struct mux_client_session *wanted,
                                 struct adit_error *err) ADIT_MUST_USE;
enum adit_err mux_client_stdio(struct mux_client *m, const struct session_forward *stdio, int in_fd,
                               int out_fd, struct adit_error *err) ADIT_MUST_USE;

/* The next that the master says about it: mux_client_fd was readable. */
enum mux_client_news {
    MUX_CLIENT_EXIT,   /* *status */
    MUX_CLIENT_NO_TTY, /* the server gave no terminal */
    MUX_CLIENT_OVER,   /* it is over: the master closed the socket, or err says why */
};
enum mux_client_news mux_client_next(struct mux_client *m, uint32_t *status, struct adit_error *err);

#endif
