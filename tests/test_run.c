#include "test.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_exit_status)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
