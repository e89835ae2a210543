/*
 * reclaim_right.h - whether AditReclaim may run its commands at an account (user, host and port), for all
 * links of this process and as long as it lives.
 *
 * An account may have a forced command, which is run whatever is asked for. Only its first answer tells: so
 * one link asks, the others wait until it knows, and where the answer was not ours nobody ever asks again.
 */
#ifndef CLIENT_RECLAIM_RIGHT_H
#define CLIENT_RECLAIM_RIGHT_H

#include "adit.h"

enum reclaim_right {
    RECLAIM_RIGHT_FIRST, /* nobody knows: whoever is told so asks, and says reclaim_right_settle */
    RECLAIM_RIGHT_WAIT,  /* another link is asking */
    RECLAIM_RIGHT_YES,
    RECLAIM_RIGHT_NO,
};

/* account: "user@host:port", copied. NO where there is no memory. */
enum reclaim_right reclaim_right_of(const char *account) ADIT_MUST_USE;
/* What became of it: YES, NO (for good), or FIRST: nothing was run, and the next one asks. Any thread. */
void reclaim_right_settle(const char *account, enum reclaim_right what);

#endif
