#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "cli/table.h"

static void test_columns(void **state)
{
    static const char *const cells[] = {"NAME", "SPEC",          "INFO", "web",    "L :1 \xe2\x86\x92 h:2",
                                        "",     "a longer name", "D",    "retry 2"};
    struct table t;
    (void)state;
    table_init(&t, 3);
    for (size_t i = 0; i < ADIT_COUNT(cells); i++)
        assert_true(table_add(&t, cells[i]));
    char *text = table_text(&t);
    assert_string_equal(text, "NAME           SPEC        INFO\n"
                              "web            L :1 \xe2\x86\x92 h:2  -\n"
                              "a longer name  D           retry 2\n");
    free(text);
    table_wipe(&t);
}

static void test_empty(void **state)
{
    struct table t;
    (void)state;
    table_init(&t, 2);
    char *text = table_text(&t);
    assert_string_equal(text, "");
    free(text);
    table_wipe(&t);
    assert_int_equal(table_width("\xc3\xa4"
                                 "b"),
                     2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_columns), cmocka_unit_test(test_empty)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
