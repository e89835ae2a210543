#define _GNU_SOURCE /* memmem */
#include "daemon/httpd.h"

#include <fcntl.h>
#include <unistd.h>
#include "daemon/httpd_internal.h"
#include "tests/http_talk.h"
#include "tests/http_server.h"

static const char token[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

enum { HELD_MAX = 128 };

struct feed {
    struct httpd_request *r;
    struct buffer waiting;
    bool is_last, has_ended;
};

struct fixture {
    struct http_server server; /* first: its step is given the fixture */
    struct httpd *httpd;
    uint16_t port;
    struct http_talk c;
    struct httpd_request *held[HELD_MAX];
    size_t held_count, gone_count, asked_count;
    struct feed feed;
    bool input_ends; /* of the next stream */
};

/* ---- The application */

static void held_gone(void *owner)
{
    struct fixture *f = owner;

    f->gone_count++;
}

static bool feed_next(void *owner, struct buffer *out)
{
    struct feed *feed = owner;

    assert_false(feed->has_ended);
    buffer_add(out, span_make(feed->waiting.p, feed->waiting.len));
    buffer_clear(&feed->waiting);
    return !feed->is_last;
}

static void feed_end(void *owner)
{
    struct feed *feed = owner;

    assert_false(feed->has_ended);
    feed->has_ended = true;
}

static const struct httpd_stream_ops feed_ops = {.next = feed_next, .end = feed_end};
static const struct httpd_stream_ops feed_ops_input = {
    .next = feed_next, .end = feed_end, .ends_with_input = true};

static void on_request(void *ctx, struct httpd_request *r)
{
    struct fixture *f = ctx;
    const json_t *body;
    const char *path = httpd_path(r);

    f->asked_count++;
    if (strcmp(path, "/echo") == 0) {
        if (httpd_body(r, true, &body))
            httpd_reply_json(r, 200, json_incref((json_t *)body));
    } else if (strcmp(path, "/maybe") == 0) {
        if (httpd_body(r, false, &body))
            httpd_reply_json(r, 200, json_pack("{s:b}", "body", body != NULL));
    } else if (strcmp(path, "/held") == 0) {
        if (httpd_hold(r, held_gone, f))
            f->held[f->held_count++] = r;
    } else if (strcmp(path, "/stream") == 0) {
        if (httpd_stream(r, "text/event-stream", f->input_ends ? &feed_ops_input : &feed_ops, &f->feed))
            f->feed.r = r;
    } else if (strcmp(path, "/empty") == 0) {
        httpd_reply_empty(r, 204);
    } else if (strcmp(path, "/query") == 0) {
        char text[8];
        bool is_bad = false, is_there = httpd_query(r, "x", text, sizeof text, &is_bad);

        httpd_reply_json(r, 200, json_pack("{s:s?, s:b}", "x", is_there ? text : NULL, "bad", is_bad));
    } else if (strcmp(path, "/static") == 0) {
        httpd_reply_header(r, "Location", "/x%20y");
        httpd_reply_static(r, 201, "text/plain", span_str("here"));
    } else if (strcmp(path, "/lacks") == 0) {
        httpd_reply_header(r, "Content-Security-Policy", NULL);
        httpd_reply_static(r, 200, "text/html", span_str("page"));
    } else {
        httpd_reply_error(r, "not_found", NULL, "No \x1b[31m%s", path);
    }
}

static bool is_open(void *ctx, const char *method, const char *path)
{
    (void)ctx;
    return strcmp(method, "GET") == 0 && strcmp(path, "/empty") == 0;
}

/* ---- Around a test */

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct httpd_config config = {.fd_kind = HTTP_SERVER_FD,
                                  .timer_kind = HTTP_SERVER_TIMER,
                                  .token = token,
                                  .on_request = on_request,
                                  .is_open = is_open,
                                  .ctx = f};
    struct sock_addr at;
    int fd;

    assert_int_equal(loop_init(&f->server.loop, NULL), ADIT_E_OK);
    config.loop = &f->server.loop;
    assert_int_equal(httpd_new(&f->httpd, &config, NULL), ADIT_E_OK);
    assert_true(sock_addr_parse(&at, "127.0.0.1", 0));
    assert_int_equal(sock_listen(&fd, &at, NULL, NULL), ADIT_E_OK);
    assert_true(sock_local(fd, &at));
    f->port = sock_addr_port(&at);
    assert_int_equal(httpd_listen(f->httpd, fd, NULL), ADIT_E_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    http_talk_close(&f->c);
    httpd_free(f->httpd);
    loop_wipe(&f->server.loop);
    buffer_wipe(&f->feed.waiting);
    free(f);
    return 0;
}

static void connect_unix(struct fixture *f, struct http_talk *c)
{
    int fds[2];

    assert_int_equal(sock_pair(fds, NULL), ADIT_E_OK);
    http_talk_init(c, fds[0], http_server_step, f);
    httpd_connect(f->httpd, fds[1]);
}

static void connect_tcp(struct fixture *f, struct http_talk *c)
{
    struct sock_addr at;
    bool done = false;
    int fd;

    assert_true(sock_addr_parse(&at, "127.0.0.1", f->port));
    assert_int_equal(sock_connect_start(&fd, &at, NULL, &done, NULL), ADIT_E_OK);
    while (!done) {
        http_server_step(f);
        assert_int_equal(sock_connect_finish(fd, &at, &done, NULL), ADIT_E_OK);
    }
    http_talk_init(c, fd, http_server_step, f);
}

static void until(struct fixture *f, const size_t *count, size_t n)
{
    uint64_t end = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    while (*count < n) {
        assert_true(loop_now_ms() < end);
        http_server_step(f);
    }
}

static void expect_header(const struct http_talk *c, const char *name, const char *value)
{
    char *have = http_talk_header(c, name);

    if (!value)
        assert_null(have);
    else
        assert_string_equal(have, value);
    free(have);
}

/* ---- Requests and answers */

static void answers_one_after_the_other(void **state)
{
    struct fixture *f = *state;

    connect_unix(f, &f->c);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(http_talk_ask(&f->c, "GET", "/empty", "", NULL), 204);
        assert_int_equal(http_talk_ask(&f->c, "GET", "/static", "", NULL), 201);
        assert_string_equal(f->c.body, "here");
        expect_header(&f->c, "Location", "/x%20y");
        expect_header(&f->c, "Content-Type", "text/plain");
        assert_int_equal(http_talk_ask(&f->c, "HEAD", "/static", "", NULL), 201);
        assert_string_equal(f->c.body, "");
        expect_header(&f->c, "Content-Length", "4");
        assert_int_equal(http_talk_ask(&f->c, "POST", "/echo", "", "{\"a\":[1,\"\xc3\xa9\"]}"), 200);
        assert_string_equal(f->c.body, "{\"a\":[1,\"\xc3\xa9\"]}");
        assert_int_equal(http_talk_ask(&f->c, "GET", "/nothing", "", NULL), 404);
        http_talk_expect_error(&f->c, 404, "not_found", NULL);
        assert_null(strchr(f->c.body, '\x1b'));
    }
    http_talk_send(&f->c, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\nGET /static HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(http_talk_answer(&f->c), 204);
    assert_int_equal(http_talk_answer(&f->c), 201);
}

static void one_byte_at_a_time(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "POST /echo?a=b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                               "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n";

    connect_unix(f, &f->c);
    for (size_t i = 0; text[i]; i++)
        http_talk_send_bytes(&f->c, span_make(text + i, 1));
    assert_int_equal(http_talk_answer(&f->c), 200);
    assert_string_equal(f->c.body, "{\"a\":1}");
}

static void queries(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path, *body;
    } cases[] = {
        {"/query", "{\"x\":null,\"bad\":false}"},
        {"/query?x=1", "{\"x\":\"1\",\"bad\":false}"},
        {"/query?y=1&x=a%2fb", "{\"x\":\"a/b\",\"bad\":false}"},
        {"/query?x", "{\"x\":\"\",\"bad\":false}"},
        {"/query?x=a+b", "{\"x\":\"a b\",\"bad\":false}"},
        {"/query?x=%zz", "{\"x\":null,\"bad\":true}"},
        {"/query?x=12345678", "{\"x\":null,\"bad\":true}"},
        {"/query?x=%00", "{\"x\":null,\"bad\":true}"},
    };

    connect_unix(f, &f->c);
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        assert_int_equal(http_talk_ask(&f->c, "GET", cases[i].path, "", NULL), 200);
        assert_string_equal(f->c.body, cases[i].body);
    }
}

static void no_cookies_no_cors(void **state)
{
    struct fixture *f = *state;
    static const char *const paths[] = {"/empty", "/static", "/maybe", "/nothing"};
    static const char *const never[] = {"Set-Cookie", "Access-Control-Allow-Origin",
                                        "Access-Control-Allow-Headers"};

    connect_unix(f, &f->c);
    for (size_t i = 0; i < ADIT_COUNT(paths); i++) {
        http_talk_ask(&f->c, "GET", paths[i], "Cookie: a=b\r\nOrigin: http://evil.example\r\n", NULL);
        for (size_t k = 0; k < ADIT_COUNT(never); k++)
            expect_header(&f->c, never[k], NULL);
        expect_header(&f->c, "Cache-Control", "no-store");
        expect_header(&f->c, "X-Content-Type-Options", "nosniff");
    }
}

/* ---- Bodies */

static void bodies_that_are_wrong(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *headers, *body;
        int status;
        const char *code;
    } cases[] = {
        {"", "", 400, "invalid_value"},
        {"", "{", 400, "invalid_value"},
        {"", "[]", 400, "invalid_value"},
        {"", "1", 400, "invalid_value"},
        {"", "{}x", 400, "invalid_value"},
        {"", "{\"a\":1,\"a\":2}", 400, "invalid_value"},
        {"", "{\"a\":\"\\u0000\"}", 400, "invalid_value"},
        {"", "{\"a\":\"\xff\"}", 400, "invalid_value"},
        {"", "{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", 400, "invalid_value"},
        {"Content-Type: text/plain\r\n", "{}", 415, "unsupported_media_type"},
        {"Content-Type: text/plain\r\n", "", 415, "unsupported_media_type"},
        {"Content-Type: application/x-www-form-urlencoded\r\n", "a=b", 415, "unsupported_media_type"},
    };

    connect_unix(f, &f->c);
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        http_talk_ask(&f->c, "POST", "/echo", cases[i].headers, cases[i].body);
        http_talk_expect_error(&f->c, cases[i].status, cases[i].code, NULL);
    }
    http_talk_send(&f->c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    http_talk_answer(&f->c);
    http_talk_expect_error(&f->c, 415, "unsupported_media_type", NULL);
    /* And afterwards all is well: 16 levels, and none needed. */
    assert_int_equal(http_talk_ask(&f->c, "POST", "/echo", "", "{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}"),
                     200);
    assert_int_equal(http_talk_ask(&f->c, "POST", "/maybe", "", NULL), 200);
    assert_string_equal(f->c.body, "{\"body\":false}");
    assert_int_equal(http_talk_ask(&f->c, "POST", "/maybe", "", "{}"), 200);
    assert_string_equal(f->c.body, "{\"body\":true}");
}

/* {"a":"xxx..."} of so many bytes. */
static char *body_of(size_t n)
{
    char *body = malloc(n + 1);

    memset(body, 'x', n);
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + n - 2, "\"}", 3);
    return body;
}

static void bodies_at_the_limit(void **state)
{
    struct fixture *f = *state;
    char *body = body_of(HTTPD_MAX_BODY);

    connect_unix(f, &f->c);
    assert_int_equal(http_talk_ask(&f->c, "POST", "/echo", "", body), 200);
    assert_string_equal(f->c.body, body);
    free(body);
    body = body_of(HTTPD_MAX_BODY + 1);
    http_talk_ask(&f->c, "POST", "/echo", "", body);
    http_talk_expect_error(&f->c, 413, "too_large", NULL);
    http_talk_send(&f->c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          "Transfer-Encoding: chunked\r\n\r\n100001\r\n");
    http_talk_send(&f->c, body);
    http_talk_send(&f->c, "\r\n0\r\n\r\n");
    http_talk_answer(&f->c);
    http_talk_expect_error(&f->c, 413, "too_large", NULL);
    free(body);
    assert_int_equal(http_talk_ask(&f->c, "GET", "/empty", "", NULL), 204);
}

/* Several at once have room for one of the largest and a little more. */
static void bodies_together(void **state)
{
    struct fixture *f = *state;
    struct http_talk other;
    char *body = body_of(HTTPD_MAX_BODY);

    connect_unix(f, &f->c);
    http_talk_send(&f->c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          "Content-Length: 1048576\r\n\r\n");
    http_talk_send_bytes(&f->c, span_make(body, HTTPD_MAX_BODY - 1));
    while (f->httpd->bodies_len < HTTPD_MAX_BODY - 1)
        http_server_step(f);
    connect_unix(f, &other);
    http_talk_ask(&other, "POST", "/echo", "", body);
    http_talk_expect_error(&other, 503, "busy", NULL);
    http_talk_close(&other);
    http_talk_send(&f->c, "}");
    assert_int_equal(http_talk_answer(&f->c), 200);
    assert_int_equal(f->httpd->bodies_len, 0);
    connect_unix(f, &other);
    assert_int_equal(http_talk_ask(&other, "POST", "/echo", "", body), 200);
    http_talk_close(&other);
    free(body);
}

/* Nobody has to send what is refused anyway; and nobody may send for ever. */
static void bodies_without_end(void **state)
{
    struct fixture *f = *state;
    char *body = body_of(HTTPD_MAX_BODY);

    connect_unix(f, &f->c);
    http_talk_send(&f->c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          "Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n");
    assert_int_equal(http_talk_answer(&f->c), 413);
    http_talk_until_over(&f->c);
    http_talk_close(&f->c);

    connect_unix(f, &f->c);
    http_talk_send(&f->c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                          "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_int_equal(http_talk_answer(&f->c), 100);
    http_talk_send(&f->c, "{}");
    assert_int_equal(http_talk_answer(&f->c), 200);
    http_talk_send(&f->c, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 20 && !f->c.is_over; i++) {
        http_talk_send(&f->c, "100000\r\n");
        http_talk_send(&f->c, body);
        http_talk_send(&f->c, "\r\n");
    }
    http_talk_until_over(&f->c);
    free(body);
}

/* ---- Who may ask */

static int ask_tcp(struct fixture *f, const char *path, const char *host, const char *more)
{
    struct buffer headers = {0};
    int status;

    connect_tcp(f, &f->c);
    if (strchr(host, '%')) {
        char text[64];

        adit_format(text, sizeof text, "%u", (unsigned)f->port);
        buffer_add(&headers, span_make("Host: ", 6));
        buffer_add(&headers, span_make(host, strcspn(host, "%")));
        buffer_text(&headers, text);
        buffer_text(&headers, "\r\n");
    } else {
        buffer_format(&headers, "Host: %s\r\n", host);
    }
    buffer_text(&headers, more);
    status = http_talk_ask(&f->c, "GET", path, headers.p, NULL);
    buffer_wipe(&headers);
    return status;
}

static void over_tcp(void **state)
{
    struct fixture *f = *state;
    char with_token[128], origin[160];
    static const char *const hosts[] = {"127.0.0.1:%", "localhost:%", "[::1]:%"};
    static const char *const others[] = {"evil.example", "evil.example:%", "127.0.0.1", "127.0.0.1:1", ""};

    adit_format(with_token, sizeof with_token, "Authorization: Bearer %s\r\n", token);
    for (size_t i = 0; i < ADIT_COUNT(hosts); i++) {
        assert_int_equal(ask_tcp(f, "/static", hosts[i], with_token), 201);
        http_talk_close(&f->c);
    }
    for (size_t i = 0; i < ADIT_COUNT(others); i++) {
        ask_tcp(f, "/static", others[i], with_token);
        http_talk_expect_error(&f->c, 403, "forbidden_host", NULL);
        http_talk_close(&f->c);
        assert_int_equal(ask_tcp(f, "/empty", others[i], ""), 403); /* open to all, but not under that name */
        http_talk_close(&f->c);
    }
    assert_int_equal(f->asked_count, ADIT_COUNT(hosts));
    ask_tcp(f, "/static", "localhost:%", "");
    http_talk_expect_error(&f->c, 401, "unauthorized", NULL);
    expect_header(&f->c, "WWW-Authenticate", "Bearer");
    http_talk_close(&f->c);
    with_token[strlen(with_token) - 3] ^= 1;
    ask_tcp(f, "/static", "localhost:%", with_token);
    http_talk_expect_error(&f->c, 401, "unauthorized", NULL);
    with_token[strlen(with_token) - 3] ^= 1;
    http_talk_close(&f->c);
    assert_int_equal(f->asked_count, ADIT_COUNT(hosts));
    assert_int_equal(ask_tcp(f, "/empty", "localhost:%", ""), 204);
    http_talk_close(&f->c);

    adit_format(origin, sizeof origin, "%sOrigin: http://localhost:%u\r\n", with_token, (unsigned)f->port);
    assert_int_equal(ask_tcp(f, "/static", "127.0.0.1:%", origin), 201);
    http_talk_close(&f->c);
    adit_format(origin, sizeof origin, "%sOrigin: http://evil.example\r\n", with_token);
    ask_tcp(f, "/static", "127.0.0.1:%", origin);
    http_talk_expect_error(&f->c, 403, "forbidden_origin", NULL);
}

static void headers_that_stand_twice(void **state)
{
    struct fixture *f = *state;
    char more[256];
    int status;

    adit_format(more, sizeof more, "Host: evil.example\r\nAuthorization: Bearer %s\r\n", token);
    status = ask_tcp(f, "/static", "localhost:%", more);
    assert_true(status == 403 || status == 400);
    http_talk_close(&f->c);
    adit_format(more, sizeof more,
                "Origin: http://localhost:%u\r\nOrigin: http://evil.example\r\nAuthorization: Bearer %s\r\n",
                (unsigned)f->port, token);
    assert_int_equal(ask_tcp(f, "/static", "localhost:%", more), 403);
    assert_int_equal(f->asked_count, 0);
}

static void what_is_no_http(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "\r\n\r\nhello\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /empty HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /empty HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"};
    static const char head[] = "GET /empty HTTP/1.1\r\nHost: x\r\nX: ";
    char *long_header = malloc(80 * 1024);

    for (size_t i = 0; i < ADIT_COUNT(texts); i++) {
        connect_unix(f, &f->c);
        http_talk_send(&f->c, texts[i]);
        (void)shutdown(f->c.fd, SHUT_WR);
        http_talk_until_over(&f->c);
        http_talk_close(&f->c);
    }
    memset(long_header, 'x', 80 * 1024);
    memcpy(long_header, head, sizeof head - 1);
    connect_unix(f, &f->c);
    http_talk_send_bytes(&f->c, span_make(long_header, 80 * 1024));
    assert_int_equal(http_talk_answer(&f->c), 431);
    http_talk_close(&f->c);
    free(long_header);
    connect_unix(f, &f->c);
    assert_int_equal(http_talk_ask(&f->c, "GET", "/empty", "", NULL), 204);
}

/* ---- Later */

static void answers_later(void **state)
{
    struct fixture *f = *state;
    struct http_talk other;

    connect_unix(f, &f->c);
    connect_unix(f, &other);
    http_talk_send(&f->c, "GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    until(f, &f->held_count, 1);
    assert_int_equal(http_talk_ask(&other, "GET", "/empty", "", NULL), 204); /* nobody else waits */
    httpd_reply_json(f->held[0], 200, json_pack("{s:i}", "n", 1));
    assert_int_equal(http_talk_answer(&f->c), 200);
    assert_string_equal(f->c.body, "{\"n\":1}");
    http_talk_send(&f->c, "GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    until(f, &f->held_count, 2);
    httpd_reply_empty(f->held[1], 204);
    assert_int_equal(http_talk_answer(&f->c), 204);
    assert_int_equal(f->gone_count, 0);
    http_talk_close(&other);
}

static void hangs_up_while_waiting(void **state)
{
    struct fixture *f = *state;

    connect_unix(f, &f->c);
    http_talk_send(&f->c, "GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    until(f, &f->held_count, 1);
    sock_close(&f->c.fd);
    until(f, &f->gone_count, 1);
    http_talk_close(&f->c);
    /* The end of the server is one too. */
    connect_unix(f, &f->c);
    http_talk_send(&f->c, "GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    until(f, &f->held_count, 2);
    httpd_free(f->httpd);
    f->httpd = NULL;
    assert_int_equal(f->gone_count, 2);
    http_talk_until_over(&f->c);
}

static void feed_add(struct fixture *f, const char *text)
{
    buffer_text(&f->feed.waiting, text);
    httpd_stream_wake(f->feed.r);
}

static void streams(void **state)
{
    struct fixture *f = *state;

    connect_unix(f, &f->c);
    buffer_text(&f->feed.waiting, "one\n\n");
    http_talk_send(&f->c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    http_talk_until(&f->c, "one\n\n");
    assert_non_null(strstr(f->c.in.p, "text/event-stream"));
    feed_add(f, "two\n\n");
    http_talk_until(&f->c, "two\n\n");
    httpd_stream_wake(f->feed.r); /* with nothing */
    http_server_step(f);
    feed_add(f, "three\n\n");
    feed_add(f, "four\n\n");
    http_talk_until(&f->c, "four\n\n");
    f->feed.is_last = true;
    feed_add(f, "five\n\n");
    assert_int_equal(http_talk_answer(&f->c), 200);
    assert_string_equal(f->c.body, "one\n\ntwo\n\nthree\n\nfour\n\nfive\n\n");
    assert_true(f->feed.has_ended);
    assert_int_equal(http_talk_ask(&f->c, "GET", "/empty", "", NULL), 204);
}

static void a_stream_to_a_slow_reader(void **state)
{
    struct fixture *f = *state;
    char *body = body_of(3 * HTTPD_MAX_BODY);

    connect_unix(f, &f->c);
    buffer_text(&f->feed.waiting, body);
    f->feed.is_last = true;
    http_talk_send(&f->c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 20; i++)
        http_server_step(f);
    assert_false(f->feed.has_ended); /* it is not all in the kernel's buffers */
    assert_int_equal(http_talk_answer(&f->c), 200);
    assert_string_equal(f->c.body, body);
    free(body);
}

static void until_ended(struct fixture *f)
{
    uint64_t end = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    while (!f->feed.has_ended) {
        assert_true(loop_now_ms() < end);
        http_server_step(f);
    }
}

static void feed_forget(struct fixture *f)
{
    buffer_wipe(&f->feed.waiting);
    memset(&f->feed, 0, sizeof f->feed);
}

static void a_stream_whose_reader_goes(void **state)
{
    struct fixture *f = *state;

    connect_unix(f, &f->c);
    buffer_text(&f->feed.waiting, "one\n\n");
    http_talk_send(&f->c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    http_talk_until(&f->c, "one\n\n");
    http_talk_close(&f->c);
    until_ended(f);
    /* Over TCP an end is all that shows: it counts where the stream says so. */
    feed_forget(f);
    f->input_ends = true;
    connect_unix(f, &f->c);
    buffer_text(&f->feed.waiting, "one\n\n");
    http_talk_send(&f->c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    http_talk_until(&f->c, "one\n\n");
    (void)shutdown(f->c.fd, SHUT_WR);
    until_ended(f);
    http_talk_close(&f->c);
    feed_forget(f);
    f->input_ends = false;
    connect_unix(f, &f->c);
    buffer_text(&f->feed.waiting, "one\n\n");
    http_talk_send(&f->c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    http_talk_until(&f->c, "one\n\n");
    (void)shutdown(f->c.fd, SHUT_WR);
    http_server_step(f);
    feed_add(f, "two\n\n");
    http_talk_until(&f->c, "two\n\n");
    httpd_free(f->httpd);
    f->httpd = NULL;
    assert_true(f->feed.has_ended);
}

/* ---- Bounds */

static void too_slow_a_request(void **state)
{
    struct fixture *f = *state;

    connect_unix(f, &f->c);
    http_talk_send(&f->c, "GET /empty HTTP/1.1\r\nHost:");
    f->server.ahead_ms = HTTPD_REQUEST_MS + 1000;
    http_talk_until_over(&f->c);
    http_talk_close(&f->c);
    f->server.ahead_ms = 0;
    /* What waits for us is not slow. */
    connect_unix(f, &f->c);
    http_talk_send(&f->c, "GET /held HTTP/1.1\r\nHost: x\r\n\r\n");
    until(f, &f->held_count, 1);
    f->server.ahead_ms = HTTPD_REQUEST_MS + 1000;
    for (int i = 0; i < 3; i++)
        http_server_step(f);
    httpd_reply_empty(f->held[0], 204);
    assert_int_equal(http_talk_answer(&f->c), 204);
}

/* Who has shown no token has no place for longer than a request takes; who has may rest. */
static void rest_over_tcp(void **state)
{
    struct fixture *f = *state;
    char with_token[128];

    adit_format(with_token, sizeof with_token, "Authorization: Bearer %s\r\n", token);
    assert_int_equal(ask_tcp(f, "/static", "localhost:%", ""), 401);
    f->server.ahead_ms = HTTPD_REQUEST_MS + 1000;
    http_talk_until_over(&f->c);
    http_talk_close(&f->c);
    f->server.ahead_ms = 0;
    assert_int_equal(ask_tcp(f, "/static", "localhost:%", with_token), 201);
    f->server.ahead_ms = HTTPD_REQUEST_MS + 1000;
    for (int i = 0; i < 3; i++)
        http_server_step(f);
    http_talk_send(&f->c, "GET /empty HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(http_talk_answer(&f->c), 403); /* not our port: but answered */
}

static void too_many_connections(void **state)
{
    struct fixture *f = *state;
    struct http_talk c[HTTPD_MAX_TCP + 1], other;
    char request[256];

    adit_format(request, sizeof request,
                "GET /held HTTP/1.1\r\nHost: localhost:%u\r\nAuthorization: Bearer %s\r\n\r\n",
                (unsigned)f->port, token);
    for (size_t i = 0; i < HTTPD_MAX_TCP; i++) {
        connect_tcp(f, &c[i]);
        http_talk_send(&c[i], request);
    }
    for (size_t i = 0; i < HTTPD_MAX_TCP - HTTPD_SPARE; i++)
        until(f, &f->held_count, i + 1);
    for (size_t i = HTTPD_MAX_TCP - HTTPD_SPARE; i < HTTPD_MAX_TCP; i++) {
        http_talk_answer(&c[i]);
        http_talk_expect_error(&c[i], 503, "busy", NULL);
        http_talk_until_over(&c[i]); /* its place is free at once */
        http_talk_close(&c[i]);
        connect_tcp(f, &c[i]);
    }
    connect_unix(f, &other); /* those have their own places */
    assert_int_equal(http_talk_ask(&other, "GET", "/empty", "", NULL), 204);
    http_talk_close(&other);
    connect_tcp(f, &c[HTTPD_MAX_TCP]);
    http_talk_send(&c[HTTPD_MAX_TCP], request);
    for (int i = 0; i < 3; i++)
        http_server_step(f);
    assert_int_equal(f->held_count, HTTPD_MAX_TCP - HTTPD_SPARE);
    http_talk_close(&c[HTTPD_MAX_TCP - 1]); /* one goes, the next may come; that one finds no place to wait */
    http_talk_answer(&c[HTTPD_MAX_TCP]);
    http_talk_expect_error(&c[HTTPD_MAX_TCP], 503, "busy", NULL);
    http_talk_until_over(&c[HTTPD_MAX_TCP]);
    http_talk_close(&c[HTTPD_MAX_TCP]);
    httpd_reply_empty(f->held[0], 204);
    assert_int_equal(http_talk_answer(&c[0]), 204);
    http_talk_send(&c[HTTPD_MAX_TCP - 2], request);
    until(f, &f->held_count, HTTPD_MAX_TCP - HTTPD_SPARE + 1);
    for (size_t i = 0; i < HTTPD_MAX_TCP - 1; i++)
        http_talk_close(&c[i]);
}

/* Without one of its headers an answer may say something else, or protect from less. */
static void a_header_that_is_lost(void **state)
{
    struct fixture *f = *state;

    connect_unix(f, &f->c);
    http_talk_ask(&f->c, "GET", "/lacks", "", NULL);
    http_talk_expect_error(&f->c, 500, "internal", NULL);
}

/* Whoever does not ask for the reason is told all the same that it failed, and whoever has an older one
 * which. */
static void what_cannot_listen(void **state)
{
    struct fixture *f = *state;
    struct adit_error err = {ADIT_E_AUTH, "older"};
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(httpd_listen(f->httpd, fds[0], NULL), ADIT_E_SYSTEM);
    assert_int_equal(fcntl(fds[0], F_GETFD), -1);
    assert_int_equal(httpd_listen(f->httpd, fds[1], &err), ADIT_E_SYSTEM);
    assert_int_equal(fcntl(fds[1], F_GETFD), -1);
    assert_string_equal(err.text, "older"); /* the first one stays */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(answers_one_after_the_other),
        T(one_byte_at_a_time),
        T(queries),
        T(no_cookies_no_cors),
        T(bodies_that_are_wrong),
        T(bodies_at_the_limit),
        T(bodies_together),
        T(bodies_without_end),
        T(over_tcp),
        T(headers_that_stand_twice),
        T(what_is_no_http),
        T(answers_later),
        T(hangs_up_while_waiting),
        T(streams),
        T(a_stream_to_a_slow_reader),
        T(a_stream_whose_reader_goes),
        T(too_slow_a_request),
        T(rest_over_tcp),
        T(too_many_connections),
        T(what_cannot_listen),
        T(a_header_that_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
