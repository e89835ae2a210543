#include "ssh/packet.h"

#include <string.h>

enum { HEAD_LEN = 5 /* packet_length, padding_length */, PADDING_MIN = 4 /* RFC 4253 §6 */ };

/* ---- buffers ---- */

static void buffer_release(struct packet *pk, struct packet_buffer *b)
{
    if (b->p != NULL) {
        adit_wipe(b->p, b->cap);
        pk->memory->release(pk->memory->ctx, b->p, b->cap);
    }
    *b = (struct packet_buffer){0};
}

static bool buffer_resize(struct packet *pk, struct packet_buffer *b, size_t cap)
{
    uint8_t *p = pk->memory->alloc(pk->memory->ctx, cap);
    if (p == NULL) {
        pk->out_of_memory = true;
        return false;
    }
    size_t n = b->end - b->start;
    bool is_busy = b->is_busy;
    if (n > 0)
        memcpy(p, b->p + b->start, n);
    buffer_release(pk, b);
    *b = (struct packet_buffer){.p = p, .cap = cap, .start = 0, .end = n, .is_busy = is_busy};
    return true;
}

/* Moves what is in the buffer to its front: free when it is empty, else rare (a partial write or packet). */
static void buffer_compact(struct packet_buffer *b)
{
    if (b->start == 0)
        return;
    size_t n = b->end - b->start;
    if (n > 0)
        memmove(b->p, b->p + b->start, n);
    b->start = 0;
    b->end = n;
}

/* At least need bytes behind the contents, in a buffer of at most limit. */
static bool buffer_make_room(struct packet *pk, struct packet_buffer *b, size_t need, size_t limit)
{
    if (b->start == b->end)
        b->start = b->end = 0;
    if (need <= b->cap - b->end)
        return true;
    size_t used = b->end - b->start;
    if (need > limit - used)
        return false;
    if (need <= b->cap - used && !b->is_busy) {
        buffer_compact(b);
        return true;
    }
    size_t cap = b->cap < BUFFER_START ? BUFFER_START : b->cap;
    while (cap - used < need)
        cap *= 2;
    if (cap > limit)
        cap = limit;
    if (cap > b->cap)
        return buffer_resize(pk, b, cap);
    buffer_compact(b);
    return true;
}

/* [RFC 4253 6f 6g] */
void packet_init(struct packet *pk, const struct adit_alloc *memory, struct drbg *random)
{
    *pk = (struct packet){.memory = memory, .random = random, .padding_used = sizeof(pk->padding)};
    cipher_init_none(&pk->rx.cipher);
    cipher_init_none(&pk->tx.cipher);
}

static void ahead_drop(struct packet_side *side)
{
    if (side->ahead.at != NULL)
        adit_wipe(&side->ahead, sizeof side->ahead);
}

void packet_wipe(struct packet *pk)
{
    ahead_drop(&pk->rx);
    packer_free(pk->packer);
    unpacker_free(pk->unpacker);
    pk->packer = NULL;
    pk->unpacker = NULL;
    buffer_release(pk, &pk->in);
    buffer_release(pk, &pk->out);
    cipher_wipe(&pk->rx.cipher);
    cipher_wipe(&pk->tx.cipher);
    adit_wipe(pk->padding, sizeof(pk->padding));
}

bool packet_set_packing(struct packet *pk, bool is_on)
{
    packer_free(pk->packer);
    pk->packer = is_on ? packer_new(pk->memory) : NULL;
    return !is_on || pk->packer != NULL;
}

bool packet_set_unpacking(struct packet *pk, bool is_on)
{
    unpacker_free(pk->unpacker);
    pk->unpacker = is_on ? unpacker_new(pk->memory) : NULL;
    return !is_on || pk->unpacker != NULL;
}

void packet_idle(struct packet *pk)
{
    packer_idle(pk->packer);
    unpacker_idle(pk->unpacker);
    if (pk->in.start == pk->in.end)
        buffer_release(pk, &pk->in);
    if (pk->out.start == pk->out.end)
        buffer_release(pk, &pk->out);
}

void packet_set_keys(struct packet_side *side, const struct cipher_alg *alg, const struct mac_alg *mac,
                     const uint8_t *key, const uint8_t *iv, const uint8_t *mackey)
{
    ahead_drop(side);
    cipher_wipe(&side->cipher);
    cipher_init(&side->cipher, alg, mac, key, iv, mackey);
    side->packets = 0;
    side->bytes = 0;
}

/* ---- in ---- */

struct wspan packet_in_space(struct packet *pk)
{
    struct packet_buffer *b = &pk->in;
    size_t want = 4096;
    ahead_drop(&pk->rx); /* its packet may move */
    if (b->is_busy && b->cap < LIMIT_IN_BUFFER)
        want = 2 * b->cap < LIMIT_IN_BUFFER - (b->end - b->start) ? 2 * b->cap
                                                                  : LIMIT_IN_BUFFER - (b->end - b->start);
    if (pk->in_packets && b->end - b->start >= 4) {
        /* The rest of a packet that has begun must fit. */
        size_t whole =
            4 + cipher_peek_length(&pk->rx.cipher, pk->rx.seq, b->p + b->start) + pk->rx.cipher.tag_len;
        size_t have = b->end - b->start;
        if (whole <= LIMIT_IN_BUFFER && whole > have && whole - have > want)
            want = whole - have;
    }
    if (!buffer_make_room(pk, b, want, LIMIT_IN_BUFFER))
        (void)buffer_make_room(pk, b, 1, LIMIT_IN_BUFFER);
    b->is_busy = false;
    if (b->p == NULL)
        return (struct wspan){0};
    return (struct wspan){b->p + b->end, b->cap - b->end};
}

void packet_in_commit(struct packet *pk, size_t n)
{
    pk->in.is_busy = n > 0 && n == pk->in.cap - pk->in.end;
    pk->in.end += n;
}

struct span packet_in_raw(const struct packet *pk)
{
    return pk->in.p == NULL ? (struct span){0}
                            : (struct span){pk->in.p + pk->in.start, pk->in.end - pk->in.start};
}

void packet_in_skip(struct packet *pk, size_t n)
{
    ahead_drop(&pk->rx);
    pk->in.start += n;
}

/* RFC 4253 §6: bounds and multiple-of-block rule of packet_length.
 * [RFC 4253 6a 6e 6.1a 6.1b 6.1c] [RFC 4254 5.2d] */
static bool length_is_valid(const struct cipher *c, uint32_t length)
{
    size_t padded = c->length_is_clear ? length : (size_t)length + 4;
    return length >= 1 + 1 + PADDING_MIN && length <= LIMIT_PACKET && padded % c->block_len == 0;
}

static enum packet_status packet_bad(struct adit_error *err, enum adit_err code, const char *what, uint32_t n)
{
    adit_fail(err, code, "%s %lu (RFC 4253 §6)", what, (unsigned long)n);
    return PACKET_BAD;
}

/* The packet that stands at p and is whole within `have` bytes, without its tag; else an empty span, also for
 * one that will be refused when its turn comes. Only where the length is clear. */
static struct span whole_packet(const struct packet_side *rx, uint32_t seq, const uint8_t *p, size_t have)
{
    if (have < 4)
        return (struct span){0};
    uint32_t length = cipher_peek_length(&rx->cipher, seq, p);
    if (!length_is_valid(&rx->cipher, length) || have < (size_t)length + 4 + rx->cipher.tag_len)
        return (struct span){0};
    return (struct span){p, (size_t)length + 4};
}

/* Both tags at once; the second one is compared when its packet's turn comes. */
static bool open_first_of_two(struct packet_side *rx, uint8_t *p, size_t n, struct span then)
{
    const struct span packet[2] = {{p, n}, then};
    uint8_t tag[2][CIPHER_TAG_MAX];
    cipher_tag_two(&rx->cipher, rx->seq, packet, tag);
    bool ok = cipher_open_tagged(&rx->cipher, p, n, tag[0]);
    if (ok) {
        rx->ahead = (struct packet_ahead){.at = then.p, .n = then.n, .seq = rx->seq + 1};
        memcpy(rx->ahead.tag, tag[1], rx->cipher.tag_len);
    }
    adit_wipe(tag, sizeof tag);
    return ok;
}

/* Opens the n bytes at p, which `have` bytes follow: its tag and what has come behind it. */
static bool open_packet(struct packet_side *rx, uint8_t *p, size_t n, size_t have)
{
    size_t tag_len = rx->cipher.tag_len;
    struct span then = {0};
    if (rx->ahead.at == p && rx->ahead.n == n && rx->ahead.seq == rx->seq) {
        bool ok = cipher_open_tagged(&rx->cipher, p, n, rx->ahead.tag);
        ahead_drop(rx);
        return ok;
    }
    ahead_drop(rx);
    if (cipher_has_two(&rx->cipher))
        then = whole_packet(rx, rx->seq + 1, p + n + tag_len, have - tag_len);
    if (then.n > 0)
        return open_first_of_two(rx, p, n, then);
    return cipher_open(&rx->cipher, rx->seq, p, n);
}

enum packet_status packet_next(struct packet *pk, struct span *payload, struct adit_error *err)
{
    struct packet_buffer *b = &pk->in;
    struct packet_side *rx = &pk->rx;
    size_t have = b->end - b->start;
    pk->in_packets = true;
    if (have < 4)
        return PACKET_NONE;
    uint8_t *p = b->p + b->start;
    uint32_t length = cipher_peek_length(&rx->cipher, rx->seq, p);
    if (!length_is_valid(&rx->cipher, length))
        return packet_bad(err, ADIT_E_PROTOCOL, "Bad packet length", length);
    size_t n = (size_t)length + 4;
    if (have < n + rx->cipher.tag_len)
        return PACKET_NONE;
    /* RFC 4344 §3.1: a sequence number MUST NOT be used twice with one key. We ask for new keys long
     * before; this peer did not give them. [RFC 4251 9.3.3a] */
    if (rx->packets > UINT32_MAX)
        return packet_bad(err, ADIT_E_PROTOCOL, "New keys are overdue: packet", rx->seq);
    if (!open_packet(rx, p, n, have - n))
        /* [RFC 4253 6.4f] */
        return packet_bad(err, ADIT_E_INTEGRITY, "Corrupted MAC on input: packet", rx->seq);
    /* [RFC 4253 6b] */
    uint8_t padding = p[4];
    if (padding < PADDING_MIN || (size_t)padding + 1 >= length)
        return packet_bad(err, ADIT_E_PROTOCOL, "Bad padding length", padding);
    *payload = (struct span){p + HEAD_LEN, length - 1 - padding};
    b->start += n + rx->cipher.tag_len;
    /* [RFC 4253 6.4b] */
    pk->last_seq = rx->seq++;
    rx->packets++;
    rx->bytes += n;
    if (pk->unpacker != NULL && unpacker_run(pk->unpacker, *payload, payload, err) != ADIT_E_OK)
        return PACKET_BAD;
    return PACKET_READY;
}

/* ---- out ---- */

/* [RFC 4253 6a 6b 6d] */
static size_t padding_len(const struct cipher *c, size_t payload_len)
{
    size_t head = c->length_is_clear ? 1 : HEAD_LEN;
    size_t pad = c->block_len - (head + payload_len) % c->block_len;
    return pad < PADDING_MIN ? pad + c->block_len : pad;
}

size_t packet_wire_len(const struct packet *pk, size_t payload_len)
{
    const struct cipher *c = &pk->tx.cipher;
    return HEAD_LEN + payload_len + padding_len(c, payload_len) + c->tag_len;
}

/* The longest packet that a payload of at most n bytes can make. */
static size_t wire_len_max(const struct packet *pk, size_t n)
{
    if (pk->packer != NULL)
        n += compress_overhead(n);
    return HEAD_LEN + n + PADDING_MIN + 2u * pk->tx.cipher.block_len + pk->tx.cipher.tag_len;
}

/* Room to pack a payload of n bytes, if they are packed at all. */
static bool can_pack(struct packet *pk, size_t n)
{
    if (pk->packer == NULL || packer_make_room(pk->packer, n))
        return true;
    pk->out_of_memory = true;
    return false;
}

bool packet_has_room(struct packet *pk, size_t payload_len, size_t keep)
{
    return buffer_make_room(pk, &pk->out, wire_len_max(pk, payload_len) + keep, LIMIT_OUT_BUFFER);
}

struct wspan packet_reserve(struct packet *pk, size_t n)
{
    if (n > LIMIT_PACKET || !buffer_make_room(pk, &pk->out, wire_len_max(pk, n), LIMIT_OUT_BUFFER) ||
        !can_pack(pk, n))
        return (struct wspan){0};
    return (struct wspan){pk->out.p + pk->out.end + HEAD_LEN, n};
}

/* RFC 4253 §6: the padding SHOULD consist of random bytes. [RFC 4253 6c] */
static void padding_fill(struct packet *pk, uint8_t *p, size_t n)
{
    if (n > sizeof(pk->padding) - pk->padding_used) {
        drbg_bytes(pk->random, pk->padding, sizeof(pk->padding));
        pk->padding_used = 0;
    }
    memcpy(p, pk->padding + pk->padding_used, n);
    pk->padding_used += n;
}

/* Head and padding around the n bytes of payload in the packet at p. Returns the packet without a tag. */
static struct wspan frame(struct packet *pk, uint8_t *p, size_t n)
{
    size_t pad = padding_len(&pk->tx.cipher, n);
    put_u32(p, (uint32_t)(1 + n + pad));
    p[4] = (uint8_t)pad;
    padding_fill(pk, p + HEAD_LEN + n, pad);
    return (struct wspan){p, HEAD_LEN + n + pad};
}

/* [RFC 4253 6.4b] */
static void count_sealed(struct packet *pk, size_t len)
{
    struct packet_side *tx = &pk->tx;
    pk->out.end += len + tx->cipher.tag_len;
    tx->seq++;
    tx->packets++;
    tx->bytes += len;
}

/* [RFC 4253 6.2a] */
void packet_seal(struct packet *pk, size_t n)
{
    if (pk->packer != NULL)
        n = packer_run(pk->packer, pk->out.p + pk->out.end + HEAD_LEN, n);
    struct wspan whole = frame(pk, pk->out.p + pk->out.end, n);
    cipher_seal(&pk->tx.cipher, pk->tx.seq, whole.p, whole.n);
    count_sealed(pk, whole.n);
}

bool packet_has_two(const struct packet *pk)
{
    return pk->packer == NULL && cipher_has_two(&pk->tx.cipher);
}

bool packet_reserve_two(struct packet *pk, const size_t n[2], struct wspan to[2])
{
    if (n[0] > LIMIT_PACKET || n[1] > LIMIT_PACKET)
        return false;
    size_t first = packet_wire_len(pk, n[0]);
    if (!buffer_make_room(pk, &pk->out, first + wire_len_max(pk, n[1]), LIMIT_OUT_BUFFER))
        return false;
    uint8_t *p = pk->out.p + pk->out.end + HEAD_LEN;
    to[0] = (struct wspan){p, n[0]};
    to[1] = (struct wspan){p + first, n[1]};
    return true;
}

void packet_seal_two(struct packet *pk, const size_t n[2])
{
    struct wspan whole[2];
    uint8_t *p = pk->out.p + pk->out.end;
    for (size_t i = 0; i < 2; i++) {
        whole[i] = frame(pk, p, n[i]);
        p += whole[i].n + pk->tx.cipher.tag_len;
    }
    cipher_seal_two(&pk->tx.cipher, pk->tx.seq, whole);
    count_sealed(pk, whole[0].n);
    count_sealed(pk, whole[1].n);
}

struct wr packet_begin(struct packet *pk, uint8_t msg, size_t max)
{
    struct wspan to = packet_reserve(pk, max);
    struct wr w = wr_init(to.p, to.n);
    wr_u8(&w, msg);
    return w;
}

bool packet_send(struct packet *pk, const struct wr *w)
{
    if (wr_ok(w))
        packet_seal(pk, w->used);
    return wr_ok(w);
}

void packet_out_raw(struct packet *pk, struct span bytes)
{
    if (!buffer_make_room(pk, &pk->out, bytes.n, LIMIT_OUT_BUFFER))
        return;
    memcpy(pk->out.p + pk->out.end, bytes.p, bytes.n);
    pk->out.end += bytes.n;
}

struct span packet_out(const struct packet *pk)
{
    return pk->out.p == NULL ? (struct span){0}
                             : (struct span){pk->out.p + pk->out.start, pk->out.end - pk->out.start};
}

void packet_out_consume(struct packet *pk, size_t n)
{
    pk->out.start += n;
    if (pk->out.start == pk->out.end)
        pk->out.start = pk->out.end = 0;
}

bool packet_can_place(const struct packet *pk, size_t payload_len, size_t keep)
{
    const struct packet_buffer *b = &pk->out;
    size_t used = b->end - b->start;
    size_t need = wire_len_max(pk, payload_len) + keep;
    if (used == 0 || need <= b->cap - b->end)
        return true;
    return used <= BUFFER_START && need <= LIMIT_OUT_BUFFER - used;
}

size_t packet_places(struct packet *pk, size_t prefix, size_t part, size_t total, size_t keep,
                     struct wspan *places, size_t max)
{
    size_t least = prefix + (total < part ? total : part);
    pk->offered = 0;
    if (max == 0 || total == 0 || !packet_can_place(pk, least, keep))
        return 0;
    if (pk->packer != NULL) /* how long a packet becomes is not known: one at a time */
        max = 1;
    size_t stride = packet_wire_len(pk, prefix + part);
    size_t want = total <= part || max == 1 ? wire_len_max(pk, least) : stride * max;
    if (want > LIMIT_OUT_BUFFER - keep)
        want = LIMIT_OUT_BUFFER - keep;
    /* One packet's room is always made; room for more only when the last offer was used up. */
    bool is_roomy = pk->out.is_busy && buffer_make_room(pk, &pk->out, want + keep, LIMIT_OUT_BUFFER);
    if (!is_roomy && !buffer_make_room(pk, &pk->out, wire_len_max(pk, least) + keep, LIMIT_OUT_BUFFER))
        return 0;
    size_t room = pk->out.cap - pk->out.end - keep;
    uint8_t *p = pk->out.p + pk->out.end;
    size_t count = 0;
    while (count < max && total > 0) {
        size_t n = total < part ? total : part;
        if (wire_len_max(pk, prefix + n) > room)
            break;
        places[count++] = (struct wspan){p + HEAD_LEN + prefix, n};
        pk->offered += n;
        total -= n;
        room -= stride < room ? stride : room;
        p += stride;
    }
    return count;
}

void packet_places_used(struct packet *pk, size_t n)
{
    pk->out.is_busy = n > 0 && n >= pk->offered;
}
