/*
 * uri.h - the parts of scheme://user@host:port (RFC 3986) that destinations, jump hosts and proxies share.
 * What the parts may hold is the caller's affair.
 */
#ifndef CLIENT_URI_H
#define CLIENT_URI_H

#include "adit.h"

/* Takes the scheme ("ssh://"), as it stands, off the front, and then one slash off the end. False: it is
 * another one, or none; nothing was taken. */
bool uri_take_scheme(struct span *text, const char *scheme);

/* Takes "user@" off the front, up to the last @. False: there is no @, and *user is empty. */
bool uri_take_user(struct span *text, struct span *user);

/* Takes ":port" off the end; colons between brackets are none. *port is 0 where there is none. False: it is
 * not one of 1 to 65535. */
bool uri_take_port(struct span *text, uint16_t *port) ADIT_MUST_USE;

/* "[::1]" is ::1. */
struct span uri_without_brackets(struct span host);

/* §2.1: %41 is A. out is a text of cap bytes with its zero. False: a bad escape, a zero byte or too long. */
bool uri_decode(char *out, size_t cap, struct span in) ADIT_MUST_USE;

#endif
