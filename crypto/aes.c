/*
 * aes.c - which AES runs here, and AES by itself: CTR and CBC.
 *
 * BearSSL has AES in constant-time bitsliced C, 64 bits wide or 32, and by x86 instructions (which 32-bit
 * programs use; see below for the others).
 * Of its two CTR classes `ctr` has a 32-bit counter that does not carry: it is for GCM, whose counter
 * is defined so. SSH's counter is 128 bits wide with a random start: that is the `ctrcbc` class. Where the
 * CPU has AES, a faster CTR of our own stands in for it.
 */
#include <string.h>

#include "ctr_x86.h"
#include "internal.h"

/* BearSSL's own rule for "64-bit arithmetic is native here". */
#if UINTPTR_MAX > 0xffffffffu
#define PORTABLE(kind) &br_aes_ct64_##kind##_vtable
#define PORTABLE_GHASH br_ghash_ctmul64
#else
#define PORTABLE(kind) &br_aes_ct_##kind##_vtable
#define PORTABLE_GHASH br_ghash_ctmul
#endif

static const struct aes_impl portable_impl = {
    .ctr = PORTABLE(ctr),
    .ctrcbc = PORTABLE(ctrcbc),
    .cbcenc = PORTABLE(cbcenc),
    .cbcdec = PORTABLE(cbcdec),
    .ghash = PORTABLE_GHASH,
};

static struct aes_impl chosen;

#ifndef __x86_64__
static void use_hardware(struct aes_impl *a)
{
    if (br_aes_x86ni_ctr_get_vtable() != NULL) {
        a->ctr = br_aes_x86ni_ctr_get_vtable();
        a->ctrcbc = br_aes_x86ni_ctrcbc_get_vtable();
        a->cbcenc = br_aes_x86ni_cbcenc_get_vtable();
        a->cbcdec = br_aes_x86ni_cbcdec_get_vtable();
        if (br_ghash_pclmul_get() != 0) {
            a->ghash = br_ghash_pclmul_get();
            a->has_fast_gcm = true;
        }
    }
    a->has_sodium_gcm = crypto_aead_aes256gcm_is_available() == 1;
}
#endif

void aes_impl_choose(bool portable)
{
    chosen = portable_impl;
#ifdef __x86_64__ /* there CTR and GCM are our own where the CPU has AES, and CBC is for key files alone */
    (void)portable;
#else
    if (!portable)
        use_hardware(&chosen);
#endif
}

const struct aes_impl *aes_impl(void)
{
    return chosen.ctr != NULL ? &chosen : &portable_impl;
}

void aes_ctr_init(struct aes_ctr *c, struct span key, const uint8_t iv[16])
{
    memset(&c->u, 0, sizeof c->u);
    c->is_ours = cpu()->has_aes;
#ifdef __x86_64__
    if (c->is_ours)
        aes_x86_key_init(&c->u.ours, key);
#endif
    if (!c->is_ours)
        aes_impl()->ctrcbc->init(&c->u.bear.vtable, key.p, key.n);
    memcpy(c->counter, iv, sizeof c->counter);
}

static void run_blocks(const struct aes_ctr *c, uint8_t counter[16], uint8_t *data, size_t n)
{
#ifdef __x86_64__
    if (c->is_ours) {
        ctr_x86_run(&c->u.ours, counter, data, n / 16);
        return;
    }
#endif
    c->u.bear.vtable->ctr(&c->u.bear.vtable, counter, data, n);
}

void aes_ctr_run(struct aes_ctr *c, uint8_t *data, size_t n)
{
    size_t whole = n & ~(size_t)15;
    run_blocks(c, c->counter, data, whole);
    if (n == whole)
        return;
    uint8_t block[16] = {0};
    run_blocks(c, c->counter, block, sizeof block);
    for (size_t i = whole; i < n; i++)
        data[i] ^= block[i - whole];
    adit_wipe(block, sizeof block);
}

void aes_ctr_peek(const struct aes_ctr *c, uint8_t block[16])
{
    uint8_t counter[16];
    memcpy(counter, c->counter, sizeof counter);
    run_blocks(c, counter, block, 16);
}

void aes_ctr_xor(struct span key, const uint8_t iv[16], uint8_t *data, size_t n)
{
    struct aes_ctr c;
    aes_ctr_init(&c, key, iv);
    aes_ctr_run(&c, data, n);
    adit_wipe(&c, sizeof c);
}

void aes_cbc_decrypt(struct span key, const uint8_t iv[16], uint8_t *data, size_t n)
{
    br_aes_gen_cbcdec_keys keys;
    uint8_t chain[16];
    memcpy(chain, iv, sizeof chain);
    aes_impl()->cbcdec->init(&keys.vtable, key.p, key.n);
    keys.vtable->run(&keys.vtable, chain, data, n);
    adit_wipe(&keys, sizeof keys);
}

void aes_cbc_encrypt(struct span key, const uint8_t iv[16], uint8_t *data, size_t n)
{
    br_aes_gen_cbcenc_keys keys;
    uint8_t chain[16];
    memcpy(chain, iv, sizeof chain);
    aes_impl()->cbcenc->init(&keys.vtable, key.p, key.n);
    keys.vtable->run(&keys.vtable, chain, data, n);
    adit_wipe(&keys, sizeof keys);
}
