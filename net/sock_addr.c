#include "net/sock.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

/* sockaddr_storage may be read as any of these: the types are made for it. */
static struct sockaddr_in *as_in(const struct sock_addr *a)
{
    return (struct sockaddr_in *)(void *)&((struct sock_addr *)(uintptr_t)a)->storage;
}

static struct sockaddr_in6 *as_in6(const struct sock_addr *a)
{
    return (struct sockaddr_in6 *)(void *)&((struct sock_addr *)(uintptr_t)a)->storage;
}

static struct sockaddr_un *as_un(const struct sock_addr *a)
{
    return (struct sockaddr_un *)(void *)&((struct sock_addr *)(uintptr_t)a)->storage;
}

/* The interface of "fe80::1%eth0", by name or number; 0 when there is none. */
static uint32_t scope_parse(const char *scope)
{
    uint32_t n = 0;
    const char *c = scope;

    for (; *c >= '0' && *c <= '9' && n < 100000000u; c++)
        n = n * 10 + (uint32_t)(*c - '0');
    return *scope && !*c ? n : if_nametoindex(scope);
}

static bool parse_in6(struct sock_addr *out, const char *host)
{
    char text[INET6_ADDRSTRLEN];
    const char *percent = strchr(host, '%');
    size_t n = percent ? (size_t)(percent - host) : strlen(host);
    struct sockaddr_in6 *in6 = as_in6(out);

    if (n >= sizeof text)
        return false;
    memcpy(text, host, n);
    text[n] = '\0';
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) != 1)
        return false;
    in6->sin6_family = AF_INET6;
    in6->sin6_scope_id = percent ? scope_parse(percent + 1) : 0;
    out->len = sizeof *in6;
    return !percent || in6->sin6_scope_id != 0;
}

bool sock_addr_parse(struct sock_addr *out, const char *host, uint16_t port)
{
    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, host, &as_in(out)->sin_addr) == 1) {
        as_in(out)->sin_family = AF_INET;
        out->len = sizeof(struct sockaddr_in);
    } else if (!parse_in6(out, host)) {
        memset(out, 0, sizeof *out);
        return false;
    }
    sock_addr_set_port(out, port);
    return true;
}

static enum adit_err fill_un(struct sock_addr *out, const char *path, bool is_abstract,
                             struct adit_error *err)
{
    struct sockaddr_un *un = as_un(out);
    size_t n = strlen(path);

    memset(out, 0, sizeof *out);
    if (n == 0)
        return adit_fail(err, ADIT_E_CONFIG, "the path of a Unix socket is empty");
    if (n >= sizeof un->sun_path)
        return adit_fail(err, ADIT_E_CONFIG, "the path of a Unix socket is longer than %zu bytes: %s",
                         sizeof un->sun_path - 1, path);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, n);
    if (is_abstract)
        un->sun_path[0] = '\0';
    /* An abstract name has no end but the length; a path counts its zero. */
    out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (is_abstract ? 0 : 1));
    return ADIT_E_OK;
}

size_t sock_addr_bytes(const char *host, uint8_t out[static 16])
{
    if (inet_pton(AF_INET, host, out) == 1)
        return 4;
    return inet_pton(AF_INET6, host, out) == 1 ? 16 : 0;
}

enum adit_err sock_addr_unix(struct sock_addr *out, const char *path, struct adit_error *err)
{
    return fill_un(out, path, path[0] == '@', err);
}

enum adit_err sock_addr_path(struct sock_addr *out, const char *path, struct adit_error *err)
{
    return fill_un(out, path, false, err);
}

int sock_addr_family(const struct sock_addr *a)
{
    return a->len >= sizeof(sa_family_t) ? a->storage.ss_family : AF_UNSPEC;
}

uint16_t sock_addr_port(const struct sock_addr *a)
{
    switch (sock_addr_family(a)) {
    case AF_INET:
        return ntohs(as_in(a)->sin_port);
    case AF_INET6:
        return ntohs(as_in6(a)->sin6_port);
    default:
        return 0;
    }
}

void sock_addr_set_port(struct sock_addr *a, uint16_t port)
{
    if (sock_addr_family(a) == AF_INET)
        as_in(a)->sin_port = htons(port);
    else if (sock_addr_family(a) == AF_INET6)
        as_in6(a)->sin6_port = htons(port);
}

static bool is_mapped(const struct sock_addr *a)
{
    return IN6_IS_ADDR_V4MAPPED(&as_in6(a)->sin6_addr);
}

bool sock_addr_is_loopback(const struct sock_addr *a)
{
    switch (sock_addr_family(a)) {
    case AF_INET:
        return ntohl(as_in(a)->sin_addr.s_addr) >> 24 == 127;
    case AF_INET6:
        return is_mapped(a) ? as_in6(a)->sin6_addr.s6_addr[12] == 127
                            : IN6_IS_ADDR_LOOPBACK(&as_in6(a)->sin6_addr);
    default:
        return sock_addr_family(a) == AF_UNIX;
    }
}

bool sock_addr_is_link_local(const struct sock_addr *a)
{
    if (sock_addr_family(a) == AF_INET)
        return ntohl(as_in(a)->sin_addr.s_addr) >> 16 == 0xa9fe; /* RFC 3927: 169.254/16 */
    return sock_addr_family(a) == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&as_in6(a)->sin6_addr);
}

/* By hand: a libc's inet_ntop brings all of printf along, which nothing else here needs. */
static void put_in(const uint8_t b[4], char *out)
{
    (void)adit_format(out, SOCK_TEXT_CAP, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
}

static unsigned group_of(const uint8_t b[16], unsigned i)
{
    return (unsigned)b[2 * i] << 8 | b[2 * i + 1];
}

/* RFC 5952 §4.2: the longest run of zero groups, the first of equal ones, never of one alone. */
static unsigned longest_run(const uint8_t b[16], unsigned *len)
{
    unsigned best = 0;
    *len = 1;
    for (unsigned i = 0, n = 0; i < 8; i++) {
        n = group_of(b, i) == 0 ? n + 1 : 0;
        if (n > *len) {
            *len = n;
            best = i + 1 - n;
        }
    }
    return best;
}

static void put_in6(const uint8_t b[16], char *out)
{
    unsigned len, run = longest_run(b, &len);
    bool has_run = len > 1;
    size_t n = 0;
    for (unsigned i = 0; i < 8; i++) {
        if (has_run && i == run) {
            n += adit_format(out + n, SOCK_TEXT_CAP - n, "::");
            i += len - 1;
            continue;
        }
        bool needs_colon = i > 0 && out[n - 1] != ':';
        n += adit_format(out + n, SOCK_TEXT_CAP - n, needs_colon ? ":%x" : "%x", group_of(b, i));
    }
}

static void text_in6(const struct sock_addr *a, char *out)
{
    char name[IF_NAMESIZE];
    uint32_t scope = as_in6(a)->sin6_scope_id;
    size_t n;

    if (is_mapped(a)) {
        put_in(as_in6(a)->sin6_addr.s6_addr + 12, out);
        return;
    }
    put_in6(as_in6(a)->sin6_addr.s6_addr, out);
    if (scope == 0)
        return;
    n = strlen(out);
    if (if_indextoname(scope, name))
        (void)adit_format(out + n, SOCK_TEXT_CAP - n, "%%%s", name);
    else
        (void)adit_format(out + n, SOCK_TEXT_CAP - n, "%%%u", scope);
}

static void text_un(const struct sock_addr *a, char *out)
{
    const size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t n = a->len > head ? a->len - head : 0;

    if (n > sizeof as_un(a)->sun_path)
        n = sizeof as_un(a)->sun_path;
    memcpy(out, as_un(a)->sun_path, n);
    out[n] = '\0'; /* the kernel's path of full length has no zero */
    if (n > 1 && out[0] == '\0')
        out[0] = '@';
}

void sock_addr_host(const struct sock_addr *a, char out[static SOCK_TEXT_CAP])
{
    out[0] = '\0';
    switch (sock_addr_family(a)) {
    case AF_INET:
        put_in((const uint8_t *)&as_in(a)->sin_addr, out);
        break;
    case AF_INET6:
        text_in6(a, out);
        break;
    case AF_UNIX:
        text_un(a, out);
        break;
    default:
        break;
    }
}

void sock_addr_text(const struct sock_addr *a, char out[static SOCK_TEXT_CAP])
{
    char host[SOCK_TEXT_CAP];
    int family = sock_addr_family(a);

    sock_addr_host(a, host);
    if (family != AF_INET && family != AF_INET6)
        (void)adit_format(out, SOCK_TEXT_CAP, "%s", host[0] ? host : "(no address)");
    else
        (void)adit_format(out, SOCK_TEXT_CAP, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
                          (unsigned)sock_addr_port(a));
}
