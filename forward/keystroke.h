/*
 * keystroke.h - ObscureKeystrokeTiming: when what a person types may go, so that the network does not see the
 * rhythm of it. A pure state machine: the clock and the randomness are arguments.
 *
 * The first key goes at once and begins a run. In a run something goes at each end of an interval: what was
 * typed meanwhile, or chaff where nothing was. The run ends a random time after the last key, or at once
 * when more waits than anybody types (a paste): that is not held up. Each interval is a little longer or
 * shorter than the last, and those of a run all by the same random amount, so that neither tells how exact
 * our clock is.
 */
#ifndef FORWARD_KEYSTROKE_H
#define FORWARD_KEYSTROKE_H

#include "adit.h"

enum {
    KEYSTROKE_TYPED_LEN = 256,   /* bytes: as much or more at one time, or in one interval, is no typing */
    KEYSTROKE_CHAFF_MS = 1024,   /* after the last key: at least so long, */
    KEYSTROKE_CHAFF_MORE = 2048, /* and up to as much more */
    KEYSTROKE_FUZZ_PERCENT = 10, /* of the interval */
};

struct keystroke {
    uint32_t interval_ms; /* 0: switched off */
    bool is_active;       /* a run */
    bool is_open;         /* in a run: the next piece may go */
    uint32_t rate_us;     /* the run's own part of each interval */
    uint64_t next_us;     /* in a run: the interval's end; */
    uint64_t until_us;    /* the chaff's */
    uint64_t since_us;    /* outside of one: since then, for an interval at most, */
    uint64_t sent_len;    /* so many bytes went; */
    uint64_t bulk_us;     /* until then no run begins */
    uint32_t chaff_count; /* of the run */
};

/* What is due at the interval's end. */
enum keystroke_due {
    KEYSTROKE_NOTHING, /* it is not the end yet, or there is no run */
    KEYSTROKE_SEND,    /* what waits may go: keystroke_may_send */
    KEYSTROKE_CHAFF,
    KEYSTROKE_STOP, /* the run is over, and what waits may go */
};

void keystroke_init(struct keystroke *k, uint32_t interval_ms);

bool keystroke_may_send(const struct keystroke *k);
/* A piece of n bytes went (0: none was there after all). True: a run has begun with it. random: any 64 bits,
 * used once. */
bool keystroke_sent(struct keystroke *k, size_t n, uint64_t now_us, uint64_t random);
/* waiting: bytes that were typed and have not gone. */
enum keystroke_due keystroke_look(struct keystroke *k, size_t waiting, uint64_t now_us, uint64_t random);
/* The input has ended: the run ends at the next look. */
void keystroke_end(struct keystroke *k);
/* When keystroke_look is to be called; UINT64_MAX: there is no run. */
uint64_t keystroke_deadline(const struct keystroke *k);

#endif
