/*
 * gcm_x86.h - AES-GCM (NIST SP 800-38D) by AES-NI and PCLMULQDQ, and what its wider kernels share with it. Of
 * crypto/ alone; nothing of it exists on other architectures than x86-64.
 */
#ifndef CRYPTO_GCM_X86_H
#define CRYPTO_GCM_X86_H
#ifdef __x86_64__

#include "aes_x86.h"

enum {
    GCM_X86_POWERS = 32, /* as many blocks as the widest kernel takes at a time */
    GCM_X86_VECTORS = 8, /* every kernel takes eight vectors at a time: 8, 16 or 32 blocks */
};

struct gcm_x86_key;

/* A message on its way, both values byte-reversed. Secret. */
struct gcm_x86_run {
    _Alignas(16) uint8_t counter[16]; /* the next counter block; reversed, its 32-bit counter comes first */
    _Alignas(16) uint8_t hash[16];    /* GHASH so far */
};

/* How whole batches are done, in place; the counter and the hash go on in r. */
struct gcm_x86_kernel {
    size_t batch_len; /* bytes */
    /* Encrypts or decrypts `batches` of them at data and hashes as many at hashed, each before it is written.
     * To open, hashed is data; to seal, it is the batch before data, which is sealed already. */
    void (*run)(const struct gcm_x86_key *k, struct gcm_x86_run *r, uint8_t *data, const uint8_t *hashed,
                size_t batches);
    /* One of the two alone, one batch: how sealing begins and ends. */
    void (*crypt)(const struct gcm_x86_key *k, struct gcm_x86_run *r, uint8_t *data);
    void (*hash)(const struct gcm_x86_key *k, struct gcm_x86_run *r, const uint8_t *hashed);
};

/* All that a key needs, made once: a message begins with no more than its own counter block. Secret; may be
 * copied (kernels are static); the owner wipes it. */
struct gcm_x86_key {
    struct aes_x86_key aes;
    /* H^32, H^31, ... H^1, each multiplied by x and byte-reversed (gcm_x86.c says why). */
    _Alignas(16) uint8_t power[GCM_X86_POWERS][16];
    const struct gcm_x86_kernel *wide; /* for long messages, NULL: none */
};

/* The sum of products so far is made now. Compilers would rather keep all of them and add them up as a tree,
 * for which there are not enough registers. */
#define GCM_X86_KEEP(sum) __asm__("" : "+v"((sum)->low), "+v"((sum)->middle), "+v"((sum)->high))

/* key: 16, 24 or 32 bytes. wide: a kernel that this CPU has, or NULL. Only where cpu()->has_aes. */
void gcm_x86_key_init(struct gcm_x86_key *k, struct span key, const struct gcm_x86_kernel *wide);
/* In place, n < 2^36 - 31 (SP 800-38D §5.2.1.1; then the counter does not come back to where it began). */
void gcm_x86_seal(const struct gcm_x86_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  uint8_t tag[16]);
/* False when the tag is wrong; data is then decrypted all the same and the caller wipes it. */
bool gcm_x86_open(const struct gcm_x86_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  const uint8_t tag[16]) ADIT_MUST_USE;

#endif
#endif
