/*
 * proxy_url.h - what AditProxy says:
 *
 *     http://[user:password@]host:port      socks5://[user:password@]host:port
 *
 * User and password are percent-encoded (RFC 3986 §2.1); an IPv6 literal stands in brackets. No error repeats
 * any part of the value: it may hold a password.
 */
#ifndef CLIENT_PROXY_URL_H
#define CLIENT_PROXY_URL_H

#include "adit.h"

enum { PROXY_URL_SECRET_CAP = 256 };

struct proxy_url {
    bool is_http; /* else SOCKS 5 */
    bool has_user;
    char host[LIMIT_HOST + 1]; /* without brackets */
    uint16_t port;
    char user[PROXY_URL_SECRET_CAP], password[PROXY_URL_SECRET_CAP];
};

/* ADIT_E_CONFIG with what is wrong. */
enum adit_err proxy_url_parse(struct proxy_url *out, const char *text, struct adit_error *err) ADIT_MUST_USE;
void proxy_url_wipe(struct proxy_url *u);

#endif
