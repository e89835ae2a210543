#include "daemon/mcp_allow.h"

#include "client/patterns.h"
#include "forward/access.h"

void mcp_allow_init(struct mcp_allow *a)
{
    texts_init(&a->targets);
    texts_init(&a->locals);
    texts_init(&a->servers);
}

void mcp_allow_wipe(struct mcp_allow *a)
{
    texts_wipe(&a->targets);
    texts_wipe(&a->locals);
    texts_wipe(&a->servers);
}

static enum adit_err add(struct texts *to, const char *text, struct adit_error *err)
{
    return texts_add(to, span_str(text)) ? ADIT_E_OK : adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

enum adit_err mcp_allow_add(struct texts *to, const char *text, struct adit_error *err)
{
    if (!session_destination_check(text))
        return adit_fail(err, ADIT_E_USAGE, "'%.300s' is not HOST:PORT (either may be a pattern)", text);
    return add(to, text, err);
}

enum adit_err mcp_allow_add_server(struct mcp_allow *a, const char *text, struct adit_error *err)
{
    if (text[0] == 0)
        return adit_fail(err, ADIT_E_USAGE, "--allow-server: the pattern is empty");
    return add(&a->servers, text, err);
}

/* To a session no list means everything; here it means nothing. */
bool mcp_allow_has(const struct texts *list, const char *host, uint16_t port)
{
    const struct session_access access = {.destinations = (const char *const *)list->item,
                                          .destination_count = list->count};
    return list->count > 0 && access_may_reach(&access, host, port);
}

/* A port is only looked at by a pattern that has one. */
bool mcp_allow_has_server(const struct mcp_allow *a, const struct jump_spec *server)
{
    char with_port[LIMIT_HOST + 8];
    bool has = false;
    (void)adit_format(with_port, sizeof with_port, "%s:%u", server->host,
                      server->port != 0 ? (unsigned)server->port : 22U);
    for (size_t i = 0; i < a->servers.count; i++) {
        enum pattern_result by_host = patterns_match_any_case(a->servers.item[i], server->host);
        enum pattern_result by_port = patterns_match_any_case(a->servers.item[i], with_port);
        if (by_host == PATTERN_NEGATED || by_port == PATTERN_NEGATED)
            return false;
        has = has || by_host == PATTERN_MATCH || by_port == PATTERN_MATCH;
    }
    return has;
}
