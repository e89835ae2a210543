/*
 * aead.c - the two authenticated packet protections: AES-GCM and ChaCha20-Poly1305 as OpenSSH has them.
 *
 * In both the length word is bound by the tag but is not part of what the cipher pads.
 */
#include <string.h>

#include "chacha_x86.h"
#include "internal.h"
#include "poly1305_x86.h"

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

const struct cipher_ops gcm_ops = {
    .init = gcm_init, .peek_length = gcm_peek_length, .seal = gcm_seal, .open = gcm_open};

/* ---- chacha20-poly1305@openssh.com: OpenSSH PROTOCOL.chacha20poly1305 ---------------------------- */

enum { CHACHA_BLOCK = 64 };

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

/* What begins every packet, made in one step: its first block is the length's alone, the second one is the
 * one-time Poly1305 key (its first half), and the payload starts with the third, block 1 of its key. */
struct chachapoly_head {
    uint8_t length[CHACHA_BLOCK], tag_key[CHACHA_BLOCK], payload[2 * CHACHA_BLOCK];
};

/* Who does the work: the same bytes from each. payload_len: how much of head->payload is needed at the least.
 */
struct chachapoly_kernel {
    void (*head)(const struct chachapoly_state *s, const uint8_t nonce[8], size_t payload_len,
                 struct chachapoly_head *head);
    void (*stream_xor)(uint8_t *data, size_t n, const uint8_t key[32], const uint8_t nonce[8],
                       uint64_t counter);
    void (*tag)(uint8_t tag[16], const uint8_t *message, size_t n, const uint8_t key[32]);
};

static void sodium_head(const struct chachapoly_state *s, const uint8_t nonce[8], size_t payload_len,
                        struct chachapoly_head *head)
{
    crypto_stream_chacha20(head->length, 4, nonce, s->length_key);
    /* Whole blocks: a part of one costs more. */
    size_t blocks = 1 + (payload_len + CHACHA_BLOCK - 1) / CHACHA_BLOCK;
    crypto_stream_chacha20(head->tag_key, blocks * CHACHA_BLOCK, nonce, s->payload_key);
}

static void sodium_stream_xor(uint8_t *data, size_t n, const uint8_t key[32], const uint8_t nonce[8],
                              uint64_t counter)
{
    crypto_stream_chacha20_xor_ic(data, data, n, nonce, counter, key);
}

static void sodium_tag(uint8_t tag[16], const uint8_t *message, size_t n, const uint8_t key[32])
{
    crypto_onetimeauth_poly1305(tag, message, n, key);
}

static const struct chachapoly_kernel sodium_kernel = {sodium_head, sodium_stream_xor, sodium_tag};

#ifdef __x86_64__
static void x86_head(const struct chachapoly_state *s, const uint8_t nonce[8], size_t payload_len,
                     struct chachapoly_head *head)
{
    _Static_assert(sizeof *head == CHACHA_X86_HEAD, "struct chachapoly_head is what chacha_x86_head writes");
    (void)payload_len;
    chacha_x86_head((uint8_t *)head, s->length_key, s->payload_key, nonce);
}

static const struct chachapoly_kernel x86_kernel = {x86_head, chacha_x86_xor, poly1305_x86_tag};

static const struct chachapoly_kernel *kernel(void)
{
    return cpu()->has_avx2 ? &x86_kernel : &sodium_kernel;
}
#else
static const struct chachapoly_kernel *kernel(void)
{
    return &sodium_kernel;
}
#endif

static uint32_t chachapoly_peek_length(const struct cipher *c, uint32_t seq, const uint8_t head[4])
{
    const struct chachapoly_state *s = (const struct chachapoly_state *)(const void *)c->state.bytes;
    uint8_t nonce[8], length[4];
    seq_nonce(nonce, seq);
    memcpy(length, head, sizeof length);
    kernel()->stream_xor(length, sizeof length, s->length_key, nonce, 0);
    return load32_be(length);
}

/* n is at most two blocks; in words, for a call of memcpy or of a kernel would cost more. */
static void head_xor(uint8_t *data, const uint8_t *stream, size_t n)
{
    for (; n >= 8; n -= 8, data += 8, stream += 8) {
        uint64_t a, b;
        memcpy(&a, data, sizeof a);
        memcpy(&b, stream, sizeof b);
        a ^= b;
        memcpy(data, &a, sizeof a);
    }
    for (; n > 0; n--)
        *data++ ^= *stream++;
}

static size_t head_payload_len(size_t n)
{
    const size_t most = sizeof((struct chachapoly_head *)NULL)->payload;
    return n - 4 < most ? n - 4 : most;
}

/* The packet without its tag; head is of this packet. */
static void packet_xor(const struct chachapoly_state *s, const uint8_t nonce[8],
                       const struct chachapoly_head *head, uint8_t *packet, size_t n)
{
    size_t first = head_payload_len(n), rest = n - 4 - first;
    uint64_t next_block = 1 + sizeof head->payload / CHACHA_BLOCK;
    head_xor(packet, head->length, 4);
    head_xor(packet + 4, head->payload, first);
    if (rest > 0)
        kernel()->stream_xor(packet + 4 + first, rest, s->payload_key, nonce, next_block);
}

static void chachapoly_seal(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    const struct chachapoly_state *s = chachapoly_state_of(c);
    struct chachapoly_head head;
    uint8_t nonce[8];
    seq_nonce(nonce, seq);
    kernel()->head(s, nonce, head_payload_len(n), &head);
    packet_xor(s, nonce, &head, packet, n);
    kernel()->tag(packet + n, packet, n, head.tag_key);
    adit_wipe(&head, sizeof head);
}

static bool chachapoly_open(struct cipher *c, uint32_t seq, uint8_t *packet, size_t n)
{
    const struct chachapoly_state *s = chachapoly_state_of(c);
    struct chachapoly_head head;
    uint8_t nonce[8], tag[16];
    seq_nonce(nonce, seq);
    kernel()->head(s, nonce, head_payload_len(n), &head);
    kernel()->tag(tag, packet, n, head.tag_key);
    /* The tag is checked before anything is decrypted. */
    bool ok = adit_ct_eq(tag, packet + n, sizeof tag);
    if (ok)
        packet_xor(s, nonce, &head, packet, n);
    adit_wipe(&head, sizeof head);
    return ok;
}

const struct cipher_ops chachapoly_ops = {.init = chachapoly_init,
                                          .peek_length = chachapoly_peek_length,
                                          .seal = chachapoly_seal,
                                          .open = chachapoly_open};
