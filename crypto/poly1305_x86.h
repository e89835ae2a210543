/*
 * poly1305_x86.h - Poly1305 (RFC 8439 §2.5) of a whole message: short ones by 64-bit arithmetic, long ones by
 * AVX2 or AVX-512 IFMA. Of crypto/ alone; nothing of it exists on other architectures than x86-64. Constant
 * time in all but the length.
 */
#ifndef CRYPTO_POLY1305_X86_H
#define CRYPTO_POLY1305_X86_H
#ifdef __x86_64__

#include <stddef.h>
#include <stdint.h>

/* The tag of n bytes under a key that is used once. Takes what cpu() allows; any n and alignment. */
void poly1305_x86_tag(uint8_t tag[16], const uint8_t *message, size_t n, const uint8_t key[32]);

#endif
#endif
