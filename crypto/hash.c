/*
 * hash.c - the SHA family and HMAC.
 *
 * SHA-256 and SHA-512 are libsodium's, which are the faster ones (they carry HMAC for whole
 * connections); SHA-1 and SHA-384, which libsodium lacks, are BearSSL's.
 */
#include <string.h>

#include "internal.h"

enum { HASH_MAX_BLOCK = 128 };

union CRYPTO_IN_STORAGE hash_state {
    crypto_hash_sha256_state sha256;
    crypto_hash_sha512_state sha512;
    br_sha1_context sha1;
    br_sha384_context sha384;
};
_Static_assert(sizeof(union hash_state) <= sizeof(((struct hash *)0)->state), "struct hash is too small");
_Static_assert(_Alignof(union hash_state) <= _Alignof(struct hash), "struct hash is not aligned");

static union hash_state *state_of(struct hash *h)
{
    return (union hash_state *)(void *)h->state.bytes;
}

size_t hash_len(enum hash_alg alg)
{
    switch (alg) {
    case HASH_SHA1:
        return 20;
    case HASH_SHA256:
        return 32;
    case HASH_SHA384:
        return 48;
    case HASH_SHA512:
        break;
    }
    return 64;
}

void hash_init(struct hash *h, enum hash_alg alg)
{
    union hash_state *s = state_of(h);
    h->alg = alg;
    memset(&h->state, 0, sizeof h->state);
    switch (alg) {
    case HASH_SHA1:
        br_sha1_init(&s->sha1);
        break;
    case HASH_SHA256:
        crypto_hash_sha256_init(&s->sha256);
        break;
    case HASH_SHA384:
        br_sha384_init(&s->sha384);
        break;
    case HASH_SHA512:
        crypto_hash_sha512_init(&s->sha512);
        break;
    }
}

void hash_update(struct hash *h, const void *p, size_t n)
{
    union hash_state *s = state_of(h);
    if (n == 0)
        return; /* p may be NULL then, which the libraries do not promise to take */
    switch (h->alg) {
    case HASH_SHA1:
        br_sha1_update(&s->sha1, p, n);
        break;
    case HASH_SHA256:
        crypto_hash_sha256_update(&s->sha256, p, n);
        break;
    case HASH_SHA384:
        br_sha384_update(&s->sha384, p, n);
        break;
    case HASH_SHA512:
        crypto_hash_sha512_update(&s->sha512, p, n);
        break;
    }
}

void hash_out(const struct hash *h, uint8_t *out)
{
    struct hash copy = *h;
    union hash_state *s = state_of(&copy);
    switch (copy.alg) {
    case HASH_SHA1:
        br_sha1_out(&s->sha1, out);
        break;
    case HASH_SHA256:
        crypto_hash_sha256_final(&s->sha256, out);
        break;
    case HASH_SHA384:
        br_sha384_out(&s->sha384, out);
        break;
    case HASH_SHA512:
        crypto_hash_sha512_final(&s->sha512, out);
        break;
    }
    adit_wipe(&copy, sizeof copy);
}

void hash_of(enum hash_alg alg, struct span data, uint8_t *out)
{
    struct hash h;
    hash_init(&h, alg);
    hash_update(&h, data.p, data.n);
    hash_out(&h, out);
    adit_wipe(&h, sizeof h);
}

static size_t block_len(enum hash_alg alg)
{
    return alg == HASH_SHA1 || alg == HASH_SHA256 ? 64 : 128;
}

static void hash_init_padded(struct hash *h, enum hash_alg alg, const uint8_t key[HASH_MAX_BLOCK],
                             uint8_t pad)
{
    uint8_t block[HASH_MAX_BLOCK];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = key[i] ^ pad;
    hash_init(h, alg);
    hash_update(h, block, block_len(alg));
    adit_wipe(block, sizeof block);
}

void hmac_init(struct hmac *m, enum hash_alg alg, struct span key)
{
    uint8_t block[HASH_MAX_BLOCK] = {0};
    /* RFC 2104 §2: keys longer than B bytes are first hashed using H. */
    if (key.n > block_len(alg))
        hash_of(alg, key, block);
    else if (key.n > 0)
        memcpy(block, key.p, key.n);
    hash_init_padded(&m->inner, alg, block, 0x36);
    hash_init_padded(&m->outer, alg, block, 0x5c);
    adit_wipe(block, sizeof block);
}

void hmac_out(const struct hmac *m, const struct hash *message, uint8_t *out)
{
    struct hash h = m->outer;
    uint8_t digest[HASH_MAX_LEN];
    hash_out(message, digest);
    hash_update(&h, digest, hash_len(h.alg));
    hash_out(&h, out);
    adit_wipe(&h, sizeof h);
    adit_wipe(digest, sizeof digest);
}

void hmac_of(enum hash_alg alg, struct span key, struct span data, uint8_t *out)
{
    struct hmac m;
    hmac_init(&m, alg, key);
    struct hash h = m.inner;
    hash_update(&h, data.p, data.n);
    hmac_out(&m, &h, out);
    adit_wipe(&h, sizeof h);
    adit_wipe(&m, sizeof m);
}
