/* traffic_crowd.c - opens, idle and burst: many connections to an echo, a byte there and back on each. */
#include "bench/traffic.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, IDLE_AT_ONCE = 64 };

struct visit {
    int fd;
    uint64_t start_ns;
    bool is_sent, is_over;
};

struct crowd {
    int epoll;
    uint16_t port;
    bool greeted; /* the far end speaks first */
    struct visit *visits;
    size_t started, failed;
    struct samples times; /* of those that came back */
    int error;            /* errno of the first that failed */
    /* Called for each visit that is over, well or not. */
    void (*on_over)(struct crowd *c, struct visit *v);
};

static struct crowd crowd_new(int argc, char **argv, size_t room)
{
    struct crowd c = {.epoll = epoll_create1(EPOLL_CLOEXEC), .visits = calloc(room, sizeof *c.visits)};
    if (argc - optind != 1)
        die("%s: which port?", argv[0]);
    if (c.epoll < 0 || c.visits == NULL)
        die_errno("%zu connections", room);
    c.port = port_of(argv[optind]);
    files_need(room);
    return c;
}

static void visit_start(struct crowd *c, struct visit *v)
{
    *v = (struct visit){.start_ns = now_ns()};
    v->fd = connect_begin(c->port);
    struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = v};
    if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, v->fd, &e) != 0)
        die_errno("epoll_ctl");
    c->started++;
}

static void visit_end(struct crowd *c, struct visit *v, int error)
{
    v->is_over = true;
    if (error == 0) {
        samples_add(&c->times, now_ns() - v->start_ns);
    } else {
        c->failed++;
        c->error = c->error == 0 ? error : c->error;
    }
    c->on_over(c, v);
}

static int connect_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
    return error;
}

/* EAGAIN while it is under way, 0 when its byte is back, else what went wrong. */
static int visit_step(const struct crowd *c, struct visit *v)
{
    uint8_t byte = 'x';
    if (!v->is_sent) {
        int error = connect_error(v->fd);
        if (error != 0)
            return error;
        if (!c->greeted && send(v->fd, &byte, 1, MSG_NOSIGNAL) != 1)
            return errno;
        v->is_sent = true;
    }
    ssize_t n = recv(v->fd, &byte, 1, 0);
    if (n < 0)
        return errno;
    return n == 0 ? ECONNRESET : byte == 'x' ? 0 : EBADMSG;
}

static void on_visit(struct crowd *c, struct visit *v, uint32_t events)
{
    if (v->is_over || (!v->is_sent && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == 0))
        return;
    int error = visit_step(c, v);
    if (error != EAGAIN)
        visit_end(c, v, error);
}

/* Waits for something to happen; false when nothing did until then. */
static bool crowd_round(struct crowd *c, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(c->epoll, events, EVENTS_MAX, ms_until(until_ns));
    if (n < 0 && errno != EINTR)
        die_errno("epoll_wait");
    for (int i = 0; i < n; i++)
        on_visit(c, events[i].data.ptr, events[i].events);
    return n != 0;
}

static uint64_t stuck_at(void)
{
    return now_ns() + STUCK_S * 1000000000ull;
}

/* Whatever goes wrong ends the program, but in a burst. */
static void need_success(const struct crowd *c)
{
    errno = c->error;
    if (c->failed > 0)
        die_errno("a connection to port %u failed after %zu that did not", c->port, c->times.count);
}

static size_t crowd_over(const struct crowd *c)
{
    return c->times.count + c->failed;
}

/* ---- opens -- */

static void over_opens(struct crowd *c, struct visit *v)
{
    need_success(c);
    close(v->fd);
    visit_start(c, v);
}

/* One, before the clock starts: whether there is anybody at all. */
static void open_one(uint16_t port, bool greeted)
{
    uint8_t byte = 'x';
    int fd = connect_to(port);
    if ((!greeted && !send_all(fd, &byte, 1)) || !recv_all(fd, &byte, 1))
        die_errno("no answer from port %u", port);
    close(fd);
}

int opens_main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    struct crowd c = crowd_new(argc, argv, o.at_once);
    c.on_over = over_opens;
    c.greeted = o.greeted;
    open_one(c.port, c.greeted);
    mark("begin");
    uint64_t start = now_ns(), until = start + (uint64_t)(o.seconds * 1e9);
    for (size_t i = 0; i < o.at_once; i++)
        visit_start(&c, &c.visits[i]);
    while (now_ns() < until)
        crowd_round(&c, until);
    double seconds = seconds_between(start, now_ns());
    mark("end");
    if (c.times.count == 0)
        die("no connection came back within %.1f s", seconds);
    samples_sort(&c.times);
    printf("{\"count\": %zu, \"seconds\": %.6f, \"per_second\": %.3f, \"p50_us\": %.3f, \"p99_us\": %.3f}\n",
           c.times.count, seconds, (double)c.times.count / seconds, samples_us(&c.times, 50),
           samples_us(&c.times, 99));
    return 0;
}

/* ---- idle -- */

static void over_held(struct crowd *c, struct visit *v)
{
    (void)c;
    (void)v;
}

static void wait_for_stdin(void)
{
    char drop[4096];
    while (read(0, drop, sizeof drop) > 0)
        ;
}

/* That they all live still: a tunnel that cuts idle connections must not look cheap. */
static void need_held(const struct crowd *c)
{
    for (size_t i = 0; i < c->started; i++) {
        uint8_t byte;
        if (recv(c->visits[i].fd, &byte, 1, MSG_PEEK) >= 0 || errno != EAGAIN)
            die("connection %zu was cut while it was held", i + 1);
    }
}

int idle_main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    struct crowd c = crowd_new(argc, argv, o.count);
    c.on_over = over_held;
    uint64_t start = now_ns();
    while (crowd_over(&c) < o.count) {
        while (c.started < o.count && c.started - crowd_over(&c) < IDLE_AT_ONCE)
            visit_start(&c, &c.visits[c.started]);
        if (!crowd_round(&c, stuck_at()))
            die("only %zu connections of %lu were answered", c.times.count, o.count);
        need_success(&c);
    }
    printf("{\"count\": %zu, \"seconds\": %.6f}\n", c.times.count, seconds_between(start, now_ns()));
    fflush(stdout);
    wait_for_stdin();
    need_held(&c);
    return 0;
}

/* ---- burst -- */

int burst_main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    struct crowd c = crowd_new(argc, argv, o.count);
    c.on_over = over_held;
    uint64_t start = now_ns(), end = start;
    for (size_t i = 0; i < o.count; i++)
        visit_start(&c, &c.visits[i]);
    while (crowd_over(&c) < o.count && crowd_round(&c, stuck_at()))
        end = now_ns();
    if (c.times.count == 0)
        die("none of %lu connections was answered: %s", o.count,
            strerror(c.error != 0 ? c.error : ETIMEDOUT));
    samples_sort(&c.times);
    printf("{\"count\": %zu, \"seconds\": %.6f, \"p50_us\": %.3f, \"p99_us\": %.3f, \"failed\": %zu}\n",
           c.times.count, seconds_between(start, end), samples_us(&c.times, 50), samples_us(&c.times, 99),
           (size_t)o.count - c.times.count);
    return 0;
}
