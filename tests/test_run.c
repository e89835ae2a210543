#include "test.h"

#include <signal.h>

#include "cli/run.h"

static void test_exit_status(void **state)
{
    (void)state;
    assert_int_equal(run_exit_status(false, ADIT_E_OK, 0), 0);
    assert_int_equal(run_exit_status(true, ADIT_E_OK, 0), 0);
    assert_int_equal(run_exit_status(false, ADIT_E_AUTH, 0), 255);
    assert_int_equal(run_exit_status(true, ADIT_E_USAGE, 0), 2);
    assert_int_equal(run_exit_status(true, ADIT_E_AUTH, 0), 3);
    assert_int_equal(run_exit_status(true, ADIT_E_HOST_KEY, 0), 4);
    assert_int_equal(run_exit_status(true, ADIT_E_RESOLVE, 0), 5);
    assert_int_equal(run_exit_status(true, ADIT_E_TIMEOUT, 0), 5);
    assert_int_equal(run_exit_status(true, ADIT_E_FORWARD, 0), 6);
    assert_int_equal(run_exit_status(false, ADIT_E_OK, 15), 255);
    assert_int_equal(run_exit_status(true, ADIT_E_OK, 15), 143);
}

static void test_clean_end(void **state)
{
    (void)state;
    assert_true(run_is_clean_end(true, false, SIGTERM));
    assert_false(run_is_clean_end(false, false, SIGTERM)); /* it was still connecting */
    assert_false(run_is_clean_end(true, true, SIGTERM));   /* a command's status is lost */
    assert_false(run_is_clean_end(true, false, SIGINT));
    assert_false(run_is_clean_end(true, false, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exit_status), cmocka_unit_test(test_clean_end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
