/*
 * destination.h - the word that says where to connect to: "user@host" or "ssh://user@host:port".
 *
 * As ssh takes it: the last '@' splits, so that a user may hold one ("me@corp@host") and a login style
 * ("me:style@host"); an IPv6 address may stand in brackets; in a URI the user is percent-encoded and a path
 * is an error.
 */
#ifndef CLI_DESTINATION_H
#define CLI_DESTINATION_H

#include "adit.h"

struct destination {
    char user[LIMIT_USER + 1]; /* empty: none was given */
    char host[LIMIT_HOST + 1];
    uint16_t port; /* 0: none was given */
};

/* ADIT_E_USAGE with what is wrong. *is_malformed: it does not even look like a destination (the usage text
 * helps then). */
enum adit_err destination_parse(struct destination *d, const char *text, bool *is_malformed,
                                struct adit_error *err) ADIT_MUST_USE;

/* What could do harm in a command line is refused as ssh does: a leading '-', control characters, quotes and
 * the shell's signs. DOMAIN\me is fine. */
bool destination_user_is_fine(const char *user);

#endif
