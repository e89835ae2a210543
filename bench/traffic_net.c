/* traffic_net.c - sockets, and the loop of a server. */
#include "bench/traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, LAST_SOURCE = 250 };

static struct sockaddr_in loopback(uint16_t port, uint8_t host)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl((INADDR_LOOPBACK & ~(in_addr_t)0xff) | host);
    return a;
}

void set_nodelay(int fd)
{
    int yes = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

void set_nonblocking(int fd, bool on)
{
    int flags = fcntl(fd, F_GETFL) & ~O_NONBLOCK;
    if (fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags) != 0)
        die_errno("fcntl");
}

static int socket_new(int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0)
        die_errno("socket");
    set_nodelay(fd);
    return fd;
}

int connect_to(uint16_t port)
{
    int fd = socket_new(0);
    struct sockaddr_in to = loopback(port, 1);
    struct timeval patience = {.tv_sec = STUCK_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die_errno("connect to 127.0.0.1:%u", port);
    socks_ask(fd);
    return fd;
}

int connect_begin(uint16_t port)
{
    static uint8_t source = 1;
    struct sockaddr_in to = loopback(port, 1);
    for (;; source++) {
        int fd = socket_new(SOCK_NONBLOCK), yes = 1;
        struct sockaddr_in from = loopback(0, source);
        if (source > 1) {
            setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
            if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0)
                die_errno("bind to 127.0.0.%u", source);
        }
        if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS)
            return fd;
        if (errno != EADDRNOTAVAIL || source == LAST_SOURCE)
            die_errno("connect to 127.0.0.1:%u", port);
        close(fd);
    }
}

int listen_on(uint16_t *port)
{
    int fd = socket_new(SOCK_NONBLOCK), yes = 1;
    struct sockaddr_in at = loopback(*port, 1);
    socklen_t len = sizeof at;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, 4096) != 0)
        die_errno("listen on 127.0.0.1:%u", *port);
    getsockname(fd, (struct sockaddr *)&at, &len);
    *port = ntohs(at.sin_port);
    return fd;
}

/* What is there already need not be raised; the hard limit only root may raise. */
static bool files_set(uint64_t count)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    if (r.rlim_cur >= count)
        return true;
    r.rlim_cur = count;
    if (r.rlim_max < count)
        r.rlim_max = count;
    return setrlimit(RLIMIT_NOFILE, &r) == 0;
}

void files_need(uint64_t count)
{
    if (!files_set(count + 32))
        die_errno("%llu open files", (unsigned long long)count);
}

void files_all(void)
{
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    if (!files_set(100000))
        files_set(r.rlim_max);
}

ssize_t discard(int fd, size_t max)
{
    /* tcp(7): MSG_TRUNC throws the bytes away instead of copying them. */
    return recv(fd, NULL, max, MSG_TRUNC);
}

bool send_all(int fd, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool recv_all(int fd, void *bytes, size_t len)
{
    uint8_t *at = bytes;
    while (len > 0) {
        ssize_t n = recv(fd, at, len, 0);
        if (n == 0)
            errno = ECONNRESET;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool sink_answer_read(int fd, uint64_t *received)
{
    uint8_t answer[SINK_ANSWER_LEN];
    if (!recv_all(fd, answer, sizeof answer))
        die_errno("no answer of the sink");
    *received = 0;
    for (int b = 7; b >= 0; b--)
        *received = *received << 8 | answer[b];
    return answer[8] == 1;
}

/* ---- the loop -- */

static struct {
    int epoll;
    struct watch **dead, **again;
    size_t dead_count, dead_room, again_count, again_room;
} loop;

static void list_add(struct watch ***list, size_t *count, size_t *room, struct watch *w)
{
    if (*count == *room) {
        *room = *room == 0 ? 64 : 2 * *room;
        *list = realloc(*list, *room * sizeof **list);
        if (*list == NULL)
            die("no memory");
    }
    (*list)[(*count)++] = w;
}

static void on_nothing(struct watch *w, uint32_t events)
{
    (void)w;
    (void)events;
}

static void on_stdin(struct watch *w, uint32_t events)
{
    char drop[4096];
    (void)w;
    (void)events;
    if (read(0, drop, sizeof drop) <= 0)
        exit(0);
}

static void on_signal(int number)
{
    (void)number;
    _exit(0);
}

void loop_init(void)
{
    static struct watch input = {on_stdin};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &input};
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    loop.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (loop.epoll < 0)
        die_errno("epoll_create1");
    /* EPERM: a file or /dev/null, which never closes. */
    if (epoll_ctl(loop.epoll, EPOLL_CTL_ADD, 0, &e) != 0 && errno != EPERM)
        die_errno("stdin");
}

void loop_add(int fd, struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(loop.epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        die_errno("epoll_ctl");
}

void loop_change(int fd, struct watch *w, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};
    if (epoll_ctl(loop.epoll, EPOLL_CTL_MOD, fd, &e) != 0)
        die_errno("epoll_ctl");
}

void loop_free(struct watch *w)
{
    static struct watch nothing = {on_nothing};
    w->on_event = on_nothing;
    for (size_t i = 0; i < loop.again_count; i++) {
        if (loop.again[i] == w)
            loop.again[i] = &nothing;
    }
    list_add(&loop.dead, &loop.dead_count, &loop.dead_room, w);
}

void loop_again(struct watch *w)
{
    list_add(&loop.again, &loop.again_count, &loop.again_room, w);
}

/* Those that ask again while we are here are kept for the next round. */
static void run_again(void)
{
    size_t count = loop.again_count;
    for (size_t i = 0; i < count; i++) {
        struct watch *w = loop.again[i];
        w->on_event(w, 0);
    }
    for (size_t i = count; i < loop.again_count; i++)
        loop.again[i - count] = loop.again[i];
    loop.again_count -= count;
}

_Noreturn void loop_run(void)
{
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(loop.epoll, events, EVENTS_MAX, loop.again_count > 0 ? 0 : -1);
        if (n < 0 && errno != EINTR)
            die_errno("epoll_wait");
        for (int i = 0; i < n; i++) {
            struct watch *w = events[i].data.ptr;
            w->on_event(w, events[i].events);
        }
        run_again();
        for (size_t i = 0; i < loop.dead_count; i++)
            free(loop.dead[i]);
        loop.dead_count = 0;
    }
}
