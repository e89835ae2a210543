/*
 * ecdh.c - X25519 by libsodium, and the three NIST curves by BearSSL.
 *
 * BearSSL's mul() decodes the point it is given and refuses another format, coordinates not below
 * the prime and points off the curve. The curves have cofactor 1, so that what is left is good.
 */
#include <string.h>

#include "ecc_impl.h"
#include "internal.h"

void x25519_public(uint8_t pub[32], const uint8_t sk[32])
{
    crypto_scalarmult_curve25519_base(pub, sk);
}

/* [RFC 8731 3b] */
bool x25519_shared(uint8_t shared[32], const uint8_t sk[32], const uint8_t peer[32])
{
    /* RFC 7748 §6.1, RFC 8731 §3: ... MUST check whether the result is the all-zero value and abort. */
    bool ok = crypto_scalarmult_curve25519(shared, sk, peer) == 0 && sodium_is_zero(shared, 32) == 0;
    if (!ok)
        adit_wipe(shared, 32);
    return ok;
}

static int bear_curve(enum ecc_curve curve)
{
    switch (curve) {
    case ECC_P256:
        return BR_EC_secp256r1;
    case ECC_P384:
        return BR_EC_secp384r1;
    case ECC_P521:
        break;
    }
    return BR_EC_secp521r1;
}

size_t ecc_scalar_len(enum ecc_curve curve)
{
    switch (curve) {
    case ECC_P256:
        return 32;
    case ECC_P384:
        return 48;
    case ECC_P521:
        break;
    }
    return 66;
}

size_t ecc_point_len(enum ecc_curve curve)
{
    return 1 + 2 * ecc_scalar_len(curve);
}

/* True for 0 < sk < the order. Constant time: only the verdict is public. */
static bool scalar_is_valid(enum ecc_curve curve, const uint8_t *sk)
{
    size_t n;
    const uint8_t *order = ecc_impl(curve)->order(bear_curve(curve), &n);
    uint32_t borrow = 0, bits = 0;
    for (size_t i = n; i > 0; i--) { /* sk - order borrows at the end exactly when sk < order */
        borrow = ((uint32_t)sk[i - 1] - order[i - 1] - borrow) >> 31;
        bits |= sk[i - 1];
    }
    return (borrow & ((0u - bits) >> 31)) == 1;
}

bool ecc_public(enum ecc_curve curve, const uint8_t *sk, uint8_t *point)
{
    if (!scalar_is_valid(curve, sk))
        return false;
    return ecc_impl(curve)->mulgen(point, sk, ecc_scalar_len(curve), bear_curve(curve)) ==
           ecc_point_len(curve);
}

/* Rejection sampling: candidates are as wide as the order (P-521's has one bit in its first byte), and
 * those out of range are thrown away, so that no residue is likelier than another. The orders are so
 * close below a power of two that fewer than one candidate in 2^31 is. */
void ecc_keygen(enum ecc_curve curve, struct drbg *random, uint8_t *sk, uint8_t *point)
{
    do {
        drbg_bytes(random, sk, ecc_scalar_len(curve));
        if (curve == ECC_P521)
            sk[0] &= 1;
    } while (!ecc_public(curve, sk, point));
}

/* x * peer into product (ECC_POINT_MAX bytes); false when peer is not a valid point. */
static bool point_mul(enum ecc_curve curve, uint8_t *product, struct span peer, const uint8_t *x,
                      size_t x_len)
{
    if (peer.n != ecc_point_len(curve))
        return false;
    memcpy(product, peer.p, peer.n);
    return ecc_impl(curve)->mul(product, peer.n, x, x_len, bear_curve(curve)) == 1;
}

/* [RFC 5656 4a] */
bool ecc_point_is_valid(enum ecc_curve curve, struct span point)
{
    static const uint8_t one[1] = {1};
    uint8_t product[ECC_POINT_MAX];
    return point_mul(curve, product, point, one, sizeof one);
}

/* [RFC 5656 4a] */
bool ecc_shared(enum ecc_curve curve, uint8_t *x, const uint8_t *sk, struct span peer)
{
    size_t len = ecc_scalar_len(curve);
    uint8_t product[ECC_POINT_MAX];
    bool ok = scalar_is_valid(curve, sk) && point_mul(curve, product, peer, sk, len);
    if (ok)
        memcpy(x, product + 1, len);
    else
        adit_wipe(x, len);
    adit_wipe(product, sizeof product);
    return ok;
}
