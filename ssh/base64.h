/*
 * base64.h - RFC 4648 §4, for key lines, key files and fingerprints.
 *
 * Neither function allocates. Decoding takes time that depends on the length and on where white space
 * stands, not on the values: private keys pass through it.
 */
#ifndef SSH_BASE64_H
#define SSH_BASE64_H

#include "adit.h"

/* Characters that n bytes become, with padding and without a terminating zero. */
#define BASE64_LEN(n) (((n) + 2) / 3 * 4)

/* Writes in to out, zero-terminated; cap >= BASE64_LEN(in.n) + 1. Returns the length; 0 with an empty
 * text when it does not fit. */
size_t base64_encode(char *out, size_t cap, struct span in);

/* Decodes all of text into out. Strict: the canonical form with its padding and nothing else, but line
 * ends, spaces and tabs anywhere where allow_space is set. False, with what was written wiped, when text is
 * not that or out is too small (text.n / 4 * 3 bytes are always enough). out.p may be text.p: decoding in
 * place works. */
bool base64_decode(struct wspan out, struct span text, bool allow_space, size_t *len) ADIT_MUST_USE;

#endif
