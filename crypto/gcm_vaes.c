/*
 * gcm_vaes.c - two widths of one loop: 512 bits (AVX-512) with 32 blocks at a time, and 256 for CPUs that
 * have VAES without it, with 16. The rest of a message is gcm_x86.c's.
 */
#include "gcm_vaes.h"

#ifdef __x86_64__
#include <immintrin.h>

#include "cpu.h"

#define EACH _Pragma("GCC unroll 8") for (size_t i = 0; i < GCM_X86_VECTORS; i++)

/* ---- 256 bits ------------------------------------------------------------------------------------------- */

#define W(name)       name##_256
#define VECTOR        __attribute__((target("avx2,vaes,vpclmulqdq,aes,pclmul")))
#define VEC           __m256i
#define BLOCKS        2
#define OP(name)      _mm256_##name
#define VEC_ZERO      _mm256_setzero_si256()
#define VEC_XOR(a, b) _mm256_xor_si256(a, b)
#define VEC_LOAD(p)   _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define VEC_STORE     store_256
#define BROADCAST(v)  _mm256_broadcastsi128_si256(v)
#define WIDEN(v)      _mm256_zextsi128_si256(v)
#define FIRST(v)      _mm256_castsi256_si128(v)
#define FOLDED(v)     _mm_xor_si128(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1))
#define COUNTERS      _mm256_set_epi32(0, 0, 0, 1, 0, 0, 0, 0)
#define COUNTERS_STEP _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2)

VECTOR static inline void store_256(void *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)p, v);
}

#include "gcm_vaes_loop.h"

#undef W
#undef VECTOR
#undef VEC
#undef BLOCKS
#undef OP
#undef VEC_ZERO
#undef VEC_XOR
#undef VEC_LOAD
#undef VEC_STORE
#undef BROADCAST
#undef WIDEN
#undef FIRST
#undef FOLDED
#undef COUNTERS
#undef COUNTERS_STEP

/* ---- 512 bits ------------------------------------------------------------------------------------------- */

#define W(name)       name##_512
#define VECTOR        __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq,aes,pclmul")))
#define VEC           __m512i
#define BLOCKS        4
#define OP(name)      _mm512_##name
#define VEC_ZERO      _mm512_setzero_si512()
#define VEC_XOR(a, b) _mm512_xor_si512(a, b)
#define VEC_LOAD(p)   _mm512_loadu_si512(p)
#define VEC_STORE     _mm512_storeu_si512
#define BROADCAST(v)  _mm512_broadcast_i32x4(v)
#define WIDEN(v)      _mm512_zextsi128_si512(v)
#define FIRST(v)      _mm512_castsi512_si128(v)
#define FOLDED(v)     folded_512(v)
#define COUNTERS      _mm512_set_epi32(0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0)
#define COUNTERS_STEP _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4)

VECTOR static inline __m128i folded_512(__m512i v)
{
    __m256i half = _mm256_xor_si256(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

#include "gcm_vaes_loop.h"

/* ---- The choice ------------------------------------------------------------------------------------------ */

const struct gcm_x86_kernel *gcm_vaes_kernel(void)
{
    if (!cpu()->has_vaes)
        return NULL;
    return cpu()->has_avx512 ? &kernel_512 : &kernel_256;
}
#endif
