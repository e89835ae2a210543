#define _GNU_SOURCE /* sched_getaffinity */

#include "net/loop.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static struct timespec clock_now(void)
{
    struct timespec t = {0};

    /* CLOCK_MONOTONIC cannot fail with a valid pointer on Linux. */
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t;
}

uint64_t loop_now_ms(void)
{
    struct timespec t = clock_now();

    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

uint64_t loop_now_us(void)
{
    struct timespec t = clock_now();

    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static bool has_another_cpu(void)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    return sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 1;
}

enum adit_err loop_init(struct loop *loop, struct adit_error *err)
{
    memset(loop, 0, sizeof *loop);
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot make an epoll descriptor: %s", strerror(errno));
    loop->can_look = has_another_cpu();
    return ADIT_E_OK;
}

void loop_wipe(struct loop *loop)
{
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    memset(loop, 0, sizeof *loop);
    loop->epoll_fd = -1;
}

/* ---- Descriptors ---- */

void loop_fd_init(struct loop_fd *f, uint8_t kind, void *owner)
{
    memset(f, 0, sizeof *f);
    f->fd = -1;
    f->kind = kind;
    f->owner = owner;
}

static void queue_push(struct loop *loop, struct loop_fd *f)
{
    if (f->is_queued)
        return;
    f->is_queued = true;
    f->queue_next = NULL;
    f->queue_prev = loop->queue_last;
    *(loop->queue_last ? &loop->queue_last->queue_next : &loop->queue_first) = f;
    loop->queue_last = f;
}

static void queue_remove(struct loop *loop, struct loop_fd *f)
{
    if (!f->is_queued)
        return;
    *(f->queue_prev ? &f->queue_prev->queue_next : &loop->queue_first) = f->queue_next;
    *(f->queue_next ? &f->queue_next->queue_prev : &loop->queue_last) = f->queue_prev;
    f->queue_next = f->queue_prev = NULL;
    f->is_queued = false;
}

static void fd_reset(struct loop_fd *f, int fd)
{
    loop_fd_init(f, f->kind, f->owner);
    f->fd = fd;
}

enum adit_err loop_add(struct loop *loop, struct loop_fd *f, int fd, struct adit_error *err)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = f}};

    fd_reset(f, fd);
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0)
        return ADIT_E_OK;
    if (errno != EPERM) {
        f->fd = -1;
        return adit_fail(err, ADIT_E_SYSTEM, "cannot watch descriptor %d: %s", fd, strerror(errno));
    }
    f->always_ready = f->can_read = f->can_write = true;
    queue_push(loop, f);
    return ADIT_E_OK;
}

void loop_del(struct loop *loop, struct loop_fd *f)
{
    struct epoll_event unused = {0}; /* kernels before 2.6.9 want one */

    if (f->fd < 0)
        return;
    queue_remove(loop, f);
    if (!f->always_ready)
        (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, f->fd, &unused);
    fd_reset(f, -1);
}

void loop_fd_not_readable(struct loop_fd *f)
{
    f->can_read = f->always_ready;
}

void loop_fd_not_writable(struct loop_fd *f)
{
    f->can_write = f->always_ready;
}

void loop_fd_short_read(struct loop_fd *f)
{
    f->can_read = f->always_ready || f->peer_done || f->hangup;
}

void loop_fd_short_write(struct loop_fd *f)
{
    f->can_write = f->always_ready || f->hangup;
}

static void fd_note(struct loop *loop, struct loop_fd *f, uint32_t events)
{
    bool over = (events & (EPOLLHUP | EPOLLERR)) != 0;

    f->can_read |= over || (events & (EPOLLIN | EPOLLRDHUP)) != 0;
    f->can_write |= over || (events & EPOLLOUT) != 0;
    f->peer_done |= (events & EPOLLRDHUP) != 0;
    f->hangup |= over;
    queue_push(loop, f);
}

/* The time to wait in the form that epoll_wait takes. Cut short when it does not fit: the caller looks at the
 * clock again anyway. */
static int wait_ms(const struct loop *loop, uint64_t deadline_ms)
{
    uint64_t timer = loop_next_deadline(loop);
    uint64_t until = timer < deadline_ms ? timer : deadline_ms;
    uint64_t now;

    if (loop->queue_first || until == 0)
        return 0;
    if (until == LOOP_NEVER)
        return -1;
    now = loop_now_ms();
    if (until <= now)
        return 0;
    return until - now > INT_MAX ? INT_MAX : (int)(until - now);
}

/* How many events came; -1 as epoll_wait. */
static int take_events(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[LOOP_BATCH];
    int n = epoll_wait(loop->epoll_fd, events, LOOP_BATCH, timeout_ms);

    /* Every event is moved into its loop_fd before anybody can delete one: no event of this batch is left
     * that could point to something that is gone. */
    for (int i = 0; i < n; i++)
        fd_note(loop, events[i].data.ptr, events[i].events);
    return n;
}

/* ---- Whether a look pays. Short waits earn credit, a look in vain costs more than one of them earned. ---- */

enum {
    CREDIT_ENOUGH = 8,
    CREDIT_MOST = 32,
    CREDIT_MISS = 4,
    CREDIT_BUSY = -64, /* others want the CPU */
};

static void look_earned(struct loop *loop, bool is_short)
{
    if (is_short)
        loop->look_credit += loop->look_credit < CREDIT_MOST;
    else if (loop->look_credit > 0)
        loop->look_credit -= loop->look_credit < CREDIT_MISS ? loop->look_credit : CREDIT_MISS;
}

bool loop_look(struct loop *loop)
{
    uint64_t start, now;

    if (loop->queue_first || !loop->can_look || loop->look_credit < CREDIT_ENOUGH)
        return loop->queue_first != NULL;
    start = now = loop_now_us();
    while (now - start < LOOP_LOOK_US) {
        uint64_t before = now;

        if (take_events(loop, 0) > 0) {
            look_earned(loop, true);
            return true;
        }
        (void)sched_yield();
        now = loop_now_us();
        if (now - before > 4 * LOOP_LOOK_US) {
            loop->look_credit = CREDIT_BUSY;
            return false;
        }
    }
    look_earned(loop, false);
    return false;
}

enum adit_err loop_wait(struct loop *loop, uint64_t deadline_ms, struct adit_error *err)
{
    int ms = wait_ms(loop, deadline_ms);
    uint64_t start = loop_now_us();
    int n = take_events(loop, ms);

    if (n < 0 && errno != EINTR)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot wait for events: %s", strerror(errno));
    /* A wait that was long says nothing against a look: the next answer may be as quick as the last ones. */
    if (ms != 0 && n > 0 && loop_now_us() - start < LOOP_LOOK_US)
        look_earned(loop, true);
    return ADIT_E_OK;
}

void loop_sleep_us(uint32_t us)
{
    const struct timespec t = {.tv_nsec = us < 1000 ? (long)us * 1000 : 999999};

    /* A signal ends it early: no harm. */
    (void)nanosleep(&t, NULL);
}

struct loop_fd *loop_next(struct loop *loop)
{
    struct loop_fd *f = loop->queue_first;

    if (f)
        queue_remove(loop, f);
    return f;
}

/* ---- Timers: a pairing heap. A node's prev is its left sibling or, for a first child, its parent. ---- */

static struct loop_timer *heap_meld(struct loop_timer *a, struct loop_timer *b)
{
    struct loop_timer *top, *sub;

    if (!a || !b)
        return a ? a : b;
    top = b->at_ms < a->at_ms ? b : a;
    sub = top == a ? b : a;
    sub->prev = top;
    sub->next = top->child;
    if (top->child)
        top->child->prev = sub;
    top->child = sub;
    return top;
}

/* Melds a list of siblings in two passes (pairs from the left, then one by one), without recursion: a session
 * may have thousands. */
static struct loop_timer *heap_meld_siblings(struct loop_timer *first)
{
    struct loop_timer *pairs = NULL, *root = NULL;

    while (first) {
        struct loop_timer *a = first, *b = a->next;

        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b)
            b->next = b->prev = NULL;
        a = heap_meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    while (pairs) {
        struct loop_timer *t = pairs;

        pairs = t->next;
        t->next = NULL;
        root = heap_meld(root, t);
    }
    return root;
}

static void heap_unlink(struct loop *loop, struct loop_timer *t)
{
    struct loop_timer *sub = heap_meld_siblings(t->child);

    if (t == loop->timers) {
        loop->timers = sub;
    } else {
        *(t->prev->child == t ? &t->prev->child : &t->prev->next) = t->next;
        if (t->next)
            t->next->prev = t->prev;
        loop->timers = heap_meld(loop->timers, sub);
    }
    if (loop->timers)
        loop->timers->prev = loop->timers->next = NULL;
    t->child = t->next = t->prev = NULL;
    t->is_set = false;
}

void loop_timer_init(struct loop_timer *t, int kind, void *owner)
{
    memset(t, 0, sizeof *t);
    t->at_ms = LOOP_NEVER;
    t->kind = kind;
    t->owner = owner;
}

void loop_timer_set(struct loop *loop, struct loop_timer *t, uint64_t at_ms)
{
    loop_timer_cancel(loop, t);
    if (at_ms == LOOP_NEVER)
        return;
    t->at_ms = at_ms;
    t->is_set = true;
    loop->timers = heap_meld(loop->timers, t);
}

void loop_timer_cancel(struct loop *loop, struct loop_timer *t)
{
    if (!t->is_set)
        return;
    heap_unlink(loop, t);
    t->at_ms = LOOP_NEVER;
}

struct loop_timer *loop_expired(struct loop *loop, uint64_t now_ms)
{
    struct loop_timer *t = loop->timers;

    if (!t || t->at_ms > now_ms)
        return NULL;
    heap_unlink(loop, t);
    return t;
}

uint64_t loop_next_deadline(const struct loop *loop)
{
    return loop->timers ? loop->timers->at_ms : LOOP_NEVER;
}
