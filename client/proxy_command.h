/*
 * proxy_command.h - ProxyCommand: the transport is another program's standard input and output.
 *
 * The program is run as ssh runs it: $SHELL (/bin/sh without one) with -c 'exec COMMAND'; its standard error
 * is ours. With ProxyUseFdpass it connects, hands the connected socket over (SCM_RIGHTS on its standard
 * output) and is not needed any more.
 */
#ifndef CLIENT_PROXY_COMMAND_H
#define CLIENT_PROXY_COMMAND_H

#include "adit.h"
#include "net/child.h"

struct proxy_command {
    struct child child; /* pid -1: none */
};

void proxy_command_init(struct proxy_command *p);

/* Starts command, whose tokens are expanded already; *fd is the transport, the caller's. With passes_fd it
 * blocks until the socket is there, for at most timeout_ms (0: no limit) or until cancel_fd (-1: none) is
 * readable. ADIT_E_SYSTEM, ADIT_E_TIMEOUT, ADIT_E_INTERRUPTED; ADIT_E_CONNECT when it ended without a socket.
 */
enum adit_err proxy_command_start(struct proxy_command *p, const char *command, bool passes_fd, int cancel_fd,
                                  uint32_t timeout_ms, int *fd, struct adit_error *err) ADIT_MUST_USE;

/* The transport is closed: SIGHUP, as ssh does it; who does not follow within a second is killed. Reaps. */
void proxy_command_end(struct proxy_command *p);

#endif
