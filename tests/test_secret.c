#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "client/secret.h"

static void test_memory(void **state)
{
    (void)state;
    uint8_t *p = secret_new(5000);
    assert_non_null(p);
    for (size_t i = 0; i < 5000; i++)
        assert_int_equal(p[i], 0);
    memset(p, 1, 5000);
    secret_free(p, 5000);
    secret_free(NULL, 1);
}

static void test_core(void **state)
{
    (void)state;
    struct rlimit limit;
    secret_forbid_core();
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 1); /* none, for a pipe neither */
    assert_int_equal(limit.rlim_max, 1);
}

static char variable[] = "SECRET_TEST_OWN=the value";

/* The block that execve made is overwritten, not only a copy that setenv made. */
static void test_original_block(void **state)
{
    (void)state;
    assert_int_equal(putenv(variable), 0);
    assert_string_equal(getenv("SECRET_TEST_OWN"), "the value");
    secret_wipe_env("SECRET_TEST_OWN");
    assert_null(strstr(variable, "value"));
    assert_null(getenv("SECRET_TEST_OWN"));
    secret_wipe_env("SECRET_TEST_OWN");
    assert_null(getenv("SECRET_TEST_OWN"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory), cmocka_unit_test(test_original_block),
                                       cmocka_unit_test(test_core)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
