#include "test.h"

#include "cli/prompt.h"

static void test_who_is_asked(void **state)
{
    (void)state;
    static const struct {
        const char *require, *askpass;
        bool has_display, has_terminal, wanted;
    } rows[] = {
        {NULL, NULL, true, false, false},     {NULL, "", true, false, false},
        {NULL, "/ask", true, false, true},    {NULL, "/ask", true, true, false},
        {NULL, "/ask", false, false, false},  {"never", "/ask", true, false, false},
        {"prefer", "/ask", true, true, true}, {"prefer", "/ask", false, true, false},
        {"force", "/ask", false, true, true}, {"FORCE", "/ask", false, false, true},
        {"force", NULL, true, true, false},   {"nonsense", "/ask", true, true, false},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        assert_int_equal(
            prompt_wants_askpass(rows[i].require, rows[i].askpass, rows[i].has_display, rows[i].has_terminal),
            rows[i].wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_is_asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
