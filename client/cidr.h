/*
 * cidr.h - "10.0.0.0/8,fd00::/8": lists of networks, as Match localnetwork has them.
 */
#ifndef CLIENT_CIDR_H
#define CLIENT_CIDR_H

#include <sys/socket.h>

#include "adit.h"
#include "forward/session.h"

/* An element without "/n" is one address; bits behind the prefix must be 0. ADIT_E_USAGE names what is wrong
 * with the list. address is AF_INET or AF_INET6 (others never match); NULL: the list is only checked. */
enum adit_err cidr_list_matches(const char *list, const struct sockaddr *address, bool *matches,
                                struct adit_error *err) ADIT_MUST_USE;

/* One element, as who may be a client has it. False: it is none. */
bool cidr_parse(struct session_net *out, const char *text) ADIT_MUST_USE;

#endif
