/*
 * algorithms.h - the names of what this build can do, for whoever shows them (-Q).
 */
#ifndef CLIENT_ALGORITHMS_H
#define CLIENT_ALGORITHMS_H

#include "adit.h"

enum algorithms {
    ALGORITHMS_KEX,
    ALGORITHMS_CIPHER,
    ALGORITHMS_CIPHER_AUTH, /* those that need no MAC */
    ALGORITHMS_MAC,
    ALGORITHMS_KEY,       /* key types, certificates included */
    ALGORITHMS_KEY_CERT,  /* certificates alone */
    ALGORITHMS_KEY_PLAIN, /* without them */
    ALGORITHMS_SIGNATURE, /* ways to sign and to be authenticated, certificates included */
    ALGORITHMS_SIGNATURE_PLAIN,
    ALGORITHMS_COMPRESSION,
};

enum { ALGORITHMS_CAP = 4096 };

/* The names with a newline after each, in the order in which they are offered. */
void algorithms_list(enum algorithms which, char out[static ALGORITHMS_CAP]);

#endif
