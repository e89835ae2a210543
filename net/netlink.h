/*
 * netlink.h - what the kernel's messages about links, addresses and routes (rtnetlink(7)) say: is the network
 * another one now?
 *
 * Not every message is a change. The lifetime of an IPv6 address is announced anew every few minutes, a
 * wireless link speaks of every scan. So what was said last of each thing is kept, for the latest
 * NETLINK_SEEN of them; a thing that is not among them counts as new. No system call is made here.
 */
#ifndef NET_NETLINK_H
#define NET_NETLINK_H

#include "adit.h"

enum { NETLINK_SEEN = 256 };

/* All zero at first. */
struct netlink_seen {
    struct {
        uint64_t what, state; /* hashes: of a link, an address or a route, and of how it is */
    } item[NETLINK_SEEN];
    size_t next; /* which is forgotten first */
};

/* One datagram, in the machine's byte order as the kernel sends it. True: something is another than before.
 * A message that runs over its end ends the datagram; one that is malformed inside says nothing. An address
 * counts from when it may be used (RFC 4862 §5.4: not while it is tentative), a link when it can carry
 * packets, a route when it leads to other machines. */
bool netlink_take(struct netlink_seen *seen, struct span datagram);

#endif
