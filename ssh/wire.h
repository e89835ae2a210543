/*
 * wire.h - the data types of RFC 4251 §5, read and written without a copy and without a crash.
 *
 * Both sides fail stickily. After the first failure every getter returns zero, false or an empty
 * span and every setter does nothing, so that a parser is a straight list of lines that reads like
 * the RFC's table, with one check at the end:
 *
 *     struct rd r = rd_init(payload);
 *     uint32_t recipient = rd_u32(&r);
 *     struct span data = rd_string(&r);
 *     if (!rd_done(&r)) ...                 nothing failed and nothing is left
 *
 * Neither allocates. Spans that come out point into the input and live as long as it does.
 */
#ifndef SSH_WIRE_H
#define SSH_WIRE_H

#include "adit.h"

struct rd {
    const uint8_t *p;
    size_t n;    /* bytes left */
    bool failed; /* sticky */
};

struct rd rd_init(struct span in);
uint8_t rd_u8(struct rd *r);
bool rd_bool(struct rd *r); /* RFC 4251 §5: all non-zero values are TRUE */
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
struct span rd_bytes(struct rd *r, size_t n); /* exactly n raw bytes */
struct span rd_string(struct rd *r);          /* uint32 length and that many bytes */
/* A string of at most max bytes; longer fails. */
struct span rd_string_max(struct rd *r, size_t max);
/* A name-list of printable US-ASCII without control characters; names may be empty only in an empty list. */
struct span rd_namelist(struct rd *r);
/* A non-negative mpint's magnitude: big-endian without leading zeros, empty for 0. A negative one, or one
 * with needless leading zeros (RFC 4251 §5: MUST NOT be included), fails. */
struct span rd_mpint(struct rd *r);
struct span rd_rest(struct rd *r); /* all that is left */
bool rd_ok(const struct rd *r) ADIT_MUST_USE;
bool rd_done(const struct rd *r) ADIT_MUST_USE; /* nothing failed and nothing is left */
void rd_fail(struct rd *r);

/* The next name of a name-list, or false at its end: `while (names_next(&list, &name))`. */
bool names_next(struct span *list, struct span *name);
bool names_has(struct span list, struct span name);

/* Writing into a bounded region that somebody else owns. */
struct wr {
    uint8_t *p;
    size_t n;    /* capacity */
    size_t used; /* bytes written */
    bool failed; /* sticky: something did not fit */
};

struct wr wr_init(uint8_t *p, size_t n);
void wr_u8(struct wr *w, uint8_t v);
void wr_bool(struct wr *w, bool v);
void wr_u32(struct wr *w, uint32_t v);
void wr_u64(struct wr *w, uint64_t v);
void wr_bytes(struct wr *w, struct span s);
void wr_string(struct wr *w, struct span s);
void wr_cstring(struct wr *w, const char *s);
void wr_mpint(struct wr *w, struct span magnitude); /* big-endian, leading zeros are stripped */
/* A string whose length is known only after its contents: begin, write the contents, end. */
size_t wr_string_begin(struct wr *w);
void wr_string_end(struct wr *w, size_t begin);
struct wspan wr_space(struct wr *w,
                      size_t n);         /* n bytes for the caller to fill; empty when they do not fit */
struct span wr_done(const struct wr *w); /* what was written; empty after a failure */
bool wr_ok(const struct wr *w) ADIT_MUST_USE;

/* Single words at places that are known to be large enough. */
uint32_t get_u32(const uint8_t p[4]);
uint64_t get_u64(const uint8_t p[8]);
void put_u32(uint8_t p[4], uint32_t v);
void put_u64(uint8_t p[8], uint64_t v);

#endif
