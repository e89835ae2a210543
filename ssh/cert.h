/*
 * cert.h - OpenSSH certificates (PROTOCOL.certkeys): a public key, whom it is for, how long, and a
 * certification authority's signature over all of it. Read and judged here; never made.
 *
 * Version 01 of every key type of key.h, with RSA's SHA-2 signature names. ssh-dss, certificates of version
 * 00 and SHA-1 signatures do not exist here.
 *
 * Pure, nothing is allocated, spans point into the blob. Time is wall-clock time and is handed in. Call
 * crypto_init() first.
 */
#ifndef SSH_CERT_H
#define SSH_CERT_H

#include "adit.h"
#include "ssh/key.h"
#include "ssh/wire.h"

/* ---- Names ------------------------------------------------------------------------------------------- */

/* The type of the certified key, from a certificate's own type name ("ssh-rsa-cert-v01@openssh.com");
 * KEY_NONE for everything else. */
enum key_type cert_type_of_name(struct span name);
/* "ssh-ed25519-cert-v01@openssh.com", ...; "" for KEY_NONE. */
const char *cert_type_name(enum key_type type);
/* The signature algorithm behind a certificate's algorithm name: "rsa-sha2-512" for
 * "rsa-sha2-512-cert-v01@openssh.com", "ssh-ed25519" for "ssh-ed25519-cert-v01@openssh.com". NULL for a name
 * that is no certificate's, and for "ssh-rsa-cert-v01@openssh.com" (SHA-1). Lives as long as the program. */
const char *cert_sigalg(struct span alg);
/* And back; RSA: by the signature's name. NULL: there is none. */
const char *cert_alg_of_sigalg(struct span sigalg);

/* ---- Parsing ----------------------------------------------------------------------------------------- */

enum cert_kind { CERT_USER = 1, CERT_HOST = 2 };

struct cert {
    struct span blob;   /* the whole certificate */
    struct key key;     /* the certified key; its blob is empty: see cert_plain_key */
    struct span fields; /* the certified key behind its type name */
    uint64_t serial;
    uint32_t kind; /* enum cert_kind */
    struct span key_id;
    struct span
        principals; /* the strings one behind the other, all checked: rd_string until nothing is left */
    uint64_t valid_after,
        valid_before;                 /* seconds since 1970: from the first on, and up to before the second */
    struct span critical, extensions; /* pairs of strings, checked */
    struct key ca;
    struct span signed_part, signature;
    struct span signature_alg; /* the name inside the signature */
};

/* Strict as key_parse: every field well-formed, nothing behind the signature, the CA a plain key
 * (PROTOCOL.certkeys: no certificate signs another). The signature is not verified yet. False leaves *c
 * empty. */
bool cert_parse(struct cert *c, struct span blob) ADIT_MUST_USE;

/* True when the blob says that it is a certificate, of whatever type: then key_parse has no part in it. */
bool cert_is_one(struct span blob);

/* The certified key as a plain key blob, shorter than the certificate; false when w has no room. */
bool cert_plain_key(const struct cert *c, struct wr *w) ADIT_MUST_USE;

/* ---- Judging ------------------------------------------------------------------------------------------- */

/* The CA's signature is right. ADIT_E_INTEGRITY: it is not. ADIT_E_UNSUPPORTED: by an RSA key of a size that
 * is not used, or with an algorithm that is not (SHA-1). */
enum adit_err cert_verify(const struct cert *c, struct adit_error *err) ADIT_MUST_USE;

/* What a host certificate must be besides, for this host: a host's, valid at now_s (seconds since 1970), one
 * of its principals matches the name (in lower case; * and ? in a principal count, and no principal at all
 * matches nothing), no critical option (none is known for hosts), signed with one of the name-list ca_algs.
 * ADIT_E_HOST_KEY with ssh's words. cert_verify is a separate step. */
enum adit_err cert_check_host(const struct cert *c, struct span host, uint64_t now_s, const char *ca_algs,
                              struct adit_error *err) ADIT_MUST_USE;

#endif
