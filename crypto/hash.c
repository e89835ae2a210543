/*
 * hash.c - the SHA family and HMAC.
 *
 * SHA-256 is our own where this CPU has better instructions than the libraries use. Else it and SHA-512 are
 * libsodium's, which are the faster ones (they carry HMAC for whole connections); SHA-1 and SHA-384, which
 * libsodium lacks, are BearSSL's.
 */
#include <string.h>

#include "internal.h"
#include "sha256.h"

enum { HASH_MAX_BLOCK = 128 };

struct CRYPTO_IN_STORAGE hash_state {
    bool is_ours; /* SHA-256 alone; fixed at hash_init */
    union {
        struct sha256 ours;
        crypto_hash_sha256_state sha256;
        crypto_hash_sha512_state sha512;
        br_sha1_context sha1;
        br_sha384_context sha384;
    } u;
};
_Static_assert(sizeof(struct hash_state) <= sizeof(((struct hash *)0)->state), "struct hash is too small");
_Static_assert(_Alignof(struct hash_state) <= _Alignof(struct hash), "struct hash is not aligned");

static struct hash_state *state_of(struct hash *h)
{
    return (struct hash_state *)(void *)h->state.bytes;
}

static const struct hash_state *const_state_of(const struct hash *h)
{
    return (const struct hash_state *)(const void *)h->state.bytes;
}

/* NULL: libsodium's SHA-256. */
static sha256_compress *our_compress;
static sha256_compress_two *our_compress_two; /* NULL: none, or it would not be faster */

void hash_impl_choose(void)
{
    our_compress = sha256_compress_choose();
    our_compress_two = sha256_compress_two_choose();
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

static void sha256_state_init(struct hash_state *s)
{
    s->is_ours = our_compress != NULL;
    if (s->is_ours)
        sha256_init(&s->u.ours, our_compress);
    else
        crypto_hash_sha256_init(&s->u.sha256);
}

void hash_init(struct hash *h, enum hash_alg alg)
{
    struct hash_state *s = state_of(h);
    h->alg = alg;
    memset(&h->state, 0, sizeof h->state);
    switch (alg) {
    case HASH_SHA1:
        br_sha1_init(&s->u.sha1);
        break;
    case HASH_SHA256:
        sha256_state_init(s);
        break;
    case HASH_SHA384:
        br_sha384_init(&s->u.sha384);
        break;
    case HASH_SHA512:
        crypto_hash_sha512_init(&s->u.sha512);
        break;
    }
}

void hash_update(struct hash *h, const void *p, size_t n)
{
    struct hash_state *s = state_of(h);
    if (n == 0)
        return; /* p may be NULL then, which the libraries do not promise to take */
    switch (h->alg) {
    case HASH_SHA1:
        br_sha1_update(&s->u.sha1, p, n);
        break;
    case HASH_SHA256:
        if (s->is_ours)
            sha256_update(&s->u.ours, p, n);
        else
            crypto_hash_sha256_update(&s->u.sha256, p, n);
        break;
    case HASH_SHA384:
        br_sha384_update(&s->u.sha384, p, n);
        break;
    case HASH_SHA512:
        crypto_hash_sha512_update(&s->u.sha512, p, n);
        break;
    }
}

/* Leaves h good for wiping only: that spares a copy of it. */
static void hash_end(struct hash *h, uint8_t *out)
{
    struct hash_state *s = state_of(h);
    switch (h->alg) {
    case HASH_SHA1:
        br_sha1_out(&s->u.sha1, out);
        break;
    case HASH_SHA256:
        if (s->is_ours)
            sha256_end(&s->u.ours, out);
        else
            crypto_hash_sha256_final(&s->u.sha256, out);
        break;
    case HASH_SHA384:
        br_sha384_out(&s->u.sha384, out);
        break;
    case HASH_SHA512:
        crypto_hash_sha512_final(&s->u.sha512, out);
        break;
    }
}

void hash_out(const struct hash *h, uint8_t *out)
{
    struct hash copy = *h;
    hash_end(&copy, out);
    adit_wipe(&copy, sizeof copy);
}

void md5_of(struct span data, uint8_t out[static MD5_LEN])
{
    br_md5_context md5;
    br_md5_init(&md5);
    br_md5_update(&md5, data.p, data.n);
    br_md5_out(&md5, out);
}

void hash_of(enum hash_alg alg, struct span data, uint8_t *out)
{
    struct hash h;
    hash_init(&h, alg);
    hash_update(&h, data.p, data.n);
    hash_end(&h, out);
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

/* Of the inner hash s, which has the whole message. Wipes s. */
static void hmac_end_ours(struct sha256 *s, const struct sha256 *outer, uint8_t out[32])
{
    uint8_t digest[32];
    sha256_end(s, digest);
    *s = *outer;
    sha256_update(s, digest, sizeof digest);
    sha256_end(s, out);
    adit_wipe(s, sizeof *s);
    adit_wipe(digest, sizeof digest);
}

/* A small packet costs three blocks: copies of a whole struct hash would show beside them. */
static void hmac_run_ours(const struct sha256 *inner, const struct sha256 *outer, struct span first,
                          struct span second, uint8_t out[32])
{
    struct sha256 s = *inner;
    sha256_update(&s, first.p, first.n);
    sha256_update(&s, second.p, second.n);
    hmac_end_ours(&s, outer, out);
}

void hmac_run(const struct hmac *m, struct span first, struct span second, uint8_t *out)
{
    const struct hash_state *inner = const_state_of(&m->inner), *outer = const_state_of(&m->outer);
    if (inner->is_ours) {
        hmac_run_ours(&inner->u.ours, &outer->u.ours, first, second, out);
        return;
    }
    struct hash h = m->inner;
    uint8_t digest[HASH_MAX_LEN];
    hash_update(&h, first.p, first.n);
    hash_update(&h, second.p, second.n);
    hash_end(&h, digest);
    h = m->outer;
    hash_update(&h, digest, hash_len(h.alg));
    hash_end(&h, out);
    adit_wipe(&h, sizeof h);
    adit_wipe(digest, sizeof digest);
}

bool hmac_has_two(const struct hmac *m)
{
    return const_state_of(&m->inner)->is_ours && our_compress_two != NULL;
}

void hmac_run_two(const struct hmac *m, const struct hmac_message *a, const struct hmac_message *b)
{
    if (!hmac_has_two(m)) {
        hmac_run(m, a->first, a->second, a->out);
        hmac_run(m, b->first, b->second, b->out);
        return;
    }
    const struct sha256 *inner = &const_state_of(&m->inner)->u.ours,
                        *outer = &const_state_of(&m->outer)->u.ours;
    struct sha256 hash_a = *inner, hash_b = *inner;
    sha256_update(&hash_a, a->first.p, a->first.n);
    sha256_update(&hash_b, b->first.p, b->first.n);
    sha256_update_two(&hash_a, a->second, &hash_b, b->second, our_compress_two);
    hmac_end_ours(&hash_a, outer, a->out);
    hmac_end_ours(&hash_b, outer, b->out);
}

void hmac_of(enum hash_alg alg, struct span key, struct span data, uint8_t *out)
{
    struct hmac m;
    hmac_init(&m, alg, key);
    hmac_run(&m, data, span_make(NULL, 0), out);
    adit_wipe(&m, sizeof m);
}
