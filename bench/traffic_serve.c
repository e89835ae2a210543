/* traffic_serve.c - the far ends: echo, source, sink, stuck, greet. */
#include "bench/traffic.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ECHO_LEN = 256 * 1024, SINK_LEN = 4 * 1024 * 1024, CHECK_LEN = 256 * 1024 };

/* One connection. Idle ones hold no buffer. */
struct guest {
    struct watch watch;
    int fd;
    uint64_t moved; /* source: sent; sink: received */
    uint8_t *held;  /* echo: what the peer does not take yet, or NULL */
    size_t held_at, held_len;
    bool verify, wrong;
};

struct door {
    struct watch watch;
    int fd;
    void (*on_event)(struct watch *self, uint32_t events);
    uint32_t events;
    bool greets;
};

static uint8_t scratch[CHECK_LEN > ECHO_LEN ? CHECK_LEN : ECHO_LEN];

static void guest_leave(struct guest *g)
{
    close(g->fd);
    free(g->held);
    loop_free(&g->watch);
}

/* ---- echo -- */

static void echo_hold(struct guest *g, const uint8_t *bytes, size_t len)
{
    g->held = malloc(len);
    if (g->held == NULL)
        die("no memory");
    memcpy(g->held, bytes, len);
    g->held_at = 0;
    g->held_len = len;
    loop_change(g->fd, &g->watch, EPOLLOUT);
}

/* 0 or more were sent; -1: the connection is gone. */
static ssize_t send_some(int fd, const uint8_t *bytes, size_t len)
{
    ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static void echo_drain(struct guest *g)
{
    ssize_t n = send_some(g->fd, g->held + g->held_at, g->held_len - g->held_at);
    if (n < 0) {
        guest_leave(g);
        return;
    }
    g->held_at += (size_t)n;
    if (g->held_at < g->held_len)
        return;
    free(g->held);
    g->held = NULL;
    loop_change(g->fd, &g->watch, EPOLLIN);
}

static void on_echo(struct watch *w, uint32_t events)
{
    struct guest *g = (struct guest *)w;
    (void)events;
    if (g->held != NULL) {
        echo_drain(g);
        return;
    }
    ssize_t n = recv(g->fd, scratch, ECHO_LEN, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    ssize_t sent = n > 0 ? send_some(g->fd, scratch, (size_t)n) : -1;
    if (sent < 0)
        guest_leave(g);
    else if (sent < n)
        echo_hold(g, scratch + sent, (size_t)(n - sent));
}

/* ---- source -- */

static void on_source(struct watch *w, uint32_t events)
{
    struct guest *g = (struct guest *)w;
    if ((events & EPOLLIN) != 0) {
        ssize_t n = discard(g->fd, SINK_LEN);
        if (n == 0)
            loop_change(g->fd, w, EPOLLOUT); /* it says no more and may still read */
    }
    struct pattern_view view;
    pattern_at(&view, g->moved, PATTERN_VIEW_MAX);
    ssize_t n = writev(g->fd, view.iov, view.count);
    if (n > 0)
        g->moved += (uint64_t)n;
    else if (errno != EAGAIN)
        guest_leave(g);
}

/* ---- sink -- */

static void sink_answer(struct guest *g)
{
    uint8_t answer[SINK_ANSWER_LEN] = {0};
    for (int b = 0; b < 8; b++)
        answer[b] = (uint8_t)(g->moved >> 8 * b);
    answer[8] = g->verify && !g->wrong;
    /* Fits always: nothing else was ever sent here. */
    send_some(g->fd, answer, sizeof answer);
    guest_leave(g);
}

static ssize_t sink_take(struct guest *g)
{
    if (g->moved == 0) {
        ssize_t n = recv(g->fd, scratch, 1, 0);
        g->verify = n == 1 && scratch[0] == SINK_VERIFY;
        return n;
    }
    if (!g->verify)
        return discard(g->fd, SINK_LEN);
    ssize_t n = recv(g->fd, scratch, CHECK_LEN, 0);
    if (n > 0 && !pattern_is(g->moved - 1, scratch, (size_t)n))
        g->wrong = true;
    return n;
}

static void on_sink(struct watch *w, uint32_t events)
{
    struct guest *g = (struct guest *)w;
    (void)events;
    ssize_t n = sink_take(g);
    if (n > 0)
        g->moved += (uint64_t)n;
    else if (n == 0)
        sink_answer(g);
    else if (errno != EAGAIN)
        guest_leave(g);
}

/* ---- stuck -- */

static void on_stuck(struct watch *w, uint32_t events)
{
    (void)events; /* only EPOLLHUP and EPOLLERR come: the peer is gone */
    guest_leave((struct guest *)w);
}

/* ---- greet -- */

static void on_greeted(struct watch *w, uint32_t events)
{
    struct guest *g = (struct guest *)w;
    (void)events;
    ssize_t n = discard(g->fd, SINK_LEN);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        guest_leave(g);
}

/* ---- the doors -- */

static void on_door(struct watch *w, uint32_t events)
{
    struct door *d = (struct door *)w;
    (void)events;
    for (int fd; (fd = accept4(d->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct guest *g = calloc(1, sizeof *g);
        if (g == NULL)
            die("no memory");
        set_nodelay(fd);
        if (d->greets)
            send_some(fd, (const uint8_t *)"x", 1);
        g->watch.on_event = d->on_event;
        g->fd = fd;
        loop_add(fd, &g->watch, d->events);
    }
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
        die_errno("accept");
}

static uint16_t door_open(struct door *d)
{
    uint16_t port = 0;
    d->fd = listen_on(&port);
    d->watch.on_event = on_door;
    loop_add(d->fd, &d->watch, EPOLLIN);
    return port;
}

int serve_main(int argc, char **argv)
{
    static struct door echo = {.on_event = on_echo, .events = EPOLLIN};
    static struct door source = {.on_event = on_source, .events = EPOLLIN | EPOLLOUT};
    static struct door sink = {.on_event = on_sink, .events = EPOLLIN};
    static struct door stuck = {.on_event = on_stuck};
    static struct door greet = {.on_event = on_greeted, .events = EPOLLIN, .greets = true};
    options_read(argc, argv);
    files_all();
    loop_init();
    unsigned ports[] = {door_open(&echo), door_open(&source), door_open(&sink), door_open(&stuck),
                        door_open(&greet)};
    printf("{\"echo\": %u, \"source\": %u, \"sink\": %u, \"stuck\": %u, \"greet\": %u}\n", ports[0], ports[1],
           ports[2], ports[3], ports[4]);
    fflush(stdout);
    loop_run();
}
