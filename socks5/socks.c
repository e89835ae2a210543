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
    V5_HEAD,      /* version, command, reserved, address type */
    V5_NAME_LEN,  /* one byte */
    V5_NAME_PORT, /* that many, and two */
    V5_IPV4_PORT, /* 4 + 2 */
    V5_IPV6_PORT, /* 16 + 2 */
    WAIT,         /* the request is with the caller */
    GRANTED,
    FAILED,
};

enum { METHOD_NONE = 0x00, METHOD_REFUSED = 0xff, COMMAND_CONNECT = 1 };
enum { ATYP_IPV4 = 1, ATYP_NAME = 3, ATYP_IPV6 = 4 };

void socks_init(struct socks *s)
{
    memset(s, 0, sizeof *s);
}

/* ---- Answers ---- */

static void out_put(struct socks *s, const uint8_t *p, size_t n)
{
    if (n > sizeof s->out - s->out_len)
        return; /* cannot be: a handshake has one method answer and one reply */
    memcpy(s->out + s->out_len, p, n);
    s->out_len += n;
}

static void out_put_reply(struct socks *s, enum socks_result result)
{
    /* SOCKS4: VN = 0, CD, DSTPORT, DSTIP. SOCKS5 (RFC 1928 §6): VER, REP, RSV, ATYP, BND.ADDR, BND.PORT. The
     * bound address is the server's and unknown to us. */
    const uint8_t v4[8] = {0, result == SOCKS_OK ? 0x5a : 0x5b};
    const uint8_t v5[10] = {5, (uint8_t)result, 0, ATYP_IPV4};

    if (s->request.version == 4)
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
    if (s->command != COMMAND_CONNECT)
        refuse(s, SOCKS_NO_COMMAND, "SOCKS4: only CONNECT is supported");
    else
        s->state = WAIT;
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

/* RFC 1928 §3: the server selects one of the methods given; if it selects X'FF' the client MUST close. */
static void v5_on_methods(struct socks *s)
{
    uint8_t answer[2] = {5, METHOD_REFUSED};

    if (s->in_len > 0 && memchr(s->in, METHOD_NONE, s->in_len))
        answer[1] = METHOD_NONE;
    out_put(s, answer, sizeof answer);
    if (answer[1] == METHOD_REFUSED)
        fail(s, "SOCKS5: Client does not support no-auth method");
    else
        s->state = V5_HEAD;
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
 * we do not have is answered when the whole request was read. */
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

/* ---- Bytes in ---- */

static void on_version(struct socks *s)
{
    s->request.version = s->in[0];
    if (s->in[0] == 4)
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
    static const uint8_t fixed[] = {[FIRST] = 1,       [V4_HEAD] = 7,      [V5_NMETHODS] = 1,   [V5_HEAD] = 4,
                                    [V5_NAME_LEN] = 1, [V5_IPV4_PORT] = 6, [V5_IPV6_PORT] = 18, [FAILED] = 0};

    return s->state == V5_METHODS || s->state == V5_NAME_PORT ? s->need : fixed[s->state];
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
