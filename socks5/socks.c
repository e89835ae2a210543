#include "socks5/socks.h"

#include <string.h>

/* The parts of a handshake, in the order of the wire. Those before WAIT take bytes. */
enum state {
    FIRST,        /* the version */
    V4_HEAD,      /* command, port, address */
    V4_USER,      /* up to a zero; thrown away */
    V4_NAME,      /* SOCKS4A: up to a zero */
    V5_NMETHODS,  /* how many */
    V5_METHODS,   /* that many */
    V5_AUTH,      /* RFC 1929: the version, and the length of the user's name */
    V5_USER,      /* that many, and the password's length */
    V5_PASSWORD,  /* that many */
    V5_HEAD,      /* version, command, reserved, address type */
    V5_NAME_LEN,  /* one byte */
    V5_NAME_PORT, /* that many, and two */
    V5_IPV4_PORT, /* 4 + 2 */
    V5_IPV6_PORT, /* 16 + 2 */
    HTTP,         /* a head of HTTP, which is http.c's */
    WAIT,         /* the request is with the caller */
    GRANTED,
    FAILED,
};

enum { METHOD_NONE = 0x00, METHOD_USER = 0x02, METHOD_REFUSED = 0xff, COMMAND_CONNECT = 1 };
enum { ATYP_IPV4 = 1, ATYP_NAME = 3, ATYP_IPV6 = 4 };

void socks_init(struct socks *s)
{
    memset(s, 0, sizeof *s);
}

void socks_wipe(struct socks *s)
{
    adit_wipe(s, sizeof *s);
}

void socks_restrict(struct socks *s, const char *user, const char *password, bool takes_http)
{
    s->user = user;
    s->password = password;
    s->takes_http = takes_http;
}

/* ---- Answers ---- */

static void out_put(struct socks *s, const uint8_t *p, size_t n)
{
    if (n > sizeof s->out - s->out_len)
        return; /* cannot be: a handshake has two answers to a method and one reply */
    memcpy(s->out + s->out_len, p, n);
    s->out_len += n;
}

static const char http_granted[] = "200 Connection established", http_not_allowed[] = "403 Forbidden",
                  http_failed[] = "502 Bad Gateway", http_bad[] = "400 Bad Request",
                  http_denied[] = "407 Proxy Authentication Required\r\n"
                                  "Proxy-Authenticate: Basic realm=\"adit\"";

static void out_put_http(struct socks *s, const char *status)
{
    const char *rest = status == http_granted ? "" : "Content-Length: 0\r\nConnection: close\r\n";

    s->out_len = adit_format((char *)s->out, sizeof s->out, "HTTP/1.1 %s\r\n%s\r\n", status, rest);
}

/* [RFC 1928 6a] */
static void out_put_reply(struct socks *s, enum socks_result result)
{
    /* SOCKS4: VN = 0, CD, DSTPORT, DSTIP. SOCKS5 (RFC 1928 §6): VER, REP, RSV, ATYP, BND.ADDR, BND.PORT. The
     * bound address is the server's and unknown to us. */
    const uint8_t v4[8] = {0, result == SOCKS_OK ? 0x5a : 0x5b};
    const uint8_t v5[10] = {5, (uint8_t)result, 0, ATYP_IPV4};

    if (s->request.version == SOCKS_HTTP)
        out_put_http(s, result == SOCKS_OK            ? http_granted
                        : result == SOCKS_NOT_ALLOWED ? http_not_allowed
                                                      : http_failed);
    else if (s->request.version == 4)
        out_put(s, v4, sizeof v4);
    else
        out_put(s, v5, sizeof v5);
}

static void fail(struct socks *s, const char *why)
{
    (void)adit_format(s->error, sizeof s->error, "%s", why);
    s->state = FAILED;
}

static void refuse(struct socks *s, enum socks_result result, const char *why)
{
    out_put_reply(s, result);
    fail(s, why);
}

/* ---- Credentials ---- */

/* Texts of any length have the same one here, and it is the first byte. */
struct secret {
    uint8_t bytes[1 + SOCKS_SECRET_MAX];
};

static bool secret_make(struct secret *out, struct span text)
{
    if (text.n > SOCKS_SECRET_MAX)
        return false;
    memset(out, 0, sizeof *out);
    out->bytes[0] = (uint8_t)text.n;
    if (text.n > 0)
        memcpy(out->bytes + 1, text.p, text.n);
    return true;
}

static bool secret_is(struct span given, const char *wanted)
{
    struct secret a, b;

    if (!wanted || !secret_make(&a, given) || !secret_make(&b, span_str(wanted)))
        return false;
    bool same = adit_ct_eq(&a, &b, sizeof a);
    adit_wipe(&a, sizeof a);
    adit_wipe(&b, sizeof b);
    return same;
}

static void deny(struct socks *s, const char *why)
{
    s->is_denied = true;
    fail(s, why);
}

/* ---- Addresses ---- */

static uint16_t be16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void text_ipv4(char *out, size_t cap, const uint8_t *a)
{
    (void)adit_format(out, cap, "%d.%d.%d.%d", a[0], a[1], a[2], a[3]);
}

/* RFC 5952 §4.2: "::" stands for the longest run of zero fields, the first of equal ones, never for one
 * alone. */
static size_t zero_run(const uint8_t *a, size_t *at)
{
    size_t best = 1, run = 0;

    *at = 8;
    for (size_t i = 0; i < 8; i++) {
        run = be16(a + 2 * i) == 0 ? run + 1 : 0;
        if (run > best) {
            best = run;
            *at = i + 1 - run;
        }
    }
    return best;
}

static void text_ipv6(char *out, size_t cap, const uint8_t *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    size_t at, run = zero_run(a, &at), n = 0;

    if (memcmp(a, mapped, sizeof mapped) == 0) {
        n = adit_format(out, cap, "::ffff:");
        text_ipv4(out + n, cap - n, a + 12);
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        if (i == at) {
            n += adit_format(out + n, cap - n, "::");
            i += run - 1;
            continue;
        }
        n += adit_format(out + n, cap - n, i == 0 || i == at + run ? "%x" : ":%x", (unsigned)be16(a + 2 * i));
    }
}

/* Whatever the far end's resolver makes of a name, it is text: no control characters and no spaces, so that
 * it can stand in a log line, and no zero that would cut it short for one reader and not for another. */
static bool name_take(struct socks *s, const uint8_t *name, size_t n)
{
    if (n == 0 || n > LIMIT_HOST)
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] == 0x7f)
            return false;
    memcpy(s->request.host, name, n);
    s->request.host[n] = '\0';
    s->request.is_name = true;
    return true;
}

/* ---- SOCKS4 ---- */

static void v4_finish(struct socks *s)
{
    if (s->command != COMMAND_CONNECT) {
        refuse(s, SOCKS_NO_COMMAND, "SOCKS4: only CONNECT is supported");
    } else if (s->user) {
        out_put_reply(s, SOCKS_NOT_ALLOWED);
        deny(s, "SOCKS4: it has no password, and one is wanted");
    } else {
        s->state = WAIT;
    }
}

/* SOCKS4A: an address 0.0.0.x with x not zero says that a name follows the user id. */
static void v4_on_head(struct socks *s)
{
    const uint8_t *ip = s->in + 3;

    s->command = s->in[0];
    s->request.port = be16(s->in + 1);
    s->request.is_name = ip[0] == 0 && ip[1] == 0 && ip[2] == 0 && ip[3] != 0;
    text_ipv4(s->request.host, sizeof s->request.host, ip);
    s->state = V4_USER;
}

static void v4_on_user(struct socks *s)
{
    if (s->request.is_name)
        s->state = V4_NAME;
    else
        v4_finish(s);
}

static void v4_on_name(struct socks *s)
{
    if (name_take(s, s->in, s->in_len - 1))
        v4_finish(s);
    else
        refuse(s, SOCKS_GENERAL, "SOCKS4A: not a host name");
}

/* ---- SOCKS5 ---- */

/* RFC 1928 §3: the server selects one of the methods given; if it selects X'FF' the client MUST close.
 * [RFC 1928 3a] */
static void v5_on_methods(struct socks *s)
{
    uint8_t wanted = s->user ? METHOD_USER : METHOD_NONE;
    bool has_it = s->in_len > 0 && memchr(s->in, wanted, s->in_len);
    const uint8_t answer[2] = {5, has_it ? wanted : METHOD_REFUSED};

    out_put(s, answer, sizeof answer);
    if (!has_it && s->user)
        deny(s, "SOCKS5: Client does not support user name and password");
    else if (!has_it)
        fail(s, "SOCKS5: Client does not support no-auth method");
    else
        s->state = s->user ? V5_AUTH : V5_HEAD;
}

/* RFC 1929 §2: VER is 1; a STATUS that is not 0 MUST be followed by the end of the connection.
 * [RFC 1929 2b 2c] */
static void v5_auth_answer(struct socks *s)
{
    const uint8_t answer[2] = {1, s->is_right ? 0 : 1};

    out_put(s, answer, sizeof answer);
    if (s->is_right)
        s->state = V5_HEAD;
    else
        deny(s, "SOCKS5: the user name or the password is wrong");
}

/* [RFC 1928 3d] [RFC 1929 2a] */
static void v5_on_auth(struct socks *s)
{
    s->need = (size_t)s->in[1] + 1;
    s->state = V5_USER;
    if (s->in[0] != 1)
        v5_auth_answer(s);
}

static void v5_on_password(struct socks *s)
{
    bool is_right = secret_is(span_make(s->in, s->in_len), s->password);
    s->is_right &= is_right;
    adit_wipe(s->in, sizeof s->in);
    v5_auth_answer(s);
}

static void v5_on_user(struct socks *s)
{
    size_t n = s->in_len - 1;

    s->is_right = secret_is(span_make(s->in, n), s->user);
    s->need = s->in[n];
    s->state = V5_PASSWORD;
    adit_wipe(s->in, sizeof s->in);
    if (s->need == 0) {
        s->in_len = 0;
        v5_on_password(s);
    }
}

static void v5_on_nmethods(struct socks *s)
{
    s->need = s->in[0];
    s->state = V5_METHODS;
    if (s->need == 0) {
        s->in_len = 0;
        v5_on_methods(s);
    }
}

/* What follows an unknown address type has no known length, so that is answered here; a command that
 * we do not have is answered when the whole request was read. [RFC 1928 4b 6c] */
static void v5_on_head(struct socks *s)
{
    s->command = s->in[1];
    if (s->in[0] != 5)
        refuse(s, SOCKS_GENERAL, "SOCKS5: the request has another version");
    else if (s->in[3] == ATYP_IPV4)
        s->state = V5_IPV4_PORT;
    else if (s->in[3] == ATYP_IPV6)
        s->state = V5_IPV6_PORT;
    else if (s->in[3] == ATYP_NAME)
        s->state = V5_NAME_LEN;
    else if (s->command != COMMAND_CONNECT)
        refuse(s, SOCKS_NO_COMMAND, "SOCKS5: only CONNECT is supported");
    else
        refuse(s, SOCKS_NO_ADDRESS_TYPE, "SOCKS5: unknown address type");
}

static void v5_on_address(struct socks *s)
{
    size_t n = s->in_len - 2; /* every address is followed by its port */
    bool good = true;

    if (s->state == V5_IPV4_PORT)
        text_ipv4(s->request.host, sizeof s->request.host, s->in);
    else if (s->state == V5_IPV6_PORT)
        text_ipv6(s->request.host, sizeof s->request.host, s->in);
    else
        good = name_take(s, s->in, n);
    s->request.port = be16(s->in + n);
    if (s->command != COMMAND_CONNECT)
        refuse(s, SOCKS_NO_COMMAND, "SOCKS5: only CONNECT is supported");
    else if (!good)
        refuse(s, SOCKS_GENERAL, "SOCKS5: not a host name");
    else
        s->state = WAIT;
}

/* ---- HTTP ---- */

static void http_refuse(struct socks *s, const char *status, const char *why)
{
    out_put_http(s, status);
    fail(s, why);
}

static void http_on_target(struct socks *s)
{
    if (!name_take(s, s->http.host.p, s->http.host.n)) {
        http_refuse(s, http_bad, "HTTP: not a host name");
        return;
    }
    s->request.is_name = !s->http.is_address;
    s->request.port = s->http.port;
}

/* Of several, one that is wrong is wrong for all. */
static void http_on_credentials(struct socks *s)
{
    bool is_user = secret_is(s->http.user, s->user), is_password = secret_is(s->http.password, s->password);
    bool is_right = is_user & is_password;

    s->is_right |= is_right;
    s->is_wrong |= !is_right;
    adit_wipe(s->http.line, sizeof s->http.line);
}

/* Many clients show no credentials before they are asked to: that is no failure of theirs. */
static void http_on_end(struct socks *s)
{
    if (!s->user || (s->is_right && !s->is_wrong)) {
        s->state = WAIT;
        return;
    }
    http_refuse(s, http_denied, "HTTP: the user name or the password is missing or wrong");
    s->is_denied = s->is_wrong;
}

static void http_on_byte(struct socks *s, uint8_t b)
{
    switch (http_byte(&s->http, b)) {
    case HTTP_NEED_MORE:
        break;
    case HTTP_TARGET:
        http_on_target(s);
        break;
    case HTTP_CREDENTIALS:
        http_on_credentials(s);
        break;
    case HTTP_END:
        http_on_end(s);
        break;
    case HTTP_BAD:
        http_refuse(s, http_bad, "HTTP: neither CONNECT nor a head that is taken");
        break;
    }
}

static void http_begin(struct socks *s, uint8_t first)
{
    s->request.version = SOCKS_HTTP;
    s->state = HTTP;
    http_init(&s->http);
    http_on_byte(s, first);
}

/* ---- Bytes in ---- */

static void on_version(struct socks *s)
{
    s->request.version = s->in[0];
    if (s->takes_http && s->in[0] >= 'A' && s->in[0] <= 'Z')
        http_begin(s, s->in[0]);
    else if (s->in[0] == 4)
        s->state = V4_HEAD;
    else if (s->in[0] == 5)
        s->state = V5_NMETHODS;
    else
        fail(s, "neither SOCKS4 nor SOCKS5");
}

/* The part is complete: act, and start the next one. */
static void on_part(struct socks *s)
{
    switch ((enum state)s->state) {
    case FIRST:
        on_version(s);
        break;
    case V4_HEAD:
        v4_on_head(s);
        break;
    case V4_USER:
        v4_on_user(s);
        break;
    case V4_NAME:
        v4_on_name(s);
        break;
    case V5_NMETHODS:
        v5_on_nmethods(s);
        break;
    case V5_METHODS:
        v5_on_methods(s);
        break;
    case V5_AUTH:
        v5_on_auth(s);
        break;
    case V5_USER:
        v5_on_user(s);
        break;
    case V5_PASSWORD:
        v5_on_password(s);
        break;
    case V5_HEAD:
        v5_on_head(s);
        break;
    case V5_NAME_LEN:
        s->need = (size_t)s->in[0] + 2;
        s->state = V5_NAME_PORT;
        break;
    case V5_NAME_PORT:
    case V5_IPV4_PORT:
    case V5_IPV6_PORT:
        v5_on_address(s);
        break;
    case HTTP:
    case WAIT:
    case GRANTED:
    case FAILED:
        break;
    }
    s->in_len = 0;
}

/* How many bytes the part has; 0: it ends with a zero byte. */
static size_t part_len(const struct socks *s)
{
    static const uint8_t fixed[] = {
        [FIRST] = 1,       [V4_HEAD] = 7,      [V5_NMETHODS] = 1,   [V5_AUTH] = 2, [V5_HEAD] = 4,
        [V5_NAME_LEN] = 1, [V5_IPV4_PORT] = 6, [V5_IPV6_PORT] = 18, [FAILED] = 0};

    switch (s->state) {
    case V5_METHODS:
    case V5_USER:
    case V5_PASSWORD:
    case V5_NAME_PORT:
        return s->need;
    default:
        return fixed[s->state];
    }
}

static void take_byte(struct socks *s, uint8_t b)
{
    size_t len = part_len(s);

    if (s->in_len == sizeof s->in) { /* only the parts without a length can be that long */
        refuse(s, SOCKS_GENERAL, "SOCKS4: the user id or the host name is too long");
        return;
    }
    s->in[s->in_len++] = b;
    if (len == 0 ? b == 0 : s->in_len == len)
        on_part(s);
}

size_t socks_feed(struct socks *s, struct span data)
{
    size_t used = 0;

    while (used < data.n && s->state < WAIT)
        if (s->state == HTTP)
            http_on_byte(s, data.p[used++]);
        else
            take_byte(s, data.p[used++]);
    return used;
}

/* ---- What is to be done ---- */

enum socks_event socks_next(const struct socks *s)
{
    if (s->out_len > 0)
        return SOCKS_SEND;
    if (s->state == WAIT)
        return SOCKS_REQUEST;
    if (s->state == GRANTED)
        return SOCKS_GRANTED;
    return s->state == FAILED ? SOCKS_FAILED : SOCKS_NEED_MORE;
}

struct span socks_out(const struct socks *s)
{
    return span_make(s->out, s->out_len);
}

void socks_out_consume(struct socks *s, size_t n)
{
    if (n > s->out_len)
        n = s->out_len;
    s->out_len -= n;
    memmove(s->out, s->out + n, s->out_len);
}

void socks_reply(struct socks *s, enum socks_result result)
{
    if (s->state != WAIT)
        return;
    if (result == SOCKS_OK) {
        out_put_reply(s, result);
        s->state = GRANTED;
    } else {
        refuse(s, result, "the destination was not reached");
    }
}
