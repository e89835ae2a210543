/*
 * chacha_x86.h - the original ChaCha20 (Bernstein, "ChaCha, a variant of Salsa20", 2008: 64-bit nonce and
 * 64-bit block counter) by AVX2 and AVX-512. Of crypto/ alone; nothing of it exists on other architectures
 * than x86-64. All of it only where cpu()->has_avx2; AVX-512 is taken by itself where cpu() has it. Constant
 * time.
 */
#ifndef CRYPTO_CHACHA_X86_H
#define CRYPTO_CHACHA_X86_H
#ifdef __x86_64__

#include <stddef.h>
#include <stdint.h>

enum { CHACHA_X86_BLOCK = 64, CHACHA_X86_HEAD = 4 * CHACHA_X86_BLOCK };

/* The blocks that begin a packet under two keys, in one pass: block 0 of first_key, then the blocks 0, 1 and
 * 2 of key. The stream is the caller's to wipe. */
void chacha_x86_head(uint8_t stream[CHACHA_X86_HEAD], const uint8_t first_key[32], const uint8_t key[32],
                     const uint8_t nonce[8]);

/* data ^= the key stream from the start of block counter on; after block 2^64 - 1 comes block 0. Any n and
 * alignment. Writes nothing outside data and leaves no key stream in its own memory. */
void chacha_x86_xor(uint8_t *data, size_t n, const uint8_t key[32], const uint8_t nonce[8], uint64_t counter);

#endif
#endif
