#define _GNU_SOURCE /* IFF_UP */
#include "net/netlink.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

/* ---- What was seen ---- */

/* FNV-1a. Whoever can make two things collide can change the network itself. */
static uint64_t hash(uint64_t h, const void *p, size_t n)
{
    const uint8_t *bytes = p;
    for (size_t i = 0; i < n; i++)
        h = (h ^ bytes[i]) * 0x100000001b3;
    return h;
}

static uint64_t hash_number(uint64_t h, uint32_t number)
{
    return hash(h, &number, sizeof number);
}

static uint64_t hash_begin(uint32_t kind)
{
    return hash_number(0xcbf29ce484222325, kind);
}

static size_t seen_find(const struct netlink_seen *seen, uint64_t what)
{
    size_t i = 0;
    while (i < NETLINK_SEEN && seen->item[i].what != what)
        i++;
    return i;
}

static bool seen_set(struct netlink_seen *seen, uint64_t what, uint64_t state)
{
    size_t i = seen_find(seen, what);
    if (i == NETLINK_SEEN) {
        i = seen->next;
        seen->next = (i + 1) % NETLINK_SEEN;
    } else if (seen->item[i].state == state) {
        return false;
    }
    seen->item[i].what = what;
    seen->item[i].state = state;
    return true;
}

static void seen_forget(struct netlink_seen *seen, uint64_t what)
{
    size_t i = seen_find(seen, what);
    if (i < NETLINK_SEEN)
        memset(&seen->item[i], 0, sizeof seen->item[i]);
}

/* ---- Messages: a header, a struct, attributes ---- */

enum { ATTRIBUTES = 32 }; /* those with a higher number do not matter here */

struct message {
    uint16_t type;
    struct span body;
    struct span attribute[ATTRIBUTES];
};

static size_t aligned(size_t n)
{
    return (n + 3) & ~(size_t)3; /* NLMSG_ALIGN and RTA_ALIGN */
}

/* The struct at the front of the body. */
static bool message_head(const struct message *m, void *head, size_t head_len)
{
    if (m->body.n < head_len)
        return false;
    memcpy(head, m->body.p, head_len);
    return true;
}

/* The same, and the attributes behind it. */
static bool message_open(struct message *m, void *head, size_t head_len)
{
    struct span rest = span_sub(m->body, aligned(head_len), SIZE_MAX);
    struct rtattr a;
    memset(m->attribute, 0, sizeof m->attribute);
    while (rest.n >= sizeof a) {
        memcpy(&a, rest.p, sizeof a);
        if (a.rta_len < sizeof a || a.rta_len > rest.n)
            return false;
        uint16_t type = a.rta_type & (uint16_t)NLA_TYPE_MASK;
        if (type < ATTRIBUTES)
            m->attribute[type] = span_sub(rest, sizeof a, a.rta_len - sizeof a);
        rest = span_sub(rest, aligned(a.rta_len), SIZE_MAX);
    }
    return message_head(m, head, head_len);
}

static uint32_t attribute_number(const struct message *m, size_t type, uint32_t otherwise)
{
    uint32_t number = otherwise;
    if (m->attribute[type].n == sizeof number)
        memcpy(&number, m->attribute[type].p, sizeof number);
    return number;
}

static uint64_t hash_attribute(uint64_t h, const struct message *m, size_t type)
{
    h = hash_number(h, (uint32_t)m->attribute[type].n);
    return hash(h, m->attribute[type].p, m->attribute[type].n);
}

/* ---- Links, addresses, routes ---- */

static bool on_link(struct netlink_seen *seen, struct message *m)
{
    struct ifinfomsg link;
    /* The bridge speaks of its ports in messages of its own family. */
    if (!message_head(m, &link, sizeof link) || link.ifi_family != AF_UNSPEC)
        return false;
    uint64_t what = hash_number(hash_begin('l'), (uint32_t)link.ifi_index);
    if (m->type == RTM_DELLINK) {
        seen_forget(seen, what);
        return true;
    }
    bool is_up = (link.ifi_flags & IFF_UP) && (link.ifi_flags & IFF_RUNNING);
    return seen_set(seen, what, is_up);
}

static bool on_address(struct netlink_seen *seen, struct message *m)
{
    struct ifaddrmsg address;
    if (!message_open(m, &address, sizeof address))
        return false;
    /* Where the other end has an address too, IFA_LOCAL is ours. */
    size_t ours = m->attribute[IFA_LOCAL].n > 0 ? IFA_LOCAL : IFA_ADDRESS;
    uint64_t what = hash_number(hash_begin('a'), address.ifa_index);
    what = hash_number(hash_number(what, address.ifa_family), address.ifa_prefixlen);
    what = hash_attribute(what, m, ours);
    if (m->type == RTM_DELADDR) {
        seen_forget(seen, what);
        return true;
    }
    uint32_t flags = attribute_number(m, IFA_FLAGS, address.ifa_flags);
    bool is_usable = !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) || (flags & IFA_F_OPTIMISTIC);
    if (is_usable)
        return seen_set(seen, what, 1);
    seen_forget(seen, what);
    return false;
}

static bool leads_to_others(const struct message *m, const struct rtmsg *route)
{
    bool is_ip = route->rtm_family == AF_INET || route->rtm_family == AF_INET6;
    return is_ip && route->rtm_type == RTN_UNICAST && !(route->rtm_flags & RTM_F_CLONED) &&
           attribute_number(m, RTA_TABLE, route->rtm_table) != RT_TABLE_LOCAL;
}

static bool on_route(struct netlink_seen *seen, struct message *m)
{
    struct rtmsg route;
    if (!message_open(m, &route, sizeof route) || !leads_to_others(m, &route))
        return false;
    /* A route is replaced by one with the same table, destination and priority, of which alone we are told.
     */
    uint64_t what = hash_number(hash_begin('r'), attribute_number(m, RTA_TABLE, route.rtm_table));
    what = hash_number(hash_number(what, route.rtm_family), route.rtm_dst_len);
    what = hash_attribute(hash_attribute(what, m, RTA_DST), m, RTA_PRIORITY);
    if (m->type == RTM_DELROUTE) {
        seen_forget(seen, what);
        return true;
    }
    uint64_t state = hash_attribute(hash_attribute(hash_begin('s'), m, RTA_GATEWAY), m, RTA_OIF);
    return seen_set(seen, what, hash_attribute(state, m, RTA_MULTIPATH));
}

static bool on_message(struct netlink_seen *seen, struct message *m)
{
    switch (m->type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        return on_link(seen, m);
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return on_address(seen, m);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
        return on_route(seen, m);
    case NLMSG_OVERRUN:
        return true; /* something is missing: anything may have changed */
    default:
        return false;
    }
}

bool netlink_take(struct netlink_seen *seen, struct span datagram)
{
    bool has_changed = false;
    struct nlmsghdr head;
    struct message m;
    while (datagram.n >= sizeof head) {
        memcpy(&head, datagram.p, sizeof head);
        if (head.nlmsg_len < sizeof head || head.nlmsg_len > datagram.n)
            break;
        m.type = head.nlmsg_type;
        m.body = span_sub(datagram, sizeof head, head.nlmsg_len - sizeof head);
        if (on_message(seen, &m))
            has_changed = true;
        datagram = span_sub(datagram, aligned(head.nlmsg_len), SIZE_MAX);
    }
    return has_changed;
}
