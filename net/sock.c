#define _GNU_SOURCE /* accept4 */

#include "net/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "net/reason.h"

enum { SHARED_WRITE_MAX = 4096 }; /* PIPE_BUF: a pipe that polls writable takes that much at once (pipe(7)) */

static const struct sockaddr *addr_ptr(const struct sock_addr *a)
{
    return (const struct sockaddr *)(const void *)&a->storage;
}

static struct sockaddr *addr_room(struct sock_addr *a)
{
    memset(a, 0, sizeof *a);
    a->len = sizeof a->storage;
    return (struct sockaddr *)(void *)&a->storage;
}

static bool set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/* Closes and reports, with the reason of the call that failed before. */
static enum adit_err give_up(int *fd, enum adit_err code, const char *what, const struct sock_addr *a,
                             int why, struct adit_error *err)
{
    char text[SOCK_TEXT_CAP];

    sock_close(fd);
    sock_addr_text(a, text);
    return adit_fail(err, code, "cannot %s %s: %s", what, text, reason_text(why));
}

/* In ssh's words, which scripts look for. */
static enum adit_err cannot_connect(int *fd, const struct sock_addr *to, int why, struct adit_error *err)
{
    char text[SOCK_TEXT_CAP];

    if (sock_addr_family(to) == AF_UNIX)
        return give_up(fd, ADIT_E_CONNECT, "connect to", to, why, err);
    sock_close(fd);
    sock_addr_host(to, text);
    return adit_fail(err, ADIT_E_CONNECT, "connect to host %s port %u: %s", text, sock_addr_port(to),
                     reason_text(why));
}

static int stream_open(const struct sock_addr *a)
{
    return socket(sock_addr_family(a), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

enum adit_err sock_listen(int *fd, const struct sock_addr *a, bool *family_missing, struct adit_error *err)
{
    bool good;
    int why;

    *fd = stream_open(a);
    good = *fd >= 0 && (sock_addr_family(a) == AF_UNIX || set_int(*fd, SOL_SOCKET, SO_REUSEADDR, 1)) &&
           (sock_addr_family(a) != AF_INET6 || set_int(*fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
           bind(*fd, addr_ptr(a), a->len) == 0 && listen(*fd, SOCK_BACKLOG) == 0;
    why = good ? 0 : errno;
    if (family_missing)
        *family_missing = why == EAFNOSUPPORT || why == EADDRNOTAVAIL;
    return good ? ADIT_E_OK : give_up(fd, ADIT_E_FORWARD, "listen on", a, why, err);
}

static int accept_any(int listener, struct sock_addr *peer)
{
    struct sockaddr *room = addr_room(peer);
    int fd = accept4(listener, room, &peer->len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd >= 0 || errno != ENOSYS)
        return fd;
    fd = accept(listener, room, &peer->len); /* kernels before 2.6.28 */
    if (fd >= 0 && (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || !sock_set_nonblock(fd, true)))
        sock_close(&fd);
    return fd;
}

static enum sock_accept accept_verdict(int why)
{
    switch (why) {
    case EAGAIN:
        return SOCK_ACCEPT_AGAIN;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return SOCK_ACCEPT_LIMIT;
    /* Linux hands a new connection's pending network error to accept: accept(2) says to treat it like EAGAIN.
     */
    case EINTR:
    case ECONNABORTED:
    case ECONNRESET:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ETIMEDOUT:
        return SOCK_ACCEPT_IGNORE;
    default:
        return SOCK_ACCEPT_FAILED;
    }
}

enum sock_accept sock_accept(int listener, int *fd, struct sock_addr *peer, struct adit_error *err)
{
    enum sock_accept verdict;

    *fd = accept_any(listener, peer);
    if (*fd >= 0)
        return SOCK_ACCEPT_OK;
    verdict = accept_verdict(errno);
    if (verdict == SOCK_ACCEPT_LIMIT || verdict == SOCK_ACCEPT_FAILED)
        (void)adit_fail(err, ADIT_E_SYSTEM, "cannot accept a connection: %s", strerror(errno));
    return verdict;
}

enum adit_err sock_open(int *fd, const struct sock_addr *to, struct adit_error *err)
{
    *fd = stream_open(to);
    return *fd >= 0 ? ADIT_E_OK : cannot_connect(fd, to, errno, err);
}

enum adit_err sock_connect_start(int *fd, const struct sock_addr *to, const struct sock_addr *source,
                                 bool *done, struct adit_error *err)
{
    *done = false;
    enum adit_err e = sock_open(fd, to, err);
    return e == ADIT_E_OK ? sock_connect_start_on(fd, to, source, done, err) : e;
}

enum adit_err sock_connect_start_on(int *fd, const struct sock_addr *to, const struct sock_addr *source,
                                    bool *done, struct adit_error *err)
{
    *done = false;
    if (source && bind(*fd, addr_ptr(source), source->len) != 0)
        return give_up(fd, ADIT_E_CONNECT, "bind to", source, errno, err);
    *done = connect(*fd, addr_ptr(to), to->len) == 0;
    if (!*done && errno == EAGAIN && sock_addr_family(to) == AF_UNIX)
        return give_up(fd, ADIT_E_LIMIT, "connect to", to, EAGAIN, err);
    /* An interrupted connect goes on by itself. */
    if (!*done && errno != EINPROGRESS && errno != EINTR)
        return cannot_connect(fd, to, errno, err);
    return ADIT_E_OK;
}

enum adit_err sock_connect_finish(int fd, const struct sock_addr *to, bool *done, struct adit_error *err)
{
    int why = 0, none = -1;
    socklen_t len = sizeof why;
    struct sock_addr peer;

    *done = false;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0)
        why = errno;
    *done = why == 0 && sock_peer(fd, &peer);
    /* Only this is "not yet"; after another error nothing would come that tells of a connection. */
    if (why == 0 && !*done && errno != ENOTCONN)
        why = errno;
    return why == 0 ? ADIT_E_OK : cannot_connect(&none, to, why, err);
}

enum adit_err sock_pair(int fds[2], struct adit_error *err)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0)
        return ADIT_E_OK;
    fds[0] = fds[1] = -1;
    return adit_fail(err, ADIT_E_SYSTEM, "cannot make a pair of sockets: %s", strerror(errno));
}

bool sock_local(int fd, struct sock_addr *out)
{
    struct sockaddr *room = addr_room(out);

    return getsockname(fd, room, &out->len) == 0;
}

enum adit_err sock_find_local(int fd, struct sock_addr *out, struct adit_error *err)
{
    return sock_local(fd, out)
               ? ADIT_E_OK
               : adit_fail(err, ADIT_E_SYSTEM, "cannot find out where it listens: %s", strerror(errno));
}

bool sock_peer(int fd, struct sock_addr *out)
{
    struct sockaddr *room = addr_room(out);

    return getpeername(fd, room, &out->len) == 0;
}

/* ---- Options ---- */

bool sock_set_nodelay(int fd, bool on)
{
    return set_int(fd, IPPROTO_TCP, TCP_NODELAY, on);
}

bool sock_set_quickack(int fd)
{
    return set_int(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
}

bool sock_set_keepalive(int fd, bool on)
{
    return set_int(fd, SOL_SOCKET, SO_KEEPALIVE, on);
}

bool sock_set_notsent_lowat(int fd, uint32_t bytes)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes) == 0;
}

bool sock_set_user_timeout(int fd, uint32_t ms)
{
    return setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms) == 0;
}

bool sock_set_tos(int fd, uint8_t tos)
{
    struct sock_addr local;

    if (!sock_local(fd, &local))
        return false;
    switch (sock_addr_family(&local)) {
    case AF_INET:
        return set_int(fd, IPPROTO_IP, IP_TOS, tos);
    case AF_INET6:
        return set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, tos);
    default:
        return false;
    }
}

bool sock_set_nonblock(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return false;
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return fcntl(fd, F_SETFL, flags) == 0;
}

/* ioctl takes an int in musl and an unsigned long in glibc. */
#ifdef __GLIBC__
#define IOCTL_REQUEST unsigned long
#else
#define IOCTL_REQUEST int
#endif

static bool queue_len(int fd, int request, size_t *n)
{
    int value = 0;

    if (ioctl(fd, (IOCTL_REQUEST)request, &value) != 0 || value < 0)
        return false;
    *n = (size_t)value;
    return true;
}

size_t sock_unsent_len(int fd)
{
    size_t n = 0;

    return queue_len(fd, SIOCOUTQ, &n) ? n : 0;
}

size_t sock_notsent_len(int fd)
{
    size_t n = 0;

    return queue_len(fd, SIOCOUTQNSD, &n) ? n : sock_unsent_len(fd);
}

size_t sock_waiting_len(int fd)
{
    size_t n = 0;

    return queue_len(fd, FIONREAD, &n) ? n : 0;
}

enum adit_err sock_pending_error(int fd, struct adit_error *err)
{
    int why = 0;
    socklen_t len = sizeof why;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) != 0 || why == 0)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_CLOSED, "%s", reason_text(why));
}

/* ---- Transfers ---- */

static enum sock_io io_failed(int why, const char *what, struct adit_error *err)
{
    switch (why) {
    case EAGAIN:
        return SOCK_IO_AGAIN;
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case EPIPE:
    case ETIMEDOUT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
        (void)adit_fail(err, ADIT_E_CLOSED, "%s", reason_text(why));
        return SOCK_IO_FAILED;
    default:
        (void)adit_fail(err, ADIT_E_SYSTEM, "cannot %s: %s", what, strerror(why));
        return SOCK_IO_FAILED;
    }
}

static enum sock_io read_verdict(ssize_t r, size_t wanted, size_t *n, struct adit_error *err)
{
    if (r < 0)
        return io_failed(errno, "read", err);
    *n = (size_t)r;
    return r == 0 && wanted > 0 ? SOCK_IO_EOF : SOCK_IO_OK;
}

static size_t iov_len(const struct iovec *iov, int count)
{
    size_t n = 0;

    for (int i = 0; i < count; i++)
        n += iov[i].iov_len;
    return n;
}

enum sock_io sock_readv(int fd, const struct iovec *iov, int count, size_t *n, struct adit_error *err)
{
    ssize_t r;

    *n = 0;
    do
        r = readv(fd, iov, count);
    while (r < 0 && errno == EINTR);
    return read_verdict(r, iov_len(iov, count), n, err);
}

enum sock_io sock_read(int fd, void *buf, size_t len, size_t *n, struct adit_error *err)
{
    struct iovec iov = {.iov_base = buf, .iov_len = len};

    return sock_readv(fd, &iov, 1, n, err);
}

/* sendmsg, because a write to a socket whose peer is gone would raise SIGPIPE; what is no socket is written
 * to. */
static ssize_t send_or_write(int fd, const struct iovec *iov, int count, int flags, size_t write_max)
{
    /* sendmsg only reads the vector, whatever its type says. */
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov};
    struct iovec first;
    ssize_t r;

    msg.msg_iovlen = (__typeof__(msg.msg_iovlen))count;
    do
        r = sendmsg(fd, &msg, flags | MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r >= 0 || errno != ENOTSOCK)
        return r;
    if (count == 1 && iov->iov_len > write_max) {
        first = (struct iovec){.iov_base = iov->iov_base, .iov_len = write_max};
        iov = &first;
    }
    do
        r = writev(fd, iov, count);
    while (r < 0 && errno == EINTR);
    return r;
}

enum sock_io sock_writev(int fd, const struct iovec *iov, int count, size_t *n, struct adit_error *err)
{
    ssize_t r = send_or_write(fd, iov, count, 0, SIZE_MAX);

    *n = r < 0 ? 0 : (size_t)r;
    return r < 0 ? io_failed(errno, "write", err) : SOCK_IO_OK;
}

enum sock_io sock_write(int fd, const void *buf, size_t len, size_t *n, struct adit_error *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};

    return sock_writev(fd, &iov, 1, n, err);
}

/* ---- Shared descriptors ---- */

static bool is_ready_now(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    /* A failure or an invalid descriptor counts as ready: the transfer says what it is. */
    return poll(&p, 1, 0) != 0;
}

enum sock_io sock_shared_read(int fd, void *buf, size_t len, size_t *n, struct adit_error *err)
{
    *n = 0;
    return is_ready_now(fd, POLLIN) ? sock_read(fd, buf, len, n, err) : SOCK_IO_AGAIN;
}

enum sock_io sock_shared_write(int fd, const void *buf, size_t len, size_t *n, struct adit_error *err)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
    ssize_t r;

    *n = 0;
    if (!is_ready_now(fd, POLLOUT))
        return SOCK_IO_AGAIN;
    r = send_or_write(fd, &iov, 1, MSG_DONTWAIT, SHARED_WRITE_MAX);
    if (r < 0)
        return io_failed(errno, "write", err);
    *n = (size_t)r;
    return SOCK_IO_OK;
}

/* ---- The end ---- */

bool sock_shutdown_write(int fd)
{
    /* A socket that is not connected any more has said all it can say. */
    return shutdown(fd, SHUT_WR) == 0 || errno == ENOTCONN;
}

void sock_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void sock_close_reset(int *fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (*fd >= 0)
        (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    sock_close(fd);
}
