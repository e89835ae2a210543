/*
 * watch.h - what the system says of the network: another address, route or link, and that the machine slept;
 * and whether there is a way to a host at all.
 *
 * Sleep is seen by CLOCK_BOOTTIME, which goes on meanwhile, against CLOCK_MONOTONIC, which does not. A clock
 * that is merely set is no sleep. Where the kernel has no netlink or no such clocks (a sandbox, an emulator),
 * nothing is ever said: that is no error, and whoever retries by time does so all the same.
 */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include "adit.h"
#include "net/netlink.h"

enum {
    WATCH_ASLEEP_MS = 1000, /* the two clocks must part by so much */
};

/* What watch_take says, bits. */
enum watch_news {
    WATCH_NETWORK = 1, /* a link, an address or a route has changed */
    WATCH_RESUMED = 2, /* the machine slept, and is awake again */
};

struct watch {
    int fd;                   /* both of these, for a loop */
    int netlink_fd, clock_fd; /* -1: the system has none */
    int64_t asleep_ms;        /* so long it has slept since it was started */
    struct netlink_seen seen;
};

/* One is enough for a process. ADIT_E_SYSTEM. */
enum adit_err watch_init(struct watch *w, struct adit_error *err) ADIT_MUST_USE;
void watch_wipe(struct watch *w);

/* Readable when there is news: loop_add it (edges), and take once for each. */
int watch_fd(const struct watch *w);
/* All the news since the last call, 0: there is none. Never waits; may be called at any time (a timer that is
 * late for no reason was late because of sleep). */
unsigned watch_take(struct watch *w) ADIT_MUST_USE;

/* Is there a way to host, as far as the system can tell without sending a packet? A literal address: there is
 * a route to it, by an interface that is up. A name, or NULL (unknown: a proxy command's): some interface
 * that is up has an address that is neither loopback nor link-local; "localhost" is always there. Where the
 * system does not say, the answer is yes. */
bool watch_has_route(const char *host) ADIT_MUST_USE;

#endif
