/*
 * route.c - see route.h.
 */
#include "daemon/route.h"

#include <stdlib.h>
#include <string.h>

#include "client/options.h"
#include "daemon/buffer.h"
#include "daemon/conf.h"
#include "daemon/registry.h"
#include "daemon/route_key.h"

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

/* ---- Places ---- */

/* What leads to one that is reached through another place is that one's affair. */
static bool add_way(struct texts *to, const struct definition *d, bool is_last)
{
    if (is_last)
        return !d->jump_host_id || add(to, "ProxyJump", d->jump_host_id);
    return add(to, "ProxyJump", "none") && add(to, "ProxyCommand", "none") && add(to, "AditProxy", "none");
}

static bool add_settings(struct route_place *p, const struct secrets *secrets, const struct definition *d,
                         const struct profile *profile, bool is_last)
{
    bool ok = add_way(&p->settings, d, is_last) && add_all(&p->settings, &d->keywords);
    if (profile) {
        ok = add_all(&p->settings, &profile->keywords) && ok;
        ok = add_auth(&p->settings, profile, secrets) && ok;
    }
    if (is_alias(d->profile_id, profile) && strcmp(d->profile_id, d->host) != 0)
        ok = add(&p->settings, "HostName", d->host) && ok;
    return ok;
}

static bool copy(char **to, const char *text)
{
    return definition_set(to, text);
}

static bool add_name(struct route_place *p, const struct definition *d, const char *user)
{
    char text[LIMIT_USER + LIMIT_HOST + 16], port[8] = "";
    bool has_colon = d->port != 0 && strchr(d->host, ':') != NULL;
    if (d->port)
        (void)adit_format(port, sizeof port, ":%u", (unsigned)d->port);
    (void)adit_format(text, sizeof text, has_colon ? "%s%s[%s]%s" : "%s%s%s%s", user ? user : "",
                      user ? "@" : "", d->host, port);
    return copy(&p->name, text);
}

static const char *profile_id_of(const struct definition *d)
{
    return d->profile_id ? d->profile_id : CONF_PROFILE_DEFAULT;
}

static void put(struct buffer *b, const char *text)
{
    buffer_format(b, "%zu %s\n", text ? strlen(text) : 0, text ? text : "-");
}

/* What of a definition divides tunnels that lead to the same host. */
static bool add_like(struct route_place *p, const struct definition *d)
{
    struct buffer b = {0};
    put(&b, profile_id_of(d));
    for (size_t i = 0; i < d->keywords.count; i++)
        put(&b, d->keywords.item[i]);
    p->like = b.is_failed ? NULL : b.p;
    if (b.is_failed)
        buffer_wipe(&b);
    return p->like != NULL;
}

static bool make_place(struct route_place *p, struct secrets *secrets, const struct tunnels *t,
                       const struct definition *d, bool is_last)
{
    const struct profile *profile = conf_profile(t->conf, profile_id_of(d));
    p->port = d->port;
    return secrets_init(secrets, profile) && add_settings(p, secrets, d, profile, is_last) &&
           copy(&p->host, is_alias(d->profile_id, profile) ? d->profile_id : d->host) &&
           copy(&p->user, d->user) && add_like(p, d) &&
           add_name(p, d,
                    d->user   ? d->user
                    : profile ? profile->user
                              : NULL);
}

/* ---- The tunnels that it jumps through ---- */

/* The destination, and whom it is reached through, one after the other. */
struct way {
    const struct definition *at[LIMIT_JUMPS + 1];
    size_t count;
};

static bool walk(struct way *w, const struct tunnels *t, const struct definition *d,
                 const struct tunnel *self, struct definition_error *error)
{
    for (w->count = 0;; d = w->at[w->count - 1]) {
        const struct tunnel *u = NULL;
        if (w->count > 0 && !d->jump_session_id)
            return true;
        if (w->count > 0 && !(u = tunnels_find(t, d->jump_session_id)))
            return definition_fail(error, DEFINITION_E_INVALID, "jump_session_id", "Tunnel %s not found",
                                   d->jump_session_id);
        if ((u && u == self) || w->count == ADIT_COUNT(w->at))
            return definition_fail(error, DEFINITION_E_INVALID, "jump_session_id",
                                   "the jumps lead in a circle, or are more than %d", (int)LIMIT_JUMPS);
        w->at[w->count++] = u ? &u->definition : d;
    }
}

/* ---- What must be there before anything is sent ---- */

/* ssh_config's own word, read with what the tunnel and its profile say. True also for a file that cannot be
 * read, or only by waiting: the link says why then. */
static bool ssh_config_names_key(const struct route_place *p, const char *config_file)
{
    struct options o;
    bool names_one =
        route_place_resolve(&o, p, config_file) != ADIT_E_OK || options_is_set(&o, "IdentityFile");
    options_wipe(&o);
    return names_one;
}

/* No password, or not just now? */
static bool check_password(const struct secrets *s, const char *field, struct definition_error *error)
{
    char text[PROMPT_ANSWER_CAP];
    struct adit_error why = {ADIT_E_OK, ""};
    enum adit_err e = secrets_password(s, text, sizeof text, &why);
    adit_wipe(text, sizeof text);
    if (e == ADIT_E_MEMORY)
        return definition_fail(error, DEFINITION_E_INTERNAL, NULL, "%s", why.text);
    return e == ADIT_E_OK || definition_fail(error, "profile_incomplete", field, "No password found");
}

static bool check_complete(const struct route *r, size_t at, const struct profile *p,
                           struct definition_error *error)
{
    const struct route_place *place = &r->places[at];
    const char *field = at == 0 ? "profile_id" : "jump_session_id";
    if (!p)
        return true;
    if (p->auth == PROFILE_AUTH_PASSWORD && !check_password(&r->secrets[at], field, error))
        return false;
    if (p->auth == PROFILE_AUTH_KEY && !has_keyword(&place->settings, "IdentityFile") &&
        !ssh_config_names_key(place, r->config_file))
        return definition_fail(error, "profile_incomplete", field, "No SSH key path found");
    return true;
}

static bool check_profiles(const struct tunnels *t, const struct way *w, struct definition_error *error)
{
    for (size_t i = 0; i < w->count; i++) {
        const char *id = profile_id_of(w->at[i]);
        bool is_unsure;
        if (conf_has_profile(t->conf, id, &is_unsure))
            continue;
        if (is_unsure)
            return definition_fail(error, DEFINITION_E_INTERNAL, NULL, "%s", CONF_ALIASES_LACK);
        return definition_fail(error, DEFINITION_E_INVALID, i == 0 ? "profile_id" : "jump_session_id",
                               "Profile %s not found", id);
    }
    return true;
}

/* ---- The whole ---- */

static void put_all(struct buffer *b, const struct texts *list)
{
    for (size_t i = 0; i < list->count; i++)
        put(b, list->item[i]);
}

/* The settings hold what the profiles say, too, but where their secrets are. */
static bool make_given(struct route *r, const struct way *w)
{
    struct buffer b = {0};
    for (size_t i = 0; i < w->count; i++) {
        const struct secrets *s = &r->secrets[i];
        char *words = definition_connection_key(w->at[i]);
        put(&b, words);
        put_all(&b, &r->places[i].settings);
        put(&b, s->password_file);
        put(&b, s->password_env);
        put(&b, s->password_credential);
        put(&b, s->passphrase_file);
        b.is_failed = b.is_failed || !words;
        free(words);
    }
    r->given = b.is_failed ? NULL : b.p;
    if (b.is_failed)
        buffer_wipe(&b);
    return r->given != NULL;
}

static void take_behaviour(struct route *r, const struct definition *d)
{
    r->is_lazy = d->lazy;
    r->detect_fast = d->detect_fast;
    r->reclaim = d->reclaim;
    r->idle_exit_ms = d->idle_exit_s > UINT32_MAX / 1000 ? UINT32_MAX : d->idle_exit_s * 1000;
    r->hold_ms = d->hold_ms;
    r->hold_max = d->hold_max;
    r->backoff_first_ms = d->backoff_first_ms;
    r->backoff_cap_ms = d->backoff_cap_ms;
    r->jitter_percent = d->jitter_percent;
}

static bool make_places(struct route *r, const struct tunnels *t, const struct way *w)
{
    r->places = calloc(w->count, sizeof *r->places);
    r->secrets = calloc(w->count, sizeof *r->secrets);
    r->hops = calloc(w->count, sizeof *r->hops);
    bool ok = r->places && r->secrets && r->hops && copy(&r->config_file, t->conf->ssh_config);
    for (size_t i = 0; ok && i < w->count; i++) {
        const struct route_place *p = &r->places[i];
        r->place_count = i + 1;
        ok = make_place(&r->places[i], &r->secrets[i], t, w->at[i], i + 1 == w->count);
        if (i > 0)
            r->hops[i - 1] = (struct chain_hop){
                .name = p->name, .host = p->host, .user = p->user, .port = p->port, .settings = &p->settings};
    }
    return ok;
}

static bool fill(struct route *r, const struct tunnels *t, const struct way *w,
                 struct definition_error *error)
{
    take_behaviour(r, w->at[0]);
    if (!make_places(r, t, w) || !make_given(r, w) || !(r->key = route_key(r)))
        return definition_no_memory(error);
    for (size_t i = 0; i < w->count; i++)
        if (!check_complete(r, i, conf_profile(t->conf, profile_id_of(w->at[i])), error))
            return false;
    return true;
}

bool route_check(const struct tunnels *t, const struct definition *d, const struct tunnel *self,
                 struct definition_error *error)
{
    struct way w;
    const struct way alone = {.at = {d}, .count = 1};
    return check_profiles(t, &alone, error) && walk(&w, t, d, self, error);
}

bool route_init(struct route *r, const struct tunnel *tunnel, struct definition_error *error)
{
    const struct tunnels *t = tunnel->tunnels;
    struct way w;
    memset(r, 0, sizeof *r);
    if (walk(&w, t, &tunnel->definition, tunnel, error) && check_profiles(t, &w, error) &&
        fill(r, t, &w, error))
        return true;
    route_wipe(r);
    return false;
}

/* AditProxy may hold a password. */
void route_free_words(char *words)
{
    if (words)
        adit_wipe(words, strlen(words));
    free(words);
}

void route_take_key(struct route *r, char *key)
{
    route_free_words(r->key);
    r->key = key;
}

void route_wipe(struct route *r)
{
    for (size_t i = 0; i < r->place_count; i++) {
        struct route_place *p = &r->places[i];
        free(p->name);
        free(p->host);
        free(p->user);
        route_free_words(p->like);
        for (size_t k = 0; k < p->settings.count; k++)
            adit_wipe(p->settings.item[k], strlen(p->settings.item[k]));
        texts_wipe(&p->settings);
        secrets_wipe(&r->secrets[i]);
    }
    free(r->places);
    free(r->secrets);
    free(r->hops);
    route_free_words(r->given);
    route_free_words(r->key);
    free(r->config_file);
    memset(r, 0, sizeof *r);
}
