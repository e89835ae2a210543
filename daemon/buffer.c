#include "daemon/buffer.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 256 };

void buffer_wipe(struct buffer *b)
{
    free(b->p);
    memset(b, 0, sizeof *b);
}

void buffer_clear(struct buffer *b)
{
    b->len = 0;
    if (b->p)
        b->p[0] = 0;
}

/* Room for n more bytes and the zero. */
static bool buffer_reserve(struct buffer *b, size_t n)
{
    size_t cap = b->cap ? b->cap : FIRST_CAP;
    char *p;

    if (b->is_failed || n >= SIZE_MAX / 2 - b->len) {
        b->is_failed = true;
        return false;
    }
    if (b->cap > b->len + n)
        return true;
    while (cap <= b->len + n)
        cap *= 2;
    p = realloc(b->p, cap);
    if (!p) {
        b->is_failed = true;
        return false;
    }
    b->p = p;
    b->cap = cap;
    return true;
}

void buffer_add(struct buffer *b, struct span bytes)
{
    if (!buffer_reserve(b, bytes.n))
        return;
    if (bytes.n)
        memcpy(b->p + b->len, bytes.p, bytes.n);
    b->len += bytes.n;
    b->p[b->len] = 0;
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_add(b, span_str(text));
}

void buffer_format(struct buffer *b, const char *fmt, ...)
{
    for (size_t room = FIRST_CAP; buffer_reserve(b, room); room *= 2) {
        va_list ap;
        size_t n;

        va_start(ap, fmt);
        n = adit_vformat(b->p + b->len, room + 1, fmt, ap);
        va_end(ap);
        if (n < room) { /* and so it was not cut off */
            b->len += n;
            return;
        }
    }
}
