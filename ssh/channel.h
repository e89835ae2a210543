/*
 * channel.h - channels: RFC 4254 §5. Numbers, windows, half-states; no fd, no path, no host.
 *
 * What cannot be sent now (a re-exchange, a full output buffer) is kept as state of the channel and the
 * channel stands in the table's due list until channels_flush has sent it. There may be thousands of
 * channels in each list: nothing here walks one but to empty it.
 */
#ifndef SSH_CHANNEL_H
#define SSH_CHANNEL_H

#include "adit.h"
#include "ssh/packet.h"
#include "ssh/underway.h"

enum channel_state {
    CHANNEL_OPENING,   /* ours, not confirmed (perhaps not even sent) */
    CHANNEL_REQUESTED, /* the peer's, not answered */
    CHANNEL_OPEN
};

/* What is to be sent as soon as it may be, in this order. */
enum {
    DUE_OPEN = 1,
    DUE_CONFIRM = 2,
    DUE_REFUSE = 4,
    DUE_REQUEST = 8, /* before data: what the data is for is said first */
    DUE_ADJUST = 16,
    DUE_EOF = 32,
    DUE_CLOSE = 64,
};

/* The words of an open or a refusal, until they are sent, or cannot come back any more. As large as it must
 * be, for thousands may wait. */
struct channel_opening {
    uint32_t seq;    /* packet number of the CHANNEL_OPEN, for UNIMPLEMENTED */
    uint32_t reason; /* of a refusal */
    uint16_t n;      /* at most LIMIT_OPEN_BYTES */
    uint8_t bytes[]; /* string type, then the type's own fields; or the text of a refusal */
};

/* A request that waits to be sent: string type, boolean, the type's own fields. */
struct channel_request {
    struct channel_request *next;
    uint32_t n; /* at most LIMIT_CHANNEL_REQUEST */
    uint8_t bytes[];
};

/* An idle connection costs one of these: kept small. */
struct channel {
    void *owner;
    struct channel *next_due;
    struct channel *next_blocked, *prev_blocked;
    struct channel_opening *opening;
    struct channel_request *requests; /* in order; as a rule none */
    uint32_t round_start_us; /* of the interval in which round_bytes were consumed, modulo 2^32; the first one
                              * begins when the open is sent */
    uint32_t round_bytes;
    uint32_t consumed_us; /* when the owner took something last, modulo 2^32 */
    uint32_t paused_us;   /* for how long it had taken nothing before this interval; 0: it had not paused */
    uint32_t id, peer_id;
    uint32_t tx_window, tx_packet_max;   /* what we may send */
    struct underway underway;            /* and how much of it at a time */
    uint32_t rx_window;                  /* what the peer may still send */
    uint32_t rx_held;                    /* received, not consumed */
    uint32_t rx_max;                     /* what the two may add up to */
    uint16_t request_count, replies_due; /* requests that wait to be sent; answers that are still to come */
    uint8_t state, due;
    bool in_due : 1, in_blocked : 1, wants_window : 1, open_sent : 1;
    bool eof_sent : 1, eof_received : 1, close_sent : 1, close_received : 1;
    bool is_gone : 1; /* its end was told to the owner: freed when nothing is due */
};

/* Of the table, for each slot: a pointer, and in a second row behind them all the link of free ones. */
enum { CHANNEL_SLOT_LEN = sizeof(struct channel *) + sizeof(uint16_t) };

struct channels {
    const struct adit_alloc *memory;
    struct channel **slots; /* NULL: free */
    uint16_t *next_free;    /* of a free slot: the next one; in the memory of slots */
    uint32_t slot_count, first_free, used;
    struct channel *due, *due_tail;
    struct channel *gone; /* ended, told, nothing due: freed by channels_reap */
    struct channel *blocked,
        *blocked_tail; /* waiting for room in the output, or for the end of a re-exchange */
    uint64_t granted;  /* sum of rx_max */
    uint64_t budget;
    uint32_t rtt_us;   /* the driver's best knowledge; 0: none yet */
    uint32_t sender;   /* the channel that wanted to send last */
    uint64_t mixed_us; /* when another one than before did */
    bool is_bound;     /* a channel may be, by underway.h; to be looked at then: */
    uint64_t bound_check_us;
    bool peer_grants_soon; /* see underway.h; the driver's knowledge, too */
    uint64_t now_us;
};

void channels_init(struct channels *t, const struct adit_alloc *memory, uint32_t budget);
void channels_wipe(struct channels *t);

/* ---- commands ---- */

/* NULL: no memory, LIMIT_CHANNELS, or extra is too long. The open is due. */
struct channel *channel_open(struct channels *t, const char *type, struct span extra, void *owner);
void channel_accept(struct channels *t, struct channel *ch, void *owner);
void channel_refuse(struct channels *t, struct channel *ch, uint32_t reason, struct span text);
size_t channel_space(struct channels *t, struct packet *pk, struct channel *ch, bool may_send,
                     struct wspan *places, size_t max, size_t limit);
void channel_commit(struct packet *pk, struct channel *ch, size_t n);
/* Copies data into packets; code 0, or 1 for stderr. Returns the bytes that went. */
size_t channel_write(struct channels *t, struct packet *pk, struct channel *ch, bool may_send, uint32_t code,
                     struct span data);
void channel_consumed(struct channels *t, struct channel *ch, size_t n, bool prompt);
void channel_eof(struct channels *t, struct channel *ch);
void channel_close(struct channels *t, struct channel *ch);
/* The request is due, also while the channel is opening. extra and more, one behind the other, are the type's
 * own fields. False: no memory, too long, too many wait, or the channel is closed. */
bool channel_request(struct channels *t, struct channel *ch, const char *type, bool want_reply,
                     struct span extra, struct span more);

/* The owner knows that it has ended. */
void channel_gone(struct channels *t, struct channel *ch);

/* Sends what is due, in the order in which the channels came to have something, until the output is full.
 * may_come_back: what is opened now is kept, because UNIMPLEMENTED may still come for it (see
 * channels_unsent).
 */
void channels_flush(struct channels *t, struct packet *pk, bool may_come_back);
/* What time makes due. When it is to be called again: t->now_us's clock; UINT64_MAX: never. */
uint64_t channels_tick(struct channels *t);
/* Frees the channels whose end was told before the last flush. Not between an event and its handling. */
void channels_reap(struct channels *t);
/* The next channel that channel_space had nothing for and has now; NULL: none. */
struct channel *channels_unblocked(struct channels *t, const struct packet *pk);
/* UNIMPLEMENTED came for packet seq: an open that was sent with it is due again. True if there was one. */
bool channels_unsent(struct channels *t, uint32_t seq);

/* ---- the peer's messages; payload starts with the message number ----
 * They return the channel, or NULL with err set (which ends the session). */

struct channel *channel_on_confirmation(struct channels *t, struct span payload, struct adit_error *err);
/* The channel is to be channel_gone'd by the caller. */
struct channel *channel_on_open_failure(struct channels *t, struct span payload, uint32_t *reason,
                                        struct span *text, struct adit_error *err);
/* A new channel in state REQUESTED. type and extra as sent. NULL without err set: no room, *peer_id must be
 * refused. */
struct channel *channel_on_open(struct channels *t, struct span payload, struct span *type,
                                struct span *extra, uint32_t *peer_id, struct adit_error *err);
/* *unblocked: channel_space had waited for the window. */
struct channel *channel_on_window_adjust(struct channels *t, struct span payload, bool *unblocked,
                                         struct adit_error *err);
/* The code of extended data whose type is 0, which RFC 4254 §5.2 does not define; 0 is plain data's. */
#define CHANNEL_DATA_UNKNOWN UINT32_MAX
/* DATA and EXTENDED_DATA. *data is empty when nobody wants it any more (we have closed). */
struct channel *channel_on_data(struct channels *t, struct span payload, struct span *data, uint32_t *code,
                                struct adit_error *err);
struct channel *channel_on_eof(struct channels *t, struct span payload, struct adit_error *err);
struct channel *channel_on_close(struct channels *t, struct span payload, struct adit_error *err);
struct channel *channel_on_request(struct channels *t, struct span payload, struct span *type,
                                   bool *want_reply, struct span *extra, struct adit_error *err);
/* *is_awaited: it answers a request of ours (OpenSSH lets others pass, and so do we). */
struct channel *channel_on_reply(struct channels *t, struct span payload, bool *is_awaited,
                                 struct adit_error *err);

#endif
