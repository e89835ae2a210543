/*
 * gcm_compare.h - a kernel of AES-GCM against the portable code: random keys, IVs and additional data, all
 * lengths where it changes its ways, and every alignment.
 */
#ifndef GCM_COMPARE_H
#define GCM_COMPARE_H
#ifdef __x86_64__

#include <stdlib.h>
#include <string.h>

#include "../crypto/crypto.h"
#include "../crypto/gcm_x86.h"
#include "test.h"

struct gcm_compare {
    const struct gcm_x86_kernel *wide; /* as gcm_x86_key_init takes it */
    struct drbg random;
    struct gcm_x86_key kernel_key;
    uint8_t key[32], iv[12], aad[64];
    size_t key_len;
};

/* From here on crypto.h's own AES-GCM is the portable one. */
static inline void gcm_compare_init(struct gcm_compare *c, const struct gcm_x86_kernel *wide)
{
    static const uint8_t seed[32] = "AES-GCM";

    crypto_force_portable(true);
    assert_true(crypto_init());
    memset(c, 0, sizeof *c);
    c->wide = wide;
    drbg_init(&c->random, seed);
}

static inline size_t gcm_compare_below(struct gcm_compare *c, size_t limit)
{
    uint32_t v;

    drbg_bytes(&c->random, &v, sizeof v);
    return v % limit;
}

static inline void gcm_compare_new_key(struct gcm_compare *c, size_t key_len)
{
    c->key_len = key_len;
    drbg_bytes(&c->random, c->key, sizeof c->key);
    gcm_x86_key_init(&c->kernel_key, span_make(c->key, key_len), c->wide);
}

/* One message in memory that ends with its tag and begins `from` bytes after a multiple of 64: a byte beyond
 * it is for ASan or valgrind to see, one before it is compared here. */
static inline void gcm_compare_message(struct gcm_compare *c, size_t n, size_t from)
{
    struct span key = span_make(c->key, c->key_len), aad;
    uint8_t *plain = malloc(n + 16), *want = malloc(n + 16);
    uint8_t *got, before[64];
    void *memory = NULL;
    struct gcm_x86_key moved = c->kernel_key;

    assert_true(plain && want && from <= sizeof before);
    assert_int_equal(posix_memalign(&memory, 64, from + n + 16), 0);
    got = (uint8_t *)memory + from;
    drbg_bytes(&c->random, c->iv, sizeof c->iv);
    drbg_bytes(&c->random, c->aad, sizeof c->aad);
    aad = span_make(c->aad, gcm_compare_below(c, 2) ? 4 : gcm_compare_below(c, sizeof c->aad + 1));
    drbg_bytes(&c->random, plain, n);
    drbg_bytes(&c->random, before, sizeof before);
    memcpy(want, plain, n);
    memcpy(got, plain, n);
    memcpy(memory, before, from);
    aes_gcm_seal(key, c->iv, aad, want, n, want + n);
    gcm_x86_seal(&moved, c->iv, aad, got, n, got + n);
    assert_memory_equal(got, want, n + 16);
    assert_true(gcm_x86_open(&moved, c->iv, aad, got, n, got + n));
    assert_memory_equal(got, plain, n);
    assert_memory_equal(got + n, want + n, 16);
    assert_memory_equal(memory, before, from);
    assert_memory_equal(&moved, &c->kernel_key, sizeof moved);
    free(plain);
    free(want);
    free(memory);
}

static inline void gcm_compare_short(struct gcm_compare *c)
{
    for (size_t key_len = 16; key_len <= 32; key_len += 8) {
        gcm_compare_new_key(c, key_len);
        for (size_t n = 0; n <= 600; n++)
            gcm_compare_message(c, n, n % 64);
    }
}

/* Around every number of whole batches up to four of the widest kernel. */
static inline void gcm_compare_batches(struct gcm_compare *c)
{
    for (size_t key_len = 16; key_len <= 32; key_len += 16) {
        gcm_compare_new_key(c, key_len);
        for (size_t n = 128; n <= (size_t)4 * 16 * GCM_X86_POWERS + 128; n += 128)
            for (size_t more = 0; more < 34; more += more < 2 ? 1 : 15)
                gcm_compare_message(c, n - 1 + more, gcm_compare_below(c, 64));
    }
}

static inline void gcm_compare_every_alignment(struct gcm_compare *c)
{
    gcm_compare_new_key(c, 16);
    for (size_t from = 0; from < 64; from++)
        gcm_compare_message(c, 1024 + 512 + 128 + 48, from);
}

static inline void gcm_compare_long(struct gcm_compare *c)
{
    for (int i = 0; i < 40; i++) {
        gcm_compare_new_key(c, i % 2 ? 16 : 32);
        gcm_compare_message(c, gcm_compare_below(c, 40001), gcm_compare_below(c, 64));
    }
}

static inline bool gcm_compare_opens(const struct gcm_compare *c, const uint8_t *sealed, size_t n)
{
    uint8_t copy[2048 + 16];

    assert_true(n + 16 <= sizeof copy);
    memcpy(copy, sealed, n + 16);
    return gcm_x86_open(&c->kernel_key, c->iv, span_make(c->aad, 20), copy, n, copy + n);
}

/* One wrong bit in any byte of the data, the tag, the additional data or the IV. */
static inline void gcm_compare_forgeries(struct gcm_compare *c)
{
    enum { LEN = 1024 + 512 + 128 + 23 };
    uint8_t sealed[LEN + 16] = {0};

    gcm_compare_new_key(c, 16);
    gcm_x86_seal(&c->kernel_key, c->iv, span_make(c->aad, 20), sealed, LEN, sealed + LEN);
    assert_true(gcm_compare_opens(c, sealed, LEN));
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= (uint8_t)(1 << i % 8);
        assert_false(gcm_compare_opens(c, sealed, LEN));
        sealed[i] ^= (uint8_t)(1 << i % 8);
    }
    for (size_t i = 0; i < 20 + sizeof c->iv; i++) {
        uint8_t *p = i < 20 ? &c->aad[i] : &c->iv[i - 20];
        *p ^= (uint8_t)(1 << i % 8);
        assert_false(gcm_compare_opens(c, sealed, LEN));
        *p ^= (uint8_t)(1 << i % 8);
    }
    assert_false(gcm_compare_opens(c, sealed, LEN - 1));
    assert_true(gcm_compare_opens(c, sealed, LEN));
}

#endif
#endif
