/*
 * crypto.h - every primitive that adit uses: raw bytes in, raw bytes out, in place.
 *
 * crypto/ is the only folder that knows libsodium and BearSSL, and this is the only header of it
 * that other folders include. Nothing here allocates, prints, reads a clock or draws random bytes:
 * whoever needs randomness passes a seed. Nothing here knows SSH's wire format (mpints, strings):
 * integers are big-endian byte strings. Everything secret is processed in constant time unless the
 * comment says that the value is public. Structs that hold secrets have a _wipe.
 *
 * Call crypto_init() once per process before anything else; after that all functions are
 * thread-safe as long as two threads do not share one struct.
 */
#ifndef CRYPTO_H
#define CRYPTO_H

#include "adit.h"

/* Chooses the fastest code for this CPU. False when a library refuses to start. */
bool crypto_init(void) ADIT_MUST_USE;

/* True where AES runs in hardware for AES-GCM at full speed with the named key size (128 or 256):
 * what the order of the ciphers depends on. Tests call crypto_force_portable() before crypto_init()
 * (which may be called again) to see the paths of other CPUs. */
bool crypto_has_fast_gcm(int key_bits);
void crypto_force_portable(bool on);

/* ---- Hashes: FIPS 180-4 --------------------------------------------------------------------- */

enum hash_alg { HASH_SHA1, HASH_SHA256, HASH_SHA384, HASH_SHA512 }; /* SHA-1 for |1| known_hosts only */
enum { HASH_MAX_LEN = 64 };

struct hash {
    enum hash_alg alg;
    union {
        uint64_t align;
        uint8_t bytes[256];
    } state;
};

size_t hash_len(enum hash_alg alg); /* 20, 32, 48, 64 */
void hash_init(struct hash *h, enum hash_alg alg);
void hash_update(struct hash *h, const void *p, size_t n);
void hash_out(const struct hash *h, uint8_t *out); /* h may go on being updated */
void hash_of(enum hash_alg alg, struct span data, uint8_t *out);

/* For fingerprints in the old style, which a person compares, and for nothing else. */
enum { MD5_LEN = 16 };
void md5_of(struct span data, uint8_t out[static MD5_LEN]);

/* HMAC, RFC 2104: out has hash_len(alg) bytes. For key material of any length. */
void hmac_of(enum hash_alg alg, struct span key, struct span data, uint8_t *out);

/* ---- Random expansion: ChaCha20 with fast key erasure ------------------------------------------
 * All randomness of a session comes from one 32-byte seed through this, so that a run can be
 * replayed bit for bit. Bytes that were given out cannot be computed from a later state. */
struct drbg {
    uint8_t key[32];
};
void drbg_init(struct drbg *d, const uint8_t seed[32]);
void drbg_bytes(struct drbg *d, void *out, size_t n);
void drbg_wipe(struct drbg *d);

/* ---- Packet protection: one direction of a binary packet stream ---------------------------------
 * A cipher and, unless it is an AEAD, a MAC. It works on whole binary packets (RFC 4253 §6):
 *
 *   packet = uint32 packet_length || padding_length || payload || padding      (4 + packet_length bytes)
 *   tag    = the tag_len bytes that follow it
 *
 * in place, numbered with the 32-bit sequence number. What is sealed and what the tag covers is the
 * cipher's own affair:
 *   aes*-gcm@openssh.com           RFC 5647 with OpenSSH's nonce; length in clear, authenticated
 *   chacha20-poly1305@openssh.com  OpenSSH PROTOCOL.chacha20poly1305; length sealed with the 2nd key
 *   aes*-ctr + hmac-sha2-*         RFC 4344, RFC 6668; length sealed, MAC over the plain packet
 *   aes*-ctr + *-etm@openssh.com   OpenSSH PROTOCOL §1.1; length in clear, MAC over the sealed packet
 */
struct cipher_alg {
    const char *name; /* as in KEXINIT */
    uint8_t id;       /* crypto's own */
    uint8_t key_len;  /* bytes of key, iv that kex derives for it */
    uint8_t iv_len;
    uint8_t block_len; /* what the padded part must be a multiple of: 8 or 16 */
    uint8_t tag_len;   /* 16 for an AEAD, 0 when a MAC goes with it */
};
struct mac_alg {
    const char *name;
    uint8_t id;
    uint8_t key_len; /* equal to the MAC's length in bytes for all we have */
    uint8_t mac_len;
    bool etm;
};
/* NULL for an unknown name. The tables end with a NULL name; no preference is in their order. */
extern const struct cipher_alg cipher_algs[];
extern const struct mac_alg mac_algs[];
const struct cipher_alg *cipher_alg_find(struct span name);
const struct mac_alg *mac_alg_find(struct span name);

enum { CIPHER_KEY_MAX = 64, CIPHER_IV_MAX = 16, CIPHER_MACKEY_MAX = 64, CIPHER_TAG_MAX = 64 };

/* May be moved by assignment, also in mid-stream. Whatever memory it is put in must be aligned as
 * malloc's is. */
struct cipher {
    const struct cipher_alg *alg; /* NULL: no protection at all (before the first NEWKEYS) */
    const struct mac_alg *mac;    /* NULL with an AEAD */
    uint8_t block_len;            /* 8 with no cipher */
    uint8_t tag_len;              /* tag or MAC, bytes */
    bool length_is_clear;         /* the length word is outside the padded part (AEADs, etm) */
    union {
        _Alignas(16) uint8_t bytes[1536]; /* vector instructions load keys from here */
    } state;
};

void cipher_init_none(struct cipher *c);
/* key, iv, mackey have the lengths the algs say; mac and mackey are ignored for an AEAD. */
void cipher_init(struct cipher *c, const struct cipher_alg *alg, const struct mac_alg *mac,
                 const uint8_t *key, const uint8_t *iv, const uint8_t *mackey);
/* packet_length of the packet that starts with these four bytes. Changes nothing: the head stays
 * sealed (the tag covers it sealed) and the same call may be made again. */
uint32_t cipher_peek_length(const struct cipher *c, uint32_t seq, const uint8_t head[4]);
/* Seals n = 4 + packet_length bytes at packet (n >= 4) and writes tag_len bytes to packet + n. */
void cipher_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n);
/* The reverse: false when the tag is wrong; the packet's contents are then wiped and the state is
 * not to be used again. */
bool cipher_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n) ADIT_MUST_USE;
void cipher_wipe(struct cipher *c);

/* Two packets at once, seq and seq + 1, are the same bytes and the same answers as one after the other, in
 * less time where cipher_has_two: AES-CTR with hmac-sha2-256-etm on a CPU with SHA instructions, of which one
 * hash by itself leaves half unused. The packets do not overlap; n >= 4 of each. */
bool cipher_has_two(const struct cipher *c);
/* cipher_seal of either, in this order. For every cipher. */
void cipher_seal_two(struct cipher *c, uint32_t seq, const struct wspan packet[2]);
/* The tags that these two packets, still sealed, ought to have: tag_len bytes each, secret until they are
 * compared. Changes nothing in c: it is as good before these packets' turn. Only where cipher_has_two. */
void cipher_tag_two(const struct cipher *c, uint32_t seq, const struct span packet[2],
                    uint8_t tag[2][CIPHER_TAG_MAX]);
/* cipher_open of a packet whose tag was computed by cipher_tag_two with this c, this packet's sequence number
 * and these very bytes. In the packets' order. Only where cipher_has_two. */
bool cipher_open_tagged(struct cipher *c, uint8_t *packet, size_t n,
                        const uint8_t tag[CIPHER_TAG_MAX]) ADIT_MUST_USE;

/* ---- Key agreement ----------------------------------------------------------------------------- */

/* X25519, RFC 7748. The secret key is any 32 random bytes. */
void x25519_public(uint8_t pub[32], const uint8_t sk[32]);
/* False when the result is all zero (RFC 7748 §6.1, RFC 8731 §3: MUST abort); shared is then zero. */
bool x25519_shared(uint8_t shared[32], const uint8_t sk[32], const uint8_t peer[32]) ADIT_MUST_USE;

/* NIST curves, SEC1 uncompressed points: 0x04 || X || Y. */
enum ecc_curve { ECC_P256, ECC_P384, ECC_P521 };
enum { ECC_POINT_MAX = 133, ECC_SCALAR_MAX = 66, ECC_SIG_MAX = 132 };
size_t ecc_scalar_len(enum ecc_curve curve); /* 32, 48, 66 */
size_t ecc_point_len(enum ecc_curve curve);  /* 65, 97, 133 */
/* A secret scalar in [1, n-1] without bias from the DRBG, and its point. */
void ecc_keygen(enum ecc_curve curve, struct drbg *random, uint8_t *sk, uint8_t *point);
/* The point of a scalar; false when the scalar is 0 or not below the order. */
bool ecc_public(enum ecc_curve curve, const uint8_t *sk, uint8_t *point) ADIT_MUST_USE;
/* True for an uncompressed point on the curve with coordinates in range (SEC1 §3.2.2.1; RFC 5656 §4). */
bool ecc_point_is_valid(enum ecc_curve curve, struct span point);
/* ECDH: the X coordinate (ecc_scalar_len bytes). False when the point is not valid. */
bool ecc_shared(enum ecc_curve curve, uint8_t *x, const uint8_t *sk, struct span peer) ADIT_MUST_USE;

/* ML-KEM-768, FIPS 203, in its derandomised forms. */
enum { MLKEM768_PK_LEN = 1184, MLKEM768_SK_LEN = 2400, MLKEM768_CT_LEN = 1088, MLKEM768_SS_LEN = 32 };
bool mlkem768_keypair(uint8_t pk[MLKEM768_PK_LEN], uint8_t sk[MLKEM768_SK_LEN],
                      const uint8_t seed[64]) ADIT_MUST_USE; /* seed = d || z */
/* False when pk fails the modulus check of FIPS 203 §7.2. */
bool mlkem768_encaps(uint8_t ct[MLKEM768_CT_LEN], uint8_t ss[MLKEM768_SS_LEN],
                     const uint8_t pk[MLKEM768_PK_LEN], const uint8_t seed[32]) ADIT_MUST_USE;
/* Implicit rejection: a forged ct gives another secret, never an error. False only for a bad sk. */
bool mlkem768_decaps(uint8_t ss[MLKEM768_SS_LEN], const uint8_t ct[MLKEM768_CT_LEN],
                     const uint8_t sk[MLKEM768_SK_LEN]) ADIT_MUST_USE;

/* Streamlined NTRU Prime 761 (NTRU Prime, round-3 submission to NIST), in derandomised forms: all randomness
 * is expanded from the seed by a struct drbg. */
enum { SNTRUP761_PK_LEN = 1158, SNTRUP761_SK_LEN = 1763, SNTRUP761_CT_LEN = 1039, SNTRUP761_SS_LEN = 32 };
/* False when the seed gives a g without an inverse, one seed in 10^9: take another. That it happened says
 * nothing of the next seed's key. */
bool sntrup761_keypair(uint8_t pk[SNTRUP761_PK_LEN], uint8_t sk[SNTRUP761_SK_LEN],
                       const uint8_t seed[32]) ADIT_MUST_USE;
void sntrup761_encaps(uint8_t ct[SNTRUP761_CT_LEN], uint8_t ss[SNTRUP761_SS_LEN],
                      const uint8_t pk[SNTRUP761_PK_LEN], const uint8_t seed[32]);
/* Implicit rejection: a forged ct gives another secret, never an error. */
void sntrup761_decaps(uint8_t ss[SNTRUP761_SS_LEN], const uint8_t ct[SNTRUP761_CT_LEN],
                      const uint8_t sk[SNTRUP761_SK_LEN]);

/* ---- Signatures ---------------------------------------------------------------------------------- */

/* Ed25519, RFC 8032. sk = seed || public key (OpenSSH's 64 bytes). */
void ed25519_keypair(uint8_t pk[32], uint8_t sk[64], const uint8_t seed[32]);
void ed25519_sign(uint8_t sig[64], struct span msg, const uint8_t sk[64]);
/* Refuses S not below L, small-order and non-canonical keys. */
bool ed25519_verify(const uint8_t sig[64], struct span msg, const uint8_t pk[32]) ADIT_MUST_USE;

/* ECDSA with the hash RFC 5656 §6.2.1 pairs with the curve (SHA-256, SHA-384, SHA-512).
 * r and s are big-endian; leading zeros and any length are accepted, 0 and >= n are refused. */
bool ecdsa_verify(enum ecc_curve curve, struct span point, struct span msg, struct span r,
                  struct span s) ADIT_MUST_USE;
/* Deterministic nonce (RFC 6979). r and s: ecc_scalar_len bytes each. False for a bad scalar. */
bool ecdsa_sign(enum ecc_curve curve, const uint8_t *sk, struct span msg, uint8_t *r,
                uint8_t *s) ADIT_MUST_USE;

/* RSASSA-PKCS1-v1_5, RFC 8017 §8.2, SHA-256 or SHA-512 only. Moduli of RSA_MIN_BITS..RSA_MAX_BITS. */
enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 4096, RSA_MAX_LEN = RSA_MAX_BITS / 8 };
/* A signature shorter than the modulus counts as left-padded with zeros, as OpenSSH takes it;
 * a longer one is refused. n and e are public. */
bool rsa_verify(enum hash_alg hash, struct span n, struct span e, struct span msg,
                struct span sig) ADIT_MUST_USE;

/* The five numbers BearSSL signs with. All spans are borrowed. */
struct rsa_key {
    struct span n, e, p, q, dp, dq, iqmp;
};
/* sig gets the modulus' length in bytes. The result is verified before it is returned (a fault in
 * the CRT would give the key away). False when the key is inconsistent. */
bool rsa_sign(enum hash_alg hash, const struct rsa_key *key, struct span msg, uint8_t *sig) ADIT_MUST_USE;
/* out = d mod (p - 1), p odd; out has as many bytes as p without its leading zeros, at most
 * RSA_MAX_LEN / 2 + 1. Constant time in the values of d and p; their lengths are public. */
bool rsa_derive_exponent(struct span d, struct span p, uint8_t *out, size_t *out_len) ADIT_MUST_USE;

/* ---- Private key files ------------------------------------------------------------------------- */

/* bcrypt_pbkdf, OpenBSD's, as PROTOCOL.key uses it: rounds >= 1, out_len 1..1024. */
bool bcrypt_pbkdf(struct span passphrase, struct span salt, uint32_t rounds, uint8_t *out,
                  size_t out_len) ADIT_MUST_USE;

/* OpenSSL's EVP_BytesToKey with MD5 and one round (PEM files with a DEK-Info header). out_len: any. */
void pem_md5_kdf(struct span passphrase, const uint8_t salt[8], uint8_t *out, size_t out_len);
/* RFC 8018 §5.2 with HMAC of alg; rounds >= 1. */
void pbkdf2(enum hash_alg alg, struct span passphrase, struct span salt, uint32_t rounds, uint8_t *out,
            size_t out_len);

/* RFC 7292 §B.2 with SHA-1: purpose 1 makes a key, 2 an IV. A passphrase is UTF-8 and at most
 * PKCS12_PASSPHRASE_MAX bytes, a salt at most 64. False: they are not. */
enum { PKCS12_PASSPHRASE_MAX = 1024 };
bool pkcs12_kdf(uint8_t purpose, struct span passphrase, struct span salt, uint32_t rounds, uint8_t *out,
                size_t out_len) ADIT_MUST_USE;
/* scrypt, RFC 7914. cost is a power of two; what the three numbers would have us take of memory and time is
 * bounded: scrypt_is_affordable. False: no memory. */
bool scrypt_is_affordable(uint64_t cost, uint32_t block_size, uint32_t parallel);
bool scrypt_kdf(struct span passphrase, struct span salt, uint64_t cost, uint32_t block_size,
                uint32_t parallel, uint8_t *out, size_t out_len) ADIT_MUST_USE;

/* In place. n % 8 == 0. */
void des3_cbc_decrypt(const uint8_t key[24], const uint8_t iv[8], uint8_t *data, size_t n);
/* In place. key_len 16, 24 or 32. */
void aes_ctr_xor(struct span key, const uint8_t iv[16], uint8_t *data, size_t n);     /* 128-bit counter */
void aes_cbc_decrypt(struct span key, const uint8_t iv[16], uint8_t *data, size_t n); /* n % 16 == 0 */
void aes_cbc_encrypt(struct span key, const uint8_t iv[16], uint8_t *data, size_t n);
/* False when the tag is wrong; data is then wiped. */
bool aes_gcm_open(struct span key, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  const uint8_t tag[16]) ADIT_MUST_USE;
void aes_gcm_seal(struct span key, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  uint8_t tag[16]);

#endif
