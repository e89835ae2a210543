#include "test.h"

#include <string.h>

#include "client/uri.h"

static void test_scheme(void **state)
{
    struct span text = span_str("ssh://host/");
    (void)state;
    assert_false(uri_take_scheme(&text, "http://"));
    assert_true(uri_take_scheme(&text, "ssh://"));
    assert_true(span_is(text, "host"));
    text = span_str("ssh:/");
    assert_false(uri_take_scheme(&text, "ssh://"));
    assert_true(span_is(text, "ssh:/"));
    text = span_str("ssh://");
    assert_true(uri_take_scheme(&text, "ssh://") && text.n == 0);
    text = span_str("ssh:////");
    assert_true(uri_take_scheme(&text, "ssh://") && span_is(text, "/"));
}

static void test_user(void **state)
{
    struct span text = span_str("a@b@c:1"), user;
    (void)state;
    assert_true(uri_take_user(&text, &user));
    assert_true(span_is(user, "a@b") && span_is(text, "c:1"));
    assert_false(uri_take_user(&text, &user));
    assert_true(user.n == 0 && span_is(text, "c:1"));
    text = span_str("@c");
    assert_true(uri_take_user(&text, &user) && user.n == 0 && span_is(text, "c"));
    text = span_str("");
    assert_false(uri_take_user(&text, &user));
}

static void test_port(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {{"h", "h", 0},
                {"h:1", "h", 1},
                {"h:65535", "h", 65535},
                {"[::1]:22", "[::1]", 22},
                {"[::1]", "[::1]", 0},
                {":22", "", 22},
                {"", "", 0},
                {"[::1", "[::1", 0}};
    static const char *const bad[] = {"h:",   "h:0", "h:65536", "h:x",   "h:1:2",
                                      "h:-1", "::1", "h: 1",    "[::1]:"};
    uint16_t port;
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(good); i++) {
        struct span text = span_str(good[i].text);
        assert_true(uri_take_port(&text, &port));
        assert_true(span_is(text, good[i].host));
        assert_int_equal(port, good[i].port);
    }
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        struct span text = span_str(bad[i]);
        assert_false(uri_take_port(&text, &port));
    }
}

static void test_brackets(void **state)
{
    (void)state;
    assert_true(span_is(uri_without_brackets(span_str("[::1]")), "::1"));
    assert_true(span_is(uri_without_brackets(span_str("[]")), "[]"));
    assert_true(span_is(uri_without_brackets(span_str("[a")), "[a"));
    assert_true(span_is(uri_without_brackets(span_str("a")), "a"));
}

static void test_decode(void **state)
{
    static const char *const bad[] = {"%", "%4", "%4g", "%g4", "a%", "%00", "a%00b", "12345678"};
    char out[8];
    (void)state;
    assert_true(uri_decode(out, sizeof out, span_str("m%65%2F%c3%A9+")));
    assert_string_equal(out, "me/\xc3\xa9+");
    assert_true(uri_decode(out, sizeof out, span_str("1234567")));
    assert_true(uri_decode(out, sizeof out, span_str("123456%37")));
    assert_string_equal(out, "1234567");
    assert_true(uri_decode(out, sizeof out, span_str("")));
    assert_string_equal(out, "");
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(uri_decode(out, sizeof out, span_str(bad[i])));
    assert_false(uri_decode(out, sizeof out, span_make((const uint8_t *)"a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheme),   cmocka_unit_test(test_user),   cmocka_unit_test(test_port),
        cmocka_unit_test(test_brackets), cmocka_unit_test(test_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
