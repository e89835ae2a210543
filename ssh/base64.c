#include "ssh/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(char *out, size_t cap, struct span in)
{
    if (cap == 0)
        return 0;
    out[0] = '\0';
    if (in.n > SIZE_MAX / 4 || BASE64_LEN(in.n) >= cap)
        return 0;
    char *o = out;
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i;
        uint32_t v = (uint32_t)in.p[i] << 16 | (left > 1 ? (uint32_t)in.p[i + 1] << 8 : 0) |
                     (left > 2 ? (uint32_t)in.p[i + 2] : 0);
        *o++ = alphabet[v >> 18];
        *o++ = alphabet[v >> 12 & 63];
        *o++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
        *o++ = left > 2 ? alphabet[v & 63] : '=';
    }
    *o = '\0';
    return (size_t)(o - out);
}

/* All ones when lo <= c <= hi, else 0, without a branch: a difference below zero shows in the top bit. */
static uint32_t mask_in(uint32_t c, uint32_t lo, uint32_t hi)
{
    return (((c - lo) | (hi - c)) >> 31) - 1;
}

enum { NOT_A_DIGIT = 127 };

/* A digit's value, without a table that the cache could give away and without a branch on it. */
static uint32_t value_of(uint32_t c)
{
    uint32_t v = mask_in(c, 'A', 'Z') & (c - 'A' + 1);
    v |= mask_in(c, 'a', 'z') & (c - 'a' + 27);
    v |= mask_in(c, '0', '9') & (c - '0' + 53);
    v |= mask_in(c, '+', '+') & 63;
    v |= mask_in(c, '/', '/') & 64;
    return (v - 1) & NOT_A_DIGIT;
}

struct decoder {
    struct wspan out;
    size_t used;
    uint32_t group;             /* the digits of a group so far */
    unsigned digits, pads, bad; /* bad: anything that is not canonical base64 */
};

static void put_byte(struct decoder *d, uint32_t v)
{
    if (d->used < d->out.n)
        d->out.p[d->used++] = (uint8_t)v;
    else
        d->bad = 1;
}

/* A group of four characters is complete: 3, 2 or 1 bytes, by its padding. */
static void end_group(struct decoder *d)
{
    uint32_t unused = d->pads == 2 ? 0xffff : d->pads == 1 ? 0xff : 0;
    d->bad |= (d->group & unused) != 0; /* RFC 4648 §3.5: pad bits MUST be zero */
    put_byte(d, d->group >> 16);
    if (d->pads < 2)
        put_byte(d, d->group >> 8 & 0xff);
    if (d->pads < 1)
        put_byte(d, d->group & 0xff);
    d->group = 0;
    d->digits = 0;
}

static void take_char(struct decoder *d, uint8_t c)
{
    if (c == '=') {
        d->bad |= d->digits < 2 || d->pads == 2;
        d->pads++;
        d->group <<= 6;
    } else {
        uint32_t v = value_of(c);
        d->bad |= (v == NOT_A_DIGIT) | (d->pads > 0);
        d->group = d->group << 6 | (v & 63);
    }
    if (++d->digits == 4 && !d->bad)
        end_group(d);
}

bool base64_decode(struct wspan out, struct span text, bool allow_space, size_t *len)
{
    struct decoder d = {.out = out};
    for (size_t i = 0; i < text.n && !d.bad; i++) {
        uint8_t c = text.p[i];
        bool is_space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!(is_space && allow_space))
            take_char(&d, c);
    }
    bool ok = !d.bad && d.digits == 0;
    if (!ok && d.used > 0)
        adit_wipe(out.p, d.used);
    *len = ok ? d.used : 0;
    return ok;
}
