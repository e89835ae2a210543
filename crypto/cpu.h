/*
 * cpu.h - which vector instructions may be used here: the CPU has them and the kernel saves their registers.
 * Of crypto/ alone. Everything is false on other architectures than x86-64.
 */
#ifndef CRYPTO_CPU_H
#define CRYPTO_CPU_H

#include <stdbool.h>

struct cpu {
    bool has_aes;    /* AES-NI, PCLMULQDQ, SSSE3 and SSE4.1 */
    bool has_sha;    /* SHA-256 instructions, SSSE3 and SSE4.1 */
    bool has_avx2;   /* AVX2 and BMI2 */
    bool has_avx512; /* F, BW, DQ and VL; implies has_avx2 */
    bool has_ifma;   /* AVX-512 IFMA; implies has_avx512 */
    bool has_vaes;   /* VAES and VPCLMULQDQ, beside has_avx2; in 512 bits where has_avx512 too */
};

/* What is allowed: what the CPU has, within cpu_limit. Nothing before cpu_detect. */
const struct cpu *cpu(void);

/* Asks the CPU. Called by crypto_init; not while another thread uses crypto/. */
void cpu_detect(void);

/* The next cpu_detect allows no more than this; NULL: everything. For tests of the paths of other CPUs. */
void cpu_limit(const struct cpu *most);

#endif
