#include "client/environment.h"

#include <string.h>

#include "tests/test.h"

static struct options options;
static struct texts got;

static void take(const char *keyword, const char *value)
{
    struct adit_error err = {ADIT_E_OK, ""};
    assert_int_equal(options_set(&options, keyword, value, &err), ADIT_E_OK);
}

static void check(size_t count, const char *const want[])
{
    char *const env[] = {
        (char *)(uintptr_t) "LANG=C", (char *)(uintptr_t) "LC_ALL=",    (char *)(uintptr_t) "broken",
        (char *)(uintptr_t) "A=1=2",  (char *)(uintptr_t) "HOME=/root", NULL};
    assert_true(environment_make(&got, &options, env));
    assert_int_equal(got.count, count);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(got.item[i], want[i]);
    texts_wipe(&got);
}

static void test_nothing(void **state)
{
    (void)state;
    options_init(&options);
    check(0, NULL);
    options_wipe(&options);
}

static void test_patterns_and_values(void **state)
{
    static const char *const want[] = {"LANG=C", "LC_ALL=", "A=1=2", "A=set", "B=x y"};
    (void)state;
    options_init(&options);
    take("SendEnv", "L* ?");
    take("SetEnv", "A=set \"B=x y\"");
    check(5, want);
    take("SendEnv", "-L*");
    check(3, want + 2);
    options_wipe(&options);
}

static void test_find(void **state)
{
    struct texts t;
    (void)state;
    texts_init(&t);
    assert_null(environment_find(&t, "A"));
    assert_true(texts_add(&t, span_str("A=1")) && texts_add(&t, span_str("AB=2")) &&
                texts_add(&t, span_str("A=3")));
    assert_string_equal(environment_find(&t, "A"), "3");
    assert_string_equal(environment_find(&t, "AB"), "2");
    assert_null(environment_find(&t, "ABC"));
    texts_wipe(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_patterns_and_values),
        cmocka_unit_test(test_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
