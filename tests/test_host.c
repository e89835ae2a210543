#include "test.h"

#include "net/host.h"

static void test_memory(void **state)
{
    (void)state;
    assert_true(host_memory_mib() >= 8); /* what runs this test has that much */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
