/* SOCKS requests before two readers: socks5/socks.c and the decoder of socks_decoder.h. The first byte says
 * whether a user is wanted; the rest is what the client sends. They must agree on each byte that is said, on
 * how many were taken, and on the request; addresses are compared with inet_ntop's and inet_pton's. */
#include <arpa/inet.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "fuzz/socks_decoder.h"
#include "socks5/socks.h"

enum { WANTS_USER = 1 };

static void drain(struct socks *s, uint8_t *said, size_t *len, size_t cap)
{
    struct span out = socks_out(s);
    ALWAYS(out.n <= cap - *len);
    memcpy(said + *len, out.p, out.n);
    *len += out.n;
    socks_out_consume(s, out.n);
}

/* The text of an address is that of the C library: but for "::1.2.3.4", which RFC 5952 §5 leaves to taste. */
static void same_address(const char *host, struct span address)
{
    uint8_t back[16];
    char text[INET6_ADDRSTRLEN];
    int family = address.n == 4 ? AF_INET : AF_INET6;
    static const uint8_t zeros[12];
    ALWAYS(inet_pton(family, host, back) == 1 && memcmp(back, address.p, address.n) == 0);
    ALWAYS(inet_ntop(family, address.p, text, sizeof text) != NULL);
    ALWAYS(strcmp(host, text) == 0 || (address.n == 16 && memcmp(address.p, zeros, sizeof zeros) == 0));
}

static void same_request(const struct socks_request *q, const struct socks_reading *r)
{
    ALWAYS(q->version == r->version && q->is_name == r->is_name && q->port == r->port);
    if (r->is_name)
        ALWAYS(span_is(r->address, q->host));
    else
        same_address(q->host, r->address);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct socks s;
    struct socks_reading r;
    uint8_t said[SOCKS_OUT_CAP];
    size_t said_len = 0;
    if (size == 0)
        return 0;
    struct span input = span_make(data + 1, size - 1);
    const char *user = data[0] & WANTS_USER ? "us" : NULL;
    socks_decode(&r, input, user, "pwd");
    socks_init(&s);
    socks_restrict(&s, user, "pwd", false);
    size_t used = socks_feed(&s, input);
    drain(&s, said, &said_len, sizeof said);
    ALWAYS(used == r.used);
    ALWAYS(said_len == r.said_len && memcmp(said, r.said, said_len) == 0);
    ALWAYS(socks_next(&s) == (r.verdict == SOCKS_ASKS      ? SOCKS_REQUEST
                              : r.verdict == SOCKS_REFUSES ? SOCKS_FAILED
                                                           : SOCKS_NEED_MORE));
    if (r.verdict == SOCKS_ASKS)
        same_request(&s.request, &r);
    socks_wipe(&s);
    return 0;
}
