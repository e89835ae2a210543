/*
 * sha256_plain.h - SHA-256's compression as FIPS 180-4 §6.2.2 writes it, and fast ones held against it. Its
 * constants are computed from their definition (§4.2.2: fractions of the cube roots of the first 64 primes).
 */
#ifndef SHA256_PLAIN_H
#define SHA256_PLAIN_H

#include <stdlib.h>
#include <string.h>

#include "../crypto/sha256.h"
#include "test.h"

static inline uint32_t sha256_plain_ror(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* The 32 bits after the point of the cube root of p: the largest r with r^3 <= p * 2^96, by halving; r has
 * 35 bits at the most. */
static inline uint32_t sha256_plain_cube_root(unsigned p)
{
    uint64_t r = 0;
    for (int bit = 34; bit >= 0; bit--) {
        uint64_t try = r | (uint64_t)1 << bit;
        /* try^3 against p * 2^96, in pieces of 32 bits: the high words decide. */
        uint64_t lo = (try & 0xffffffff) * (try & 0xffffffff);
        uint64_t mid = 2 * (try & 0xffffffff) * (try >> 32), hi = (try >> 32) * (try >> 32);
        uint64_t s0 = lo & 0xffffffff, s1 = (lo >> 32) + (mid & 0xffffffff), s2 = (mid >> 32) + hi;
        s2 += s1 >> 32;
        s1 &= 0xffffffff;
        uint64_t t = try & 0xffffffff, u = try >> 32;
        uint64_t c0 = s0 * t, c1 = (c0 >> 32) + s1 * t, c2 = s2 * t, c3 = 0;
        c2 += (c1 >> 32);
        c1 = (c1 & 0xffffffff) + s0 * u;
        c2 += (c1 >> 32) + s1 * u;
        c3 = (c2 >> 32) + s2 * u;
        if (c3 < p)
            r = try;
    }
    return (uint32_t)r;
}

static inline void sha256_plain_constants(uint32_t k[64])
{
    size_t have = 0;
    for (unsigned p = 2; have < 64; p++) {
        bool is_prime = true;
        for (unsigned d = 2; d * d <= p; d++)
            is_prime = is_prime && p % d != 0;
        if (is_prime)
            k[have++] = sha256_plain_cube_root(p);
    }
}

static inline void sha256_plain_block(uint32_t h[8], const uint32_t k[64], const uint8_t *m)
{
    uint32_t w[64], v[8];
    for (size_t t = 0; t < 16; t++)
        w[t] = (uint32_t)m[4 * t] << 24 | (uint32_t)m[4 * t + 1] << 16 | (uint32_t)m[4 * t + 2] << 8 |
               m[4 * t + 3];
    for (size_t t = 16; t < 64; t++) {
        uint32_t x = w[t - 15], y = w[t - 2];
        w[t] = (sha256_plain_ror(y, 17) ^ sha256_plain_ror(y, 19) ^ y >> 10) + w[t - 7] +
               (sha256_plain_ror(x, 7) ^ sha256_plain_ror(x, 18) ^ x >> 3) + w[t - 16];
    }
    for (size_t i = 0; i < 8; i++)
        v[i] = h[i];
    for (size_t t = 0; t < 64; t++) {
        uint32_t s1 = sha256_plain_ror(v[4], 6) ^ sha256_plain_ror(v[4], 11) ^ sha256_plain_ror(v[4], 25);
        uint32_t s0 = sha256_plain_ror(v[0], 2) ^ sha256_plain_ror(v[0], 13) ^ sha256_plain_ror(v[0], 22);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[t] + w[t];
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        for (size_t i = 7; i > 0; i--)
            v[i] = v[i - 1];
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (size_t i = 0; i < 8; i++)
        h[i] += v[i];
}

static inline void sha256_plain_compress(uint32_t h[8], const uint8_t *blocks, size_t count)
{
    static uint32_t k[64];
    if (k[0] == 0)
        sha256_plain_constants(k);
    for (; count > 0; count--, blocks += 64)
        sha256_plain_block(h, k, blocks);
}

/* xorshift64: bytes without a pattern, the same in every run. */
static inline void sha256_plain_fill(uint8_t *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        p[i] = (uint8_t)(seed >> 32);
    }
}

/* From any state, any number of blocks, at any alignment, in memory that ends with the last block. */
static inline void assert_compresses_as_plain(sha256_compress *compress)
{
    for (size_t count = 0; count <= 33; count++)
        for (size_t shift = 0; shift < 64; shift += 1 + shift / 16) {
            size_t n = shift + 64 * count;
            uint8_t *p = malloc(n + (n == 0));
            uint32_t guarded[10], want[8], *h = guarded + 1;
            assert_non_null(p);
            sha256_plain_fill(p, n, 88172645463325252 + n);
            sha256_plain_fill((uint8_t *)guarded, sizeof guarded, 362436069 + n);
            uint32_t before = guarded[0], after = guarded[9];
            memcpy(want, h, sizeof want);
            sha256_plain_compress(want, p + shift, count);
            compress(h, p + shift, count);
            assert_memory_equal(h, want, sizeof want);
            assert_true(guarded[0] == before && guarded[9] == after);
            free(p);
        }
}

static inline void sha256_plain_compress_two(uint32_t h_a[8], const uint8_t *blocks_a, uint32_t h_b[8],
                                             const uint8_t *blocks_b, size_t count)
{
    sha256_plain_compress(h_a, blocks_a, count);
    sha256_plain_compress(h_b, blocks_b, count);
}

/* From any two states, blocks of either at an alignment of its own, each in memory that ends with its last.
 */
static inline void assert_compresses_two_as_plain(sha256_compress_two *two)
{
    for (size_t count = 0; count <= 17; count++)
        for (size_t shift = 0; shift < 64; shift += 1 + shift / 16) {
            size_t other = (shift * 7 + count) % 64, n_a = shift + 64 * count, n_b = other + 64 * count;
            uint8_t *a = malloc(n_a + (n_a == 0)), *b = malloc(n_b + (n_b == 0));
            uint32_t guarded[19], want[19];
            assert_true(a != NULL && b != NULL);
            sha256_plain_fill(a, n_a, 88172645463325252 + n_a);
            sha256_plain_fill(b, n_b, 521288629 + n_b);
            sha256_plain_fill((uint8_t *)guarded, sizeof guarded, 362436069 + n_a);
            memcpy(want, guarded, sizeof want);
            sha256_plain_compress_two(want + 1, a + shift, want + 10, b + other, count);
            two(guarded + 1, a + shift, guarded + 10, b + other, count);
            assert_memory_equal(guarded, want, sizeof want); /* with the words around the states */
            free(a);
            free(b);
        }
}

#endif
