/* The kernel's messages about the network. Read whole, or message by message, a datagram says the same; and
 * what is there already is no news when it is said again. */
#include <linux/rtnetlink.h>
#include <string.h>

#include "fuzz.h"
#include "net/netlink.h"

/* The first message of the datagram, as it stands there; 0: none is whole. */
static size_t message_len(struct span datagram)
{
    struct nlmsghdr head;
    if (datagram.n < sizeof head)
        return 0;
    memcpy(&head, datagram.p, sizeof head);
    return head.nlmsg_len >= sizeof head && head.nlmsg_len <= datagram.n ? head.nlmsg_len : 0;
}

static uint16_t message_type(struct span message)
{
    struct nlmsghdr head;
    memcpy(&head, message.p, sizeof head);
    return head.nlmsg_type;
}

/* A copy of its own, so that a byte too many is seen. */
static bool take(struct netlink_seen *seen, struct span message)
{
    uint8_t *copy = malloc(message.n > 0 ? message.n : 1);
    ALWAYS(copy != NULL);
    if (message.n > 0)
        memcpy(copy, message.p, message.n);
    bool has_changed = netlink_take(seen, span_make(copy, message.n));
    free(copy);
    return has_changed;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct netlink_seen whole, single;
    struct span rest = span_make(data, size);
    bool has_changed = false;
    size_t n;

    memset(&whole, 0, sizeof whole);
    memset(&single, 0, sizeof single);
    bool whole_says = take(&whole, rest);
    while ((n = message_len(rest)) > 0) {
        struct span message = span_sub(rest, 0, n);
        uint16_t type = message_type(message);
        bool is_new = type == RTM_NEWLINK || type == RTM_NEWADDR || type == RTM_NEWROUTE;
        has_changed |= take(&single, message);
        ALWAYS(!is_new || !take(&single, message));
        rest = span_sub(rest, (n + 3) & ~(size_t)3, SIZE_MAX);
    }
    ALWAYS(whole_says == has_changed);
    ALWAYS(memcmp(&whole, &single, sizeof whole) == 0);
    return 0;
}
