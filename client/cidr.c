#include "client/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "client/units.h"

enum { ELEMENT_CAP = 64 };

struct network {
    int family;
    uint8_t address[16];
    uint32_t bits;
};

static bool bits_behind_are_zero(const struct network *n, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint32_t first = (uint32_t)i * 8, behind = 0xff;
        if (n->bits > first)
            behind = n->bits >= first + 8 ? 0 : 0xffU >> (n->bits - first);
        if ((n->address[i] & behind) != 0)
            return false;
    }
    return true;
}

static bool network_parse(struct span element, struct network *out)
{
    char text[ELEMENT_CAP];
    const uint8_t *slash = element.n > 0 ? memchr(element.p, '/', element.n) : NULL;
    size_t n = slash != NULL ? (size_t)(slash - element.p) : element.n;
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, element.p, n);
    text[n] = 0;
    out->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    size_t len = out->family == AF_INET6 ? 16 : 4;
    out->bits = (uint32_t)len * 8;
    if (inet_pton(out->family, text, out->address) != 1)
        return false;
    if (slash != NULL && !units_number(span_sub(element, n + 1, SIZE_MAX), 0, (uint32_t)len * 8, &out->bits))
        return false;
    return bits_behind_are_zero(out, len);
}

static bool network_has(const struct network *n, const struct sockaddr *address)
{
    uint8_t raw[16];
    if (address == NULL || address->sa_family != n->family)
        return false;
    if (n->family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        memcpy(raw, &in.sin_addr, 4);
    } else {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        memcpy(raw, &in6.sin6_addr, 16);
    }
    uint32_t whole = n->bits / 8, rest = n->bits % 8;
    if (memcmp(raw, n->address, whole) != 0)
        return false;
    return rest == 0 || (raw[whole] >> (8 - rest)) == (n->address[whole] >> (8 - rest));
}

enum adit_err cidr_list_matches(const char *list, const struct sockaddr *address, bool *matches,
                                struct adit_error *err)
{
    *matches = false;
    for (;;) {
        size_t n = strcspn(list, ",");
        struct network network = {0};
        if (!network_parse(span_make(list, n), &network))
            return adit_fail(err, ADIT_E_USAGE, "Invalid network entry \"%.*s\"", (int)(n < 80 ? n : 80),
                             list);
        *matches = *matches || network_has(&network, address);
        if (list[n] == 0)
            return ADIT_E_OK;
        list += n + 1;
    }
}

bool cidr_parse(struct session_net *out, const char *text)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct network n = {0};
    if (!network_parse(span_str(text), &n))
        return false;
    size_t before = n.family == AF_INET ? sizeof mapped : 0;
    memcpy(out->address, mapped, before);
    memcpy(out->address + before, n.address, sizeof out->address - before);
    out->bits = (uint8_t)(8 * before + n.bits);
    return true;
}
