/*
 * pem_kdf.c - what stands between a passphrase and a key file that OpenSSL has written: its own derivation
 * with MD5, PBKDF2 (RFC 8018 §5.2), that of PKCS#12, scrypt, and triple DES. By BearSSL, scrypt by libsodium;
 * for files alone, never on a wire.
 */
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
    adit_assert(rounds > 0);
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

/* ---- PKCS#12: RFC 7292 §B.2 with SHA-1 ---- */

enum {
    P12_BLOCK = 64, /* v: what the hash works on */
    P12_ROOM = P12_BLOCK + (2 * PKCS12_PASSPHRASE_MAX + 2 + P12_BLOCK - 1) / P12_BLOCK * P12_BLOCK,
};

/* One character of two or three bytes. False: no UTF-8, or above U+FFFF. */
static bool utf8_take(const uint8_t **p, const uint8_t *end, unsigned *out)
{
    unsigned c = *(*p)++, more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : 3;
    if (more == 3 || (size_t)(end - *p) < more)
        return false;
    c = more == 0 ? c : more == 1 ? c & 0x1f : c & 0x0f;
    for (; more > 0; more--, (*p)++) {
        if ((**p & 0xc0) != 0x80)
            return false;
        c = c << 6 | (**p & 0x3f);
    }
    *out = c;
    return true;
}

/* The passphrase as a BMPString with its two zeros; returns its length, 0: it is none. */
static size_t bmp_of(struct span passphrase, uint8_t out[static 2 * PKCS12_PASSPHRASE_MAX + 2])
{
    const uint8_t *p = passphrase.p, *end = p + passphrase.n;
    size_t n = 0;
    if (passphrase.n > PKCS12_PASSPHRASE_MAX)
        return 0;
    while (p < end) {
        unsigned c;
        if (!utf8_take(&p, end, &c))
            return 0;
        out[n++] = (uint8_t)(c >> 8);
        out[n++] = (uint8_t)c;
    }
    out[n++] = 0;
    out[n++] = 0;
    return n;
}

/* Repeats text over whole blocks; returns their length. */
static size_t fill_blocks(uint8_t *out, struct span text)
{
    size_t len = (text.n + P12_BLOCK - 1) / P12_BLOCK * P12_BLOCK;
    for (size_t i = 0; i < len; i++)
        out[i] = text.p[i % text.n];
    return len;
}

/* block += add + 1, big-endian. */
static void add_block(uint8_t block[static P12_BLOCK], const uint8_t add[static P12_BLOCK])
{
    unsigned carry = 1;
    for (size_t i = P12_BLOCK; i-- > 0; carry >>= 8) {
        carry += (unsigned)block[i] + add[i];
        block[i] = (uint8_t)carry;
    }
}

static void p12_round(uint8_t purpose, const uint8_t *input, size_t n, uint32_t rounds,
                      uint8_t a[static br_sha1_SIZE])
{
    uint8_t diversifier[P12_BLOCK];
    br_sha1_context sha1;
    memset(diversifier, purpose, sizeof diversifier);
    br_sha1_init(&sha1);
    br_sha1_update(&sha1, diversifier, sizeof diversifier);
    br_sha1_update(&sha1, input, n);
    br_sha1_out(&sha1, a);
    for (uint32_t i = 1; i < rounds; i++) {
        br_sha1_init(&sha1);
        br_sha1_update(&sha1, a, br_sha1_SIZE);
        br_sha1_out(&sha1, a);
    }
    adit_wipe(&sha1, sizeof sha1);
}

bool pkcs12_kdf(uint8_t purpose, struct span passphrase, struct span salt, uint32_t rounds, uint8_t *out,
                size_t out_len)
{
    uint8_t bmp[2 * PKCS12_PASSPHRASE_MAX + 2], input[P12_ROOM] = {0}, a[br_sha1_SIZE], b[P12_BLOCK] = {0};
    size_t bmp_len = bmp_of(passphrase, bmp), n = 0;
    bool is_fine = bmp_len > 0 && salt.n > 0 && salt.n <= P12_BLOCK;
    if (is_fine) {
        n = fill_blocks(input, salt);
        n += fill_blocks(input + n, span_make(bmp, bmp_len));
    }
    for (size_t have = 0; is_fine && have < out_len;) {
        size_t take = out_len - have < sizeof a ? out_len - have : sizeof a;
        p12_round(purpose, input, n, rounds, a);
        memcpy(out + have, a, take);
        have += take;
        (void)fill_blocks(b, span_make(a, sizeof a));
        for (size_t i = 0; i < n; i += P12_BLOCK)
            add_block(input + i, b);
    }
    adit_wipe(bmp, sizeof bmp);
    adit_wipe(input, sizeof input);
    adit_wipe(a, sizeof a);
    adit_wipe(b, sizeof b);
    return is_fine;
}

/* ---- scrypt ---- */

/* OpenSSL's own bound of memory; its default (2^14, 8, 1) takes half of that, and a sixteenth of the time. */
bool scrypt_is_affordable(uint64_t cost, uint32_t block_size, uint32_t parallel)
{
    const uint64_t memory_max = 32 * 1024 * 1024, time_max = (uint64_t)1 << 21;
    if (cost < 2 || cost > memory_max || (cost & (cost - 1)) != 0)
        return false;
    if (block_size == 0 || block_size > memory_max / 128 || parallel == 0 || parallel > memory_max / 128)
        return false;
    return 128 * (uint64_t)block_size * (cost + 2 + parallel) <= memory_max &&
           cost * block_size * parallel <= time_max;
}

bool scrypt_kdf(struct span passphrase, struct span salt, uint64_t cost, uint32_t block_size,
                uint32_t parallel, uint8_t *out, size_t out_len)
{
    adit_assert(scrypt_is_affordable(cost, block_size, parallel));
    return crypto_pwhash_scryptsalsa208sha256_ll(passphrase.p, passphrase.n, salt.p, salt.n, cost, block_size,
                                                 parallel, out, out_len) == 0;
}
