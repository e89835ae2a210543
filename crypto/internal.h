/*
 * internal.h - what the files of crypto/ share among themselves. Nobody outside crypto/ includes it.
 *
 * All structs here may be copied by assignment: none holds a pointer into itself, so that a struct
 * cipher that was made for new keys can be moved to its place.
 */
#ifndef CRYPTO_INTERNAL_H
#define CRYPTO_INTERNAL_H

#include <bearssl.h>
#include <sodium.h>

#include "aes_x86.h"
#include "cpu.h"
#include "crypto.h"
#include "gcm_x86.h"

/* States that live in the byte storage of a public struct: the compiler is told that they alias it. */
#define CRYPTO_IN_STORAGE __attribute__((may_alias))

/* ---- hash.c: which SHA-256; HMAC with the key's two blocks hashed in advance -------------------- */

/* Called by crypto_init after cpu_detect. Before that the library's is in force. A struct hash or hmac
 * stays with what was in force at its init. */
void hash_impl_choose(void);

struct hmac {
    struct hash inner, outer;
};
void hmac_init(struct hmac *m, enum hash_alg alg, struct span key);
/* HMAC of first || second, which is how a packet's MAC is made. out: hash_len bytes. m stays as it is. */
void hmac_run(const struct hmac *m, struct span first, struct span second, uint8_t *out);

/* Two messages under one key, side by side; what hmac_run makes of each. */
struct hmac_message {
    struct span first, second;
    uint8_t *out;
};
void hmac_run_two(const struct hmac *m, const struct hmac_message *a, const struct hmac_message *b);
/* True when that is faster than one after the other. */
bool hmac_has_two(const struct hmac *m);

/* ---- aes.c: which AES ---------------------------------------------------------------------------- */

/* One implementation of AES and of GHASH, and whether libsodium's AES-256-GCM runs here. */
struct aes_impl {
    const br_block_ctr_class *ctr;       /* 32-bit counter: for GCM alone */
    const br_block_ctrcbc_class *ctrcbc; /* 128-bit counter */
    const br_block_cbcenc_class *cbcenc;
    const br_block_cbcdec_class *cbcdec;
    br_ghash ghash;
    bool has_fast_gcm;   /* ctr and ghash both in hardware */
    bool has_sodium_gcm; /* both false on x86-64, where gcm.c has its own */
};
/* Called by crypto_init after libsodium's own start. Before that the portable code is in force. */
void aes_impl_choose(bool portable);
const struct aes_impl *aes_impl(void);

/* AES-CTR with a 128-bit big-endian counter that goes on from call to call (RFC 4344 §4). */
struct aes_ctr {
    union {
#ifdef __x86_64__
        struct aes_x86_key ours;
#endif
        br_aes_gen_ctrcbc_keys bear;
    } u;
    bool is_ours; /* fixed at init */
    uint8_t counter[16];
};
void aes_ctr_init(struct aes_ctr *c, struct span key, const uint8_t iv[16]);
/* When n is not a multiple of 16 the rest of the last key stream block is lost: only the last call
 * of a stream may be such. */
void aes_ctr_run(struct aes_ctr *c, uint8_t *data, size_t n);
/* What aes_ctr_run would make of this block now; the counter stays. */
void aes_ctr_peek(const struct aes_ctr *c, uint8_t block[16]);

/* ---- gcm.c --------------------------------------------------------------------------------------- */

struct gcm_key;

/* open: false when the tag is wrong; what data holds then is for the caller to wipe. */
struct gcm_impl {
    void (*seal)(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                 uint8_t tag[16]);
    bool (*open)(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                 const uint8_t tag[16]);
};

struct gcm_key {
    union {
#ifdef __x86_64__
        struct gcm_x86_key x86;
#else
        crypto_aead_aes256gcm_state sodium;
#endif
        struct {
            br_aes_gen_ctr_keys aes;
            br_ghash ghash;
        } bear;
    } u;
    const struct gcm_impl *impl; /* whose */
};
void gcm_key_init(struct gcm_key *k, struct span key);
void gcm_key_seal(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  uint8_t tag[16]);
/* False when the tag is wrong; data is then wiped. */
bool gcm_key_open(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  const uint8_t tag[16]) ADIT_MUST_USE;

/* ---- Packet protections: the rows of cipher.c's table ---------------------------------------------- */

/* c->alg and c->mac are set before init; n >= 4 holds in seal and open. */
struct cipher_ops {
    void (*init)(struct cipher *c, const uint8_t *key, const uint8_t *iv, const uint8_t *mackey);
    uint32_t (*peek_length)(const struct cipher *c, uint32_t seq, const uint8_t head[4]);
    void (*seal)(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n);
    bool (*open)(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n);
    /* NULL, all four: never faster. The packets are numbered seq and seq + 1. */
    bool (*has_two)(const struct cipher *c);
    void (*seal_two)(struct cipher *c, uint32_t seq, const struct wspan packet[2]);
    void (*tag_two)(const struct cipher *c, uint32_t seq, const struct span packet[2],
                    uint8_t tag[2][CIPHER_TAG_MAX]);
    bool (*open_tagged)(struct cipher *c, uint8_t *packet, size_t n, const uint8_t tag[CIPHER_TAG_MAX]);
};
extern const struct cipher_ops gcm_ops, chachapoly_ops; /* aead.c */
extern const struct cipher_ops ctr_hmac_ops;            /* ctr_hmac.c */

enum { MAC_SHA256, MAC_SHA512 }; /* mac_alg.id */

static inline uint32_t load32_be(const uint8_t p[4])
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void store32_be(uint8_t p[4], uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

/* sodium_start.c. False: the library cannot be used. */
bool sodium_start(void);

#endif
