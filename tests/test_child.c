#define _GNU_SOURCE

#include "net/child.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/test.h"
#include "tests/vfork.h"

#define SH(script) ((const char *const[]){"/bin/sh", "-c", script, NULL})

static void run_is(const char *script, const char *const env[], int want_status, const char *want_line)
{
    char line[CHILD_LINE_CAP];
    struct adit_error err = {0};
    int status = -1;

    assert_int_equal(child_run_line(SH(script), env, -1, line, &status, &err), ADIT_E_OK);
    assert_int_equal(status, want_status);
    assert_string_equal(line, want_line);
}

static void first_line_and_status(void **state)
{
    (void)state;
    run_is("echo secret; echo more", NULL, 0, "secret");
    run_is("printf 'no end'", NULL, 0, "no end");
    run_is("printf 'dos\\r\\nx'", NULL, 0, "dos");
    run_is("printf 'a\\000b\\n'", NULL, 0, "a");
    run_is("exit 3", NULL, 3, "");
    run_is("echo x; exit 1", NULL, 1, "x");
    run_is("kill -9 $$", NULL, 128 + 9, "");
    run_is("exec >&-; exit 4", NULL, 4, "");
    run_is("read x; echo \"got:$x\"", NULL, 0, "got:"); /* standard input is /dev/null */
    run_is("yes | head -c 300000", NULL, 0, "y");       /* more than a pipe holds */
}

static void environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("ADIT_TEST_A", "old", 1), 0);
    assert_int_equal(setenv("ADIT_TEST_AB", "kept", 1), 0);
    run_is("echo $ADIT_TEST_A,$ADIT_TEST_AB,$ADIT_TEST_C",
           (const char *const[]){"ADIT_TEST_A=new", "ADIT_TEST_C=c", NULL}, 0, "new,kept,c");
    run_is("env | grep -c ^ADIT_TEST_A=", (const char *const[]){"ADIT_TEST_A=new", NULL}, 0, "1");
    run_is("echo $ADIT_TEST_A", NULL, 0, "old");
    assert_int_equal(setenv("ADIT_KEY", "secret", 1), 0);
    run_is("echo \"<$ADIT_KEY>\"", NULL, 0, "<>");
    assert_int_equal(unsetenv("ADIT_KEY"), 0);
}

static void hidden_variables_and_descriptors(void **state)
{
    char command[64];

    (void)state;
    assert_int_equal(setenv("HIDDEN_ONE", "secret", 1), 0);
    assert_int_equal(setenv("HIDDEN_ONE_MORE", "plain", 1), 0);
    run_is("echo \"$HIDDEN_ONE\"", NULL, 0, "secret");
    assert_true(child_hide_env(span_str("HIDDEN_ONE")) && child_hide_env(span_str("HIDDEN_ONE")));
    run_is("echo \"<$HIDDEN_ONE $HIDDEN_ONE_MORE>\"", NULL, 0, "< plain>");
    int fd = open("/dev/null", O_RDONLY);
    assert_true(fd > STDERR_FILENO && fd < 10);
    (void)snprintf(command, sizeof command, "if (: <&%d) 2>/dev/null; then echo there; else echo gone; fi",
                   fd);
    run_is(command, NULL, 0, "there");
    child_guard_descriptors();
    run_is(command, NULL, 0, "gone");
    assert_int_equal(close(fd), 0);
}

static void too_long_a_line(void **state)
{
    char line[CHILD_LINE_CAP], want[CHILD_LINE_CAP];
    struct adit_error err = {0};
    int status;

    (void)state;
    memset(want, 'x', sizeof want);
    want[sizeof want - 1] = '\0';
    run_is("head -c 4095 /dev/zero | tr '\\0' x", NULL, 0, want);
    assert_int_equal(child_run_line(SH("head -c 4096 /dev/zero | tr '\\0' x"), NULL, -1, line, &status, &err),
                     ADIT_E_LIMIT);
    assert_string_equal(line, "");
}

static void cannot_run(void **state)
{
    struct child child;
    char line[CHILD_LINE_CAP];
    struct adit_error err = {0};
    int status, fd;

    (void)state;
    if (!vfork_is_real())
        skip();
    assert_int_equal(
        child_run_line((const char *const[]){"/nonexistent/askpass", NULL}, NULL, -1, line, &status, &err),
        ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "cannot run /nonexistent/askpass: "));
    assert_int_equal(
        child_start_reading(&child, (const char *const[]){"/nonexistent/ask", NULL}, NULL, &fd, &err),
        ADIT_E_SYSTEM);
    assert_int_equal(fd, -1);
    assert_int_equal(child.pid, -1);
}

/* Arguments reach it as they are: no shell reads them. */
static void no_shell(void **state)
{
    char line[CHILD_LINE_CAP];
    int status;

    (void)state;
    assert_int_equal(
        child_run_line((const char *const[]){"echo", "$(id) `id`; 'x", NULL}, NULL, -1, line, &status, NULL),
        ADIT_E_OK);
    assert_string_equal(line, "$(id) `id`; 'x");
}

static void cancelled(void **state)
{
    static const char *const scripts[] = {"echo early; exec sleep 1000", "exec >&-; exec sleep 1000"};
    char line[CHILD_LINE_CAP];
    struct adit_error err = {0};
    int p[2], status = -1;

    (void)state;
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    assert_int_equal(write(p[1], "x", 1), 1);
    for (size_t i = 0; i < ADIT_COUNT(scripts); i++) {
        assert_int_equal(child_run_line(SH(scripts[i]), NULL, p[0], line, &status, &err), ADIT_E_INTERRUPTED);
        assert_string_equal(line, "");
        assert_int_equal(status, 128 + SIGKILL);
    }
    close(p[0]);
    close(p[1]);
}

/* Signals are at their defaults and unblocked, whatever ours are; adit's descriptors do not reach it. */
static void clean_start(void **state)
{
    sigset_t block, before;
    char script[128];
    int leak = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)state;
    (void)sigemptyset(&block);
    (void)sigaddset(&block, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &block, &before);
    (void)signal(SIGPIPE, SIG_IGN);
    run_is("kill -TERM $$; echo alive", NULL, 128 + SIGTERM, "");
    run_is("kill -PIPE $$; echo alive", NULL, 128 + SIGPIPE, "");
    (void)signal(SIGPIPE, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)snprintf(script, sizeof script, "[ -e /proc/self/fd/%d ] && echo leaked || echo closed", leak);
    run_is(script, NULL, 0, "closed");
    close(leak);
}

/* The caller's descriptors may be any, also 0 to 2 in another order. */
static void crossed_descriptors(void **state)
{
    struct child child;
    char buf[16];
    int in[2], out[2], status;
    ssize_t n;

    (void)state;
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    /* Standard input is given as the error output, to be overwritten by the first dup2 of a careless order.
     */
    assert_int_equal(child_start(&child, SH("cat; [ -e /proc/self/fd/2 ] || exit 9"), NULL,
                                 (const int[3]){in[0], out[1], 0}, true, NULL),
                     ADIT_E_OK);
    close(in[0]);
    close(out[1]);
    assert_int_equal(write(in[1], "through", 7), 7);
    assert_false(child_reap(&child, false, &status));
    close(in[1]);
    n = read(out[0], buf, sizeof buf);
    assert_int_equal(n, 7);
    assert_memory_equal(buf, "through", 7);
    assert_true(child_reap(&child, true, &status));
    assert_int_equal(status, 0);
    assert_int_equal(child.pid, -1);
    assert_false(child_reap(&child, true, &status));
    close(out[0]);
}

static void killed(void **state)
{
    struct child child;
    int status;

    (void)state;
    assert_int_equal(
        child_start(&child, SH("exec sleep 1000"), NULL, (const int[3]){-1, -1, -1}, false, NULL), ADIT_E_OK);
    child_kill(&child, SIGTERM);
    assert_true(child_reap(&child, true, &status));
    assert_int_equal(status, 128 + SIGTERM);
    child_kill(&child, SIGTERM); /* nobody */
}

static void output_is(const char *script, size_t max, enum adit_err want, int want_status, size_t want_n)
{
    uint8_t *out;
    size_t n;
    int status = -1;
    struct adit_error err = {0};

    assert_int_equal(child_run_output(SH(script), -1, max, &out, &n, &status, &err), want);
    assert_int_equal(n, want_n);
    assert_true((out != NULL) == (n > 0));
    if (want == ADIT_E_OK)
        assert_int_equal(status, want_status);
    for (size_t i = 0; i < n; i++)
        assert_true(out[i] == 'y' || out[i] == '\n');
    free(out);
}

static void all_of_its_output(void **state)
{
    (void)state;
    output_is("yes | head -c 300000", 300000, ADIT_E_OK, 0, 300000);
    output_is("yes | head -c 300001", 300000, ADIT_E_LIMIT, 0, 0);
    output_is("printf y; exit 3", 10, ADIT_E_OK, 3, 1);
    output_is("exit 0", 0, ADIT_E_OK, 0, 0);
    output_is("kill -9 $$", 10, ADIT_E_OK, 128 + 9, 0);
}

/* Its output is read by the caller, who may give it up. */
static void read_by_the_caller(void **state)
{
    struct child child;
    struct adit_error err = {0};
    char buf[8] = "";
    int fd, status = -1;

    (void)state;
    assert_int_equal(child_start_reading(&child, SH("echo a; exit 3"), NULL, &fd, &err), ADIT_E_OK);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(child_reap(&child, true, &status));
    assert_int_equal(status, 3);
    assert_int_equal(read(fd, buf, sizeof buf), 2);
    assert_string_equal(buf, "a\n");
    assert_int_equal(read(fd, buf, sizeof buf), 0);
    close(fd);
    child_abandon(&child); /* reaped already: nothing */
    assert_int_equal(child_start_reading(&child, SH("exec sleep 100"), NULL, &fd, &err), ADIT_E_OK);
    pid_t pid = child.pid;
    child_abandon(&child);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(child.pid, -1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_line_and_status),
        cmocka_unit_test(all_of_its_output),
        cmocka_unit_test(environment),
        cmocka_unit_test(hidden_variables_and_descriptors),
        cmocka_unit_test(too_long_a_line),
        cmocka_unit_test(cannot_run),
        cmocka_unit_test(no_shell),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(clean_start),
        cmocka_unit_test(crossed_descriptors),
        cmocka_unit_test(killed),
        cmocka_unit_test(read_by_the_caller),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
