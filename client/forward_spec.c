#include "client/forward_spec.h"

#include <netinet/in.h>
#include <string.h>

#include "client/units.h"

enum { FIELDS_MAX = 4, TEXT_MAX = FIELDS_MAX * (LIMIT_HOST + 8) };

static const struct {
    char letter;
    const char *name; /* as ssh calls it in its messages */
    const char *form;
} types[] = {
    [FORWARD_LOCAL] = {'L', "local forwarding",
                       "[bind_address:]port:host:hostport, where [bind_address:]port and host:hostport may "
                       "each be the path of a socket"},
    [FORWARD_REMOTE] =
        {'R', "remote forwarding",
         "[bind_address:]port[:host:hostport], where [bind_address:]port and host:hostport may "
         "each be the path of a socket"},
    [FORWARD_DYNAMIC] = {'D', "dynamic forwarding", "[bind_address:]port or the path of a socket"},
    [FORWARD_STDIO] = {'W', "stdio forwarding", "host:port or the path of a socket"},
};

struct field {
    struct span text;
    bool is_path; /* it has a slash: ssh's way to tell a path from a host or port */
};

struct fields {
    enum forward_type type;
    bool is_adit;
    const char *text;
    struct field field[FIELDS_MAX];
    size_t count;
    uint8_t room[TEXT_MAX]; /* the fields' bytes, without backslashes */
    size_t room_used;
};

static enum adit_err bad(const struct fields *f, struct adit_error *err, const char *why)
{
    return adit_fail(err, ADIT_E_USAGE, "Bad %s specification '%s': %s (-%c %s)", types[f->type].name,
                     f->text, why, types[f->type].letter, types[f->type].form);
}

/* What stands up to an unescaped colon; a backslash keeps what follows it. False: it ends with a backslash.
 */
static bool field_plain(struct fields *f, struct span *rest, struct span *field)
{
    size_t n = 0, start = f->room_used;
    for (; n < rest->n && rest->p[n] != ':'; n++) {
        if (rest->p[n] == '\\' && ++n == rest->n)
            return false;
        f->room[f->room_used++] = rest->p[n];
    }
    *field = span_make(f->room + start, f->room_used - start);
    *rest = span_sub(*rest, n, SIZE_MAX);
    return true;
}

/* What brackets hold is taken as it stands. False when they do not match. */
static bool field_bracketed(struct span *rest, struct span *field)
{
    const uint8_t *close = memchr(rest->p, ']', rest->n);
    if (close == NULL)
        return false;
    size_t n = (size_t)(close - rest->p) + 1;
    *field = span_make(rest->p + 1, n - 2);
    *rest = span_sub(*rest, n, SIZE_MAX);
    return field->n > 0 && (rest->n == 0 || rest->p[0] == ':');
}

static bool field_take(struct fields *f, struct span *rest, struct field *field)
{
    bool is_bracketed = rest->n > 0 && rest->p[0] == '[';
    if (!(is_bracketed ? field_bracketed(rest, &field->text) : field_plain(f, rest, &field->text)))
        return false;
    field->is_path = field->text.n > 0 && memchr(field->text.p, '/', field->text.n) != NULL;
    return true;
}

static enum adit_err fields_split(struct fields *f, struct adit_error *err)
{
    struct span rest = span_str(f->text);
    if (rest.n > TEXT_MAX)
        return adit_fail(err, ADIT_E_USAGE, "Bad %s specification: it is too long (-%c %s)",
                         types[f->type].name, types[f->type].letter, types[f->type].form);
    for (f->count = 0;; rest = span_sub(rest, 1, SIZE_MAX)) { /* over the colon */
        if (f->count == FIELDS_MAX)
            return bad(f, err, "too many parts; an IPv6 address stands in brackets");
        if (!field_take(f, &rest, &f->field[f->count++]))
            return bad(f, err, "brackets do not match, or a backslash has nothing to keep");
        if (rest.n == 0)
            return ADIT_E_OK;
    }
}

/* Nothing that could mislead a log, a reader of our lines or the server. lowest: the first byte that may be.
 */
static bool text_read(struct span field, uint8_t lowest, char out[static LIMIT_HOST + 1])
{
    if (field.n == 0 || field.n > LIMIT_HOST)
        return false;
    for (size_t i = 0; i < field.n; i++)
        if (field.p[i] < lowest || field.p[i] == 0x7f)
            return false;
    memcpy(out, field.p, field.n);
    out[field.n] = 0;
    return true;
}

/* A host or an address. */
static bool host_read(struct span field, char out[static LIMIT_HOST + 1])
{
    return text_read(field, ' ' + 1, out);
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
    const struct field *host = &f->field[from], *port = &f->field[from + 1];
    if (host->is_path || port->is_path)
        return bad(f, err, "a path stands where the target's host or port should");
    if (!host_read(host->text, out->host))
        return bad(f, err, "the target's host is missing or no host name");
    if (!units_port(port->text, 1, &out->host_port))
        return bad(f, err, "the target's port is not one of 1 to 65535");
    return ADIT_E_OK;
}

static enum adit_err parse_target_path(struct forward_spec *out, const struct fields *f, size_t at,
                                       struct adit_error *err)
{
    out->target_is_path = true;
    if (!text_read(f->field[at].text, ' ', out->host))
        return bad(f, err, "the target's path is too long or holds control characters");
    return ADIT_E_OK;
}

static bool port_read(struct forward_spec *out, const struct fields *f, struct span text)
{
    bool is_listener_here = f->type == FORWARD_LOCAL || f->type == FORWARD_DYNAMIC;
    out->port_counts_up = f->is_adit && is_listener_here && text.n > 1 && text.p[text.n - 1] == '+';
    if (!out->port_counts_up)
        return units_port(text, 0, &out->port);
    return units_port(span_sub(text, 0, text.n - 1), 1, &out->port);
}

/* Its `count` fields: a port, an address and a port, or a path. */
static enum adit_err parse_listener(struct forward_spec *out, const struct fields *f, size_t count,
                                    struct adit_error *err)
{
    if (count == 1 && f->field[0].is_path) {
        out->bind = FORWARD_BIND_PATH;
        if (!text_read(f->field[0].text, ' ', out->address))
            return bad(f, err, "the path to listen on is too long or holds control characters");
        return ADIT_E_OK;
    }
    for (size_t i = 0; i < count; i++)
        if (f->field[i].is_path)
            return bad(f, err, "a path to listen on stands alone, without a port");
    if (count == 2 && !bind_read(out, f->field[0].text))
        return bad(f, err, "the bind address is no address");
    if (!port_read(out, f, f->field[count == 2 ? 1 : 0].text))
        return bad(f, err, "the port to listen on is not one of 0 to 65535");
    return ADIT_E_OK;
}

/* With a target. How many fields are the listener's follows from where the paths are. */
static enum adit_err parse_forward(struct forward_spec *out, const struct fields *f, struct adit_error *err)
{
    bool to_path = f->count > 1 && f->field[f->count - 1].is_path;
    size_t target = to_path ? 1 : 2;
    if (f->count <= target)
        return bad(f, err, "parts are missing");
    if (f->count - target > 2)
        return bad(f, err, "too many parts");
    enum adit_err e = parse_listener(out, f, f->count - target, err);
    if (e != ADIT_E_OK)
        return e;
    return to_path ? parse_target_path(out, f, f->count - 1, err) : parse_target(out, f, f->count - 2, err);
}

static enum adit_err parse_stdio(struct forward_spec *out, const struct fields *f, struct adit_error *err)
{
    if (f->count == 1 && f->field[0].is_path)
        return parse_target_path(out, f, 0, err);
    return f->count != 2 ? bad(f, err, "a host and a port are wanted") : parse_target(out, f, 0, err);
}

static enum adit_err parse_socks(struct forward_spec *out, const struct fields *f, struct adit_error *err)
{
    return f->count > 2 ? bad(f, err, "too many parts") : parse_listener(out, f, f->count, err);
}

enum adit_err forward_spec_parse(struct forward_spec *out, enum forward_type type, const char *text,
                                 bool is_adit, struct adit_error *err)
{
    struct fields f = {.type = type, .is_adit = is_adit, .text = text};
    memset(out, 0, sizeof *out);
    out->type = type;
    enum adit_err e = fields_split(&f, err);
    if (e != ADIT_E_OK)
        return e;
    bool has_path = f.field[0].is_path || f.field[f.count - 1].is_path;
    if (type == FORWARD_STDIO)
        return parse_stdio(out, &f, err);
    if (type == FORWARD_DYNAMIC || (type == FORWARD_REMOTE && f.count == 1))
        return parse_socks(out, &f, err);
    if (type == FORWARD_REMOTE && f.count == 2 && !has_path)
        return parse_socks(out, &f, err);
    if (type == FORWARD_LOCAL && f.count == 2 && !has_path && is_adit) {
        f.field[2] = f.field[1];
        f.field[1] = (struct field){.text = span_str("localhost")};
        f.count = 3;
    }
    return parse_forward(out, &f, err);
}

bool forward_spec_same(const struct forward_spec *a, const struct forward_spec *b)
{
    return a->type == b->type && a->bind == b->bind && a->port == b->port &&
           a->port_counts_up == b->port_counts_up && a->target_is_path == b->target_is_path &&
           a->host_port == b->host_port && strcmp(a->address, b->address) == 0 &&
           strcmp(a->host, b->host) == 0;
}

bool forward_spec_is_socks(const struct forward_spec *spec)
{
    return spec->host[0] == 0;
}

char forward_spec_letter(enum forward_type type)
{
    return types[type].letter;
}

void forward_spec_target(const struct forward_spec *spec, char out[static FORWARD_TARGET_CAP])
{
    if (forward_spec_is_socks(spec))
        adit_format(out, FORWARD_TARGET_CAP, "-");
    else if (spec->target_is_path)
        adit_format(out, FORWARD_TARGET_CAP, "%s", spec->host);
    else if (strchr(spec->host, ':') != NULL)
        adit_format(out, FORWARD_TARGET_CAP, "[%s]:%u", spec->host, (unsigned)spec->host_port);
    else
        adit_format(out, FORWARD_TARGET_CAP, "%s:%u", spec->host, (unsigned)spec->host_port);
}
