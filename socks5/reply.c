#include "socks5/reply.h"

#include <string.h>

/* What sshd sends with reason 2: strerror's or getaddrinfo's text on its system (glibc, musl, the BSDs).
 * Anything else that failed to connect counts as refused. */
static const struct {
    const char *text;
    enum socks_result result;
} known[] = {
    {"Network is unreachable", SOCKS_NET_UNREACHABLE},
    {"Network unreachable", SOCKS_NET_UNREACHABLE},
    {"Network is down", SOCKS_NET_UNREACHABLE},
    {"No route to host", SOCKS_HOST_UNREACHABLE},
    {"Host is unreachable", SOCKS_HOST_UNREACHABLE},
    {"Host is down", SOCKS_HOST_UNREACHABLE},
    {"Name or service not known", SOCKS_HOST_UNREACHABLE},
    {"Name does not resolve", SOCKS_HOST_UNREACHABLE},
    {"Name has no usable address", SOCKS_HOST_UNREACHABLE},
    {"No address associated with hostname", SOCKS_HOST_UNREACHABLE},
    {"Temporary failure in name resolution", SOCKS_HOST_UNREACHABLE},
    {"Non-recoverable failure in name resolution", SOCKS_HOST_UNREACHABLE},
    {"hostname nor servname provided, or not known", SOCKS_HOST_UNREACHABLE},
    {"no address associated with name", SOCKS_HOST_UNREACHABLE},
    {"Connection timed out", SOCKS_TTL_EXPIRED},
    {"Operation timed out", SOCKS_TTL_EXPIRED},
    {"Connection refused", SOCKS_REFUSED},
};

static enum socks_result result_of_text(struct span text)
{
    for (size_t i = 0; i < ADIT_COUNT(known); i++)
        if (span_is(text, known[i].text))
            return known[i].result;
    return SOCKS_REFUSED;
}

enum socks_result socks_reply_for_open_failure(uint32_t reason, struct span description)
{
    switch (reason) { /* RFC 4254 §5.1 */
    case 1:
        return SOCKS_NOT_ALLOWED;
    case 2:
        return result_of_text(description);
    case 3:
        return SOCKS_NO_COMMAND;
    default:
        return SOCKS_GENERAL;
    }
}
