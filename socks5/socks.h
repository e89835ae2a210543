/*
 * socks.h - the server's half of the SOCKS 4, 4a and 5 handshake, sans-I/O (RFC 1928, RFC 1929; SOCKS4 and
 * SOCKS4A memos), and of HTTP CONNECT, which the first byte tells apart.
 *
 * Bytes in by socks_feed, bytes out by socks_out, what is to be done by socks_next. It never allocates, never
 * reads past the end of the handshake (what a client sends behind its request belongs to the target),
 * and gives the same results whether bytes come one at a time or all at once. After socks_init:
 *
 *   loop: socks_next:
 *     SOCKS_SEND       send socks_out, socks_out_consume what went
 *     SOCKS_NEED_MORE  socks_feed what the client sends
 *     SOCKS_REQUEST    try s->request; answer once with socks_reply. Until then no byte is consumed
 *     SOCKS_GRANTED    the handshake is over: the stream is the client's and the target's
 *     SOCKS_FAILED     (everything was sent) close; s->error says why
 */
#ifndef SOCKS5_SOCKS_H
#define SOCKS5_SOCKS_H

#include "adit.h"
#include "socks5/http.h"

enum {
    SOCKS_USER_MAX = LIMIT_HOST + 2, /* a SOCKS4 user id; the memo sets no bound */
    SOCKS_HOST_CAP = LIMIT_HOST + 1, /* with its zero */
    SOCKS_IN_CAP =
        LIMIT_HOST + 2 + 1, /* the longest part: a SOCKS5 name and its port, and a user id with its zero */
    SOCKS_OUT_CAP = 144,    /* HTTP's longest answer; of SOCKS the longest in a row are 2 + 2 + 10 bytes */
    SOCKS_ERROR_CAP = 96,
    SOCKS_SECRET_MAX = 255, /* RFC 1929: one length byte each; ours for HTTP, too */
};

/* Reply codes, RFC 1928 §6. SOCKS4 knows granted (5A) and refused (5B) only; HTTP gets 200, 403 for
 * NOT_ALLOWED, and else 502. */
enum socks_result {
    SOCKS_OK = 0x00,
    SOCKS_GENERAL = 0x01,
    SOCKS_NOT_ALLOWED = 0x02,
    SOCKS_NET_UNREACHABLE = 0x03,
    SOCKS_HOST_UNREACHABLE = 0x04,
    SOCKS_REFUSED = 0x05,
    SOCKS_TTL_EXPIRED = 0x06,
    SOCKS_NO_COMMAND = 0x07,
    SOCKS_NO_ADDRESS_TYPE = 0x08,
};

enum socks_event {
    SOCKS_NEED_MORE,
    SOCKS_SEND,
    SOCKS_REQUEST,
    SOCKS_GRANTED,
    SOCKS_FAILED,
};

enum { SOCKS_HTTP = 1 };

struct socks_request {
    uint8_t version;           /* 4, 5 or SOCKS_HTTP */
    bool is_name;              /* to be looked up at the far end; otherwise host is a literal address */
    uint16_t port;             /* as sent; 0 is possible */
    char host[SOCKS_HOST_CAP]; /* "10.0.0.1", "2001:db8::1" (RFC 5952, no brackets), or the name as sent: 1 to
                                * 255 bytes without control characters, spaces or zeros */
};

struct socks {
    /* socks.c's own */
    uint8_t state;
    uint8_t command;
    bool takes_http;
    bool is_right, is_wrong; /* credentials came that are, so far */
    const char *user, *password;
    size_t need; /* the length of a part that says its own */
    size_t in_len, out_len;
    union {
        uint8_t in[SOCKS_IN_CAP];
        struct http http; /* once the first byte was HTTP's */
    };
    uint8_t out[SOCKS_OUT_CAP];
    struct socks_request request;
    bool is_denied;              /* FAILED for want of the right credentials, or of the method for them */
    char error[SOCKS_ERROR_CAP]; /* why it failed, for the log; plain ASCII, holds no byte of the client's */
};

/* Takes SOCKS from everybody. What clients send may be secret: socks_wipe at the end. */
void socks_init(struct socks *s);
void socks_wipe(struct socks *s);
/* Right behind socks_init. user, not NULL: only who names him and password (at most SOCKS_SECRET_MAX bytes
 * each; NULL: nobody knows it) is let in, by SOCKS 5's method 2 or HTTP's Basic, compared in constant time;
 * SOCKS 4 is refused. Both must stay until the request is known. takes_http: HTTP CONNECT, too. */
void socks_restrict(struct socks *s, const char *user, const char *password, bool takes_http);

/* Consumes bytes of data up to the end of the request and returns how many. Fewer than data.n only when the
 * request is complete or the handshake has failed: the rest is the target's, keep it. */
size_t socks_feed(struct socks *s, struct span data) ADIT_MUST_USE;

enum socks_event socks_next(const struct socks *s);

/* What is to be sent; valid until the next call on s. */
struct span socks_out(const struct socks *s);
void socks_out_consume(struct socks *s, size_t n);

/* Answers SOCKS_REQUEST: writes the reply for its version. The bound address is 0.0.0.0:0. Anything but
 * SOCKS_OK ends in SOCKS_FAILED once it is sent. Ignored in any other state. */
void socks_reply(struct socks *s, enum socks_result result);

#endif
