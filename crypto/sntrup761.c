/*
 * sntrup761.c - the key encapsulation mechanism Streamlined NTRU Prime 761 as submitted to NIST in round 3
 * and as sntrup761x25519-sha512 uses it (draft-ietf-sshm-ntruprime-ssh).
 *
 * secret key = f || 1/g || public key || rho || Hash4(public key)       191 + 191 + 1158 + 191 + 32 bytes
 * ciphertext = round(h * r) || HashConfirm(r, public key)               1007 + 32 bytes
 */
#include <string.h>

#include "crypto.h"
#include "sntrup761_code.h"
#include "sntrup761_poly.h"

enum { HASH_LEN = 32 };
enum {
    SK_G = SNTRUP_SMALL_LEN,
    SK_PK = SK_G + SNTRUP_SMALL_LEN,
    SK_RHO = SK_PK + SNTRUP_RQ_LEN,
    SK_PK_HASH = SK_RHO + SNTRUP_SMALL_LEN,
    SK_END = SK_PK_HASH + HASH_LEN,
};
_Static_assert((int)SNTRUP761_PK_LEN == (int)SNTRUP_RQ_LEN && (int)SNTRUP761_SK_LEN == (int)SK_END &&
                   (int)SNTRUP761_CT_LEN == SNTRUP_ROUNDED_LEN + HASH_LEN &&
                   (int)SNTRUP761_SS_LEN == (int)HASH_LEN,
               "the sizes of the round-3 submission, table 2");

/* Hash_b(x) = the first half of SHA-512(b || x) (§4 "Hash"). b is secret: 0 for a rejected ciphertext. */
static void hash_prefixed(uint8_t out[HASH_LEN], uint8_t b, struct span x, struct span y)
{
    struct hash h;
    uint8_t digest[HASH_MAX_LEN];
    hash_init(&h, HASH_SHA512);
    hash_update(&h, &b, 1);
    hash_update(&h, x.p, x.n);
    hash_update(&h, y.p, y.n);
    hash_out(&h, digest);
    memcpy(out, digest, HASH_LEN);
    adit_wipe(digest, sizeof(digest));
    adit_wipe(&h, sizeof(h));
}

/* Hash_b(Hash_3(r) || tail) */
static void hash_with_input(uint8_t out[HASH_LEN], uint8_t b, const uint8_t r[SNTRUP_SMALL_LEN],
                            struct span tail)
{
    uint8_t inner[HASH_LEN];
    hash_prefixed(inner, 3, span_make(r, SNTRUP_SMALL_LEN), span_make(NULL, 0));
    hash_prefixed(out, b, span_make(inner, sizeof(inner)), tail);
    adit_wipe(inner, sizeof(inner));
}

/* h = g / (3f) */
static void public_key_make(uint8_t pk[SNTRUP761_PK_LEN], const int8_t f[SNTRUP_P], const int8_t g[SNTRUP_P])
{
    int16_t third[SNTRUP_ROOM], h[SNTRUP_ROOM];
    sntrup_rq_invert3(third, f);
    sntrup_rq_multiply(h, third, g);
    sntrup_rq_encode(pk, h);
    adit_wipe(third, sizeof(third));
    adit_wipe(h, sizeof(h));
}

bool sntrup761_keypair(uint8_t pk[SNTRUP761_PK_LEN], uint8_t sk[SNTRUP761_SK_LEN], const uint8_t seed[32])
{
    int8_t f[SNTRUP_P], g[SNTRUP_P], g_inverse[SNTRUP_P];
    struct drbg random;
    drbg_init(&random, seed);
    sntrup_small_random(g, &random);
    sntrup_short_random(f, &random);
    drbg_bytes(&random, sk + SK_RHO, SNTRUP_SMALL_LEN);
    uint32_t is_good = sntrup_r3_invert(g_inverse, g);
    public_key_make(pk, f, g);
    sntrup_small_encode(sk, f);
    sntrup_small_encode(sk + SK_G, g_inverse);
    memcpy(sk + SK_PK, pk, SNTRUP761_PK_LEN);
    hash_prefixed(sk + SK_PK_HASH, 4, span_make(pk, SNTRUP761_PK_LEN), span_make(NULL, 0));
    drbg_wipe(&random);
    adit_wipe(f, sizeof(f));
    adit_wipe(g, sizeof(g));
    adit_wipe(g_inverse, sizeof(g_inverse));
    return is_good != 0;
}

/* The ciphertext that belongs to r. */
static void encrypt(uint8_t ct[SNTRUP761_CT_LEN], const int8_t r[SNTRUP_P],
                    const uint8_t r_bytes[SNTRUP_SMALL_LEN], const uint8_t pk[SNTRUP761_PK_LEN],
                    const uint8_t pk_hash[HASH_LEN])
{
    int16_t h[SNTRUP_ROOM], product[SNTRUP_ROOM];
    sntrup_rq_decode(h, pk);
    sntrup_rq_multiply(product, h, r);
    sntrup_rq_round(product);
    sntrup_rounded_encode(ct, product);
    hash_with_input(ct + SNTRUP_ROUNDED_LEN, 2, r_bytes, span_make(pk_hash, HASH_LEN));
    adit_wipe(product, sizeof(product));
}

void sntrup761_encaps(uint8_t ct[SNTRUP761_CT_LEN], uint8_t ss[SNTRUP761_SS_LEN],
                      const uint8_t pk[SNTRUP761_PK_LEN], const uint8_t seed[32])
{
    int8_t r[SNTRUP_P];
    uint8_t r_bytes[SNTRUP_SMALL_LEN], pk_hash[HASH_LEN];
    struct drbg random;
    drbg_init(&random, seed);
    sntrup_short_random(r, &random);
    sntrup_small_encode(r_bytes, r);
    hash_prefixed(pk_hash, 4, span_make(pk, SNTRUP761_PK_LEN), span_make(NULL, 0));
    encrypt(ct, r, r_bytes, pk, pk_hash);
    hash_with_input(ss, 1, r_bytes, span_make(ct, SNTRUP761_CT_LEN));
    drbg_wipe(&random);
    adit_wipe(r, sizeof(r));
    adit_wipe(r_bytes, sizeof(r_bytes));
}

/* r = (3f * c mod q mod 3) / g, or a fixed short polynomial when that is not short. */
static void decrypt(int8_t r[SNTRUP_P], const uint8_t ct[SNTRUP761_CT_LEN],
                    const uint8_t sk[SNTRUP761_SK_LEN])
{
    int16_t c[SNTRUP_ROOM], product[SNTRUP_ROOM];
    int8_t small[SNTRUP_P], e[SNTRUP_P];
    sntrup_rounded_decode(c, ct);
    sntrup_small_decode(small, sk);
    sntrup_rq_multiply(product, c, small);
    sntrup_rq_triple_mod3(e, product);
    sntrup_small_decode(small, sk + SK_G);
    sntrup_r3_multiply(r, e, small);
    uint8_t is_short = (uint8_t)sntrup_is_short(r);
    for (size_t i = 0; i < SNTRUP_P; i++)
        r[i] = (int8_t)((i < SNTRUP_W ? (r[i] ^ 1) : r[i]) & (int8_t)is_short);
    for (size_t i = 0; i < SNTRUP_W; i++)
        r[i] ^= 1;
    adit_wipe(product, sizeof(product));
    adit_wipe(small, sizeof(small));
    adit_wipe(e, sizeof(e));
}

/* All ones when the ciphertexts are equal, else 0. */
static uint8_t ct_is_equal(const uint8_t a[SNTRUP761_CT_LEN], const uint8_t b[SNTRUP761_CT_LEN])
{
    uint32_t diff = 0;
    for (size_t i = 0; i < SNTRUP761_CT_LEN; i++)
        diff |= (uint32_t)(a[i] ^ b[i]);
    uint32_t mask = (diff - 1) >> 8; /* diff is a byte */
    __asm__("" : "+r"(mask));
    return (uint8_t)mask;
}

void sntrup761_decaps(uint8_t ss[SNTRUP761_SS_LEN], const uint8_t ct[SNTRUP761_CT_LEN],
                      const uint8_t sk[SNTRUP761_SK_LEN])
{
    int8_t r[SNTRUP_P];
    uint8_t r_bytes[SNTRUP_SMALL_LEN], again[SNTRUP761_CT_LEN];
    decrypt(r, ct, sk);
    sntrup_small_encode(r_bytes, r);
    encrypt(again, r, r_bytes, sk + SK_PK, sk + SK_PK_HASH);
    uint8_t is_good = ct_is_equal(ct, again);
    for (size_t i = 0; i < SNTRUP_SMALL_LEN; i++) /* implicit rejection: rho in place of r */
        r_bytes[i] = (uint8_t)((r_bytes[i] & is_good) | (sk[SK_RHO + i] & ~is_good));
    hash_with_input(ss, is_good & 1, r_bytes, span_make(ct, SNTRUP761_CT_LEN));
    adit_wipe(r, sizeof(r));
    adit_wipe(r_bytes, sizeof(r_bytes));
    adit_wipe(again, sizeof(again));
}
