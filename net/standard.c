/*
 * standard.c - see standard.h.
 */
#define _GNU_SOURCE /* F_DUPFD_CLOEXEC, pipe2 */
#include "net/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum {
    FIRST_FD = 3,
    MAJOR_MEM = 1, /* null, zero, full, random: these never wait (Linux: admin-guide/devices) */
    MAJOR_VT = 4,  /* consoles and serial lines */
    MAJOR_PTS_FIRST = 136,
    MAJOR_PTS_LAST = 143,
};

static bool is_terminal(const struct stat *st)
{
    unsigned major_number = major(st->st_rdev);
    return S_ISCHR(st->st_mode) &&
           (major_number == MAJOR_VT || (major_number >= MAJOR_PTS_FIRST && major_number <= MAJOR_PTS_LAST));
}

static bool never_waits(const struct stat *st)
{
    return S_ISREG(st->st_mode) || S_ISBLK(st->st_mode) ||
           (S_ISCHR(st->st_mode) && major(st->st_rdev) == MAJOR_MEM);
}

/* Another description of the same pipe or terminal, through /proc. -1 where that cannot be had: it is only a
 * better way. */
static int open_again(int fd, const struct stat *st, bool for_writing)
{
    char path[64];
    struct stat got;
    (void)adit_format(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, (for_writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own < 0)
        return -1;
    if (own < FIRST_FD || fstat(own, &got) != 0 || got.st_dev != st->st_dev || got.st_ino != st->st_ino ||
        got.st_rdev != st->st_rdev) {
        (void)close(own);
        return -1;
    }
    return own;
}

/* The same of a terminal that is another user's (after su): whose session's it is may always open it by this
 * name. */
static int open_own_terminal(int fd, bool for_writing)
{
    pid_t session = -1;
    if (ioctl(fd, TIOCGSID, &session) != 0 || session != getsid(0))
        return -1;
    int own = open("/dev/tty", (for_writing ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= FIRST_FD)
        return own;
    sock_close(&own);
    return -1;
}

enum adit_err standard_copy(struct standard *out, int fd, bool for_writing, struct adit_error *err)
{
    struct stat st;
    *out = (struct standard){-1, false};
    if (fstat(fd, &st) != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "descriptor %d: %s", fd, strerror(errno));
    if (S_ISFIFO(st.st_mode) || is_terminal(&st))
        out->fd = open_again(fd, &st, for_writing);
    if (out->fd < 0 && is_terminal(&st))
        out->fd = open_own_terminal(fd, for_writing);
    if (out->fd >= 0)
        return ADIT_E_OK;
    out->is_shared = !never_waits(&st);
    out->fd = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_FD);
    if (out->fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "descriptor %d: %s", fd, strerror(errno));
    return ADIT_E_OK;
}

enum adit_err standard_pipe(int *far, int *near, struct adit_error *err)
{
    int fds[2] = {-1, -1};
    *far = *near = -1;
    if (pipe2(fds, O_CLOEXEC) != 0 || !sock_set_nonblock(fds[1], true)) {
        (void)adit_fail(err, ADIT_E_SYSTEM, "pipe: %s", strerror(errno));
        sock_close(&fds[0]);
        sock_close(&fds[1]);
        return ADIT_E_SYSTEM;
    }
    *far = fds[0];
    *near = fds[1];
    return ADIT_E_OK;
}

static enum sock_io failed(const char *what, struct adit_error *err)
{
    if (errno == EAGAIN)
        return SOCK_IO_AGAIN;
    (void)adit_fail(err, errno == EPIPE ? ADIT_E_CLOSED : ADIT_E_SYSTEM, "cannot %s: %s", what,
                    strerror(errno));
    return SOCK_IO_FAILED;
}

enum sock_io standard_readv(int fd, const struct iovec *iov, int count, size_t *n, struct adit_error *err)
{
    ssize_t r;
    do
        r = readv(fd, iov, count);
    while (r < 0 && errno == EINTR);
    *n = r < 0 ? 0 : (size_t)r;
    if (r == 0 || (r < 0 && errno == EBADF)) /* open for writing alone, as nohup(1) leaves it: an empty one */
        return SOCK_IO_EOF;
    return r < 0 ? failed("read", err) : SOCK_IO_OK;
}

enum sock_io standard_writev(int fd, const struct iovec *iov, int count, size_t *n, struct adit_error *err)
{
    ssize_t r;
    do
        r = writev(fd, iov, count);
    while (r < 0 && errno == EINTR);
    *n = r < 0 ? 0 : (size_t)r;
    return r < 0 ? failed("write", err) : SOCK_IO_OK;
}
