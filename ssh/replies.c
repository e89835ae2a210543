#include "ssh/replies.h"

#include "ssh/msg.h"
#include "ssh/wire.h"

enum { RING_BYTES = LIMIT_PENDING_REPLIES * sizeof(struct reply), REPLY_LEN_MAX = 64 };

void replies_init(struct replies *q, const struct adit_alloc *memory)
{
    *q = (struct replies){.memory = memory};
}

void replies_wipe(struct replies *q)
{
    q->memory->release(q->memory->ctx, q->ring, RING_BYTES);
    q->ring = NULL;
    q->count = 0;
}

static bool reply_send(struct packet *pk, const struct reply *reply)
{
    struct wr w = packet_begin(pk, reply->msg, REPLY_LEN_MAX);
    if (reply->msg >= SSH_MSG_CHANNEL_OPEN)
        wr_u32(&w, reply->channel);
    if (reply->msg == SSH_MSG_CHANNEL_OPEN_FAILURE) {
        wr_u32(&w, reply->number);
        wr_cstring(&w, "too many channels");
        wr_cstring(&w, "");
    }
    if (reply->has_extra)
        wr_u32(&w, reply->number);
    return packet_send(pk, &w);
}

/* [RFC 4254 4c 5.4b] */
enum adit_err replies_add(struct replies *q, struct packet *pk, bool may_send, struct reply reply,
                          struct adit_error *err)
{
    if (may_send && q->count == 0 && reply_send(pk, &reply))
        return ADIT_E_OK;
    if (q->ring == NULL)
        q->ring = q->memory->alloc(q->memory->ctx, RING_BYTES);
    if (q->ring == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "no memory for replies that wait");
    if (q->count == LIMIT_PENDING_REPLIES)
        return adit_fail(err, ADIT_E_LIMIT, "the peer asked for more than %d answers while none can be sent",
                         (int)LIMIT_PENDING_REPLIES);
    q->ring[(q->first + q->count++) % LIMIT_PENDING_REPLIES] = reply;
    return ADIT_E_OK;
}

void replies_flush(struct replies *q, struct packet *pk)
{
    while (q->count > 0 && reply_send(pk, &q->ring[q->first])) {
        q->first = (q->first + 1) % LIMIT_PENDING_REPLIES;
        if (--q->count == 0)
            replies_wipe(q);
    }
}
