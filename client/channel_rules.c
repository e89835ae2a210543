#include "client/channel_rules.h"

#include <stdlib.h>
#include <string.h>

#include "client/patterns.h"
#include "client/units.h"

/* ---- PermitRemoteOpen ---- */

/* "host:port", "[address]:port"; either may be "*". False: malformed. */
static bool permit_split(struct span text, struct span *host, struct span *port)
{
    size_t at = text.n;
    while (at > 0 && text.p[at - 1] != ':')
        at--;
    if (at < 2)
        return false;
    *host = span_sub(text, 0, at - 1);
    *port = span_sub(text, at, SIZE_MAX);
    if (host->p[0] == '[' && host->p[host->n - 1] == ']')
        *host = span_sub(*host, 1, host->n - 2);
    return host->n > 0;
}

static bool permit_read(struct channel_rules *rules, const char *text, struct session_permit *permit)
{
    struct span host, port;
    uint32_t number = 0;
    if (!permit_split(span_str(text), &host, &port) ||
        !(span_is(port, "*") || units_number(port, 1, UINT16_MAX, &number)))
        return false;
    *permit = (struct session_permit){.port = (uint16_t)number};
    if (span_is(host, "*"))
        return true;
    if (!texts_add(&rules->hosts, host))
        return false;
    permit->host = rules->hosts.item[rules->hosts.count - 1];
    return true;
}

static enum adit_err make_permits(struct channel_rules *rules, const struct texts *texts,
                                  struct session_config *config, struct adit_error *err)
{
    config->permits_are_limited = texts->count > 0 && !texts_has(texts, "any");
    rules->permits = calloc(texts->count + 1, sizeof *rules->permits);
    if (rules->permits == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    for (size_t i = 0; i < texts->count; i++)
        if (permit_read(rules, texts->item[i], &rules->permits[config->permit_count]))
            config->permit_count++;
    config->permits = rules->permits;
    return ADIT_E_OK;
}

/* ---- ChannelTimeout ---- */

/* "type=interval" for one kind of channel: the first rule that matches it. The global one is named, never
 * meant by a pattern. */
static uint32_t timeout_of(const struct texts *texts, const char *type, bool is_global)
{
    for (size_t i = 0; i < texts->count; i++) {
        struct span rule = span_str(texts->item[i]);
        const uint8_t *equals = memchr(rule.p, '=', rule.n);
        size_t n = equals != NULL ? (size_t)(equals - rule.p) : rule.n;
        struct span pattern = span_sub(rule, 0, n);
        uint32_t seconds = 0;
        bool is_meant = is_global ? span_is(pattern, type)
                                  : !span_is(pattern, "global") && pattern_matches(pattern, span_str(type));
        if (equals != NULL && is_meant && units_time(span_sub(rule, n + 1, SIZE_MAX), &seconds))
            return seconds;
    }
    return 0;
}

static void make_timeouts(const struct texts *texts, struct session_config *config)
{
    for (size_t i = 0; i < SESSION_CHANNEL_KINDS; i++)
        config->channel_timeouts_s[i] = timeout_of(texts, session_channel_name((enum session_channel_kind)i),
                                                   i == SESSION_CHANNEL_GLOBAL);
}

/* ---- All of it ---- */

enum adit_err channel_rules_init(struct channel_rules *rules, const struct options *options,
                                 struct session_config *config, struct adit_error *err)
{
    memset(rules, 0, sizeof *rules);
    texts_init(&rules->hosts);
    make_timeouts(&options->channel_timeouts, config);
    return make_permits(rules, &options->permit_remote_opens, config, err);
}

void channel_rules_wipe(struct channel_rules *rules)
{
    texts_wipe(&rules->hosts);
    free(rules->permits);
    rules->permits = NULL;
}
