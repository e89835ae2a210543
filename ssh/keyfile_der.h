/*
 * keyfile_der.h - secret keys in DER: PKCS#1 (RFC 8017 §A.1.2), SEC1 (RFC 5915), PKCS#8 (RFC 5208, RFC 8410).
 * For keyfile.c, with the two checks that every format shares.
 */
#ifndef SSH_KEYFILE_DER_H
#define SSH_KEYFILE_DER_H

#include "adit.h"
#include "ssh/key.h"

enum der_result { DER_OK, DER_UNSUPPORTED /* another algorithm or curve */, DER_CORRUPT };
/* label: of the PEM envelope. On anything but DER_OK *secret is to be wiped. */
enum der_result keyfile_der_parse(struct key_secret *secret, struct span label,
                                  struct span der) ADIT_MUST_USE;

/* The numbers of an RSA key into *secret; dp and dq empty: they are derived from d. False: sizes that
 * no RSA key has. */
struct rsa_numbers {
    struct span n, e, d, p, q, dp, dq, iqmp;
};
bool key_secret_set_rsa(struct key_secret *secret, const struct rsa_numbers *numbers) ADIT_MUST_USE;
/* scalar: big-endian of any length; the point is computed. False: out of range. */
bool key_secret_set_ecdsa(struct key_secret *secret, enum key_type type, struct span scalar) ADIT_MUST_USE;
/* seed: 32 bytes; the public key is computed. */
void key_secret_set_ed25519(struct key_secret *secret, const uint8_t seed[32]);

#endif
