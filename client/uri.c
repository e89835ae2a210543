#include "client/uri.h"

#include <string.h>

#include "client/units.h"

bool uri_take_scheme(struct span *text, const char *scheme)
{
    size_t n = strlen(scheme);
    if (text->n < n || memcmp(text->p, scheme, n) != 0)
        return false;
    *text = span_sub(*text, n, SIZE_MAX);
    if (text->n > 0 && text->p[text->n - 1] == '/')
        text->n--;
    return true;
}

bool uri_take_user(struct span *text, struct span *user)
{
    size_t at = text->n;
    while (at > 0 && text->p[at - 1] != '@')
        at--;
    *user = span_sub(*text, 0, at > 0 ? at - 1 : 0);
    *text = span_sub(*text, at, SIZE_MAX);
    return at > 0;
}

bool uri_take_port(struct span *text, uint16_t *port)
{
    size_t end = 0;
    uint32_t number = 0;
    if (text->n > 0 && text->p[0] == '[')
        while (end < text->n && text->p[end] != ']')
            end++;
    while (end < text->n && text->p[end] != ':')
        end++;
    if (end < text->n && !units_number(span_sub(*text, end + 1, SIZE_MAX), 1, UINT16_MAX, &number))
        return false;
    *port = (uint16_t)number;
    *text = span_sub(*text, 0, end);
    return true;
}

struct span uri_without_brackets(struct span host)
{
    bool has = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    return has ? span_sub(host, 1, host.n - 2) : host;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool uri_decode(char *out, size_t cap, struct span in)
{
    size_t n = 0;
    for (size_t i = 0; i < in.n; i++) {
        int c = in.p[i];
        if (c == '%') {
            if (in.n - i < 3 || hex_digit(in.p[i + 1]) < 0 || hex_digit(in.p[i + 2]) < 0)
                return false;
            c = hex_digit(in.p[i + 1]) * 16 + hex_digit(in.p[i + 2]);
            i += 2;
        }
        if (c == 0 || n + 1 >= cap)
            return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return true;
}
