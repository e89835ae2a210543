/*
 * sha256_x86.h - SHA-256's compression by x86's SHA instructions (Intel SDM vol. 2, SHA256RNDS2 and its two
 * neighbours). Of crypto/ alone.
 */
#ifndef CRYPTO_SHA256_X86_H
#define CRYPTO_SHA256_X86_H

#include "sha256.h"

#ifdef __x86_64__
/* Only where cpu()->has_sha. */
sha256_compress sha256_x86_compress;
sha256_compress_two sha256_x86_compress_two;
#endif

#endif
