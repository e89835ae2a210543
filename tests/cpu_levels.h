/*
 * cpu_levels.h - kinds of CPU for the tests of code that is chosen at run time: each is what this CPU has of
 * it.
 */
#ifndef CPU_LEVELS_H
#define CPU_LEVELS_H

#include "../crypto/cpu.h"
#include "../crypto/crypto.h"
#include "test.h"

static const struct {
    const char *name;
    struct cpu most;
} cpu_levels[] = {
    {"no instructions", {.has_aes = false}},
    {"aes", {.has_aes = true}},
    {"avx2", {.has_aes = true, .has_avx2 = true}},
    {"avx2, sha", {.has_aes = true, .has_avx2 = true, .has_sha = true}},
    {"avx2, vaes", {.has_aes = true, .has_avx2 = true, .has_vaes = true}},
    {"avx512, no vaes", {.has_aes = true, .has_avx2 = true, .has_avx512 = true}},
    {"all",
     {.has_aes = true,
      .has_sha = true,
      .has_avx2 = true,
      .has_avx512 = true,
      .has_ifma = true,
      .has_vaes = true}},
};

/* crypto_init on a CPU with no more than this level; level 0 is the portable code, on every machine. */
static inline void cpu_level_set(size_t level)
{
    cpu_limit(&cpu_levels[level].most);
    assert_true(crypto_init());
}

#endif
