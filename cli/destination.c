#include "cli/destination.h"

#include <string.h>

#include "client/jump_spec.h"
#include "client/uri.h"

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
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("'`\"$\\;&<>|(){},", s.p[i]) != NULL)
            return false;
    return true;
}

static enum adit_err set_user(struct destination *d, struct span name, bool is_uri, struct adit_error *err)
{
    if (is_uri && !uri_decode(d->user, sizeof d->user, name))
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
    host = uri_without_brackets(host);
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
    if (!uri_take_port(&text, &d->port))
        return adit_fail(err, ADIT_E_USAGE, "the port in the destination is not one of 1 to 65535");
    return set_host(d, text, err);
}

enum adit_err destination_parse(struct destination *d, const char *text, bool *is_malformed,
                                struct adit_error *err)
{
    struct span rest = span_str(text), user;
    bool is_uri = uri_take_scheme(&rest, "ssh://");
    memset(d, 0, sizeof *d);
    *is_malformed = is_uri;
    if (is_uri && rest.n > 0 && memchr(rest.p, '/', rest.n) != NULL)
        return adit_fail(err, ADIT_E_USAGE, "%s: a path has no place in a destination", text);
    bool has_user = uri_take_user(&rest, &user);
    *is_malformed = is_uri || rest.n == 0 || (has_user && user.n == 0);
    enum adit_err e = has_user ? set_user(d, user, is_uri, err) : ADIT_E_OK;
    if (e != ADIT_E_OK)
        return e;
    return is_uri ? uri_host(d, rest, err) : set_host(d, rest, err);
}
