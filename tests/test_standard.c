#define _GNU_SOURCE
#include "net/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "tests/test.h"

static struct adit_error err;

static struct standard copy(int fd, bool for_writing)
{
    struct standard s;
    int before = fcntl(fd, F_GETFL);
    assert_int_equal(standard_copy(&s, fd, for_writing, &err), ADIT_E_OK);
    assert_true(s.fd > 2 && s.fd != fd);
    assert_true((fcntl(s.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(fcntl(fd, F_GETFL), before);
    return s;
}

static enum sock_io get(struct standard s, char *buf, size_t len, size_t *n)
{
    struct iovec iov = {buf, len};
    return standard_readv(s.fd, &iov, 1, n, &err);
}

static enum sock_io put(struct standard s, const char *text, size_t *n)
{
    struct iovec iov = {(void *)(uintptr_t)text, strlen(text)};
    return standard_writev(s.fd, &iov, 1, n, &err);
}

/* Both ends get descriptions of their own: ours do not block, theirs do. */
static void test_pipes(void **state)
{
    int fds[2];
    char buf[8];
    size_t n;
    (void)state;
    assert_int_equal(pipe(fds), 0);
    struct standard in = copy(fds[0], false), out = copy(fds[1], true);
    assert_false(in.is_shared || out.is_shared);
    assert_true((fcntl(in.fd, F_GETFL) & O_NONBLOCK) && (fcntl(out.fd, F_GETFL) & O_NONBLOCK));
    assert_int_equal(get(in, buf, sizeof buf, &n), SOCK_IO_AGAIN);
    assert_int_equal(put(out, "abc", &n), SOCK_IO_OK);
    assert_int_equal(n, 3);
    assert_int_equal(get(in, buf, sizeof buf, &n), SOCK_IO_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(buf, "abc", 3);
    while (put(out, "0123456789012345678901234567890123456789", &n) == SOCK_IO_OK)
        ;
    while (put(out, "x", &n) == SOCK_IO_OK)
        ;
    assert_int_equal(put(out, "x", &n), SOCK_IO_AGAIN);
    close(fds[0]);
    sock_close(&in.fd);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(put(out, "x", &n), SOCK_IO_FAILED);
    close(fds[1]);
    sock_close(&out.fd);
}

static void test_end_of_a_pipe(void **state)
{
    int fds[2];
    char buf[8];
    size_t n;
    (void)state;
    assert_int_equal(pipe(fds), 0);
    struct standard in = copy(fds[0], false);
    close(fds[1]);
    assert_int_equal(get(in, buf, sizeof buf, &n), SOCK_IO_EOF);
    close(fds[0]);
    sock_close(&in.fd);
}

/* A file's place is shared: who reads after us goes on where we stopped. */
static void test_files(void **state)
{
    char path[] = "/tmp/test_standard.XXXXXX", buf[8];
    size_t n;
    (void)state;
    int fd = mkstemp(path);
    unlink(path);
    struct standard out = copy(fd, true);
    assert_false(out.is_shared);
    assert_int_equal(put(out, "abcdef", &n), SOCK_IO_OK);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 6);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    struct standard in = copy(fd, false);
    assert_int_equal(get(in, buf, 4, &n), SOCK_IO_OK);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 4);
    assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    sock_close(&in.fd);
    sock_close(&out.fd);
    close(fd);
    fd = open("/dev/null", O_RDWR);
    out = copy(fd, true);
    assert_false(out.is_shared);
    sock_close(&out.fd);
    close(fd);
}

static void test_terminals(void **state)
{
    int master, slave;
    char buf[8];
    size_t n;
    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    struct standard in = copy(slave, false), other = copy(master, true);
    assert_false(in.is_shared);
    assert_int_equal(get(in, buf, sizeof buf, &n), SOCK_IO_AGAIN);
    assert_int_equal(write(master, "a\n", 2), 2);
    assert_int_equal(get(in, buf, sizeof buf, &n), SOCK_IO_OK);
    assert_int_equal(n, 2);
    /* To open a master again would make a new terminal: it stays shared. */
    assert_true(other.is_shared);
    sock_close(&in.fd);
    sock_close(&other.fd);
    close(slave);
    close(master);
}

enum { NO_SESSION = 5 }; /* whose session the terminal is, is not told, or not rightly */

/* A terminal that is another user's, but our session's: 0 when it is had by its other name. */
static int other_users_terminal(int slave)
{
    static const gid_t no_groups[1];
    struct standard s;
    char byte = 'x';
    size_t n;
    pid_t session = -1;
    if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) != 0 || setgroups(0, no_groups) != 0 ||
        setgid(65534) != 0 || setuid(65534) != 0)
        return 1;
    if (ioctl(slave, TIOCGSID, &session) != 0 || session != getsid(0)) /* which it is since TIOCSCTTY */
        return NO_SESSION;
    if (standard_copy(&s, slave, true, &err) != ADIT_E_OK || s.is_shared)
        return 2;
    struct iovec iov = {&byte, 1};
    while (standard_writev(s.fd, &iov, 1, &n, &err) == SOCK_IO_OK)
        ; /* nobody reads it */
    if ((fcntl(slave, F_GETFL) & O_NONBLOCK) != 0)
        return 3;
    return standard_writev(s.fd, &iov, 1, &n, &err) == SOCK_IO_AGAIN ? 0 : 4;
}

static void test_other_users_terminal(void **state)
{
    int master, slave, status = -1;
    (void)state;
    if (geteuid() != 0)
        skip(); /* to become somebody else */
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(fchmod(slave, 0600), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(other_users_terminal(slave));
    assert_int_equal(waitpid(child, &status, 0), child);
    close(slave);
    close(master);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_SESSION)
        skip(); /* an emulator: it gives the answer in its own byte order */
    assert_int_equal(status, 0);
}

/* Stopped, as by Ctrl-S, while somebody reads: the copy waits for nobody, and what it wrote comes later. */
static void test_stopped_terminal(void **state)
{
    int master, slave;
    char buf[8];
    size_t n;
    (void)state;
    assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
    struct standard out = copy(slave, true);
    assert_int_equal(tcflow(slave, TCOOFF), 0);
    assert_int_equal(put(out, "abc", &n), SOCK_IO_AGAIN);
    assert_int_equal(tcflow(slave, TCOON), 0);
    assert_int_equal(put(out, "abc", &n), SOCK_IO_OK);
    assert_int_equal(read(master, buf, sizeof buf), 3);
    sock_close(&out.fd);
    close(slave);
    close(master);
}

static void test_sockets(void **state)
{
    int fds[2];
    struct standard s;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    s = copy(fds[0], true);
    assert_true(s.is_shared);
    assert_int_equal(fcntl(s.fd, F_GETFL) & O_NONBLOCK, 0);
    sock_close(&s.fd);
    close(fds[0]);
    close(fds[1]);
    assert_int_equal(standard_copy(&s, fds[0], true, &err), ADIT_E_SYSTEM);
    assert_int_equal(s.fd, -1);
}

/* What stands for standard input is read like one, and its writer never waits. */
static void test_pipe_of_our_own(void **state)
{
    static const char block[4096];
    int far, near;
    char buf[8];
    size_t n, total = 0;
    ssize_t wrote;
    (void)state;
    assert_int_equal(standard_pipe(&far, &near, &err), ADIT_E_OK);
    assert_true(fcntl(far, F_GETFD) & fcntl(near, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(near, "a", 1), 1);
    struct standard in = copy(far, false);
    assert_false(in.is_shared);
    sock_close(&far);
    assert_int_equal(get(in, buf, sizeof buf, &n), SOCK_IO_OK);
    assert_int_equal(n, 1);
    assert_int_equal(get(in, buf, sizeof buf, &n), SOCK_IO_AGAIN);
    while ((wrote = write(near, block, sizeof block)) > 0)
        total += (size_t)wrote;
    assert_int_equal(errno, EAGAIN);
    assert_true(total > sizeof block);
    sock_close(&near);
    sock_close(&in.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipes),
        cmocka_unit_test(test_end_of_a_pipe),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_terminals),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_other_users_terminal),
        cmocka_unit_test(test_stopped_terminal),
        cmocka_unit_test(test_pipe_of_our_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
