#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/log.h"

static int saved, reader;

static int setup(void **state)
{
    int fds[2];
    (void)state;
    if (pipe(fds) != 0 || (saved = dup(STDERR_FILENO)) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
        return -1;
    reader = fds[0];
    close(fds[1]);
    return fcntl(reader, F_SETFL, O_NONBLOCK);
}

static int teardown(void **state)
{
    (void)state;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(reader);
    log_set_level(LOG_LEVEL_INFO);
    return 0;
}

static void written(const char *wanted)
{
    char text[512];
    ssize_t n = read(reader, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    assert_string_equal(text, wanted);
}

static void test_levels(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_DEBUG1);
    log_line(LOG_LEVEL_DEBUG1, "one");
    log_line(LOG_LEVEL_DEBUG2, "two");
    log_format(LOG_LEVEL_ERROR, "%s %d", "three", 3);
    log_format(LOG_LEVEL_DEBUG3, "four");
    written("debug1: one\nthree 3\n");
    log_set_level(LOG_LEVEL_QUIET);
    log_line(LOG_LEVEL_FATAL, "never");
    written("");
}

static void test_one_clean_line(void **state)
{
    (void)state;
    log_line(LOG_LEVEL_INFO, "a\nb\x1b[31mc\r");
    char text[64];
    ssize_t n = read(reader, text, sizeof text);
    assert_true(n > 1);
    assert_ptr_equal(memchr(text, '\n', (size_t)n), text + n - 1);
    assert_null(memchr(text, 0x1b, (size_t)n));
    assert_null(memchr(text, '\r', (size_t)n));
}

/* There is no way back: what follows is written so, too. */
static void test_wait_for_nobody(void **state)
{
    static char text[1 << 17];
    size_t lines = 0;
    (void)state;
    log_wait_for_nobody();
    log_line(LOG_LEVEL_INFO, "one");
    written("one\n");
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
    for (size_t i = 0; i < 20000; i++) /* more than a pipe holds */
        log_line(LOG_LEVEL_INFO, "again");
    ssize_t n = read(reader, text, sizeof text);
    assert_true(n > 0);
    for (ssize_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    log_line(LOG_LEVEL_INFO, "two");
    snprintf(text, sizeof text, "\r\n(%zu lines of the log were left out here)\r\ntwo\n", 20000 - lines);
    written(text);
    log_line(LOG_LEVEL_INFO, "three");
    written("three\n");
}

static void test_always(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_QUIET);
    log_always("what is wrong");
    written("what is wrong\n");
}

/* Appended to what is there, and standard error stays empty. The last test: it does not go back. */
static void test_file(void **state)
{
    char path[] = "/tmp/adit-test-log-XXXXXX", text[128];
    struct adit_error err = {0};
    int fd = mkstemp(path);
    (void)state;
    assert_true(log_is_on_stderr());
    assert_int_equal(log_to_file("/nonexistent/x", &err), ADIT_E_SYSTEM);
    assert_string_equal(err.text, "Couldn't open logfile /nonexistent/x: No such file or directory");
    assert_true(log_is_on_stderr());
    assert_int_equal(write(fd, "before\n", 7), 7);
    assert_int_equal(log_to_file(path, &err), ADIT_E_OK);
    assert_false(log_is_on_stderr());
    log_line(LOG_LEVEL_INFO, "one");
    log_always("two");
    written("");
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = 0;
    assert_string_equal(text, "before\none\ntwo\n");
    close(fd);
    unlink(path);
}

/* ADIT_LOG: over what is set, and each line by what it is about. It stays. */
static void test_filter(void **state)
{
    struct adit_error err = {0};
    (void)state;
    assert_int_equal(log_set_filter("kex=loud", &err), ADIT_E_CONFIG);
    assert_int_equal(log_set_filter("info,kex=debug2,auth=error", &err), ADIT_E_OK);
    log_set_level(LOG_LEVEL_QUIET);
    assert_int_equal(log_most(), LOG_LEVEL_DEBUG2);
    log_session_line(SESSION_DEBUG2, SESSION_ABOUT_KEX, "kex");
    log_session_line(SESSION_DEBUG3, SESSION_ABOUT_KEX, "too much");
    log_session_line(SESSION_INFO, SESSION_ABOUT_AUTH, "too much");
    log_line_about(LOG_LEVEL_ERROR, SESSION_ABOUT_AUTH, "auth");
    log_line(LOG_LEVEL_VERBOSE, "too much");
    log_line(LOG_LEVEL_INFO, "plain");
    written("debug2: kex\nauth\nplain\n");
}

static void test_facilities(void **state)
{
    struct adit_error err = {0};
    (void)state;
    assert_int_equal(log_to_syslog("test", "kern", &err), ADIT_E_USAGE);
    assert_true(log_is_on_stderr());
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_one_clean_line, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_always, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_facilities, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_wait_for_nobody, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_filter, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_file, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
