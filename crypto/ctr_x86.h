/*
 * ctr_x86.h - AES-CTR with SSH's 128-bit counter (RFC 4344 §4) by AES-NI. Of crypto/ alone; nothing of it
 * exists on other architectures than x86-64.
 */
#ifndef CRYPTO_CTR_X86_H
#define CRYPTO_CTR_X86_H
#ifdef __x86_64__

#include "aes_x86.h"

/* XORs `blocks` blocks of 16 bytes, at any alignment, with the key stream; the big-endian counter goes on by
 * as many, with every carry. Only where cpu()->has_aes; VAES is used as cpu() allows at the time of the call,
 * with the same result. Constant time in key and data. */
void ctr_x86_run(const struct aes_x86_key *k, uint8_t counter[16], uint8_t *data, size_t blocks);

#endif
#endif
