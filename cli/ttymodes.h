/*
 * ttymodes.h - a terminal's settings as RFC 4254 §8 encodes them for the server.
 */
#ifndef CLI_TTYMODES_H
#define CLI_TTYMODES_H

#include <termios.h>

#include "adit.h"
#include "forward/session.h"

/* Speeds, special characters and flags, as many as this system has; returns how many. */
size_t ttymodes_of(const struct termios *t, struct ssh_mode modes[static LIMIT_SESSION_MODES]);

#endif
