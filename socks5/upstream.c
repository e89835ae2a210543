#include "socks5/upstream.h"

#include <string.h>

enum state {
    STATE_METHOD,  /* SOCKS: which method of authentication */
    STATE_AUTH,    /* SOCKS: RFC 1929's answer */
    STATE_REPLY,   /* SOCKS: the request's answer */
    STATE_STATUS,  /* HTTP: in the status line */
    STATE_HEADERS, /* HTTP: behind it */
    STATE_OPEN,
    STATE_FAILED,
};

enum { METHOD_NONE = 0, METHOD_USER = 2, METHOD_REFUSED = 0xff };

static void fail(struct upstream *u, const char *why)
{
    u->state = STATE_FAILED;
    adit_wipe(u->out, sizeof u->out);
    adit_wipe(u->secret, sizeof u->secret);
    u->out_from = u->out_len = u->secret_len = 0;
    (void)adit_format(u->error, sizeof u->error, "%s", why);
}

/* ---- What is sent ---- */

static void put(struct upstream *u, const void *p, size_t n)
{
    if (n > sizeof u->out - u->out_len) {
        fail(u, "the request is too long");
        return;
    }
    memcpy(u->out + u->out_len, p, n);
    u->out_len += n;
}

static void put_text(struct upstream *u, const char *text)
{
    put(u, text, strlen(text));
}

/* RFC 4648 §4, of three bytes or of the last ones. */
static void put_base64_group(struct upstream *u, const uint8_t *p, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    char text[4] = {digits[bits >> 18], digits[bits >> 12 & 63], n > 1 ? digits[bits >> 6 & 63] : '=',
                    n > 2 ? digits[bits & 63] : '='};
    put(u, text, sizeof text);
    adit_wipe(text, sizeof text);
}

/* RFC 7617 §2: user ':' password. */
static void put_credentials(struct upstream *u, const char *user, const char *password)
{
    uint8_t plain[2 * UPSTREAM_SECRET_MAX + 1];
    struct span name = span_str(user), word = span_str(password);
    size_t n = name.n + 1 + word.n;
    memcpy(plain, name.p, name.n);
    plain[name.n] = ':';
    memcpy(plain + name.n + 1, word.p, word.n);
    put_text(u, "Proxy-Authorization: Basic ");
    for (size_t i = 0; i < n; i += 3)
        put_base64_group(u, plain + i, n - i < 3 ? n - i : 3);
    put_text(u, "\r\n");
    adit_wipe(plain, sizeof plain);
}

static void start_http(struct upstream *u, const struct upstream_request *r)
{
    char target[LIMIT_HOST + 16];
    u->state = STATE_STATUS;
    (void)adit_format(target, sizeof target, strchr(r->host, ':') ? "[%s]:%u" : "%s:%u", r->host,
                      (unsigned)r->port);
    put_text(u, "CONNECT ");
    put_text(u, target);
    put_text(u, " HTTP/1.1\r\nHost: ");
    put_text(u, target);
    put_text(u, "\r\n");
    if (r->user)
        put_credentials(u, r->user, r->password);
    put_text(u, "\r\n");
}

/* RFC 1928 §4. [RFC 1928 4b 6a] */
static void make_request(struct upstream *u, const struct upstream_request *r)
{
    uint8_t type = r->address.n == 4 ? 1 : r->address.n == 16 ? 4 : 3, *p = u->request;
    size_t n = type == 3 ? strlen(r->host) : r->address.n;
    const uint8_t head[] = {5, 1, 0, type};
    memcpy(p, head, sizeof head);
    p += sizeof head;
    if (type == 3)
        *p++ = (uint8_t)n;
    memcpy(p, type == 3 ? (const uint8_t *)r->host : r->address.p, n);
    p += n;
    *p++ = (uint8_t)(r->port >> 8);
    *p++ = (uint8_t)r->port;
    u->request_len = (size_t)(p - u->request);
}

/* RFC 1929 §2. [RFC 1928 3d] [RFC 1929 2a] */
static void make_secret(struct upstream *u, const char *user, const char *password)
{
    uint8_t *p = u->secret;
    struct span name = span_str(user), word = span_str(password);
    *p++ = 1;
    *p++ = (uint8_t)name.n;
    memcpy(p, name.p, name.n);
    p += name.n;
    *p++ = (uint8_t)word.n;
    memcpy(p, word.p, word.n);
    u->secret_len = 3 + name.n + word.n;
}

static void start_socks(struct upstream *u, const struct upstream_request *r)
{
    static const uint8_t without[] = {5, 1, METHOD_NONE}, with[] = {5, 2, METHOD_NONE, METHOD_USER};
    u->state = STATE_METHOD;
    u->need = 2;
    make_request(u, r);
    if (r->user)
        make_secret(u, r->user, r->password);
    put(u, r->user ? with : without, r->user ? sizeof with : sizeof without);
}

/* In a line of HTTP and in a log a host may hold nothing else. */
static bool is_host(const char *host)
{
    size_t n = strlen(host);
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)host[i] <= ' ' || host[i] == 0x7f || host[i] == '/' || host[i] == '@')
            return false;
    return n > 0 && n <= LIMIT_HOST;
}

static const char *check_secret(const struct upstream_request *r)
{
    size_t n = strlen(r->user), m = strlen(r->password);
    if (n > UPSTREAM_SECRET_MAX || m > UPSTREAM_SECRET_MAX)
        return "the user name or the password for the proxy is too long";
    if (r->kind == UPSTREAM_HTTP && strchr(r->user, ':'))
        return "a user name for an HTTP proxy cannot hold a colon";
    if (r->kind == UPSTREAM_SOCKS5 && (n == 0 || m == 0))
        return "a SOCKS proxy wants a user name and a password, or neither";
    return NULL;
}

void upstream_init(struct upstream *u, const struct upstream_request *r)
{
    const char *why = r->user ? check_secret(r) : NULL;
    memset(u, 0, sizeof *u);
    u->is_http = r->kind == UPSTREAM_HTTP;
    u->has_user = r->user != NULL;
    if (!is_host(r->host))
        fail(u, "the host's name cannot be given to a proxy");
    else if (why)
        fail(u, why);
    else if (u->is_http)
        start_http(u, r);
    else
        start_socks(u, r);
}

void upstream_wipe(struct upstream *u)
{
    adit_wipe(u, sizeof *u);
}

struct span upstream_out(const struct upstream *u)
{
    return span_make(u->out + u->out_from, u->out_len - u->out_from);
}

void upstream_out_consume(struct upstream *u, size_t n)
{
    u->out_from += n;
    if (u->out_from < u->out_len)
        return;
    adit_wipe(u->out, u->out_len); /* nothing of it is needed any more */
    u->out_from = u->out_len = 0;
}

enum upstream_event upstream_next(const struct upstream *u)
{
    if (u->state == STATE_FAILED)
        return UPSTREAM_FAILED;
    if (u->out_len > 0)
        return UPSTREAM_SEND;
    return u->state == STATE_OPEN ? UPSTREAM_OPEN : UPSTREAM_NEED_MORE;
}

/* ---- SOCKS answers ---- */

static void expect(struct upstream *u, enum state state, uint16_t need)
{
    u->state = (uint8_t)state;
    u->need = need;
    u->in_len = 0;
}

static void send_request(struct upstream *u)
{
    put(u, u->request, u->request_len);
    expect(u, STATE_REPLY, 2);
}

/* [RFC 1928 3b] */
static void on_method(struct upstream *u)
{
    if (u->in[0] != 5) {
        fail(u, "the proxy does not speak SOCKS 5");
    } else if (u->in[1] == METHOD_NONE) {
        adit_wipe(u->secret, sizeof u->secret);
        send_request(u);
    } else if (u->in[1] == METHOD_USER && u->has_user) {
        put(u, u->secret, u->secret_len);
        adit_wipe(u->secret, sizeof u->secret);
        expect(u, STATE_AUTH, 2);
    } else if (u->in[1] == METHOD_REFUSED) {
        fail(u, u->has_user ? "the proxy takes no user name and password" : "the proxy wants credentials");
    } else {
        fail(u, "the proxy chose a method that was not offered");
    }
}

/* RFC 1929 §2: a STATUS of 0 is success. [RFC 1929 2b] */
static void on_auth(struct upstream *u)
{
    if (u->in[1] == 0)
        send_request(u);
    else
        fail(u, "the proxy refused the user name or the password");
}

static const char *reply_text(uint8_t code)
{
    static const char *const texts[] = {
        "the proxy answered with a general failure", "the proxy does not allow this connection",
        "the proxy says: network unreachable",       "the proxy says: host unreachable",
        "the proxy says: connection refused",        "the proxy says: time to live expired",
        "the proxy does not know CONNECT",           "the proxy does not know this type of address",
    };
    return code <= ADIT_COUNT(texts) ? texts[code - 1] : "the proxy answered with an unknown code";
}

/* RFC 1928 §6: VER REP RSV ATYP, the address, two bytes of port. Some close right after a refusal's REP. */
static void on_reply(struct upstream *u)
{
    if (u->in[0] != 5)
        fail(u, "the proxy's answer is not one of SOCKS 5");
    else if (u->in[1] != 0)
        fail(u, reply_text(u->in[1]));
    else if (u->need == 2)
        u->need = 5; /* with the first byte of the address: a name's length */
    else if (u->need > 5)
        u->state = STATE_OPEN;
    else if (u->in[3] == 1 || u->in[3] == 4)
        u->need = u->in[3] == 1 ? 4 + 4 + 2 : 4 + 16 + 2;
    else if (u->in[3] == 3)
        u->need = (uint16_t)(4 + 1 + u->in[4] + 2);
    else
        fail(u, "the proxy's answer has an unknown type of address");
}

static void socks_byte(struct upstream *u, uint8_t c)
{
    u->in[u->in_len++] = c; /* need is at most the room */
    if (u->in_len < u->need)
        return;
    if (u->state == STATE_METHOD)
        on_method(u);
    else if (u->state == STATE_AUTH)
        on_auth(u);
    else
        on_reply(u);
}

/* ---- HTTP answers ---- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* RFC 9112 §4: HTTP-version SP 3DIGIT, and then what nobody needs. 0: it is none. */
static uint16_t status_of(const uint8_t *p, size_t n)
{
    bool is_line = n >= 12 && memcmp(p, "HTTP/1.", 7) == 0 && is_digit(p[7]) && p[8] == ' ' &&
                   is_digit(p[9]) && is_digit(p[10]) && is_digit(p[11]) && (n == 12 || p[12] == ' ');
    return is_line ? (uint16_t)((p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0')) : 0;
}

static void on_status(struct upstream *u)
{
    u->status = status_of(u->in, u->in_len);
    u->in_len = 0;
    u->state = STATE_HEADERS;
    if (u->status >= 100 && u->status < 300)
        return;
    if (u->status == 0)
        fail(u, "the proxy's answer is not one of HTTP");
    else if (u->status == 407)
        fail(u, u->has_user ? "the proxy refused the user name or the password (407)"
                            : "the proxy wants credentials (407)");
    else {
        char why[UPSTREAM_ERROR_CAP];
        (void)adit_format(why, sizeof why, "the proxy answered with status %u", (unsigned)u->status);
        fail(u, why);
    }
}

/* RFC 9110 §15.2: any number of 1xx come before the answer. §9.3.6: behind the headers of a 2xx the tunnel
 * begins, whatever they say of a content. */
static void on_headers_end(struct upstream *u)
{
    u->state = u->status < 200 ? STATE_STATUS : STATE_OPEN;
    u->in_len = 0;
}

/* RFC 9112 §2.2: a line may end with LF alone. in holds the head of a status line, and of a header nothing
 * but whether it is empty. */
static void http_byte(struct upstream *u, uint8_t c)
{
    if (++u->total > UPSTREAM_HTTP_MAX) {
        fail(u, "the proxy's answer is too long");
    } else if (c == '\n' && u->state == STATE_STATUS) {
        on_status(u);
    } else if (c == '\n') {
        if (u->in_len == 0)
            on_headers_end(u);
        u->in_len = 0;
    } else if (c != '\r' && u->in_len < 16) {
        u->in[u->in_len++] = c;
    }
}

size_t upstream_feed(struct upstream *u, struct span data)
{
    size_t n = 0;
    while (n < data.n && upstream_next(u) == UPSTREAM_NEED_MORE) {
        if (u->is_http)
            http_byte(u, data.p[n++]);
        else
            socks_byte(u, data.p[n++]);
    }
    return n;
}
