#include "adit.h"

#include <string.h>

/* ---- Spans --------------------------------------------------------------------------------- */

struct span span_make(const void *p, size_t n)
{
    struct span s = {p, n};
    return s;
}

struct span span_str(const char *s)
{
    return s == NULL ? span_make(NULL, 0) : span_make(s, strlen(s));
}

bool span_eq(struct span a, struct span b)
{
    /* memcmp may not be handed NULL, which is what an empty span holds. */
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_is(struct span a, const char *s)
{
    return span_eq(a, span_str(s));
}

struct span span_sub(struct span s, size_t from, size_t n)
{
    if (from >= s.n)
        return span_make(NULL, 0);
    size_t rest = s.n - from;
    return span_make(s.p + from, n < rest ? n : rest);
}

/* ---- Secrets ------------------------------------------------------------------------------- */

void adit_wipe(void *p, size_t n)
{
    if (n == 0)
        return;
    memset(p, 0, n);
    /* The compiler must believe that somebody reads the zeroes. */
    __asm__ volatile("" : : "r"(p) : "memory");
}

bool adit_ct_eq(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    unsigned diff = 0;
    for (size_t i = 0; i < n; i++)
        diff |= (unsigned)(x[i] ^ y[i]);
    return diff == 0;
}

/* ---- Errors -------------------------------------------------------------------------------- */

static const struct {
    int exit;
    bool may_retry;
    const char *kind;
    const char *sentence;
} errors[] = {
#define X(name, exit, kind, retry, sentence) {exit, retry, kind, sentence},
    ADIT_ERRORS(X)
#undef X
};

static size_t err_row(enum adit_err e)
{
    size_t i = (size_t)e;
    return i < ADIT_COUNT(errors) ? i : (size_t)ADIT_E_SYSTEM;
}

int adit_err_exit(enum adit_err e)
{
    return errors[err_row(e)].exit;
}

const char *adit_err_kind(enum adit_err e)
{
    return errors[err_row(e)].kind;
}

bool adit_err_may_retry(enum adit_err e)
{
    return errors[err_row(e)].may_retry;
}

const char *adit_err_sentence(enum adit_err e)
{
    return errors[err_row(e)].sentence;
}

enum adit_err adit_fail(struct adit_error *e, enum adit_err code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    enum adit_err same = adit_vfail(e, code, fmt, ap);
    va_end(ap);
    return same;
}

/* [RFC 4253 11.1d] */
enum adit_err adit_vfail(struct adit_error *e, enum adit_err code, const char *fmt, va_list ap)
{
    if (e == NULL || e->code != ADIT_E_OK)
        return code;
    /* Room for what the filter takes away, so that a cut character does not become a '?'. */
    char raw[2 * LIMIT_ERROR_TEXT];
    size_t n = adit_vformat(raw, sizeof raw, fmt, ap);
    e->code = code;
    size_t kept = adit_text_clean(e->text, sizeof e->text, span_make(raw, n), false);
    for (size_t i = 0; i < kept; i++)
        if (e->text[i] == '\t')
            e->text[i] = ' ';
    adit_wipe(raw, sizeof raw);
    return code;
}

/* ---- Text: the formatter ------------------------------------------------------------------- */

struct text {
    char *p;
    size_t n, cap; /* cap counts the terminating zero */
};

static void text_char(struct text *t, char c)
{
    if (t->n + 1 < t->cap)
        t->p[t->n++] = c;
}

static size_t text_end(struct text *t)
{
    if (t->cap > 0)
        t->p[t->n] = 0;
    return t->n;
}

/* One conversion of a format: what stands between '%' and its letter. */
struct conv {
    bool zero, has_precision;
    size_t width, precision;
    int longs; /* 0 int, 1 long, 2 long long, 3 size_t */
};

static void text_pad(struct text *t, char c, size_t width, size_t used)
{
    for (; used < width; used++)
        text_char(t, c);
}

static void text_string(struct text *t, const struct conv *c, const char *s)
{
    if (s == NULL)
        s = "(null)";
    size_t n = 0; /* a string with a precision need not be zero-terminated */
    while ((!c->has_precision || n < c->precision) && s[n] != 0)
        n++;
    text_pad(t, ' ', c->width, n);
    for (size_t i = 0; i < n; i++)
        text_char(t, s[i]);
}

static void text_number(struct text *t, const struct conv *c, unsigned long long v, bool negative,
                        unsigned base)
{
    char digits[24];
    size_t n = 0, sign = negative ? 1 : 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    if (!c->zero)
        text_pad(t, ' ', c->width, n + sign);
    if (negative)
        text_char(t, '-');
    if (c->zero)
        text_pad(t, '0', c->width, n + sign);
    while (n > 0)
        text_char(t, digits[--n]);
}

static const char *conv_number(const char *f, size_t *value)
{
    for (*value = 0; *f >= '0' && *f <= '9'; f++)
        if (*value < LIMIT_ERROR_TEXT) /* our own formats only; a typing error must not loop for long */
            *value = *value * 10 + (size_t)(*f - '0');
    return f;
}

/* A va_list as a parameter decays where it is an array type; a struct around it does not. */
struct args {
    va_list ap;
};

static size_t args_natural(struct args *a)
{
    int n = va_arg(a->ap, int);
    return n < 0 ? 0 : (size_t)n;
}

static const char *conv_read(struct conv *c, const char *f, struct args *a)
{
    memset(c, 0, sizeof *c);
    c->zero = *f == '0';
    f = conv_number(f, &c->width);
    if (*f == '.') {
        c->has_precision = true;
        if (f[1] == '*') {
            c->precision = args_natural(a);
            f += 2;
        } else {
            f = conv_number(f + 1, &c->precision);
        }
    }
    if (*f == 'z') {
        c->longs = 3;
        return f + 1;
    }
    for (; *f == 'l' && c->longs < 2; f++)
        c->longs++;
    return f;
}

static unsigned long long args_unsigned(struct args *a, int longs)
{
    if (longs == 3)
        return va_arg(a->ap, size_t);
    if (longs == 2)
        return va_arg(a->ap, unsigned long long);
    return longs == 1 ? va_arg(a->ap, unsigned long) : va_arg(a->ap, unsigned);
}

static long long args_signed(struct args *a, int longs)
{
    if (longs == 3)
        return (long long)va_arg(a->ap, ptrdiff_t);
    if (longs == 2)
        return va_arg(a->ap, long long);
    return longs == 1 ? va_arg(a->ap, long) : va_arg(a->ap, int);
}

static void text_conv(struct text *t, const struct conv *c, char letter, struct args *a)
{
    if (letter == 's') {
        text_string(t, c, va_arg(a->ap, const char *));
    } else if (letter == 'c') {
        text_char(t, (char)va_arg(a->ap, int));
    } else if (letter == 'd') {
        long long v = args_signed(a, c->longs);
        text_number(t, c, v < 0 ? 0 - (unsigned long long)v : (unsigned long long)v, v < 0, 10);
    } else if (letter == 'u' || letter == 'x') {
        text_number(t, c, args_unsigned(a, c->longs), false, letter == 'x' ? 16 : 10);
    } else {
        text_char(t, letter == '%' ? '%' : '?');
    }
}

size_t adit_format(char *out, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    size_t n = adit_vformat(out, cap, fmt, ap);
    va_end(ap);
    return n;
}

size_t adit_vformat(char *out, size_t cap, const char *fmt, va_list ap)
{
    struct text t = {out, 0, cap};
    struct args a;
    va_copy(a.ap, ap);
    for (const char *f = fmt; *f != 0; f++) {
        if (*f != '%') {
            text_char(&t, *f);
            continue;
        }
        struct conv c;
        f = conv_read(&c, f + 1, &a);
        if (*f == 0)
            break;
        text_conv(&t, &c, *f, &a);
    }
    va_end(a.ap);
    return text_end(&t);
}

/* ---- Text: the filter ---------------------------------------------------------------------- */

enum {
    BEL = 0x07,
    CAN = 0x18,
    SUB = 0x1a,
    ESC = 0x1b,
    DEL = 0x7f,
    C1_DCS = 0x90,
    C1_SOS = 0x98,
    C1_CSI = 0x9b,
    C1_ST = 0x9c,
    C1_OSC = 0x9d,
    C1_PM = 0x9e,
    C1_APC = 0x9f,
};

#define NOT_UTF8 0xffffffffU

/* The character at p and how many bytes it takes. What is not UTF-8 (overlong forms, surrogates and
 * numbers above 10FFFF included) is NOT_UTF8 and one byte. */
static uint32_t utf8_read(const uint8_t *p, size_t n, size_t *len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    *len = 1;
    if (p[0] < 0x80)
        return p[0];
    size_t want = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n < want)
        return NOT_UTF8;
    uint32_t c = p[0] & (0x7fU >> want);
    for (size_t i = 1; i < want; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return NOT_UTF8;
        c = c << 6 | (p[i] & 0x3fU);
    }
    if (c < least[want] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return NOT_UTF8;
    *len = want;
    return c;
}

/* Characters that show nothing and change how their neighbours are shown. */
static bool is_hidden(uint32_t c)
{
    bool control = (c < 0x20 && c != '\t') || (c >= DEL && c <= 0x9f);
    bool bidi = c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
                (c >= 0x2066 && c <= 0x2069);
    bool line = c == 0x2028 || c == 0x2029;
    return control || bidi || line || c == NOT_UTF8;
}

struct filter {
    struct span in;
    size_t at;
    bool no_string_end; /* from here on no control string ends: looked for once, so the time stays linear */
};

static uint8_t filter_peek(const struct filter *f, size_t ahead)
{
    return f->in.n - f->at > ahead ? f->in.p[f->at + ahead] : 0;
}

static void filter_skip_range(struct filter *f, uint8_t low, uint8_t high)
{
    while (f->at < f->in.n && f->in.p[f->at] >= low && f->in.p[f->at] <= high)
        f->at++;
}

static void filter_skip_one(struct filter *f, uint8_t low, uint8_t high)
{
    if (f->at < f->in.n && f->in.p[f->at] >= low && f->in.p[f->at] <= high)
        f->at++;
}

/* ECMA-48 §5.4: parameters, intermediates, one final byte. */
static void filter_skip_csi(struct filter *f)
{
    filter_skip_range(f, 0x30, 0x3f);
    filter_skip_range(f, 0x20, 0x2f);
    filter_skip_one(f, 0x40, 0x7e);
}

/* How many bytes at i end a control string: BEL, both forms of ST; CAN and SUB as terminals do it. */
static size_t string_end_len(struct span in, size_t i)
{
    bool more = i + 1 < in.n;
    if (in.p[i] == BEL || in.p[i] == CAN || in.p[i] == SUB)
        return 1;
    if (more && in.p[i] == ESC && in.p[i + 1] == '\\')
        return 2;
    return more && in.p[i] == 0xc2 && in.p[i + 1] == C1_ST ? 2 : 0;
}

/* A string that nothing ends must not swallow our own words after it: then only its start goes. */
static void filter_skip_string(struct filter *f)
{
    for (size_t i = f->at; i < f->in.n && !f->no_string_end; i++) {
        size_t len = string_end_len(f->in, i);
        if (len > 0) {
            f->at = i + len;
            return;
        }
    }
    f->no_string_end = true;
}

static void filter_skip_escape(struct filter *f)
{
    uint8_t c = filter_peek(f, 0);
    if (c == '[') {
        f->at++;
        filter_skip_csi(f);
    } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
        f->at++;
        filter_skip_string(f);
    } else {
        filter_skip_range(f, 0x20, 0x2f);
        filter_skip_one(f, 0x30, 0x7e);
    }
}

/* True if c began an escape sequence, which is now behind us. */
static bool filter_sequence(struct filter *f, uint32_t c)
{
    switch (c) {
    case ESC:
        filter_skip_escape(f);
        return true;
    case C1_CSI:
        filter_skip_csi(f);
        return true;
    case C1_DCS:
    case C1_SOS:
    case C1_OSC:
    case C1_PM:
    case C1_APC:
        filter_skip_string(f);
        return true;
    default:
        return false;
    }
}

/* [RFC 4251 9.2a] */
size_t adit_text_clean(char *out, size_t cap, struct span text, bool keep_newlines)
{
    struct text t = {out, 0, cap};
    struct filter f = {text, 0, false};
    while (f.at < text.n) {
        size_t start = f.at, len;
        uint32_t c = utf8_read(text.p + start, text.n - start, &len);
        f.at += len;
        if (filter_sequence(&f, c) || (c == '\r' && filter_peek(&f, 0) == '\n'))
            continue;
        if (is_hidden(c) && !(c == '\n' && keep_newlines)) {
            text_char(&t, '?');
            continue;
        }
        if (t.n + len >= cap)
            break;
        memcpy(t.p + t.n, text.p + start, len);
        t.n += len;
    }
    return text_end(&t);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool same(uint8_t a, uint8_t b, bool any_case)
{
    return a == b || (any_case && lower(a) == lower(b));
}

/* Only the last star ever needs to be taken back: what an earlier one took can be given to it. */
bool adit_text_matches(struct span pattern, struct span text, bool any_case)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && (pattern.p[p] == '?' || same(pattern.p[p], text.p[t], any_case))) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}
