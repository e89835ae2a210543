#include "test.h"

#include <string.h>

#include "client/line_words.h"

static struct line_words w;

static enum adit_err split(const char *text)
{
    struct adit_error err = {0};
    line_words_wipe(&w);
    return line_words_split(&w, text, &err);
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words[4];
    } cases[] = {{"a b", {"a", "b"}},
                 {"  \"a b\"\tc ", {"a b", "c"}},
                 {"a'b \"c'd e", {"ab \"cd", "e"}},
                 {"a\\ b \"c\\ d\"", {"a b", "c\\ d"}},
                 {"\"a\\\"b\" 'it\\'s' \\\\", {"a\"b", "it's", "\\"}},
                 {"a\\n", {"a\\n"}},
                 {"a # b", {"a"}},
                 {"a#b \"#c\"", {"a#b", "#c"}},
                 {"\"\" x", {"", "x"}},
                 {"a \r\n", {"a"}},
                 {"   ", {NULL}}};
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        size_t count = 0;
        assert_int_equal(split(cases[i].text), ADIT_E_OK);
        while (count < 4 && cases[i].words[count] != NULL)
            count++;
        assert_int_equal(w.count, count);
        for (size_t k = 0; k < count; k++)
            assert_string_equal(w.item[k], cases[i].words[k]);
    }
    assert_int_equal(split(" a  'b' # c  "), ADIT_E_OK);
    assert_string_equal(w.raw, " a  'b' # c");
}

static void test_refusals(void **state)
{
    (void)state;
    char many[2 * LINE_WORDS_MAX + 8];
    assert_int_equal(split("a \"b"), ADIT_E_USAGE);
    assert_int_equal(split("a 'b\""), ADIT_E_USAGE);
    assert_string_equal(w.raw, "a 'b\"");
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 == 0 ? 'x' : ' ';
    many[2 * LINE_WORDS_MAX] = 0;
    assert_int_equal(split(many), ADIT_E_OK);
    many[2 * LINE_WORDS_MAX] = 'x';
    many[2 * LINE_WORDS_MAX + 1] = 0;
    assert_int_equal(split(many), ADIT_E_USAGE);
    line_words_wipe(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
