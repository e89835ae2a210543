/*
 * socks_decoder.h - a second reader of SOCKS requests, for fuzz_socks_decoder.c: the tables of RFC 1928 §3,
 * §4 and §6, of RFC 1929 §2, and the memos of SOCKS 4 and 4a, over bytes that are all there. It shares no
 * code and no way of working with socks5/socks.c, which takes a byte at a time.
 */
#ifndef FUZZ_SOCKS_DECODER_H
#define FUZZ_SOCKS_DECODER_H

#include "adit.h"

enum socks_verdict { SOCKS_READS_ON, SOCKS_ASKS, SOCKS_REFUSES };

struct socks_reading {
    enum socks_verdict verdict;
    size_t used;      /* bytes that the verdict needed */
    uint8_t said[16]; /* what the server has said until then */
    size_t said_len;
    /* SOCKS_ASKS: */
    uint8_t version;
    bool is_name;
    struct span address; /* 4 or 16 bytes, or the name */
    uint16_t port;
};

/* data: all that the client sends. user, not NULL: he alone, with password, is let in. */
void socks_decode(struct socks_reading *r, struct span data, const char *user, const char *password);

#endif
