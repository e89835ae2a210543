#include "client/jump_spec.h"

#include <string.h>

#include "client/texts.h"
#include "client/uri.h"

bool jump_spec_is_user(struct span s)
{
    if (s.n == 0 || s.n > LIMIT_USER || s.p[0] == '-' || s.p[s.n - 1] == '\\')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool is_dash_next = s.p[i] == ' ' && i + 1 < s.n && s.p[i + 1] == '-';
        if (s.p[i] < ' ' || s.p[i] == 0x7f || is_dash_next || strchr("'`\";&<>|(){}", s.p[i]) != NULL)
            return false;
    }
    return true;
}

bool jump_spec_is_host(struct span s)
{
    if (s.n == 0 || s.n > LIMIT_HOST || s.p[0] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f || strchr("'`\"$\\;&<>|(){}[],", s.p[i]) != NULL)
            return false;
    return true;
}

static enum adit_err refuse(struct span text, const char *why, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_USAGE, "jump host '%.*s': %s",
                     (int)(text.n < JUMP_NAME_CAP ? text.n : JUMP_NAME_CAP), (const char *)text.p, why);
}

static void keep(char *to, struct span from)
{
    memcpy(to, from.p, from.n);
    to[from.n] = 0;
}

/* The user and its @ off the front; in a URI it may hold %-escapes. False: it is there and is none. */
static bool take_user(struct span *text, bool is_uri, char out[static LIMIT_USER + 1])
{
    struct span user;
    out[0] = 0;
    if (!uri_take_user(text, &user))
        return true;
    if (user.n > LIMIT_USER && !is_uri)
        return false;
    if (!is_uri)
        keep(out, user);
    else if (!uri_decode(out, LIMIT_USER + 1, user))
        return false;
    return jump_spec_is_user(span_str(out));
}

enum adit_err jump_spec_parse(struct jump_spec *out, struct span text, struct adit_error *err)
{
    struct span rest = text;
    memset(out, 0, sizeof *out);
    if (text.n >= sizeof out->name)
        return refuse(text, "it is too long", err);
    bool is_uri = uri_take_scheme(&rest, "ssh://");
    if (!take_user(&rest, is_uri, out->user))
        return refuse(text, "the user is missing or holds characters that are not allowed", err);
    if (!uri_take_port(&rest, &out->port))
        return refuse(text, "the port is not one of 1 to 65535 (an IPv6 address stands in brackets)", err);
    rest = uri_without_brackets(rest);
    if (!jump_spec_is_host(rest) || memchr(rest.p, '/', rest.n) != NULL)
        return refuse(text, "the host is missing or holds characters that are not allowed", err);
    keep(out->host, rest);
    keep(out->name, text);
    return ADIT_E_OK;
}

struct span jump_spec_last(struct span list, struct span *rest)
{
    size_t at = list.n;
    while (at > 0 && list.p[at - 1] != ',')
        at--;
    *rest = span_sub(list, 0, at > 0 ? at - 1 : 0);
    return span_sub(list, at, SIZE_MAX);
}

bool jump_spec_nearest(const char *list, char out[static LIMIT_HOST + 1])
{
    struct jump_spec spec;
    struct span rest;
    out[0] = 0;
    if (list == NULL || text_same(list, "none") ||
        jump_spec_parse(&spec, jump_spec_last(span_str(list), &rest), NULL) != ADIT_E_OK)
        return false;
    adit_format(out, LIMIT_HOST + 1, "%s", spec.host);
    return true;
}

enum adit_err jump_spec_check(const char *list, struct adit_error *err)
{
    struct span rest = span_str(list);
    struct jump_spec spec;
    size_t count = 0;
    if (text_same(list, "none"))
        return ADIT_E_OK;
    if (list[0] == ',')
        return refuse(rest, "an element of the list is empty", err);
    do {
        enum adit_err e = jump_spec_parse(&spec, jump_spec_last(rest, &rest), err);
        if (e != ADIT_E_OK)
            return e;
        if (++count > LIMIT_JUMPS)
            return adit_fail(err, ADIT_E_USAGE, "more than %d jump hosts", (int)LIMIT_JUMPS);
    } while (rest.n > 0);
    return ADIT_E_OK;
}
