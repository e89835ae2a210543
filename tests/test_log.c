#include "test.h"

#include <fcntl.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_levels, setup, teardown),
                                       cmocka_unit_test_setup_teardown(test_one_clean_line, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
