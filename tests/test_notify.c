#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/notify.h"

/* An abstract socket of a name of its own, as systemd in a container uses it; and a file's. */
static void test_send(void **state)
{
    char name[64], got[128];
    (void)state;
    for (int is_file = 0; is_file < 2; is_file++) {
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        size_t n = adit_format(name, sizeof name, is_file ? "/tmp/adit-notify-%d" : "@adit-notify-%d",
                               (int)getpid());
        memcpy(a.sun_path, name, n);
        if (!is_file)
            a.sun_path[0] = 0;
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (const struct sockaddr *)(const void *)&a,
                              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                         0);
        assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
        notify_send("READY=1");
        notify_reloading();
        assert_int_equal(recv(fd, got, sizeof got, 0), 7);
        assert_memory_equal(got, "READY=1", 7);
        ssize_t len = recv(fd, got, sizeof got - 1, 0);
        assert_true(len > 0);
        got[len] = 0;
        assert_memory_equal(got, "RELOADING=1\nMONOTONIC_USEC=", 27);
        (void)close(fd);
        if (is_file)
            (void)unlink(name);
        notify_send("nobody listens now");
    }
    assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    notify_send("not sent");
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    notify_send("not sent");
}

static void set(const char *name, const char *value)
{
    assert_int_equal(value != NULL ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void test_numbers(void **state)
{
    char own[16];
    (void)state;
    (void)adit_format(own, sizeof own, "%d", (int)getpid());
    set("LISTEN_FDS", "2");
    set("LISTEN_PID", NULL);
    assert_int_equal(notify_listen_fds(), 0);
    set("LISTEN_PID", "1");
    assert_int_equal(notify_listen_fds(), 0);
    set("LISTEN_PID", own);
    assert_int_equal(notify_listen_fds(), 2);
    set("LISTEN_FDS", "99999");
    assert_int_equal(notify_listen_fds(), NOTIFY_FDS_MAX);
    set("LISTEN_FDS", "x");
    assert_int_equal(notify_listen_fds(), 0);
    assert_int_equal(notify_watchdog_ms(), 0);
    set("WATCHDOG_USEC", "30000000");
    assert_int_equal(notify_watchdog_ms(), 15000);
    set("WATCHDOG_PID", "1");
    assert_int_equal(notify_watchdog_ms(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_send), cmocka_unit_test(test_numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
