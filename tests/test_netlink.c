#define _GNU_SOURCE /* IFF_UP */
#include "test.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "net/netlink.h"

/* ---- Making messages */

struct letter {
    uint8_t bytes[1024];
    size_t n, head; /* head: where the present message begins */
};

static void put(struct letter *l, const void *p, size_t n)
{
    assert_true(l->n + n + 4 <= sizeof l->bytes);
    memcpy(l->bytes + l->n, p, n);
    l->n = (l->n + n + 3) & ~(size_t)3;
}

static void finish(struct letter *l)
{
    uint32_t n = (uint32_t)(l->n - l->head);
    memcpy(l->bytes + l->head, &n, sizeof n);
}

static void open_message(struct letter *l, uint16_t type, const void *body, size_t n)
{
    const struct nlmsghdr head = {.nlmsg_type = type};
    l->head = l->n;
    put(l, &head, sizeof head);
    put(l, body, n);
    finish(l);
}

static void attribute(struct letter *l, uint16_t type, const void *p, size_t n)
{
    const struct rtattr a = {.rta_len = (uint16_t)(sizeof a + n), .rta_type = type};
    put(l, &a, sizeof a);
    put(l, p, n);
    finish(l);
}

static void number(struct letter *l, uint16_t type, uint32_t value)
{
    attribute(l, type, &value, sizeof value);
}

static struct letter link_letter(uint16_t type, int index, uint32_t flags)
{
    const struct ifinfomsg body = {.ifi_index = index, .ifi_flags = flags};
    struct letter l = {0};
    open_message(&l, type, &body, sizeof body);
    attribute(&l, IFLA_IFNAME, "eth0", 5);
    return l;
}

static struct letter address_letter(uint16_t type, uint32_t index, uint8_t last, uint32_t flags)
{
    const struct ifaddrmsg body = {
        .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = index, .ifa_flags = (uint8_t)flags};
    const uint8_t address[4] = {192, 0, 2, last};
    struct letter l = {0};
    open_message(&l, type, &body, sizeof body);
    attribute(&l, IFA_ADDRESS, address, 4);
    attribute(&l, IFA_LOCAL, address, 4);
    number(&l, IFA_FLAGS, flags);
    return l;
}

static struct letter route_letter(uint16_t type, const struct rtmsg *route, uint8_t gateway, uint32_t table)
{
    const uint8_t address[4] = {192, 0, 2, gateway};
    struct letter l = {0};
    open_message(&l, type, route, sizeof *route);
    attribute(&l, RTA_GATEWAY, address, 4);
    number(&l, RTA_OIF, 2);
    number(&l, RTA_TABLE, table);
    return l;
}

static bool take(struct netlink_seen *seen, struct letter l)
{
    return netlink_take(seen, span_make(l.bytes, l.n));
}

/* ---- */

static void test_links(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    const uint32_t up = IFF_UP | IFF_RUNNING;
    assert_true(take(&seen, link_letter(RTM_NEWLINK, 2, up)));
    assert_false(take(&seen, link_letter(RTM_NEWLINK, 2, up)));
    assert_false(take(&seen, link_letter(RTM_NEWLINK, 2, up | IFF_PROMISC)));
    assert_true(take(&seen, link_letter(RTM_NEWLINK, 3, up)));
    /* The cable is pulled, twice told; and is back. */
    assert_true(take(&seen, link_letter(RTM_NEWLINK, 2, IFF_UP)));
    assert_false(take(&seen, link_letter(RTM_NEWLINK, 2, IFF_RUNNING)));
    assert_true(take(&seen, link_letter(RTM_NEWLINK, 2, up)));
    assert_true(take(&seen, link_letter(RTM_DELLINK, 2, up)));
    assert_true(take(&seen, link_letter(RTM_NEWLINK, 2, up)));
    /* A bridge's port. */
    const struct ifinfomsg port = {.ifi_family = AF_BRIDGE, .ifi_index = 9, .ifi_flags = up};
    struct letter l = {0};
    open_message(&l, RTM_NEWLINK, &port, sizeof port);
    assert_false(take(&seen, l));
}

static void test_addresses(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    assert_true(take(&seen, address_letter(RTM_NEWADDR, 2, 1, IFA_F_PERMANENT)));
    assert_false(take(&seen, address_letter(RTM_NEWADDR, 2, 1, 0))); /* its lifetime */
    assert_true(take(&seen, address_letter(RTM_NEWADDR, 2, 2, 0)));
    assert_true(take(&seen, address_letter(RTM_NEWADDR, 3, 2, 0)));
    assert_true(take(&seen, address_letter(RTM_DELADDR, 2, 1, 0)));
    assert_true(take(&seen, address_letter(RTM_NEWADDR, 2, 1, 0)));
    /* One that nobody had spoken of. */
    assert_true(take(&seen, address_letter(RTM_DELADDR, 2, 77, 0)));
}

static void test_tentative_addresses(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    assert_false(take(&seen, address_letter(RTM_NEWADDR, 2, 1, IFA_F_TENTATIVE)));
    assert_true(take(&seen, address_letter(RTM_NEWADDR, 2, 1, 0)));
    assert_false(take(&seen, address_letter(RTM_NEWADDR, 2, 2, IFA_F_TENTATIVE)));
    assert_false(take(&seen, address_letter(RTM_NEWADDR, 2, 2, IFA_F_TENTATIVE | IFA_F_DADFAILED)));
    assert_true(take(&seen, address_letter(RTM_NEWADDR, 2, 3, IFA_F_TENTATIVE | IFA_F_OPTIMISTIC)));
    assert_false(take(&seen, address_letter(RTM_NEWADDR, 2, 4, IFA_F_DADFAILED)));
    /* One that was in use is looked at again. */
    assert_false(take(&seen, address_letter(RTM_NEWADDR, 2, 1, IFA_F_TENTATIVE)));
    assert_true(take(&seen, address_letter(RTM_NEWADDR, 2, 1, 0)));
    /* The attribute wins over the old field. */
    const struct ifaddrmsg body = {.ifa_family = AF_INET6, .ifa_flags = IFA_F_TENTATIVE};
    struct letter l = {0};
    open_message(&l, RTM_NEWADDR, &body, sizeof body);
    assert_false(take(&seen, l));
    number(&l, IFA_FLAGS, IFA_F_PERMANENT);
    assert_true(take(&seen, l));
}

static void test_point_to_point_addresses(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    const struct ifaddrmsg body = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = 5};
    for (uint8_t ours = 1; ours <= 2; ours++) {
        const uint8_t local[4] = {10, 0, 0, ours}, peer[4] = {10, 0, 0, 99};
        struct letter l = {0};
        open_message(&l, RTM_NEWADDR, &body, sizeof body);
        attribute(&l, IFA_ADDRESS, peer, 4);
        attribute(&l, IFA_LOCAL, local, 4);
        assert_true(take(&seen, l));
        assert_false(take(&seen, l));
    }
}

static void test_routes(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    const struct rtmsg way = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST, .rtm_table = RT_TABLE_MAIN};
    assert_true(take(&seen, route_letter(RTM_NEWROUTE, &way, 1, RT_TABLE_MAIN)));
    assert_false(take(&seen, route_letter(RTM_NEWROUTE, &way, 1, RT_TABLE_MAIN)));
    /* Replaced, and replaced back: each is told by the new one alone. */
    assert_true(take(&seen, route_letter(RTM_NEWROUTE, &way, 2, RT_TABLE_MAIN)));
    assert_true(take(&seen, route_letter(RTM_NEWROUTE, &way, 1, RT_TABLE_MAIN)));
    assert_true(take(&seen, route_letter(RTM_NEWROUTE, &way, 1, 51820)));
    assert_true(take(&seen, route_letter(RTM_DELROUTE, &way, 1, RT_TABLE_MAIN)));
    assert_true(take(&seen, route_letter(RTM_NEWROUTE, &way, 1, RT_TABLE_MAIN)));
}

static void test_multipath_routes(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    const struct rtmsg way = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST, .rtm_table = RT_TABLE_MAIN};
    for (int i = 1; i <= 3; i++) {
        const struct rtnexthop hop = {.rtnh_len = sizeof hop, .rtnh_ifindex = i};
        struct letter l = {0};
        open_message(&l, RTM_NEWROUTE, &way, sizeof way);
        attribute(&l, RTA_MULTIPATH, &hop, sizeof hop);
        assert_true(take(&seen, l));
        assert_false(take(&seen, l));
    }
}

/* Flags in an attribute's type, and types that nobody knows. */
static void test_attribute_types(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    const struct ifaddrmsg body = {.ifa_family = AF_INET, .ifa_index = 2};
    const uint16_t types[] = {IFA_LOCAL | NLA_F_NET_BYTEORDER, IFA_LOCAL | NLA_F_NESTED};
    for (uint8_t i = 0; i < 2; i++) {
        struct letter l = {0};
        open_message(&l, RTM_NEWADDR, &body, sizeof body);
        number(&l, 32, 1);
        number(&l, 0x3fff, 1);
        attribute(&l, types[i], &i, 1);
        assert_true(take(&seen, l));
        assert_false(take(&seen, l));
    }
}

static void test_routes_that_do_not_matter(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    const struct rtmsg mine = {.rtm_family = AF_INET, .rtm_type = RTN_LOCAL, .rtm_table = RT_TABLE_LOCAL};
    const struct rtmsg all = {.rtm_family = AF_INET, .rtm_type = RTN_BROADCAST, .rtm_table = RT_TABLE_MAIN};
    const struct rtmsg copy = {.rtm_family = AF_INET6, .rtm_type = RTN_UNICAST, .rtm_flags = RTM_F_CLONED};
    const struct rtmsg local = {.rtm_family = AF_INET6, .rtm_type = RTN_UNICAST};
    const struct rtmsg other = {.rtm_family = RTNL_FAMILY_IPMR, .rtm_type = RTN_UNICAST};
    assert_false(take(&seen, route_letter(RTM_NEWROUTE, &mine, 1, RT_TABLE_LOCAL)));
    assert_false(take(&seen, route_letter(RTM_NEWROUTE, &all, 1, RT_TABLE_MAIN)));
    assert_false(take(&seen, route_letter(RTM_NEWROUTE, &copy, 1, RT_TABLE_MAIN)));
    assert_false(take(&seen, route_letter(RTM_DELROUTE, &local, 1, RT_TABLE_LOCAL)));
    assert_false(take(&seen, route_letter(RTM_NEWROUTE, &other, 1, RT_TABLE_MAIN)));
}

static void test_other_messages(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    static const uint16_t types[] = {NLMSG_NOOP,  NLMSG_ERROR,  NLMSG_DONE,
                                     RTM_GETLINK, RTM_NEWNEIGH, RTM_NEWRULE};
    const uint8_t body[32] = {0};
    for (size_t i = 0; i < ADIT_COUNT(types); i++) {
        struct letter l = {0};
        open_message(&l, types[i], body, sizeof body);
        assert_false(take(&seen, l));
    }
    struct letter overrun = {0};
    open_message(&overrun, NLMSG_OVERRUN, body, sizeof body);
    assert_true(take(&seen, overrun));
}

/* The change is found in any place, and all of them are remembered. */
static void test_several_in_one_datagram(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    struct letter first = address_letter(RTM_NEWADDR, 2, 1, 0), second = address_letter(RTM_NEWADDR, 2, 2, 0);
    struct letter both = first;
    put(&both, second.bytes, second.n);
    assert_true(take(&seen, first));
    assert_true(take(&seen, both));
    assert_false(take(&seen, both));
    assert_false(take(&seen, second));
}

/* Cut anywhere, from a buffer of just that size: never read beyond, and nothing is made of half a message. */
static void test_truncated(void **state)
{
    (void)state;
    const struct rtmsg way = {.rtm_family = AF_INET, .rtm_type = RTN_UNICAST, .rtm_table = RT_TABLE_MAIN};
    struct letter letters[] = {link_letter(RTM_NEWLINK, 2, IFF_UP | IFF_RUNNING),
                               address_letter(RTM_NEWADDR, 2, 1, 0),
                               route_letter(RTM_NEWROUTE, &way, 1, RT_TABLE_MAIN)};
    for (size_t i = 0; i < ADIT_COUNT(letters); i++) {
        for (size_t n = 0; n < letters[i].n; n++) {
            struct netlink_seen seen = {0};
            uint8_t *exact = test_malloc(n + 1);
            memcpy(exact + 1, letters[i].bytes, n); /* and at an odd address */
            assert_false(netlink_take(&seen, span_make(exact + 1, n)));
            test_free(exact);
        }
    }
}

static void test_wrong_lengths(void **state)
{
    (void)state;
    for (uint32_t len = 0; len < 200; len++) {
        struct netlink_seen seen = {0};
        struct letter l = address_letter(RTM_NEWADDR, 2, 1, 0);
        /* The message's; it has one attribute more than it needs, so that shorter ones may be whole. */
        memcpy(l.bytes, &len, sizeof len);
        bool is_whole = len <= l.n && len >= sizeof(struct nlmsghdr) + sizeof(struct ifaddrmsg);
        assert_true(is_whole || !take(&seen, l));
        /* The first attribute's: what it runs beyond is the end. */
        l = address_letter(RTM_NEWADDR, 2, 1, 0);
        uint16_t attribute_len = (uint16_t)len;
        size_t room = l.n - sizeof(struct nlmsghdr) - sizeof(struct ifaddrmsg);
        memset(&seen, 0, sizeof seen);
        memcpy(l.bytes + l.n - room, &attribute_len, sizeof attribute_len);
        bool is_good = take(&seen, l);
        assert_true(!is_good || (len >= sizeof(struct rtattr) && len <= room));
    }
}

/* More things than are kept: the oldest are forgotten, and count as new. */
static void test_many(void **state)
{
    (void)state;
    struct netlink_seen seen = {0};
    const int all = 3 * NETLINK_SEEN;
    for (int i = 1; i <= all; i++)
        assert_true(take(&seen, link_letter(RTM_NEWLINK, i, IFF_UP)));
    for (int i = all - NETLINK_SEEN + 1; i <= all; i++)
        assert_false(take(&seen, link_letter(RTM_NEWLINK, i, IFF_UP)));
    assert_true(take(&seen, link_letter(RTM_NEWLINK, 1, IFF_UP)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_tentative_addresses),
        cmocka_unit_test(test_point_to_point_addresses),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_multipath_routes),
        cmocka_unit_test(test_attribute_types),
        cmocka_unit_test(test_routes_that_do_not_matter),
        cmocka_unit_test(test_other_messages),
        cmocka_unit_test(test_several_in_one_datagram),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_wrong_lengths),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
