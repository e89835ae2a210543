#include "client/jump_spec.h"

#include <string.h>

#include "client/texts.h"
#include "client/units.h"

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

/* The user and its @ off the front. False: it is there and is none. */
static bool take_user(struct span *text, char out[static LIMIT_USER + 1])
{
    size_t at = text->n;
    while (at > 0 && text->p[at - 1] != '@')
        at--;
    out[0] = 0;
    if (at == 0)
        return true;
    struct span user = span_sub(*text, 0, at - 1);
    if (!jump_spec_is_user(user))
        return false;
    keep(out, user);
    *text = span_sub(*text, at, SIZE_MAX);
    return true;
}

/* The port and its colon off the end. False: it is there and is none. */
static bool take_port(struct span *text, uint16_t *port)
{
    size_t end = 0;
    uint32_t number = 0;
    if (text->n > 0 && text->p[0] == '[')
        while (end < text->n && text->p[end] != ']')
            end++;
    while (end < text->n && text->p[end] != ':')
        end++;
    bool has_port = end < text->n;
    if (has_port && !units_number(span_sub(*text, end + 1, SIZE_MAX), 1, UINT16_MAX, &number))
        return false;
    *port = (uint16_t)number;
    *text = span_sub(*text, 0, end);
    return true;
}

static struct span without_brackets(struct span host)
{
    bool has = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    return has ? span_sub(host, 1, host.n - 2) : host;
}

enum adit_err jump_spec_parse(struct jump_spec *out, struct span text, struct adit_error *err)
{
    static const char scheme[] = "ssh://";
    struct span rest = text;
    memset(out, 0, sizeof *out);
    if (text.n >= sizeof out->name)
        return refuse(text, "it is too long", err);
    if (rest.n >= sizeof scheme - 1 && memcmp(rest.p, scheme, sizeof scheme - 1) == 0) {
        rest = span_sub(rest, sizeof scheme - 1, SIZE_MAX);
        if (rest.n > 0 && rest.p[rest.n - 1] == '/')
            rest.n--;
    }
    if (!take_user(&rest, out->user))
        return refuse(text, "the user is missing or holds characters that are not allowed", err);
    if (!take_port(&rest, &out->port))
        return refuse(text, "the port is not one of 1 to 65535 (an IPv6 address stands in brackets)", err);
    rest = without_brackets(rest);
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
