/*
 * handshake.h - a client names its target by SOCKS: what dynamic.c and remote_dynamic.c share. Where its
 * bytes come from and where the answer goes is theirs.
 */
#ifndef FORWARD_HANDSHAKE_H
#define FORWARD_HANDSHAKE_H

#include "forward/forwarder.h"
#include "socks5/socks.h"

/* Only while it lasts. A plug-in embeds it first in a struct of its own. */
struct handshake {
    struct socks socks;
    struct loop_timer timer;
    bool is_asked; /* the target is being connected to, or was refused */
};

/* The flow of a plug-in with handshakes. */
struct handshake_flow {
    struct flow flow;
    struct handshake *handshake; /* NULL: it is over */
    char *target;                /* what it was about, then; NULL: not kept */
    char *client;                /* remote_listener_client's */
};

/* The steps that differ. Each returns false when it must wait, or when handshake or flow have gone. */
struct handshake_ops {
    bool (*send)(struct flow *flow);    /* the answer */
    bool (*feed)(struct flow *flow);    /* what the client sent */
    bool (*request)(struct flow *flow); /* its target is known: once */
    bool (*granted)(struct flow *flow); /* it knows that it is connected */
};

struct handshake *handshake_of(const struct flow *flow);
/* h: zeroed, from calloc; the flow's from here on. There is a time within which the request must be there,
 * and LIMIT_HANDSHAKES of them at one time: the oldest other one ends. */
void handshake_start(struct flow *flow, struct handshake *h);
/* Everything that can be done now. */
void handshake_run(struct flow *flow, const struct handshake_ops *ops);
void handshake_on_timer(struct flow *flow); /* it was not there in time: ends the flow */
void handshake_over(struct flow *flow);     /* it was granted: keeps the target's name at most */
void handshake_wipe(struct flow *flow);     /* frees all of it. Any number of times */
/* The operation flow_target: what the client has named. */
void handshake_target(const struct flow *flow, char out[FORWARDER_TARGET_CAP]);

#endif
