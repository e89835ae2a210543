/* Is there a way to a host? Asked of the kernel's tables alone; no packet is sent. */
#define _GNU_SOURCE /* IFF_UP */

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "net/sock.h"
#include "net/watch.h"

enum { DISCARD = 9 }; /* RFC 863. Which port it is does not matter */

/* ---- The interfaces */

static bool addr_take(struct sock_addr *out, const struct ifaddrs *i)
{
    int family = i->ifa_addr ? i->ifa_addr->sa_family : AF_UNSPEC;
    if (family != AF_INET && family != AF_INET6)
        return false;
    memset(out, 0, sizeof *out);
    out->len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    memcpy(&out->storage, i->ifa_addr, out->len);
    return true;
}

static bool is_up(const struct ifaddrs *i)
{
    return (i->ifa_flags & IFF_UP) && (i->ifa_flags & IFF_RUNNING);
}

/* Some interface that is up has an address by which others can be reached. */
static bool has_address(void)
{
    struct ifaddrs *all;
    struct sock_addr a;
    bool has = false;
    if (getifaddrs(&all) != 0)
        return true;
    for (const struct ifaddrs *i = all; i && !has; i = i->ifa_next)
        has = is_up(i) && !(i->ifa_flags & IFF_LOOPBACK) && addr_take(&a, i) && !sock_addr_is_link_local(&a);
    freeifaddrs(all);
    return has;
}

static bool is_same_host(const struct sock_addr *a, const struct sock_addr *b)
{
    char one[SOCK_TEXT_CAP], other[SOCK_TEXT_CAP];
    sock_addr_host(a, one);
    sock_addr_host(b, other);
    return strcmp(one, other) == 0;
}

/* The interface that has our address is up. A cable that was pulled leaves address and route where they are.
 */
static bool is_address_up(const struct sock_addr *ours)
{
    struct ifaddrs *all;
    struct sock_addr a;
    bool is_found = false, is_any_up = false;
    if (getifaddrs(&all) != 0)
        return true;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        if (!addr_take(&a, i) || !is_same_host(&a, ours))
            continue;
        is_found = true;
        is_any_up |= is_up(i);
    }
    freeifaddrs(all);
    return is_any_up || !is_found;
}

/* ---- The routes */

static bool says_unreachable(int why)
{
    return why == ENETUNREACH || why == EHOSTUNREACH || why == ENETDOWN || why == EADDRNOTAVAIL ||
           why == EAFNOSUPPORT;
}

/* A datagram socket that is connected has looked up its route, and its own address. */
static bool is_routed(const struct sock_addr *to)
{
    struct sock_addr ours;
    int fd = socket(sock_addr_family(to), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return !says_unreachable(errno);
    if (connect(fd, (const struct sockaddr *)&to->storage, to->len) != 0) {
        bool is_known = says_unreachable(errno);
        sock_close(&fd);
        return !is_known;
    }
    bool is_bound = sock_local(fd, &ours);
    sock_close(&fd);
    return !is_bound || is_same_host(&ours, to) || is_address_up(&ours);
}

bool watch_has_route(const char *host)
{
    struct sock_addr a;
    if (host && strcasecmp(host, "localhost") == 0)
        return true;
    return host && sock_addr_parse(&a, host, DISCARD) ? is_routed(&a) : has_address();
}
