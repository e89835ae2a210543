#define _GNU_SOURCE /* TFD_TIMER_CANCEL_ON_SET */
#include "net/watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "net/sock.h"

enum {
    DATAGRAM_MAX = 6 * 1024, /* notifications have one message each, most below 1,500 bytes */
    DATAGRAMS_MAX = 1024,    /* in one go: a machine whose routes change all the time must not hold us */
    DAY_S = 24 * 3600,
};

/* ---- Sleep ---- */

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    return clock_gettime(clock, &t) == 0 ? (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000 : -1;
}

/* How long the machine has slept; a delay between the two readings makes it less, never more. -1: unknown. */
static int64_t asleep_ms(void)
{
    int64_t boot_ms = clock_ms(CLOCK_BOOTTIME), awake_ms = clock_ms(CLOCK_MONOTONIC);
    return boot_ms < 0 || awake_ms < 0 ? -1 : boot_ms - awake_ms;
}

/* A timer of the wall clock that the kernel cancels, and so makes readable, when that clock jumps: after
 * sleep it always does. Nothing wakes us otherwise. */
static void clock_arm(int fd)
{
    struct itimerspec at = {0};
    at.it_value.tv_sec = time(NULL) + DAY_S;
    (void)timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL);
}

static int clock_open(void)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd >= 0)
        clock_arm(fd);
    return fd;
}

static unsigned clock_take(struct watch *w)
{
    uint64_t ticks;
    if (w->clock_fd >= 0 && (read(w->clock_fd, &ticks, sizeof ticks) >= 0 || errno == ECANCELED))
        clock_arm(w->clock_fd);
    int64_t now_ms = asleep_ms();
    if (now_ms < 0 || now_ms < w->asleep_ms + WATCH_ASLEEP_MS)
        return 0;
    w->asleep_ms = now_ms;
    return WATCH_RESUMED;
}

/* ---- Netlink ---- */

static int netlink_open(void)
{
    struct sockaddr_nl all = {.nl_family = AF_NETLINK,
                              .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                           RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&all, sizeof all) != 0)
        sock_close(&fd);
    return fd;
}

/* True: there was one. */
static bool netlink_read(struct watch *w, bool *has_changed)
{
    uint8_t bytes[DATAGRAM_MAX];
    struct sockaddr_nl from = {0};
    struct iovec room = {bytes, sizeof bytes};
    struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &room, .msg_iovlen = 1};
    ssize_t n = recvmsg(w->netlink_fd, &m, 0);
    if (n < 0 && errno == EINTR)
        return true;
    if (n < 0) {
        /* The kernel had more to say than it could keep for us: anything may have changed. */
        *has_changed |= errno == ENOBUFS;
        return errno == ENOBUFS;
    }
    /* Other processes may send to this socket too. */
    if (m.msg_namelen != sizeof from || from.nl_family != AF_NETLINK || from.nl_pid != 0)
        return true;
    *has_changed |= netlink_take(&w->seen, span_make(bytes, (size_t)n)) || (m.msg_flags & MSG_TRUNC);
    return true;
}

static unsigned network_take(struct watch *w)
{
    bool has_changed = false;
    size_t i = 0;
    if (w->netlink_fd < 0)
        return 0;
    while (i < DATAGRAMS_MAX && netlink_read(w, &has_changed))
        i++;
    return has_changed || i == DATAGRAMS_MAX ? WATCH_NETWORK : 0;
}

/* ---- Life ---- */

static bool watch_add(struct watch *w, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return fd < 0 || epoll_ctl(w->fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

enum adit_err watch_init(struct watch *w, struct adit_error *err)
{
    memset(w, 0, sizeof *w);
    w->netlink_fd = w->clock_fd = -1;
    w->fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "epoll_create1: %s", strerror(errno));
    w->netlink_fd = netlink_open();
    w->clock_fd = clock_open();
    w->asleep_ms = asleep_ms();
    if (watch_add(w, w->netlink_fd) && watch_add(w, w->clock_fd))
        return ADIT_E_OK;
    adit_fail(err, ADIT_E_SYSTEM, "epoll_ctl: %s", strerror(errno));
    watch_wipe(w);
    return ADIT_E_SYSTEM;
}

void watch_wipe(struct watch *w)
{
    sock_close(&w->netlink_fd);
    sock_close(&w->clock_fd);
    sock_close(&w->fd);
}

int watch_fd(const struct watch *w)
{
    return w->fd;
}

unsigned watch_take(struct watch *w)
{
    unsigned resumed = clock_take(w);
    return resumed | network_take(w);
}
