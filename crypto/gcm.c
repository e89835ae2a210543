/*
 * gcm.c - AES-GCM (NIST SP 800-38D) with 96-bit IVs and 128-bit tags, by whichever code is fastest.
 *
 * On x86-64 with AES instructions that is our own. Elsewhere libsodium has AES-256-GCM only, and only where
 * the CPU has the instructions; everything else is BearSSL's. BearSSL's context points into its key schedule,
 * so it is made anew for each message (that costs one AES block): a struct gcm_key stays free of pointers
 * into itself.
 */
#include <string.h>

#include "gcm_vaes.h"
#include "internal.h"

/* ---- Our own ------------------------------------------------------------------------------------------ */

#ifdef __x86_64__
static void x86_seal(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                     uint8_t tag[16])
{
    gcm_x86_seal(&k->u.x86, iv, aad, data, n, tag);
}

static bool x86_open(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                     const uint8_t tag[16])
{
    return gcm_x86_open(&k->u.x86, iv, aad, data, n, tag);
}

static const struct gcm_impl x86_impl = {x86_seal, x86_open};
#else

/* ---- libsodium's ---------------------------------------------------------------------------------------- */

static void sodium_seal(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data,
                        size_t n, uint8_t tag[16])
{
    crypto_aead_aes256gcm_encrypt_detached_afternm(data, tag, NULL, data, n, aad.p, aad.n, NULL, iv,
                                                   &k->u.sodium);
}

static bool sodium_open(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data,
                        size_t n, const uint8_t tag[16])
{
    return crypto_aead_aes256gcm_decrypt_detached_afternm(data, NULL, data, n, tag, aad.p, aad.n, iv,
                                                          &k->u.sodium) == 0;
}

static const struct gcm_impl sodium_impl = {sodium_seal, sodium_open};
#endif

/* ---- BearSSL's ------------------------------------------------------------------------------------------ */

/* BearSSL declares the keys' place as writable but only reads it. */
static void bear_start(br_gcm_context *g, const struct gcm_key *k, br_aes_gen_ctr_keys *aes,
                       const uint8_t iv[12], struct span aad)
{
    *aes = k->u.bear.aes;
    br_gcm_init(g, &aes->vtable, k->u.bear.ghash);
    br_gcm_reset(g, iv, 12);
    if (aad.n > 0)
        br_gcm_aad_inject(g, aad.p, aad.n);
    br_gcm_flip(g);
}

static void bear_seal(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                      uint8_t tag[16])
{
    br_gcm_context g;
    br_aes_gen_ctr_keys aes;
    bear_start(&g, k, &aes, iv, aad);
    br_gcm_run(&g, 1, data, n);
    br_gcm_get_tag(&g, tag);
    adit_wipe(&g, sizeof g);
    adit_wipe(&aes, sizeof aes);
}

static bool bear_open(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                      const uint8_t tag[16])
{
    br_gcm_context g;
    br_aes_gen_ctr_keys aes;
    bear_start(&g, k, &aes, iv, aad);
    br_gcm_run(&g, 0, data, n);
    bool ok = br_gcm_check_tag(&g, tag) == 1;
    adit_wipe(&g, sizeof g);
    adit_wipe(&aes, sizeof aes);
    return ok;
}

static const struct gcm_impl bear_impl = {bear_seal, bear_open};

/* ---- The choice ----------------------------------------------------------------------------------------- */

void gcm_key_init(struct gcm_key *k, struct span key)
{
    memset(k, 0, sizeof *k);
#ifdef __x86_64__
    if (cpu()->has_aes) {
        gcm_x86_key_init(&k->u.x86, key, gcm_vaes_kernel());
        k->impl = &x86_impl;
        return;
    }
#else
    if (key.n == 32 && aes_impl()->has_sodium_gcm) {
        crypto_aead_aes256gcm_beforenm(&k->u.sodium, key.p);
        k->impl = &sodium_impl;
        return;
    }
#endif
    aes_impl()->ctr->init(&k->u.bear.aes.vtable, key.p, key.n);
    k->u.bear.ghash = aes_impl()->ghash;
    k->impl = &bear_impl;
}

void gcm_key_seal(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  uint8_t tag[16])
{
    k->impl->seal(k, iv, aad, data, n, tag);
}

bool gcm_key_open(const struct gcm_key *k, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  const uint8_t tag[16])
{
    bool ok = k->impl->open(k, iv, aad, data, n, tag);
    if (!ok)
        adit_wipe(data, n);
    return ok;
}

void aes_gcm_seal(struct span key, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  uint8_t tag[16])
{
    struct gcm_key k;
    gcm_key_init(&k, key);
    gcm_key_seal(&k, iv, aad, data, n, tag);
    adit_wipe(&k, sizeof k);
}

bool aes_gcm_open(struct span key, const uint8_t iv[12], struct span aad, uint8_t *data, size_t n,
                  const uint8_t tag[16])
{
    struct gcm_key k;
    gcm_key_init(&k, key);
    bool ok = gcm_key_open(&k, iv, aad, data, n, tag);
    adit_wipe(&k, sizeof k);
    return ok;
}
