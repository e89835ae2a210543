/*
 * packets.h - binary packets for the tests of packet protection, and keys for them.
 *
 * The known answers of test_aead.c and test_ctr_hmac.c were made once with another implementation,
 * Python's `cryptography` package (OpenSSL), from the same packets and keys:
 *   packet of n bytes    uint32 n - 4, then (7 * i + 3) mod 256 at each place i
 *   key                  00 01 02 ...     MAC key 80 81 82 ...
 */
#ifndef PACKETS_H
#define PACKETS_H

#include "../crypto/crypto.h"
#include "unhex.h"

enum { TEST_PACKET_MAX = 35008 + 4 + CIPHER_TAG_MAX };

static inline void packet_make(uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(7 * i + 3);
    p[0] = (uint8_t)((n - 4) >> 24);
    p[1] = (uint8_t)((n - 4) >> 16);
    p[2] = (uint8_t)((n - 4) >> 8);
    p[3] = (uint8_t)(n - 4);
}

static inline void assert_packet(const uint8_t *p, size_t n)
{
    static uint8_t want[TEST_PACKET_MAX];
    packet_make(want, n);
    assert_memory_equal(p, want, n);
}

static inline void cipher_of(struct cipher *c, const char *alg, const char *mac, const char *iv_hex)
{
    uint8_t key[CIPHER_KEY_MAX], mackey[CIPHER_MACKEY_MAX], iv[CIPHER_IV_MAX] = {0};
    for (size_t i = 0; i < 64; i++) {
        key[i] = (uint8_t)i;
        mackey[i] = (uint8_t)(0x80 + i);
    }
    unhex(iv, sizeof iv, iv_hex);
    assert_non_null(cipher_alg_find(span_str(alg)));
    cipher_init(c, cipher_alg_find(span_str(alg)), mac ? mac_alg_find(span_str(mac)) : NULL, key, iv, mackey);
}

static inline void start_crypto(bool portable)
{
    crypto_force_portable(portable);
    assert_true(crypto_init());
}

/* Group setups: each group of packet tests runs on the fast and on the portable code. */
static inline int use_fast(void **state)
{
    (void)state;
    start_crypto(false);
    return 0;
}

static inline int use_portable(void **state)
{
    (void)state;
    start_crypto(true);
    return 0;
}

#endif
