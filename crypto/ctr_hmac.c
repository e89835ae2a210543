/*
 * ctr_hmac.c - AES-CTR (RFC 4344 §4) with HMAC-SHA-2 (RFC 6668) over the plain packet, or over the
 * sealed one with the length in clear (OpenSSH PROTOCOL §1.1, "-etm").
 */
#include <string.h>

#include "internal.h"

struct CRYPTO_IN_STORAGE ctr_hmac_state {
    struct aes_ctr aes;
    struct hmac mac;
};
_Static_assert(sizeof(struct ctr_hmac_state) <= sizeof(((struct cipher *)0)->state),
               "struct cipher is too small");
_Static_assert(_Alignof(struct ctr_hmac_state) <= _Alignof(struct cipher), "struct cipher is not aligned");

static struct ctr_hmac_state *state_of(struct cipher *c)
{
    return (struct ctr_hmac_state *)(void *)c->state.bytes;
}

static void ctr_hmac_init(struct cipher *c, const uint8_t *key, const uint8_t *iv, const uint8_t *mackey)
{
    struct ctr_hmac_state *s = state_of(c);
    aes_ctr_init(&s->aes, span_make(key, c->alg->key_len), iv);
    hmac_init(&s->mac, c->mac->id == MAC_SHA256 ? HASH_SHA256 : HASH_SHA512,
              span_make(mackey, c->mac->key_len));
}

static uint32_t ctr_hmac_peek_length(const struct cipher *c, uint32_t seq, const uint8_t head[4])
{
    (void)seq;
    if (c->mac->etm)
        return load32_be(head);
    const struct ctr_hmac_state *s = (const struct ctr_hmac_state *)(const void *)c->state.bytes;
    uint8_t block[16] = {0};
    memcpy(block, head, 4);
    aes_ctr_peek(&s->aes, block);
    uint32_t length = load32_be(block);
    adit_wipe(block, sizeof block); /* twelve bytes of key stream that is still to be used */
    return length;
}

/* RFC 4253 §6.4: mac = MAC(key, sequence_number || packet). */
static void packet_mac(const struct ctr_hmac_state *s, uint32_t seq, const uint8_t *packet, size_t n,
                       uint8_t mac[HASH_MAX_LEN])
{
    uint8_t number[4];
    store32_be(number, seq);
    hmac_run(&s->mac, span_make(number, sizeof number), span_make(packet, n), mac);
}

static bool packet_mac_is(const struct ctr_hmac_state *s, uint32_t seq, const uint8_t *packet, size_t n,
                          size_t mac_len)
{
    uint8_t mac[HASH_MAX_LEN];
    packet_mac(s, seq, packet, n, mac);
    bool ok = adit_ct_eq(mac, packet + n, mac_len);
    adit_wipe(mac, sizeof mac); /* the right MAC of a packet that was forged */
    return ok;
}

static void ctr_hmac_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    struct ctr_hmac_state *s = state_of(c);
    if (c->mac->etm) {
        aes_ctr_run(&s->aes, packet + 4, n - 4);
        packet_mac(s, seq, packet, n, packet + n);
    } else {
        packet_mac(s, seq, packet, n, packet + n);
        aes_ctr_run(&s->aes, packet, n);
    }
}

static bool ctr_hmac_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    struct ctr_hmac_state *s = state_of(c);
    if (!c->mac->etm) {
        aes_ctr_run(&s->aes, packet, n);
        return packet_mac_is(s, seq, packet, n, c->mac->mac_len);
    }
    /* OpenSSH PROTOCOL §1.1: the MAC is verified before decryption. */
    if (!packet_mac_is(s, seq, packet, n, c->mac->mac_len))
        return false;
    aes_ctr_run(&s->aes, packet + 4, n - 4);
    return true;
}

const struct cipher_ops ctr_hmac_ops = {ctr_hmac_init, ctr_hmac_peek_length, ctr_hmac_seal, ctr_hmac_open};
