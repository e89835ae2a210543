/* traffic_bulk.c - down, up, both and slow: how much moves in a given time. */
#include "bench/traffic.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_LEN = 4 * 1024 * 1024, EVENTS_MAX = 256, SLOW_TICK_MS = 20 };

struct stream {
    int fd;
    bool is_up;
    uint64_t moved; /* bytes of the pattern, from its start */
};

struct bulk {
    struct stream *streams;
    size_t count;
    int epoll;
};

static void bulk_add(struct bulk *b, uint16_t port, bool is_up)
{
    struct stream *s = &b->streams[b->count++];
    *s = (struct stream){.fd = connect_to(port), .is_up = is_up};
    if (is_up && !send_all(s->fd, &(uint8_t){SINK_DISCARD}, 1))
        die_errno("send");
    set_nonblocking(s->fd, true);
    struct epoll_event e = {.events = is_up ? EPOLLOUT : EPOLLIN, .data.ptr = s};
    if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, s->fd, &e) != 0)
        die_errno("epoll_ctl");
}

static struct bulk bulk_new(unsigned long count)
{
    struct bulk b = {.streams = calloc(count, sizeof *b.streams), .epoll = epoll_create1(EPOLL_CLOEXEC)};
    if (b.streams == NULL || b.epoll < 0)
        die_errno("%lu streams", count);
    files_need(count);
    return b;
}

static uint64_t bulk_moved(const struct bulk *b, bool is_up)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < b->count; i++)
        sum += b->streams[i].is_up == is_up ? b->streams[i].moved : 0;
    return sum;
}

static ssize_t send_pattern(const struct stream *s)
{
    struct pattern_view view;
    pattern_at(&view, s->moved, PATTERN_VIEW_MAX);
    return writev(s->fd, view.iov, view.count);
}

static void stream_move(struct stream *s)
{
    ssize_t n = s->is_up ? send_pattern(s) : discard(s->fd, READ_LEN);
    if (n == 0)
        die("the connection was closed after %llu bytes", (unsigned long long)s->moved);
    if (n < 0 && errno != EAGAIN)
        die_errno("the connection broke after %llu bytes", (unsigned long long)s->moved);
    if (n > 0)
        s->moved += (uint64_t)n;
}

/* Moves until then; returns when that really was. */
static uint64_t bulk_run(struct bulk *b, uint64_t until_ns)
{
    for (;;) {
        uint64_t now = now_ns();
        if (now >= until_ns)
            return now;
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(b->epoll, events, EVENTS_MAX, ms_until(until_ns));
        if (n < 0 && errno != EINTR)
            die_errno("epoll_wait");
        for (int i = 0; i < n; i++)
            stream_move(events[i].data.ptr);
    }
}

/* The sink's own count; that it is what was sent is part of the measurement. */
static void stream_finish(struct stream *s)
{
    uint64_t got;
    sink_answer_read(s->fd, &got);
    if (got != s->moved + 1)
        die("the sink received %llu bytes of %llu", (unsigned long long)got,
            (unsigned long long)s->moved + 1);
}

static void bulk_finish(struct bulk *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (shutdown(b->streams[i].fd, SHUT_WR) != 0)
            die_errno("shutdown");
        set_nonblocking(b->streams[i].fd, false);
    }
    for (size_t i = 0; i < b->count; i++)
        stream_finish(&b->streams[i]);
}

struct figures {
    uint64_t down, up;
    double seconds;
};

/* With to_the_end, the time lasts until the sinks have answered. */
static struct figures bulk_measure(struct bulk *b, const struct options *o, bool to_the_end)
{
    uint64_t start = bulk_run(b, now_ns() + (uint64_t)(o->warm * 1e9));
    uint64_t down = bulk_moved(b, false), up = bulk_moved(b, true);
    mark("begin");
    uint64_t end = bulk_run(b, start + (uint64_t)(o->seconds * 1e9));
    if (to_the_end) {
        bulk_finish(b);
        end = now_ns();
    }
    mark("end");
    return (struct figures){bulk_moved(b, false) - down, bulk_moved(b, true) - up,
                            seconds_between(start, end)};
}

static void need_movement(uint64_t bytes, const char *where)
{
    if (bytes == 0)
        die("nothing moved %s", where);
}

static int both_main(const struct options *o, char **ports)
{
    struct bulk b = bulk_new(2 * o->streams);
    for (unsigned long i = 0; i < o->streams; i++) {
        bulk_add(&b, port_of(ports[0]), false);
        bulk_add(&b, port_of(ports[1]), true);
    }
    struct figures f = bulk_measure(&b, o, false);
    need_movement(f.down, "down");
    need_movement(f.up, "up");
    printf("{\"down_mb_per_s\": %.6f, \"up_mb_per_s\": %.6f, \"bytes\": %llu, \"seconds\": %.6f}\n",
           (double)f.down / f.seconds / 1e6, (double)f.up / f.seconds / 1e6,
           (unsigned long long)(f.down + f.up), f.seconds);
    return 0;
}

int bulk_main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    bool is_both = strcmp(argv[0], "both") == 0, is_up = strcmp(argv[0], "up") == 0;
    if (argc - optind != (is_both ? 2 : 1))
        die("%s: which port?", argv[0]);
    if (is_both)
        return both_main(&o, argv + optind);
    uint16_t port = port_of(argv[optind]);
    if (o.verify > 0)
        return is_up ? verify_up(port, o.verify) : verify_down(port, o.verify);
    struct bulk b = bulk_new(o.streams);
    for (unsigned long i = 0; i < o.streams; i++)
        bulk_add(&b, port, is_up);
    struct figures f = bulk_measure(&b, &o, is_up && o.warm <= 0);
    need_movement(f.down + f.up, argv[0]);
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"mb_per_s\": %.6f}\n", (unsigned long long)(f.down + f.up),
           f.seconds, (double)(f.down + f.up) / f.seconds / 1e6);
    return 0;
}

/* ---- slow -- */

/* Whether stdin closed within the time. */
static bool stdin_closes(int within_ms)
{
    struct pollfd p = {.fd = 0, .events = POLLIN};
    char drop[256];
    return poll(&p, 1, within_ms) > 0 && read(0, drop, sizeof drop) <= 0;
}

int slow_main(int argc, char **argv)
{
    struct options o = options_read(argc, argv);
    if (argc - optind != 1)
        die("slow: which port?");
    struct stream s = {.fd = connect_to(port_of(argv[optind]))};
    set_nonblocking(s.fd, true);
    uint64_t start = now_ns();
    while (!stdin_closes(SLOW_TICK_MS)) {
        uint64_t allowed = (uint64_t)(seconds_between(start, now_ns()) * (double)o.rate);
        if (allowed <= s.moved)
            continue;
        ssize_t n = discard(s.fd, (size_t)(allowed - s.moved));
        if (n == 0 || (n < 0 && errno != EAGAIN))
            die("the connection was cut after %llu bytes", (unsigned long long)s.moved);
        s.moved += n > 0 ? (uint64_t)n : 0;
    }
    printf("{\"bytes\": %llu}\n", (unsigned long long)s.moved);
    return 0;
}
