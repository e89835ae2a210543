/*
 * pem.h - the PEM envelope (RFC 7468, and RFC 1421's headers as far as they say "encrypted") and a strict
 * reader of the DER inside (X.690). For keyfile.c; nothing is allocated, all spans point into the input.
 */
#ifndef SSH_PEM_H
#define SSH_PEM_H

#include "adit.h"
#include "ssh/wire.h"

struct pem {
    struct span label;    /* "RSA PRIVATE KEY" */
    struct span body;     /* base64 with line ends */
    size_t line;          /* of the BEGIN line, from 1 */
    bool is_encrypted;    /* a Proc-Type header says so */
    struct span dek_info; /* the value of the DEK-Info header; empty when there is none */
};
enum pem_result { PEM_OK, PEM_NONE, PEM_CUT /* no END line with the label of the BEGIN line */ };
/* The first envelope whose label ends with `tail`; text before it is skipped. */
enum pem_result pem_find(struct pem *pem, struct span text, const char *tail) ADIT_MUST_USE;

enum {
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_SEQUENCE = 0x30,
    DER_CONTEXT_0 = 0xa0,
    DER_CONTEXT_1 = 0xa1,
};
/* The contents of the next element, which must have this tag and the shortest form of its length; else r
 * fails. */
struct span der_read(struct rd *r, uint8_t tag);
/* A non-negative INTEGER's magnitude without leading zeros; empty for 0. */
struct span der_read_uint(struct rd *r);
/* Skips the element when it is the next one. */
void der_skip_optional(struct rd *r, uint8_t tag);

#endif
