/* Whatever allocation fails, a text is whole or there is none. */
#include "daemon/json_text.h"
#include "tests/test.h"

#include <stdlib.h>
#include <string.h>

static long left; /* allocations before the one that fails */

static void *some(size_t n)
{
    return left-- == 0 ? NULL : malloc(n);
}

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
    long n = 0;
    for (left = -1; left < 0 && n < 10000; n++) {
        left = n;
        json_set_alloc_funcs(some, free);
        char *text = json_text(top, JSON_INDENT(2));
        json_set_alloc_funcs(malloc, free);
        if (text != NULL)
            assert_string_equal(text, whole);
        free(text);
    }
    assert_true(left >= 0); /* the last one met no failure */
    free(whole);
    json_decref(top);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_text), cmocka_unit_test(test_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
