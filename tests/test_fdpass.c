#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/fdpass.h"
#include "net/sock.h"
#include "tests/vfork.h"

struct fixture {
    int pair[2], pipe[2], got;
    struct adit_error err;
};
static struct fixture f;

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.got = -1;
    assert_int_equal(sock_pair(f.pair, &f.err), ADIT_E_OK);
    assert_int_equal(pipe(f.pipe), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    int fds[] = {f.pair[0], f.pair[1], f.pipe[0], f.pipe[1], f.got};
    for (size_t i = 0; i < ADIT_COUNT(fds); i++)
        sock_close(&fds[i]);
    return 0;
}

static void test_there_and_back(void **state)
{
    (void)state;
    char c;
    assert_true(fdpass_send(f.pair[1], f.pipe[1]));
    assert_int_equal(fdpass_receive(f.pair[0], -1, 0, &f.got, &f.err), ADIT_E_OK);
    assert_true(f.got > 2 && f.got != f.pipe[1]);
    assert_true(fcntl(f.got, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(f.got, "x", 1), 1);
    assert_int_equal(read(f.pipe[0], &c, 1), 1);
}

static void test_none(void **state)
{
    (void)state;
    assert_int_equal(write(f.pair[1], "x", 1), 1);
    assert_int_equal(fdpass_receive(f.pair[0], -1, 0, &f.got, &f.err), ADIT_E_CONNECT);
    assert_int_equal(f.got, -1);
    sock_close(&f.pair[1]);
    memset(&f.err, 0, sizeof f.err);
    assert_int_equal(fdpass_receive(f.pair[0], -1, 0, &f.got, &f.err), ADIT_E_CONNECT);
    assert_non_null(strstr(f.err.text, "ended"));
}

static size_t open_count(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Several in one message: the first is taken, the others are closed and not left lying about. */
static void test_several(void **state)
{
    (void)state;
    /* qemu-user takes all of them from the kernel, and loses what we have no room for. */
    if (!vfork_is_real())
        skip();
    char byte = 0;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    union {
        struct cmsghdr head;
        uint8_t room[CMSG_SPACE(3 * sizeof(int))];
    } control = {0};
    const int fds[3] = {f.pipe[1], f.pipe[1], f.pipe[1]};
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
    assert_int_equal(sendmsg(f.pair[1], &msg, 0), 1);
    size_t before = open_count();
    assert_int_equal(fdpass_take(f.pair[0], &f.got, &f.err), ADIT_E_OK);
    assert_true(f.got >= 0);
    assert_int_equal(open_count(), before + 1);
}

/* Nothing yet is no failure, and does not wait. */
static void test_take_nothing(void **state)
{
    (void)state;
    assert_int_equal(fdpass_take(f.pair[0], &f.got, &f.err), ADIT_E_OK);
    assert_int_equal(f.got, -1);
    sock_close(&f.pair[1]);
    assert_int_equal(fdpass_take(f.pair[0], &f.got, &f.err), ADIT_E_CONNECT);
}

static void test_given_up(void **state)
{
    (void)state;
    assert_int_equal(fdpass_receive(f.pair[0], -1, 20, &f.got, &f.err), ADIT_E_TIMEOUT);
    memset(&f.err, 0, sizeof f.err);
    assert_int_equal(write(f.pipe[1], "x", 1), 1);
    assert_int_equal(fdpass_receive(f.pair[0], f.pipe[0], 0, &f.got, &f.err), ADIT_E_INTERRUPTED);
    assert_false(fdpass_send(-1, f.pipe[0]));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_there_and_back), TEST(test_none), TEST(test_given_up),
                                       TEST(test_several), TEST(test_take_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
