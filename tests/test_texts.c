#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "client/texts.h"

static void test_copy(void **state)
{
    (void)state;
    char *copy = text_copy(span_str("abc"));
    assert_string_equal(copy, "abc");
    free(copy);
    assert_null(text_copy(span_make("a\0b", 3)));
}

static void test_list(void **state)
{
    (void)state;
    struct texts t;
    texts_init(&t);
    assert_true(texts_add(&t, span_str("one")));
    assert_true(texts_add(&t, span_str("")));
    assert_int_equal(t.count, 2);
    assert_true(texts_has(&t, "one") && texts_has(&t, "") && !texts_has(&t, "on"));
    assert_false(texts_add(&t, span_make("\0", 1)));
    assert_int_equal(t.count, 2);
    texts_wipe(&t);
    assert_int_equal(t.count, 0);
}

static void test_words(void **state)
{
    (void)state;
    struct span rest = span_str("  a \"b c\"d\t\"\" \\\"e\\\\ ");
    const char *const wanted[] = {"a", "b cd", "", "\"e\\"};
    char word[8];
    bool bad;
    for (size_t i = 0; i < ADIT_COUNT(wanted); i++) {
        assert_true(text_word(&rest, word, sizeof word, &bad));
        assert_string_equal(word, wanted[i]);
    }
    assert_false(text_word(&rest, word, sizeof word, &bad));
    assert_false(bad);
}

static void test_bad_words(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"open", "12345678"};
    char word[8];
    bool bad = false;
    for (size_t i = 0; i < ADIT_COUNT(texts); i++) {
        struct span rest = span_str(texts[i]);
        assert_false(text_word(&rest, word, sizeof word, &bad));
        assert_true(bad);
    }
}

static void test_commas(void **state)
{
    (void)state;
    struct span rest = span_str(",a, b ,,c"), piece;
    static const char *const wanted[] = {"a", "b", "c"};
    for (size_t i = 0; i < ADIT_COUNT(wanted); i++) {
        assert_true(text_comma(&rest, &piece));
        assert_true(span_is(piece, wanted[i]));
    }
    assert_false(text_comma(&rest, &piece));
}

static void test_lines(void **state)
{
    (void)state;
    struct span rest = span_str("a\r\n\nb"), line;
    static const char *const wanted[] = {"a", "", "b"};
    for (size_t i = 0; i < ADIT_COUNT(wanted); i++) {
        assert_true(text_line(&rest, &line));
        assert_true(span_is(line, wanted[i]));
    }
    assert_false(text_line(&rest, &line));
}

static void test_same(void **state)
{
    (void)state;
    assert_true(text_same("HostName", "hostNAME"));
    assert_false(text_same("Host", "HostName"));
    assert_false(text_same("HostName", "Host"));
}

static void test_remove(void **state)
{
    static const char *const words[] = {"a", "b", "a", "c"};
    struct texts t;
    (void)state;
    texts_init(&t);
    texts_remove(&t, "a");
    for (size_t i = 0; i < ADIT_COUNT(words); i++)
        assert_true(texts_add(&t, span_str(words[i])));
    texts_remove(&t, "a");
    assert_int_equal(t.count, 2);
    assert_string_equal(t.item[0], "b");
    assert_string_equal(t.item[1], "c");
    texts_remove(&t, "x");
    texts_remove(&t, "b");
    texts_remove(&t, "c");
    assert_int_equal(t.count, 0);
    assert_true(texts_add(&t, span_str("d")));
    texts_wipe(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_remove),    cmocka_unit_test(test_copy),
                                       cmocka_unit_test(test_list),      cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_bad_words), cmocka_unit_test(test_commas),
                                       cmocka_unit_test(test_lines),     cmocka_unit_test(test_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
