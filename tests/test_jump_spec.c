#include "test.h"

#include <stdio.h>
#include <string.h>

#include "client/jump_spec.h"

static void good(const char *text, const char *user, const char *host, uint16_t port)
{
    struct jump_spec s;
    struct adit_error err = {0};
    assert_int_equal(jump_spec_parse(&s, span_str(text), &err), ADIT_E_OK);
    assert_string_equal(s.user, user);
    assert_string_equal(s.host, host);
    assert_int_equal(s.port, port);
    assert_string_equal(s.name, text);
}

static void test_good(void **state)
{
    (void)state;
    good("hop", "", "hop", 0);
    good("me@hop", "me", "hop", 0);
    good("me@hop:2222", "me", "hop", 2222);
    good("me@realm@hop", "me@realm", "hop", 0);
    good("[::1]:22", "", "::1", 22);
    good("[2001:db8::1]", "", "2001:db8::1", 0);
    good("ssh://me@hop:22", "me", "hop", 22);
    good("ssh://hop/", "", "hop", 0);
    good("ssh://me%40realm@hop", "me@realm", "hop", 0); /* escapes are of a URI alone */
    good("me%40realm@hop", "me%40realm", "hop", 0);
    good("%h.proxy", "", "%h.proxy", 0);
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",        "@hop",  "me@",          "hop:",         "hop:0",       "hop:65536",
        "hop:22x", "-oX",   "-u@h",         "a;b",          "`id`@hop",    "me@$(id)",
        "::1",     "[::1",  "a b",          "ssh://h/path", "a\nb",        "u\x1b@h",
        "[]",      "[]:22", "ssh://u%zz@h", "ssh://u%0a@h", "ssh://%2du@h"};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        struct jump_spec s;
        struct adit_error err = {0};
        assert_int_equal(jump_spec_parse(&s, span_str(bad[i]), &err), ADIT_E_USAGE);
        assert_non_null(strstr(err.text, "jump host"));
    }
}

static void test_too_long(void **state)
{
    (void)state;
    char text[2 * LIMIT_HOST];
    struct jump_spec s;
    struct adit_error err = {0};
    memset(text, 'h', sizeof text);
    assert_int_equal(jump_spec_parse(&s, span_make(text, LIMIT_HOST), &err), ADIT_E_OK);
    assert_int_equal(jump_spec_parse(&s, span_make(text, LIMIT_HOST + 1), &err), ADIT_E_USAGE);
    text[LIMIT_USER + 1] = '@';
    assert_int_equal(jump_spec_parse(&s, span_make(text, LIMIT_USER + 3), &err), ADIT_E_USAGE);
    assert_int_equal(jump_spec_parse(&s, span_make(text + 1, LIMIT_USER + 2), &err), ADIT_E_OK);
}

static void test_last(void **state)
{
    (void)state;
    struct span rest, last = jump_spec_last(span_str("a,b@c:1,d"), &rest);
    assert_true(span_is(last, "d") && span_is(rest, "a,b@c:1"));
    last = jump_spec_last(rest, &rest);
    assert_true(span_is(last, "b@c:1") && span_is(rest, "a"));
    last = jump_spec_last(rest, &rest);
    assert_true(span_is(last, "a") && rest.n == 0);
}

static void test_check(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ",", "a,", ",a", "a,,b", "a,b:0,c", "a, b"};
    char many[4 * LIMIT_JUMPS + 4] = "h";
    struct adit_error err = {0};
    assert_int_equal(jump_spec_check("none", &err), ADIT_E_OK);
    assert_int_equal(jump_spec_check("a,b@c:1,ssh://d", &err), ADIT_E_OK);
    for (size_t i = 1; i < LIMIT_JUMPS; i++)
        strcat(many, ",h");
    assert_int_equal(jump_spec_check(many, &err), ADIT_E_OK);
    strcat(many, ",h");
    assert_int_equal(jump_spec_check(many, &err), ADIT_E_USAGE);
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_int_equal(jump_spec_check(bad[i], &(struct adit_error){0}), ADIT_E_USAGE);
}

static void test_nearest(void **state)
{
    (void)state;
    char host[LIMIT_HOST + 1];
    assert_true(jump_spec_nearest("a,ssh://me@b.example:22", host));
    assert_string_equal(host, "b.example");
    assert_true(jump_spec_nearest("u@[::1]:5", host));
    assert_string_equal(host, "::1");
    assert_false(jump_spec_nearest("None", host));
    assert_false(jump_spec_nearest(NULL, host));
    assert_string_equal(host, "");
    assert_false(jump_spec_nearest("h:", host));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good),     cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_too_long), cmocka_unit_test(test_last),
                                       cmocka_unit_test(test_check),    cmocka_unit_test(test_nearest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
