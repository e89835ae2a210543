#include "net/fdpass.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/sock.h"

/* Room for one descriptor, aligned as the kernel wants it. What does not fit the kernel throws away. */
union control {
    struct cmsghdr head;
    uint8_t room[CMSG_SPACE(sizeof(int))];
};

static struct msghdr message(struct iovec *iov, union control *control)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1, .msg_control = control->room};

    memset(control, 0, sizeof *control);
    msg.msg_controllen = sizeof control->room;
    return msg;
}

static int descriptor_of(struct msghdr *msg)
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    int fd;

    if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof fd))
        return -1;
    memcpy(&fd, CMSG_DATA(c), sizeof fd);
    return fd;
}

enum adit_err fdpass_take(int socket, int *out, struct adit_error *err)
{
    char byte;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    union control control;
    struct msghdr msg = message(&iov, &control);
    /* Not CMSG_SPACE, whose padding has room for a second descriptor: the kernel closes what does not fit. */
    msg.msg_controllen = CMSG_LEN(sizeof(int));
    ssize_t n;

    do
        n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    *out = -1;
    if (n < 0 && errno == EAGAIN)
        return ADIT_E_OK;
    if (n < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot receive a descriptor: %s", strerror(errno));
    *out = descriptor_of(&msg);
    if (*out >= 0)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_CONNECT,
                     n == 0 ? "no descriptor was passed: the other side has ended"
                            : "no descriptor was passed, but data");
}

enum adit_err fdpass_receive(int socket, int cancel_fd, uint32_t timeout_ms, int *out, struct adit_error *err)
{
    uint64_t deadline = timeout_ms ? loop_now_ms() + timeout_ms : LOOP_NEVER;
    struct pollfd p[2] = {{.fd = socket, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};
    enum adit_err e = ADIT_E_OK;

    *out = -1;
    while (e == ADIT_E_OK && *out < 0) {
        uint64_t now = loop_now_ms();
        int wait = deadline == LOOP_NEVER ? -1
                                          : (int)(deadline <= now          ? 0
                                                  : deadline - now < 60000 ? deadline - now
                                                                           : 60000);

        if (poll(p, 2, wait) < 0 && errno != EINTR)
            return adit_fail(err, ADIT_E_SYSTEM, "cannot wait: %s", strerror(errno));
        if (p[1].revents)
            return adit_fail(err, ADIT_E_INTERRUPTED, "interrupted");
        if (now >= deadline)
            return adit_fail(err, ADIT_E_TIMEOUT, "no descriptor was passed within %u s",
                             (unsigned)(timeout_ms + 999) / 1000);
        e = fdpass_take(socket, out, err);
    }
    return e;
}

bool fdpass_send(int socket, int fd)
{
    char byte = 0;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    union control control;
    struct msghdr msg = message(&iov, &control);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    return sendmsg(socket, &msg, MSG_NOSIGNAL) == 1;
}
