/*
 * global.h - global requests, RFC 4254 §4 and §7.1: ours in a queue until they are answered, in order
 * (RFC 4254 §4: the answers carry no number), and the peer's.
 */
#ifndef SSH_GLOBAL_H
#define SSH_GLOBAL_H

#include "adit.h"
#include "ssh/packet.h"

enum global_kind {
    GLOBAL_PLAIN,
    GLOBAL_FORWARD,  /* tcpip-forward: the answer to port 0 carries the bound port */
    GLOBAL_KEEPALIVE /* the machine's own: no event */
};

struct global_request {
    struct global_request *next;
    void *owner;
    uint64_t sent_us;
    enum global_kind kind;
    uint32_t port;
    uint32_t seq; /* packet number */
    bool is_sent, want_reply;
    size_t n;
    uint8_t bytes[LIMIT_OPEN_BYTES]; /* string type, bool, the type's own fields */
};

struct globals {
    const struct adit_alloc *memory;
    struct global_request *first;
    size_t count;
};

void globals_init(struct globals *g, const struct adit_alloc *memory);
void globals_wipe(struct globals *g);
/* False: no memory, LIMIT_GLOBAL_WAITING, or too long. */
bool globals_add(struct globals *g, enum global_kind kind, const char *type, struct span extra,
                 bool want_reply, uint32_t port, void *owner);
/* Sends what was not sent yet, in order, as far as there is room. may_come_back: what wants no reply is kept
 * all the same, because UNIMPLEMENTED may still come for it (see globals_unsent). */
void globals_flush(struct globals *g, struct packet *pk, bool may_come_back, uint64_t now_us);
/* UNIMPLEMENTED came for packet seq: it is to be sent again. True if it was one of these. */
bool globals_unsent(struct globals *g, uint32_t seq);

struct global_answer {
    enum global_kind kind;
    void *owner;
    uint32_t port; /* GLOBAL_FORWARD: as bound */
    uint64_t sent_us;
    struct span rest;
};
/* REQUEST_SUCCESS or REQUEST_FAILURE: whose answer it is. */
enum adit_err global_on_reply(struct globals *g, struct span payload, struct global_answer *answer,
                              struct adit_error *err);
/* UNIMPLEMENTED came for packet seq once authenticated: the peer does not know that request and will not
 * answer it. True if it was one of these; it has gone from the queue. */
bool global_on_unimplemented(struct globals *g, uint32_t seq, struct global_answer *answer);
/* GLOBAL_REQUEST of the peer. */
enum adit_err global_on_request(struct span payload, struct span *type, bool *want_reply, struct span *extra,
                                struct adit_error *err);

#endif
