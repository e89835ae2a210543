#include "ssh/global.h"

#include "ssh/msg.h"
#include "ssh/wire.h"

void globals_init(struct globals *g, const struct adit_alloc *memory)
{
    *g = (struct globals){.memory = memory};
}

static void drop_first(struct globals *g, struct global_request **at)
{
    struct global_request *q = *at;
    *at = q->next;
    g->count--;
    g->memory->release(g->memory->ctx, q, sizeof(*q));
}

void globals_wipe(struct globals *g)
{
    while (g->first != NULL)
        drop_first(g, &g->first);
}

bool globals_add(struct globals *g, enum global_kind kind, const char *type, struct span extra,
                 bool want_reply, uint32_t port, void *owner)
{
    struct global_request *q = NULL, **end = &g->first;
    if (g->count < LIMIT_GLOBAL_WAITING)
        q = g->memory->alloc(g->memory->ctx, sizeof(*q));
    if (q == NULL)
        return false;
    struct wr w = wr_init(q->bytes, sizeof(q->bytes));
    wr_cstring(&w, type);
    wr_bool(&w, want_reply);
    wr_bytes(&w, extra);
    if (!wr_ok(&w)) {
        g->memory->release(g->memory->ctx, q, sizeof(*q));
        return false;
    }
    q->next = NULL;
    q->owner = owner;
    q->kind = kind;
    q->port = port;
    q->is_sent = false;
    q->want_reply = want_reply;
    q->n = w.used;
    while (*end != NULL)
        end = &(*end)->next;
    *end = q;
    g->count++;
    return true;
}

static bool send_request(struct global_request *q, struct packet *pk, uint64_t now_us)
{
    struct wr w = packet_begin(pk, SSH_MSG_GLOBAL_REQUEST, 1 + q->n);
    wr_bytes(&w, (struct span){q->bytes, q->n});
    q->seq = pk->tx.seq;
    q->sent_us = now_us;
    q->is_sent = packet_send(pk, &w);
    return q->is_sent;
}

void globals_flush(struct globals *g, struct packet *pk, bool may_come_back, uint64_t now_us)
{
    struct global_request **at = &g->first;
    while (*at != NULL) {
        if (!(*at)->is_sent && !send_request(*at, pk, now_us))
            return;
        if ((*at)->want_reply || may_come_back)
            at = &(*at)->next;
        else
            drop_first(g, at);
    }
}

bool globals_unsent(struct globals *g, uint32_t seq)
{
    for (struct global_request *q = g->first; q != NULL; q = q->next)
        if (q->is_sent && q->seq == seq) {
            q->is_sent = false;
            return true;
        }
    return false;
}

/* [RFC 4254 4c 7.1b] */
enum adit_err global_on_reply(struct globals *g, struct span payload, struct global_answer *answer,
                              struct adit_error *err)
{
    struct global_request *q = g->first;
    if (q == NULL || !q->is_sent)
        return adit_fail(err, ADIT_E_PROTOCOL,
                         "an answer to a global request that was not made (RFC 4254 §4)");
    struct rd r = rd_init(payload);
    bool success = rd_u8(&r) == SSH_MSG_REQUEST_SUCCESS;
    *answer =
        (struct global_answer){.kind = q->kind, .owner = q->owner, .port = q->port, .sent_us = q->sent_us};
    /* RFC 4254 §7.1: the port is in the answer only when 0 was asked for. */
    if (success && q->kind == GLOBAL_FORWARD && q->port == 0)
        answer->port = rd_u32(&r);
    answer->rest = rd_rest(&r);
    drop_first(g, &g->first);
    if (!rd_done(&r) || answer->port > 65535 ||
        (success && answer->kind == GLOBAL_FORWARD && answer->port == 0))
        return adit_fail(err, ADIT_E_PROTOCOL, "REQUEST_SUCCESS without a valid port (RFC 4254 §7.1)");
    return ADIT_E_OK;
}

bool global_on_unimplemented(struct globals *g, uint32_t seq, struct global_answer *answer)
{
    for (struct global_request **at = &g->first; *at != NULL; at = &(*at)->next) {
        const struct global_request *q = *at;
        if (!q->is_sent || q->seq != seq)
            continue;
        *answer = (struct global_answer){
            .kind = q->kind, .owner = q->owner, .port = q->port, .sent_us = q->sent_us};
        drop_first(g, at);
        return true;
    }
    return false;
}

enum adit_err global_on_request(struct span payload, struct span *type, bool *want_reply, struct span *extra,
                                struct adit_error *err)
{
    struct rd r = rd_init(payload);
    (void)rd_u8(&r);
    *type = rd_string_max(&r, 256);
    *want_reply = rd_bool(&r);
    *extra = rd_rest(&r);
    if (rd_done(&r))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_PROTOCOL, "GLOBAL_REQUEST: wrong lengths (RFC 4254 §4)");
}
