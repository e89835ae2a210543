/* Every case is fed at once, byte by byte and in two parts at every place: the answers must be the same. */
#include "socks5/socks.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "tests/test.h"

/* What every handshake of a test is restricted to. */
static const char *user, *password;
static bool takes_http;

struct outcome {
    enum socks_event end;
    bool is_denied;
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
    socks_restrict(&s, user, password, takes_http);
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
    o.is_denied = s.is_denied;
    memcpy(o.error, s.error, sizeof o.error);
    return o;
}

static void same(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->is_denied, b->is_denied);
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

/* [RFC 1928 4b] */
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

/* [RFC 1928 6a] */
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

/* [RFC 1928 3a 6c] */
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

/* SOCKS4A with a user id of `user_n` bytes and a name of `name` bytes. */
static struct outcome run_v4a(size_t user_n, size_t name)
{
    uint8_t m[1024] = {4, 1, 0, 80, 0, 0, 0, 1};
    size_t n = 8;

    memset(m + n, 'u', user_n);
    n += user_n + 1;
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

/* ---- Credentials ---- */

static int set_user(void **state)
{
    (void)state;
    user = "proxy-user";
    password = "proxy-pass";
    return 0;
}

static int set_http(void **state)
{
    (void)state;
    takes_http = true;
    return 0;
}

static int set_both(void **state)
{
    return set_http(state) + set_user(state);
}

static int set_nothing(void **state)
{
    (void)state;
    user = password = NULL;
    takes_http = false;
    return 0;
}

#define AUTH    "\1\xaproxy-user\xaproxy-pass"
#define REQUEST "\5\1\0\1\x7f\0\0\1\0\x16"

/* [RFC 1928 3a 3d] */
static void right_credentials(void **state)
{
    struct outcome o = RUN("\5\1\2" AUTH REQUEST "payload", SOCKS_OK);

    (void)state;
    OUT_IS(o, "\5\2\1\0" V5_OK);
    assert_int_equal(o.end, SOCKS_GRANTED);
    assert_string_equal(o.request.host, "127.0.0.1");
    assert_int_equal(o.used, 3 + 23 + 10);
    assert_false(o.is_denied);
    o = RUN("\5\3\0\1\2" AUTH REQUEST, SOCKS_REFUSED); /* no-auth, which comes first, is not taken */
    OUT_IS(o, "\5\2\1\0" V5("\5"));
    assert_false(o.is_denied);
}

/* [RFC 1929 2a 2b 2c] */
static void wrong_credentials(void **state)
{
    static const struct span wrong[] = {
        SPAN_LIT("\5\1\2\1\xaproxy-user\xaproxy-pasS" REQUEST),
        SPAN_LIT("\5\1\2\1\xaProxy-user\xaproxy-pass" REQUEST),
        SPAN_LIT("\5\1\2\1\xaproxy-user\x9proxy-pas" REQUEST),
        SPAN_LIT("\5\1\2\1\xbproxy-user\0\xaproxy-pass" REQUEST),
        SPAN_LIT("\5\1\2\1\xaproxy-user\xbproxy-pass\0" REQUEST),
        SPAN_LIT("\5\1\2\1\xaproxy-user\0" REQUEST),
        SPAN_LIT("\5\1\2\1\0\xaproxy-pass" REQUEST),
        SPAN_LIT("\5\1\2\1\0\0" REQUEST),
    };

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++) {
        struct outcome o = run_all_ways(wrong[i], SOCKS_OK);

        OUT_IS(o, "\5\2\1\1");
        assert_int_equal(o.end, SOCKS_FAILED);
        assert_int_equal(o.used, wrong[i].n - 10);
        assert_true(o.is_denied);
        assert_null(strstr(o.error, "proxy-"));
    }
}

static void no_credentials(void **state)
{
    struct outcome o = RUN("\5\1\0" REQUEST, SOCKS_OK);

    (void)state;
    OUT_IS(o, "\5\xff");
    assert_int_equal(o.end, SOCKS_FAILED);
    assert_true(o.is_denied);
    o = RUN("\5\0" REQUEST, SOCKS_OK);
    OUT_IS(o, "\5\xff");
    o = RUN("\5\1\2\5\xaproxy-user\xaproxy-pass", SOCKS_OK); /* another version of RFC 1929 */
    OUT_IS(o, "\5\2\1\1");
    assert_int_equal(o.used, 5);
    o = RUN("\4\1\0\x50\x0a\0\0\1proxy-user\0", SOCKS_OK);
    OUT_IS(o, V4_FAIL);
    assert_true(o.is_denied);
    o = RUN("\4\1\0\x50\0\0\0\1proxy-user\0host\0", SOCKS_OK);
    OUT_IS(o, V4_FAIL);
    assert_int_equal(o.end, SOCKS_FAILED);
    password = NULL; /* it could not be read: nobody passes */
    o = RUN("\5\1\2\1\xaproxy-user\0", SOCKS_OK);
    OUT_IS(o, "\5\2\1\1");
}

static void longest_credentials(void **state)
{
    static char text[256];
    uint8_t m[3 + 2 + 255 + 1 + 255 + 10] = {5, 1, 2, 1, 255};
    struct outcome o;

    (void)state;
    memset(text, 'x', 255);
    user = password = text;
    memset(m + 5, 'x', 255);
    m[260] = 255;
    memset(m + 261, 'x', 255);
    memcpy(m + 516, REQUEST, 10);
    o = run_all_ways(span_make(m, sizeof m), SOCKS_OK);
    OUT_IS(o, "\5\2\1\0" V5_OK);
    m[515] = 'y';
    o = run_all_ways(span_make(m, sizeof m), SOCKS_OK);
    OUT_IS(o, "\5\2\1\1");
}

static void password_is_forgotten(void **state)
{
    const struct span m = SPAN_LIT("\5\1\2\1\xaproxy-user\xaproxy-pass");
    struct socks s;
    const uint8_t *p = (const uint8_t *)&s;

    (void)state;
    socks_init(&s);
    socks_restrict(&s, user, password, false);
    assert_int_equal(socks_feed(&s, m), m.n);
    for (size_t i = 0; i + 5 <= sizeof s; i++)
        assert_memory_not_equal(p + i, "proxy", 5);
    socks_wipe(&s);
    for (size_t i = 0; i < sizeof s; i++)
        assert_int_equal(p[i], 0);
}

/* ---- HTTP ---- */

#define HTTP_END_OF(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
#define HTTP_OK             "HTTP/1.1 200 Connection established\r\n\r\n"
#define HTTP_407            HTTP_END_OF("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"adit\"")

static void http_granted(void **state)
{
    struct outcome o =
        RUN("CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n\x16\3", SOCKS_OK);

    (void)state;
    OUT_IS(o, HTTP_OK);
    assert_int_equal(o.end, SOCKS_GRANTED);
    assert_string_equal(o.request.host, "example.org");
    assert_int_equal(o.request.port, 443);
    assert_int_equal(o.request.version, SOCKS_HTTP);
    assert_true(o.request.is_name);
    assert_int_equal(o.used, 34 + 23 + 2); /* what is behind is the target's */
    o = RUN("CONNECT [2001:db8::1]:65535 HTTP/1.0\n\nGET /", SOCKS_OK);
    OUT_IS(o, HTTP_OK);
    assert_string_equal(o.request.host, "2001:db8::1");
    assert_int_equal(o.request.port, 65535);
    assert_false(o.request.is_name);
    /* Credentials that nobody asked for, and a content of nothing. */
    o = RUN("CONNECT h:1 HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\ncontent-LENGTH: 0\r\n\r\n", SOCKS_OK);
    OUT_IS(o, HTTP_OK);
    o = RUN("\5\1\0\5\1\0\1\x7f\0\0\1\0\x16", SOCKS_OK); /* SOCKS goes on as it was */
    OUT_IS(o, "\5\0" V5_OK);
}

static void http_refused(void **state)
{
    struct outcome o = RUN("CONNECT h:1 HTTP/1.1\r\n\r\nx", SOCKS_REFUSED);

    (void)state;
    OUT_IS(o, HTTP_END_OF("502 Bad Gateway"));
    assert_int_equal(o.end, SOCKS_FAILED);
    o = RUN("CONNECT h:1 HTTP/1.1\r\n\r\nx", SOCKS_NOT_ALLOWED);
    OUT_IS(o, HTTP_END_OF("403 Forbidden"));
}

static void http_bad(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "CONNECT h:1 HTTP/2.0\r\n",
        "CONNECT h:1 HTTP/1.x\r\n",
        "CONNECT h:1\r\n",
        "CONNECT  HTTP/1.1\r\n",
        "CONNECT h HTTP/1.1\r\n",
        "CONNECT :1 HTTP/1.1\r\n",
        "CONNECT h: HTTP/1.1\r\n",
        "CONNECT h:0 HTTP/1.1\r\n",
        "CONNECT h:65536 HTTP/1.1\r\n",
        "CONNECT h:000080 HTTP/1.1\r\n",
        "CONNECT h:-1 HTTP/1.1\r\n",
        "CONNECT h:1a HTTP/1.1\r\n",
        "CONNECT a b:1 HTTP/1.1\r\n",
        "CONNECT a\tb:1 HTTP/1.1\r\n",
        "CONNECT a\x7f:1 HTTP/1.1\r\n",
        "CONNECT u@h:1 HTTP/1.1\r\n",
        "CONNECT http://h:1 HTTP/1.1\r\n",
        "CONNECT ::1:80 HTTP/1.1\r\n",
        "CONNECT [::1:80 HTTP/1.1\r\n",
        "CONNECT []:80 HTTP/1.1\r\n",
        "CONNECT [1.2.3.4]:80 HTTP/1.1\r\n",
        "CONNECT [::1%lo]:80 HTTP/1.1\r\n",
        "CONNECT [::1]]:80 HTTP/1.1\r\n",
        "CONNECT ::1]:80 HTTP/1.1\r\n",
        "connect h:1 HTTP/1.1\r\n", /* no letter that begins a request of ours: closed without a word */
        "CONNECT h:1 HTTP/1.1\r\n goes on\r\n",
        "CONNECT h:1 HTTP/1.1\r\nno colon\r\n",
        "CONNECT h:1 HTTP/1.1\r\n: no name\r\n",
        "CONNECT h:1 HTTP/1.1\r\nName : value\r\n",
        "CONNECT h:1 HTTP/1.1\r\nContent-Length: 5\r\n",
        "CONNECT h:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        char text[128];
        size_t n = strlen(bad[i]);

        (void)adit_format(text, sizeof text, "%sA: b\r\n\r\n", bad[i]);
        struct outcome o = run_all_ways(span_str(text), SOCKS_OK);
        assert_int_equal(o.end, SOCKS_FAILED);
        assert_int_equal(o.used, bad[i][0] == 'c' ? 1 : n);
        if (bad[i][0] == 'c')
            assert_int_equal(o.out_len, 0);
        else
            OUT_IS(o, HTTP_END_OF("400 Bad Request"));
    }
}

static void http_is_not_taken_unasked(void **state)
{
    struct outcome o = RUN("CONNECT h:1 HTTP/1.1\r\n\r\n", SOCKS_OK);

    (void)state;
    assert_int_equal(o.end, SOCKS_FAILED);
    assert_int_equal(o.out_len, 0);
    assert_int_equal(o.used, 1);
}

/* text, n times c, and "\r\n\r\n", fed at once: the rules on chunks are seen elsewhere. */
static struct outcome run_long(const char *text, uint8_t c, size_t n)
{
    static uint8_t m[3 * HTTP_HEAD_MAX];
    size_t len = strlen(text);

    memcpy(m, text, len);
    memset(m + len, c, n);
    memcpy(m + len + n, "\r\n\r\n", 4);
    return run(span_make(m, len + n + 4), len + n + 4, len + n + 4, false, SOCKS_OK);
}

static void http_limits(void **state)
{
    static const char head[] = "CONNECT h:1 HTTP/1.1\r\nA: ";
    char line[512] = "CONNECT ";
    const size_t rest = sizeof head - 1 + 4;
    struct outcome o = run_long(head, 'x', HTTP_HEAD_MAX - rest);

    (void)state;
    assert_int_equal(o.end, SOCKS_GRANTED);
    o = run_long(head, 'x', HTTP_HEAD_MAX - rest + 1);
    OUT_IS(o, HTTP_END_OF("400 Bad Request"));
    o = run_long("A", 'x', 2 * HTTP_HEAD_MAX);
    OUT_IS(o, HTTP_END_OF("400 Bad Request"));
    assert_int_equal(o.used, HTTP_HEAD_MAX + 1);
    for (size_t n = 255; n <= 256; n++) {
        memset(line + 8, 'h', n);
        (void)adit_format(line + 8 + n, sizeof line - 8 - n, ":65535 HTTP/1.1\r\n\r\n");
        o = run_all_ways(span_str(line), SOCKS_OK);
        assert_int_equal(o.end, n == 255 ? SOCKS_GRANTED : SOCKS_FAILED);
    }
}

/* proxy-user:proxy-pass is cHJveHktdXNlcjpwcm94eS1wYXNz */
static void http_credentials(void **state)
{
    static const struct {
        const char *headers;
        bool is_right, is_denied;
    } cases[] = {
        {"Proxy-Authorization: Basic cHJveHktdXNlcjpwcm94eS1wYXNz\r\n", true, false},
        {"PROXY-authorization:\tbASIC   cHJveHktdXNlcjpwcm94eS1wYXNz  \r\nA: b\r\n", true, false},
        {"A: b\r\n", false, false},
        {"Authorization: Basic cHJveHktdXNlcjpwcm94eS1wYXNz\r\n", false, false},
        {"Proxy-Authorization: Digest cHJveHktdXNlcjpwcm94eS1wYXNz\r\n", false, false},
        {"Proxy-Authorization: Basic\r\n", false, false},
        {"Proxy-Authorization: Basic =\r\n", false, false},
        {"Proxy-Authorization: Basic ====\r\n", false, false},
        {"Proxy-Authorization: Basic cHJv=Hkt\r\n", false, false},
        {"Proxy-Authorization: Basic cHJveHktdXNlcjpwcm94eS1wYXN\r\n", false, false},
        {"Proxy-Authorization: Basic cHJveHktdXNlcg==\r\n", false, false}, /* no colon */
        {"Proxy-Authorization: Basic cHJveHktdXNlcjpwcm94eS1wYXNT\r\n", false, true},
        {"Proxy-Authorization: Basic Og==\r\n", false, true}, /* ":" */
        {"Proxy-Authorization: Basic cHJveHktdXNlcjo=\r\n", false, true},
        /* A right one and a wrong one, in either order. */
        {"Proxy-Authorization: Basic cHJveHktdXNlcjpwcm94eS1wYXNz\r\nProxy-Authorization: Basic Og==\r\n",
         false, true},
        {"Proxy-Authorization: Basic Og==\r\nProxy-Authorization: Basic cHJveHktdXNlcjpwcm94eS1wYXNz\r\n",
         false, true},
    };

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        char text[256];

        (void)adit_format(text, sizeof text, "CONNECT h:1 HTTP/1.1\r\n%s\r\n", cases[i].headers);
        struct outcome o = run_all_ways(span_str(text), SOCKS_OK);
        assert_int_equal(o.is_denied, cases[i].is_denied);
        if (cases[i].is_right)
            OUT_IS(o, HTTP_OK);
        else
            OUT_IS(o, HTTP_407);
    }
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
        cmocka_unit_test_setup_teardown(right_credentials, set_user, set_nothing),
        cmocka_unit_test_setup_teardown(wrong_credentials, set_user, set_nothing),
        cmocka_unit_test_setup_teardown(no_credentials, set_user, set_nothing),
        cmocka_unit_test_setup_teardown(longest_credentials, set_user, set_nothing),
        cmocka_unit_test_setup_teardown(password_is_forgotten, set_user, set_nothing),
        cmocka_unit_test_setup_teardown(http_granted, set_http, set_nothing),
        cmocka_unit_test_setup_teardown(http_refused, set_http, set_nothing),
        cmocka_unit_test_setup_teardown(http_bad, set_http, set_nothing),
        cmocka_unit_test(http_is_not_taken_unasked),
        cmocka_unit_test_setup_teardown(http_limits, set_http, set_nothing),
        cmocka_unit_test_setup_teardown(http_credentials, set_both, set_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
