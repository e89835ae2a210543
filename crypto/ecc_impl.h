/*
 * ecc_impl.h - BearSSL's code for a curve of ours. Its default one would bring Curve25519's along, which is
 * libsodium's affair here.
 */
#ifndef CRYPTO_ECC_IMPL_H
#define CRYPTO_ECC_IMPL_H

#include <bearssl.h>

#include "crypto.h"

/* P-256 has code of its own. Never freed. */
static inline const br_ec_impl *ecc_impl(enum ecc_curve curve)
{
    return curve == ECC_P256 ? &br_ec_p256_m31 : &br_ec_prime_i31;
}

#endif
