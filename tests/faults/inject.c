/*
 * inject - what adit asks of the C library and the kernel, made to fail one call at a time. Linked in front
 * of an adit that is otherwise the sanitizers' own, by the linker's --wrap: no source of the product knows of
 * it.
 *
 * A *site* is a kind of call and the stack that leads to it, and so it is the same from run to run whatever
 * the threads do. Each run writes the sites that it met into a shared table; ADIT_FAULT has one of them fail.
 *
 *   ADIT_FAULT_TABLE=FILE             the table: struct table, made by who starts the run. Without it nothing
 * happens ADIT_FAULT="SITE NTH HOW MANY"    the NTH call (1) at SITE (hexadecimal) fails in the way HOW: an
 * errno, or one of the words of struct strike below; MANY 0: that call alone, 1: and all that follow of its
 * kind, at whatever site
 *
 * Third-party libraries are linked statically and are struck as well; what libc calls inside itself is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <unwind.h>

enum { SITES = 4096, FRAMES = 14, NAME_CAP = 24, EPOLL_FDS = 4096, HOW_SHORT = 1000, MAGIC = 0x46414c54 };

/* What fails. The names are the driver's (tests/faults/sites.py), in this order. */
enum kind {
    ALLOC,
    READ,
    WRITE,
    CONNECT,
    ACCEPT,
    BIND,
    DESCRIPTOR,
    EPOLL_CTL,
    WAIT,
    POLL,
    OPEN,
    FILES,
    SYNC,
    PROCESS,
    THREAD,
    RANDOM,
    MAP,
    LOCK,
    NAMES,
    LOOKUP,
    STAT,
    SOCKET_OPTION,
    KINDS,
};

struct site {
    uint64_t id; /* 0: free */
    uint32_t kind, count;
    char name[NAME_CAP];    /* of the function */
    uint64_t frame[FRAMES]; /* return addresses from the program's start; 0: no more */
};

struct table {
    uint32_t magic, fired, sites_lost, calls;
    struct site site[SITES];
};

static struct table *table;
static struct strike {
    uint64_t site;
    uint32_t nth;
    int how; /* an errno, or HOW_SHORT: a transfer of one byte */
    bool is_for_ever;
} strike_wanted;
extern char __executable_start[];

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("ADIT_FAULT_TABLE"), *fault = getenv("ADIT_FAULT");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (at == MAP_FAILED || ((struct table *)at)->magic != MAGIC)
        _exit(97);
    unsigned for_ever = 0;
    if (fault != NULL && sscanf(fault, "%lx %u %d %u", &strike_wanted.site, &strike_wanted.nth,
                                &strike_wanted.how, &for_ever) != 4)
        _exit(97);
    strike_wanted.is_for_ever = for_ever != 0;
    table = at;
}

/* ---- Sites ---- */

struct walk {
    uint64_t frame[FRAMES];
    unsigned n, skip;
};

static _Unwind_Reason_Code walk_step(struct _Unwind_Context *context, void *arg)
{
    struct walk *w = arg;
    uintptr_t at = _Unwind_GetIP(context);
    if (w->skip > 0) {
        w->skip--;
        return _URC_NO_REASON;
    }
    if (at == 0 || w->n == FRAMES)
        return _URC_END_OF_STACK;
    /* Only the program's own: libc's and the sanitizers' frames move from run to run. */
    if (at - (uintptr_t)__executable_start < (uintptr_t)1 << 28)
        w->frame[w->n++] = at - (uintptr_t)__executable_start;
    return _URC_NO_REASON;
}

__attribute__((noinline)) static struct site *site_find(enum kind kind, const char *name)
{
    struct walk w = {.skip = 3}; /* this function, the strike, the wrapper: who calls that */
    (void)_Unwind_Backtrace(walk_step, &w);
    uint64_t id = 1469598103934665603u ^ kind;
    for (const char *c = name; *c != 0; c++)
        id = (id ^ (uint8_t)*c) * 1099511628211u;
    for (unsigned i = 0; i < w.n; i++)
        id = (id ^ w.frame[i]) * 1099511628211u, id ^= id >> 29;
    id |= 1;
    for (uint64_t i = 0, at = id; i < SITES; i++, at++) {
        struct site *s = &table->site[at % SITES];
        uint64_t was = 0;
        if (__atomic_compare_exchange_n(&s->id, &was, id, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            s->kind = kind;
            (void)strncpy(s->name, name, sizeof s->name - 1);
            memcpy(s->frame, w.frame, sizeof s->frame);
            return s;
        }
        if (was == id)
            return s;
    }
    __atomic_add_fetch(&table->sites_lost, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

/* 0: the call is made; otherwise how it fails. */
__attribute__((noinline)) static int strike(enum kind kind, const char *name)
{
    static uint32_t is_ever[KINDS];
    if (table == NULL)
        return 0;
    int before = errno;
    (void)__atomic_add_fetch(&table->calls, 1, __ATOMIC_RELAXED);
    struct site *s = site_find(kind, name);
    errno = before;
    if (__atomic_load_n(&is_ever[kind], __ATOMIC_RELAXED) != 0)
        return strike_wanted.how;
    if (s == NULL || __atomic_add_fetch(&s->count, 1, __ATOMIC_SEQ_CST) != strike_wanted.nth ||
        s->id != strike_wanted.site)
        return 0;
    (void)__atomic_add_fetch(&table->fired, 1, __ATOMIC_SEQ_CST);
    if (strike_wanted.is_for_ever)
        __atomic_store_n(&is_ever[kind], 1, __ATOMIC_RELAXED);
    return strike_wanted.how;
}

/* ---- Calls that only fail ---- */

#define WRAP(type, name, kind, failed, params, args) \
    type __real_##name params;                       \
    type __wrap_##name params;                       \
    type __wrap_##name params                        \
    {                                                \
        int how = strike(kind, #name);               \
        if (how != 0) {                              \
            errno = how;                             \
            return failed;                           \
        }                                            \
        return __real_##name args;                   \
    }
/* The same for those whose result is the error. */
#define WRAP_RESULT(name, kind, params, args) WRAP(int, name, kind, how, params, args)

WRAP(void *, malloc, ALLOC, NULL, (size_t n), (n))
WRAP(void *, calloc, ALLOC, NULL, (size_t n, size_t size), (n, size))
WRAP(void *, realloc, ALLOC, NULL, (void *p, size_t n), (p, n))
WRAP(void *, reallocarray, ALLOC, NULL, (void *p, size_t n, size_t size), (p, n, size))
WRAP(int, posix_memalign, ALLOC, how, (void **p, size_t align, size_t n), (p, align, n))
WRAP(char *, strdup, ALLOC, NULL, (const char *s), (s))
WRAP(char *, strndup, ALLOC, NULL, (const char *s, size_t n), (s, n))

WRAP(int, socket, DESCRIPTOR, -1, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, pipe2, DESCRIPTOR, -1, (int fds[2], int flags), (fds, flags))
WRAP(int, socketpair, DESCRIPTOR, -1, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
WRAP(int, eventfd, DESCRIPTOR, -1, (unsigned initial, int flags), (initial, flags))
WRAP(int, timerfd_create, DESCRIPTOR, -1, (int clock, int flags), (clock, flags))
WRAP(int, signalfd, DESCRIPTOR, -1, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
WRAP(int, epoll_create1, DESCRIPTOR, -1, (int flags), (flags))
WRAP(int, dup2, DESCRIPTOR, -1, (int from, int to), (from, to))

WRAP(int, bind, BIND, -1, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(int, listen, BIND, -1, (int fd, int backlog), (fd, backlog))
WRAP(int, accept4, ACCEPT, -1, (int fd, struct sockaddr *a, socklen_t *n, int flags), (fd, a, n, flags))
WRAP(int, accept, ACCEPT, -1, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
WRAP(int, getsockopt, SOCKET_OPTION, -1, (int fd, int level, int name, void *p, socklen_t *n),
     (fd, level, name, p, n))
WRAP(int, setsockopt, SOCKET_OPTION, -1, (int fd, int level, int name, const void *p, socklen_t n),
     (fd, level, name, p, n))
WRAP(int, getsockname, SOCKET_OPTION, -1, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
WRAP(int, getpeername, SOCKET_OPTION, -1, (int fd, struct sockaddr *a, socklen_t *n), (fd, a, n))
WRAP(int, shutdown, SOCKET_OPTION, -1, (int fd, int how_far), (fd, how_far))

WRAP(int, epoll_wait, WAIT, -1, (int fd, struct epoll_event *e, int n, int ms), (fd, e, n, ms))
WRAP(int, poll, POLL, -1, (struct pollfd * p, nfds_t n, int ms), (p, n, ms))
WRAP(int, ppoll, POLL, -1, (struct pollfd * p, nfds_t n, const struct timespec *t, const sigset_t *s),
     (p, n, t, s))

WRAP(FILE *, fopen, OPEN, NULL, (const char *path, const char *mode), (path, mode))
WRAP(int, mkostemp, OPEN, -1, (char *path, int flags), (path, flags))
WRAP(void *, opendir, OPEN, NULL, (const char *path), (path))
WRAP(ssize_t, readlink, OPEN, -1, (const char *path, char *out, size_t n), (path, out, n))
WRAP(char *, realpath, OPEN, NULL, (const char *path, char *out), (path, out))

WRAP(int, mkdir, FILES, -1, (const char *path, mode_t mode), (path, mode))
WRAP(int, rename, FILES, -1, (const char *from, const char *to), (from, to))
WRAP(int, renameat, FILES, -1, (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, link, FILES, -1, (const char *from, const char *to), (from, to))
WRAP(int, unlink, FILES, -1, (const char *path), (path))
WRAP(int, unlinkat, FILES, -1, (int fd, const char *path, int flags), (fd, path, flags))
WRAP(int, chmod, FILES, -1, (const char *path, mode_t mode), (path, mode))
WRAP(int, fchmod, FILES, -1, (int fd, mode_t mode), (fd, mode))
WRAP(int, chown, FILES, -1, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
WRAP(int, fchown, FILES, -1, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))
WRAP(int, ftruncate, FILES, -1, (int fd, off_t n), (fd, n))
WRAP(int, flock, FILES, -1, (int fd, int operation), (fd, operation))
WRAP(int, fsync, SYNC, -1, (int fd), (fd))

WRAP(int, stat, STAT, -1, (const char *path, struct stat *out), (path, out))
WRAP(int, lstat, STAT, -1, (const char *path, struct stat *out), (path, out))
WRAP(int, fstat, STAT, -1, (int fd, struct stat *out), (fd, out))
WRAP(int, access, STAT, -1, (const char *path, int mode), (path, mode))
WRAP(int, faccessat, STAT, -1, (int fd, const char *path, int mode, int flags), (fd, path, mode, flags))

WRAP(pid_t, fork, PROCESS, -1, (void), ())
WRAP_RESULT(posix_spawnp, PROCESS,
            (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
             const posix_spawnattr_t *attr, char *const argv[], char *const envp[]),
            (pid, file, actions, attr, argv, envp))
WRAP_RESULT(pthread_create, THREAD, (pthread_t * t, const pthread_attr_t *a, void *(*run)(void *), void *arg),
            (t, a, run, arg))
WRAP_RESULT(pthread_mutex_init, THREAD, (pthread_mutex_t * m, const pthread_mutexattr_t *a), (m, a))
WRAP_RESULT(pthread_attr_setstacksize, THREAD, (pthread_attr_t * a, size_t n), (a, n))

/* A kernel that has no getrandom had none before, either: ENOSYS is for every call, and has come with the
 * first, behind which other ways may be gone. */
ssize_t __real_getrandom(void *out, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags);
ssize_t __wrap_getrandom(void *out, size_t n, unsigned flags)
{
    int how = strike(RANDOM, "getrandom");
    if (how == 0 && table != NULL && strike_wanted.how == ENOSYS) {
        (void)__atomic_add_fetch(&table->fired, 1, __ATOMIC_SEQ_CST);
        how = ENOSYS;
    }
    if (how == 0)
        return __real_getrandom(out, n, flags);
    errno = how;
    return -1;
}
WRAP(void *, mmap, MAP, MAP_FAILED, (void *p, size_t n, int prot, int flags, int fd, off_t at),
     (p, n, prot, flags, fd, at))
WRAP(int, mlock, LOCK, -1, (const void *p, size_t n), (p, n))
WRAP(int, madvise, LOCK, -1, (void *p, size_t n, int advice), (p, n, advice))

WRAP(int, getifaddrs, NAMES, -1, (struct ifaddrs * *out), (out))
WRAP(int, gethostname, NAMES, -1, (char *out, size_t n), (out, n))
WRAP_RESULT(getpwuid_r, NAMES, (uid_t uid, struct passwd *p, char *buf, size_t n, struct passwd **found),
            (uid, p, buf, n, found))
WRAP_RESULT(getpwnam_r, NAMES,
            (const char *name, struct passwd *p, char *buf, size_t n, struct passwd **found),
            (name, p, buf, n, found))
/* An errno is the system's error; below 0: one of EAI_*. */
WRAP(int, getaddrinfo, LOOKUP, how < 0 ? how : EAI_SYSTEM,
     (const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out),
     (node, service, hints, out))

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    int how = strike(OPEN, "open");
    if (how == 0)
        return __real_open(path, flags, mode);
    errno = how;
    return -1;
}

int __real_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    int how = strike(OPEN, "openat");
    if (how == 0)
        return __real_openat(at, path, flags, mode);
    errno = how;
    return -1;
}

/* ---- Transfers. Who is told "not now", or that less went than was asked, waits for an edge, which the kernel has no
 * reason to give: it is given here, by setting what is waited for once more. ---- */

static struct {
    int epoll;
    struct epoll_event event;
} waited[EPOLL_FDS];

int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int how = operation == EPOLL_CTL_DEL ? 0 : strike(EPOLL_CTL, "epoll_ctl");
    if (how != 0) {
        errno = how;
        return -1;
    }
    int result = __real_epoll_ctl(epoll, operation, fd, event);
    if (result == 0 && fd >= 0 && fd < EPOLL_FDS) {
        waited[fd].epoll = operation == EPOLL_CTL_DEL ? 0 : epoll;
        if (event != NULL)
            waited[fd].event = *event;
    }
    return result;
}

static void edge_give(int fd)
{
    if (fd >= 0 && fd < EPOLL_FDS && waited[fd].epoll != 0)
        (void)__real_epoll_ctl(waited[fd].epoll, EPOLL_CTL_MOD, fd, &waited[fd].event);
}

/* The kernel's own: an eventfd counts by ones, a timer and the signals have no more than one thing to say.
 * None of that waits, comes in parts or fails, in any kernel. */
static bool is_kernels_own(int fd)
{
    char link[40], is[32] = "";
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return __real_readlink(link, is, sizeof is - 1) > 0 && strncmp(is, "anon_inode:", 11) == 0;
}

/* EAGAIN is only for who does not wait, and a reset only for what is connected. */
static int how_on(int fd, int how)
{
    struct stat s;
    if (__real_fstat(fd, &s) != 0)
        return how;
    bool is_file = !S_ISSOCK(s.st_mode) && !S_ISFIFO(s.st_mode);
    if (how == EAGAIN && (is_file || (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0))
        return EINTR;
    if (is_file && (how == ECONNRESET || how == EPIPE))
        return how == EPIPE ? ENOSPC : EIO;
    return how;
}

/* Begun: *how is what to do; true: it has failed already. */
static bool transfer_fails(int fd, int *how)
{
    if (*how == 0 || *how == HOW_SHORT)
        return false;
    *how = how_on(fd, *how);
    if (*how == EAGAIN)
        edge_give(fd);
    errno = *how;
    return true;
}

#define WRAP_TRANSFER(name, kind, params, args, short_args)     \
    ssize_t __real_##name params;                               \
    ssize_t __wrap_##name params;                               \
    ssize_t __wrap_##name params                                \
    {                                                           \
        int how = is_kernels_own(fd) ? 0 : strike(kind, #name); \
        if (transfer_fails(fd, &how))                           \
            return -1;                                          \
        if (how != HOW_SHORT || n <= 1)                         \
            return __real_##name args;                          \
        ssize_t went = __real_##name short_args;                \
        edge_give(fd);                                          \
        return went;                                            \
    }

WRAP_TRANSFER(read, READ, (int fd, void *p, size_t n), (fd, p, n), (fd, p, 1))
WRAP_TRANSFER(pread, READ, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), (fd, p, 1, at))
WRAP_TRANSFER(recv, READ, (int fd, void *p, size_t n, int flags), (fd, p, n, flags), (fd, p, 1, flags))
WRAP_TRANSFER(write, WRITE, (int fd, const void *p, size_t n), (fd, p, n), (fd, p, 1))
WRAP_TRANSFER(send, WRITE, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags), (fd, p, 1, flags))
WRAP_TRANSFER(sendto, WRITE,
              (int fd, const void *p, size_t n, int flags, const struct sockaddr *a, socklen_t len),
              (fd, p, n, flags, a, len), (fd, p, 1, flags, a, len))

static struct iovec first_byte(const struct iovec *iov)
{
    return (struct iovec){iov[0].iov_base, iov[0].iov_len > 0};
}

#define WRAP_VECTOR(name, kind)                                    \
    ssize_t __real_##name(int fd, const struct iovec *iov, int n); \
    ssize_t __wrap_##name(int fd, const struct iovec *iov, int n); \
    ssize_t __wrap_##name(int fd, const struct iovec *iov, int n)  \
    {                                                              \
        int how = strike(kind, #name);                             \
        if (transfer_fails(fd, &how))                              \
            return -1;                                             \
        if (how != HOW_SHORT || n == 0 || iov[0].iov_len == 0)     \
            return __real_##name(fd, iov, n);                      \
        struct iovec one = first_byte(iov);                        \
        ssize_t went = __real_##name(fd, &one, 1);                 \
        edge_give(fd);                                             \
        return went;                                               \
    }

WRAP_VECTOR(readv, READ)
WRAP_VECTOR(writev, WRITE)

/* Messages carry descriptors: they go whole or not at all. */
#define WRAP_MESSAGE(name, kind, type)                                      \
    ssize_t __real_##name(int fd, type *m, int flags);                      \
    ssize_t __wrap_##name(int fd, type *m, int flags);                      \
    ssize_t __wrap_##name(int fd, type *m, int flags)                       \
    {                                                                       \
        int how = strike(kind, #name);                                      \
        return transfer_fails(fd, &how) ? -1 : __real_##name(fd, m, flags); \
    }

WRAP_MESSAGE(recvmsg, READ, struct msghdr)
WRAP_MESSAGE(sendmsg, WRITE, const struct msghdr)

int __real_connect(int fd, const struct sockaddr *a, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n);
int __wrap_connect(int fd, const struct sockaddr *a, socklen_t n)
{
    int how = strike(CONNECT, "connect");
    if (how == 0)
        return __real_connect(fd, a, n);
    if (how == EINTR) { /* connect(2): it goes on, and is waited for as one that would block */
        int result = __real_connect(fd, a, n);
        if (result == 0 || errno != EINPROGRESS)
            return result;
    }
    errno = how;
    return -1;
}
