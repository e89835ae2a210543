#include "test.h"

#include "cli/verb.h"

static bool is_called(const char *program, const char *word)
{
    char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)word, NULL};
    return verb_is_called(word != NULL ? 2 : 1, argv);
}

static void test_words(void **state)
{
    (void)state;
    assert_true(is_called("adit", "up"));
    assert_true(is_called("/usr/bin/adit", "daemon"));
    assert_true(is_called("./myname", "list"));
    assert_false(is_called("adit", NULL));
    assert_false(is_called("adit", "upp"));
    assert_false(is_called("adit", "Up"));
    assert_false(is_called("adit", ""));
    assert_false(is_called("adit", "-v"));
    assert_false(is_called("ssh", "up"));
    assert_false(is_called("/x/autossh", "up"));
    assert_false(is_called("/x/ssh", "list"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
