#include "test.h"

#include <string.h>

#include "socks5/upstream.h"

static struct upstream u;

static void start(enum upstream_kind kind, const char *host, const char *user, const char *password)
{
    const struct upstream_request r = {
        .kind = kind, .host = host, .port = 2222, .user = user, .password = password};
    upstream_init(&u, &r);
}

/* What it sends now, all of it. */
static void sends(const void *wanted, size_t n)
{
    assert_int_equal(upstream_next(&u), UPSTREAM_SEND);
    struct span out = upstream_out(&u);
    assert_int_equal(out.n, n);
    assert_memory_equal(out.p, wanted, n);
    upstream_out_consume(&u, 1);
    if (n > 1)
        assert_int_equal(upstream_next(&u), UPSTREAM_SEND);
    upstream_out_consume(&u, n - 1);
}

static void sends_text(const char *wanted)
{
    sends(wanted, strlen(wanted));
}

/* Fed byte by byte; returns how many were taken. */
static size_t feed(const void *p, size_t n)
{
    size_t used = 0;
    while (used < n && upstream_feed(&u, span_make((const uint8_t *)p + used, 1)) == 1)
        used++;
    return used;
}

static size_t feed_text(const char *text)
{
    return feed(text, strlen(text));
}

static void failed(const char *why)
{
    assert_int_equal(upstream_next(&u), UPSTREAM_FAILED);
    assert_non_null(strstr(u.error, why));
    assert_int_equal(upstream_out(&u).n, 0);
}

/* No byte of the secret is left in it. */
static void forgot(const char *secret)
{
    const uint8_t *p = (const uint8_t *)&u;
    for (size_t i = 0; i + strlen(secret) <= sizeof u; i++)
        assert_true(memcmp(p + i, secret, strlen(secret)) != 0);
}

static void test_http(void **state)
{
    (void)state;
    static const char answer[] = "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\nSSH-2.0-";
    start(UPSTREAM_HTTP, "web.example", NULL, NULL);
    sends_text("CONNECT web.example:2222 HTTP/1.1\r\nHost: web.example:2222\r\n\r\n");
    assert_int_equal(upstream_next(&u), UPSTREAM_NEED_MORE);
    assert_int_equal(feed_text(answer), strlen(answer) - 8); /* the rest is the target's */
    assert_int_equal(upstream_next(&u), UPSTREAM_OPEN);
    start(UPSTREAM_HTTP, "::1", NULL, NULL);
    sends_text("CONNECT [::1]:2222 HTTP/1.1\r\nHost: [::1]:2222\r\n\r\n");
    assert_int_equal(upstream_feed(&u, span_str("HTTP/1.0 200\n\nX")), 14); /* LF alone, and no reason */
    assert_int_equal(upstream_next(&u), UPSTREAM_OPEN);
}

static void test_http_credentials(void **state)
{
    (void)state;
    start(UPSTREAM_HTTP, "h", "Aladdin", "open sesame"); /* RFC 7617's example */
    sends_text("CONNECT h:2222 HTTP/1.1\r\nHost: h:2222\r\n"
               "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
    forgot("QWxhZGRpbjpvcGVu");
    assert_true(feed_text("HTTP/1.1 407 No\r\n") > 0);
    failed("refused the user name or the password (407)");
    start(UPSTREAM_HTTP, "h", "u", "");
    sends_text("CONNECT h:2222 HTTP/1.1\r\nHost: h:2222\r\nProxy-Authorization: Basic dTo=\r\n\r\n");
    start(UPSTREAM_HTTP, "h", "u", "12");
    sends_text("CONNECT h:2222 HTTP/1.1\r\nHost: h:2222\r\nProxy-Authorization: Basic dToxMg==\r\n\r\n");
    start(UPSTREAM_HTTP, "h", "u", "1");
    sends_text("CONNECT h:2222 HTTP/1.1\r\nHost: h:2222\r\nProxy-Authorization: Basic dTox\r\n\r\n");
}

static void http_answer(const char *answer, const char *why)
{
    start(UPSTREAM_HTTP, "h", NULL, NULL);
    upstream_out_consume(&u, upstream_out(&u).n);
    (void)feed_text(answer);
    failed(why);
}

static void test_http_refusals(void **state)
{
    (void)state;
    http_answer("HTTP/1.1 407 Proxy Authentication Required\r\n", "wants credentials (407)");
    http_answer("HTTP/1.1 403 \x1b[31mForbidden\r\n", "status 403");
    http_answer("HTTP/1.1 302 Found\r\n", "status 302");
    http_answer("SSH-2.0-OpenSSH_9.2\r\n", "not one of HTTP");
    http_answer("HTTP/2 200\r\n", "not one of HTTP");
    http_answer("HTTP/1.1 20\r\n", "not one of HTTP");
    http_answer("HTTP/1.1 2000\r\n", "not one of HTTP");
    http_answer("\r\n", "not one of HTTP");
}

/* RFC 9110 §15.2: interim answers come first. */
static void test_http_interim(void **state)
{
    (void)state;
    start(UPSTREAM_HTTP, "h", NULL, NULL);
    upstream_out_consume(&u, upstream_out(&u).n);
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n";
    assert_int_equal(feed_text(interim), strlen(interim));
    assert_int_equal(upstream_next(&u), UPSTREAM_NEED_MORE);
    (void)feed_text("HTTP/1.1 204 ok\r\n\r\n");
    assert_int_equal(upstream_next(&u), UPSTREAM_OPEN);
}

static void test_http_endless(void **state)
{
    (void)state;
    size_t n = 0;
    start(UPSTREAM_HTTP, "h", NULL, NULL);
    upstream_out_consume(&u, upstream_out(&u).n);
    (void)feed_text("HTTP/1.1 200 ok\r\n");
    while (upstream_next(&u) == UPSTREAM_NEED_MORE && n < 2 * UPSTREAM_HTTP_MAX)
        n += upstream_feed(&u, span_str("Header: value\r\n"));
    failed("too long");
    assert_true(n <= UPSTREAM_HTTP_MAX);
}

static const uint8_t named[] = {5, 1, 0, 3, 1, 'h', 0x08, 0xae};

static void socks_with(const char *user, const char *password)
{
    start(UPSTREAM_SOCKS5, "h", user, password);
    if (user)
        sends("\5\2\0\2", 4);
    else
        sends("\5\1\0", 3);
}

/* [RFC 1928 6a] */
static void test_socks(void **state)
{
    (void)state;
    static const char *const answers[] = {"\5\0\0\1\1\2\3\4\0\1SSH", "\5\0\0\3\3abc\0\1SSH",
                                          "\5\0\0\0040123456789abcdef\0\1SSH", "\5\0\0\3\0\0\1SSH"};
    static const size_t lengths[] = {10, 10, 22, 7};
    for (size_t i = 0; i < ADIT_COUNT(answers); i++) {
        socks_with(NULL, NULL);
        assert_int_equal(feed("\5\0", 2), 2);
        sends(named, sizeof named);
        assert_int_equal(feed(answers[i], lengths[i] + 3), lengths[i]);
        assert_int_equal(upstream_next(&u), UPSTREAM_OPEN);
    }
}

/* [RFC 1928 4b] */
static void test_socks_addresses(void **state)
{
    (void)state;
    static const uint8_t v4[] = {10, 0, 0, 1}, v6[16] = {[15] = 1};
    static const uint8_t wanted4[] = {5, 1, 0, 1, 10, 0, 0, 1, 0x08, 0xae};
    static const uint8_t wanted6[] = {5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x08, 0xae};
    struct upstream_request r = {.kind = UPSTREAM_SOCKS5, .host = "x", .port = 2222};
    r.address = span_make(v4, sizeof v4);
    upstream_init(&u, &r);
    upstream_out_consume(&u, 3);
    assert_int_equal(feed("\5\0", 2), 2);
    sends(wanted4, sizeof wanted4);
    r.address = span_make(v6, sizeof v6);
    upstream_init(&u, &r);
    upstream_out_consume(&u, 3);
    assert_int_equal(feed("\5\0", 2), 2);
    sends(wanted6, sizeof wanted6);
}

/* [RFC 1928 3d] [RFC 1929 2a 2b] */
static void test_socks_credentials(void **state)
{
    (void)state;
    socks_with("user", "geheim");
    assert_int_equal(feed("\5\2", 2), 2);
    sends("\1\4user\6geheim", 13);
    forgot("geheim");
    assert_int_equal(feed("\1\0", 2), 2);
    sends(named, sizeof named);
    socks_with("user", "geheim");
    assert_int_equal(feed("\5\2", 2), 2);
    upstream_out_consume(&u, upstream_out(&u).n);
    assert_int_equal(feed("\1\1", 2), 2);
    failed("refused the user name");
    socks_with("user", "geheim"); /* not wanted: not told */
    assert_int_equal(feed("\5\0", 2), 2);
    sends(named, sizeof named);
    forgot("geheim");
}

/* [RFC 1928 3b] */
static void test_socks_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *method, *why;
    } methods[] = {
        {"\4\0", "SOCKS 5"}, {"\5\xff", "wants credentials"}, {"\5\2", "not offered"}, {"HT", "SOCKS 5"}};
    for (size_t i = 0; i < ADIT_COUNT(methods); i++) {
        socks_with(NULL, NULL);
        assert_int_equal(feed(methods[i].method, 2), 2);
        failed(methods[i].why);
    }
    socks_with("u", "p");
    assert_int_equal(feed("\5\xff", 2), 2);
    failed("takes no user name");
    for (int code = 1; code < 256; code++) {
        socks_with(NULL, NULL);
        assert_int_equal(feed("\5\0", 2), 2);
        upstream_out_consume(&u, upstream_out(&u).n);
        assert_int_equal(feed((uint8_t[]){5, (uint8_t)code}, 2), 2);
        failed(code == 5 ? "connection refused" : code > 8 ? "unknown code" : "");
    }
    socks_with(NULL, NULL);
    assert_int_equal(feed("\5\0", 2), 2);
    upstream_out_consume(&u, upstream_out(&u).n);
    assert_int_equal(feed("\5\0\0\2x", 5), 5);
    failed("unknown type of address");
}

static void test_what_cannot_be_said(void **state)
{
    (void)state;
    char text[UPSTREAM_SECRET_MAX + 2];
    static const char *const hosts[] = {"", "a b", "h\r\nX: y", "h\n", "h/x", "u@h", "\x7f"};
    for (size_t i = 0; i < ADIT_COUNT(hosts); i++) {
        start(i % 2 ? UPSTREAM_HTTP : UPSTREAM_SOCKS5, hosts[i], NULL, NULL);
        failed("cannot be given");
    }
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    start(UPSTREAM_HTTP, text, NULL, NULL);
    failed("cannot be given");
    start(UPSTREAM_HTTP, "h", "u", text);
    failed("too long");
    start(UPSTREAM_SOCKS5, "h", text, "p");
    failed("too long");
    start(UPSTREAM_HTTP, "h", "a:b", "p");
    failed("colon");
    start(UPSTREAM_SOCKS5, "h", "u", "");
    failed("or neither");
    text[UPSTREAM_SECRET_MAX] = 0; /* the longest of all */
    start(UPSTREAM_HTTP, text, text, text);
    assert_int_equal(upstream_next(&u), UPSTREAM_SEND);
    start(UPSTREAM_SOCKS5, text, text, text);
    upstream_out_consume(&u, 4);
    assert_int_equal(feed("\5\2", 2), 2);
    assert_int_equal(upstream_out(&u).n, 3 + 2 * UPSTREAM_SECRET_MAX);
    upstream_out_consume(&u, 3 + 2 * UPSTREAM_SECRET_MAX);
    assert_int_equal(feed("\1\0", 2), 2);
    assert_int_equal(upstream_out(&u).n, 4 + 1 + LIMIT_HOST + 2);
    upstream_wipe(&u);
    forgot("xxxx");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_http),
                                       cmocka_unit_test(test_http_credentials),
                                       cmocka_unit_test(test_http_refusals),
                                       cmocka_unit_test(test_http_interim),
                                       cmocka_unit_test(test_http_endless),
                                       cmocka_unit_test(test_socks),
                                       cmocka_unit_test(test_socks_addresses),
                                       cmocka_unit_test(test_socks_credentials),
                                       cmocka_unit_test(test_socks_refusals),
                                       cmocka_unit_test(test_what_cannot_be_said)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
