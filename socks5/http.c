#include "socks5/http.h"

#include <string.h>

void http_init(struct http *h)
{
    memset(h, 0, sizeof *h);
}

/* ---- Words ---- */

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_in(const char *set, uint8_t c)
{
    return c != 0 && strchr(set, c);
}

/* word: in small letters. */
static bool is_word(struct span text, const char *word)
{
    if (text.n != strlen(word))
        return false;
    for (size_t i = 0; i < text.n; i++)
        if ((text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] + 32 : text.p[i]) != (uint8_t)word[i])
            return false;
    return true;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = span_sub(s, 1, s.n);
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* Where c stands the first time; n: nowhere. */
static size_t find(struct span s, uint8_t c)
{
    size_t i = 0;
    while (i < s.n && s.p[i] != c)
        i++;
    return i;
}

/* ---- The request line ---- */

static bool port_parse(struct http *h, struct span text)
{
    uint32_t port = 0;
    if (text.n > 5)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (!is_digit(text.p[i]))
            return false;
        port = 10 * port + (uint32_t)(text.p[i] - '0');
    }
    h->port = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

/* Nothing else has a place in an address with brackets; whether it is one, the far end sees. */
static bool address_parse(struct http *h, struct span text)
{
    if (text.n < 4 || text.p[text.n - 1] != ']')
        return false;
    h->is_address = true;
    h->host = span_sub(text, 1, text.n - 2);
    for (size_t i = 0; i < h->host.n; i++)
        if (!is_in("0123456789abcdefABCDEF:.", h->host.p[i]))
            return false;
    return find(h->host, ':') < h->host.n;
}

static bool host_parse(struct http *h, struct span text)
{
    if (text.p[0] == '[')
        return address_parse(h, text);
    h->is_address = false;
    h->host = text;
    for (size_t i = 0; i < text.n; i++)
        if (is_in(":/@[]?#", text.p[i]))
            return false;
    return true;
}

/* RFC 9112 §3.2.3, authority-form: there is no port but the one that is said. */
static bool target_parse(struct http *h, struct span text)
{
    size_t at = text.n;
    while (at > 0 && text.p[at - 1] != ':')
        at--;
    return at > 1 && port_parse(h, span_sub(text, at, text.n)) && host_parse(h, span_sub(text, 0, at - 1));
}

static bool request_parse(struct http *h, struct span line)
{
    enum { HEAD = 8, TAIL = 9 };
    if (line.n <= HEAD + TAIL || memcmp(line.p, "CONNECT ", HEAD) != 0)
        return false;
    const uint8_t *tail = line.p + line.n - TAIL;
    return memcmp(tail, " HTTP/1.", TAIL - 1) == 0 && is_digit(tail[TAIL - 1]) &&
           target_parse(h, span_sub(line, HEAD, line.n - HEAD - TAIL));
}

/* ---- Headers ---- */

static uint32_t base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return (uint32_t)(c - 'A');
    if (c >= 'a' && c <= 'z')
        return (uint32_t)(c - 'a' + 26);
    if (is_digit(c))
        return (uint32_t)(c - '0' + 52);
    return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* RFC 4648 §4, into the place where it stood: the line's. False: it is none. */
static bool base64_decode(struct http *h, struct span text, struct span *plain)
{
    uint8_t *out = h->line;
    uint32_t bits = 0;
    size_t pad = 0;
    while (pad < 2 && pad < text.n && text.p[text.n - 1 - pad] == '=')
        pad++;
    if (text.n % 4 != 0)
        return false;
    for (size_t i = 0; i < text.n - pad; i++) {
        uint32_t digit = base64_digit(text.p[i]);
        if (digit > 63)
            return false;
        bits = bits << 6 | digit;
        if (i % 4 != 0)
            *out++ = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    *plain = span_make(h->line, (size_t)(out - h->line));
    return true;
}

/* RFC 7617 §2: a user has no colon. Another scheme, and what is malformed, is as none at all. */
static enum http_event on_credentials(struct http *h, struct span value)
{
    size_t blank = find(value, ' ');
    struct span plain;
    if (!is_word(span_sub(value, 0, blank), "basic") ||
        !base64_decode(h, trim(span_sub(value, blank, value.n)), &plain))
        return HTTP_NEED_MORE;
    size_t colon = find(plain, ':');
    if (colon == plain.n)
        return HTTP_NEED_MORE;
    h->user = span_sub(plain, 0, colon);
    h->password = span_sub(plain, colon + 1, plain.n);
    return HTTP_CREDENTIALS;
}

/* RFC 9112 §5.1, §5.2: neither blanks before the colon nor lines that go on in the next one. */
static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] >= 0x7f)
            return false;
    return name.n > 0;
}

/* is_whole: all of it was kept. */
static enum http_event on_header(struct http *h, struct span line, bool is_whole)
{
    size_t colon = find(line, ':');
    struct span name = span_sub(line, 0, colon), value = trim(span_sub(line, colon + 1, line.n));
    if (colon == line.n || !is_name(name) || is_word(name, "transfer-encoding") ||
        (is_word(name, "content-length") && !span_is(value, "0")))
        return HTTP_BAD;
    return is_whole && is_word(name, "proxy-authorization") ? on_credentials(h, value) : HTTP_NEED_MORE;
}

/* ---- Bytes in ---- */

static enum http_event on_line(struct http *h, struct span line, bool is_whole)
{
    if (h->has_target)
        return line.n == 0 ? HTTP_END : on_header(h, line, is_whole);
    h->has_target = true;
    return is_whole && request_parse(h, line) ? HTTP_TARGET : HTTP_BAD;
}

/* RFC 9112 §2.2: a line may end with LF alone. */
enum http_event http_byte(struct http *h, uint8_t c)
{
    if (++h->total > HTTP_HEAD_MAX)
        return HTTP_BAD;
    if (c != '\n') {
        if (h->len < HTTP_LINE_CAP)
            h->line[h->len] = c;
        h->len++;
        return HTTP_NEED_MORE;
    }
    bool is_whole = h->len <= HTTP_LINE_CAP;
    struct span line = span_make(h->line, is_whole ? h->len : HTTP_LINE_CAP);
    h->len = 0;
    if (is_whole && line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return on_line(h, line, is_whole);
}
