/* The head of a request, byte by byte; what becomes of it is in test_socks.c. */
#include "socks5/http.h"

#include <string.h>
#include "tests/test.h"

static struct http h;

/* Feeds up to the first event, and returns it; *at moves on. */
static enum http_event next(const char *text, size_t *at)
{
    while (text[*at]) {
        enum http_event ev = http_byte(&h, (uint8_t)text[(*at)++]);
        if (ev != HTTP_NEED_MORE)
            return ev;
    }
    return HTTP_NEED_MORE;
}

static void events_in_order(void **state)
{
    static const char text[] = "CONNECT [::1]:8080 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic YTpi\r\n"
                               "Proxy-Authorization: Basic Yzo=\r\n\r\nmore";
    size_t at = 0;

    (void)state;
    http_init(&h);
    assert_int_equal(next(text, &at), HTTP_TARGET);
    assert_int_equal(at, 29);
    assert_true(span_is(h.host, "::1") && h.is_address);
    assert_int_equal(h.port, 8080);
    assert_int_equal(next(text, &at), HTTP_CREDENTIALS);
    assert_true(span_is(h.user, "a") && span_is(h.password, "b"));
    assert_int_equal(next(text, &at), HTTP_CREDENTIALS);
    assert_true(span_is(h.user, "c") && span_is(h.password, ""));
    assert_int_equal(next(text, &at), HTTP_END);
    assert_string_equal(text + at, "more");
}

/* RFC 4648 §10, behind the user ":". */
static void base64_vectors(void **state)
{
    static const char *const cases[][2] = {
        {"Og==", ""},
        {"OmY=", "f"},
        {"OmZv", "fo"},
        {"OmZvbw==", "foo"},
        {"OmZvb2I=", "foob"},
        {"OmZvb2Jh", "fooba"},
        {"OmZvb2Jhcg==", "foobar"},
        {"Ojo+Pz//", ":>??\xff"},
    };

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        char text[128];
        size_t at = 0;

        (void)adit_format(text, sizeof text, "CONNECT h:1 HTTP/1.1\nProxy-Authorization: Basic %s\n",
                          cases[i][0]);
        http_init(&h);
        assert_int_equal(next(text, &at), HTTP_TARGET);
        assert_int_equal(next(text, &at), HTTP_CREDENTIALS);
        assert_int_equal(h.user.n, 0);
        assert_true(span_is(h.password, cases[i][1]));
    }
}

/* A line that is longer than what is kept of it is passed over, whatever it is. */
static void long_lines(void **state)
{
    static char text[HTTP_HEAD_MAX] = "CONNECT h:1 HTTP/1.1\nProxy-Authorization: Basic ";

    (void)state;
    for (size_t n = 512; n <= 1024; n += 512) { /* 384 bytes are kept whole, 768 are not */
        size_t at = 0, head = 48;

        memset(text + head, 'O', n);
        memcpy(text + head + 4, "Ojo6", 4); /* colons */
        memcpy(text + head + n, "\n\n", 3);
        http_init(&h);
        assert_int_equal(next(text, &at), HTTP_TARGET);
        assert_int_equal(next(text, &at), n == 512 ? HTTP_CREDENTIALS : HTTP_END);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_in_order),
        cmocka_unit_test(base64_vectors),
        cmocka_unit_test(long_lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
