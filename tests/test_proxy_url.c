#include "test.h"

#include <string.h>

#include "client/proxy_url.h"

static struct proxy_url url;

static void good(const char *text, bool is_http, const char *user, const char *password, const char *host,
                 uint16_t port)
{
    struct adit_error err = {0};
    assert_int_equal(proxy_url_parse(&url, text, &err), ADIT_E_OK);
    assert_int_equal(url.is_http, is_http);
    assert_int_equal(url.has_user, user != NULL);
    assert_string_equal(url.user, user != NULL ? user : "");
    assert_string_equal(url.password, password != NULL ? password : "");
    assert_string_equal(url.host, host);
    assert_int_equal(url.port, port);
}

static void test_good(void **state)
{
    (void)state;
    good("http://proxy:3128", true, NULL, NULL, "proxy", 3128);
    good("http://proxy:3128/", true, NULL, NULL, "proxy", 3128);
    good("socks5://[::1]:1080", false, NULL, NULL, "::1", 1080);
    good("http://me:secret@proxy:80", true, "me", "secret", "proxy", 80);
    good("http://me@proxy:80", true, "me", "", "proxy", 80);
    good("socks5://m%65:a%3ab%40c%25@10.0.0.1:1", false, "me", "a:b@c%", "10.0.0.1", 1);
    good("http://me:p@ss:w@proxy:80", true, "me", "p@ss:w", "proxy", 80);
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "proxy:80",
                                      "https://proxy:80",
                                      "socks4://proxy:80",
                                      "http://",
                                      "http://proxy",
                                      "http://proxy:",
                                      "http://proxy:0",
                                      "http://proxy:65536",
                                      "http://proxy:80/path",
                                      "http://:80",
                                      "http://u:%zz@proxy:80",
                                      "http://u:%0@proxy:80",
                                      "http://u:%00@proxy:80",
                                      "http://u:secret@proxy",
                                      "http://pro xy:80",
                                      "http://pro\nxy:80",
                                      "http://[::1:80",
                                      "socks5://u:secret@"};
    static const struct proxy_url zero;
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        struct adit_error err = {0};
        assert_int_equal(proxy_url_parse(&url, bad[i], &err), ADIT_E_CONFIG);
        assert_null(strstr(err.text, "secret"));
        assert_memory_equal(&url, &zero, sizeof url);
    }
}

static void test_long(void **state)
{
    (void)state;
    char text[1024];
    struct adit_error err = {0};
    memset(text, 'x', sizeof text);
    memcpy(text, "http://u:", 9);
    memcpy(text + 9 + 255, "@h:1", 5);
    assert_int_equal(proxy_url_parse(&url, text, &err), ADIT_E_OK);
    assert_int_equal(strlen(url.password), 255);
    memset(text + 9, 'x', 256);
    memcpy(text + 9 + 256, "@h:1", 5);
    assert_int_equal(proxy_url_parse(&url, text, &err), ADIT_E_CONFIG);
    memset(text + 7, 'x', 256);
    memcpy(text + 7 + 256, ":1", 3);
    assert_int_equal(proxy_url_parse(&url, text, &(struct adit_error){0}), ADIT_E_CONFIG);
    memcpy(text + 7 + 255, ":1", 3);
    assert_int_equal(proxy_url_parse(&url, text, &(struct adit_error){0}), ADIT_E_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
