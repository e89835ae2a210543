/*
 * compress.h - RFC 4253 §6.2: zlib (RFC 1950) over the payloads of one direction, a stream that is flushed
 * after each packet (RFC 4253 §6.2: partial flush), and zlib@openssh.com, the same from the authentication
 * on.
 *
 * The only file that knows zlib. Memory comes from the allocator handed in: some 270 KiB for what goes out,
 * 45 KiB for what comes in, and one payload each. What a peer's packet unpacks to is bounded by LIMIT_PACKET,
 * whatever its ratio.
 */
#ifndef SSH_COMPRESS_H
#define SSH_COMPRESS_H

#include "adit.h"

enum compress_alg { COMPRESS_NONE, COMPRESS_ZLIB, COMPRESS_DELAYED };

/* "none", "zlib", "zlib@openssh.com". False: another name. */
bool compress_alg_find(struct span name, enum compress_alg *alg) ADIT_MUST_USE;
const char *compress_alg_name(enum compress_alg alg);

/* Bytes that a packed payload of n bytes may be longer than it. */
size_t compress_overhead(size_t n);

/* Outgoing. NULL: no memory. */
struct packer;
struct packer *packer_new(const struct adit_alloc *memory);
void packer_free(struct packer *p); /* wipes; NULL is fine */
/* Sees to it that payloads of n bytes can be packed. False: no memory. */
bool packer_make_room(struct packer *p, size_t n) ADIT_MUST_USE;
/* Packs the n payload bytes at p where they stand; there is room for compress_overhead(n) more, and
 * packer_make_room said yes to n. Returns the new length. */
size_t packer_run(struct packer *p, uint8_t *payload, size_t n);

/* Incoming. NULL: no memory. */
struct unpacker;
struct unpacker *unpacker_new(const struct adit_alloc *memory);
void unpacker_free(struct unpacker *u); /* wipes; NULL is fine */
/* One packet's payload. *payload lives until the next call. Fails, and is of no further use, for what is no
 * zlib stream, for the end of one, for more than LIMIT_PACKET bytes unpacked, and for none. */
enum adit_err unpacker_run(struct unpacker *u, struct span packed, struct span *payload,
                           struct adit_error *err) ADIT_MUST_USE;
/* Nothing happened for a while: the room for a payload is given back, and the last one with it. */
void packer_idle(struct packer *p);
void unpacker_idle(struct unpacker *u);

#endif
