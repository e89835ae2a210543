/*
 * aead.c - the two authenticated packet protections: AES-GCM and ChaCha20-Poly1305 as OpenSSH has them.
 *
 * In both the length word is bound by the tag but is not part of what the cipher pads.
 */
#include <string.h>

#include "internal.h"

/* ---- aes128-gcm@openssh.com, aes256-gcm@openssh.com: RFC 5647 ------------------------------------ */

struct CRYPTO_IN_STORAGE gcm_state {
    struct gcm_key key;
    uint8_t iv[12]; /* RFC 5647 §7.1: 4 bytes fixed, 8 bytes invocation counter */
};
_Static_assert(sizeof(struct gcm_state) <= sizeof(((struct cipher *)0)->state), "struct cipher is too small");
_Static_assert(_Alignof(struct gcm_state) <= _Alignof(struct cipher), "struct cipher is not aligned");

static struct gcm_state *gcm_state_of(struct cipher *c)
{
    return (struct gcm_state *)(void *)c->state.bytes;
}

static void gcm_init(struct cipher *c, const uint8_t *key, const uint8_t *iv, const uint8_t *mackey)
{
    struct gcm_state *s = gcm_state_of(c);
    (void)mackey;
    gcm_key_init(&s->key, span_make(key, c->alg->key_len));
    memcpy(s->iv, iv, sizeof s->iv);
}

static uint32_t gcm_peek_length(const struct cipher *c, uint32_t seq, const uint8_t head[4])
{
    (void)c;
    (void)seq;
    return load32_be(head);
}

/* RFC 5647 §7.1: the invocation counter is treated as a 64-bit integer and incremented after each
 * invocation. It does not carry into the fixed field. */
static void gcm_next_iv(struct gcm_state *s)
{
    for (size_t i = sizeof s->iv; i > 4; i--)
        if (++s->iv[i - 1] != 0)
            return;
}

static void gcm_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    struct gcm_state *s = gcm_state_of(c);
    (void)seq;
    gcm_key_seal(&s->key, s->iv, span_make(packet, 4), packet + 4, n - 4, packet + n);
    gcm_next_iv(s);
}

static bool gcm_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    struct gcm_state *s = gcm_state_of(c);
    (void)seq;
    bool ok = gcm_key_open(&s->key, s->iv, span_make(packet, 4), packet + 4, n - 4, packet + n);
    gcm_next_iv(s);
    return ok;
}

const struct cipher_ops gcm_ops = {gcm_init, gcm_peek_length, gcm_seal, gcm_open};

/* ---- chacha20-poly1305@openssh.com: OpenSSH PROTOCOL.chacha20poly1305 ---------------------------- */

/* 64 bytes of key: K_2 first (payload and Poly1305), then K_1 (length). Both are used with the
 * original ChaCha20: 64-bit nonce (the sequence number, big-endian), 64-bit block counter. */
struct CRYPTO_IN_STORAGE chachapoly_state {
    uint8_t payload_key[32];
    uint8_t length_key[32];
};

static struct chachapoly_state *chachapoly_state_of(struct cipher *c)
{
    return (struct chachapoly_state *)(void *)c->state.bytes;
}

static void chachapoly_init(struct cipher *c, const uint8_t *key, const uint8_t *iv, const uint8_t *mackey)
{
    struct chachapoly_state *s = chachapoly_state_of(c);
    (void)iv;
    (void)mackey;
    memcpy(s->payload_key, key, sizeof s->payload_key);
    memcpy(s->length_key, key + sizeof s->payload_key, sizeof s->length_key);
}

static void seq_nonce(uint8_t nonce[8], uint32_t seq)
{
    memset(nonce, 0, 4);
    store32_be(nonce + 4, seq);
}

static uint32_t chachapoly_peek_length(const struct cipher *c, uint32_t seq, const uint8_t head[4])
{
    const struct chachapoly_state *s = (const struct chachapoly_state *)(const void *)c->state.bytes;
    uint8_t nonce[8], length[4];
    seq_nonce(nonce, seq);
    crypto_stream_chacha20_xor_ic(length, head, sizeof length, nonce, 0, s->length_key);
    return load32_be(length);
}

/* The one-time Poly1305 key is the start of block 0; the payload begins with block 1. */
static void chachapoly_tag(const struct chachapoly_state *s, const uint8_t nonce[8], const uint8_t *sealed,
                           size_t n, uint8_t tag[16])
{
    uint8_t key[crypto_onetimeauth_poly1305_KEYBYTES];
    crypto_stream_chacha20(key, sizeof key, nonce, s->payload_key);
    crypto_onetimeauth_poly1305(tag, sealed, n, key);
    adit_wipe(key, sizeof key);
}

static void chachapoly_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    const struct chachapoly_state *s = chachapoly_state_of(c);
    uint8_t nonce[8];
    seq_nonce(nonce, seq);
    crypto_stream_chacha20_xor_ic(packet, packet, 4, nonce, 0, s->length_key);
    crypto_stream_chacha20_xor_ic(packet + 4, packet + 4, n - 4, nonce, 1, s->payload_key);
    chachapoly_tag(s, nonce, packet, n, packet + n);
}

static bool chachapoly_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    const struct chachapoly_state *s = chachapoly_state_of(c);
    uint8_t nonce[8], tag[16];
    seq_nonce(nonce, seq);
    chachapoly_tag(s, nonce, packet, n, tag);
    /* The tag is checked before anything is decrypted. */
    if (!adit_ct_eq(tag, packet + n, sizeof tag))
        return false;
    crypto_stream_chacha20_xor_ic(packet, packet, 4, nonce, 0, s->length_key);
    crypto_stream_chacha20_xor_ic(packet + 4, packet + 4, n - 4, nonce, 1, s->payload_key);
    return true;
}

const struct cipher_ops chachapoly_ops = {chachapoly_init, chachapoly_peek_length, chachapoly_seal,
                                          chachapoly_open};
