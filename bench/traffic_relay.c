/*
 * traffic_relay.c - what forwarding costs without SSH: a relay by read and write, or by splice.
 *
 * Edge-triggered, one registration a socket: in the steady state there is one epoll_wait for many chunks. A
 * flow that never blocks gives way to the others after TURN_CHUNKS.
 */
#include "bench/traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK_LEN = 256 * 1024, TURN_CHUNKS = 16 };

/* One direction. What the receiver does not take yet is in `rest`, or in the pipe. */
struct flow {
    int from, to, pipe_in, pipe_out;
    uint8_t *rest;
    size_t held, rest_at;
    bool done;
};

struct link {
    struct watch watch;
    struct flow up, down;
    bool queued;
};

enum turn { TURN_BLOCKED, TURN_MORE, TURN_BROKEN };

static struct {
    struct watch watch;
    struct sockaddr_in target;
    int listener;
    bool is_splice;
} relay;

static uint8_t chunk[CHUNK_LEN];

static ssize_t flow_read(struct flow *f)
{
    if (relay.is_splice)
        return splice(f->from, NULL, f->pipe_in, NULL, CHUNK_LEN, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return read(f->from, chunk, CHUNK_LEN);
}

/* The bytes are in the chunk just read, or in the rest of an earlier one. */
static ssize_t flow_write(struct flow *f)
{
    if (relay.is_splice)
        return splice(f->pipe_out, NULL, f->to, NULL, f->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    return write(f->to, f->rest != NULL ? f->rest + f->rest_at : chunk, f->held);
}

/* Whatever was not written stays with the flow, since the next one reads into the same chunk. */
static void flow_keep(struct flow *f, size_t written)
{
    f->held -= written;
    if (relay.is_splice)
        return;
    if (f->rest == NULL && f->held > 0) {
        f->rest = malloc(f->held);
        if (f->rest == NULL)
            die("no memory");
        memcpy(f->rest, chunk + written, f->held);
        f->rest_at = 0;
    } else if (f->rest != NULL) {
        f->rest_at += written;
    }
    if (f->held == 0) {
        free(f->rest);
        f->rest = NULL;
    }
}

static enum turn flow_flush(struct flow *f)
{
    while (f->held > 0) {
        ssize_t n = flow_write(f);
        if (n < 0 && errno != EAGAIN)
            return TURN_BROKEN;
        flow_keep(f, n < 0 ? 0 : (size_t)n);
        if (n < 0)
            return TURN_BLOCKED;
    }
    return TURN_MORE;
}

static enum turn flow_fill(struct flow *f)
{
    ssize_t n = flow_read(f);
    if (n < 0)
        return errno == EAGAIN ? TURN_BLOCKED : TURN_BROKEN;
    if (n == 0) {
        f->done = true;
        shutdown(f->to, SHUT_WR);
        return TURN_BLOCKED;
    }
    f->held = (size_t)n;
    return TURN_MORE;
}

static enum turn flow_run(struct flow *f)
{
    for (int i = 0; i < TURN_CHUNKS; i++) {
        enum turn t = flow_flush(f);
        if (t != TURN_MORE)
            return t;
        if (f->done)
            return TURN_BLOCKED;
        t = flow_fill(f);
        if (t != TURN_MORE)
            return t;
    }
    return flow_flush(f);
}

static void flow_close(struct flow *f)
{
    close(f->from);
    if (relay.is_splice) {
        close(f->pipe_in);
        close(f->pipe_out);
    }
    free(f->rest);
}

static void link_end(struct link *l)
{
    flow_close(&l->up);
    flow_close(&l->down);
    loop_free(&l->watch);
}

static void on_link(struct watch *w, uint32_t events)
{
    struct link *l = (struct link *)w;
    if (events == 0)
        l->queued = false;
    enum turn up = flow_run(&l->up), down = up == TURN_BROKEN ? TURN_BROKEN : flow_run(&l->down);
    if (up == TURN_BROKEN || down == TURN_BROKEN || (l->up.done && l->down.done)) {
        link_end(l);
    } else if ((up == TURN_MORE || down == TURN_MORE) && !l->queued) {
        l->queued = true;
        loop_again(w);
    }
}

static struct flow flow_new(int from, int to)
{
    struct flow f = {.from = from, .to = to};
    int ends[2];
    if (!relay.is_splice)
        return f;
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        die_errno("pipe");
    fcntl(ends[1], F_SETPIPE_SZ, CHUNK_LEN);
    f.pipe_out = ends[0];
    f.pipe_in = ends[1];
    return f;
}

static void link_new(int client)
{
    struct link *l = calloc(1, sizeof *l);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l == NULL || server < 0)
        die_errno("a new connection");
    set_nodelay(client);
    set_nodelay(server);
    if (connect(server, (struct sockaddr *)&relay.target, sizeof relay.target) != 0 && errno != EINPROGRESS) {
        free(l);
        close(client);
        close(server);
        return;
    }
    l->watch.on_event = on_link;
    l->up = flow_new(client, server);
    l->down = flow_new(server, client);
    loop_add(client, &l->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    loop_add(server, &l->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

static void on_listener(struct watch *w, uint32_t events)
{
    (void)w;
    (void)events;
    for (int fd; (fd = accept4(relay.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
        link_new(fd);
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
        die_errno("accept");
}

int relay_main(int argc, char **argv)
{
    if (argc != 5 || (strcmp(argv[1], "rw") != 0 && strcmp(argv[1], "splice") != 0))
        die("usage: traffic relay rw|splice PORT HOST PORT");
    uint16_t port = (uint16_t)number_of("port", argv[2], 0, 65535);
    relay.is_splice = strcmp(argv[1], "splice") == 0;
    relay.target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port_of(argv[4]))};
    if (inet_pton(AF_INET, argv[3], &relay.target.sin_addr) != 1)
        die("%s is not an IPv4 address", argv[3]);
    files_all();
    loop_init();
    relay.listener = listen_on(&port);
    relay.watch.on_event = on_listener;
    loop_add(relay.listener, &relay.watch, EPOLLIN);
    printf("{\"port\": %u}\n", port);
    fflush(stdout);
    loop_run();
}
