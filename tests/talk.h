/*
 * talk.h - messages for the tests of the SSH machine: written from a format, said to a machine or heard from
 * one, and the memory they run on.
 */
#ifndef TESTS_TALK_H
#define TESTS_TALK_H

#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

#include "ssh/packet.h"
#include "ssh/wire.h"

/* ---- memory that is counted ---- */

struct talk_memory {
    struct adit_alloc alloc;
    size_t now, count, fail_at; /* fail_at: this allocation, counted from 1, returns NULL */
};

static inline void *talk_alloc(void *ctx, size_t n)
{
    struct talk_memory *m = ctx;
    if (++m->count == m->fail_at)
        return NULL;
    m->now += n;
    return malloc(n);
}

static inline void talk_release(void *ctx, void *p, size_t n)
{
    struct talk_memory *m = ctx;
    if (p != NULL)
        m->now -= n;
    free(p);
}

static inline void talk_memory_init(struct talk_memory *m)
{
    *m = (struct talk_memory){.alloc = {m, talk_alloc, talk_release}};
}

/* ---- messages ---- */

/* One letter an argument: b byte (int), t bool (int), u uint32 (unsigned), s string (const char *),
 * S string (struct span), p raw bytes (struct span). The bytes live until the next call but seven. */
static inline struct span message(const char *format, ...)
{
    static uint8_t store[8][70000];
    static unsigned turn;
    uint8_t *to = store[turn++ % 8];
    struct wr w = wr_init(to, sizeof(store[0]));
    va_list ap;
    va_start(ap, format);
    for (; *format != 0; format++) {
        if (*format == 'b')
            wr_u8(&w, (uint8_t)va_arg(ap, int));
        else if (*format == 't')
            wr_bool(&w, va_arg(ap, int) != 0);
        else if (*format == 'u')
            wr_u32(&w, va_arg(ap, unsigned));
        else if (*format == 's')
            wr_cstring(&w, va_arg(ap, const char *));
        else if (*format == 'S')
            wr_string(&w, va_arg(ap, struct span));
        else
            wr_bytes(&w, va_arg(ap, struct span));
    }
    va_end(ap);
    assert_true(wr_ok(&w));
    return wr_done(&w);
}

/* Sealed into the output of pk as it stands. */
static inline void say(struct packet *pk, struct span payload)
{
    struct wspan to = packet_reserve(pk, payload.n);
    assert_int_equal(to.n, payload.n);
    memcpy(to.p, payload.p, payload.n);
    packet_seal(pk, payload.n);
}

/* ---- a packet layer without keys, and an ear for what it sends ---- */

struct talk {
    struct talk_memory memory;
    struct drbg random;
    struct packet pk, ear;
    struct adit_error err;
};

static inline void talk_init(struct talk *t)
{
    static const uint8_t seed[32] = {1, 2, 3};
    talk_memory_init(&t->memory);
    t->err = (struct adit_error){0};
    drbg_init(&t->random, seed);
    packet_init(&t->pk, &t->memory.alloc, &t->random);
    packet_init(&t->ear, &t->memory.alloc, &t->random);
}

static inline void talk_wipe(struct talk *t)
{
    packet_wipe(&t->pk);
    packet_wipe(&t->ear);
    assert_int_equal(t->memory.now, 0);
}

/* Bytes that one layer has sent become the input of another. */
static inline void carry(struct packet *from, struct packet *to)
{
    while (packet_out(from).n > 0) {
        struct wspan in = packet_in_space(to);
        struct span out = packet_out(from);
        size_t n = in.n < out.n ? in.n : out.n;
        if (n == 0)
            return;
        memcpy(in.p, out.p, n);
        packet_in_commit(to, n);
        packet_out_consume(from, n);
    }
}

/* The next message that t->pk has sent; the empty span: none. */
static inline struct span hear(struct talk *t)
{
    struct span payload = {0};
    struct adit_error err = {0};
    if (packet_next(&t->ear, &payload, &err) == PACKET_READY)
        return payload;
    carry(&t->pk, &t->ear);
    return packet_next(&t->ear, &payload, &err) == PACKET_READY ? payload : (struct span){0};
}

#define assert_says(talk, expected)                           \
    do {                                                      \
        struct span heard_ = hear(talk);                      \
        struct span expected_ = (expected);                   \
        assert_int_equal(heard_.n, expected_.n);              \
        assert_memory_equal(heard_.p, expected_.p, heard_.n); \
    } while (0)
#define assert_silent(talk) assert_int_equal(hear(talk).n, 0)
/* What ended it names the error's kind and leaves it in err. */
#define assert_refused(talk, call, kind)                   \
    do {                                                   \
        (talk)->err = (struct adit_error){0};              \
        assert_int_equal((call), ADIT_E_##kind);           \
        assert_int_equal((talk)->err.code, ADIT_E_##kind); \
        (talk)->err = (struct adit_error){0};              \
    } while (0)

#endif
