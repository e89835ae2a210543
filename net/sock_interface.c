/* The addresses of network interfaces, as BindInterface wants them. */
#define _GNU_SOURCE /* IFF_UP */

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "net/sock.h"

static bool take(struct sock_addr *out, const struct ifaddrs *i, const char *interface, int family)
{
    if (!i->ifa_addr || i->ifa_addr->sa_family != family || !(i->ifa_flags & IFF_UP) ||
        strcmp(i->ifa_name, interface) != 0)
        return false;
    memset(out, 0, sizeof *out);
    out->len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    memcpy(&out->storage, i->ifa_addr, out->len);
    sock_addr_set_port(out, 0);
    return true;
}

bool sock_interface_addr(struct sock_addr *out, const char *interface, int family)
{
    struct ifaddrs *all;
    struct sock_addr local;
    bool has_local = false, has = false;

    if ((family != AF_INET && family != AF_INET6) || getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *i = all; i && !has; i = i->ifa_next) {
        has = take(out, i, interface, family);
        if (!has || !(sock_addr_is_loopback(out) || sock_addr_is_link_local(out)))
            continue;
        if (!has_local)
            local = *out;
        has_local = true;
        has = false;
    }
    freeifaddrs(all);
    if (!has && has_local)
        *out = local;
    return has || has_local;
}
