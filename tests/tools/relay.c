/*
 * relay.c - a TCP relay in user space that makes a bad network out of loopback.
 *
 *     relay [-d MS] [-r BYTES] [-k BYTES] [-c BYTES] [-t FILE] [-p PORT] HOST PORT
 *
 *     -d MS     hold every byte for MS milliseconds in each direction (round trip: twice that)
 *     -r BYTES  a line of BYTES a second in each direction (of each connection), with a queue of a tenth of a
 *               second before it; what does not fit stays with the sender
 *     -k BYTES  hand on at most BYTES at a time (1: a byte at a time)
 *     -c BYTES  reset both sides once BYTES have gone from the server to the client
 *     -t FILE   trace, a line an event as the client sees it: "C n t": it sent n bytes at t microseconds,
 *               "S n t": it was sent n
 *     -p PORT   listen on this port of 127.0.0.1 (default: any free one)
 *
 * Prints the port it listens on, then serves until SIGTERM. SIGUSR1 freezes every connection (nothing is
 * read, written or closed: a black hole), SIGUSR2 thaws them. HOST is an IPv4 address. For tests alone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 64 * 1024,
    MAX_HELD = 64 * 1024 * 1024,
    LINE_PIECE = 1460,     /* what a slow line carries at a time */
    LINE_CREDIT_US = 20000 /* how late a piece may be and the rate still be kept */
};

struct chunk {
    struct chunk *next;
    uint64_t due_us;
    size_t at, len;
    bool eof;
    uint8_t bytes[];
};

/* What goes one way: read from `from`, held, written to `to`. */
struct flow {
    int from, to;
    struct chunk *head, *tail;
    size_t held;
    uint64_t passed, line_free_us;
    bool read_done, write_done, to_client;
};

struct pair {
    struct pair *next;
    struct flow up, down;
    bool dead;
};

static struct {
    uint64_t delay_us, cut_at, rate;
    size_t max_write, max_held;
    struct sockaddr_in target;
    FILE *trace;
    int epoll, listener, signals;
    bool frozen;
    struct pair *pairs;
} relay = {.max_write = CHUNK, .max_held = MAX_HELD};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void trace(char who, size_t n)
{
    if (relay.trace == NULL)
        return;
    fprintf(relay.trace, "%c %zu %llu\n", who, n, (unsigned long long)now_us());
    fflush(relay.trace);
}

static void watch(int fd, void *owner)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = owner};
    if (epoll_ctl(relay.epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
        die("epoll_ctl");
}

static void pair_reset(struct pair *p)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(p->up.from, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    setsockopt(p->up.to, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    p->dead = true;
}

static void flow_push(struct flow *f, struct chunk *c)
{
    c->due_us = now_us() + relay.delay_us;
    c->next = NULL;
    if (f->tail != NULL)
        f->tail->next = c;
    else
        f->head = c;
    f->tail = c;
    f->held += c->len;
}

/* Reads what there is. False: the connection broke. */
static bool flow_read(struct flow *f)
{
    while (!f->read_done && f->held < relay.max_held) {
        struct chunk *c = malloc(sizeof *c + CHUNK);
        if (c == NULL)
            die("malloc");
        size_t room = relay.max_held - f->held;
        ssize_t n = read(f->from, c->bytes, room < CHUNK ? room : CHUNK);
        if (n < 0) {
            free(c);
            return errno == EAGAIN;
        }
        c->at = 0;
        c->len = (size_t)n;
        c->eof = n == 0;
        f->read_done = n == 0;
        if (n > 0 && !f->to_client)
            trace('C', (size_t)n);
        flow_push(f, c);
    }
    return true;
}

static void flow_drop_head(struct flow *f)
{
    struct chunk *c = f->head;
    f->head = c->next;
    if (f->head == NULL)
        f->tail = NULL;
    free(c);
}

/* The line is taken for as long as n bytes need; a little lateness of ours is made good. */
static void flow_take_line(struct flow *f, size_t n)
{
    uint64_t now = now_us();
    if (relay.rate == 0)
        return;
    if (f->line_free_us + LINE_CREDIT_US < now)
        f->line_free_us = now;
    f->line_free_us += n * 1000000u / relay.rate;
}

/* Writes what is due; returns when the next is due, UINT64_MAX for none. Sets *broken. */
static uint64_t flow_write(struct flow *f, bool *broken)
{
    while (f->head != NULL) {
        struct chunk *c = f->head;
        uint64_t due_us = c->due_us > f->line_free_us ? c->due_us : f->line_free_us;
        if (due_us > now_us())
            return due_us;
        if (c->eof) {
            shutdown(f->to, SHUT_WR);
            f->write_done = true;
            flow_drop_head(f);
            continue;
        }
        size_t want = c->len - c->at < relay.max_write ? c->len - c->at : relay.max_write;
        ssize_t n = write(f->to, c->bytes + c->at, want);
        if (n < 0) {
            *broken |= errno != EAGAIN;
            return UINT64_MAX;
        }
        if (f->to_client)
            trace('S', (size_t)n);
        flow_take_line(f, (size_t)n);
        f->passed += (uint64_t)n;
        f->held -= (size_t)n;
        c->at += (size_t)n;
        if (c->at == c->len)
            flow_drop_head(f);
    }
    return UINT64_MAX;
}

static uint64_t pair_run(struct pair *p)
{
    bool broken = !flow_read(&p->up) || !flow_read(&p->down);
    bool was_full = p->up.held >= relay.max_held || p->down.held >= relay.max_held;
    uint64_t a = flow_write(&p->up, &broken), b = flow_write(&p->down, &broken);
    bool cut = relay.cut_at != 0 && p->down.passed >= relay.cut_at;
    if (broken || cut)
        pair_reset(p);
    if (p->up.write_done && p->down.write_done)
        p->dead = true;
    if (was_full && p->up.held < relay.max_held && p->down.held < relay.max_held)
        return 0; /* read again */
    return a < b ? a : b;
}

static void pair_free(struct pair *p)
{
    close(p->up.from);
    close(p->up.to);
    while (p->up.head != NULL)
        flow_drop_head(&p->up);
    while (p->down.head != NULL)
        flow_drop_head(&p->down);
    free(p);
}

/* The kernel's buffers would be a second, long queue before a slow line: ours, and with loopback's segments
 * of 64 KiB the peers', which are as long as some segments. Inherited by accepted sockets. */
static void limit_buffers(int fd)
{
    int len = (int)relay.max_held, segment = LINE_PIECE;
    if (relay.rate == 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &len, sizeof len);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &len, sizeof len);
    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
}

static void set_rate(uint64_t rate)
{
    relay.rate = rate;
    relay.max_held = (size_t)(rate / 10) + 2 * LINE_PIECE;
    relay.max_write = LINE_PIECE;
}

static void accept_one(void)
{
    int client = accept4(relay.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (client < 0)
        return;
    int server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (server < 0)
        die("socket");
    limit_buffers(server);
    int yes = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connect(server, (struct sockaddr *)&relay.target, sizeof relay.target);
    struct pair *p = calloc(1, sizeof *p);
    if (p == NULL)
        die("calloc");
    p->up = (struct flow){.from = client, .to = server};
    p->down = (struct flow){.from = server, .to = client, .to_client = true};
    p->next = relay.pairs;
    relay.pairs = p;
    watch(client, p);
    watch(server, p);
}

static void run_pairs(uint64_t *next_us)
{
    for (struct pair **at = &relay.pairs; *at != NULL;) {
        struct pair *p = *at;
        uint64_t due = pair_run(p);
        if (due < *next_us)
            *next_us = due;
        if (p->dead) {
            *at = p->next;
            pair_free(p);
        } else {
            at = &p->next;
        }
    }
}

static void on_signal(void)
{
    struct signalfd_siginfo info;
    if (read(relay.signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
        exit(0);
    relay.frozen = info.ssi_signo == SIGUSR1;
}

static int wait_ms(uint64_t next_us)
{
    if (relay.frozen || next_us == UINT64_MAX)
        return -1;
    uint64_t now = now_us();
    return next_us <= now ? 0 : (int)((next_us - now + 999) / 1000);
}

static void serve(void)
{
    uint64_t next_us = UINT64_MAX;
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(relay.epoll, events, 64, wait_ms(next_us));
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &relay.signals)
                on_signal();
            if (events[i].data.ptr == &relay.listener && !relay.frozen)
                accept_one();
        }
        next_us = UINT64_MAX;
        if (!relay.frozen)
            run_pairs(&next_us);
    }
}

static void set_up(uint16_t port)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    relay.signals = signalfd(-1, &set, SFD_CLOEXEC);
    relay.epoll = epoll_create1(EPOLL_CLOEXEC);
    relay.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof at;
    int yes = 1;
    setsockopt(relay.listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    limit_buffers(relay.listener);
    if (bind(relay.listener, (struct sockaddr *)&at, len) != 0 || listen(relay.listener, 1024) != 0)
        die("listen");
    getsockname(relay.listener, (struct sockaddr *)&at, &len);
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &relay.listener};
    epoll_ctl(relay.epoll, EPOLL_CTL_ADD, relay.listener, &ev);
    ev.data.ptr = &relay.signals;
    epoll_ctl(relay.epoll, EPOLL_CTL_ADD, relay.signals, &ev);
    printf("%u\n", ntohs(at.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    uint16_t port = 0;
    for (int c; (c = getopt(argc, argv, "d:r:k:c:t:p:")) != -1;) {
        if (c == 'd')
            relay.delay_us = strtoull(optarg, NULL, 10) * 1000u;
        if (c == 'r')
            set_rate(strtoull(optarg, NULL, 10));
        if (c == 'k')
            relay.max_write = strtoul(optarg, NULL, 10);
        if (c == 'c')
            relay.cut_at = strtoull(optarg, NULL, 10);
        if (c == 'p')
            port = (uint16_t)strtoul(optarg, NULL, 10);
        if (c == 't' && (relay.trace = fopen(optarg, "w")) == NULL)
            die(optarg);
        if (c == '?')
            return 2;
    }
    if (argc - optind != 2)
        return 2;
    relay.target.sin_family = AF_INET;
    relay.target.sin_port = htons((uint16_t)strtoul(argv[optind + 1], NULL, 10));
    if (inet_pton(AF_INET, argv[optind], &relay.target.sin_addr) != 1)
        die(argv[optind]);
    set_up(port);
    serve();
}
