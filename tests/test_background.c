#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/background.h"

static int report[2]; /* from the process in the background */

/* What a process that was started with -f does: forks, and its child runs `work`. */
typedef void work(struct background *b);

static pid_t start(work *child)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct background b;
    struct adit_error err = {0};
    bool is_parent = false;
    int status = 99;
    if (background_fork(&b, &is_parent, &status, &err) != ADIT_E_OK)
        _exit(98);
    if (is_parent)
        _exit(status);
    child(&b);
    _exit(7);
}

static int status_of(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_null(int fd)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat("/dev/null", &b) == 0 && a.st_rdev == b.st_rdev && a.st_ino == b.st_ino;
}

static void detach(struct background *b)
{
    char seen[3];
    background_detach(b, false, false);
    seen[0] = is_null(0) && is_null(1) && is_null(2);
    seen[1] = getsid(0) == getpid() && b->fd == -1;
    seen[2] = getppid() != 0;
    if (write(report[1], seen, sizeof seen) != sizeof seen)
        _exit(1);
}

static void detach_and_tell(struct background *b)
{
    background_detach(b, false, true);
    char kept = is_null(0) && is_null(1) && !is_null(2);
    if (write(report[1], &kept, 1) != 1)
        _exit(1);
}

static void keep_both(struct background *b)
{
    background_detach(b, true, true);
    char kept = is_null(0) && !is_null(1) && !is_null(2);
    if (write(report[1], &kept, 1) != 1)
        _exit(1);
}

static void write_to_a_copy(struct background *b)
{
    struct adit_error err = {0};
    int copy;
    if (dup2(report[1], STDOUT_FILENO) < 0 || background_copy(STDOUT_FILENO, &copy, &err) != ADIT_E_OK)
        _exit(1);
    background_detach(b, false, false);
    if (!is_null(STDOUT_FILENO) || (fcntl(copy, F_GETFD) & FD_CLOEXEC) == 0 || write(copy, "c", 1) != 1)
        _exit(1);
}

static void end_at_once(struct background *b)
{
    (void)b;
    _exit(42);
}

static void end_well(struct background *b)
{
    (void)b;
    _exit(0);
}

static void end_by_signal(struct background *b)
{
    (void)b;
    (void)raise(SIGKILL);
}

static void wait_for_signal(struct background *b)
{
    (void)b;
    if (write(report[1], "", 1) != 1)
        _exit(1);
    for (;;)
        (void)pause();
}

static void on_term(int number)
{
    (void)number;
    _exit(33);
}

static void answer_signal(struct background *b)
{
    (void)signal(SIGTERM, on_term);
    wait_for_signal(b);
}

static void test_ready(void **state)
{
    char seen[3];
    (void)state;
    assert_int_equal(status_of(start(detach)), 0);
    assert_int_equal(read(report[0], seen, sizeof seen), sizeof seen);
    assert_memory_equal(seen, "\1\1\1", 3);
}

static void test_stderr_kept(void **state)
{
    char kept;
    (void)state;
    assert_int_equal(status_of(start(detach_and_tell)), 0);
    assert_int_equal(read(report[0], &kept, 1), 1);
    assert_int_equal(kept, 1);
}

static void test_both_kept(void **state)
{
    char kept;
    (void)state;
    assert_int_equal(status_of(start(keep_both)), 0);
    assert_int_equal(read(report[0], &kept, 1), 1);
    assert_int_equal(kept, 1);
}

static void test_copy(void **state)
{
    char seen;
    (void)state;
    assert_int_equal(status_of(start(write_to_a_copy)), 0);
    assert_int_equal(read(report[0], &seen, 1), 1);
    assert_int_equal(seen, 'c');
}

/* Without a word from the child its own status counts; a good one would be a lie. */
static void test_failure(void **state)
{
    (void)state;
    assert_int_equal(status_of(start(end_at_once)), 42);
    assert_int_equal(status_of(start(end_well)), 255);
    assert_int_equal(status_of(start(end_by_signal)), 255);
}

/* A signal to the process that was started is the child's. */
static void test_signal(void **state)
{
    char byte;
    (void)state;
    pid_t pid = start(answer_signal);
    assert_int_equal(read(report[0], &byte, 1), 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(status_of(pid), 33);
}

/* When the waiting process is killed the child does not stay behind: its end of the pipe closes. */
static void test_killed(void **state)
{
    int end[2];
    char byte;
    (void)state;
    assert_int_equal(pipe(end), 0);
    pid_t pid = start(wait_for_signal);
    assert_int_equal(read(report[0], &byte, 1), 1);
    (void)close(end[1]);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(status_of(pid), -1);
    assert_int_equal(read(end[0], &byte, 1), 0); /* returns once the child is gone */
    (void)close(end[0]);
}

static int setup(void **state)
{
    (void)state;
    return pipe(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ready),     cmocka_unit_test(test_stderr_kept),
                                       cmocka_unit_test(test_failure),   cmocka_unit_test(test_copy),
                                       cmocka_unit_test(test_both_kept), cmocka_unit_test(test_signal),
                                       cmocka_unit_test(test_killed)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
