/*
 * forward_spec.h - what -L, -R, -D and -W say, in ssh's syntax.
 *
 *     -L [bind_address:]port:host:hostport      -D [bind_address:]port
 *     -R [bind_address:]port:host:hostport      -W host:port
 *
 * An address or host may stand in brackets, and must when it is an IPv6 literal. A listening port may be 0
 * (any free one). Ports may be names of /etc/services. Nothing is looked up or bound here.
 */
#ifndef CLIENT_FORWARD_SPEC_H
#define CLIENT_FORWARD_SPEC_H

#include "adit.h"

enum forward_type { FORWARD_LOCAL, FORWARD_REMOTE, FORWARD_DYNAMIC, FORWARD_STDIO };

/* ssh's meaning of a bind address. */
enum forward_bind {
    FORWARD_BIND_DEFAULT, /* none was given: loopback, or every interface with GatewayPorts */
    FORWARD_BIND_LOCAL,   /* "localhost": 127.0.0.1 and ::1 */
    FORWARD_BIND_ALL,     /* "*" or the empty address */
    FORWARD_BIND_ADDRESS, /* the address or name in `address` */
};

struct forward_spec {
    enum forward_type type;
    enum forward_bind bind;
    char address[LIMIT_HOST + 1]; /* only with FORWARD_BIND_ADDRESS */
    uint16_t port;                /* to listen on; 0: any. Unused with -W */
    char host[LIMIT_HOST + 1];    /* the target; empty with -D */
    uint16_t host_port;
};

/* Parses text. short_form: "-L 8080:80" is taken as "-L 8080:localhost:80" (ssh does not know it).
 * ADIT_E_USAGE with what is wrong and how it should look; ADIT_E_UNSUPPORTED for forms of ssh that are not
 * there yet (Unix sockets, -R as a SOCKS server). */
enum adit_err forward_spec_parse(struct forward_spec *out, enum forward_type type, const char *text,
                                 bool short_form, struct adit_error *err) ADIT_MUST_USE;

/* The option letter: 'L', 'R', 'D', 'W'. */
char forward_spec_letter(enum forward_type type);

/* "host:port", with brackets around an IPv6 literal; "-" for -D. Always zero-terminated. */
enum { FORWARD_TARGET_CAP = LIMIT_HOST + 16 };
void forward_spec_target(const struct forward_spec *spec, char out[static FORWARD_TARGET_CAP]);

#endif
