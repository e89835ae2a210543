/*
 * pem_kdf.c - what stands between a passphrase and a key file that OpenSSL has written: its own derivation
 * with MD5, PBKDF2 (RFC 8018 §5.2), and triple DES. All by BearSSL; for files alone, never on a wire.
 */
#include <assert.h>
#include <string.h>

#include "internal.h"

/* EVP_BytesToKey with MD5 and one round: D1 = MD5(passphrase || salt), Di = MD5(Di-1 || passphrase || salt).
 */
void pem_md5_kdf(struct span passphrase, const uint8_t salt[8], uint8_t *out, size_t out_len)
{
    uint8_t d[br_md5_SIZE];
    br_md5_context md5;
    for (size_t have = 0; have < out_len;) {
        size_t n = out_len - have < sizeof d ? out_len - have : sizeof d;
        br_md5_init(&md5);
        if (have > 0)
            br_md5_update(&md5, d, sizeof d);
        br_md5_update(&md5, passphrase.p, passphrase.n);
        br_md5_update(&md5, salt, 8);
        br_md5_out(&md5, d);
        memcpy(out + have, d, n);
        have += n;
    }
    adit_wipe(d, sizeof d);
    adit_wipe(&md5, sizeof md5);
}

static const br_hash_class *hash_class(enum hash_alg alg)
{
    switch (alg) {
    case HASH_SHA1:
        return &br_sha1_vtable;
    case HASH_SHA256:
        return &br_sha256_vtable;
    case HASH_SHA384:
        return &br_sha384_vtable;
    case HASH_SHA512:
        break;
    }
    return &br_sha512_vtable;
}

/* F(P, S, c, i): U1 = PRF(P, S || i), Un = PRF(P, Un-1), all of them by exclusive or. */
static void pbkdf2_block(const br_hmac_key_context *key, struct span salt, uint32_t rounds, uint32_t index,
                         uint8_t sum[HASH_MAX_LEN])
{
    const uint8_t number[4] = {(uint8_t)(index >> 24), (uint8_t)(index >> 16), (uint8_t)(index >> 8),
                               (uint8_t)index};
    uint8_t u[HASH_MAX_LEN];
    br_hmac_context hmac;
    br_hmac_init(&hmac, key, 0);
    br_hmac_update(&hmac, salt.p, salt.n);
    br_hmac_update(&hmac, number, sizeof number);
    size_t n = br_hmac_out(&hmac, u);
    memcpy(sum, u, n);
    for (uint32_t round = 1; round < rounds; round++) {
        br_hmac_init(&hmac, key, 0);
        br_hmac_update(&hmac, u, n);
        br_hmac_out(&hmac, u);
        for (size_t i = 0; i < n; i++)
            sum[i] ^= u[i];
    }
    adit_wipe(u, sizeof u);
    adit_wipe(&hmac, sizeof hmac);
}

void pbkdf2(enum hash_alg alg, struct span passphrase, struct span salt, uint32_t rounds, uint8_t *out,
            size_t out_len)
{
    uint8_t block[HASH_MAX_LEN];
    br_hmac_key_context key;
    size_t block_len = hash_len(alg);
    assert(rounds > 0);
    br_hmac_key_init(&key, hash_class(alg), passphrase.p, passphrase.n);
    for (size_t have = 0, index = 1; have < out_len; index++) {
        size_t n = out_len - have < block_len ? out_len - have : block_len;
        pbkdf2_block(&key, salt, rounds, (uint32_t)index, block);
        memcpy(out + have, block, n);
        have += n;
    }
    adit_wipe(block, sizeof block);
    adit_wipe(&key, sizeof key);
}

void des3_cbc_decrypt(const uint8_t key[24], const uint8_t iv[8], uint8_t *data, size_t n)
{
    br_des_ct_cbcdec_keys keys;
    uint8_t chain[8];
    memcpy(chain, iv, sizeof chain);
    br_des_ct_cbcdec_init(&keys, key, 24);
    br_des_ct_cbcdec_run(&keys, chain, data, n);
    adit_wipe(&keys, sizeof keys);
}
