/*
 * aes_x86.h - the AES key schedule (FIPS 197 §5.2) by AES-NI, for the kernels that run AES themselves. Of
 * crypto/ alone; nothing of it exists on other architectures than x86-64.
 */
#ifndef CRYPTO_AES_X86_H
#define CRYPTO_AES_X86_H
#ifdef __x86_64__

#include "adit.h"

enum { AES_X86_ROUNDS_MAX = 14 };

/* The round keys as AESENC takes them. The first one is for the XOR before the first round, round[rounds] for
 * AESENCLAST. Aligned to 16 where the struct is: kernels of wider vectors load them unaligned or broadcast
 * them. Secret; may be copied; the owner wipes it. */
struct aes_x86_key {
    _Alignas(16) uint8_t round[AES_X86_ROUNDS_MAX + 1][16];
    unsigned rounds; /* 10, 12, 14 */
};

/* key: 16, 24 or 32 bytes. Only where cpu()->has_aes. Constant time; round keys that are not used are zero.
 */
void aes_x86_key_init(struct aes_x86_key *k, struct span key);

#endif
#endif
