#include "net/thread.h"

#include <signal.h>
#include <string.h>
#include "tests/test.h"

static void *look_at_mask(void *arg)
{
    sigset_t mask;
    int *blocked = arg;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    *blocked = sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGTERM) == 1 &&
               sigismember(&mask, SIGCHLD) == 1;
    return arg;
}

static void signals_stay_with_the_starter(void **state)
{
    int blocked = 0;
    pthread_t thread;
    void *back;
    sigset_t mask;

    (void)state;
    assert_int_equal(thread_start(&thread, THREAD_STACK_SESSION, look_at_mask, &blocked, NULL), ADIT_E_OK);
    assert_int_equal(pthread_join(thread, &back), 0);
    assert_ptr_equal(back, &blocked);
    assert_true(blocked);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGINT), 0);
}

static void *use_stack(void *arg)
{
    volatile char room[THREAD_STACK_SESSION - 48 * 1024];

    for (size_t i = 0; i < sizeof room; i += 512)
        room[i] = (char)i;
    *(int *)arg = 1;
    return NULL;
}

static void the_stack_is_there(void **state)
{
    int done = 0;
    pthread_t thread;

    (void)state;
    assert_int_equal(thread_start(&thread, THREAD_STACK_SESSION, use_stack, &done, NULL), ADIT_E_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(done);
    assert_int_equal(thread_start(&thread, 1, look_at_mask, &done, NULL),
                     ADIT_E_OK); /* raised to the minimum */
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void too_large_is_an_error(void **state)
{
    struct adit_error err = {0};
    pthread_t thread;
    int unused;

    (void)state;
    assert_int_equal(thread_start(&thread, THREAD_STACK_MAX + 1, look_at_mask, &unused, &err), ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "cannot start a thread"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_stay_with_the_starter),
        cmocka_unit_test(the_stack_is_there),
        cmocka_unit_test(too_large_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
