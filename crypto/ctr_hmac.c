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

/* RFC 4253 §6.4: mac = MAC(key, sequence_number || packet). [RFC 4253 6.4a] */
static void packet_mac(const struct ctr_hmac_state *s, uint32_t seq, const uint8_t *packet, size_t n,
                       uint8_t mac[HASH_MAX_LEN])
{
    uint8_t number[4];
    store32_be(number, seq);
    hmac_run(&s->mac, span_make(number, sizeof number), span_make(packet, n), mac);
}

/* The same of the packets seq and seq + 1. */
static void packet_mac_two(const struct ctr_hmac_state *s, uint32_t seq, const struct span packet[2],
                           uint8_t *const mac[2])
{
    uint8_t number[2][4];
    struct hmac_message message[2];
    for (uint32_t i = 0; i < 2; i++) {
        store32_be(number[i], seq + i);
        message[i] = (struct hmac_message){span_make(number[i], 4), packet[i], mac[i]};
    }
    hmac_run_two(&s->mac, &message[0], &message[1]);
}

/* [RFC 4253 6.3a 6.4d] */
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

static bool ctr_hmac_open_tagged(struct cipher *c, uint8_t *packet, size_t n,
                                 const uint8_t tag[CIPHER_TAG_MAX])
{
    /* OpenSSH PROTOCOL §1.1: the MAC is verified before decryption. */
    if (!adit_ct_eq(tag, packet + n, c->mac->mac_len))
        return false;
    aes_ctr_run(&state_of(c)->aes, packet + 4, n - 4);
    return true;
}

static bool ctr_hmac_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    struct ctr_hmac_state *s = state_of(c);
    uint8_t mac[CIPHER_TAG_MAX];
    if (!c->mac->etm)
        aes_ctr_run(&s->aes, packet, n);
    packet_mac(s, seq, packet, n, mac);
    bool ok =
        c->mac->etm ? ctr_hmac_open_tagged(c, packet, n, mac) : adit_ct_eq(mac, packet + n, c->mac->mac_len);
    adit_wipe(mac, sizeof mac); /* the right MAC of a packet that was forged */
    return ok;
}

/* ---- two at once: the MACs, which are most of the work ---- */

static bool ctr_hmac_has_two(const struct cipher *c)
{
    const struct ctr_hmac_state *s = (const struct ctr_hmac_state *)(const void *)c->state.bytes;
    return c->mac->etm && hmac_has_two(&s->mac);
}

static void ctr_hmac_seal_two(struct cipher *c, uint32_t seq, const struct wspan packet[2])
{
    struct ctr_hmac_state *s = state_of(c);
    struct span sealed[2];
    uint8_t *mac[2];
    for (size_t i = 0; i < 2; i++) {
        aes_ctr_run(&s->aes, packet[i].p + 4, packet[i].n - 4);
        sealed[i] = span_make(packet[i].p, packet[i].n);
        mac[i] = packet[i].p + packet[i].n;
    }
    packet_mac_two(s, seq, sealed, mac);
}

static void ctr_hmac_tag_two(const struct cipher *c, uint32_t seq, const struct span packet[2],
                             uint8_t tag[2][CIPHER_TAG_MAX])
{
    uint8_t *const mac[2] = {tag[0], tag[1]};
    packet_mac_two((const struct ctr_hmac_state *)(const void *)c->state.bytes, seq, packet, mac);
}

const struct cipher_ops ctr_hmac_ops = {.init = ctr_hmac_init,
                                        .peek_length = ctr_hmac_peek_length,
                                        .seal = ctr_hmac_seal,
                                        .open = ctr_hmac_open,
                                        .has_two = ctr_hmac_has_two,
                                        .seal_two = ctr_hmac_seal_two,
                                        .tag_two = ctr_hmac_tag_two,
                                        .open_tagged = ctr_hmac_open_tagged};
