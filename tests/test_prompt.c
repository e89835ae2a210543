#include <stdlib.h>

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

/* Whatever terminal there is. */
static void test_program_for_confirmations(void **state)
{
    (void)state;
    (void)unsetenv("SSH_ASKPASS_REQUIRE");
    (void)unsetenv("WAYLAND_DISPLAY");
    (void)setenv("SSH_ASKPASS", "/ask", 1);
    (void)setenv("DISPLAY", ":1", 1);
    assert_string_equal(prompt_askpass(), "/ask");
    (void)setenv("SSH_ASKPASS_REQUIRE", "never", 1);
    assert_null(prompt_askpass());
    (void)setenv("SSH_ASKPASS_REQUIRE", "force", 1);
    (void)setenv("DISPLAY", "", 1);
    assert_string_equal(prompt_askpass(), "/ask");
    (void)setenv("SSH_ASKPASS_REQUIRE", "prefer", 1);
    assert_null(prompt_askpass());
    (void)setenv("WAYLAND_DISPLAY", "wayland-0", 1);
    assert_string_equal(prompt_askpass(), "/ask");
    (void)setenv("SSH_ASKPASS", "", 1);
    assert_null(prompt_askpass());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_is_asked),
                                       cmocka_unit_test(test_program_for_confirmations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
