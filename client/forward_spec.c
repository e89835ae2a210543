#include "client/forward_spec.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>

#include "client/units.h"

enum { FIELDS_MAX = 4 };

static const struct {
    char letter;
    const char *name; /* as ssh calls it in its messages */
    const char *form;
} types[] = {
    [FORWARD_LOCAL] = {'L', "local forwarding", "[bind_address:]port:host:hostport"},
    [FORWARD_REMOTE] = {'R', "remote forwarding", "[bind_address:]port:host:hostport"},
    [FORWARD_DYNAMIC] = {'D', "dynamic forwarding", "[bind_address:]port"},
    [FORWARD_STDIO] = {'W', "stdio forwarding", "host:port"},
};

struct fields {
    enum forward_type type;
    const char *text;
    struct span field[FIELDS_MAX];
    size_t count;
};

static enum adit_err bad(const struct fields *f, struct adit_error *err, const char *why)
{
    return adit_fail(err, ADIT_E_USAGE, "Bad %s specification '%s': %s (-%c %s)", types[f->type].name,
                     f->text, why, types[f->type].letter, types[f->type].form);
}

/* One field: up to the next colon, or what brackets hold. False when brackets do not match. */
static bool field_take(struct span *rest, struct span *field)
{
    size_t n = 0;
    if (rest->n > 0 && rest->p[0] == '[') {
        const uint8_t *close = memchr(rest->p, ']', rest->n);
        if (close == NULL)
            return false;
        n = (size_t)(close - rest->p) + 1;
        *field = span_make(rest->p + 1, n - 2);
        *rest = span_make(rest->p + n, rest->n - n);
        return field->n > 0 && (rest->n == 0 || rest->p[0] == ':');
    }
    while (n < rest->n && rest->p[n] != ':')
        n++;
    *field = span_make(rest->p, n);
    *rest = span_make(rest->p + n, rest->n - n);
    return true;
}

static enum adit_err fields_split(struct fields *f, struct adit_error *err)
{
    struct span rest = span_str(f->text);
    for (f->count = 0;; rest = span_make(rest.p + 1, rest.n - 1)) { /* over the colon */
        if (f->count == FIELDS_MAX)
            return bad(f, err, "too many parts; an IPv6 address stands in brackets");
        if (!field_take(&rest, &f->field[f->count++]))
            return bad(f, err, "brackets do not match");
        if (rest.n == 0)
            return ADIT_E_OK;
    }
}

static bool fields_have_path(const struct fields *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->field[i].n > 0 && memchr(f->field[i].p, '/', f->field[i].n) != NULL)
            return true;
    return false;
}

static bool service_port(struct span name, uint16_t *out)
{
    char text[64];
    if (name.n == 0 || name.n >= sizeof text)
        return false;
    memcpy(text, name.p, name.n);
    text[name.n] = 0;
    const struct servent *service = getservbyname(text, "tcp");
    if (service == NULL)
        return false;
    *out = ntohs((uint16_t)service->s_port);
    return true;
}

static bool port_read(struct span field, bool zero_is_fine, uint16_t *out)
{
    uint32_t port;
    if (units_number(field, zero_is_fine ? 0 : 1, UINT16_MAX, &port)) {
        *out = (uint16_t)port;
        return true;
    }
    bool has_letter = false;
    for (size_t i = 0; i < field.n; i++)
        has_letter = has_letter || field.p[i] < '0' || field.p[i] > '9';
    return has_letter && service_port(field, out);
}

/* A host or an address: nothing that could mislead a log or the server. */
static bool host_read(struct span field, char out[static LIMIT_HOST + 1])
{
    if (field.n == 0 || field.n > LIMIT_HOST)
        return false;
    for (size_t i = 0; i < field.n; i++)
        if (field.p[i] <= ' ' || field.p[i] == 0x7f)
            return false;
    memcpy(out, field.p, field.n);
    out[field.n] = 0;
    return true;
}

static bool bind_read(struct forward_spec *out, struct span field)
{
    if (field.n == 0 || span_is(field, "*"))
        out->bind = FORWARD_BIND_ALL;
    else if (span_is(field, "localhost"))
        out->bind = FORWARD_BIND_LOCAL;
    else {
        out->bind = FORWARD_BIND_ADDRESS;
        return host_read(field, out->address);
    }
    return true;
}

static enum adit_err parse_target(struct forward_spec *out, const struct fields *f, size_t from,
                                  struct adit_error *err)
{
    if (!host_read(f->field[from], out->host))
        return bad(f, err, "the target's host is missing or no host name");
    if (!port_read(f->field[from + 1], false, &out->host_port))
        return bad(f, err, "the target's port is not one of 1 to 65535");
    return ADIT_E_OK;
}

static enum adit_err parse_listener(struct forward_spec *out, const struct fields *f, bool has_bind,
                                    struct adit_error *err)
{
    if (has_bind && !bind_read(out, f->field[0]))
        return bad(f, err, "the bind address is no address");
    if (!port_read(f->field[has_bind ? 1 : 0], true, &out->port))
        return bad(f, err, "the port to listen on is not one of 0 to 65535");
    return ADIT_E_OK;
}

static enum adit_err parse_forward(struct forward_spec *out, const struct fields *f, bool short_form,
                                   struct adit_error *err)
{
    if (f->type == FORWARD_REMOTE && f->count <= 2)
        return adit_fail(err, ADIT_E_UNSUPPORTED,
                         "-R %s: a SOCKS server at the remote side (-R without a target) is not supported "
                         "yet; give -R %s",
                         f->text, types[f->type].form);
    if (f->count == 2 && short_form) {
        struct fields longer = *f;
        longer.field[1] = span_str("localhost");
        longer.field[2] = f->field[1];
        longer.count = 3;
        return parse_forward(out, &longer, false, err);
    }
    if (f->count < 3)
        return bad(f, err, "parts are missing");
    enum adit_err e = parse_listener(out, f, f->count == 4, err);
    return e != ADIT_E_OK ? e : parse_target(out, f, f->count - 2, err);
}

enum adit_err forward_spec_parse(struct forward_spec *out, enum forward_type type, const char *text,
                                 bool short_form, struct adit_error *err)
{
    struct fields f = {.type = type, .text = text};
    memset(out, 0, sizeof *out);
    out->type = type;
    enum adit_err e = fields_split(&f, err);
    if (e != ADIT_E_OK)
        return e;
    if (fields_have_path(&f))
        return adit_fail(err, ADIT_E_UNSUPPORTED, "-%c %s: Unix-domain sockets are not supported yet",
                         types[type].letter, text);
    if (type == FORWARD_DYNAMIC)
        return f.count > 2 ? bad(&f, err, "too many parts") : parse_listener(out, &f, f.count == 2, err);
    if (type == FORWARD_STDIO)
        return f.count != 2 ? bad(&f, err, "a host and a port are wanted") : parse_target(out, &f, 0, err);
    return parse_forward(out, &f, short_form && type == FORWARD_LOCAL, err);
}

char forward_spec_letter(enum forward_type type)
{
    return types[type].letter;
}

void forward_spec_target(const struct forward_spec *spec, char out[static FORWARD_TARGET_CAP])
{
    if (spec->type == FORWARD_DYNAMIC)
        adit_format(out, FORWARD_TARGET_CAP, "-");
    else if (strchr(spec->host, ':') != NULL)
        adit_format(out, FORWARD_TARGET_CAP, "[%s]:%u", spec->host, (unsigned)spec->host_port);
    else
        adit_format(out, FORWARD_TARGET_CAP, "%s:%u", spec->host, (unsigned)spec->host_port);
}
