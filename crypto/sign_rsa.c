/*
 * sign_rsa.c - RSASSA-PKCS1-v1_5 (RFC 8017 §8.2) with SHA-256 and SHA-512; the arithmetic is BearSSL's.
 *
 * A signature is checked as RFC 8017 §8.2.2 says: the one encoding that the message must have is
 * built and compared, whole, with what the signature opens to. Nothing is parsed, so that there is no
 * parser to fool (Bleichenbacher 2006 and all its children); BearSSL's own check would also take a
 * DigestInfo without its NULL, which OpenSSH refuses.
 */
#include <bearssl.h>
#include <string.h>

#include "crypto.h"

enum { DIGEST_INFO_HEAD_LEN = 19, PAD_MIN_LEN = 8, WORD_BITS = 32 };

/* RFC 8017 §9.2 note 1: the DER of DigestInfo { { id-shaX, NULL }, OCTET STRING } up to the digest. */
static const uint8_t digest_info_sha256[DIGEST_INFO_HEAD_LEN] = {
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
    0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
};
static const uint8_t digest_info_sha512[DIGEST_INFO_HEAD_LEN] = {
    0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
    0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40,
};

static bool hash_is_allowed(enum hash_alg hash)
{
    return hash == HASH_SHA256 || hash == HASH_SHA512;
}

static struct span strip_zeros(struct span s)
{
    while (s.n > 0 && s.p[0] == 0)
        s = span_make(s.p + 1, s.n - 1);
    return s;
}

/* Of a number without leading zeros. Lengths are public, even those of secret numbers. */
static size_t bit_len(struct span s)
{
    size_t bits = 8 * s.n;
    for (unsigned top = s.n == 0 ? 0x80 : s.p[0]; top < 0x80; top <<= 1)
        bits--;
    return bits;
}

static bool is_odd(struct span s)
{
    return s.n > 0 && (s.p[s.n - 1] & 1) != 0;
}

/* n and e without leading zeros. RFC 8017 §3.1: e is odd, between 3 and n - 1; n is odd. */
static bool public_key_is_sane(struct span n, struct span e)
{
    if (bit_len(n) < RSA_MIN_BITS || bit_len(n) > RSA_MAX_BITS || !is_odd(n) || !is_odd(e))
        return false;
    if (e.n == 1 && e.p[0] < 3)
        return false;
    return e.n < n.n || (e.n == n.n && memcmp(e.p, n.p, n.n) < 0);
}

/* EMSA-PKCS1-v1_5, RFC 8017 §9.2: 00 01 FF .. FF 00 DigestInfo. len is a modulus' length, at least 256.
 * [RFC 8332 3b] */
static void encode_message(uint8_t *em, size_t len, enum hash_alg hash, struct span msg)
{
    size_t digest_len = hash_len(hash);
    size_t pad_len = len - 3 - DIGEST_INFO_HEAD_LEN - digest_len;
    const uint8_t *head = hash == HASH_SHA256 ? digest_info_sha256 : digest_info_sha512;
    em[0] = 0;
    em[1] = 1;
    memset(em + 2, 0xff, pad_len);
    em[2 + pad_len] = 0;
    memcpy(em + 3 + pad_len, head, DIGEST_INFO_HEAD_LEN);
    hash_of(hash, msg, em + 3 + pad_len + DIGEST_INFO_HEAD_LEN);
}

/* [RFC 8332 3b 5.3a 5.3b] */
bool rsa_verify(enum hash_alg hash, struct span n, struct span e, struct span msg, struct span sig)
{
    uint8_t opened[RSA_MAX_LEN], expected[RSA_MAX_LEN], nb[RSA_MAX_LEN], eb[RSA_MAX_LEN];
    n = strip_zeros(n);
    e = strip_zeros(e);
    if (!hash_is_allowed(hash) || !public_key_is_sane(n, e) || sig.n > n.n)
        return false;
    memcpy(nb, n.p, n.n); /* BearSSL's struct takes them writable */
    memcpy(eb, e.p, e.n);
    memset(opened, 0, n.n - sig.n);
    if (sig.n > 0)
        memcpy(opened + (n.n - sig.n), sig.p, sig.n);
    br_rsa_public_key pk = {.n = nb, .nlen = n.n, .e = eb, .elen = e.n};
    /* RFC 8017 §5.2.2: a signature that is not below n is invalid; BearSSL returns 0 for it. */
    if (br_rsa_public_get_default()(opened, n.n, &pk) != 1)
        return false;
    encode_message(expected, n.n, hash, msg);
    return memcmp(opened, expected, n.n) == 0;
}

/* What BearSSL takes for granted and the memory it works in depends on. Whether the numbers belong
 * together is shown by the signature that they make. */
static bool private_key_is_sane(const struct rsa_key *k)
{
    size_t n_bits = bit_len(k->n), sum = bit_len(k->p) + bit_len(k->q);
    bool full = k->dp.n > 0 && k->dq.n > 0 && k->iqmp.n > 0;
    bool fits = k->dp.n <= k->p.n && k->dq.n <= k->q.n && k->iqmp.n <= k->p.n;
    return public_key_is_sane(k->n, k->e) && full && fits && is_odd(k->p) && is_odd(k->q) && k->p.n > 1 &&
           k->q.n > 1 && (sum == n_bits || sum == n_bits + 1);
}

/* A copy that BearSSL may have writable, in one buffer that can be wiped at once. */
struct private_copy {
    uint8_t bytes[4 * RSA_MAX_LEN];
    size_t used;
};

static uint8_t *copy_number(struct private_copy *c, struct span s)
{
    uint8_t *at = c->bytes + c->used;
    memcpy(at, s.p, s.n);
    c->used += s.n;
    return at;
}

/* It fits: each of the three is no longer than its prime, the primes together are no longer than the
 * modulus and two bytes, and neither is longer than the modulus. */
static bool sign_raw(enum hash_alg hash, const struct rsa_key *k, struct span msg, uint8_t *sig)
{
    struct private_copy c = {.used = 0};
    uint8_t em[RSA_MAX_LEN];
    br_rsa_private_key sk = {
        .n_bitlen = (uint32_t)bit_len(k->n),
        .p = copy_number(&c, k->p),
        .plen = k->p.n,
        .q = copy_number(&c, k->q),
        .qlen = k->q.n,
        .dp = copy_number(&c, k->dp),
        .dplen = k->dp.n,
        .dq = copy_number(&c, k->dq),
        .dqlen = k->dq.n,
        .iq = copy_number(&c, k->iqmp),
        .iqlen = k->iqmp.n,
    };
    encode_message(em, k->n.n, hash, msg);
    bool ok = br_rsa_private_get_default()(em, &sk) == 1;
    memcpy(sig, em, k->n.n);
    adit_wipe(&c, sizeof c);
    adit_wipe(em, sizeof em);
    return ok;
}

bool rsa_sign(enum hash_alg hash, const struct rsa_key *key, struct span msg, uint8_t *sig)
{
    struct rsa_key k = {
        .n = strip_zeros(key->n),
        .e = strip_zeros(key->e),
        .p = strip_zeros(key->p),
        .q = strip_zeros(key->q),
        .dp = strip_zeros(key->dp),
        .dq = strip_zeros(key->dq),
        .iqmp = strip_zeros(key->iqmp),
    };
    if (!hash_is_allowed(hash) || !private_key_is_sane(&k))
        return false;
    /* A wrong half of the CRT would let anyone compute a prime from the signature (Boneh, DeMillo,
     * Lipton 1997): no byte of one leaves this function. */
    if (sign_raw(hash, &k, msg, sig) && rsa_verify(hash, k.n, k.e, msg, span_make(sig, k.n.n)))
        return true;
    adit_wipe(sig, k.n.n);
    return false;
}

/* ---- d mod (p - 1) ----------------------------------------------------------------------------- */

/* Little-endian words; one bit more than p has room, for the doubled remainder. */
enum { PRIME_MAX_LEN = RSA_MAX_LEN / 2 + 1, PRIME_WORDS = PRIME_MAX_LEN / 4 + 1 };

static void words_from_bytes(uint32_t w[PRIME_WORDS], struct span s)
{
    memset(w, 0, PRIME_WORDS * sizeof w[0]);
    for (size_t i = 0; i < s.n; i++)
        w[i / 4] |= (uint32_t)s.p[s.n - 1 - i] << 8 * (i % 4);
}

static void words_to_bytes(uint8_t *out, size_t n, const uint32_t w[PRIME_WORDS])
{
    for (size_t i = 0; i < n; i++)
        out[n - 1 - i] = (uint8_t)(w[i / 4] >> 8 * (i % 4));
}

/* r = 2 r + bit. */
static void words_push_bit(uint32_t r[PRIME_WORDS], uint32_t bit)
{
    for (size_t i = 0; i < PRIME_WORDS; i++) {
        uint32_t out = r[i] >> (WORD_BITS - 1);
        r[i] = r[i] << 1 | bit;
        bit = out;
    }
}

/* r = r - m if that is not negative; both ways do the same work. */
static void words_reduce_once(uint32_t r[PRIME_WORDS], const uint32_t m[PRIME_WORDS])
{
    uint32_t diff[PRIME_WORDS];
    uint32_t borrow = 0;
    for (size_t i = 0; i < PRIME_WORDS; i++) {
        uint64_t d = (uint64_t)r[i] - m[i] - borrow;
        diff[i] = (uint32_t)d;
        borrow = (uint32_t)(d >> 63);
    }
    uint32_t keep = 0U - borrow; /* all ones: r was below m */
    for (size_t i = 0; i < PRIME_WORDS; i++)
        r[i] = (r[i] & keep) | (diff[i] & ~keep);
    adit_wipe(diff, sizeof diff);
}

/* Long division, one bit of d at a time. Every step does the same work, whatever the bits are. */
bool rsa_derive_exponent(struct span d, struct span p, uint8_t *out, size_t *out_len)
{
    uint32_t m[PRIME_WORDS];
    uint32_t r[PRIME_WORDS] = {0};
    p = strip_zeros(p);
    d = strip_zeros(d);
    if (!is_odd(p) || bit_len(p) < 2 || p.n > PRIME_MAX_LEN || d.n == 0 || d.n > RSA_MAX_LEN)
        return false;
    words_from_bytes(m, p);
    m[0] &= ~(uint32_t)1; /* p is odd: this is p - 1 */
    for (size_t i = 0; i < 8 * d.n; i++) {
        words_push_bit(r, (uint32_t)d.p[i / 8] >> (7 - i % 8) & 1U);
        words_reduce_once(r, m);
    }
    words_to_bytes(out, p.n, r);
    *out_len = p.n;
    adit_wipe(m, sizeof m);
    adit_wipe(r, sizeof r);
    return true;
}
