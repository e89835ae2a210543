/*
 * sha256.h - SHA-256 (FIPS 180-4) around a compression function that suits this CPU. Of crypto/ alone.
 */
#ifndef CRYPTO_SHA256_H
#define CRYPTO_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "adit.h"

/* FIPS 180-4 §6.2.2: mixes `count` blocks of 64 bytes, at any alignment, into the eight words of h. Time
 * depends on count alone. All of them keep h alike, so that one may go on where another stopped. */
typedef void sha256_compress(uint32_t h[8], const uint8_t *blocks, size_t count);

/* The fastest one that cpu() allows; NULL: none of ours is faster than the libraries' code. */
sha256_compress *sha256_compress_choose(void);

/* The same for two hashes side by side, of `count` blocks each. */
typedef void sha256_compress_two(uint32_t h_a[8], const uint8_t *blocks_a, uint32_t h_b[8],
                                 const uint8_t *blocks_b, size_t count);

/* NULL: here two side by side are not faster than one after the other. */
sha256_compress_two *sha256_compress_two_choose(void);

/* May be copied by assignment at any time; the copy goes on by itself. Holds no secret of its own, but
 * what it was fed with: its owner wipes it. */
struct sha256 {
    sha256_compress *compress;
    uint64_t len; /* bytes so far */
    uint32_t h[8];
    uint8_t buffer[64]; /* len % 64 bytes that are still to be compressed */
};
void sha256_init(struct sha256 *s, sha256_compress *compress);
/* p may be NULL when n is 0. Whole blocks are read where they are. */
void sha256_update(struct sha256 *s, const uint8_t *p, size_t n);
/* sha256_update of both; the whole blocks that both have go through `two`. */
void sha256_update_two(struct sha256 *a, struct span of_a, struct sha256 *b, struct span of_b,
                       sha256_compress_two *two);
/* Ends s: out is the hash, s is only good for wiping then. */
void sha256_end(struct sha256 *s, uint8_t out[32]);

#endif
