#include "client/proxy_url.h"

#include <string.h>

#include "client/uri.h"

static enum adit_err refuse(struct proxy_url *out, const char *why, struct adit_error *err)
{
    proxy_url_wipe(out);
    return adit_fail(err, ADIT_E_CONFIG, "AditProxy: %s", why);
}

void proxy_url_wipe(struct proxy_url *u)
{
    adit_wipe(u, sizeof *u);
}

/* "user:password@", the last @ of them; a password may be missing. */
static bool take_user(struct proxy_url *out, struct span *text)
{
    struct span both;
    size_t colon = 0;
    if (!uri_take_user(text, &both))
        return true;
    while (colon < both.n && both.p[colon] != ':')
        colon++;
    out->has_user = true;
    return uri_decode(out->user, sizeof out->user, span_sub(both, 0, colon)) &&
           uri_decode(out->password, sizeof out->password,
                      span_sub(both, colon < both.n ? colon + 1 : colon, SIZE_MAX));
}

static bool take_host(struct proxy_url *out, struct span host)
{
    host = uri_without_brackets(host);
    if (host.n == 0 || host.n > LIMIT_HOST)
        return false;
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] <= ' ' || host.p[i] == 0x7f || strchr("/?#@[]", host.p[i]) != NULL)
            return false;
    memcpy(out->host, host.p, host.n);
    out->host[host.n] = 0;
    return true;
}

static bool take_address(struct proxy_url *out, struct span text)
{
    return uri_take_port(&text, &out->port) && out->port != 0 && take_host(out, text);
}

enum adit_err proxy_url_parse(struct proxy_url *out, const char *text, struct adit_error *err)
{
    struct span rest = span_str(text);
    memset(out, 0, sizeof *out);
    out->is_http = uri_take_scheme(&rest, "http://");
    if (!out->is_http && !uri_take_scheme(&rest, "socks5://"))
        return refuse(out, "it is neither http:// nor socks5://", err);
    if (!take_user(out, &rest))
        return refuse(out, "the user name or the password is badly encoded or too long", err);
    if (!take_address(out, rest))
        return refuse(out, "a host and a port from 1 to 65535 are wanted behind the scheme", err);
    return ADIT_E_OK;
}
