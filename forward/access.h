/*
 * access.h - who may use a local listener, and for what (struct session_access). a: NULL for everybody and
 * all.
 */
#ifndef FORWARD_ACCESS_H
#define FORWARD_ACCESS_H

#include "forward/session.h"

bool access_has_client(const struct session_access *a, const struct sock_addr *client);
/* host: a name, or an address without brackets. */
bool access_may_reach(const struct session_access *a, const char *host, uint16_t port);

#endif
