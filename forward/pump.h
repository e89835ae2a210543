/*
 * pump.h - carries bytes between a local end and a far end, both ways, until both directions are over.
 *
 * A pump knows neither SSH nor TCP: its two ends are tables of operations. The near end is a descriptor in a
 * loop (a socket; or a pair of shared ones, standard input and output). The far end is a place to put
 * bytes into (space, commit), whose own bytes are handed in by pump_on_data and given back by consumed: a
 * channel, or a fake one in tests.
 *
 * Up (near to far): bytes are read straight into the far end's places. No place, no read: local TCP pushes
 * back. Down (far to near): the spans of one far end are gathered and written at once; only what the
 * descriptor does not take is copied to the pump's ring, whose chunks exist only while they hold something.
 *
 * Ends. The near end's EOF becomes the far end's eof; the far end's EOF becomes a shutdown of the near end
 * once the ring is empty; each direction goes on without the other. When both are over the far end is closed
 * and the descriptor too. A near end that fails (a reset) closes the far end. A far end that is gone lets the
 * ring run empty first, then the descriptor is closed.
 *
 * A pump at rest is one struct of under 200 bytes and nothing else. One thread; nothing locks; the only
 * allocations are ring chunks. Frames stay below 4 KiB.
 */
#ifndef FORWARD_PUMP_H
#define FORWARD_PUMP_H

#include "adit.h"
#include "net/loop.h"
#include "net/sock.h"

struct channel; /* the far end: opaque here */
struct pump;

enum {
    PUMP_PLACES = 8,             /* places filled by one read */
    PUMP_QUANTUM = 256 * 1024,   /* bytes that one turn may carry up; half of it while others wait */
    PUMP_GATHER = 64,            /* spans written by one call */
    PUMP_CHUNK = 16 * 1024 - 64, /* bytes in a chunk of the ring */
};

/* The far end. ctx is pump_set.far_ctx. The calls mean what ssh_chan_* of the same name mean. */
struct pump_far {
    size_t (*space)(void *ctx, struct channel *ch, struct wspan *places, size_t max, size_t limit);
    void (*commit)(void *ctx, struct channel *ch, size_t n);
    void (*consumed)(void *ctx, struct channel *ch, size_t n, bool prompt);
    void (*eof)(void *ctx, struct channel *ch);
    void (*close)(void *ctx, struct channel *ch);
    /* The near end of a session's stream takes nothing more. */
    void (*unwanted)(void *ctx, struct channel *ch);
    /* What goes through standard descriptor 0, 1 or 2 is not whole, and not because the other side of it has
     * left. owner is the descriptor's: the far end may have gone already. */
    void (*near_failed)(void *ctx, void *owner, int number, const struct adit_error *why);
    /* How many bytes all pumps together may put in now; 0: when there is room again, pump_set_run is called.
     */
    size_t (*room)(void *ctx);
};

/* The near end. The results are those of net/sock.h. */
struct pump_near {
    enum sock_io (*readv)(int fd, const struct iovec *iov, int count, size_t *n, struct adit_error *err);
    enum sock_io (*writev)(int fd, const struct iovec *iov, int count, size_t *n, struct adit_error *err);
    bool is_shared; /* a short read says nothing there, and the two directions are two descriptors */
};
extern const struct pump_near pump_near_socket; /* one non-blocking descriptor */
/* Copies of standard input and output by net/standard.h, each shared or not. */
const struct pump_near *pump_near_standard(bool in_is_shared, bool out_is_shared);

struct pump_chunk {
    struct pump_chunk *next;
    size_t from, to; /* bytes[from..to) wait */
    uint8_t bytes[PUMP_CHUNK];
};

/* What waits for the near end; allocated when the first byte does. */
struct pump_ring {
    struct pump_chunk *first, *last;
    size_t len;
    uint64_t progress_ms; /* when a byte left it last, or when it was made */
    struct pump *pump;
    struct pump_ring *next, *prev; /* all rings of the set */
};

/* What the pumps of one connection share. */
struct pump_set {
    struct loop *loop;
    const struct pump_far *far;
    void *far_ctx;
    size_t budget, buffered; /* bytes in all rings */
    struct pump_ring *rings;
    size_t ring_count;
    struct pump_chunk *spare; /* one, kept against malloc churn */
    struct pump *run_first, *run_last;
    struct pump *gather_pump; /* spans of this pump, not yet delivered */
    size_t gather_count;
    struct span gather[PUMP_GATHER];
    uint64_t bytes_up, bytes_down;
    uint64_t now_ms; /* the time of this turn: whoever has the set keeps it */
};

struct pump {
    struct pump_set *set;
    const struct pump_near *near;
    struct channel *channel; /* NULL before pump_start and after the far end has gone */
    struct loop_fd in;       /* fd -1: closed */
    struct loop_fd *out;     /* &in, or a second one for shared descriptors */
    struct pump_ring *ring;
    struct pump_chunk *early; /* bytes read before pump_start that go first */
    struct pump *run_next, *run_prev;
    uint64_t bytes_up, bytes_down;
    uint64_t moved_ms; /* the set's now_ms when it was started, or carried something last */
    bool is_started;
    bool in_run;
    bool wants_space; /* space was empty: the far end will say */
    bool in_over;     /* nothing more to carry up */
    bool out_over;    /* nothing more to carry down: shut down, or the near end takes no more */
    bool far_closing; /* we asked to close the far end; it is not gone yet */
    bool far_eof : 1;
    bool far_gone : 1;   /* as if it was closed by the peer: the ring may still run empty */
    bool near_reset : 1; /* the near end failed */
    bool out_failed : 1; /* a write failed: what comes down is thrown away */
    /* A session's stream. Its descriptors are shared with others: they are closed, never shut down or reset.
     * Its far end is closed by its owner alone, who awaits the exit status; each direction ends by itself. */
    bool is_session : 1;
    bool is_side : 1; /* stderr: carries down alone, beside the pump of the same far end */
};

void pump_set_init(struct pump_set *set, struct loop *loop, const struct pump_far *far, void *far_ctx,
                   size_t budget);
void pump_set_wipe(struct pump_set *set); /* all pumps must be wiped before */

/* kind and owner are those of the loop_fd(s). out: NULL for one descriptor, else storage for the second one,
 * which lives as long as the pump. */
void pump_init(struct pump *p, struct pump_set *set, const struct pump_near *near, uint8_t kind, void *owner,
               struct loop_fd *out);
/* Takes the descriptors (in_fd == out_fd, or two) into the loop; they are the pump's from then on, also on
 * failure. Before pump_start the owner may read and write them itself, by the bits of p->in and p->out. */
enum adit_err pump_take_fds(struct pump *p, int in_fd, int out_fd, struct adit_error *err) ADIT_MUST_USE;
/* The same for a pump that carries down alone (is_side). */
enum adit_err pump_take_out(struct pump *p, int out_fd, struct adit_error *err) ADIT_MUST_USE;
/* Bytes that were read before pump_start and belong to the stream; at most PUMP_CHUNK in all. */
enum adit_err pump_early(struct pump *p, struct span bytes, struct adit_error *err) ADIT_MUST_USE;
/* The far end is there: carry. */
void pump_start(struct pump *p, struct channel *ch);

/* ---- What happened. on_ready, on_closed, on_lost and abort may end the pump: look at pump_is_done
 * afterwards. (The others cannot, since the far end is still there.) */

/* The loop returned p->in or p->out. */
void pump_on_ready(struct pump *p);
/* Bytes of the far end. They are collected: call pump_set_flush before they die, at the latest. */
void pump_on_data(struct pump *p, struct span data);
/* The far end has room again. */
void pump_on_space(struct pump *p);
void pump_on_eof(struct pump *p);
/* The far end has gone for good; its pointer is not used any more. */
void pump_on_closed(struct pump *p);
/* The far end has gone because the transport did: bytes may be missing, so the near end is reset unless the
 * far end's EOF had come. */
void pump_on_lost(struct pump *p);
/* The far end takes no more: nothing more is read from the near end. */
void pump_stop_reading(struct pump *p);
/* Ends it from here: the far end is closed, the near end reset. Done once the far end is gone. */
void pump_abort(struct pump *p);

/* The same in order: the near end sees an end of data. */
void pump_close(struct pump *p);

/* Delivers what pump_on_data collected. */
void pump_set_flush(struct pump_set *set);

/* Gives one turn to the pump that waits longest. False when none waits or there is no room. */
bool pump_set_run(struct pump_set *set);
/* A pump waits for its turn and there is room. */
bool pump_set_has_work(const struct pump_set *set);

/* At the budget no more may be read from the transport. */
bool pump_set_is_full(const struct pump_set *set);
/* The pump that holds more than its share of the budget (budget / rings) and gave no byte to its near end
 * since before_ms; the fullest of them. NULL when there is none. */
struct pump *pump_set_stalled(const struct pump_set *set, uint64_t before_ms);

/* Both directions are over and the far end is gone: pump_wipe it. */
bool pump_is_done(const struct pump *p);
/* Closes what is open, frees what is held. Does not touch the far end. */
void pump_wipe(struct pump *p);

#endif
