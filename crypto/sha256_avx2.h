/*
 * sha256_avx2.h - SHA-256's compression by AVX2 and BMI2, for CPUs without SHA instructions. Of crypto/
 * alone.
 */
#ifndef CRYPTO_SHA256_AVX2_H
#define CRYPTO_SHA256_AVX2_H

#include "sha256.h"

#ifdef __x86_64__
/* Only where cpu()->has_avx2. */
sha256_compress sha256_avx2_compress;
#endif

#endif
