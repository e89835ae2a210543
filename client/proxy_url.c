#include "client/proxy_url.h"

#include <string.h>

#include "client/units.h"

static enum adit_err refuse(struct proxy_url *out, const char *why, struct adit_error *err)
{
    proxy_url_wipe(out);
    return adit_fail(err, ADIT_E_CONFIG, "AditProxy: %s", why);
}

void proxy_url_wipe(struct proxy_url *u)
{
    adit_wipe(u, sizeof *u);
}

static bool take_prefix(struct span *text, const char *prefix)
{
    size_t n = strlen(prefix);
    if (text->n < n || memcmp(text->p, prefix, n) != 0)
        return false;
    *text = span_sub(*text, n, SIZE_MAX);
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: a bad escape, a zero byte, or too long. */
static bool decode(char out[static PROXY_URL_SECRET_CAP], struct span in)
{
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        int c = in.p[i];
        if (c == '%') {
            if (in.n - i < 3 || hex_digit(in.p[i + 1]) < 0 || hex_digit(in.p[i + 2]) < 0)
                return false;
            c = hex_digit(in.p[i + 1]) * 16 + hex_digit(in.p[i + 2]);
            i += 2;
        }
        if (c == 0 || n == PROXY_URL_SECRET_CAP - 1)
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}

/* "user:password@", the last @ of them; a password may be missing. */
static bool take_user(struct proxy_url *out, struct span *text)
{
    size_t at = text->n, colon = 0;
    while (at > 0 && text->p[at - 1] != '@')
        at--;
    if (at == 0)
        return true;
    struct span both = span_sub(*text, 0, at - 1);
    *text = span_sub(*text, at, SIZE_MAX);
    while (colon < both.n && both.p[colon] != ':')
        colon++;
    out->has_user = true;
    return decode(out->user, span_sub(both, 0, colon)) &&
           decode(out->password, span_sub(both, colon < both.n ? colon + 1 : colon, SIZE_MAX));
}

static bool take_host(struct proxy_url *out, struct span host)
{
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = span_sub(host, 1, host.n - 2);
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
    size_t end = 0;
    uint32_t port;
    if (text.n > 0 && text.p[0] == '[')
        while (end < text.n && text.p[end] != ']')
            end++;
    while (end < text.n && text.p[end] != ':')
        end++;
    if (end == text.n || !units_number(span_sub(text, end + 1, SIZE_MAX), 1, UINT16_MAX, &port))
        return false;
    out->port = (uint16_t)port;
    return take_host(out, span_sub(text, 0, end));
}

enum adit_err proxy_url_parse(struct proxy_url *out, const char *text, struct adit_error *err)
{
    struct span rest = span_str(text);
    memset(out, 0, sizeof *out);
    out->is_http = take_prefix(&rest, "http://");
    if (!out->is_http && !take_prefix(&rest, "socks5://"))
        return refuse(out, "it is neither http:// nor socks5://", err);
    if (rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    if (!take_user(out, &rest))
        return refuse(out, "the user name or the password is badly encoded or too long", err);
    if (!take_address(out, rest))
        return refuse(out, "a host and a port from 1 to 65535 are wanted behind the scheme", err);
    return ADIT_E_OK;
}
