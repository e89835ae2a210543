/*
 * forward_spec.h - what -L, -R, -D and -W say, in ssh's syntax.
 *
 *     -L [bind_address:]port:host:hostport      -D [bind_address:]port
 *     -R [bind_address:]port:host:hostport      -W host:port
 *     -R [bind_address:]port
 *
 * A Unix socket's path may stand for each [bind_address:]port and each host:hostport; it is told by its
 * slash. An address, host or path may stand in brackets, and must when it has a colon; a backslash keeps the
 * letter behind it. A listening port may be 0 (any free one). Ports may be names of /etc/services. Nothing is
 * looked up, bound or expanded here.
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
    FORWARD_BIND_PATH,    /* a Unix socket, its path in `address` as given: %-tokens are not replaced yet */
};

struct forward_spec {
    enum forward_type type;
    enum forward_bind bind;
    char address[LIMIT_HOST + 1]; /* with FORWARD_BIND_ADDRESS and FORWARD_BIND_PATH */
    uint16_t port;                /* to listen on; 0: any. Unused with -W and with a path */
    bool port_counts_up;          /* -L and -D: where it is busy, the next free one */
    bool target_is_path;          /* host is a Unix socket's path, as given; host_port is 0 */
    char host[LIMIT_HOST + 1];    /* the target; empty with -D, and with -R as a SOCKS server */
    uint16_t host_port;
};

/* Parses text. is_adit: with what ssh does not know, "-L 8080:80" for "-L 8080:localhost:80", and "10000+"
 * as a port of -L and -D: the first free one from there on.
 * ADIT_E_USAGE with what is wrong and how it should look. */
enum adit_err forward_spec_parse(struct forward_spec *out, enum forward_type type, const char *text,
                                 bool is_adit, struct adit_error *err) ADIT_MUST_USE;

/* The option letter: 'L', 'R', 'D', 'W'. */
char forward_spec_letter(enum forward_type type);

/* The same in all that they say. */
bool forward_spec_same(const struct forward_spec *a, const struct forward_spec *b);

/* Each client names its target by SOCKS. */
bool forward_spec_is_socks(const struct forward_spec *spec);

/* "host:port", with brackets around an IPv6 literal; a path; "-" where clients name it. Always
 * zero-terminated. */
enum { FORWARD_TARGET_CAP = LIMIT_HOST + 16 };
void forward_spec_target(const struct forward_spec *spec, char out[static FORWARD_TARGET_CAP]);

#endif
