/*
 * sign_ed25519.c - Ed25519 (RFC 8032), by libsodium.
 *
 * libsodium's verification is stricter than the RFC asks: besides an S that is not below the group
 * order it refuses public keys of small order and those with a coordinate that is not reduced, so
 * that one signature cannot hold for several keys or messages. The tests pin that down.
 */
#include <sodium.h>

#include "crypto.h"

/* These hold by construction: seeds, and messages in memory, have no bad values. */
static void must_be_zero(int result)
{
    if (result != 0)
        sodium_misuse();
}

void ed25519_keypair(uint8_t pk[32], uint8_t sk[64], const uint8_t seed[32])
{
    must_be_zero(crypto_sign_ed25519_seed_keypair(pk, sk, seed));
}

void ed25519_sign(uint8_t sig[64], struct span msg, const uint8_t sk[64])
{
    must_be_zero(crypto_sign_ed25519_detached(sig, NULL, msg.p, msg.n, sk));
}

bool ed25519_verify(const uint8_t sig[64], struct span msg, const uint8_t pk[32])
{
    return crypto_sign_ed25519_verify_detached(sig, msg.p, msg.n, pk) == 0;
}
