/*
 * agree.h - the key agreement methods: RFC 8731 (curve25519), RFC 5656 §4 (NIST curves),
 * draft-ietf-sshm-mlkem-hybrid-kex (mlkem768x25519) and draft-ietf-sshm-ntruprime-ssh (sntrup761x25519), both
 * roles of each in one place.
 *
 * All of them are one message each way: a share from the client, a share from the server.
 */
#ifndef SSH_AGREE_H
#define SSH_AGREE_H

#include "adit.h"
#include "crypto/crypto.h"

enum agree_kind { AGREE_X25519, AGREE_ECDH, AGREE_MLKEM768_X25519, AGREE_SNTRUP761_X25519 };

struct agree_method {
    const char *name;
    enum agree_kind kind;
    enum ecc_curve curve; /* AGREE_ECDH only */
    enum hash_alg hash;   /* of the exchange hash and the key derivation */
    bool is_hybrid; /* post-quantum; K is hashed as a string, the hash of both secrets, not as an mpint */
};

extern const struct agree_method agree_methods[]; /* ends with a NULL name */

/* The largest share is a client's with ML-KEM; the largest K a coordinate of P-521, above the 64 bytes of a
 * hash. */
enum { AGREE_SHARE_MAX = MLKEM768_PK_LEN + 32, AGREE_K_MAX = ECC_SCALAR_MAX };

/* The client's ephemeral secrets between its share and the server's. */
struct agree_secret {
    uint8_t x25519[32];
    uint8_t scalar[ECC_SCALAR_MAX];
    uint8_t pq[MLKEM768_SK_LEN]; /* of a hybrid method: the larger of the two */
};

/* The shared secret K: big-endian bytes of the mpint, or the string of a hybrid method. */
struct agree_k {
    uint8_t bytes[AGREE_K_MAX];
    size_t n;
};

/* Client: makes secret and share; returns the share's length. */
size_t agree_begin(const struct agree_method *method, struct drbg *random, struct agree_secret *secret,
                   uint8_t share[AGREE_SHARE_MAX]);
/* Server: the client's share in, ours and K out. False: the peer's share is not valid; err says how. */
bool agree_respond(const struct agree_method *method, struct drbg *random, struct span peer,
                   uint8_t share[AGREE_SHARE_MAX], size_t *share_len, struct agree_k *k,
                   struct adit_error *err) ADIT_MUST_USE;
/* Client: the server's share in, K out. */
bool agree_finish(const struct agree_method *method, const struct agree_secret *secret, struct span peer,
                  struct agree_k *k, struct adit_error *err) ADIT_MUST_USE;
void agree_secret_wipe(struct agree_secret *secret);
void agree_k_wipe(struct agree_k *k);

#endif
