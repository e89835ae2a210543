#include "ssh/underway.h"

enum {
    /* Grants come in bunches, as the peer gets its turns: what came in less time than this is no rate. */
    ROUND_LEAST_US = 5 * 1000,
    ROUND_GAP_US = 100 * 1000, /* the sender paused, or the peer: no rate in that */
    WORK_US = 500,             /* of a round trip this is the peer's own work, if it is not the link */
};

/* Since a time that was noted modulo 2^32 with its last bit set (0 means never): that may be a microsecond
 * ahead. */
static uint32_t since(uint32_t noted_us, uint64_t now_us)
{
    return ((uint32_t)now_us | 1) - noted_us;
}

static uint32_t bound(const struct underway *u)
{
    return u->most > u->proved ? u->most : u->proved;
}

uint32_t underway_room(struct underway *u, uint32_t window)
{
    uint32_t room = window;
    if (u->most != 0) {
        uint32_t left = u->len < bound(u) ? bound(u) - u->len : 0;
        room = left < window ? left : window;
    }
    u->was_full |= room == 0;
    return room;
}

void underway_sent(struct underway *u, uint32_t n)
{
    u->len = n < UINT32_MAX - u->len ? u->len + n : UINT32_MAX;
}

static void round_begin(struct underway *u, uint64_t now_us)
{
    u->round_us = (uint32_t)now_us | 1; /* 0 means none */
    u->round_bytes = 0;
    u->was_full = false;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Twice what the link and the peer carry in a round trip, so that the rate can grow; but once is enough of
 * one so short that it is mostly the time which the peer takes to answer, and in which it takes no more
 * bytes. */
static void bound_set(struct underway *u, uint32_t elapsed_us, uint64_t rtt_us, bool is_alone)
{
    uint64_t span_us = rtt_us > WORK_US ? 2 * rtt_us - WORK_US : rtt_us;
    uint32_t least = is_alone ? UNDERWAY_ALONE : UNDERWAY_LEAST;
    if (is_alone)
        span_us = larger(span_us, UNDERWAY_ALONE_US);
    uint64_t most = (uint64_t)u->round_bytes * span_us / elapsed_us;
    most = larger(larger(most, least), u->lump);
    u->most = most < UINT32_MAX ? (uint32_t)most : UINT32_MAX;
}

/* A grant came: did we wait for it for too long? */
static void note_gap(struct underway *u, uint32_t now_us)
{
    if (u->was_full && u->grant_us != 0 && since(u->grant_us, now_us) > UNDERWAY_GAP_US) {
        u->is_off = true;
        u->off_us = now_us + UNDERWAY_OFF_US;
        u->most = 0;
    }
    u->grant_us = now_us | 1; /* 0 means never */
    u->is_off &= u->off_us - now_us <= UNDERWAY_OFF_US;
}

void underway_granted(struct underway *u, uint32_t n, uint64_t now_us, uint32_t rtt_us, bool is_alone)
{
    uint32_t elapsed_us = since(u->round_us, now_us);
    uint64_t round_us = larger(rtt_us, ROUND_LEAST_US);
    if (n > 0 && u->len < u->proved)
        u->proved = u->len;
    u->len -= n < u->len ? n : u->len;
    u->was_granted |= n > 0;
    if (n > 0 && (u->lump == 0 || n < u->lump))
        u->lump = n;
    if (n > 0)
        note_gap(u, (uint32_t)now_us);
    if (rtt_us == 0 || u->is_off || u->round_us == 0 || elapsed_us > 4 * round_us + ROUND_GAP_US) {
        round_begin(u, now_us);
        return;
    }
    u->round_bytes = n < UINT32_MAX - u->round_bytes ? u->round_bytes + n : UINT32_MAX;
    if (elapsed_us < round_us)
        return;
    if (u->was_full)
        bound_set(u, elapsed_us, rtt_us, is_alone);
    round_begin(u, now_us);
}

bool underway_is_bound(const struct underway *u, uint32_t window)
{
    return window > 0 && u->most != 0 && u->len >= bound(u);
}

bool underway_wait(struct underway *u)
{
    bool is_stuck = !u->was_granted;
    u->was_granted = false;
    if (is_stuck)
        u->proved = UINT32_MAX;
    return is_stuck;
}
