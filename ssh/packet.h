/*
 * packet.h - the binary packet protocol (RFC 4253 §6): framing, padding, protection, the two buffers.
 *
 * Bytes in, payload spans out, opened in place; payload regions inside the output buffer, sealed in
 * place, bytes out. It knows nothing of what a payload means. The two directions are data (rx, tx).
 *
 * Buffers are made at first need, grow while they are busy and are given back by packet_idle.
 */
#ifndef SSH_PACKET_H
#define SSH_PACKET_H

#include "adit.h"
#include "crypto/crypto.h"
#include "ssh/compress.h"
#include "ssh/wire.h"

/* The tag that a packet behind the next one ought to have, computed together with the next one's. */
struct packet_ahead {
    const uint8_t *at; /* NULL: none */
    size_t n;          /* 4 + packet_length */
    uint32_t seq;
    uint8_t tag[CIPHER_TAG_MAX];
};

struct packet_side {
    struct cipher cipher;
    uint32_t seq;     /* RFC 4253 §6.4: of the next packet; wraps */
    uint64_t packets; /* with these keys */
    uint64_t bytes;   /* with these keys, whole packets without the tag */
    struct packet_ahead ahead;
};

struct packet_buffer {
    uint8_t *p;
    size_t cap;
    size_t start, end; /* the bytes in it */
    bool is_busy;      /* the last offer was used up: growing pays */
};

struct packet {
    const struct adit_alloc *memory;
    struct drbg *random;
    struct packet_side rx, tx;
    struct packer *packer;     /* NULL: what goes out is not compressed */
    struct unpacker *unpacker; /* NULL: what comes in is not compressed */
    struct packet_buffer in, out;
    uint8_t padding[256]; /* random bytes in store for padding */
    size_t padding_used;
    uint32_t last_seq; /* number of the packet that packet_next gave last */
    size_t offered;    /* bytes in the places that packet_places gave last */
    bool in_packets;   /* packet_next was called: what comes in is packets */
    bool out_of_memory;
};

void packet_init(struct packet *pk, const struct adit_alloc *memory, struct drbg *random);
void packet_wipe(struct packet *pk); /* releases the buffers too */
/* Nothing happened for a while: empty buffers are given back. */
void packet_idle(struct packet *pk);

/* ---- in ---- */

/* Room for the peer's next bytes. Voids every span given out by packet_next. Empty: full, or no memory. */
struct wspan packet_in_space(struct packet *pk);
void packet_in_commit(struct packet *pk, size_t n);
/* Before packets begin (identification strings): the raw bytes, and dropping n of them. */
struct span packet_in_raw(const struct packet *pk);
void packet_in_skip(struct packet *pk, size_t n);

enum packet_status { PACKET_NONE, PACKET_READY, PACKET_BAD };
/* Opens the next whole packet. READY: *payload (at least one byte, padding and tag checked) lives until
 * packet_in_space; where what comes in is compressed, until the next packet_next. BAD: err says why; the
 * stream cannot go on. */
enum packet_status packet_next(struct packet *pk, struct span *payload, struct adit_error *err) ADIT_MUST_USE;

/* ---- out ---- */

/* Bytes that a packet with this payload takes on the wire. */
size_t packet_wire_len(const struct packet *pk, size_t payload_len);
/* True when a payload of this length fits and leaves `keep` bytes of room; grows the buffer if allowed. */
bool packet_has_room(struct packet *pk, size_t payload_len, size_t keep);
/* A region for a payload of at most n bytes. Empty when it does not fit. Void after any other call here.
 * While the room behind the buffered bytes is enough nothing moves: consecutive reserve and seal calls lay
 * packets one behind the other, packet_wire_len apart. */
struct wspan packet_reserve(struct packet *pk, size_t n);
/* Seals the reserved region with the first n bytes as its payload. */
void packet_seal(struct packet *pk, size_t n);
/* The same for two packets at once, of n[0] and n[1] bytes of payload neither more nor less, which some
 * ciphers seal faster (packet_has_two). False: they do not fit, and nothing is reserved. */
bool packet_has_two(const struct packet *pk);
bool packet_reserve_two(struct packet *pk, const size_t n[2], struct wspan to[2]) ADIT_MUST_USE;
void packet_seal_two(struct packet *pk, const size_t n[2]);
/* The usual way to send: a writer over a reserved region whose first byte is the message's number, then
 * packet_send seals what was written. False: it did not fit, and nothing goes out. */
struct wr packet_begin(struct packet *pk, uint8_t msg, size_t max);
bool packet_send(struct packet *pk, const struct wr *w) ADIT_MUST_USE;
void packet_out_raw(struct packet *pk, struct span bytes); /* the identification string */
struct span packet_out(const struct packet *pk);
void packet_out_consume(struct packet *pk, size_t n);

/* Up to max places for the data parts of consecutive packets, each with `prefix` bytes before it and at most
 * `part` bytes long, `total` bytes in all at the most, `keep` bytes of room left over. Returns their number.
 * The caller fills them and then reserves and seals packet by packet, prefix + part bytes each but the last.
 */
size_t packet_places(struct packet *pk, size_t prefix, size_t part, size_t total, size_t keep,
                     struct wspan *places, size_t max);

/* What became of them: n bytes were used. An offer that was used up lets the buffer grow. */
void packet_places_used(struct packet *pk, size_t n);
/* True when packet_places would offer something. False while much unsent output is in the way: moving it to
 * make room would be a copy on the data path. */
bool packet_can_place(const struct packet *pk, size_t payload_len, size_t keep);

/* ---- keys ---- */

/* Compression starts anew with the next packet of that direction, or ends. False: no memory. */
bool packet_set_packing(struct packet *pk, bool is_on) ADIT_MUST_USE;
bool packet_set_unpacking(struct packet *pk, bool is_on) ADIT_MUST_USE;

/* Takes effect with the next packet of that direction (RFC 4253 §7.3). Arguments as of cipher_init. */
void packet_set_keys(struct packet_side *side, const struct cipher_alg *alg, const struct mac_alg *mac,
                     const uint8_t *key, const uint8_t *iv, const uint8_t *mackey);

#endif
