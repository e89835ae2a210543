/*
 * drbg.c - random bytes from one seed: ChaCha20 with fast key erasure.
 *
 * Each piece of key stream begins with the next key and the rest is given out, so that what was
 * given out cannot be computed again from what is left. A key makes one piece only: nonce and
 * counter stay zero.
 */
#include <string.h>

#include "internal.h"

enum { DRBG_PIECE = 512 };

void drbg_init(struct drbg *d, const uint8_t seed[32])
{
    memcpy(d->key, seed, sizeof d->key);
}

void drbg_bytes(struct drbg *d, void *out, size_t n)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    uint8_t piece[DRBG_PIECE];
    uint8_t *to = out;
    while (n > 0) {
        size_t give = n < sizeof piece - sizeof d->key ? n : sizeof piece - sizeof d->key;
        crypto_stream_chacha20(piece, sizeof d->key + give, nonce, d->key);
        memcpy(d->key, piece, sizeof d->key);
        memcpy(to, piece + sizeof d->key, give);
        to += give;
        n -= give;
    }
    adit_wipe(piece, sizeof piece);
}

void drbg_wipe(struct drbg *d)
{
    adit_wipe(d, sizeof *d);
}
