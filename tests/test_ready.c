#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/ready.h"

static size_t read_all(int fd, char *out, size_t cap)
{
    size_t n = 0;
    for (ssize_t got; (got = read(fd, out + n, cap - 1 - n)) > 0;)
        n += (size_t)got;
    out[n] = 0;
    return n;
}

static void test_lines(void **state)
{
    (void)state;
    struct ready r;
    struct adit_error err = {0};
    int fds[2];
    char text[512];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(ready_init(&r, 3, false, fds[1], &err), ADIT_E_OK);
    assert_int_equal(fcntl(fds[1], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    ready_up(&r, 2, 'D', "127.0.0.1:1080", "-");
    ready_up(&r, 0, 'L', "127.0.0.1:8080", "h:80");
    ready_up(&r, 0, 'L', "[::1]:8080", "h:80"); /* its second address: no line */
    ready_up(&r, 3, 'L', "x", "y");             /* there is no such forward */
    ready_all(&r);
    assert_true(read_all(fds[0], text, sizeof text) > 0); /* and the end of it: the descriptor is closed */
    assert_string_equal(text, "listening L 127.0.0.1:8080 h:80\nlistening D 127.0.0.1:1080 -\n");
    ready_wipe(&r);
    close(fds[0]);
}

static void test_closed_descriptor(void **state)
{
    (void)state;
    struct ready r;
    struct adit_error err = {0};
    assert_int_equal(ready_init(&r, 0, false, 999, &err), ADIT_E_USAGE);
    assert_non_null(strstr(err.text, "999"));
    ready_wipe(&r);
}

static void test_nothing_before_all_are_up(void **state)
{
    (void)state;
    struct ready r;
    struct adit_error err = {0};
    int fds[2];
    char text[64];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(ready_init(&r, 2, false, fds[1], &err), ADIT_E_OK);
    ready_up(&r, 0, 'L', "127.0.0.1:8080", "h:80");
    ready_wipe(&r); /* it ended before */
    assert_int_equal(read_all(fds[0], text, sizeof text), 0);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_closed_descriptor),
                                       cmocka_unit_test(test_nothing_before_all_are_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
