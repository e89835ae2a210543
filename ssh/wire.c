#include "ssh/wire.h"

#include <string.h>

uint32_t get_u32(const uint8_t p[4])
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

uint64_t get_u64(const uint8_t p[8])
{
    return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}

void put_u32(uint8_t p[4], uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

void put_u64(uint8_t p[8], uint64_t v)
{
    put_u32(p, (uint32_t)(v >> 32));
    put_u32(p + 4, (uint32_t)v);
}

/* ---- reading ---- */

struct rd rd_init(struct span in)
{
    return (struct rd){.p = in.p, .n = in.n, .failed = false};
}

void rd_fail(struct rd *r)
{
    r->failed = true;
    r->n = 0;
}

/* The one place where bytes are taken: every getter stands on its length check. [RFC 4251 5j] */
struct span rd_bytes(struct rd *r, size_t n)
{
    if (r->failed || n > r->n) {
        rd_fail(r);
        return (struct span){0};
    }
    struct span s = {r->p, n};
    if (n > 0) {
        r->p += n;
        r->n -= n;
    }
    return s;
}

uint8_t rd_u8(struct rd *r)
{
    struct span s = rd_bytes(r, 1);
    return r->failed ? 0 : s.p[0];
}

/* [RFC 4251 5a] */
bool rd_bool(struct rd *r)
{
    return rd_u8(r) != 0;
}

uint32_t rd_u32(struct rd *r)
{
    struct span s = rd_bytes(r, 4);
    return r->failed ? 0 : get_u32(s.p);
}

uint64_t rd_u64(struct rd *r)
{
    struct span s = rd_bytes(r, 8);
    return r->failed ? 0 : get_u64(s.p);
}

struct span rd_string(struct rd *r)
{
    uint32_t n = rd_u32(r);
    return rd_bytes(r, n);
}

struct span rd_string_max(struct rd *r, size_t max)
{
    struct span s = rd_string(r);
    if (s.n > max) {
        rd_fail(r);
        return (struct span){0};
    }
    return s;
}

/* [RFC 4251 5f 5h 5i 6a] */
struct span rd_namelist(struct rd *r)
{
    struct span s = rd_string_max(r, LIMIT_NAMELIST);
    bool name_is_empty = true;
    for (size_t i = 0; i < s.n; i++) {
        /* RFC 4251 §5: a name MUST have a non-zero length and MUST NOT contain a comma; §6: names
         * are printable US-ASCII without control characters. */
        if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || (s.p[i] == ',' && name_is_empty)) {
            rd_fail(r);
            return (struct span){0};
        }
        name_is_empty = s.p[i] == ',';
    }
    if (s.n > 0 && name_is_empty) {
        rd_fail(r);
        return (struct span){0};
    }
    return s;
}

/* [RFC 4251 5c 5d 5e] */
struct span rd_mpint(struct rd *r)
{
    struct span s = rd_string(r);
    if (s.n == 0)
        return s;
    bool is_negative = (s.p[0] & 0x80) != 0;
    bool is_padded = s.p[0] == 0 && (s.n == 1 || (s.p[1] & 0x80) == 0);
    if (is_negative || is_padded) {
        rd_fail(r);
        return (struct span){0};
    }
    return s.p[0] == 0 ? span_sub(s, 1, s.n - 1) : s;
}

struct span rd_rest(struct rd *r)
{
    return rd_bytes(r, r->n);
}

bool rd_ok(const struct rd *r)
{
    return !r->failed;
}

bool rd_done(const struct rd *r)
{
    return !r->failed && r->n == 0;
}

/* [RFC 4251 5g] */
bool names_next(struct span *list, struct span *name)
{
    if (list->n == 0)
        return false;
    const uint8_t *comma = memchr(list->p, ',', list->n);
    size_t n = comma != NULL ? (size_t)(comma - list->p) : list->n;
    *name = (struct span){list->p, n};
    *list = comma != NULL ? span_sub(*list, n + 1, list->n) : (struct span){0};
    return true;
}

/* [RFC 4251 6b] */
bool names_has(struct span list, struct span name)
{
    struct span one;
    while (names_next(&list, &one))
        if (span_eq(one, name))
            return true;
    return false;
}

/* ---- writing ---- */

struct wr wr_init(uint8_t *p, size_t n)
{
    return (struct wr){.p = p, .n = n, .used = 0, .failed = false};
}

struct wspan wr_space(struct wr *w, size_t n)
{
    if (w->failed || n > w->n - w->used) {
        w->failed = true;
        return (struct wspan){0};
    }
    struct wspan s = {w->p + w->used, n};
    w->used += n;
    return s;
}

void wr_u8(struct wr *w, uint8_t v)
{
    struct wspan s = wr_space(w, 1);
    if (s.n == 1)
        s.p[0] = v;
}

/* [RFC 4251 5b] */
void wr_bool(struct wr *w, bool v)
{
    wr_u8(w, v ? 1 : 0);
}

void wr_u32(struct wr *w, uint32_t v)
{
    struct wspan s = wr_space(w, 4);
    if (s.n == 4)
        put_u32(s.p, v);
}

void wr_u64(struct wr *w, uint64_t v)
{
    struct wspan s = wr_space(w, 8);
    if (s.n == 8)
        put_u64(s.p, v);
}

void wr_bytes(struct wr *w, struct span s)
{
    struct wspan to = wr_space(w, s.n);
    if (to.n > 0)
        memcpy(to.p, s.p, to.n);
}

void wr_string(struct wr *w, struct span s)
{
    if (s.n > UINT32_MAX) {
        w->failed = true;
        return;
    }
    wr_u32(w, (uint32_t)s.n);
    wr_bytes(w, s);
}

void wr_cstring(struct wr *w, const char *s)
{
    wr_string(w, span_str(s));
}

/* [RFC 4251 5c 5d 5e] */
void wr_mpint(struct wr *w, struct span magnitude)
{
    while (magnitude.n > 0 && magnitude.p[0] == 0)
        magnitude = span_sub(magnitude, 1, magnitude.n);
    bool needs_zero = magnitude.n > 0 && (magnitude.p[0] & 0x80) != 0;
    size_t begin = wr_string_begin(w);
    if (needs_zero)
        wr_u8(w, 0);
    wr_bytes(w, magnitude);
    wr_string_end(w, begin);
}

size_t wr_string_begin(struct wr *w)
{
    wr_u32(w, 0);
    return w->used;
}

void wr_string_end(struct wr *w, size_t begin)
{
    if (!w->failed)
        put_u32(w->p + begin - 4, (uint32_t)(w->used - begin));
}

struct span wr_done(const struct wr *w)
{
    return w->failed ? (struct span){0} : (struct span){w->p, w->used};
}

bool wr_ok(const struct wr *w)
{
    return !w->failed;
}
