/*
 * sntrup761_code.h - polynomials of Streamlined NTRU Prime 761 as bytes (round-3 submission, §3.3 and §4).
 * Within crypto/ only.
 *
 * Time does not depend on coefficients or bytes. Every string of bytes decodes to something: coefficients out
 * of range are taken modulo their range, as every implementation does, and a ciphertext that is not the one
 * encoding of its coefficients is found out by the decapsulation, which makes it again.
 */
#ifndef CRYPTO_SNTRUP761_CODE_H
#define CRYPTO_SNTRUP761_CODE_H

#include "sntrup761_poly.h"

enum { SNTRUP_SMALL_LEN = 191, SNTRUP_RQ_LEN = 1158, SNTRUP_ROUNDED_LEN = 1007 };

void sntrup_small_encode(uint8_t out[SNTRUP_SMALL_LEN], const int8_t a[SNTRUP_P]);
void sntrup_small_decode(int8_t out[SNTRUP_P], const uint8_t in[SNTRUP_SMALL_LEN]);
void sntrup_rq_encode(uint8_t out[SNTRUP_RQ_LEN], const int16_t a[SNTRUP_ROOM]);
void sntrup_rq_decode(int16_t out[SNTRUP_ROOM], const uint8_t in[SNTRUP_RQ_LEN]);
/* Of elements whose coefficients are multiples of 3. */
void sntrup_rounded_encode(uint8_t out[SNTRUP_ROUNDED_LEN], const int16_t a[SNTRUP_ROOM]);
void sntrup_rounded_decode(int16_t out[SNTRUP_ROOM], const uint8_t in[SNTRUP_ROUNDED_LEN]);

#endif
