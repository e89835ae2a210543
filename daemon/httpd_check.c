#define _GNU_SOURCE /* struct ucred */
#include "daemon/httpd_check.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "net/sock.h"

enum { PEER_GROUPS = 64 * 1024 }; /* NGROUPS_MAX of the kernel */

bool httpd_host_is_ours(const char *host, uint16_t port)
{
    static const char *const names[] = {"127.0.0.1", "[::1]", "localhost"};
    char tail[8];

    adit_format(tail, sizeof tail, ":%u", (unsigned)port);
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        size_t n = strlen(names[i]);

        if (strncmp(host, names[i], n) == 0 && (strcmp(host + n, tail) == 0 || (port == 80 && host[n] == 0)))
            return true;
    }
    return false;
}

bool httpd_origin_is_ours(const char *origin, uint16_t port)
{
    static const char scheme[] = "http://";

    return strncmp(origin, scheme, sizeof scheme - 1) == 0 &&
           httpd_host_is_ours(origin + sizeof scheme - 1, port);
}

bool httpd_token_matches(const char *authorization, const char *token)
{
    static const char scheme[] = "Bearer ";
    size_t n = token ? strlen(token) : 0;

    if (n == 0 || !authorization || strncasecmp(authorization, scheme, sizeof scheme - 1) != 0)
        return false;
    authorization += sizeof scheme - 1;
    while (*authorization == ' ')
        authorization++;
    return strlen(authorization) == n && adit_ct_eq(authorization, token, n);
}

bool httpd_type_is_json(const char *type)
{
    static const char name[] = "application/json", charset[] = "charset=";

    if (strncasecmp(type, name, sizeof name - 1) != 0)
        return false;
    type += sizeof name - 1;
    type += strspn(type, " \t");
    if (*type == 0)
        return true;
    if (*type++ != ';')
        return false;
    type += strspn(type, " \t");
    if (*type == 0)
        return true;
    if (strncasecmp(type, charset, sizeof charset - 1) != 0)
        return false;
    type += sizeof charset - 1;
    return strcasecmp(type, "utf-8") == 0 || strcasecmp(type, "\"utf-8\"") == 0;
}

bool httpd_depth_is_at_most(struct span json, unsigned max)
{
    unsigned depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < json.n; i++) {
        uint8_t c = json.p[i];

        if (in_text) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_text = false;
        } else if (c == '"') {
            in_text = true;
        } else if (c == '[' || c == '{') {
            if (++depth > max)
                return false;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return true;
}

bool httpd_values_are_at_most(struct span json, size_t max)
{
    size_t count = 0;
    bool in_text = false;

    for (size_t i = 0; i < json.n; i++) {
        uint8_t c = json.p[i];

        if (in_text && c == '\\')
            i++;
        else if (c == '"')
            in_text = !in_text;
        else if (!in_text && (c == '[' || c == '{' || c == ','))
            count++;
    }
    return count <= max;
}

static int digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool httpd_unescape(char *out, size_t cap, struct span in)
{
    size_t len = 0;

    for (size_t i = 0; i < in.n; i++) {
        int c = in.p[i];

        if (c == '%') {
            int high = in.n - i > 2 ? digit_value(in.p[i + 1]) : -1;
            int low = in.n - i > 2 ? digit_value(in.p[i + 2]) : -1;

            if (high < 0 || low < 0)
                return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || len + 1 >= cap)
            return false;
        out[len++] = (char)c;
    }
    if (cap == 0)
        return false;
    out[len] = 0;
    return true;
}

static bool peer_has_group(int fd, gid_t group)
{
    socklen_t size = PEER_GROUPS * sizeof(gid_t);
    gid_t *groups = malloc(size);
    bool found = false;

#ifdef SO_PEERGROUPS
    if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
        for (size_t i = 0; i < size / sizeof *groups; i++)
            found |= groups[i] == group;
#else
    (void)fd;
    (void)group;
#endif
    free(groups);
    return found;
}

bool httpd_peer_is_allowed(int fd, bool has_group, gid_t group)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (sock_peer_is_us(fd))
        return true;
    if (!has_group || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || size != sizeof peer)
        return false;
    return peer.gid == group || peer_has_group(fd, group);
}
