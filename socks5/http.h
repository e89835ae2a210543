/*
 * http.h - HTTP CONNECT as a client says it to a proxy (RFC 9110 §9.3.6, RFC 9112 §3.2.3, Basic credentials
 * of RFC 7617), sans-I/O, for a port that speaks SOCKS too: socks.c uses it and has the answers.
 *
 * It knows no secret and judges no credentials. A request has no content here: one that announces some is
 * bad, and so is a head of more than HTTP_HEAD_MAX bytes. What comes behind the head is the target's.
 */
#ifndef SOCKS5_HTTP_H
#define SOCKS5_HTTP_H

#include "adit.h"

enum {
    HTTP_HEAD_MAX = 8 * 1024,
    HTTP_LINE_CAP = 720, /* a line is kept so far: the longest CONNECT, and credentials of 255 bytes each */
};

enum http_event {
    HTTP_NEED_MORE,
    HTTP_TARGET,      /* host, port, is_address: once, the first */
    HTTP_CREDENTIALS, /* user, password: any number of times */
    HTTP_END,         /* of the head */
    HTTP_BAD,         /* it is none, or one that is not taken; also instead of HTTP_TARGET */
};

struct http {
    uint16_t total, len; /* bytes of the head; of the present line, also those that are not kept */
    bool has_target;
    /* Of an event, in line: valid until the next byte. */
    bool is_address; /* the host stood in brackets, and looks like an IPv6 address */
    uint16_t port;   /* 1 or more */
    struct span host, user, password;
    uint8_t line[HTTP_LINE_CAP];
};

void http_init(struct http *h);
/* Nothing more after HTTP_END and HTTP_BAD. */
enum http_event http_byte(struct http *h, uint8_t c);

#endif
