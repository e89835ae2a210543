/*
 * test_compress.c - payloads through a packer and an unpacker; what a peer may do to the latter.
 */
#include "tests/talk.h"

#include <stdlib.h>
#include <zlib.h>

#include "ssh/compress.h"

struct count {
    size_t bytes, most, calls, fail_at;
};

static void *count_alloc(void *ctx, size_t n)
{
    struct count *c = ctx;
    if (++c->calls == c->fail_at)
        return NULL;
    c->bytes += n;
    if (c->bytes > c->most)
        c->most = c->bytes;
    return malloc(n);
}

static void count_release(void *ctx, void *p, size_t n)
{
    struct count *c = ctx;
    if (p != NULL)
        c->bytes -= n;
    free(p);
}

struct scene {
    struct count count;
    struct adit_alloc memory;
    struct packer *packer;
    struct unpacker *unpacker;
    struct drbg random;
    struct adit_error err;
    uint8_t buffer[LIMIT_PACKET + 2048], plain[LIMIT_PACKET];
};

static struct scene *scene_new(void)
{
    static const uint8_t seed[32] = {1};
    struct scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->memory = (struct adit_alloc){&s->count, count_alloc, count_release};
    drbg_init(&s->random, seed);
    s->packer = packer_new(&s->memory);
    s->unpacker = unpacker_new(&s->memory);
    assert_non_null(s->packer);
    assert_non_null(s->unpacker);
    return s;
}

static void scene_free(struct scene *s)
{
    packer_free(s->packer);
    unpacker_free(s->unpacker);
    assert_int_equal(s->count.bytes, 0); /* each release said what was asked for */
    free(s);
}

static size_t pack(struct scene *s, size_t n)
{
    assert_true(packer_make_room(s->packer, n));
    memcpy(s->buffer, s->plain, n);
    size_t packed = packer_run(s->packer, s->buffer, n);
    assert_true(packed > 0 && packed <= n + compress_overhead(n));
    return packed;
}

static void round_trip(struct scene *s, size_t n)
{
    struct span out;
    size_t packed = pack(s, n);
    assert_int_equal(unpacker_run(s->unpacker, span_make(s->buffer, packed), &out, &s->err), ADIT_E_OK);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.p, s->plain, n);
}

static void fill(struct scene *s, size_t n, int kind)
{
    if (kind == 0)
        memset(s->plain, 0, n);
    else
        drbg_bytes(&s->random, s->plain, n);
    for (size_t i = 0; kind == 2 && i < n; i++)
        s->plain[i] = (uint8_t)("etaoin shrdlu\n"[s->plain[i] % 14]);
}

/* [RFC 4253 6.2c] */
static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        enum compress_alg alg;
        assert_true(compress_alg_find(span_str(compress_alg_name((enum compress_alg)i)), &alg));
        assert_int_equal(alg, i);
    }
    enum compress_alg alg;
    assert_false(compress_alg_find(span_str("zlib@"), &alg));
}

/* Empty-looking, random and text-like payloads of every length near an edge, one stream for all. */
static void test_round_trips(void **state)
{
    (void)state;
    static const size_t lengths[] = {1,    2,    3,     255,   256,   4095,  4096,
                                     4097, 8192, 16383, 16384, 32767, 32768, 32777};
    struct scene *s = scene_new();
    for (int kind = 0; kind < 3; kind++)
        for (size_t i = 0; i < ADIT_COUNT(lengths); i++) {
            fill(s, lengths[i], kind);
            round_trip(s, lengths[i]);
        }
    for (int i = 0; i < 300; i++) {
        uint16_t n;
        drbg_bytes(&s->random, &n, sizeof n);
        fill(s, 1 + n % 5000u, i % 3);
        round_trip(s, 1 + n % 5000u);
    }
    fill(s, LIMIT_PACKET, 1);
    round_trip(s, LIMIT_PACKET);
    scene_free(s);
}

static void *plain_alloc(void *ctx, unsigned count, unsigned size)
{
    (void)ctx;
    return calloc(count, size);
}

static void plain_release(void *ctx, void *p)
{
    (void)ctx;
    free(p);
}

/* A stream of its own, flushed or ended. */
static size_t by_zlib(uint8_t *out, size_t cap, uint8_t *in, size_t n, int flush)
{
    z_stream z = {.zalloc = plain_alloc, .zfree = plain_release};
    assert_int_equal(deflateInit(&z, 9), Z_OK);
    z.next_in = in, z.avail_in = (unsigned)n;
    z.next_out = out, z.avail_out = (unsigned)cap;
    assert_int_equal(deflate(&z, flush), flush == Z_FINISH ? Z_STREAM_END : Z_OK);
    size_t made = z.total_out;
    (void)deflateEnd(&z);
    return made;
}

static enum adit_err unpack_new(struct scene *s, const void *p, size_t n)
{
    struct span out;
    struct unpacker *u = unpacker_new(&s->memory);
    s->err = (struct adit_error){0};
    enum adit_err e = unpacker_run(u, span_make(p, n), &out, &s->err);
    unpacker_free(u);
    return e;
}

/* The largest payload comes through; one byte more ends it, and memory stays in bounds whatever is claimed.
 */
static void test_bomb(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    fill(s, LIMIT_PACKET, 0);
    round_trip(s, LIMIT_PACKET);
    static uint8_t zeros[1 << 20], packed[8192];
    static const size_t lengths[] = {LIMIT_PACKET + 1, sizeof zeros};
    for (size_t i = 0; i < ADIT_COUNT(lengths); i++) {
        size_t n = by_zlib(packed, sizeof packed, zeros, lengths[i], Z_SYNC_FLUSH);
        assert_int_equal(unpack_new(s, packed, n), ADIT_E_PROTOCOL);
    }
    assert_true(s->count.most < 2 * 1024 * 1024);
    scene_free(s);
}

static void test_refusals(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    fill(s, 100, 2);
    size_t n = pack(s, 100);
    assert_int_equal(unpack_new(s, s->buffer, n), ADIT_E_OK);
    assert_int_equal(unpack_new(s, s->buffer, 1), ADIT_E_PROTOCOL);     /* nothing comes out */
    assert_int_equal(unpack_new(s, "GET / HTTP", 10), ADIT_E_PROTOCOL); /* no zlib stream */
    n = by_zlib(s->buffer, sizeof s->buffer, s->plain, 100, Z_FINISH);  /* a stream may not end */
    assert_int_equal(unpack_new(s, s->buffer, n), ADIT_E_PROTOCOL);
    scene_free(s);
}

/* A stream that goes wrong, or ends, after good packets; and one whose packets say nothing. */
static void test_refusals_in_mid_stream(void **state)
{
    (void)state;
    static const uint8_t empty_block[] = {0, 0, 0, 0xff, 0xff}; /* RFC 1951 §3.2.4 */
    static const uint8_t bad_block[] = {7};                     /* §3.2.3: type 3 is reserved */
    static const uint8_t last_block[] = {1, 1, 0, 0xfe, 0xff, 'x', 1, 2, 3, 4};
    const struct span after[] = {span_make(empty_block, sizeof empty_block),
                                 span_make(bad_block, sizeof bad_block),
                                 span_make(last_block, sizeof last_block)};
    for (size_t i = 0; i < ADIT_COUNT(after); i++) {
        struct scene *s = scene_new();
        struct span out;
        memset(s->plain, 'a', 10);
        size_t n = by_zlib(s->buffer, sizeof s->buffer, s->plain, 10, Z_SYNC_FLUSH); /* ends on a byte */
        assert_int_equal(unpacker_run(s->unpacker, span_make(s->buffer, n), &out, &s->err), ADIT_E_OK);
        assert_true(span_eq(out, span_make(s->plain, 10)));
        assert_int_equal(unpacker_run(s->unpacker, after[i], &out, &s->err), ADIT_E_PROTOCOL);
        assert_non_null(strstr(s->err.text, "not compressed as agreed (RFC 4253 §6.2)"));
        scene_free(s);
    }
}

/* Each allocation fails in turn. */
static void test_memory(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    fill(s, 20000, 2);
    size_t n = pack(s, 20000), is_through = 0;
    for (size_t fail_at = 1; !is_through; fail_at++) {
        struct span out;
        s->count.calls = 0;
        s->count.fail_at = fail_at;
        struct packer *p = packer_new(&s->memory);
        struct unpacker *u = p == NULL ? NULL : unpacker_new(&s->memory);
        is_through = u != NULL && packer_make_room(p, 20000) &&
                     unpacker_run(u, span_make(s->buffer, n), &out, &s->err) == ADIT_E_OK;
        packer_free(p);
        unpacker_free(u);
        assert_true(fail_at < 100);
    }
    s->count.fail_at = 0;
    scene_free(s);
}

static void test_idle(void **state)
{
    (void)state;
    struct scene *s = scene_new();
    size_t before = s->count.bytes;
    fill(s, 30000, 1);
    round_trip(s, 30000);
    packer_idle(s->packer);
    unpacker_idle(s->unpacker);
    assert_true(s->count.bytes <= before + 33 * 1024); /* the decoder's window stays */
    round_trip(s, 30000);
    packer_idle(NULL);
    unpacker_idle(NULL);
    scene_free(s);
}

int main(void)
{
    if (!crypto_init())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refusals_in_mid_stream),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
