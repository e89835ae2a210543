#include "ssh/agree.h"

#include <string.h>

/* [RFC 5656 4d 6.1a 6.2.1a 6.3a 10.1a] */
const struct agree_method agree_methods[] = {
    {"mlkem768x25519-sha256", AGREE_MLKEM768_X25519, ECC_P256, HASH_SHA256, true},
    {"sntrup761x25519-sha512", AGREE_SNTRUP761_X25519, ECC_P256, HASH_SHA512, true},
    {"sntrup761x25519-sha512@openssh.com", AGREE_SNTRUP761_X25519, ECC_P256, HASH_SHA512, true},
    {"curve25519-sha256", AGREE_X25519, ECC_P256, HASH_SHA256, false},
    {"curve25519-sha256@libssh.org", AGREE_X25519, ECC_P256, HASH_SHA256, false},
    {"ecdh-sha2-nistp256", AGREE_ECDH, ECC_P256, HASH_SHA256, false},
    {"ecdh-sha2-nistp384", AGREE_ECDH, ECC_P384, HASH_SHA384, false},
    {"ecdh-sha2-nistp521", AGREE_ECDH, ECC_P521, HASH_SHA512, false},
    {NULL, 0, 0, 0, false},
};

/* The bytes of a hybrid share before those of X25519. */
static size_t pq_share_len(const struct agree_method *m, bool of_client)
{
    if (m->kind == AGREE_MLKEM768_X25519)
        return of_client ? (size_t)MLKEM768_PK_LEN : (size_t)MLKEM768_CT_LEN;
    return of_client ? (size_t)SNTRUP761_PK_LEN : (size_t)SNTRUP761_CT_LEN;
}

/* The length of the client's and of the server's share. */
static size_t share_len_of(const struct agree_method *m, bool of_client)
{
    switch (m->kind) {
    case AGREE_X25519:
        return 32;
    case AGREE_ECDH:
        return ecc_point_len(m->curve);
    case AGREE_MLKEM768_X25519:
    case AGREE_SNTRUP761_X25519:
        return pq_share_len(m, of_client) + 32;
    }
    return 0;
}

_Static_assert((int)SNTRUP761_PK_LEN <= (int)MLKEM768_PK_LEN &&
                   (int)SNTRUP761_CT_LEN <= (int)MLKEM768_PK_LEN &&
                   (int)SNTRUP761_SK_LEN <= (int)MLKEM768_SK_LEN && (int)HASH_MAX_LEN <= (int)AGREE_K_MAX &&
                   (int)SNTRUP761_SS_LEN == (int)MLKEM768_SS_LEN,
               "sntrup761 fits where ML-KEM does");

static bool share_is_bad(const struct agree_method *m, struct adit_error *err)
{
    adit_fail(err, ADIT_E_PROTOCOL, "%s: the peer's public value is not valid (%s)", m->name,
              m->kind == AGREE_ECDH ? "RFC 5656 §4" : "RFC 8731 §3");
    return false;
}

/* [RFC 8731 3a] */
static bool share_check_len(const struct agree_method *m, struct span peer, bool of_client,
                            struct adit_error *err)
{
    size_t want = share_len_of(m, of_client);
    if (peer.n == want)
        return true;
    adit_fail(err, ADIT_E_PROTOCOL, "%s: the peer's public value has %lu bytes, not %lu (RFC 4253 §8)",
              m->name, (unsigned long)peer.n, (unsigned long)want);
    return false;
}

/* ---- the post-quantum half of a hybrid method: its bytes stand before those of X25519 ---- */

enum { PQ_SECRET_LEN = MLKEM768_SS_LEN };

static void pq_keypair(const struct agree_method *m, struct drbg *random, struct agree_secret *secret,
                       uint8_t *share)
{
    uint8_t seed[64];
    bool is_made;
    do {
        drbg_bytes(random, seed, sizeof(seed));
        is_made = m->kind == AGREE_MLKEM768_X25519 ? mlkem768_keypair(share, secret->pq, seed)
                                                   : sntrup761_keypair(share, secret->pq, seed);
    } while (!is_made);
    adit_wipe(seed, sizeof(seed));
}

static bool pq_encaps(const struct agree_method *m, struct drbg *random, const uint8_t *peer, uint8_t *share,
                      uint8_t pq[PQ_SECRET_LEN])
{
    uint8_t seed[32];
    bool is_good = true;
    drbg_bytes(random, seed, sizeof(seed));
    if (m->kind == AGREE_MLKEM768_X25519)
        is_good = mlkem768_encaps(share, pq, peer, seed);
    else
        sntrup761_encaps(share, pq, peer, seed);
    adit_wipe(seed, sizeof(seed));
    return is_good;
}

static bool pq_decaps(const struct agree_method *m, const struct agree_secret *secret, const uint8_t *peer,
                      uint8_t pq[PQ_SECRET_LEN])
{
    if (m->kind == AGREE_MLKEM768_X25519)
        return mlkem768_decaps(pq, peer, secret->pq);
    sntrup761_decaps(pq, peer, secret->pq);
    return true;
}

/* draft-ietf-sshm-mlkem-hybrid-kex §2.4, draft-ietf-sshm-ntruprime-ssh §4: K = HASH(K_PQ || K_CL). */
static void hybrid_combine(const struct agree_method *m, const uint8_t pq[PQ_SECRET_LEN],
                           const uint8_t classic[32], struct agree_k *k)
{
    struct hash h;
    hash_init(&h, m->hash);
    hash_update(&h, pq, PQ_SECRET_LEN);
    hash_update(&h, classic, 32);
    hash_out(&h, k->bytes);
    k->n = hash_len(m->hash);
    adit_wipe(&h, sizeof(h));
}

/* ---- client ---- */

size_t agree_begin(const struct agree_method *m, struct drbg *random, struct agree_secret *secret,
                   uint8_t share[AGREE_SHARE_MAX])
{
    size_t at = 0;
    switch (m->kind) {
    case AGREE_ECDH:
        ecc_keygen(m->curve, random, secret->scalar, share);
        break;
    case AGREE_MLKEM768_X25519:
    case AGREE_SNTRUP761_X25519:
        pq_keypair(m, random, secret, share);
        at = pq_share_len(m, true);
        /* fall through */
    case AGREE_X25519:
        drbg_bytes(random, secret->x25519, sizeof(secret->x25519));
        x25519_public(share + at, secret->x25519);
        break;
    }
    return share_len_of(m, true);
}

static bool finish_hybrid(const struct agree_method *m, const struct agree_secret *secret, struct span peer,
                          struct agree_k *k)
{
    uint8_t pq[PQ_SECRET_LEN], classic[32];
    bool is_good = pq_decaps(m, secret, peer.p, pq) &&
                   x25519_shared(classic, secret->x25519, peer.p + pq_share_len(m, false));
    if (is_good)
        hybrid_combine(m, pq, classic, k);
    adit_wipe(pq, sizeof(pq));
    adit_wipe(classic, sizeof(classic));
    return is_good;
}

/* [RFC 5656 4b] */
bool agree_finish(const struct agree_method *m, const struct agree_secret *secret, struct span peer,
                  struct agree_k *k, struct adit_error *err)
{
    bool is_good = false;
    if (!share_check_len(m, peer, false, err))
        return false;
    switch (m->kind) {
    case AGREE_X25519:
        k->n = 32;
        is_good = x25519_shared(k->bytes, secret->x25519, peer.p);
        break;
    case AGREE_ECDH:
        k->n = ecc_scalar_len(m->curve);
        is_good = ecc_shared(m->curve, k->bytes, secret->scalar, peer);
        break;
    case AGREE_MLKEM768_X25519:
    case AGREE_SNTRUP761_X25519:
        is_good = finish_hybrid(m, secret, peer, k);
        break;
    }
    return is_good || share_is_bad(m, err);
}

/* ---- server ---- */

static bool respond_hybrid(const struct agree_method *m, struct drbg *random, struct span peer,
                           uint8_t *share, struct agree_k *k)
{
    uint8_t pq[PQ_SECRET_LEN], sk[32], classic[32];
    bool is_good = pq_encaps(m, random, peer.p, share, pq);
    drbg_bytes(random, sk, sizeof(sk));
    x25519_public(share + pq_share_len(m, false), sk);
    is_good = is_good && x25519_shared(classic, sk, peer.p + pq_share_len(m, true));
    if (is_good)
        hybrid_combine(m, pq, classic, k);
    adit_wipe(pq, sizeof(pq));
    adit_wipe(sk, sizeof(sk));
    adit_wipe(classic, sizeof(classic));
    return is_good;
}

static bool respond_x25519(struct drbg *random, struct span peer, uint8_t *share, struct agree_k *k)
{
    uint8_t sk[32];
    drbg_bytes(random, sk, sizeof(sk));
    x25519_public(share, sk);
    k->n = 32;
    bool is_good = x25519_shared(k->bytes, sk, peer.p);
    adit_wipe(sk, sizeof(sk));
    return is_good;
}

static bool respond_ecdh(const struct agree_method *m, struct drbg *random, struct span peer, uint8_t *share,
                         struct agree_k *k)
{
    uint8_t sk[ECC_SCALAR_MAX];
    ecc_keygen(m->curve, random, sk, share);
    k->n = ecc_scalar_len(m->curve);
    bool is_good = ecc_shared(m->curve, k->bytes, sk, peer);
    adit_wipe(sk, sizeof(sk));
    return is_good;
}

bool agree_respond(const struct agree_method *m, struct drbg *random, struct span peer,
                   uint8_t share[AGREE_SHARE_MAX], size_t *share_len, struct agree_k *k,
                   struct adit_error *err)
{
    bool is_good = false;
    if (!share_check_len(m, peer, true, err))
        return false;
    *share_len = share_len_of(m, false);
    switch (m->kind) {
    case AGREE_X25519:
        is_good = respond_x25519(random, peer, share, k);
        break;
    case AGREE_ECDH:
        is_good = respond_ecdh(m, random, peer, share, k);
        break;
    case AGREE_MLKEM768_X25519:
    case AGREE_SNTRUP761_X25519:
        is_good = respond_hybrid(m, random, peer, share, k);
        break;
    }
    return is_good || share_is_bad(m, err);
}

void agree_secret_wipe(struct agree_secret *secret)
{
    adit_wipe(secret, sizeof(*secret));
}

void agree_k_wipe(struct agree_k *k)
{
    adit_wipe(k, sizeof(*k));
}
