#include "test.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/proxy_command.h"
#include "net/sock.h"
#include "tests/vfork.h"

static struct proxy_command proxy;
static struct adit_error err;

static int start(const char *command)
{
    int fd;
    memset(&err, 0, sizeof err);
    proxy_command_init(&proxy);
    assert_int_equal(proxy_command_start(&proxy, command, false, -1, 0, &fd, &err), ADIT_E_OK);
    assert_true(sock_set_nonblock(fd, false));
    return fd;
}

static void expect(int fd, const char *text)
{
    char got[64];
    size_t n = 0;
    while (n < strlen(text)) {
        ssize_t r = read(fd, got + n, strlen(text) - n);
        assert_true(r > 0);
        n += (size_t)r;
    }
    assert_memory_equal(got, text, n);
}

static void finish(int fd)
{
    pid_t pid = proxy.child.pid;
    sock_close(&fd);
    proxy_command_end(&proxy);
    assert_int_equal(proxy.child.pid, -1);
    assert_int_equal(kill(pid, 0), -1); /* reaped, too */
}

static void test_both_ways(void **state)
{
    (void)state;
    int fd = start("sed -u s/a/b/ | cat");
    assert_int_equal(write(fd, "cat\n", 4), 4);
    expect(fd, "cbt\n");
    finish(fd);
}

static void test_shell(void **state)
{
    (void)state;
    setenv("SHELL", "/bin/echo", 1);
    int fd = start("some thing");
    expect(fd, "-c exec some thing\n");
    finish(fd);
    unsetenv("SHELL");
    fd = start("echo $0");
    expect(fd, "/bin/sh\n");
    finish(fd);
}

static void test_no_shell(void **state)
{
    (void)state;
    int fd;
    if (!vfork_is_real())
        skip();
    memset(&err, 0, sizeof err);
    setenv("SHELL", "/nonexistent/shell", 1);
    proxy_command_init(&proxy);
    assert_int_equal(proxy_command_start(&proxy, "x", false, -1, 0, &fd, &err), ADIT_E_SYSTEM);
    assert_int_equal(fd, -1);
    proxy_command_end(&proxy);
    unsetenv("SHELL");
}

static void test_stubborn(void **state)
{
    (void)state;
    int fd = start("sh -c 'trap \"\" HUP; echo on; while :; do sleep 1; done'");
    expect(fd, "on\n");
    finish(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_both_ways), cmocka_unit_test(test_shell),
                                       cmocka_unit_test(test_no_shell), cmocka_unit_test(test_stubborn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
