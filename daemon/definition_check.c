#include "daemon/definition.h"

#include <stdlib.h>
#include <string.h>

#include "client/jump_spec.h"
#include "client/units.h"
#include "client/uri.h"
#include "net/sock.h"

bool definition_fail(struct definition_error *e, const char *code, const char *field, const char *fmt, ...)
{
    struct adit_error text = {0};
    va_list ap;
    if (e == NULL)
        return false;
    va_start(ap, fmt);
    (void)adit_vfail(&text, ADIT_E_CONFIG, fmt, ap); /* it cleans what it shows */
    va_end(ap);
    e->code = code;
    adit_text_clean(e->field, sizeof e->field, span_str(field), false);
    memcpy(e->message, text.text, sizeof e->message);
    e->forward = SIZE_MAX;
    return false;
}

bool definition_no_memory(struct definition_error *e)
{
    return definition_fail(e, DEFINITION_E_INTERNAL, NULL, "Out of memory");
}

static bool missing(struct definition_error *e, const char *field)
{
    return definition_fail(e, DEFINITION_E_MISSING, field, "%s is required", field);
}

static bool invalid(struct definition_error *e, const char *field, const char *value, const char *why)
{
    return definition_fail(e, DEFINITION_E_INVALID, field, "%s '%.300s' %s", field, value, why);
}

/* ---- Names ---- */

/* How many characters a text has that holds nothing but printable ones; 0: it does not, or is empty. */
static size_t printable_count(const char *text)
{
    char clean[DEFINITION_DESCRIPTION_MAX + 1];
    size_t n = strlen(text), count = 0;
    if (n == 0 || n >= sizeof clean || adit_text_clean(clean, sizeof clean, span_str(text), false) != n ||
        memcmp(clean, text, n) != 0 || strchr(text, '\t') != NULL)
        return 0;
    for (size_t i = 0; i < n; i++)
        count += ((uint8_t)text[i] & 0xc0) != 0x80 ? 1 : 0;
    return count;
}

bool definition_name_is_fine(const char *name)
{
    size_t count = printable_count(name);
    return count > 0 && count <= DEFINITION_NAME_MAX && strchr(name, '/') == NULL;
}

bool definition_name_is_plain(const char *name)
{
    size_t n = 0;
    for (; name[n] != 0; n++) {
        bool is_letter = (name[n] >= 'a' && name[n] <= 'z') || (name[n] >= 'A' && name[n] <= 'Z');
        if (!is_letter && !(name[n] >= '0' && name[n] <= '9') && strchr("._- ", name[n]) == NULL)
            return false;
    }
    return n > 0 && n <= DEFINITION_NAME_MAX;
}

static bool check_name(const struct definition *d, struct definition_error *e)
{
    if (d->name == NULL)
        return missing(e, "name");
    if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0) /* which clients take out of a path */
        return invalid(e, "name", d->name, "is no name: it stands for a folder");
    if (d->origin == DEFINITION_FILE && !definition_name_is_plain(d->name))
        return invalid(e, "name", d->name, "must be 1 to 64 of A-Z a-z 0-9 . _ -");
    if (!definition_name_is_fine(d->name))
        return invalid(e, "name", d->name, "must be 1 to 64 printable characters without '/'");
    return true;
}

static bool check_name_of(const char *field, const char *name, struct definition_error *e)
{
    return name == NULL || definition_name_is_fine(name) ||
           invalid(e, field, name, "must be 1 to 64 printable characters without '/'");
}

/* ---- Where to ---- */

static bool check_server(const struct definition *d, struct definition_error *e)
{
    if (d->host == NULL)
        return missing(e, "host");
    if (!jump_spec_is_host(span_str(d->host)))
        return invalid(
            e, "host", d->host,
            "is no host name: it is empty, begins with '-' or holds characters that are not allowed");
    struct sock_addr room;
    if (strchr(d->host, ':') != NULL && !sock_addr_parse(&room, d->host, 0))
        return invalid(e, "host", d->host,
                       "has a colon and is no IPv6 address: a port is a field of its own");
    if (d->user != NULL && !jump_spec_is_user(span_str(d->user)))
        return invalid(e, "host", d->user,
                       "has a user that is empty, begins with '-' or holds characters that are not allowed");
    if (d->profile_id == NULL)
        return missing(e, "profile_id");
    return check_name_of("profile_id", d->profile_id, e);
}

static bool check_jump(const struct definition *d, struct definition_error *e)
{
    struct adit_error why = {0};
    if (d->jump_host_id != NULL && d->jump_session_id != NULL)
        return definition_fail(e, DEFINITION_E_INVALID, "jump_session_id",
                               "jump_host_id and jump_session_id exclude each other");
    if (d->jump_host_id != NULL && jump_spec_check(d->jump_host_id, &why) != ADIT_E_OK)
        return definition_fail(e, DEFINITION_E_INVALID, "jump_host_id", "jump_host_id: %s", why.text);
    return check_name_of("jump_session_id", d->jump_session_id, e);
}

bool definition_set_host(struct definition *d, const char *text, struct definition_error *error)
{
    struct span rest = span_str(text), user;
    bool has_user = uri_take_user(&rest, &user);
    char *host = text_copy(rest), *name = has_user ? text_copy(user) : NULL;
    if (host == NULL || (has_user && name == NULL)) {
        free(host);
        free(name);
        return definition_no_memory(error);
    }
    free(d->host);
    free(d->user);
    d->host = host;
    d->user = name;
    return true;
}

/* ---- Addresses ---- */

/* 127.0.0.0/8 or ::1, and nothing that is one of them in disguise. */
static bool is_loopback(const char *address)
{
    static const uint8_t one[16] = {[15] = 1};
    uint8_t raw[16];
    size_t n = sock_addr_bytes(address, raw);
    return (n == 4 && raw[0] == 127) || (n == 16 && memcmp(raw, one, sizeof one) == 0);
}

static bool is_mapped(const char *address)
{
    static const uint8_t head[12] = {[10] = 0xff, [11] = 0xff};
    uint8_t raw[16];
    return sock_addr_bytes(address, raw) == 16 && memcmp(raw, head, sizeof head) == 0;
}

static bool is_literal(const char *address)
{
    struct sock_addr room;
    return sock_addr_parse(&room, address, 0) && !is_mapped(address);
}

static bool check_listener(const struct definition *d, const char *address, struct definition_error *e)
{
    if (address == NULL || strcmp(address, "localhost") == 0 || is_loopback(address))
        return true;
    if (d->origin != DEFINITION_FILE || !d->allow_non_loopback)
        return invalid(e, "bind_address", address,
                       "must be a loopback address (127.0.0.0/8 or ::1) \xe2\x80\x94 binding tunnels to "
                       "non-loopback exposes them to the LAN with no auth");
    if (address[0] == 0 || strcmp(address, "*") == 0 || is_literal(address))
        return true;
    return invalid(e, "bind_address", address, "must be an address, localhost or *");
}

/* What a remote forward leads to is nothing that we listen on: a file may name any host, and so may MCP,
 * whose targets --allow-local names. */
static bool check_target(const struct definition *d, const char *address, struct definition_error *e)
{
    if (d->origin != DEFINITION_FILE && d->origin != DEFINITION_MCP)
        return check_listener(d, address, e);
    return address == NULL || jump_spec_is_host(span_str(address)) ||
           invalid(e, "bind_address", address, "is no host name");
}

static bool check_remote_host(const char *host, bool is_listener, struct definition_error *e)
{
    if (host == NULL || jump_spec_is_host(span_str(host)) || (is_listener && host[0] == 0))
        return true;
    return invalid(e, "remote_host", host,
                   "is no host name: it is empty, begins with '-' or holds characters that are not allowed");
}

/* ---- Forwards ---- */

static const char *const type_names[] = {
    [FORWARD_LOCAL] = "local", [FORWARD_REMOTE] = "remote", [FORWARD_DYNAMIC] = "dynamic"};

const char *definition_type_name(enum forward_type type)
{
    return (size_t)type < ADIT_COUNT(type_names) ? type_names[type] : "";
}

bool definition_type_parse(enum forward_type *out, const char *text, struct definition_error *error)
{
    for (size_t i = 0; i < ADIT_COUNT(type_names); i++) {
        if (strcmp(type_names[i], text) == 0) {
            *out = (enum forward_type)i;
            return true;
        }
    }
    return invalid(error, "forward_type", text, "must be one of local, dynamic, remote");
}

bool definition_port_counts_up(const char *text, uint16_t *first)
{
    struct span digits = span_str(text);
    uint32_t port;
    if (digits.n < 2 || digits.p[digits.n - 1] != '+' ||
        !units_number(span_sub(digits, 0, digits.n - 1), 1, UINT16_MAX, &port))
        return false;
    *first = (uint16_t)port;
    return true;
}

static bool check_local(const struct definition *d, const struct definition_forward *f,
                        struct definition_error *e)
{
    if (!f->has_local_port)
        return missing(e, "local_port");
    if (f->counts_up && f->local_port == 0)
        return invalid(e, "local_port", "0+", "must count up from 1 or more");
    if (!check_listener(d, f->bind_address, e))
        return false;
    if (!f->has_remote_port)
        return missing(e, "remote_port");
    if (f->remote_port == 0)
        return invalid(e, "remote_port", "0", "must be 1 to 65535");
    return check_remote_host(f->remote_host, false, e);
}

static bool check_dynamic(const struct definition *d, const struct definition_forward *f,
                          struct definition_error *e)
{
    if (!f->has_local_port)
        return missing(e, "local_port");
    if (f->counts_up && f->local_port == 0)
        return invalid(e, "local_port", "0+", "must count up from 1 or more");
    if (!check_listener(d, f->bind_address, e))
        return false;
    if (f->remote_host != NULL)
        return definition_fail(e, DEFINITION_E_INVALID, "remote_host",
                               "remote_host must be null for forward_type dynamic");
    return !f->has_remote_port || definition_fail(e, DEFINITION_E_INVALID, "remote_port",
                                                  "remote_port must be null for forward_type dynamic");
}

static bool check_remote(const struct definition *d, const struct definition_forward *f,
                         struct definition_error *e)
{
    if (!f->has_local_port && d->origin != DEFINITION_FILE)
        return missing(e, "local_port");
    if (f->counts_up)
        return definition_fail(e, DEFINITION_E_INVALID, "local_port",
                               "local_port of forward_type remote is the target's port: it cannot count up");
    if (f->has_local_port && f->local_port == 0)
        return invalid(e, "local_port", "0",
                       "must be 1 to 65535 for forward_type remote: it is the target's port");
    if (!check_target(d, f->bind_address, e))
        return false;
    return f->has_remote_port ? check_remote_host(f->remote_host, true, e) : missing(e, "remote_port");
}

static bool check_forward(const struct definition *d, const struct definition_forward *f,
                          struct definition_error *e)
{
    switch (f->type) {
    case FORWARD_LOCAL:
        return check_local(d, f, e);
    case FORWARD_DYNAMIC:
        return check_dynamic(d, f, e);
    case FORWARD_REMOTE:
        return check_remote(d, f, e);
    default:
        return definition_fail(e, DEFINITION_E_INVALID, "forward_type",
                               "forward_type must be one of local, dynamic, remote");
    }
}

/* The port that a forward listens on, here or at the server; 0: none that is fixed. */
static uint16_t port_of(const struct definition_forward *f)
{
    if (f->type == FORWARD_REMOTE)
        return f->remote_port;
    return f->counts_up ? 0 : f->local_port;
}

static bool is_listener_again(const struct definition_forward *a, const struct definition_forward *b)
{
    bool is_remote = a->type == FORWARD_REMOTE;
    const char *x = is_remote ? a->remote_host : a->bind_address;
    const char *y = is_remote ? b->remote_host : b->bind_address;
    return is_remote == (b->type == FORWARD_REMOTE) && port_of(a) != 0 && port_of(a) == port_of(b) &&
           (x == NULL ? y == NULL : y != NULL && strcmp(x, y) == 0);
}

/* One listener cannot lead to two targets. */
static bool check_listeners(const struct definition *d, size_t at, struct definition_error *e)
{
    const struct definition_forward *f = &d->forwards[at];
    for (size_t i = 0; i < at; i++)
        if (is_listener_again(&d->forwards[i], f))
            return definition_fail(e, DEFINITION_E_INVALID,
                                   f->type == FORWARD_REMOTE ? "remote_port" : "local_port",
                                   "port %u is that of another forward of this tunnel", (unsigned)port_of(f));
    return true;
}

static bool check_forwards(const struct definition *d, struct definition_error *e)
{
    if (d->forward_count == 0)
        return missing(e, "forward_type");
    for (size_t i = 0; i < d->forward_count; i++) {
        if (!check_forward(d, &d->forwards[i], e) || !check_listeners(d, i, e)) {
            e->forward = i;
            return false;
        }
    }
    return true;
}

/* ---- The rest ---- */

static bool check_numbers(const struct definition *d, struct definition_error *e)
{
    if (d->max_retries > INT32_MAX)
        return definition_fail(e, DEFINITION_E_INVALID, "max_retries", "max_retries is too large");
    if (d->idle_exit_s > INT32_MAX)
        return definition_fail(e, DEFINITION_E_INVALID, "idle_exit", "idle_exit is too large");
    if (d->hold_max > DEFINITION_HOLD_MAX)
        return definition_fail(e, DEFINITION_E_INVALID, "hold_max", "hold_max must be 0 to %d",
                               (int)DEFINITION_HOLD_MAX);
    if (d->jitter_percent > 100)
        return definition_fail(e, DEFINITION_E_INVALID, "jitter", "jitter must be 0 to 100");
    if (d->backoff_first_ms == 0 || d->backoff_cap_ms < d->backoff_first_ms)
        return definition_fail(e, DEFINITION_E_INVALID, "backoff",
                               "the first delay must be more than 0 and at most the cap");
    return true;
}

static bool check_socks(const struct definition *d, struct definition_error *e)
{
    if ((d->socks_user == NULL) == (d->socks_password_file == NULL))
        return true;
    return definition_fail(e, DEFINITION_E_INVALID,
                           d->socks_user != NULL ? "socks_user" : "socks_password_file",
                           "SocksUser and SocksPasswordFile belong together");
}

/* What only a file may say, said by somebody else: never, whatever path it came by. MCP limits its targets,
 * and goes the way of a file's tunnel, with its keywords. */
static bool check_origin(const struct definition *d, struct definition_error *e)
{
    if (d->origin == DEFINITION_FILE)
        return true;
    const bool has_destinations = d->destinations.count > 0 && d->origin != DEFINITION_MCP;
    /* A session's come from our own user, over the Unix socket alone (api_sessions.c). */
    const bool has_keywords =
        d->keywords.count > 0 && d->origin != DEFINITION_SESSION && d->origin != DEFINITION_MCP;
    if (d->allow_non_loopback || d->reclaim || has_keywords || d->allow.count > 0 || has_destinations ||
        d->socks_user != NULL || d->socks_password_file != NULL || d->health.kind != DEFINITION_HEALTH_NONE)
        return definition_fail(e, DEFINITION_E_INVALID, NULL,
                               "this can only be said in a configuration file");
    return true;
}

static bool check_description(const struct definition *d, struct definition_error *e)
{
    if (d->description == NULL || d->description[0] == 0 || printable_count(d->description) > 0)
        return true;
    return definition_fail(e, DEFINITION_E_INVALID, "description",
                           "description must be at most %d bytes of printable characters",
                           (int)DEFINITION_DESCRIPTION_MAX);
}

bool definition_check(const struct definition *d, struct definition_error *error)
{
    struct definition_error own = {0};
    struct definition_error *e = error != NULL ? error : &own;
    memset(e, 0, sizeof *e);
    e->forward = SIZE_MAX;
    return check_name(d, e) && check_server(d, e) && check_jump(d, e) && check_forwards(d, e) &&
           check_numbers(d, e) && check_description(d, e) && check_socks(d, e) && check_origin(d, e);
}
