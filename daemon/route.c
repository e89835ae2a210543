/*
 * route.c - see route.h.
 */
#include "daemon/route.h"

#include <stdlib.h>
#include <string.h>

#include "client/options.h"
#include "client/ssh_config.h"
#include "daemon/conf.h"
#include "daemon/registry.h"

static bool no_memory(struct definition_error *error)
{
    return definition_fail(error, DEFINITION_E_INVALID, NULL, "out of memory");
}

/* ---- Settings ---- */

static bool add(struct texts *to, const char *keyword, const char *value)
{
    size_t cap = strlen(keyword) + strlen(value) + 2;
    char *line = malloc(cap);
    bool ok = line && texts_add(to, span_make(line, adit_format(line, cap, "%s %s", keyword, value)));
    free(line);
    return ok;
}

static bool add_all(struct texts *to, const struct texts *from)
{
    bool ok = true;
    for (size_t i = 0; i < from->count; i++)
        ok = texts_add(to, span_str(from->item[i])) && ok;
    return ok;
}

static bool has_keyword(const struct texts *lines, const char *keyword)
{
    char word[OPTIONS_KEYWORD_CAP];
    const char *value;
    for (size_t i = 0; i < lines->count; i++)
        if (options_split_line(lines->item[i], word, &value) && text_same(word, keyword))
            return true;
    return false;
}

/* What Auth means in ssh_config's words. A wrong password is not tried a second time. */
static bool add_auth(struct texts *to, const struct profile *p, const struct secrets *secrets)
{
    bool ok = true;
    if (p->auth == PROFILE_AUTH_KEY)
        ok = add(to, "PreferredAuthentications", "publickey");
    if (p->auth == PROFILE_AUTH_PASSWORD)
        ok = add(to, "PubkeyAuthentication", "no") &&
             add(to, "PreferredAuthentications", "password,keyboard-interactive");
    if (secrets_have_password(secrets) || secrets_have_passphrase(secrets))
        ok = add(to, "NumberOfPasswordPrompts", "1") && ok;
    return ok;
}

/* A profile that is an alias of ssh_config: the block of that alias holds, and leads to the tunnel's host. */
static bool is_alias(const char *id, const struct profile *profile)
{
    return id && !profile && strcmp(id, CONF_PROFILE_DEFAULT) != 0;
}

static bool fill_settings(struct route *r, const struct definition *d, const struct profile *profile,
                          const char *jump)
{
    bool ok = !jump || add(&r->settings, "ProxyJump", jump);
    ok = add_all(&r->settings, &d->keywords) && ok;
    if (profile) {
        ok = add_all(&r->settings, &profile->keywords) && ok;
        ok = add_auth(&r->settings, profile, &r->secrets) && ok;
    }
    if (is_alias(d->profile_id, profile) && strcmp(d->profile_id, d->host) != 0)
        ok = add(&r->settings, "HostName", d->host) && ok;
    return ok;
}

/* ---- Jumps ---- */

/* One hop in ProxyJump's words. */
static size_t hop_text(char *out, size_t cap, const struct tunnels *t, const struct definition *d)
{
    const struct profile *profile =
        conf_profile(t->conf, d->profile_id ? d->profile_id : CONF_PROFILE_DEFAULT);
    const char *user = d->user ? d->user : profile ? profile->user : NULL;
    bool has_colon = strchr(d->host, ':') != NULL;
    char port[8] = "";
    if (d->port)
        (void)adit_format(port, sizeof port, ":%u", (unsigned)d->port);
    return adit_format(out, cap, has_colon ? "%s%s[%s]%s" : "%s%s%s%s", user ? user : "", user ? "@" : "",
                       d->host, port);
}

enum { JUMP_CAP = LIMIT_JUMPS * (LIMIT_HOST + LIMIT_USER + 16) };

struct jump {
    char text[JUMP_CAP];
    size_t len;
};

static bool put_before(struct jump *j, const char *hop)
{
    size_t n = strlen(hop), comma = j->len > 0;
    if (j->len + n + comma + 1 > sizeof j->text)
        return false;
    memmove(j->text + n + comma, j->text, j->len + 1);
    memcpy(j->text, hop, n);
    if (comma)
        j->text[n] = ',';
    j->len += n + comma;
    return true;
}

static bool in_circle(struct definition_error *error)
{
    return definition_fail(error, DEFINITION_E_INVALID, "jump_session_id",
                           "the jumps lead in a circle, or are more than %d", (int)LIMIT_JUMPS);
}

/* From the last hop to the first. */
static bool walk(struct jump *j, const struct tunnels *t, const struct definition *d,
                 const struct tunnel *self, struct definition_error *error)
{
    char hop[LIMIT_HOST + LIMIT_USER + 16];
    for (unsigned i = 0; d->jump_session_id; i++) {
        const struct tunnel *u = tunnels_find(t, d->jump_session_id);
        if (!u)
            return definition_fail(error, DEFINITION_E_INVALID, "jump_session_id", "Tunnel %s not found",
                                   d->jump_session_id);
        d = &u->definition;
        (void)hop_text(hop, sizeof hop, t, d);
        if (u == self || i >= LIMIT_JUMPS || !put_before(j, hop))
            return in_circle(error);
    }
    if (!d->jump_host_id || text_same(d->jump_host_id, "none"))
        return true;
    return put_before(j, d->jump_host_id) || in_circle(error);
}

char *route_jump(const struct tunnels *t, const struct definition *d, const struct tunnel *self,
                 struct definition_error *error)
{
    struct jump *j = calloc(1, sizeof *j);
    char *text = NULL;
    if (!j || (walk(j, t, d, self, error) && !(text = text_copy(span_str(j->text)))))
        (void)no_memory(error);
    free(j);
    return text;
}

/* ---- What must be there before anything is sent ---- */

/* ssh_config's own word, read with what the tunnel and its profile say. False also for a file that cannot be
 * read: the link says why then. */
static bool ssh_config_names_key(const struct route *r, const struct tunnels *t)
{
    struct options o;
    struct ssh_config_query q = {.host = r->host, .file = t->conf->ssh_config};
    struct adit_error err = {ADIT_E_OK, ""};
    enum adit_err e = ADIT_E_OK;
    options_init(&o);
    for (size_t i = 0; e == ADIT_E_OK && i < r->settings.count; i++)
        e = options_set_line(&o, r->settings.item[i], &err);
    if (e == ADIT_E_OK)
        e = ssh_config_resolve(&o, &q, &err);
    bool names_one = e != ADIT_E_OK || options_is_set(&o, "IdentityFile");
    options_wipe(&o);
    return names_one;
}

static bool has_password(const struct secrets *s)
{
    char text[PROMPT_ANSWER_CAP];
    bool ok = secrets_password(s, text, sizeof text, NULL) == ADIT_E_OK;
    adit_wipe(text, sizeof text);
    return ok;
}

static bool check_complete(const struct route *r, const struct tunnels *t, const struct profile *p,
                           struct definition_error *error)
{
    if (!p)
        return true;
    if (p->auth == PROFILE_AUTH_PASSWORD && !has_password(&r->secrets))
        return definition_fail(error, "profile_incomplete", "profile_id", "No password found");
    if (p->auth == PROFILE_AUTH_KEY && !has_keyword(&r->settings, "IdentityFile") &&
        !ssh_config_names_key(r, t))
        return definition_fail(error, "profile_incomplete", "profile_id", "No SSH key path found");
    return true;
}

/* ---- The whole ---- */

static bool copy(char **to, const char *text)
{
    return definition_set(to, text);
}

/* Behaviour that belongs to a connection divides as the route does. */
static bool make_key(struct route *r, const struct definition *d)
{
    char *route = definition_connection_key(d);
    size_t cap = (route ? strlen(route) : 0) + 160;
    r->key = route ? malloc(cap) : NULL;
    if (r->key)
        (void)adit_format(r->key, cap, "%s|%d %d %u %u %u %u %u %u", route, (int)r->is_lazy,
                          (int)r->detect_fast, r->idle_exit_ms, r->hold_ms, r->hold_max, r->backoff_first_ms,
                          r->backoff_cap_ms, r->jitter_percent);
    free(route);
    return r->key != NULL;
}

static bool make_name(struct route *r, const struct definition *d, const char *user)
{
    char text[LIMIT_USER + LIMIT_HOST + 16], port[8] = "";
    bool has_colon = d->port != 0 && strchr(d->host, ':') != NULL;
    if (d->port)
        (void)adit_format(port, sizeof port, ":%u", (unsigned)d->port);
    (void)adit_format(text, sizeof text, has_colon ? "%s%s[%s]%s" : "%s%s%s%s", user ? user : "",
                      user ? "@" : "", d->host, port);
    return copy(&r->name, text);
}

static void take_behaviour(struct route *r, const struct definition *d)
{
    r->port = d->port;
    r->is_lazy = d->lazy;
    r->detect_fast = d->detect_fast;
    r->idle_exit_ms = d->idle_exit_s > UINT32_MAX / 1000 ? UINT32_MAX : d->idle_exit_s * 1000;
    r->hold_ms = d->hold_ms;
    r->hold_max = d->hold_max;
    r->backoff_first_ms = d->backoff_first_ms;
    r->backoff_cap_ms = d->backoff_cap_ms;
    r->jitter_percent = d->jitter_percent;
}

static bool fill(struct route *r, const struct tunnels *t, const struct definition *d,
                 const struct tunnel *self, const struct profile *profile, struct definition_error *error)
{
    bool by_alias = is_alias(d->profile_id, profile);
    char *jump = NULL;
    if (d->jump_session_id && !(jump = route_jump(t, d, self, error)))
        return false;
    take_behaviour(r, d);
    bool ok = secrets_init(&r->secrets, profile) &&
              fill_settings(r, d, profile, jump ? jump : d->jump_host_id) &&
              copy(&r->host, by_alias ? d->profile_id : d->host) && copy(&r->user, d->user) &&
              copy(&r->config_file, t->conf->ssh_config) && make_key(r, d) &&
              make_name(r, d,
                        d->user   ? d->user
                        : profile ? profile->user
                                  : NULL);
    free(jump);
    return ok ? check_complete(r, t, profile, error) : no_memory(error);
}

bool route_check(const struct tunnels *t, const struct definition *d, const struct tunnel *self,
                 struct definition_error *error)
{
    const char *id = d->profile_id ? d->profile_id : CONF_PROFILE_DEFAULT;
    if (!conf_has_profile(t->conf, id))
        return definition_fail(error, DEFINITION_E_INVALID, "profile_id", "Profile %s not found", id);
    char *jump = d->jump_session_id ? route_jump(t, d, self, error) : NULL;
    free(jump);
    return jump || !d->jump_session_id;
}

bool route_init(struct route *r, const struct tunnel *tunnel, struct definition_error *error)
{
    const struct tunnels *t = tunnel->tunnels;
    const struct definition *d = &tunnel->definition;
    const char *id = d->profile_id ? d->profile_id : CONF_PROFILE_DEFAULT;
    memset(r, 0, sizeof *r);
    if (!conf_has_profile(t->conf, id))
        return definition_fail(error, DEFINITION_E_INVALID, "profile_id", "Profile %s not found", id);
    if (fill(r, t, d, tunnel, conf_profile(t->conf, id), error))
        return true;
    route_wipe(r);
    return false;
}

void route_wipe(struct route *r)
{
    free(r->key);
    free(r->name);
    free(r->host);
    free(r->user);
    free(r->config_file);
    texts_wipe(&r->settings);
    secrets_wipe(&r->secrets);
    memset(r, 0, sizeof *r);
}
