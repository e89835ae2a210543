#include "net/reason.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

const char *reason_text(int code)
{
    switch (code) {
    case EADDRINUSE:
        return "Address already in use";
    case EADDRNOTAVAIL:
        return "Cannot assign requested address";
    case ENETUNREACH:
        return "Network is unreachable";
    case EHOSTUNREACH:
        return "No route to host";
    case ETIMEDOUT:
        return "Connection timed out";
    default:
        return strerror(code);
    }
}

const char *reason_lookup_text(int code)
{
    switch (code) {
    case EAI_NONAME:
        return "Name or service not known";
    case EAI_AGAIN:
        return "Temporary failure in name resolution";
    case EAI_FAIL:
        return "Non-recoverable failure in name resolution";
    case EAI_SYSTEM:
        return reason_text(errno);
    default:
        return gai_strerror(code);
    }
}
