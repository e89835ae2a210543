/*
 * sign_rsa_none.c - instead of sign_rsa.c where adit is made without RSA: nothing verifies, nothing signs.
 */
#include "crypto.h"

bool rsa_verify(enum hash_alg hash, struct span n, struct span e, struct span msg, struct span sig)
{
    (void)hash, (void)n, (void)e, (void)msg, (void)sig;
    return false;
}

bool rsa_sign(enum hash_alg hash, const struct rsa_key *key, struct span msg, uint8_t *sig)
{
    (void)hash, (void)key, (void)msg, (void)sig;
    return false;
}

bool rsa_derive_exponent(struct span d, struct span p, uint8_t *out, size_t *out_len)
{
    (void)d, (void)p, (void)out, (void)out_len;
    return false;
}
