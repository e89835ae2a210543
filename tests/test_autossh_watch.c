/* Children that end as ssh may, and what becomes of whoever watches them. How often each came is in memory
 * that all of them share. */
#include "tests/test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/autossh_watch.h"
#include "cli/log.h"

struct play {
    atomic_int runs;
    int status, last_status, last; /* the last-th run ends with last_status, the others with status */
    int own_signal;                /* they end themselves by it */
    bool waits;                    /* they stay until they are ended */
};
static struct play *play;

static int child(void *ctx)
{
    struct play *p = ctx;
    int run = atomic_fetch_add(&p->runs, 1) + 1;
    while (p->waits && run < p->last)
        pause();
    if (run >= p->last)
        return p->last_status;
    if (p->own_signal != 0)
        (void)raise(p->own_signal);
    return p->status;
}

static int setup(void **state)
{
    (void)state;
    play = mmap(NULL, sizeof *play, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    log_set_level(LOG_LEVEL_FATAL);
    return play == MAP_FAILED ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(play, sizeof *play);
}

static int watch(uint64_t gate_ms, int64_t max_start)
{
    struct autossh a = {.gate_ms = gate_ms, .max_start = max_start, .poll_s = 600};
    return autossh_watch(&a, child, play);
}

static void begin(int status, int last, int last_status)
{
    memset(play, 0, sizeof *play);
    play->status = status;
    play->last = last;
    play->last_status = last_status;
}

enum { LONG_MS = 3600 * 1000 };

/* Without a gate: 1, 2 and 255 are ssh's failures, all else is the command's. */
static void test_statuses(void **state)
{
    static const int again[] = {1, 2, 255}, over[] = {0, 3, 7, 127};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(again); i++) {
        begin(again[i], 3, 0);
        assert_int_equal(watch(0, -1), 0);
        assert_int_equal(play->runs, 3);
    }
    for (size_t i = 0; i < ADIT_COUNT(over); i++) {
        begin(over[i], 3, 0);
        assert_int_equal(watch(0, -1), over[i] == 0 ? 0 : 1);
        assert_int_equal(play->runs, 1);
    }
}

static void test_gate(void **state)
{
    static const int statuses[] = {0, 1, 2, 3, 255};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(statuses); i++) {
        begin(statuses[i], 3, 0);
        assert_int_equal(watch(LONG_MS, -1), 1);
        assert_int_equal(play->runs, 1);
    }
}

/* As autossh: that of a signal is no status, and there is no gate for it. */
static void test_killed(void **state)
{
    (void)state;
    begin(0, 3, 0);
    play->own_signal = SIGKILL;
    assert_int_equal(watch(LONG_MS, -1), 0);
    assert_int_equal(play->runs, 3);
}

static void test_max_start(void **state)
{
    (void)state;
    begin(255, 100, 9);
    assert_int_equal(watch(0, 2), 0);
    assert_int_equal(play->runs, 2);
    begin(255, 100, 9);
    assert_int_equal(watch(0, 0), 0);
    assert_int_equal(play->runs, 0);
}

static void test_lifetime(void **state)
{
    struct autossh a = {.max_start = -1, .poll_s = 600, .lifetime_s = 1};
    (void)state;
    begin(0, 100, 9);
    play->waits = true;
    assert_int_equal(autossh_watch(&a, child, play), 0);
    assert_int_equal(play->runs, 1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}

/* Watches in a process of its own, to which the test sends signals. */
static pid_t watch_apart(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(watch(LONG_MS, -1));
    return pid;
}

static void wait_runs(int count)
{
    while (play->runs < count)
        usleep(1000);
}

static int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_signals(void **state)
{
    static const int ends[] = {SIGTERM, SIGINT};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(ends); i++) {
        begin(0, 100, 9);
        play->waits = true;
        pid_t pid = watch_apart();
        wait_runs(1);
        (void)kill(pid, SIGHUP); /* nothing is waited for */
        (void)kill(pid, SIGUSR1);
        wait_runs(2); /* another one, whatever the gate says */
        (void)kill(pid, ends[i]);
        assert_int_equal(status_of(pid), 1);
        assert_int_equal(play->runs, 2);
    }
}

/* The sixth start in a row that is over at once waits a second: SIGHUP does not let it. */
static void test_pause(void **state)
{
    (void)state;
    begin(255, 8, 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(watch(0, -1));
    wait_runs(1);
    while (waitpid(pid, NULL, WNOHANG) == 0) {
        (void)kill(pid, SIGHUP);
        usleep(1000);
    }
    assert_int_equal(play->runs, 8);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_statuses), TEST(test_gate),    TEST(test_killed), TEST(test_max_start),
        TEST(test_lifetime), TEST(test_signals), TEST(test_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
