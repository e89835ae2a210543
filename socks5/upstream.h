/*
 * upstream.h - the client's half of the way through a proxy, sans-I/O: HTTP CONNECT (RFC 9110 §9.3.6, Basic
 * credentials of RFC 7617) and SOCKS 5 (RFC 1928, user and password of RFC 1929).
 *
 * It never allocates, never reads past the proxy's answer (what comes behind it is the target's), and gives
 * the same results whether bytes come one at a time or all at once. After upstream_init:
 *
 *   loop: upstream_next:
 *     UPSTREAM_SEND       send upstream_out, upstream_out_consume what went
 *     UPSTREAM_NEED_MORE  upstream_feed what the proxy sends
 *     UPSTREAM_OPEN       the stream is ours and the target's
 *     UPSTREAM_FAILED     close; u->error says why
 *
 * The credentials are in `out` and `password` until they are sent, and in no text.
 */
#ifndef SOCKS5_UPSTREAM_H
#define SOCKS5_UPSTREAM_H

#include "adit.h"

enum upstream_kind { UPSTREAM_HTTP, UPSTREAM_SOCKS5 };

enum {
    UPSTREAM_SECRET_MAX = 255,         /* RFC 1929: one length byte each; ours for HTTP, too */
    UPSTREAM_OUT_CAP = 1536,           /* a CONNECT with the longest names and credentials */
    UPSTREAM_IN_CAP = 4 + 1 + 255 + 2, /* the longest SOCKS answer; of HTTP the status line's head */
    UPSTREAM_HTTP_MAX = 64 * 1024,     /* an answer's headers in all */
    UPSTREAM_ERROR_CAP = 96,
};

enum upstream_event { UPSTREAM_NEED_MORE, UPSTREAM_SEND, UPSTREAM_OPEN, UPSTREAM_FAILED };

/* Where to, and as whom. */
struct upstream_request {
    enum upstream_kind kind;
    const char *host; /* a name, or the text of an address without brackets */
    uint16_t port;
    struct span address;         /* 4 or 16 bytes when host is a literal; else empty */
    const char *user, *password; /* user NULL: none */
};

struct upstream {
    uint8_t state;
    bool is_http, has_user;
    uint16_t need;  /* SOCKS: bytes of the answer awaited, in all */
    uint32_t total; /* HTTP: bytes of the answer so far */
    uint16_t status;
    size_t in_len, out_from, out_len, request_len, secret_len;
    uint8_t in[UPSTREAM_IN_CAP];
    uint8_t out[UPSTREAM_OUT_CAP];
    uint8_t request[UPSTREAM_IN_CAP];            /* SOCKS: sent after the authentication */
    uint8_t secret[3 + 2 * UPSTREAM_SECRET_MAX]; /* SOCKS: RFC 1929's message */
    char error[UPSTREAM_ERROR_CAP]; /* plain ASCII; holds no byte of the proxy's and nothing secret */
};

/* Fails (UPSTREAM_FAILED) for a host or credentials that cannot be said in this protocol. */
void upstream_init(struct upstream *u, const struct upstream_request *r);
void upstream_wipe(struct upstream *u);

/* Consumes bytes of data up to the end of the answer and returns how many. Fewer than data.n only when the
 * event is not NEED_MORE any more: feed the rest after the event was dealt with; behind OPEN it is the
 * target's. */
size_t upstream_feed(struct upstream *u, struct span data) ADIT_MUST_USE;

enum upstream_event upstream_next(const struct upstream *u);

/* What is to be sent; valid until the next call on u. */
struct span upstream_out(const struct upstream *u);
void upstream_out_consume(struct upstream *u, size_t n);

#endif
