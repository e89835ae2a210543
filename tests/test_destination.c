#include "test.h"

#include <string.h>

#include "cli/destination.h"

static struct destination d;
static bool is_malformed;

static enum adit_err parse(const char *text)
{
    struct adit_error err = {0};
    enum adit_err e = destination_parse(&d, text, &is_malformed, &err);
    assert_int_equal(e, err.code);
    return e;
}

static void test_forms(void **state)
{
    static const struct {
        const char *text, *user, *host;
        uint16_t port;
    } rows[] = {{"host", "", "host", 0},
                {"me@host", "me", "host", 0},
                {"me@corp@host", "me@corp", "host", 0},
                {"me:style@host", "me:style", "host", 0},
                {"me@::1", "me", "::1", 0},
                {"[::1]", "", "::1", 0},
                {"ssh:/x", "", "ssh:/x", 0},
                {"ssh://host", "", "host", 0},
                {"ssh://host/", "", "host", 0},
                {"ssh://me@host:2222", "me", "host", 2222},
                {"ssh://me@[::1]:2222/", "me", "::1", 2222},
                {"ssh://m%65%40x@host", "me@x", "host", 0}};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        assert_int_equal(parse(rows[i].text), ADIT_E_OK);
        assert_string_equal(d.user, rows[i].user);
        assert_string_equal(d.host, rows[i].host);
        assert_int_equal(d.port, rows[i].port);
    }
}

/* Users as ssh takes them; those of Windows domains have a backslash or a dollar sign. */
static void test_users(void **state)
{
    static const char *const fine[] = {"DOMAIN\\me", "HOST$", "first last", "a.b+c", "\xc3\xa4"};
    static const char *const refused[] = {"-me", "me\\", "a;b", "a`b", "a -b", "a'b", "a|b", "a\nb", ""};
    char text[64];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(fine); i++) {
        (void)adit_format(text, sizeof text, "%s@host", fine[i]);
        assert_true(destination_user_is_fine(fine[i]));
        assert_int_equal(parse(text), ADIT_E_OK);
        assert_string_equal(d.user, fine[i]);
    }
    for (size_t i = 0; i < ADIT_COUNT(refused); i++) {
        (void)adit_format(text, sizeof text, "%s@host", refused[i]);
        assert_false(destination_user_is_fine(refused[i]));
        assert_int_equal(parse(text), ADIT_E_USAGE);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        bool is_malformed;
    } rows[] = {{"@host", true},
                {"me@", true},
                {"ssh://h/path", true},
                {"ssh://h:0", true},
                {"ssh://h:70000", true},
                {"ssh://h:", true},
                {"ssh://%zz@h", true},
                {"ssh://%00@h", true},
                {"ssh://", true},
                {"ssh://@h", true},
                {"", true},
                {"a,b", false}, /* two names in a known_hosts line */
                {"h`x`", false},
                {"-h", false},
                {"me@-oProxy", false},
                {"a;b@h", false},
                {"h x", false}};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        assert_int_equal(parse(rows[i].text), ADIT_E_USAGE);
        assert_int_equal(is_malformed, rows[i].is_malformed);
    }
}

static void test_lengths(void **state)
{
    char text[2 * LIMIT_HOST + 16];
    (void)state;
    memset(text, 'a', sizeof text);
    text[LIMIT_HOST] = 0;
    assert_int_equal(parse(text), ADIT_E_OK);
    text[LIMIT_HOST] = 'a';
    text[LIMIT_HOST + 1] = 0;
    assert_int_equal(parse(text), ADIT_E_USAGE);
    memcpy(text + LIMIT_USER, "@h", 3);
    assert_int_equal(parse(text), ADIT_E_OK);
    memcpy(text + LIMIT_USER, "a@h", 4);
    assert_int_equal(parse(text), ADIT_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_users),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_lengths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
