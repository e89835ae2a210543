/*
 * fingerprint.h - what a person compares of a host key: its fingerprint (FingerprintHash) and the picture of
 * it (VisualHostKey), as ssh shows them.
 */
#ifndef CLIENT_FINGERPRINT_H
#define CLIENT_FINGERPRINT_H

#include "adit.h"
#include "client/options.h"

enum {
    FINGERPRINT_CAP = 104, /* "SHA512:" and 86 characters at most, and the zero */
    FINGERPRINT_ART_CAP = 256,
};

/* blob: a public key, never a certificate. */
void fingerprint_text(struct span blob, enum fingerprint_hash hash, char out[static FINGERPRINT_CAP]);

/* Eleven lines of nineteen characters, with a newline between two. */
void fingerprint_art(struct span blob, enum fingerprint_hash hash, char out[static FINGERPRINT_ART_CAP]);

#endif
