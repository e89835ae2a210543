/*
 * random.h - randomness of the operating system: the seed of everything that adit makes up.
 */
#ifndef NET_RANDOM_H
#define NET_RANDOM_H

#include "adit.h"

/* Fills out with n bytes of the kernel's generator, once that is seeded: by getrandom(2); on kernels without
 * it by /dev/urandom after /dev/random was readable once. Any failure is ADIT_E_SYSTEM, out is wiped then,
 * and the caller must not go on: there is no weaker source to fall back to. */
enum adit_err random_seed(void *out, size_t n, struct adit_error *err) ADIT_MUST_USE;

#endif
