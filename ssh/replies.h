/*
 * replies.h - answers that must go out in the order of the requests, kept while they cannot be sent
 * (a re-exchange of keys, RFC 4253 §7.1, or a full output buffer). Bounded: a peer that asks for more
 * than LIMIT_PENDING_REPLIES answers meanwhile ends its session.
 */
#ifndef SSH_REPLIES_H
#define SSH_REPLIES_H

#include "adit.h"
#include "ssh/packet.h"

struct reply {
    uint8_t msg;      /* REQUEST_SUCCESS/FAILURE, CHANNEL_SUCCESS/FAILURE, CHANNEL_OPEN_FAILURE */
    bool has_extra;   /* REQUEST_SUCCESS: number is sent as uint32 */
    uint32_t channel; /* the peer's channel number, for the channel messages */
    uint32_t number;  /* extra, or the reason of an open failure */
};

struct replies {
    const struct adit_alloc *memory;
    struct reply *ring; /* LIMIT_PENDING_REPLIES entries, made at first need */
    size_t first, count;
};

void replies_init(struct replies *q, const struct adit_alloc *memory);
void replies_wipe(struct replies *q);
/* Sends at once when may_send and nothing waits, else keeps it. */
enum adit_err replies_add(struct replies *q, struct packet *pk, bool may_send, struct reply reply,
                          struct adit_error *err);
void replies_flush(struct replies *q, struct packet *pk);

#endif
