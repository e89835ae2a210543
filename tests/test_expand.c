#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "client/expand.h"

static const struct expand_names names = {.home = "/home/me",
                                          .local_user = "me",
                                          .local_host = "box.lan",
                                          .host = "10.0.0.1",
                                          .given_host = "web",
                                          .host_key = "alias",
                                          .remote_user = "you",
                                          .port = 2222};

static void good(const char *text, const char *wanted)
{
    char out[EXPAND_PATH_CAP];
    struct adit_error err = {0};
    enum adit_err e = expand_path(out, text, &names, &err);
    if (e != ADIT_E_OK)
        print_error("%s: %s\n", text, err.text);
    assert_int_equal(e, ADIT_E_OK);
    assert_string_equal(out, wanted);
}

static void bad(const char *text)
{
    char out[EXPAND_PATH_CAP];
    struct adit_error err = {0};
    assert_int_equal(expand_path(out, text, &names, &err), ADIT_E_CONFIG);
}

static void test_home(void **state)
{
    (void)state;
    good("~", "/home/me");
    good("~/.ssh/id", "/home/me/.ssh/id");
    good("a~b", "a~b");
    good("~root/x", "/root/x");
    bad("~no-such-user-here/x");
}

static void test_tokens(void **state)
{
    (void)state;
    good("%d/%h/%n/%k/%r/%u/%p/%l/%L/%%", "/home/me/10.0.0.1/web/alias/you/me/2222/box.lan/box/%");
    /* printf %s "box.lan10.0.0.12222you" | sha1sum */
    good("%C-%j", "a3a1a5abf771bb19f0dfc7c547012707002bee85-");
    bad("%f");
    bad("%T");
    bad("%z");
    bad("x%");
}

static void test_tokens_alone(void **state)
{
    (void)state;
    char out[EXPAND_PATH_CAP];
    struct adit_error err = {0};
    struct expand_names more = names;
    more.jump = "hop";
    more.key_type = "ssh-ed25519";
    more.searched = "[h]:2";
    assert_int_equal(expand_tokens(out, "~ nc %h %p ${X} %%", "hnpr", &more, &err), ADIT_E_OK);
    assert_string_equal(out, "~ nc 10.0.0.1 2222 ${X} %");
    assert_int_equal(expand_tokens(out, "%j %t %H", NULL, &more, &err), ADIT_E_OK);
    assert_string_equal(out, "hop ssh-ed25519 [h]:2");
    assert_int_equal(expand_tokens(out, "%u", "hnpr", &more, &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "%u is not known"));
    err = (struct adit_error){0};
    assert_int_equal(expand_value(out, "~%h", &more, &err), ADIT_E_OK);
    assert_string_equal(out, "~10.0.0.1");
}

static void test_variables(void **state)
{
    (void)state;
    setenv("EXPAND_TEST", "value", 1);
    unsetenv("EXPAND_UNSET");
    good("a${EXPAND_TEST}b", "avalueb");
    good("$EXPAND_TEST", "$EXPAND_TEST");
    bad("${EXPAND_UNSET}");
    bad("${EXPAND_TEST");
    bad("${}");
}

static void test_too_long(void **state)
{
    (void)state;
    static char text[EXPAND_PATH_CAP + 1];
    char out[EXPAND_PATH_CAP];
    memset(text, 'a', EXPAND_PATH_CAP);
    bad(text);
    text[EXPAND_PATH_CAP - 1] = 0;
    assert_int_equal(expand_path(out, text, &names, NULL), ADIT_E_OK);
}

static void test_user(void **state)
{
    (void)state;
    static char home[EXPAND_PATH_CAP];
    char user[LIMIT_USER + 1];
    setenv("HOME", "/somewhere", 1);
    expand_user(home, user);
    assert_string_equal(home, "/somewhere");
    setenv("HOME", "relative", 1); /* nonsense: the passwd database's counts */
    expand_user(home, user);
    assert_string_not_equal(home, "relative");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_home),         cmocka_unit_test(test_tokens),
                                       cmocka_unit_test(test_tokens_alone), cmocka_unit_test(test_variables),
                                       cmocka_unit_test(test_too_long),     cmocka_unit_test(test_user)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
