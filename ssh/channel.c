#include "ssh/channel.h"

#include <string.h>

#include "ssh/msg.h"
#include "ssh/wire.h"

enum {
    DATA_PREFIX = 9,      /* CHANNEL_DATA: byte, uint32 recipient, uint32 length */
    EXTENDED_PREFIX = 13, /* CHANNEL_EXTENDED_DATA: and the type code */
    NO_SLOT = UINT16_MAX,
    PAUSE_US = 5 * 1000,
    RTT_LEAST_US = 250, /* the owner does not look more often in a bulk transfer */
    MIXED_US = 1000 * 1000,
    BOUND_CHECK_US = 1000 * 1000,
    GRANT_LEAST = 128 * 1024,
    WINDOW_SHORT = 1024 * 1024, /* enough at 3 Gbit/s for a link of 2.5 ms, and for what shares its CPU */
    LINK_BYTES_A_US = 400,      /* no link is faster, for what it is granted on account of its length */
};

void channels_init(struct channels *t, const struct adit_alloc *memory, uint32_t budget)
{
    *t = (struct channels){
        .memory = memory, .first_free = NO_SLOT, .budget = budget == 0 ? RECEIVE_BUDGET : budget};
}

/* ---- the table ---- */

static bool grow(struct channels *t)
{
    uint32_t old = t->slot_count, count = old == 0 ? 16 : old * 2;
    if (old >= LIMIT_CHANNELS)
        return false;
    struct channel **slots = t->memory->alloc(t->memory->ctx, count * CHANNEL_SLOT_LEN);
    if (slots == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        slots[i] = i < old ? t->slots[i] : NULL;
    t->memory->release(t->memory->ctx, t->slots, old * CHANNEL_SLOT_LEN);
    /* None is free now: the links of the old ones need not be kept. */
    t->slots = slots;
    t->next_free = (uint16_t *)(slots + count);
    for (uint32_t i = old; i < count; i++)
        t->next_free[i] = (uint16_t)(i + 1 < count ? i + 1 : NO_SLOT);
    t->slot_count = count;
    t->first_free = old;
    return true;
}

static struct channel *channel_new(struct channels *t, enum channel_state state)
{
    if (t->first_free == NO_SLOT && !grow(t))
        return NULL;
    struct channel *ch = t->memory->alloc(t->memory->ctx, sizeof(*ch));
    if (ch == NULL)
        return NULL;
    uint32_t id = t->first_free;
    t->first_free = t->next_free[id];
    t->slots[id] = ch;
    t->used++;
    *ch = (struct channel){.id = id, .state = (uint8_t)state};
    return ch;
}

/* With room for n bytes, at most LIMIT_OPEN_BYTES. */
static bool opening_new(struct channels *t, struct channel *ch, size_t n)
{
    ch->opening = t->memory->alloc(t->memory->ctx, sizeof(*ch->opening) + n);
    if (ch->opening == NULL)
        return false;
    *ch->opening = (struct channel_opening){.n = (uint16_t)n};
    return true;
}

static void opening_free(struct channels *t, struct channel *ch)
{
    if (ch->opening != NULL)
        t->memory->release(t->memory->ctx, ch->opening, sizeof(*ch->opening) + ch->opening->n);
    ch->opening = NULL;
}

static void request_drop_first(struct channels *t, struct channel *ch)
{
    struct channel_request *q = ch->requests;
    ch->requests = q->next;
    ch->request_count--;
    t->memory->release(t->memory->ctx, q, sizeof(*q) + q->n);
}

static void requests_free(struct channels *t, struct channel *ch)
{
    while (ch->requests != NULL)
        request_drop_first(t, ch);
}

static void unlink_blocked(struct channels *t, struct channel *ch)
{
    if (!ch->in_blocked)
        return;
    *(ch->prev_blocked != NULL ? &ch->prev_blocked->next_blocked : &t->blocked) = ch->next_blocked;
    *(ch->next_blocked != NULL ? &ch->next_blocked->prev_blocked : &t->blocked_tail) = ch->prev_blocked;
    ch->in_blocked = false;
}

static void channel_free(struct channels *t, struct channel *ch)
{
    unlink_blocked(t, ch);
    opening_free(t, ch);
    requests_free(t, ch);
    t->granted -= ch->rx_max;
    t->slots[ch->id] = NULL;
    t->next_free[ch->id] = (uint16_t)t->first_free;
    t->first_free = ch->id;
    t->used--;
    t->memory->release(t->memory->ctx, ch, sizeof(*ch));
}

void channels_wipe(struct channels *t)
{
    for (uint32_t i = 0; i < t->slot_count; i++)
        if (t->slots[i] != NULL) {
            opening_free(t, t->slots[i]);
            requests_free(t, t->slots[i]);
            t->memory->release(t->memory->ctx, t->slots[i], sizeof(struct channel));
        }
    t->memory->release(t->memory->ctx, t->slots, t->slot_count * CHANNEL_SLOT_LEN);
    t->slots = NULL;
    t->next_free = NULL;
    t->slot_count = 0;
    t->due = t->due_tail = t->blocked = t->blocked_tail = t->gone = NULL;
}

/* ---- lists of what waits ---- */

static void due(struct channels *t, struct channel *ch, uint8_t what)
{
    ch->due |= what;
    if (ch->in_due)
        return;
    ch->in_due = true;
    ch->next_due = NULL;
    if (t->due_tail != NULL)
        t->due_tail->next_due = ch;
    else
        t->due = ch;
    t->due_tail = ch;
}

static void blocked(struct channels *t, struct channel *ch)
{
    if (ch->in_blocked || ch->is_gone)
        return;
    ch->in_blocked = true;
    ch->next_blocked = NULL;
    ch->prev_blocked = t->blocked_tail;
    *(t->blocked_tail != NULL ? &t->blocked_tail->next_blocked : &t->blocked) = ch;
    t->blocked_tail = ch;
}

/* [RFC 4254 5.2f] */
static size_t part_of(const struct channel *ch)
{
    return ch->tx_packet_max < LIMIT_CHANNEL_PACKET ? ch->tx_packet_max : LIMIT_CHANNEL_PACKET;
}

struct channel *channels_unblocked(struct channels *t, const struct packet *pk)
{
    struct channel *ch = t->blocked;
    if (ch == NULL || !packet_can_place(pk, EXTENDED_PREFIX + LIMIT_CHANNEL_PACKET, LIMIT_OUT_RESERVE))
        return NULL;
    unlink_blocked(t, ch);
    return ch;
}

/* ---- receive windows ---- */

static uint64_t within(uint64_t n, uint64_t least, uint64_t most)
{
    return n < least ? least : n > most ? most : n;
}

/* A granted window cannot be revoked, so the first grant is a share of what is left of the budget. */
static void window_first(struct channels *t, struct channel *ch)
{
    uint64_t share = t->budget / (4 * ((uint64_t)t->used + 1));
    ch->rx_window = ch->rx_max = (uint32_t)within(share, WINDOW_FIRST_MIN, WINDOW_FIRST);
    t->granted += ch->rx_max;
    ch->round_start_us = (uint32_t)t->now_us;
}

static void round_begin(const struct channels *t, struct channel *ch)
{
    ch->round_start_us = (uint32_t)t->now_us;
    ch->round_bytes = 0;
}

/* The window goes back by not being granted again. */
static void window_shrink(struct channels *t, struct channel *ch)
{
    t->granted -= ch->rx_max - ch->rx_max / 2;
    ch->rx_max /= 2;
}

/* From the free half of the budget, and no more than a link of that length can use: OpenSSH's server reads as
 * much from its side as the window allows, into a buffer that it copies whole with every step of its growth.
 */
static void window_grow(struct channels *t, struct channel *ch, uint64_t link_us)
{
    uint64_t free_half = t->granted < t->budget ? (t->budget - t->granted) / 2 : 0;
    uint64_t most = within(link_us * LINK_BYTES_A_US, WINDOW_SHORT, LIMIT_WINDOW);
    if (ch->rx_max > most / 2 || ch->rx_max > free_half)
        return;
    t->granted += ch->rx_max;
    ch->rx_max *= 2;
}

/* A window is too small for the link when more than half of it is consumed in a round trip, and too large for
 * the owner who has to store as much. On a short link that takes a whole round trip to tell: a batch that was
 * read late at once says nothing of it. But where nothing had come for a while, the peer has paused, perhaps
 * for want of window on a link that is longer than we know. */
static void window_adapt(struct channels *t, struct channel *ch, uint32_t n, bool prompt)
{
    uint32_t gap_us = (uint32_t)t->now_us - ch->consumed_us;
    if (gap_us > PAUSE_US) {
        round_begin(t, ch);
        ch->paused_us = gap_us;
    }
    ch->consumed_us = (uint32_t)t->now_us;
    ch->round_bytes = n < UINT32_MAX - ch->round_bytes ? ch->round_bytes + n : UINT32_MAX;
    if (!prompt && ch->round_bytes > ch->rx_max / 2 && ch->rx_max / 2 >= WINDOW_FIRST) {
        window_shrink(t, ch);
        round_begin(t, ch);
        return;
    }
    bool has_paused = ch->paused_us != 0;
    uint64_t least = has_paused ? PAUSE_US : RTT_LEAST_US, rtt = t->rtt_us < least ? least : t->rtt_us;
    uint32_t elapsed = (uint32_t)t->now_us - ch->round_start_us; /* a longer rest began a round */
    bool is_round = elapsed >= rtt;
    uint64_t carried = is_round ? ch->round_bytes * rtt / elapsed : ch->round_bytes;
    bool is_fast = carried > ch->rx_max / 2 && (is_round || has_paused);
    if (!is_fast && !is_round)
        return;
    if (is_fast && prompt && t->rtt_us != 0)
        window_grow(t, ch, ch->paused_us > t->rtt_us ? ch->paused_us : t->rtt_us);
    round_begin(t, ch);
    ch->paused_us = 0;
}

/* What may be granted now. A window given back in large lumps is a window that much smaller on a long link,
 * one given back in small ones costs messages: 128 KiB, but not above a quarter. [RFC 4254 5.2b] */
static uint32_t window_to_grant(const struct channel *ch)
{
    uint32_t out = ch->rx_window + ch->rx_held;
    uint32_t least = ch->rx_max / 4 < GRANT_LEAST ? ch->rx_max / 4 : GRANT_LEAST;
    if (out >= ch->rx_max || ch->rx_max - out < least)
        return 0;
    return ch->rx_max - out;
}

void channel_consumed(struct channels *t, struct channel *ch, size_t n, bool prompt)
{
    uint32_t taken = n < ch->rx_held ? (uint32_t)n : ch->rx_held;
    ch->rx_held -= taken;
    window_adapt(t, ch, taken, prompt);
    /* After the peer's EOF or a CLOSE of either side nobody needs more window. */
    if (!ch->eof_received && !ch->close_received && !ch->close_sent && window_to_grant(ch) > 0)
        due(t, ch, DUE_ADJUST);
}

/* ---- opening ---- */

/* RFC 4254 §5.1. The owner's words, not a peer's: their length may be an allocation's. */
static bool opening_fill(struct channels *t, struct channel *ch, struct span type, struct span extra)
{
    if (extra.n > LIMIT_OPEN_BYTES || 4 + type.n > LIMIT_OPEN_BYTES - extra.n ||
        !opening_new(t, ch, 4 + type.n + extra.n))
        return false;
    struct wr w = wr_init(ch->opening->bytes, ch->opening->n);
    wr_string(&w, type);
    wr_bytes(&w, extra);
    return wr_ok(&w);
}

struct channel *channel_open(struct channels *t, const char *type, struct span extra, void *owner)
{
    struct channel *ch = channel_new(t, CHANNEL_OPENING);
    if (ch == NULL)
        return NULL;
    ch->owner = owner;
    if (!opening_fill(t, ch, span_str(type), extra)) {
        channel_free(t, ch);
        return NULL;
    }
    window_first(t, ch);
    due(t, ch, DUE_OPEN);
    return ch;
}

void channel_accept(struct channels *t, struct channel *ch, void *owner)
{
    ch->owner = owner;
    ch->state = CHANNEL_OPEN;
    window_first(t, ch);
    due(t, ch, DUE_CONFIRM);
}

void channel_refuse(struct channels *t, struct channel *ch, uint32_t reason, struct span text)
{
    struct span cut = span_sub(text, 0, 256);
    ch->owner = NULL;
    if (opening_new(t, ch, cut.n)) {
        ch->opening->reason = reason;
        if (cut.n > 0)
            memcpy(ch->opening->bytes, cut.p, cut.n);
    }
    ch->is_gone = true;
    ch->due = 0; /* nothing follows it */
    due(t, ch, DUE_REFUSE);
}

/* ---- senders: false means that there is no room now ---- */

/* [RFC 4254 5.2e] */
static bool send_open(struct channels *t, struct packet *pk, struct channel *ch, bool may_come_back)
{
    struct channel_opening *o = ch->opening;
    struct rd r = rd_init((struct span){o->bytes, o->n});
    struct wr w = packet_begin(pk, SSH_MSG_CHANNEL_OPEN, o->n + 16u);
    wr_string(&w, rd_string(&r));
    wr_u32(&w, ch->id);
    wr_u32(&w, ch->rx_window);
    wr_u32(&w, LIMIT_CHANNEL_PACKET);
    wr_bytes(&w, rd_rest(&r));
    o->seq = pk->tx.seq;
    if (!packet_send(pk, &w))
        return false;
    ch->open_sent = true;
    ch->round_start_us = (uint32_t)t->now_us;
    if (!may_come_back)
        opening_free(t, ch);
    return true;
}

static bool send_confirm(struct packet *pk, const struct channel *ch)
{
    struct wr w = packet_begin(pk, SSH_MSG_CHANNEL_OPEN_CONFIRMATION, 17);
    wr_u32(&w, ch->peer_id);
    wr_u32(&w, ch->id);
    wr_u32(&w, ch->rx_window);
    wr_u32(&w, LIMIT_CHANNEL_PACKET);
    return packet_send(pk, &w);
}

static bool send_refuse(struct packet *pk, const struct channel *ch)
{
    const struct channel_opening *o = ch->opening;
    struct wr w = packet_begin(pk, SSH_MSG_CHANNEL_OPEN_FAILURE, 300);
    wr_u32(&w, ch->peer_id);
    wr_u32(&w, o == NULL ? SSH_OPEN_RESOURCE_SHORTAGE : o->reason);
    wr_string(&w, o == NULL ? (struct span){0} : (struct span){o->bytes, o->n});
    wr_cstring(&w, "");
    return packet_send(pk, &w);
}

static bool send_requests(struct channels *t, struct packet *pk, struct channel *ch)
{
    while (ch->requests != NULL) {
        const struct channel_request *q = ch->requests;
        struct wr w = packet_begin(pk, SSH_MSG_CHANNEL_REQUEST, 5 + (size_t)q->n);
        wr_u32(&w, ch->peer_id);
        wr_bytes(&w, (struct span){q->bytes, q->n});
        if (!packet_send(pk, &w))
            return false;
        request_drop_first(t, ch);
    }
    return true;
}

static bool send_adjust(struct packet *pk, struct channel *ch)
{
    uint32_t n = ch->eof_received ? 0 : window_to_grant(ch);
    if (n == 0)
        return true;
    struct wr w = packet_begin(pk, SSH_MSG_CHANNEL_WINDOW_ADJUST, 9);
    wr_u32(&w, ch->peer_id);
    wr_u32(&w, n);
    if (!packet_send(pk, &w))
        return false;
    ch->rx_window += n;
    return true;
}

static bool send_number(struct packet *pk, uint8_t msg, const struct channel *ch)
{
    struct wr w = packet_begin(pk, msg, 5);
    wr_u32(&w, ch->peer_id);
    return packet_send(pk, &w);
}

static bool send_one(struct channels *t, struct packet *pk, struct channel *ch, uint8_t what,
                     bool may_come_back)
{
    switch (what) {
    case DUE_OPEN:
        return send_open(t, pk, ch, may_come_back);
    case DUE_CONFIRM:
        return send_confirm(pk, ch);
    case DUE_REFUSE:
        return send_refuse(pk, ch);
    case DUE_REQUEST:
        return send_requests(t, pk, ch);
    case DUE_ADJUST:
        return send_adjust(pk, ch);
    case DUE_EOF:
        return send_number(pk, SSH_MSG_CHANNEL_EOF, ch);
    default:
        ch->close_sent = send_number(pk, SSH_MSG_CHANNEL_CLOSE, ch);
        return ch->close_sent;
    }
}

/* False: the output is full. */
static bool send_due(struct channels *t, struct packet *pk, struct channel *ch, bool may_come_back)
{
    for (unsigned bit = DUE_OPEN; bit <= DUE_CLOSE; bit <<= 1) {
        uint8_t what = (uint8_t)bit;
        if ((ch->due & what) == 0)
            continue;
        if (!send_one(t, pk, ch, what, may_come_back))
            return false;
        ch->due &= (uint8_t)~what;
        if (what == DUE_OPEN) /* the rest follows the confirmation */
            return true;
    }
    return true;
}

/* For an answer, ours or the peer's, before which nothing may be said. */
static bool is_waiting(const struct channel *ch)
{
    return (ch->state == CHANNEL_OPENING && (ch->due & DUE_OPEN) == 0) ||
           (ch->state == CHANNEL_REQUESTED && (ch->due & DUE_REFUSE) == 0);
}

void channels_flush(struct channels *t, struct packet *pk, bool may_come_back)
{
    while (t->due != NULL) {
        struct channel *ch = t->due;
        if (!is_waiting(ch) && !send_due(t, pk, ch, may_come_back))
            return; /* this is called at every step: it must not try thousands in vain */
        ch->in_due = false;
        t->due = ch->next_due;
        if (t->due == NULL)
            t->due_tail = NULL;
        if (ch->is_gone && ch->due == 0) {
            unlink_blocked(t, ch);
            ch->next_due = t->gone;
            t->gone = ch;
        }
    }
}

/* [RFC 4254 5.3c] */
void channels_reap(struct channels *t)
{
    while (t->gone != NULL) {
        struct channel *ch = t->gone;
        t->gone = ch->next_due;
        channel_free(t, ch);
    }
}

bool channels_unsent(struct channels *t, uint32_t seq)
{
    for (uint32_t i = 0; i < t->slot_count; i++) {
        struct channel *ch = t->slots[i];
        if (ch != NULL && ch->open_sent && ch->opening != NULL && ch->opening->seq == seq) {
            ch->open_sent = false;
            due(t, ch, DUE_OPEN);
            return true;
        }
    }
    return false;
}

/* ---- data out ---- */

static bool can_send_data(const struct channel *ch)
{
    return ch->state == CHANNEL_OPEN && !ch->eof_sent && !ch->close_sent && !ch->close_received &&
           (ch->due & (DUE_EOF | DUE_CLOSE | DUE_CONFIRM)) == 0;
}

/* Whether somebody may wait behind what one channel has under way. */
static bool is_mixed(const struct channels *t)
{
    return t->mixed_us != 0 && t->now_us - t->mixed_us < MIXED_US;
}

static void note_sender(struct channels *t, const struct channel *ch)
{
    if (ch->id == t->sender)
        return;
    t->sender = ch->id;
    t->mixed_us = t->now_us;
}

static void note_bound(struct channels *t, const struct channel *ch)
{
    if (t->is_bound || !ch->wants_window || !underway_is_bound(&ch->underway, ch->tx_window))
        return;
    t->is_bound = true;
    t->bound_check_us = t->now_us + BOUND_CHECK_US;
}

/* [RFC 4254 5a 5.2c] */
size_t channel_space(struct channels *t, struct packet *pk, struct channel *ch, bool may_send,
                     struct wspan *places, size_t max, size_t limit)
{
    if (ch->state == CHANNEL_OPEN && (ch->due & (DUE_CONFIRM | DUE_REQUEST)) != 0)
        may_send = false; /* these go first */
    else if (!can_send_data(ch))
        return 0;
    note_sender(t, ch);
    uint32_t room = underway_room(&ch->underway, ch->tx_window);
    size_t total = limit < room ? limit : room;
    if (total == 0) {
        ch->wants_window = room == 0;
        note_bound(t, ch);
        return 0;
    }
    size_t count =
        may_send ? packet_places(pk, DATA_PREFIX, part_of(ch), total, LIMIT_OUT_RESERVE, places, max) : 0;
    if (count == 0)
        blocked(t, ch);
    return count;
}

uint64_t channels_tick(struct channels *t)
{
    if (!t->is_bound)
        return UINT64_MAX;
    if (t->now_us < t->bound_check_us)
        return t->bound_check_us;
    t->is_bound = false;
    t->bound_check_us = t->now_us + BOUND_CHECK_US;
    for (uint32_t id = 0; id < t->slot_count; id++) {
        struct channel *ch = t->slots[id];
        if (ch == NULL || !ch->wants_window || !underway_is_bound(&ch->underway, ch->tx_window))
            continue;
        if (underway_wait(&ch->underway)) {
            ch->wants_window = false;
            blocked(t, ch); /* its owner asks again */
        } else {
            t->is_bound = true;
        }
    }
    return t->is_bound ? t->bound_check_us : UINT64_MAX;
}

/* The message up to its n bytes of data, at the start of the region `to`. */
static void put_data_head(const struct channel *ch, struct wspan to, uint32_t code, size_t n)
{
    struct wr w = wr_init(to.p, code == 0 ? DATA_PREFIX : EXTENDED_PREFIX);
    wr_u8(&w, code == 0 ? SSH_MSG_CHANNEL_DATA : SSH_MSG_CHANNEL_EXTENDED_DATA);
    wr_u32(&w, ch->peer_id);
    if (code != 0)
        wr_u32(&w, code);
    wr_u32(&w, (uint32_t)n);
}

static void count_data(struct channel *ch, size_t n)
{
    ch->tx_window -= (uint32_t)n;
    underway_sent(&ch->underway, (uint32_t)n);
}

/* One packet of data; header written around what already stands (or is copied) behind it. */
static bool send_data(struct packet *pk, struct channel *ch, uint32_t code, size_t n,
                      const uint8_t *copy_from)
{
    size_t prefix = code == 0 ? DATA_PREFIX : EXTENDED_PREFIX;
    struct wspan to = packet_reserve(pk, prefix + n);
    if (to.n == 0)
        return false;
    put_data_head(ch, to, code, n);
    if (copy_from != NULL)
        memcpy(to.p + prefix, copy_from, n);
    packet_seal(pk, prefix + n);
    count_data(ch, n);
    return true;
}

/* Two packets whose data stand in their places, sealed at once. */
static bool send_data_two(struct packet *pk, struct channel *ch, const size_t n[2])
{
    const size_t payload_len[2] = {DATA_PREFIX + n[0], DATA_PREFIX + n[1]};
    struct wspan to[2];
    if (!packet_reserve_two(pk, payload_len, to))
        return false;
    put_data_head(ch, to[0], 0, n[0]);
    put_data_head(ch, to[1], 0, n[1]);
    packet_seal_two(pk, payload_len);
    count_data(ch, n[0] + n[1]);
    return true;
}

void channel_commit(struct packet *pk, struct channel *ch, size_t n)
{
    size_t part = part_of(ch);
    bool has_two = packet_has_two(pk);
    packet_places_used(pk, n);
    while (n > 0) {
        size_t first = n < part ? n : part, left = n - first, second = left < part ? left : part;
        if (!has_two)
            second = 0;
        bool ok = second > 0 ? send_data_two(pk, ch, (const size_t[]){first, second})
                             : send_data(pk, ch, 0, first, NULL);
        if (!ok)
            return; /* cannot be: the place was inside the room */
        n -= first + second;
    }
}

size_t channel_write(struct channels *t, struct packet *pk, struct channel *ch, bool may_send, uint32_t code,
                     struct span data)
{
    size_t sent = 0;
    struct wspan place;
    while (sent < data.n && channel_space(t, pk, ch, may_send, &place, 1, data.n - sent) == 1) {
        if (!packet_has_room(pk, EXTENDED_PREFIX + place.n, LIMIT_OUT_RESERVE - 64) ||
            !send_data(pk, ch, code, place.n, data.p + sent))
            break;
        sent += place.n;
    }
    return sent;
}

void channel_eof(struct channels *t, struct channel *ch)
{
    if (ch->is_gone || ch->eof_sent || ch->close_sent || (ch->due & DUE_CLOSE) != 0)
        return;
    ch->eof_sent = true;
    due(t, ch, DUE_EOF);
}

void channel_close(struct channels *t, struct channel *ch)
{
    if (!ch->is_gone && !ch->close_sent)
        due(t, ch, DUE_CLOSE);
}

void channel_gone(struct channels *t, struct channel *ch)
{
    ch->is_gone = true;
    unlink_blocked(t, ch);
    if (!ch->in_due)
        due(t, ch, ch->due); /* moved to the gone by the next flush */
}

static bool can_request(const struct channel *ch)
{
    return (ch->state == CHANNEL_OPEN || ch->state == CHANNEL_OPENING) && !ch->is_gone && !ch->close_sent &&
           !ch->close_received && (ch->due & DUE_CLOSE) == 0 && ch->request_count < LIMIT_CHANNEL_REQUESTS &&
           ch->replies_due < LIMIT_CHANNEL_REQUESTS;
}

bool channel_request(struct channels *t, struct channel *ch, const char *type, bool want_reply,
                     struct span extra, struct span more)
{
    size_t head = 5 + span_str(type).n;
    if (!can_request(ch) || more.n > LIMIT_CHANNEL_REQUEST || extra.n > LIMIT_CHANNEL_REQUEST - more.n ||
        head > LIMIT_CHANNEL_REQUEST - more.n - extra.n)
        return false;
    /* The owner's words, not a peer's: their length may be an allocation's. */
    size_t n = head + extra.n + more.n;
    struct channel_request *q = t->memory->alloc(t->memory->ctx, sizeof(*q) + n), **end = &ch->requests;
    if (q == NULL)
        return false;
    struct wr w = wr_init(q->bytes, n);
    wr_cstring(&w, type);
    wr_bool(&w, want_reply);
    wr_bytes(&w, extra);
    wr_bytes(&w, more);
    q->next = NULL;
    q->n = (uint32_t)n;
    while (*end != NULL)
        end = &(*end)->next;
    *end = q;
    ch->request_count++;
    ch->replies_due = (uint16_t)(ch->replies_due + want_reply);
    due(t, ch, DUE_REQUEST);
    return true;
}

/* ---- the peer's messages ---- */

static struct channel *fail(struct adit_error *err, const char *what)
{
    adit_fail(err, ADIT_E_PROTOCOL, "%s", what);
    return NULL;
}

/* Recipient number of a message to a channel that exists and was confirmed. [RFC 4254 5b] */
static struct channel *recipient(struct channels *t, struct rd *r, const char *msg, struct adit_error *err)
{
    (void)rd_u8(r);
    uint32_t id = rd_u32(r);
    struct channel *ch = rd_ok(r) && id < t->slot_count ? t->slots[id] : NULL;
    if (ch == NULL || ch->state != CHANNEL_OPEN || ch->close_received || (ch->due & DUE_CONFIRM) != 0) {
        adit_fail(err, ADIT_E_PROTOCOL, "%s for channel %lu, which is not open (RFC 4254 §5)", msg,
                  (unsigned long)id);
        return NULL;
    }
    return ch;
}

static struct channel *opening(struct channels *t, struct rd *r, const char *msg, struct adit_error *err)
{
    (void)rd_u8(r);
    uint32_t id = rd_u32(r);
    struct channel *ch = rd_ok(r) && id < t->slot_count ? t->slots[id] : NULL;
    if (ch == NULL || ch->is_gone || ch->state != CHANNEL_OPENING || !ch->open_sent) {
        adit_fail(err, ADIT_E_PROTOCOL, "%s for channel %lu, which is not being opened (RFC 4254 §5.1)", msg,
                  (unsigned long)id);
        return NULL;
    }
    return ch;
}

struct channel *channel_on_confirmation(struct channels *t, struct span payload, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    struct channel *ch = opening(t, &r, "CHANNEL_OPEN_CONFIRMATION", err);
    if (ch == NULL)
        return NULL;
    ch->peer_id = rd_u32(&r);
    ch->tx_window = rd_u32(&r);
    ch->tx_packet_max = rd_u32(&r);
    (void)rd_rest(&r); /* channel type specific data: none for the types we open */
    if (!rd_done(&r) || ch->tx_packet_max == 0)
        return fail(err,
                    "CHANNEL_OPEN_CONFIRMATION: wrong length or a maximum packet size of 0 (RFC 4254 §5.1)");
    ch->state = CHANNEL_OPEN;
    opening_free(t, ch);
    if (ch->due != 0)
        due(t, ch, ch->due); /* EOF or CLOSE was asked for meanwhile */
    return ch;
}

struct channel *channel_on_open_failure(struct channels *t, struct span payload, uint32_t *reason,
                                        struct span *text, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    struct channel *ch = opening(t, &r, "CHANNEL_OPEN_FAILURE", err);
    if (ch == NULL)
        return NULL;
    *reason = rd_u32(&r);
    *text = rd_string(&r);
    (void)rd_string(&r); /* language tag */
    if (!rd_done(&r))
        return fail(err, "CHANNEL_OPEN_FAILURE: wrong lengths (RFC 4254 §5.1)");
    ch->due = 0;
    return ch;
}

struct channel *channel_on_open(struct channels *t, struct span payload, struct span *type,
                                struct span *extra, uint32_t *peer_id, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    *type = rd_string_max(&r, 256);
    *peer_id = rd_u32(&r);
    uint32_t window = rd_u32(&r);
    uint32_t packet_max = rd_u32(&r);
    *extra = rd_rest(&r);
    if (!rd_done(&r) || packet_max == 0)
        return fail(err, "CHANNEL_OPEN: wrong lengths or a maximum packet size of 0 (RFC 4254 §5.1)");
    struct channel *ch = channel_new(t, CHANNEL_REQUESTED);
    if (ch == NULL)
        return NULL;
    ch->peer_id = *peer_id;
    ch->tx_window = window;
    ch->tx_packet_max = packet_max;
    return ch;
}

/* [RFC 4254 5.2a 5.2b] */
struct channel *channel_on_window_adjust(struct channels *t, struct span payload, bool *unblocked,
                                         struct adit_error *err)
{
    struct rd r = rd_init(payload);
    struct channel *ch = recipient(t, &r, "CHANNEL_WINDOW_ADJUST", err);
    if (ch == NULL)
        return NULL;
    uint32_t n = rd_u32(&r);
    if (!rd_done(&r))
        return fail(err, "CHANNEL_WINDOW_ADJUST: wrong length (RFC 4254 §5.2)");
    /* RFC 4254 §5.2: the window MUST NOT be increased above 2^32 - 1 bytes. */
    if (n > UINT32_MAX - ch->tx_window)
        return fail(err, "CHANNEL_WINDOW_ADJUST: the window would exceed 2^32 - 1 (RFC 4254 §5.2)");
    ch->tx_window += n;
    underway_granted(&ch->underway, n, t->now_us, t->peer_grants_soon ? t->rtt_us : 0, !is_mixed(t));
    *unblocked = ch->wants_window && underway_room(&ch->underway, ch->tx_window) > 0;
    if (*unblocked)
        ch->wants_window = false;
    note_bound(t, ch); /* it may have waited for the window alone until now */
    return ch;
}

/* [RFC 4254 5.2c 5.2g] */
struct channel *channel_on_data(struct channels *t, struct span payload, struct span *data, uint32_t *code,
                                struct adit_error *err)
{
    struct rd r = rd_init(payload);
    struct channel *ch = recipient(t, &r, "CHANNEL_DATA", err);
    if (ch == NULL)
        return NULL;
    *code = payload.p[0] == SSH_MSG_CHANNEL_EXTENDED_DATA ? rd_u32(&r) : 0;
    if (payload.p[0] == SSH_MSG_CHANNEL_EXTENDED_DATA && *code == 0)
        *code = CHANNEL_DATA_UNKNOWN;
    *data = rd_string(&r);
    if (!rd_done(&r))
        return fail(err, "CHANNEL_DATA: wrong lengths (RFC 4254 §5.2)");
    if (ch->eof_received)
        return fail(err, "CHANNEL_DATA after CHANNEL_EOF (RFC 4254 §5.3)");
    if (data->n > LIMIT_CHANNEL_PACKET || data->n > ch->rx_window)
        return fail(err, "CHANNEL_DATA beyond the window or the maximum packet size (RFC 4254 §5.2)");
    ch->rx_window -= (uint32_t)data->n;
    ch->rx_held += (uint32_t)data->n;
    if (ch->close_sent || (ch->due & DUE_CLOSE) != 0)
        *data = (struct span){0}; /* what was under way when we closed */
    return ch;
}

struct channel *channel_on_eof(struct channels *t, struct span payload, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    struct channel *ch = recipient(t, &r, "CHANNEL_EOF", err);
    if (ch == NULL)
        return NULL;
    if (!rd_done(&r) || ch->eof_received)
        return fail(err, "CHANNEL_EOF: wrong length, or a second one (RFC 4254 §5.3)");
    ch->eof_received = true;
    return ch;
}

/* [RFC 4254 5.3b] */
struct channel *channel_on_close(struct channels *t, struct span payload, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    struct channel *ch = recipient(t, &r, "CHANNEL_CLOSE", err);
    if (ch == NULL)
        return NULL;
    if (!rd_done(&r))
        return fail(err, "CHANNEL_CLOSE: wrong length (RFC 4254 §5.3)");
    ch->close_received = true;
    ch->due &= (uint8_t) ~(DUE_REQUEST | DUE_ADJUST | DUE_EOF);
    requests_free(t, ch);
    channel_close(t, ch); /* RFC 4254 §5.3: MUST send back a CLOSE unless it has been sent */
    return ch;
}

struct channel *channel_on_request(struct channels *t, struct span payload, struct span *type,
                                   bool *want_reply, struct span *extra, struct adit_error *err)
{
    struct rd r = rd_init(payload);
    struct channel *ch = recipient(t, &r, "CHANNEL_REQUEST", err);
    if (ch == NULL)
        return NULL;
    *type = rd_string_max(&r, 256);
    *want_reply = rd_bool(&r);
    *extra = rd_rest(&r);
    return rd_done(&r) ? ch : fail(err, "CHANNEL_REQUEST: wrong lengths (RFC 4254 §5.4)");
}

/* [RFC 4254 5.4b] */
struct channel *channel_on_reply(struct channels *t, struct span payload, bool *is_awaited,
                                 struct adit_error *err)
{
    struct rd r = rd_init(payload);
    struct channel *ch = recipient(t, &r, "CHANNEL_SUCCESS or _FAILURE", err);
    if (ch == NULL)
        return NULL;
    if (!rd_done(&r))
        return fail(err, "CHANNEL_SUCCESS or _FAILURE: wrong length (RFC 4254 §5.4)");
    *is_awaited = ch->replies_due > 0;
    ch->replies_due = (uint16_t)(ch->replies_due - *is_awaited);
    return ch;
}
