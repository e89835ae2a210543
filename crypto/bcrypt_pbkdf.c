/*
 * bcrypt_pbkdf.c - the key derivation of passphrase-protected OpenSSH key files.
 *
 * Provos and Mazieres' bcrypt ("A Future-Adaptable Password Scheme", 1999) with OpenBSD's changes:
 * the passphrase and the salt go through SHA-512 first, a "hash" is 32 bytes, and a PBKDF2-like loop
 * xors the rounds together and scatters the bytes over the output.
 *
 * Not constant time, by the algorithm: Blowfish looks up its S-boxes at places that depend on the
 * key, so that whoever shares this machine's caches may learn something of the passphrase. It runs
 * only on a key file of one's own, and nobody afar can make it run.
 */
#include <string.h>

#include "blowfish_tables.h"
#include "crypto.h"

enum { HASH_WORDS = 8, HASH_BYTES = 4 * HASH_WORDS, SHA512_LEN = 64, MAX_OUT = 1024 };

struct blowfish {
    uint32_t p[BLOWFISH_SUBKEYS];
    uint32_t s[BLOWFISH_SBOXES][BLOWFISH_SBOX_LEN];
};

/* 64 bytes (a SHA-512 value) read as 16 words, over and over. */
struct word_ring {
    uint32_t w[SHA512_LEN / 4];
    size_t at;
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void ring_init(struct word_ring *r, const uint8_t bytes[SHA512_LEN])
{
    for (size_t i = 0; i < ADIT_COUNT(r->w); i++)
        r->w[i] = be32(bytes + 4 * i);
    r->at = 0;
}

static uint32_t ring_next(struct word_ring *r)
{
    uint32_t w = r->w[r->at];
    r->at = (r->at + 1) % ADIT_COUNT(r->w);
    return w;
}

static uint32_t blowfish_f(const struct blowfish *b, uint32_t x)
{
    uint32_t y = b->s[0][x >> 24] + b->s[1][x >> 16 & 0xff];
    return (y ^ b->s[2][x >> 8 & 0xff]) + b->s[3][x & 0xff];
}

/* One block of two words: 16 Feistel rounds, two at a time so that the halves need no swap. */
static void blowfish_encrypt(const struct blowfish *b, uint32_t *left, uint32_t *right)
{
    uint32_t l = *left ^ b->p[0];
    uint32_t r = *right;
    for (size_t i = 1; i < BLOWFISH_SUBKEYS - 1; i += 2) {
        r ^= blowfish_f(b, l) ^ b->p[i];
        l ^= blowfish_f(b, r) ^ b->p[i + 1];
    }
    *left = r ^ b->p[BLOWFISH_SUBKEYS - 1];
    *right = l;
}

/* Replaces n words of the state, which is a chain of encryptions by the state as it then stands.
 * Without a salt the chain starts from zero and nothing is mixed in. */
static void blowfish_refill(struct blowfish *b, uint32_t *words, size_t n, struct word_ring *salt,
                            uint32_t chain[2])
{
    for (size_t i = 0; i < n; i += 2) {
        if (salt != NULL) {
            chain[0] ^= ring_next(salt);
            chain[1] ^= ring_next(salt);
        }
        blowfish_encrypt(b, &chain[0], &chain[1]);
        words[i] = chain[0];
        words[i + 1] = chain[1];
    }
}

/* bcrypt's ExpandKey; its plain Blowfish form when salt is NULL. */
static void blowfish_expand(struct blowfish *b, struct word_ring *salt, struct word_ring *key)
{
    uint32_t chain[2] = {0, 0};
    key->at = 0;
    for (size_t i = 0; i < BLOWFISH_SUBKEYS; i++)
        b->p[i] ^= ring_next(key);
    if (salt != NULL)
        salt->at = 0;
    blowfish_refill(b, b->p, BLOWFISH_SUBKEYS, salt, chain);
    for (size_t i = 0; i < BLOWFISH_SBOXES; i++)
        blowfish_refill(b, b->s[i], BLOWFISH_SBOX_LEN, salt, chain);
    adit_wipe(chain, sizeof chain);
}

static void blowfish_setup(struct blowfish *b, struct word_ring *pass, struct word_ring *salt)
{
    memcpy(b->p, blowfish_pi_p, sizeof b->p);
    memcpy(b->s, blowfish_pi_s, sizeof b->s);
    blowfish_expand(b, salt, pass);
    for (int i = 0; i < 64; i++) {
        blowfish_expand(b, NULL, salt);
        blowfish_expand(b, NULL, pass);
    }
}

/* The core: 64 expansions, then a fixed text encrypted 64 times. Words leave little-endian. */
static void bcrypt_hash(uint8_t out[HASH_BYTES], const uint8_t pass_hash[SHA512_LEN],
                        const uint8_t salt_hash[SHA512_LEN])
{
    static const char magic[] = "OxychromaticBlowfishSwatDynamite";
    struct blowfish b;
    struct word_ring pass, salt;
    uint32_t w[HASH_WORDS];
    ring_init(&pass, pass_hash);
    ring_init(&salt, salt_hash);
    blowfish_setup(&b, &pass, &salt);
    for (size_t i = 0; i < HASH_WORDS; i++)
        w[i] = be32((const uint8_t *)magic + 4 * i);
    for (int n = 0; n < 64; n++)
        for (size_t i = 0; i < HASH_WORDS; i += 2)
            blowfish_encrypt(&b, &w[i], &w[i + 1]);
    for (size_t i = 0; i < HASH_BYTES; i++)
        out[i] = (uint8_t)(w[i / 4] >> 8 * (i % 4));
    adit_wipe(&b, sizeof b);
    adit_wipe(&pass, sizeof pass);
    adit_wipe(&salt, sizeof salt);
    adit_wipe(w, sizeof w);
}

static void hash_salt(uint8_t out[SHA512_LEN], struct span salt, uint32_t block)
{
    struct hash h;
    uint8_t number[4] = {(uint8_t)(block >> 24), (uint8_t)(block >> 16), (uint8_t)(block >> 8),
                         (uint8_t)block};
    hash_init(&h, HASH_SHA512);
    hash_update(&h, salt.p, salt.n);
    hash_update(&h, number, sizeof number);
    hash_out(&h, out);
    adit_wipe(&h, sizeof h);
}

/* Block number `block` (from 1): the xor of all rounds, each salted with the hash of the last. */
static void derive_block(uint8_t out[HASH_BYTES], const uint8_t pass_hash[SHA512_LEN], struct span salt,
                         uint32_t block, uint32_t rounds)
{
    uint8_t salt_hash[SHA512_LEN];
    uint8_t last[HASH_BYTES];
    hash_salt(salt_hash, salt, block);
    bcrypt_hash(last, pass_hash, salt_hash);
    memcpy(out, last, HASH_BYTES);
    for (uint32_t round = 1; round < rounds; round++) {
        hash_of(HASH_SHA512, span_make(last, sizeof last), salt_hash);
        bcrypt_hash(last, pass_hash, salt_hash);
        for (size_t i = 0; i < HASH_BYTES; i++)
            out[i] ^= last[i];
    }
    adit_wipe(salt_hash, sizeof salt_hash);
    adit_wipe(last, sizeof last);
}

/* Not PBKDF2's order: byte i of block b goes to i * blocks + b, so that every part of the output
 * needs every block. */
bool bcrypt_pbkdf(struct span passphrase, struct span salt, uint32_t rounds, uint8_t *out, size_t out_len)
{
    uint8_t pass_hash[SHA512_LEN];
    uint8_t block[HASH_BYTES];
    if (rounds < 1 || passphrase.n == 0 || salt.n == 0 || out_len == 0 || out_len > MAX_OUT)
        return false;
    size_t blocks = (out_len + HASH_BYTES - 1) / HASH_BYTES;
    hash_of(HASH_SHA512, passphrase, pass_hash);
    for (size_t b = 0; b < blocks; b++) {
        derive_block(block, pass_hash, salt, (uint32_t)b + 1, rounds);
        for (size_t i = 0; i * blocks + b < out_len; i++)
            out[i * blocks + b] = block[i];
    }
    adit_wipe(pass_hash, sizeof pass_hash);
    adit_wipe(block, sizeof block);
    return true;
}
