/*
 * underway.h - how many bytes of one channel are under way to the peer, and how many may be.
 *
 * A peer that cannot keep up leaves what we sent in its socket's buffer, and the bytes of every other channel
 * wait behind it: of a window of 2 MiB that is milliseconds to seconds. So no more is under way than comes
 * back (as window) in two round trips, or in one that is below half a millisecond: enough to keep the peer
 * and the link busy, and no longer queue.
 *
 * Only for a peer that grants window again in small lumps while much of it is left, as OpenSSH does: one that
 * waits until half of it is used up would be waited for without end. The smallest lump seen is therefore part
 * of the bound, too; and where that misled us (such a peer grants small lumps while its reader is slow), what
 * was under way when a grant came, which is enough for the next one.
 *
 * And only on a short link, where a queue matters: where we waited for a grant for UNDERWAY_GAP_US, the link
 * is long (or has become so: the round trip that we know of may be an old one) or the reader is slow, and
 * there is no bound for a while.
 *
 * A few numbers, changed in place; no memory, no clock of its own.
 */
#ifndef SSH_UNDERWAY_H
#define SSH_UNDERWAY_H

#include "adit.h"

enum {
    /* The bound is never below these, nor below the smallest lump. */
    UNDERWAY_LEAST = 64 * 1024,   /* beside other channels that send */
    UNDERWAY_ALONE = 512 * 1024,  /* larger pieces cost less, and nobody waits behind them */
    UNDERWAY_ALONE_US = 2 * 1000, /* nor below what is carried in this time: somebody may come */
    UNDERWAY_GAP_US = 20 * 1000,
    UNDERWAY_OFF_US = 10 * 1000 * 1000,
};

/* All zero: nothing sent, nothing known, no bound. */
struct underway {
    uint32_t len;         /* sent, and not granted again */
    uint32_t most;        /* the bound; 0: none yet */
    uint32_t lump;        /* the smallest grant seen; 0: none yet */
    uint32_t proved;      /* the least under way when a grant came, since we let go; 0: never did */
    uint32_t round_us;    /* when this round began, modulo 2^32; 0: at the next grant */
    uint32_t round_bytes; /* granted in it */
    uint32_t grant_us;    /* when the last grant came, modulo 2^32 */
    uint32_t off_us;      /* no bound is made until then, modulo 2^32 */
    bool is_off;
    bool was_full;    /* the bound or the window stopped us in it: else it says nothing */
    bool was_granted; /* something, since underway_wait looked last */
};

/* How many bytes more may be sent: window (what the peer allows) or less. Notes when that is nothing. */
uint32_t underway_room(struct underway *u, uint32_t window);

void underway_sent(struct underway *u, uint32_t n);

/* The peer granted n bytes. rtt_us: the link's round trip without queues; 0 (not known): no bound is made.
 * is_alone: no other channel sends. */
void underway_granted(struct underway *u, uint32_t n, uint64_t now_us, uint32_t rtt_us, bool is_alone);

/* The window would let us send, the bound does not. */
bool underway_is_bound(const struct underway *u, uint32_t window);

/* To be called once a second while it is: where nothing was granted since the last call, the peer waits for
 * more than the bound lets it have, or its own reader does: the whole window may be used until the next
 * grant, and after it as much as proved to be enough. True when it is so. */
bool underway_wait(struct underway *u);

#endif
