/*
 * sntrup761_poly.h - the two rings of Streamlined NTRU Prime 761: R/3 and R/q with R = Z[x]/(x^761 - x - 1),
 * q = 4591 (NTRU Prime, round-3 submission, §2.1 and §3). Within crypto/ only.
 *
 * An element of R/3 is 761 coefficients of {-1, 0, 1}. One of R/q is 768 coefficients in -2295..2295, those
 * from 761 on zero, so that loops over it are whole vectors. All polynomials are secret here: nothing
 * branches, indexes or divides by a coefficient, and what is put aside is wiped.
 */
#ifndef CRYPTO_SNTRUP761_POLY_H
#define CRYPTO_SNTRUP761_POLY_H

#include "crypto.h"

enum {
    SNTRUP_P = 761,
    SNTRUP_Q = 4591,
    SNTRUP_W = 286,    /* non-zero coefficients of a short polynomial */
    SNTRUP_ROOM = 768, /* coefficients of an element of R/q with its zeros */
};

/* Uniform in {-1, 0, 1}, up to 2^-30 (§3.1 "Small-Random"). */
void sntrup_small_random(int8_t out[SNTRUP_P], struct drbg *random);
/* Uniform among those with SNTRUP_W coefficients that are not zero: by sorting (§3.2 "Short-Random"). */
void sntrup_short_random(int8_t out[SNTRUP_P], struct drbg *random);
/* All ones when exactly SNTRUP_W coefficients are not zero, else 0. */
uint32_t sntrup_is_short(const int8_t a[SNTRUP_P]);

/* 1/a in R/3. Returns all ones, or 0 when there is none (out then means nothing). */
uint32_t sntrup_r3_invert(int8_t out[SNTRUP_P], const int8_t a[SNTRUP_P]);
void sntrup_r3_multiply(int8_t out[SNTRUP_P], const int8_t a[SNTRUP_P], const int8_t b[SNTRUP_P]);

/* 1/(3a) in R/q, which is a field: a is not zero. */
void sntrup_rq_invert3(int16_t out[SNTRUP_ROOM], const int8_t a[SNTRUP_P]);
void sntrup_rq_multiply(int16_t out[SNTRUP_ROOM], const int16_t a[SNTRUP_ROOM], const int8_t b[SNTRUP_P]);
/* Each coefficient to the nearest multiple of 3. */
void sntrup_rq_round(int16_t a[SNTRUP_ROOM]);
/* 3a in R/q, and its coefficients modulo 3. */
void sntrup_rq_triple_mod3(int8_t out[SNTRUP_P], const int16_t a[SNTRUP_ROOM]);

#endif
