/*
 * sign_ecdsa.c - ECDSA over the three NIST curves (FIPS 186-4, RFC 5656 §3.1.2), by BearSSL.
 *
 * BearSSL's raw signatures are r || s, each as long as the order; SSH's r and s are integers of any
 * length. What lies between the two is checked here, not left to the library: r and s in [1, n-1],
 * the point on the curve.
 */
#include <bearssl.h>
#include <string.h>

#include "crypto.h"
#include "ecc_impl.h"

struct ecdsa_curve {
    int bear_id;
    enum hash_alg hash;
    const br_hash_class *bear_hash;
};

/* RFC 5656 §6.2.1: b <= 256: SHA-256; 256 < b <= 384: SHA-384; 384 < b: SHA-512. [RFC 5656 3.1.1a 6.2.1a] */
static struct ecdsa_curve curve_of(enum ecc_curve curve)
{
    switch (curve) {
    case ECC_P384:
        return (struct ecdsa_curve){BR_EC_secp384r1, HASH_SHA384, &br_sha384_vtable};
    case ECC_P521:
        return (struct ecdsa_curve){BR_EC_secp521r1, HASH_SHA512, &br_sha512_vtable};
    case ECC_P256:
        break;
    }
    return (struct ecdsa_curve){BR_EC_secp256r1, HASH_SHA256, &br_sha256_vtable};
}

/* Right-aligns a public integer in len bytes; false unless 0 < value < the order of len bytes.
 * [RFC 5656 3.1.2b] */
static bool pad_in_range(uint8_t *out, size_t len, struct span value, const uint8_t *order)
{
    while (value.n > 0 && value.p[0] == 0)
        value = span_make(value.p + 1, value.n - 1);
    if (value.n == 0 || value.n > len)
        return false;
    memset(out, 0, len - value.n);
    memcpy(out + (len - value.n), value.p, value.n);
    return memcmp(out, order, len) < 0;
}

bool ecdsa_verify(enum ecc_curve curve, struct span point, struct span msg, struct span r, struct span s)
{
    struct ecdsa_curve c = curve_of(curve);
    const br_ec_impl *ec = ecc_impl(curve);
    size_t len;
    const uint8_t *order = ec->order(c.bear_id, &len);
    uint8_t digest[HASH_MAX_LEN];
    uint8_t sig[ECC_SIG_MAX];
    uint8_t q[ECC_POINT_MAX];
    if (len != ecc_scalar_len(curve) || !ecc_point_is_valid(curve, point) || point.n > sizeof q)
        return false;
    if (!pad_in_range(sig, len, r, order) || !pad_in_range(sig + len, len, s, order))
        return false;
    memcpy(q, point.p, point.n); /* BearSSL's struct takes it writable */
    br_ec_public_key pk = {.curve = c.bear_id, .q = q, .qlen = point.n};
    hash_of(c.hash, msg, digest);
    return br_ecdsa_i31_vrfy_raw(ec, digest, hash_len(c.hash), &pk, sig, 2 * len) == 1;
}

/* RFC 6979: the nonce comes from the key and the digest, so that no weak random source can give the
 * key away. BearSSL itself refuses a scalar that is 0 or not below the order. */
bool ecdsa_sign(enum ecc_curve curve, const uint8_t *sk, struct span msg, uint8_t *r, uint8_t *s)
{
    struct ecdsa_curve c = curve_of(curve);
    size_t len = ecc_scalar_len(curve);
    uint8_t digest[HASH_MAX_LEN];
    uint8_t sig[ECC_SIG_MAX];
    uint8_t x[ECC_SCALAR_MAX];
    memcpy(x, sk, len);
    br_ec_private_key key = {.curve = c.bear_id, .x = x, .xlen = len};
    hash_of(c.hash, msg, digest);
    size_t n = br_ecdsa_i31_sign_raw(ecc_impl(curve), c.bear_hash, digest, &key, sig);
    adit_wipe(x, sizeof x);
    if (n != 2 * len)
        return false;
    memcpy(r, sig, len);
    memcpy(s, sig + len, len);
    return true;
}
