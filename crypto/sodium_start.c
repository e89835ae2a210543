/*
 * sodium_start.c - libsodium, without what is never called.
 *
 * sodium_init chooses the fastest code for all that the library has, and so ties all of it to the program.
 * Its choices among Argon2, BLAKE2b, Salsa20 and AEGIS are answered here instead, and the linker leaves these
 * out: some 60 KB. The names are libsodium's own; one that it gives up is merely unused.
 */
#include <sodium.h>

#include "crypto/internal.h"

/* NOLINTBEGIN(bugprone-reserved-identifier) */
int _crypto_pwhash_argon2_pick_best_implementation(void);
int _crypto_generichash_blake2b_pick_best_implementation(void);
int _crypto_stream_salsa20_pick_best_implementation(void);
int _crypto_aead_aegis128l_pick_best_implementation(void);
int _crypto_aead_aegis256_pick_best_implementation(void);

int _crypto_pwhash_argon2_pick_best_implementation(void)
{
    return 0;
}

int _crypto_generichash_blake2b_pick_best_implementation(void)
{
    return 0;
}

int _crypto_stream_salsa20_pick_best_implementation(void)
{
    return 0;
}

int _crypto_aead_aegis128l_pick_best_implementation(void)
{
    return 0;
}

int _crypto_aead_aegis256_pick_best_implementation(void)
{
    return 0;
}
/* NOLINTEND(bugprone-reserved-identifier) */

bool sodium_start(void)
{
    return sodium_init() >= 0;
}
