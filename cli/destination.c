#include "cli/destination.h"

#include <string.h>

#include "client/jump_spec.h"
#include "client/units.h"

bool destination_user_is_fine(const char *user)
{
    return jump_spec_is_user(span_str(user));
}

/* What may stand in a name that ends up in logs and commands. */
static bool is_host(struct span s)
{
    if (s.n == 0 || s.n > LIMIT_HOST || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("'`\"$\\;&<>|(){}", s.p[i]) != NULL)
            return false;
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 §2.1, of a user in a URI. False for a bad escape or one of the zero byte. */
static bool percent_decode(struct span in, char out[static LIMIT_USER + 1])
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
        if (n == LIMIT_USER || c == 0)
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}

static enum adit_err set_user(struct destination *d, struct span name, bool is_uri, struct adit_error *err)
{
    if (is_uri && !percent_decode(name, d->user))
        return adit_fail(err, ADIT_E_USAGE, "the user in the destination is not well encoded");
    if (!is_uri && name.n > LIMIT_USER)
        return adit_fail(err, ADIT_E_USAGE, "the user name is too long");
    if (!is_uri) {
        memcpy(d->user, name.p, name.n);
        d->user[name.n] = 0;
    }
    if (!destination_user_is_fine(d->user))
        return adit_fail(err, ADIT_E_USAGE, "remote username contains invalid characters: '%s'", d->user);
    return ADIT_E_OK;
}

static enum adit_err set_host(struct destination *d, struct span host, struct adit_error *err)
{
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = span_sub(host, 1, host.n - 2);
    if (!is_host(host))
        return adit_fail(err, ADIT_E_USAGE,
                         host.n == 0 ? "the hostname is missing" : "hostname contains invalid characters");
    memcpy(d->host, host.p, host.n);
    d->host[host.n] = 0;
    return ADIT_E_OK;
}

/* host[:port], where an IPv6 address stands in brackets. */
static enum adit_err uri_host(struct destination *d, struct span text, struct adit_error *err)
{
    size_t end = 0;
    uint32_t port;
    if (text.n > 0 && text.p[0] == '[')
        while (end < text.n && text.p[end] != ']')
            end++;
    while (end < text.n && text.p[end] != ':')
        end++;
    enum adit_err e = set_host(d, span_sub(text, 0, end), err);
    if (e != ADIT_E_OK || end == text.n)
        return e;
    if (!units_number(span_sub(text, end + 1, SIZE_MAX), 1, UINT16_MAX, &port))
        return adit_fail(err, ADIT_E_USAGE, "the port in the destination is not one of 1 to 65535");
    d->port = (uint16_t)port;
    return ADIT_E_OK;
}

/* Takes "user@" off the front; false when there is no '@'. */
static bool user_split(struct span *text, struct span *user)
{
    size_t at = text->n;
    while (at > 0 && text->p[at - 1] != '@')
        at--;
    *user = span_sub(*text, 0, at > 0 ? at - 1 : 0);
    *text = span_sub(*text, at, SIZE_MAX);
    return at > 0;
}

enum adit_err destination_parse(struct destination *d, const char *text, bool *is_malformed,
                                struct adit_error *err)
{
    static const char scheme[] = "ssh://";
    bool is_uri = strncmp(text, scheme, sizeof scheme - 1) == 0;
    struct span rest = span_str(is_uri ? text + sizeof scheme - 1 : text), user;
    memset(d, 0, sizeof *d);
    if (is_uri && rest.n > 0 && rest.p[rest.n - 1] == '/')
        rest.n--;
    *is_malformed = is_uri;
    if (is_uri && rest.n > 0 && memchr(rest.p, '/', rest.n) != NULL)
        return adit_fail(err, ADIT_E_USAGE, "%s: a path has no place in a destination", text);
    bool has_user = user_split(&rest, &user);
    *is_malformed = is_uri || rest.n == 0 || (has_user && user.n == 0);
    enum adit_err e = has_user ? set_user(d, user, is_uri, err) : ADIT_E_OK;
    if (e != ADIT_E_OK)
        return e;
    return is_uri ? uri_host(d, rest, err) : set_host(d, rest, err);
}
