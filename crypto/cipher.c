/*
 * cipher.c - the tables of ciphers and MACs, and one door to the packet protections behind them.
 */
#include <string.h>

#include "internal.h"

enum { CIPHER_GCM, CIPHER_CHACHAPOLY, CIPHER_CTR_HMAC }; /* cipher_alg.id: the row of ops */

static const struct cipher_ops *const ops[] = {
    [CIPHER_GCM] = &gcm_ops,
    [CIPHER_CHACHAPOLY] = &chachapoly_ops,
    [CIPHER_CTR_HMAC] = &ctr_hmac_ops,
};

/* chacha20-poly1305 has no block of its own: the minimum of RFC 4253 §6, 8, holds. */
const struct cipher_alg cipher_algs[] = {
    {"aes128-gcm@openssh.com", CIPHER_GCM, 16, 12, 16, 16},
    {"aes256-gcm@openssh.com", CIPHER_GCM, 32, 12, 16, 16},
    {"chacha20-poly1305@openssh.com", CIPHER_CHACHAPOLY, 64, 0, 8, 16},
    {"aes128-ctr", CIPHER_CTR_HMAC, 16, 16, 16, 0},
    {"aes192-ctr", CIPHER_CTR_HMAC, 24, 16, 16, 0},
    {"aes256-ctr", CIPHER_CTR_HMAC, 32, 16, 16, 0},
    {NULL, 0, 0, 0, 0, 0},
};

const struct mac_alg mac_algs[] = {
    {"hmac-sha2-256", MAC_SHA256, 32, 32, false},
    {"hmac-sha2-512", MAC_SHA512, 64, 64, false},
    {"hmac-sha2-256-etm@openssh.com", MAC_SHA256, 32, 32, true},
    {"hmac-sha2-512-etm@openssh.com", MAC_SHA512, 64, 64, true},
    {NULL, 0, 0, 0, false},
};

static bool wants_portable;

void crypto_force_portable(bool on)
{
    static const struct cpu nothing;
    wants_portable = on;
    cpu_limit(on ? &nothing : NULL);
}

bool crypto_init(void)
{
    if (!sodium_start())
        return false;
    cpu_detect();
    hash_impl_choose();
    aes_impl_choose(wants_portable);
    return true;
}

bool crypto_has_fast_gcm(int key_bits)
{
    if (key_bits != 128 && key_bits != 256)
        return false;
    if (cpu()->has_aes) /* our own: gcm.c */
        return true;
    return key_bits == 256 ? aes_impl()->has_sodium_gcm : aes_impl()->has_fast_gcm;
}

const struct cipher_alg *cipher_alg_find(struct span name)
{
    for (const struct cipher_alg *a = cipher_algs; a->name != NULL; a++)
        if (span_is(name, a->name))
            return a;
    return NULL;
}

const struct mac_alg *mac_alg_find(struct span name)
{
    for (const struct mac_alg *a = mac_algs; a->name != NULL; a++)
        if (span_is(name, a->name))
            return a;
    return NULL;
}

void cipher_init_none(struct cipher *c)
{
    memset(c, 0, sizeof *c);
    c->block_len = 8; /* RFC 4253 §6: the cipher block size or 8, whichever is larger */
}

void cipher_init(struct cipher *c, const struct cipher_alg *alg, const struct mac_alg *mac,
                 const uint8_t *key, const uint8_t *iv, const uint8_t *mackey)
{
    bool is_aead = alg->tag_len > 0;
    memset(c, 0, sizeof *c);
    c->alg = alg;
    c->mac = is_aead ? NULL : mac;
    c->block_len = alg->block_len;
    c->tag_len = is_aead ? alg->tag_len : mac->mac_len;
    c->length_is_clear = is_aead || mac->etm;
    ops[alg->id]->init(c, key, iv, mackey);
}

uint32_t cipher_peek_length(const struct cipher *c, uint32_t seq, const uint8_t head[4])
{
    if (c->alg == NULL)
        return load32_be(head);
    return ops[c->alg->id]->peek_length(c, seq, head);
}

void cipher_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    if (c->alg != NULL)
        ops[c->alg->id]->seal(c, seq, packet, n);
}

bool cipher_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    if (c->alg == NULL)
        return true;
    bool ok = n >= 4 && ops[c->alg->id]->open(c, seq, packet, n);
    if (!ok)
        adit_wipe(packet, n);
    return ok;
}

bool cipher_has_two(const struct cipher *c)
{
    return c->alg != NULL && ops[c->alg->id]->has_two != NULL && ops[c->alg->id]->has_two(c);
}

void cipher_seal_two(struct cipher *c, uint32_t seq, const struct wspan packet[2])
{
    if (cipher_has_two(c)) {
        ops[c->alg->id]->seal_two(c, seq, packet);
        return;
    }
    cipher_seal(c, seq, packet[0].p, packet[0].n);
    cipher_seal(c, seq + 1, packet[1].p, packet[1].n);
}

void cipher_tag_two(const struct cipher *c, uint32_t seq, const struct span packet[2],
                    uint8_t tag[2][CIPHER_TAG_MAX])
{
    ops[c->alg->id]->tag_two(c, seq, packet, tag);
}

bool cipher_open_tagged(struct cipher *c, uint8_t *packet, size_t n, const uint8_t tag[CIPHER_TAG_MAX])
{
    bool ok = n >= 4 && ops[c->alg->id]->open_tagged(c, packet, n, tag);
    if (!ok)
        adit_wipe(packet, n);
    return ok;
}

void cipher_wipe(struct cipher *c)
{
    adit_wipe(c, sizeof *c);
}
