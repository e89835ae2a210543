/*
 * krl.h - lists of revoked keys: OpenSSH's binary format (PROTOCOL.krl), and plain text with one public key a
 * line (ssh_config(5), RevokedHostKeys).
 *
 * Pure, nothing is allocated; the list is walked from its start for each question. A list that cannot be read
 * to its end is an answer of its own, and the caller's only safe reading of it is that everything is revoked.
 */
#ifndef SSH_KRL_H
#define SSH_KRL_H

#include "adit.h"
#include "ssh/cert.h"

struct krl_subject {
    struct span key;         /* a plain key blob: the certified one where there is a certificate */
    const struct cert *cert; /* NULL: none. Its authority's key is asked about too */
};

enum krl_verdict {
    KRL_FINE,    /* nothing in the list is about it */
    KRL_REVOKED, /* the key, the certificate by serial number or key id, or the authority */
    KRL_BAD,     /* the list is damaged, or has something critical that is not known: *why says what */
};

/* list: the whole file. scratch: for the keys of a text list; as many bytes as its longest line has are
 * always enough. *why: a constant text, and *line the line of a text list (from 1; 0 for a binary one). */
enum krl_verdict krl_check(struct span list, const struct krl_subject *subject, struct wspan scratch,
                           const char **why, size_t *line) ADIT_MUST_USE;

#endif
