#include "daemon/httpd_check.h"

#include <string.h>
#include <unistd.h>
#include "net/sock.h"
#include "tests/test.h"

static void hosts_of_ours(void **state)
{
    (void)state;
    assert_true(httpd_host_is_ours("127.0.0.1:7171", 7171));
    assert_true(httpd_host_is_ours("localhost:7171", 7171));
    assert_true(httpd_host_is_ours("[::1]:7171", 7171));
    assert_true(httpd_host_is_ours("localhost", 80));
    assert_true(httpd_host_is_ours("localhost:80", 80));
    static const char *const others[] = {"",
                                         "localhost",
                                         "localhost:717",
                                         "localhost:71711",
                                         "localhost:07171",
                                         "localhost.:7171",
                                         "localhost.evil.example:7171",
                                         "evil.example:7171",
                                         "127.0.0.1.evil.example:7171",
                                         "127.0.0.2:7171",
                                         "127.1:7171",
                                         "::1:7171",
                                         "[::1]",
                                         "[::1]:7171 ",
                                         " localhost:7171",
                                         "user@localhost:7171",
                                         "localhost:7171/",
                                         "0.0.0.0:7171"};
    for (size_t i = 0; i < ADIT_COUNT(others); i++)
        if (httpd_host_is_ours(others[i], 7171))
            fail_msg("'%s'", others[i]);
}

static void origins_of_ours(void **state)
{
    (void)state;
    assert_true(httpd_origin_is_ours("http://127.0.0.1:7171", 7171));
    assert_true(httpd_origin_is_ours("http://localhost:7171", 7171));
    assert_true(httpd_origin_is_ours("http://[::1]:7171", 7171));
    assert_false(httpd_origin_is_ours("https://localhost:7171", 7171));
    assert_false(httpd_origin_is_ours("null", 7171));
    assert_false(httpd_origin_is_ours("", 7171));
    assert_false(httpd_origin_is_ours("http://localhost:7172", 7171));
    assert_false(httpd_origin_is_ours("http://evil.example", 7171));
    assert_false(httpd_origin_is_ours("http://localhost:7171/", 7171));
}

static void the_token(void **state)
{
    static const char token[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    char header[sizeof token + 16];

    (void)state;
    adit_format(header, sizeof header, "Bearer %s", token);
    assert_true(httpd_token_matches(header, token));
    header[0] = 'b'; /* RFC 9110 §11.1: a scheme is case-insensitive */
    assert_true(httpd_token_matches(header, token));
    for (size_t i = strlen("Bearer "); header[i]; i++) {
        header[i] ^= 1;
        assert_false(httpd_token_matches(header, token));
        header[i] ^= 1;
    }
    header[strlen(header) - 1] = 0;
    assert_false(httpd_token_matches(header, token));
    assert_false(httpd_token_matches("Bearer ", token));
    assert_false(httpd_token_matches("Bearer ", ""));
    assert_false(httpd_token_matches("Bearer x", NULL));
    assert_false(httpd_token_matches(NULL, token));
    assert_false(httpd_token_matches(token, token));
    adit_format(header, sizeof header, "Basic %s", token);
    assert_false(httpd_token_matches(header, token));
}

static void content_types(void **state)
{
    static const char *const good[] = {"application/json",
                                       "APPLICATION/JSON",
                                       "application/json; charset=utf-8",
                                       "application/json;charset=\"UTF-8\"",
                                       "application/json ;",
                                       "application/json "};
    static const char *const bad[] = {"",
                                      "text/plain",
                                      "application/jsonp",
                                      "application/json5",
                                      "application/json, text/plain",
                                      "application/json; charset=latin1",
                                      "application/json; x=1",
                                      "application/x-www-form-urlencoded"};

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(good); i++)
        if (!httpd_type_is_json(good[i]))
            fail_msg("'%s'", good[i]);
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        if (httpd_type_is_json(bad[i]))
            fail_msg("'%s'", bad[i]);
}

static bool depth_is_fine(const char *text, unsigned max)
{
    return httpd_depth_is_at_most(span_str(text), max);
}

static void depths(void **state)
{
    char deep[100];

    (void)state;
    assert_true(depth_is_fine("", 0));
    assert_true(depth_is_fine("1", 0));
    assert_false(depth_is_fine("{}", 0));
    assert_true(depth_is_fine("{\"a\":[1],\"b\":[2]}", 2));
    assert_false(depth_is_fine("{\"a\":[[1]]}", 2));
    assert_true(depth_is_fine("{\"[[[[\":\"{{{{\\\"{{{{\"}", 1));
    assert_true(depth_is_fine("]]]]{}", 1));
    assert_true(depth_is_fine("{\"\\", 1));
    memset(deep, '[', sizeof deep);
    assert_true(httpd_depth_is_at_most(span_make(deep, 16), 16));
    assert_false(httpd_depth_is_at_most(span_make(deep, 17), 16));
}

static bool values_are_fine(const char *text, size_t max)
{
    return httpd_values_are_at_most(span_str(text), max);
}

static void values(void **state)
{
    (void)state;
    assert_true(values_are_fine("", 0));
    assert_true(values_are_fine("1", 0));
    assert_true(values_are_fine("{}", 1));
    assert_false(values_are_fine("{}", 0));
    assert_true(values_are_fine("{\"a\":[1,2],\"b\":3}", 4));
    assert_false(values_are_fine("{\"a\":[1,2],\"b\":3}", 3));
    assert_true(values_are_fine("[\",,,,[[{{\\\",,\"]", 1));
    assert_true(values_are_fine("[\"\\\\\",1]", 2));
    assert_false(values_are_fine("[\"\\\\\",1]", 1));
    assert_true(values_are_fine("[\"\\", 1));
}

static void unescaping(void **state)
{
    char out[8];

    (void)state;
    assert_true(httpd_unescape(out, sizeof out, span_str("a%2Fb%20c")));
    assert_string_equal(out, "a/b c");
    assert_true(httpd_unescape(out, sizeof out, span_str("%c3%A9+")));
    assert_string_equal(out, "\xc3\xa9+");
    assert_true(httpd_unescape(out, sizeof out, span_str("")));
    assert_string_equal(out, "");
    assert_true(httpd_unescape(out, sizeof out, span_str("1234567")));
    assert_false(httpd_unescape(out, sizeof out, span_str("12345678")));
    assert_true(httpd_unescape(out, sizeof out, span_str("%31%32%337")));
    assert_false(httpd_unescape(out, sizeof out, span_str("%00")));
    assert_false(httpd_unescape(out, sizeof out, span_str("%")));
    assert_false(httpd_unescape(out, sizeof out, span_str("%4")));
    assert_false(httpd_unescape(out, sizeof out, span_str("a%4")));
    assert_false(httpd_unescape(out, sizeof out, span_str("%4g")));
    assert_false(httpd_unescape(out, sizeof out, span_str("%-1")));
    assert_false(httpd_unescape(out, 0, span_str("")));
}

static void peers(void **state)
{
    int fds[2];

    (void)state;
    assert_int_equal(sock_pair(fds, NULL), ADIT_E_OK);
    assert_true(httpd_peer_is_allowed(fds[0], false, 0));
    assert_true(httpd_peer_is_allowed(fds[0], true, getegid()));
    sock_close(&fds[0]);
    sock_close(&fds[1]);
    assert_false(httpd_peer_is_allowed(fds[0], true, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_of_ours), cmocka_unit_test(origins_of_ours), cmocka_unit_test(the_token),
        cmocka_unit_test(content_types), cmocka_unit_test(depths),          cmocka_unit_test(values),
        cmocka_unit_test(unescaping),    cmocka_unit_test(peers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
