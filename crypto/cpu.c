/*
 * cpu.c - the CPU's own words: CPUID leaves 1 and 7, and XCR0 for what the kernel saves (Intel SDM vol. 1
 * §13.3, vol. 2 CPUID).
 */
#include "cpu.h"

#include <stddef.h>
#include <stdint.h>

static struct cpu allowed;
static struct cpu limit;
static bool is_limited;

#ifdef __x86_64__
#include <cpuid.h>

/* XCR0: the register states that the kernel saves. Asked only where OSXSAVE says that the instruction is
 * there. */
static uint32_t saved_states(void)
{
    uint32_t low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static struct cpu detected(void)
{
    enum { AVX_STATES = 0x06, AVX512_STATES = 0xe6 };
    const unsigned shuffles = bit_SSSE3 | bit_SSE4_1, aes = bit_AES | bit_PCLMUL | shuffles;
    const unsigned avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    unsigned a, b = 0, c = 0, d, c1 = 0, states = 0;
    struct cpu f = {0};

    if (!__get_cpuid(1, &a, &b, &c1, &d))
        return f;
    if ((c1 & bit_OSXSAVE) != 0)
        states = saved_states();
    b = c = 0;
    (void)__get_cpuid_count(7, 0, &a, &b, &c, &d);
    f.has_aes = (c1 & aes) == aes;
    f.has_sha = (b & bit_SHA) != 0 && (c1 & shuffles) == shuffles;
    f.has_avx2 = (states & AVX_STATES) == AVX_STATES && (b & bit_AVX2) != 0 && (b & bit_BMI2) != 0;
    f.has_avx512 = f.has_avx2 && (states & AVX512_STATES) == AVX512_STATES && (b & avx512) == avx512;
    f.has_ifma = f.has_avx512 && (b & bit_AVX512IFMA) != 0;
    f.has_vaes = f.has_avx2 && f.has_aes && (c & bit_VAES) != 0 && (c & bit_VPCLMULQDQ) != 0;
    return f;
}
#else
static struct cpu detected(void)
{
    return (struct cpu){0};
}
#endif

const struct cpu *cpu(void)
{
    return &allowed;
}

void cpu_detect(void)
{
    struct cpu f = detected();

    if (is_limited) {
        f.has_aes &= limit.has_aes;
        f.has_sha &= limit.has_sha;
        f.has_avx2 &= limit.has_avx2;
        f.has_avx512 &= limit.has_avx512;
        f.has_ifma &= limit.has_ifma;
        f.has_vaes &= limit.has_vaes;
    }
    allowed = f;
}

void cpu_limit(const struct cpu *most)
{
    is_limited = most != NULL;
    limit = most ? *most : (struct cpu){0};
}
