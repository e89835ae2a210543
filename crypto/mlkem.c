/*
 * mlkem.c - ML-KEM-768 (FIPS 203) by libsodium, in the forms that take their randomness as a seed.
 */
#include <string.h>

#include "internal.h"

_Static_assert(MLKEM768_PK_LEN == crypto_kem_mlkem768_PUBLICKEYBYTES &&
                   MLKEM768_SK_LEN == crypto_kem_mlkem768_SECRETKEYBYTES &&
                   MLKEM768_CT_LEN == crypto_kem_mlkem768_CIPHERTEXTBYTES &&
                   MLKEM768_SS_LEN == crypto_kem_mlkem768_SHAREDSECRETBYTES,
               "the sizes of FIPS 203, table 3");

/* dk = dk_PKE || ek || H(ek) || z (FIPS 203, algorithm 16) */
enum { SK_EK = 1152, SK_HASH = SK_EK + MLKEM768_PK_LEN };

bool mlkem768_keypair(uint8_t pk[MLKEM768_PK_LEN], uint8_t sk[MLKEM768_SK_LEN], const uint8_t seed[64])
{
    return crypto_kem_mlkem768_seed_keypair(pk, sk, seed) == 0;
}

/* FIPS 203 §7.2, modulus check: every 12-bit coefficient is below q = 3329. The key is public.
 * libsodium checks the same; a library that forgot it would fail silently, so it is done here too. */
static bool coefficients_in_range(const uint8_t *pk)
{
    for (size_t i = 0; i < MLKEM768_PK_LEN - 32; i += 3) {
        unsigned a = pk[i] | (pk[i + 1] & 15u) << 8;
        unsigned b = pk[i + 1] >> 4 | (unsigned)pk[i + 2] << 4;
        if (a >= 3329 || b >= 3329)
            return false;
    }
    return true;
}

bool mlkem768_encaps(uint8_t ct[MLKEM768_CT_LEN], uint8_t ss[MLKEM768_SS_LEN],
                     const uint8_t pk[MLKEM768_PK_LEN], const uint8_t seed[32])
{
    return coefficients_in_range(pk) && crypto_kem_mlkem768_enc_deterministic(ct, ss, pk, seed) == 0;
}

bool mlkem768_decaps(uint8_t ss[MLKEM768_SS_LEN], const uint8_t ct[MLKEM768_CT_LEN],
                     const uint8_t sk[MLKEM768_SK_LEN])
{
    /* FIPS 203 §7.3, hash check: the key carries the hash of its own public half. */
    uint8_t hash[crypto_hash_sha3256_BYTES];
    crypto_hash_sha3256(hash, sk + SK_EK, MLKEM768_PK_LEN);
    if (!adit_ct_eq(hash, sk + SK_HASH, sizeof hash))
        return false;
    return crypto_kem_mlkem768_dec(ss, ct, sk) == 0;
}
