/*
 * dial.h - from a name to a connected socket: the lookup, and the race over all addresses (Happy Eyeballs,
 * RFC 8305).
 *
 * The addresses are taken in the order of the lookup (RFC 6724), the two families in turn (RFC 8305 §4). When
 * an address has not answered within DIAL_STAGGER_MS the next one is tried beside it, and at once when it has
 * failed; the first that answers wins and the others are closed (§5). When all have failed, all is tried
 * again a second later, as often as ConnectionAttempts says. The session's phase timer is used meanwhile.
 *
 * It ends with one call of conn_dialled or conn_fail, perhaps before dial_start returns.
 */
#ifndef FORWARD_DIAL_H
#define FORWARD_DIAL_H

#include "adit.h"
#include "net/loop.h"
#include "net/resolve.h"
#include "net/sock.h"

struct session;

enum {
    DIAL_STAGGER_MS = 250, /* RFC 8305 §5: the recommended Connection Attempt Delay */
    DIAL_AGAIN_MS = 1000,  /* as ssh waits between two rounds */
};

/* One address. Not open: fd.fd is -1. */
struct dial_try {
    struct loop_fd fd;
    struct sock_addr to;
};

struct dial {
    struct session *session;
    const char *host; /* for messages */
    uint16_t port;
    struct resolve *resolve, *resolve_source; /* the host's, BindAddress's; one at a time */
    const struct sock_addr *sources;          /* of resolve_source */
    size_t source_count;
    struct dial_try *tries; /* count of them, in the order to try */
    size_t count, next, open_count;
    uint32_t rounds_left;
    uint64_t next_ms;      /* when the next address, or round, is due; LOOP_NEVER */
    uint64_t deadline_ms;  /* LOOP_NEVER: none */
    struct adit_error why; /* why the last address failed */
};

void dial_init(struct dial *d, struct session *s);
/* Both texts stay valid until the end. */
void dial_start(struct dial *d, const char *host, uint16_t port, uint64_t deadline_ms);
void dial_on_resolved(struct dial *d);                 /* a lookup's letter came */
void dial_on_ready(struct dial *d, struct loop_fd *f); /* kind SESSION_FD_DIAL */
void dial_on_timer(struct dial *d);                    /* the phase timer */
void dial_wipe(struct dial *d);                        /* closes what is open. Any number of times */

/* The order of RFC 8305 §4: the family of the first address and the other one in turn. out: count of them. */
void dial_order(struct sock_addr *out, const struct sock_addr *in, size_t count);

#endif
