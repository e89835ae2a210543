#include "tests/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "client/reclaim_right.h"

static void test_good_account(void **state)
{
    (void)state;
    assert_int_equal(reclaim_right_of("a@h:22"), RECLAIM_RIGHT_FIRST);
    assert_int_equal(reclaim_right_of("a@h:22"), RECLAIM_RIGHT_WAIT);
    assert_int_equal(reclaim_right_of("b@h:22"), RECLAIM_RIGHT_FIRST); /* another one */
    reclaim_right_settle("a@h:22", RECLAIM_RIGHT_YES);
    assert_int_equal(reclaim_right_of("a@h:22"), RECLAIM_RIGHT_YES);
    reclaim_right_settle("a@h:22", RECLAIM_RIGHT_NO); /* it has become another one */
    assert_int_equal(reclaim_right_of("a@h:22"), RECLAIM_RIGHT_NO);
    reclaim_right_settle("a@h:22", RECLAIM_RIGHT_YES);
    assert_int_equal(reclaim_right_of("a@h:22"), RECLAIM_RIGHT_NO); /* for good */
}

static void test_nothing_was_run(void **state)
{
    (void)state;
    assert_int_equal(reclaim_right_of("c@h:22"), RECLAIM_RIGHT_FIRST);
    reclaim_right_settle("c@h:22", RECLAIM_RIGHT_FIRST);
    assert_int_equal(reclaim_right_of("c@h:22"), RECLAIM_RIGHT_FIRST);
    reclaim_right_settle("nobody@h:22", RECLAIM_RIGHT_YES); /* never asked for: nothing */
    assert_int_equal(reclaim_right_of("nobody@h:22"), RECLAIM_RIGHT_FIRST);
}

static atomic_uint firsts;

static void *ask(void *arg)
{
    (void)arg;
    if (reclaim_right_of("many@h:22") == RECLAIM_RIGHT_FIRST)
        atomic_fetch_add(&firsts, 1);
    return NULL;
}

static void test_one_asks(void **state)
{
    pthread_t threads[8];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, NULL), 0);
    for (size_t i = 0; i < ADIT_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(firsts, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_account),
        cmocka_unit_test(test_nothing_was_run),
        cmocka_unit_test(test_one_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
