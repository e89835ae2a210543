/* Whatever allocation fails, a text is whole or there is none, and so is a document. */
#include "daemon/json_text.h"
#include "tests/json_scarce.h"

#include <string.h>

static json_t *document(void)
{
    char name[200];
    json_t *top = json_object();
    for (int i = 0; i < 40; i++) {
        memset(name, 'a' + i % 26, sizeof name);
        name[sizeof name - 1 - (size_t)i] = 0;
        /* An object, for which memory is taken in the middle of the text. */
        assert_int_equal(json_object_set_new(top, name, json_pack("{s:i}", "in", i)), 0);
    }
    return top;
}

static void test_text(void **state)
{
    json_t *top = json_pack("{s:i,s:{}}", "a", 1, "b");
    char *text = json_text(top, JSON_COMPACT);
    assert_string_equal(text, "{\"a\":1,\"b\":{}}");
    free(text);
    json_decref(top);
    assert_null(json_text(NULL, JSON_COMPACT));
    (void)state;
}

static void test_without_memory(void **state)
{
    json_t *top = document();
    char *whole = json_text(top, JSON_INDENT(2));
    assert_non_null(whole);
    for (long n = 0; json_scarce_goes_on(n); n++) {
        json_scarce_begin(n);
        char *text = json_text(top, JSON_INDENT(2));
        json_scarce_end();
        if (text != NULL)
            assert_string_equal(text, whole);
        free(text);
    }
    free(whole);
    json_decref(top);
    (void)state;
}

/* Strings, escapes, numbers and names that outgrow what the parser keeps them in at first (16 bytes,
 * doubled). */
static const char GROWING[] =
    "{\"abcdefghijklmnopqrstuvwxyz0123456789\": [\"0123456789abcd\\n0123456789abcdef0123456789\\u00e9\","
    " \"012345678\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\", 0.0000000000000000000001, 1000000000000000.5,"
    " 100000000000001E10, 123456789012345E+1, -100000000000000001, 123456789012345678, true,"
    " {\"0123456789abcde\": \"0123456789abcdef\"}]}";

static void test_reading_without_memory(void **state)
{
    json_error_t where;
    json_t *whole = json_read(span_str(GROWING), JSON_REJECT_DUPLICATES, &where);
    assert_non_null(whole);
    long n = 0;
    for (; json_scarce_goes_on(n); n++) {
        json_scarce_begin(n);
        json_t *got = json_read(span_str(GROWING), JSON_REJECT_DUPLICATES, &where);
        json_scarce_end();
        if (got != NULL)
            assert_true(json_equal(got, whole));
        else
            assert_int_equal(json_error_code(&where), json_error_out_of_memory);
        json_decref(got);
    }
    assert_true(n > 20);
    json_decref(whole);
    (void)state;
}

/* What is wrong with a text is the text's fault, whatever failed before. */
static void test_bad_text(void **state)
{
    json_error_t where;
    errno = ENOMEM;
    assert_null(json_read(span_str("{\"a\":"), 0, &where));
    assert_int_equal(json_error_code(&where), json_error_premature_end_of_input);
    assert_null(json_read(span_make(NULL, 0), 0, &where));
    assert_int_equal(json_error_code(&where), json_error_premature_end_of_input);
    (void)state;
}

static void test_list_without_memory(void **state)
{
    json_t *list = NULL;
    for (long n = 0; json_scarce_goes_on(n); n++) {
        json_scarce_begin(n);
        list = json_array();
        for (int i = 0; i < 20; i++)
            json_list_add(&list, json_string("name"));
        json_scarce_end();
        assert_true(list == NULL || json_array_size(list) == 20);
        json_decref(list);
    }
    assert_non_null(list); /* the last one met no failure */
    (void)state;
}

static void test_copy_without_memory(void **state)
{
    json_t *top = document(), *copy = NULL;
    for (long n = 0; json_scarce_goes_on(n); n++) {
        json_scarce_begin(n);
        copy = json_copy_object(top);
        json_scarce_end();
        assert_true(copy == NULL || json_equal(copy, top));
        json_decref(copy);
    }
    assert_non_null(copy);
    json_decref(top);
    (void)state;
}

static void test_value(void **state)
{
    json_t *value = json_utf8("\xc3\xa9");
    assert_string_equal(json_string_value(value), "\xc3\xa9");
    json_decref(value);
    errno = ENOMEM; /* of something before */
    value = json_utf8("b\xe4r\x1b[31m\xc3");
    assert_string_equal(json_string_value(value), "b?r?");
    json_decref(value);
    json_scarce_begin(0);
    value = json_utf8("a");
    json_scarce_end();
    assert_null(value);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text),
                                       cmocka_unit_test(test_without_memory),
                                       cmocka_unit_test(test_reading_without_memory),
                                       cmocka_unit_test(test_bad_text),
                                       cmocka_unit_test(test_copy_without_memory),
                                       cmocka_unit_test(test_value),
                                       cmocka_unit_test(test_list_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
