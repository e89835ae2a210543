/* Every case is fed at once, byte by byte and in two parts at every place: the answers must be the same. */
#include "socks5/socks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "tests/test.h"

struct outcome {
    enum socks_event end;
    size_t used;
    size_t out_len;
    uint8_t out[SOCKS_OUT_CAP];
    struct socks_request request;
    char error[SOCKS_ERROR_CAP];
};

static void drain(struct socks *s, struct outcome *o)
{
    while (socks_next(s) == SOCKS_SEND) {
        struct span out = socks_out(s);

        assert_true(out.n > 0 && o->out_len + out.n <= sizeof o->out);
        o->out[o->out_len++] = out.p[0]; /* the slowest socket there is */
        socks_out_consume(s, 1);
    }
}

/* Feeds data in pieces of step bytes, the first one of `first`; eager: sends after every piece. */
static struct outcome run(struct span data, size_t first, size_t step, bool eager, enum socks_result answer)
{
    struct outcome o = {0};
    struct socks s;
    size_t at = 0, piece = first;

    socks_init(&s);
    while (at < data.n) {
        struct span part = span_sub(data, at, piece);
        size_t used = socks_feed(&s, part);

        at += used;
        piece = step;
        if (eager)
            drain(&s, &o);
        if (used < part.n)
            break;
    }
    o.used = at;
    drain(&s, &o);
    if (socks_next(&s) == SOCKS_REQUEST) {
        assert_int_equal(socks_feed(&s, span_str("x")), 0);
        socks_reply(&s, answer);
        drain(&s, &o);
        o.request = s.request;
    }
    o.end = socks_next(&s);
    memcpy(o.error, s.error, sizeof o.error);
    return o;
}

static void same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->used, b->used);
    assert_int_equal(a->out_len, b->out_len);
    assert_memory_equal(a->out, b->out, a->out_len);
    assert_memory_equal(&a->request, &b->request, sizeof a->request);
    assert_string_equal(a->error, b->error);
}

static struct outcome run_all_ways(struct span data, enum socks_result answer)
{
    struct outcome whole = run(data, data.n, data.n, false, answer);

    for (size_t step = 1; step < 12; step++) {
        struct outcome o = run(data, step, step, true, answer);

        same(&whole, &o);
        o = run(data, step, step, false, answer);
        same(&whole, &o);
    }
    for (size_t first = 1; first < data.n; first++) {
        struct outcome o = run(data, first, data.n, true, answer);

        same(&whole, &o);
    }
    return whole;
}

#define RUN(bytes, answer) run_all_ways((struct span)SPAN_LIT(bytes), answer)
#define OUT_IS(o, bytes)                                        \
    do {                                                        \
        assert_int_equal((o).out_len, sizeof(bytes) - 1);       \
        assert_memory_equal((o).out, bytes, sizeof(bytes) - 1); \
    } while (0)

#define V5_OK    "\5\0\0\1\0\0\0\0\0\0"
#define V4_OK    "\0\x5a\0\0\0\0\0\0"
#define V4_FAIL  "\0\x5b\0\0\0\0\0\0"
#define V5(code) "\5" code "\0\1\0\0\0\0\0\0"

static void granted_v4(void **state)
{
    struct outcome o = RUN("\4\1\0\x50\x0a\0\0\1me\0", SOCKS_OK);

    (void)state;
    OUT_IS(o, V4_OK);
    assert_int_equal(o.end, SOCKS_GRANTED);
    assert_string_equal(o.request.host, "10.0.0.1");
    assert_int_equal(o.request.port, 80);
    assert_int_equal(o.request.version, 4);
    assert_false(o.request.is_name);
    o = RUN("\4\1\0\x50\0\0\0\0\0", SOCKS_OK); /* 0.0.0.0 is an address, not SOCKS4A */
    assert_string_equal(o.request.host, "0.0.0.0");
}

static void granted_v4a(void **state)
{
    struct outcome o = RUN("\4\1\x1f\x90\0\0\0\7\0example.org\0GET /", SOCKS_OK);

    (void)state;
    OUT_IS(o, V4_OK);
    assert_string_equal(o.request.host, "example.org");
    assert_int_equal(o.request.port, 8080);
    assert_true(o.request.is_name);
    assert_int_equal(o.used, 9 + 12); /* the payload behind the request is the target's */
}

static void granted_v5(void **state)
{
    struct outcome o = RUN("\5\1\0\5\1\0\1\x7f\0\0\1\0\x16payload", SOCKS_OK);

    (void)state;
    OUT_IS(o, "\5\0" V5_OK);
    assert_string_equal(o.request.host, "127.0.0.1");
    assert_int_equal(o.request.port, 22);
    assert_int_equal(o.used, 3 + 10);
    o = RUN("\5\3\2\1\0\5\1\0\3\xb"
            "example.org\0\0",
            SOCKS_OK);
    assert_string_equal(o.request.host, "example.org");
    assert_true(o.request.is_name);
    assert_int_equal(o.request.port, 0);
}

static void ipv6_text(void **state)
{
    static const char *const cases[] = {"::",
                                        "::1",
                                        "2001:db8::1",
                                        "1::",
                                        "1:0:2:3:4:5:6:7",
                                        "1:0:2::3:4",
                                        "1:0:0:2:0:0:0:3",
                                        "1:0:0:2:3:0:0:4",
                                        "fe80::abcd:1234",
                                        "::ffff:192.0.2.1",
                                        "0:1:2:3:4:5:6:7",
                                        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        uint8_t m[3 + 4 + 16 + 2] = {5, 1, 0, 5, 1, 0, 4};
        char text[64];
        struct outcome o;

        assert_int_equal(inet_pton(AF_INET6, cases[i], m + 7), 1);
        assert_non_null(inet_ntop(AF_INET6, m + 7, text, sizeof text));
        o = run_all_ways(span_make(m, sizeof m), SOCKS_OK);
        assert_string_equal(o.request.host, text);
        assert_false(o.request.is_name);
    }
}

static void refusals(void **state)
{
    static const struct {
        enum socks_result result;
        const char *v5;
    } cases[] = {{SOCKS_GENERAL, V5("\1")},         {SOCKS_NOT_ALLOWED, V5("\2")},
                 {SOCKS_NET_UNREACHABLE, V5("\3")}, {SOCKS_HOST_UNREACHABLE, V5("\4")},
                 {SOCKS_REFUSED, V5("\5")},         {SOCKS_TTL_EXPIRED, V5("\6")},
                 {SOCKS_NO_COMMAND, V5("\7")},      {SOCKS_NO_ADDRESS_TYPE, V5("\x8")}};

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct outcome o = RUN("\5\1\0\5\1\0\1\x7f\0\0\1\0\x16", cases[i].result);

        assert_int_equal(o.end, SOCKS_FAILED);
        assert_int_equal(o.out_len, 12);
        assert_memory_equal(o.out + 2, cases[i].v5, 10);
        o = RUN("\4\1\0\x50\x0a\0\0\1\0", cases[i].result);
        OUT_IS(o, V4_FAIL);
        assert_int_equal(o.end, SOCKS_FAILED);
    }
}

/* Fails with these bytes, never gets as far as a request, and says why. */
#define FAILS(bytes, expected)                    \
    do {                                          \
        struct outcome o_ = RUN(bytes, SOCKS_OK); \
        OUT_IS(o_, expected);                     \
        assert_int_equal(o_.end, SOCKS_FAILED);   \
        assert_int_equal(o_.request.version, 0);  \
        assert_true(strlen(o_.error) > 0);        \
    } while (0)

static void not_supported(void **state)
{
    (void)state;
    FAILS("GET / HTTP/1.1\r\n\r\n", "");
    FAILS("\0", "");
    FAILS("\5\1\2", "\5\xff");
    FAILS("\5\0", "\5\xff");
    FAILS("\5\3\1\2\x80", "\5\xff");
    FAILS("\5\1\0\5\2\0\1\x7f\0\0\1\0\x16", "\5\0" V5("\7")); /* BIND */
    FAILS("\5\1\0\5\3\0\1\0\0\0\0\0\0", "\5\0" V5("\7"));     /* UDP ASSOCIATE */
    FAILS("\5\1\0\5\3\0\3\0\0\0", "\5\0" V5("\7"));
    FAILS("\5\1\0\5\1\0\2", "\5\0" V5("\x8"));
    FAILS("\5\1\0\5\3\0\2", "\5\0" V5("\7"));
    FAILS("\5\1\0\4\1\0\1", "\5\0" V5("\1"));
    FAILS("\4\2\0\x50\x0a\0\0\1\0", V4_FAIL);
}

static void bad_names(void **state)
{
    (void)state;
    FAILS("\5\1\0\5\1\0\3\0\0\x50", "\5\0" V5("\1"));
    FAILS("\5\1\0\5\1\0\3\4a\0bc\0\x50", "\5\0" V5("\1"));
    FAILS("\5\1\0\5\1\0\3\4a\x1b[m\0\x50", "\5\0" V5("\1"));
    FAILS("\5\1\0\5\1\0\3\3a b\0\x50", "\5\0" V5("\1"));
    FAILS("\5\1\0\5\1\0\3\3a\x7f"
          "b\0\x50",
          "\5\0" V5("\1"));
    FAILS("\4\1\0\x50\0\0\0\1\0\0", V4_FAIL);
    FAILS("\4\1\0\x50\0\0\0\1\0a\nb\0", V4_FAIL);
}

/* SOCKS4A with a user id of `user` bytes and a name of `name` bytes. */
static struct outcome run_v4a(size_t user, size_t name)
{
    uint8_t m[1024] = {4, 1, 0, 80, 0, 0, 0, 1};
    size_t n = 8;

    memset(m + n, 'u', user);
    n += user + 1;
    memset(m + n, 'h', name);
    n += name + 1;
    return run_all_ways(span_make(m, n), SOCKS_OK);
}

static void limits(void **state)
{
    uint8_t v5[7 + 1 + 255 + 2] = {5, 1, 0, 5, 1, 0, 3, 255};
    struct outcome o;

    (void)state;
    memset(v5 + 8, 'h', 255);
    o = run_all_ways(span_make(v5, sizeof v5), SOCKS_OK);
    assert_int_equal(o.end, SOCKS_GRANTED);
    assert_int_equal(strlen(o.request.host), 255);
    o = run_v4a(SOCKS_USER_MAX, 255);
    assert_int_equal(o.end, SOCKS_GRANTED);
    assert_int_equal(strlen(o.request.host), 255);
    for (size_t name = 256; name < 300; name++) {
        o = run_v4a(0, name);
        OUT_IS(o, V4_FAIL);
        assert_int_equal(o.end, SOCKS_FAILED);
    }
    o = run_v4a(SOCKS_USER_MAX + 1, 5);
    OUT_IS(o, V4_FAIL);
    assert_int_equal(o.end, SOCKS_FAILED);
}

static void needs_more_until_complete(void **state)
{
    const struct span m = SPAN_LIT("\5\1\0\5\1\0\1\x7f\0\0\1\0\x16");

    (void)state;
    for (size_t n = 0; n < m.n; n++) {
        struct outcome o = run(span_sub(m, 0, n), m.n, m.n, true, SOCKS_OK);

        assert_int_equal(o.end, SOCKS_NEED_MORE);
        assert_int_equal(o.used, n);
    }
}

static void reply_out_of_place_is_ignored(void **state)
{
    struct socks s;

    (void)state;
    socks_init(&s);
    socks_reply(&s, SOCKS_OK);
    assert_int_equal(socks_next(&s), SOCKS_NEED_MORE);
    assert_int_equal(socks_feed(&s, (struct span)SPAN_LIT("\4\1\0\x50\x0a\0\0\1\0")), 9);
    socks_reply(&s, SOCKS_OK);
    socks_reply(&s, SOCKS_REFUSED);
    assert_int_equal(socks_out(&s).n, 8);
    socks_out_consume(&s, 100);
    assert_int_equal(socks_next(&s), SOCKS_GRANTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(granted_v4),
        cmocka_unit_test(granted_v4a),
        cmocka_unit_test(granted_v5),
        cmocka_unit_test(ipv6_text),
        cmocka_unit_test(refusals),
        cmocka_unit_test(not_supported),
        cmocka_unit_test(bad_names),
        cmocka_unit_test(limits),
        cmocka_unit_test(needs_more_until_complete),
        cmocka_unit_test(reply_out_of_place_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
