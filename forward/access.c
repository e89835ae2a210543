#include "forward/access.h"

#include <string.h>

/* ---- Clients ---- */

/* As a struct session_net has it. False: it has no such address. */
static bool address_of(const struct sock_addr *client, uint8_t out[static 16], bool *is_ipv4)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char host[SOCK_TEXT_CAP];
    uint8_t raw[16];
    if (sock_addr_family(client) == AF_UNIX)
        return false;
    sock_addr_host(client, host); /* a mapped one becomes IPv4 here */
    host[strcspn(host, "%")] = '\0';
    size_t n = sock_addr_bytes(host, raw);
    *is_ipv4 = n == 4;
    memcpy(out, mapped, sizeof mapped);
    memcpy(out + (n == 4 ? 12 : 0), raw, n);
    return n > 0;
}

/* "::/0" is every IPv6 address, and no IPv4 one. */
static bool net_has(const struct session_net *net, const uint8_t *address, bool is_ipv4)
{
    size_t whole = net->bits / 8, rest = net->bits % 8;
    if (net->bits > 128 || (is_ipv4 && net->bits < 96) || memcmp(net->address, address, whole) != 0)
        return false;
    return rest == 0 || (net->address[whole] ^ address[whole]) >> (8 - rest) == 0;
}

/* Nobody else can be bound to that address and port while the caller's socket is. */
static bool is_own(const struct session_access *a, const struct sock_addr *client, const uint8_t address[16],
                   bool is_ipv4)
{
    static const uint8_t four[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}, six[16] = {[15] = 1};
    unsigned own = a->own_end ? atomic_load(a->own_end) : 0;
    return own != 0 && own == sock_addr_port(client) + (is_ipv4 ? 0U : (unsigned)SESSION_OWN_IPV6) &&
           memcmp(address, is_ipv4 ? four : six, sizeof four) == 0;
}

bool access_has_client(const struct session_access *a, const struct sock_addr *client)
{
    uint8_t address[16];
    bool is_ipv4;
    if (!a || a->allow_count == 0)
        return true;
    if (!address_of(client, address, &is_ipv4))
        return false;
    if (is_own(a, client, address, is_ipv4))
        return true;
    for (size_t i = 0; i < a->allow_count; i++)
        if (net_has(&a->allow[i], address, is_ipv4))
            return true;
    return false;
}

/* ---- Destinations ---- */

enum { PORT_CAP = 8 };

/* False: the text is none. */
static bool split(const char *text, struct span *host, struct span *port)
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    if (n == 0)
        return false;
    *port = span_str(colon + 1);
    *host = span_make(text, n);
    if (text[0] == '[' && text[n - 1] == ']')
        *host = span_make(text + 1, n - 2);
    else if (memchr(text, ':', n))
        return false;
    return host->n > 0 && port->n > 0;
}

static bool is_in(const char *set, uint8_t c)
{
    return c != 0 && strchr(set, c);
}

/* A name may begin with a digit: "10.*" must not be met by "10.example.org". */
static bool is_of_ipv4(struct span pattern)
{
    bool has_digit = false;
    for (size_t i = 0; i < pattern.n; i++) {
        if (!is_in("0123456789.*?", pattern.p[i]))
            return false;
        has_digit |= pattern.p[i] >= '0' && pattern.p[i] <= '9';
    }
    return has_digit;
}

static bool may_reach(const char *destination, const char *host, const char *port)
{
    struct span host_pattern, port_pattern;
    if (strcmp(destination, "any") == 0)
        return true;
    if (!split(destination, &host_pattern, &port_pattern))
        return false;
    if (is_of_ipv4(host_pattern) && host[strspn(host, "0123456789.")])
        return false;
    return adit_text_matches(host_pattern, span_str(host), true) &&
           adit_text_matches(port_pattern, span_str(port), true);
}

bool access_may_reach(const struct session_access *a, const char *host, uint16_t port)
{
    char port_text[PORT_CAP];
    if (!a || a->destination_count == 0)
        return true;
    (void)adit_format(port_text, sizeof port_text, "%u", (unsigned)port);
    for (size_t i = 0; i < a->destination_count; i++)
        if (may_reach(a->destinations[i], host, port_text))
            return true;
    return false;
}

/* Digits and wildcards; without any of these a port that there is. */
static bool is_port(struct span text)
{
    uint32_t number = 0;
    bool is_pattern = false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.n > 5 || !is_in("0123456789*?", text.p[i]))
            return false;
        is_pattern |= text.p[i] == '*' || text.p[i] == '?';
        number = 10 * number + text.p[i] - '0';
    }
    return is_pattern || (number > 0 && number <= UINT16_MAX);
}

bool session_destination_check(const char *text)
{
    struct span host, port;
    if (strcmp(text, "any") == 0 || strcmp(text, "none") == 0)
        return true;
    if (!split(text, &host, &port) || host.n > LIMIT_HOST || !is_port(port))
        return false;
    for (size_t i = 0; i < host.n; i++)
        if (host.p[i] <= ' ' || host.p[i] == 0x7f || host.p[i] == '[' || host.p[i] == ']')
            return false;
    return true;
}
