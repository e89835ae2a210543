/*
 * loop.h - one thread's epoll: edge-triggered readiness and deadlines, pulled by the owner.
 *
 * There are no callbacks. The owner calls loop_wait, then loop_next until it returns NULL, then
 * loop_expired until it returns NULL, and may add or delete descriptors and timers at any point of that.
 * A loop belongs to one thread; nothing here locks.
 *
 * Readiness is two bits, set by edge-triggered events and cleared only by the owner: on EAGAIN or after a
 * short transfer (after a complete one no new edge comes). epoll_ctl is called by loop_add and loop_del
 * alone, never on the data path.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "adit.h"

enum {
    LOOP_BATCH = 256,  /* events taken from the kernel at one time */
    LOOP_LOOK_US = 60, /* a far end on the same machine or switch answers within it */
};
#define LOOP_NEVER UINT64_MAX /* a deadline that never comes */

/* A descriptor in a loop. It is embedded in its owner's struct and must not move while it is in a loop.
 * loop_fd_init it once; `kind` and `owner` are the caller's, to find its way back. Kept small: there is one
 * for each of thousands of connections. */
struct loop_fd {
    int fd; /* -1 when in no loop; never closed here */
    uint8_t kind;
    bool can_read : 1;
    bool can_write : 1;
    bool peer_done : 1;    /* EPOLLRDHUP: the peer sends no more (read until SOCK_IO_EOF all the same) */
    bool hangup : 1;       /* EPOLLHUP or EPOLLERR: both directions are over; the next read or write says why.
                            * Sets can_read and can_write too, so that it is found out. */
    bool always_ready : 1; /* a regular file: epoll does not take it, it never waits */
    bool is_queued : 1;    /* the loop's own, as the next line */
    struct loop_fd *queue_next, *queue_prev;
    void *owner;
};

/* A deadline, embedded in its owner's struct; it costs no allocation. loop_timer_init it once. */
struct loop_timer {
    uint64_t at_ms; /* absolute, of loop_now_ms */
    int kind;
    void *owner;
    /* the loop's own: a node of a pairing heap */
    bool is_set;
    struct loop_timer *child, *next, *prev;
};

struct loop {
    int epoll_fd;
    struct loop_fd *queue_first, *queue_last; /* new readiness, not yet returned by loop_next */
    struct loop_timer *timers;                /* the heap's root: the earliest */
    bool can_look;                            /* there is another CPU for those that we wait for */
    int look_credit;                          /* see loop_look */
};

/* Monotonic time since an arbitrary point; never the wall clock. */
uint64_t loop_now_ms(void);
uint64_t loop_now_us(void);

/* Fails with ADIT_E_SYSTEM. loop_wipe closes the epoll descriptor; the loop_fds' own stay open. */
enum adit_err loop_init(struct loop *loop, struct adit_error *err) ADIT_MUST_USE;
void loop_wipe(struct loop *loop);

void loop_fd_init(struct loop_fd *f, uint8_t kind, void *owner);

/* Registers fd once for reading, writing and hang-up, edge-triggered. The first loop_wait after it reports
 * what is ready already. A regular file (EPERM) is no error: it gets always_ready and both bits, and
 * is returned once by the next loop_next. f must not be in a loop. */
enum adit_err loop_add(struct loop *loop, struct loop_fd *f, int fd, struct adit_error *err) ADIT_MUST_USE;

/* Takes f out (fd becomes -1) before its owner closes the descriptor or dies: f is never returned again, also
 * when its event belongs to the batch that is being delivered. Does nothing when f is in no loop. */
void loop_del(struct loop *loop, struct loop_fd *f);

/* Clear a bit after SOCK_IO_AGAIN; a file that is always ready keeps it. */
void loop_fd_not_readable(struct loop_fd *f);
void loop_fd_not_writable(struct loop_fd *f);
/* The same after a short transfer of a non-blocking descriptor, which means that the next one would give
 * EAGAIN. The bit stays when an end or a failure was already reported: no edge will tell of that again. */
void loop_fd_short_read(struct loop_fd *f);
void loop_fd_short_write(struct loop_fd *f);

/* Waits for readiness, for the earliest timer or for deadline_ms (absolute; LOOP_NEVER: none; 0: do not wait
 * at all), whichever is first. At once when loop_next still has something. A signal ends it with ADIT_E_OK
 * and perhaps nothing to return. The new bits are in the loop_fds when it returns. */
enum adit_err loop_wait(struct loop *loop, uint64_t deadline_ms, struct adit_error *err) ADIT_MUST_USE;

/* A look before a wait: asks for readiness again and again for LOOP_LOOK_US, and leaves the CPU to others in
 * between, because to sleep and be woken costs more than that. Only where it pays: while the waits of this
 * loop have been as short as that lately, and not when others want the CPU; otherwise it returns at once.
 * True when loop_next has something. Timers are not looked at. */
bool loop_look(struct loop *loop);

/* Sleeps so long or a little longer; under a millisecond. Nothing is looked at meanwhile. */
void loop_sleep_us(uint32_t us);

/* The next descriptor with new readiness, or NULL. Each is returned once a batch. */
struct loop_fd *loop_next(struct loop *loop);

void loop_timer_init(struct loop_timer *t, int kind, void *owner);
/* Sets or moves t; LOOP_NEVER cancels it. Cancelling one that is not set does nothing. */
void loop_timer_set(struct loop *loop, struct loop_timer *t, uint64_t at_ms);
void loop_timer_cancel(struct loop *loop, struct loop_timer *t);
/* Takes the earliest timer that is due at now_ms out of the loop and returns it; NULL when none is. */
struct loop_timer *loop_expired(struct loop *loop, uint64_t now_ms);
/* When the earliest timer is due, or LOOP_NEVER. */
uint64_t loop_next_deadline(const struct loop *loop);

#endif
