/*
 * key.h - public keys, secret keys and signatures, in SSH's formats and both directions.
 *
 * Public key blobs: RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4, OpenSSH PROTOCOL.u2f. Signature blobs:
 * the same, and RFC 8332 for RSA (ssh-rsa with SHA-1 is neither made nor accepted).
 * Certificates are no keys here (key_parse refuses them): see cert.h.
 *
 * Nothing allocates. Call crypto_init() first. key.c has the public half, key_secret.c the secret one.
 */
#ifndef SSH_KEY_H
#define SSH_KEY_H

#include "adit.h"
#include "crypto/crypto.h"
#include "ssh/wire.h"

enum key_type {
    KEY_NONE, /* unknown, or a certificate */
    KEY_ED25519,
    KEY_ECDSA_P256,
    KEY_ECDSA_P384,
    KEY_ECDSA_P521,
    KEY_RSA,
    KEY_SK_ED25519, /* held by a FIDO token: verified here, signed by an agent alone */
    KEY_SK_ECDSA,
    KEY_TYPES
};

/* "ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", "sk-ssh-ed25519@openssh.com", ...; "" for KEY_NONE. */
const char *key_type_name(enum key_type type);
enum key_type key_type_of_name(struct span name);
/* As ssh-keygen -l prints it: "ED25519", "ECDSA", "RSA", "ED25519-SK", "ECDSA-SK"; "UNKNOWN". */
const char *key_short_name(enum key_type type);
/* True for every name of a certificate ("...-cert-v01@openssh.com"). */
bool key_name_is_cert(struct span name);

/* A line of text has a key's type before the key itself: that very name, or for RSA that of one of its
 * signatures ("rsa-sha2-512"), which ssh takes there too. name: the one in the key. */
bool key_line_is_of(struct span written, struct span name);

/* ---- Public keys ------------------------------------------------------------------------------- */

/* All spans point into the blob and live as long as it does. */
struct key {
    enum key_type type;
    struct span blob;
    struct span point;       /* Ed25519: 32 bytes; ECDSA: 0x04 || X || Y */
    struct span n, e;        /* RSA, big-endian without leading zeros */
    struct span application; /* sk-*: what the token was asked to sign for */
};

/* The fields of a key of `type` as they stand behind its name, or in a certificate behind the nonce; what
 * follows is left in r. k->blob stays empty. r fails where key_parse_shape would say false. */
void key_read_fields(struct rd *r, enum key_type type, struct key *k);
/* RFC 5656 §4: an EC point MUST be validated before it is used. True for the types that have none. */
bool key_point_is_valid(const struct key *k);

/* Strict: the right name, lengths and no byte behind; an EC point on its curve; RSA with n odd and of 1024 to
 * 16384 bits, e odd, at least 3 and at most 64 bits. An RSA key of a size that cannot be used (below 2048,
 * above 4096 bits) parses, so that it can be named and compared; key_verify refuses it. False leaves *k
 * empty. */
bool key_parse(struct key *k, struct span blob) ADIT_MUST_USE;
/* The same without the arithmetic that shows that an EC point is on the curve: for comparing many keys. */
bool key_parse_shape(struct key *k, struct span blob) ADIT_MUST_USE;
/* RSA: the modulus; 256, 384, 521 for the others. 0 for KEY_NONE. */
unsigned key_bits(const struct key *k);

/* "SHA256:" and 43 base64 characters, as ssh-keygen -l prints it; zero-terminated. */
enum { KEY_FINGERPRINT_LEN = 50, KEY_DIGEST_TEXT_CAP = 92 };
/* Base64 without its padding, as fingerprints show a digest of at most 66 bytes. */
void key_digest_text(struct span digest, char out[static KEY_DIGEST_TEXT_CAP]);
void key_fingerprint(struct span blob, char out[static KEY_FINGERPRINT_LEN + 1]);

/* ---- Signatures ---------------------------------------------------------------------------------- */

/* The type of key that makes such signatures: "rsa-sha2-512" and "rsa-sha2-256" need KEY_RSA; for the others
 * the name is the key type's. KEY_NONE for unknown names and for "ssh-rsa". */
enum key_type key_type_for_sigalg(struct span sigalg);

/* signature is SSH's blob: string name, string bytes (sk-*: uint8 flags, uint32 counter besides). The name
 * inside must equal sigalg, which must be one that this key makes (RFC 8332 §3.2: what was negotiated).
 * ADIT_E_OK only for a right signature. ADIT_E_INTEGRITY: wrong or malformed. ADIT_E_UNSUPPORTED: an RSA key
 * of a size that is not used. Whether a token's user was present (sk-*) is not asked, as ssh does not. */
enum adit_err key_verify(const struct key *k, struct span sigalg, struct span signature, struct span data,
                         struct adit_error *err) ADIT_MUST_USE;

/* ---- Secret keys ----------------------------------------------------------------------------------- */

enum {
    KEY_RSA_PRIME_MAX = RSA_MAX_LEN / 2 + 1, /* bytes; primes need not be of the same size */
    KEY_PUBLIC_MAX = 1024,                   /* the public blob of any key_secret; RSA 4096 takes 535 */
    KEY_SIGNATURE_MAX = 1024,                /* any signature blob that key_sign makes; RSA 4096 takes 532 */
};

/* About 3 KiB, no pointers: may be copied (and each copy wiped). */
struct key_secret {
    enum key_type type;
    uint8_t sk[64 + 4];           /* Ed25519: seed || public key; ECDSA: the scalar */
    uint8_t point[ECC_POINT_MAX]; /* ECDSA: the public point */
    /* RSA: big-endian, without leading zeros, *_len bytes */
    uint16_t n_len, e_len, d_len, p_len, q_len, dp_len, dq_len, iqmp_len;
    uint8_t n[RSA_MAX_LEN], e[8], d[RSA_MAX_LEN]; /* d is for an agent alone: signing takes the rest */
    uint8_t p[KEY_RSA_PRIME_MAX], q[KEY_RSA_PRIME_MAX];
    uint8_t dp[KEY_RSA_PRIME_MAX], dq[KEY_RSA_PRIME_MAX], iqmp[KEY_RSA_PRIME_MAX];
};

void key_secret_wipe(struct key_secret *secret);
/* Ed25519 and ECDSA; false for the other types. */
bool key_generate(enum key_type type, struct drbg *random, struct key_secret *secret) ADIT_MUST_USE;
/* Type and numbers as agents take them (draft-ietf-sshm-ssh-agent §3.2), and openssh-key-v1 has them. Nothing
 * for a type that has no secret half here. */
void key_secret_write(const struct key_secret *secret, struct wr *w);
/* The public blob; false when it does not fit (KEY_PUBLIC_MAX is enough). */
bool key_secret_public(const struct key_secret *secret, struct wr *blob_out) ADIT_MUST_USE;
/* Writes the signature blob (name and bytes; KEY_SIGNATURE_MAX is enough). ADIT_E_UNSUPPORTED: sigalg is not
 * one that this key makes. ADIT_E_KEY_FILE: the numbers of the key do not belong together. The frame is under
 * 2 KiB. */
enum adit_err key_sign(const struct key_secret *secret, struct span sigalg, struct span data,
                       struct wr *signature_out, struct adit_error *err) ADIT_MUST_USE;

#endif
