#include "test.h"

#include <string.h>

#include "client/patterns.h"

static void test_one(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool matches;
    } cases[] = {{"", "", true},         {"", "a", false},         {"*", "", true},
                 {"a*", "a", true},      {"a?c", "abc", true},     {"a?c", "ac", false},
                 {"*.b", "x.y.b", true}, {"*a*b", "xaxbxb", true}, {"*a*b", "xaxbx", false},
                 {"**", "x", true},      {"A", "a", false},        {"?", "", false}};
    for (size_t i = 0; i < ADIT_COUNT(cases); i++)
        assert_int_equal(pattern_matches(span_str(cases[i].pattern), span_str(cases[i].text)),
                         cases[i].matches);
}

static void test_list(void **state)
{
    (void)state;
    assert_int_equal(patterns_match("a,b*", "bc"), PATTERN_MATCH);
    assert_int_equal(patterns_match("a,!b*", "bc"), PATTERN_NEGATED);
    assert_int_equal(patterns_match("*,!bc", "bc"), PATTERN_NEGATED);
    assert_int_equal(patterns_match("!x", "bc"), PATTERN_NONE);
    assert_int_equal(patterns_match("", "bc"), PATTERN_NONE);
    assert_int_equal(patterns_match("A*", "abc"), PATTERN_NONE);
    assert_int_equal(patterns_match_any_case("A*", "abc"), PATTERN_MATCH);
}

/* ssh gives up a list at a pattern that is longer than its buffer. */
static void test_too_long(void **state)
{
    (void)state;
    char list[1100] = "*,";
    memset(list + 2, '*', 1022);
    assert_int_equal(patterns_match(list, "bc"), PATTERN_MATCH);
    list[2 + 1022] = 'c';
    assert_int_equal(patterns_match(list, "bc"), PATTERN_NONE);
    list[0] = '!';
    list[1] = 'x';
    list[2] = ',';
    assert_int_equal(patterns_match(list, "bc"), PATTERN_MATCH);
    list[2 + 1023] = '*';
    list[2 + 1024] = '*';
    assert_int_equal(patterns_match(list, "x"), PATTERN_NEGATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one), cmocka_unit_test(test_list),
                                       cmocka_unit_test(test_too_long)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
