#include "test.h"

#include <sys/resource.h>

#include "net/host.h"

static void test_memory(void **state)
{
    (void)state;
    assert_true(host_memory_mib() >= 8); /* what runs this test has that much */
}

static struct rlimit limit_now(void)
{
    struct rlimit limit = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit;
}

static void set_limit(rlim_t soft, rlim_t hard)
{
    struct rlimit limit = {soft, hard};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* Up to the hard limit, which stays as it is; never down. */
static void test_descriptors(void **state)
{
    (void)state;
    struct rlimit before = limit_now();
    assert_true(before.rlim_max >= 128);
    set_limit(64, before.rlim_max);
    assert_int_equal(host_allow_descriptors(32), 64);
    assert_int_equal(limit_now().rlim_cur, 64);
    assert_int_equal(host_allow_descriptors(100), 100);
    assert_int_equal(limit_now().rlim_cur, 100);
    assert_true(limit_now().rlim_max == before.rlim_max);
    assert_true(host_allow_descriptors(UINT64_MAX) == before.rlim_max);
    assert_true(limit_now().rlim_cur == before.rlim_max && limit_now().rlim_max == before.rlim_max);
    set_limit(before.rlim_cur, before.rlim_max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory), cmocka_unit_test(test_descriptors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
