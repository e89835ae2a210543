#include <stddef.h>
#include <string.h>

#include "client/cidr.h"
#include "client/jump_spec.h"
#include "client/units.h"
#include "daemon/conf_row.h"
#include "forward/session.h"

static const char *const detect_names[] = {"normal", "fast", NULL};

enum { HEALTH_INTERVAL_S = 30, HEALTH_PATH_MAX = 1024 };

/* ---- Where to ---- */

static enum adit_err set_via(struct conf_reader *r, void *target, const struct conf_row *row,
                             const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    struct jump_spec spec;
    struct adit_error why = {0};
    (void)r;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    if (e != ADIT_E_OK)
        return e;
    if (jump_spec_parse(&spec, span_str(words->item[0]), &why) != ADIT_E_OK)
        return adit_fail(err, ADIT_E_CONFIG,
                         "'%s' is not [user@]host[:port], or holds characters that are not allowed",
                         words->item[0]);
    d->port = spec.port;
    bool done =
        definition_set(&d->host, spec.host) && definition_set(&d->user, spec.user[0] != 0 ? spec.user : NULL);
    return done ? ADIT_E_OK : conf_no_memory(err);
}

static enum adit_err set_profile(struct conf_reader *r, void *target, const struct conf_row *row,
                                 const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    (void)r;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    return e != ADIT_E_OK || definition_set(&d->profile_id, words->item[0]) ? e : conf_no_memory(err);
}

/* It stands where the API's stands. ProxyCommand and ProxyJump compete: the first of them wins. */
static enum adit_err set_jump(struct conf_reader *r, void *target, const struct conf_row *row,
                              const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    const char *name;
    static const char command[] = "ProxyCommand ";
    (void)r;
    enum adit_err e = conf_keyword_check(row->name, words->raw, &name, err);
    if (e != ADIT_E_OK)
        return e;
    for (size_t i = 0; i < d->keywords.count; i++)
        if (strncmp(d->keywords.item[i], command, sizeof command - 1) == 0)
            return ADIT_E_OK;
    return definition_set(&d->jump_host_id, words->item[0]) ? ADIT_E_OK : conf_no_memory(err);
}

static enum adit_err set_command(struct conf_reader *r, void *target, const struct conf_row *row,
                                 const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    const char *name;
    (void)r;
    return d->jump_host_id != NULL ? conf_keyword_check(row->name, words->raw, &name, err)
                                   : conf_keyword_add(&d->keywords, row->name, words->raw, &name, err);
}

/* ---- Forwards ---- */

static enum adit_err set_local(struct conf_reader *r, void *target, const struct conf_row *row,
                               const struct conf_words *words, struct adit_error *err)
{
    (void)row;
    return conf_forward_add(r, target, FORWARD_LOCAL, words, err);
}

static enum adit_err set_remote(struct conf_reader *r, void *target, const struct conf_row *row,
                                const struct conf_words *words, struct adit_error *err)
{
    (void)row;
    return conf_forward_add(r, target, FORWARD_REMOTE, words, err);
}

static enum adit_err set_dynamic(struct conf_reader *r, void *target, const struct conf_row *row,
                                 const struct conf_words *words, struct adit_error *err)
{
    (void)row;
    return conf_forward_add(r, target, FORWARD_DYNAMIC, words, err);
}

/* ---- How long ---- */

static enum adit_err read_delay(const char *word, uint32_t *ms, struct adit_error *err)
{
    uint32_t seconds;
    if (!units_time(span_str(word), &seconds) || seconds == 0 || seconds > INT32_MAX / 1000)
        return adit_fail(err, ADIT_E_CONFIG, "'%s' is not a time of 1 s or more", word);
    *ms = seconds * 1000;
    return ADIT_E_OK;
}

static enum adit_err set_backoff(struct conf_reader *r, void *target, const struct conf_row *row,
                                 const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    uint32_t first = 0, cap = d->backoff_cap_ms;
    (void)r;
    (void)row;
    enum adit_err e = conf_count_check(words, 1, 2, err);
    if (e == ADIT_E_OK)
        e = read_delay(words->item[0], &first, err);
    if (e == ADIT_E_OK && words->count == 2)
        e = read_delay(words->item[1], &cap, err);
    if (e != ADIT_E_OK)
        return e;
    if (words->count == 2 && cap < first)
        return adit_fail(err, ADIT_E_CONFIG, "the cap '%s' is below the first delay '%s'", words->item[1],
                         words->item[0]);
    d->backoff_first_ms = first;
    d->backoff_cap_ms = cap > first ? cap : first;
    return ADIT_E_OK;
}

/* A path as it goes into a request's first line. */
static bool is_http_path(const char *path)
{
    size_t n = 0;
    for (; path[n] != 0; n++)
        if ((uint8_t)path[n] <= ' ' || (uint8_t)path[n] >= 0x7f)
            return false;
    return path[0] == '/' && n <= HEALTH_PATH_MAX;
}

static enum adit_err read_health(const struct conf_words *words, struct definition_health *out,
                                 const char **path, struct adit_error *err)
{
    bool is_http = text_same(words->item[0], "http");
    size_t at = is_http ? 2 : 1;
    *path = is_http && words->count > 1 ? words->item[1] : NULL;
    *out = (struct definition_health){.kind = is_http ? DEFINITION_HEALTH_HTTP : DEFINITION_HEALTH_TCP,
                                      .interval_s = HEALTH_INTERVAL_S};
    if (!is_http && !text_same(words->item[0], "tcp"))
        return adit_fail(err, ADIT_E_CONFIG, "'%s' is not one of tcp, http", words->item[0]);
    enum adit_err e = conf_count_check(words, at, at + 1, err);
    if (e != ADIT_E_OK)
        return e;
    if (*path != NULL && !is_http_path(*path))
        return adit_fail(err, ADIT_E_CONFIG, "'%s' is no path: it begins with '/' and has no blanks", *path);
    if (words->count > at &&
        (!units_time(span_str(words->item[at]), &out->interval_s) || out->interval_s == 0))
        return adit_fail(err, ADIT_E_CONFIG, "'%s' is not a time of 1 s or more", words->item[at]);
    return ADIT_E_OK;
}

static enum adit_err set_health(struct conf_reader *r, void *target, const struct conf_row *row,
                                const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    struct definition_health health;
    const char *path;
    (void)r;
    (void)row;
    enum adit_err e = read_health(words, &health, &path, err);
    if (e != ADIT_E_OK)
        return e;
    if (!definition_set(&d->health.path, path))
        return conf_no_memory(err);
    d->health.kind = health.kind;
    d->health.interval_s = health.interval_s;
    return ADIT_E_OK;
}

/* ---- Who may ---- */

static enum adit_err set_allow(struct conf_reader *r, void *target, const struct conf_row *row,
                               const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    (void)r;
    (void)row;
    for (size_t i = 0; i < words->count; i++) {
        bool matches;
        struct span rest = span_str(words->item[i]), piece;
        struct adit_error why = {0};
        if (cidr_list_matches(words->item[i], NULL, &matches, &why) != ADIT_E_OK)
            return adit_fail(err, ADIT_E_CONFIG, "'%s' is not an address or a network (192.168.1.0/24)",
                             words->item[i]);
        while (text_comma(&rest, &piece))
            if (!texts_add(&d->allow, piece))
                return conf_no_memory(err);
    }
    return ADIT_E_OK;
}

static enum adit_err set_destinations(struct conf_reader *r, void *target, const struct conf_row *row,
                                      const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    (void)r;
    (void)row;
    for (size_t i = 0; i < words->count; i++) {
        if (!session_destination_check(words->item[i]))
            return adit_fail(err, ADIT_E_CONFIG, "'%s' is not HOST:PORT (either part may be a pattern)",
                             words->item[i]);
        if (!texts_add(&d->destinations, span_str(words->item[i])))
            return conf_no_memory(err);
    }
    return ADIT_E_OK;
}

/* ---- The rest ---- */

static enum adit_err set_description(struct conf_reader *r, void *target, const struct conf_row *row,
                                     const struct conf_words *words, struct adit_error *err)
{
    struct definition *d = target;
    char text[DEFINITION_DESCRIPTION_MAX + 2];
    size_t n = 0;
    (void)r;
    (void)row;
    for (size_t i = 0; i < words->count; i++)
        n += adit_format(text + n, sizeof text - n, i == 0 ? "%s" : " %s", words->item[i]);
    if (n > DEFINITION_DESCRIPTION_MAX)
        return adit_fail(err, ADIT_E_CONFIG, "it is longer than %d bytes", (int)DEFINITION_DESCRIPTION_MAX);
    return definition_set(&d->description, text) ? ADIT_E_OK : conf_no_memory(err);
}

#define AT(field) \
    .offset = offsetof(struct definition, field), .size = sizeof(((struct definition *)0)->field)
static const struct conf_row rows[] = {
    {.name = "Via", .kind = CONF_SPECIAL, .set = set_via},
    {.name = "Profile", .kind = CONF_SPECIAL, .set = set_profile},
    {.name = "ProxyJump", .kind = CONF_SPECIAL, .set = set_jump},
    {.name = "ProxyCommand", .kind = CONF_SPECIAL, .set = set_command},
    {.name = "LocalForward", .kind = CONF_SPECIAL, .set = set_local, .accumulates = true},
    {.name = "RemoteForward", .kind = CONF_SPECIAL, .set = set_remote, .accumulates = true},
    {.name = "DynamicForward", .kind = CONF_SPECIAL, .set = set_dynamic, .accumulates = true},
    {.name = "AutoStart", .kind = CONF_FLAG, AT(auto_start)},
    {.name = "AutoReconnect", .kind = CONF_FLAG, AT(auto_reconnect)},
    {.name = "MaxRetries", .kind = CONF_NUMBER, AT(max_retries), .max = INT32_MAX},
    {.name = "Backoff", .kind = CONF_SPECIAL, .set = set_backoff},
    {.name = "BackoffJitter", .kind = CONF_NUMBER, AT(jitter_percent), .max = 100},
    {.name = "HealthCheck", .kind = CONF_SPECIAL, .set = set_health},
    {.name = "Lazy", .kind = CONF_FLAG, AT(lazy)},
    {.name = "IdleExit", .kind = CONF_TIME, AT(idle_exit_s), .max = 1},
    {.name = "HoldTime", .kind = CONF_TIME, AT(hold_ms), .max = 1000},
    {.name = "HoldMax", .kind = CONF_NUMBER, AT(hold_max), .max = DEFINITION_HOLD_MAX},
    {.name = "Detect", .kind = CONF_CHOICE, AT(detect_fast), .choices = detect_names},
    {.name = "Allow", .kind = CONF_SPECIAL, .set = set_allow, .accumulates = true},
    {.name = "AllowNonLoopback", .kind = CONF_FLAG, AT(allow_non_loopback)},
    {.name = "SocksUser", .kind = CONF_WORD, AT(socks_user), .max = 255}, /* RFC 1929: one length byte */
    {.name = "SocksPasswordFile", .kind = CONF_PATH, AT(socks_password_file), .max = 4095},
    {.name = "Destinations", .kind = CONF_SPECIAL, .set = set_destinations, .accumulates = true},
    {.name = "AditReclaim", .kind = CONF_FLAG, AT(reclaim)},
    {.name = "Description", .kind = CONF_SPECIAL, .set = set_description},
};
const struct conf_table conf_tunnel_table = {rows, ADIT_COUNT(rows)};
