/*
 * api_info.c - what the daemon says of itself, and what it is told as a whole: health, readiness, version,
 * profiles, openapi.json, reload, ui.
 */
#include "daemon/api_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>
#include "client/ssh_config.h"
#include "daemon/conf.h"
#include "daemon/json_text.h"

void api_healthz(const struct api_call *call)
{
    httpd_reply_json(call->request, 200, json_pack("{s:s}", "status", "ok"));
}

void api_readyz(const struct api_call *call)
{
    json_t *missing = json_array();
    bool is_ready;

    for (struct tunnel *t = tunnels_first(call->api->config.tunnels); t; t = tunnels_next(t)) {
        enum keep_state state = tunnel_status(t)->state;

        if (tunnel_definition(t)->auto_start && state != KEEP_CONNECTED && state != KEEP_IDLE)
            json_list_add(&missing, json_utf8(tunnel_definition(t)->name));
    }
    is_ready = missing && json_array_size(missing) == 0 && !call->api->is_draining;
    httpd_reply_json(call->request, is_ready ? 200 : 503,
                     json_pack("{s:b, s:o}", "ready", is_ready, "not_ready", missing));
}

void api_version(const struct api_call *call)
{
    char started[API_TIME_CAP];

    api_time_text(call->api->started_at, started);
    httpd_reply_json(call->request, 200,
                     json_pack("{s:s, s:i, s:i, s:s}", "version", ADIT_VERSION, "api", API_VERSION, "pid",
                               (int)getpid(), "started_at", started));
}

/* ---- Profiles: how one may log in, never with what */

/* The value of one of its "Keyword value" lines; NULL: it is not there. */
static const char *keyword_value(const struct texts *lines, const char *keyword)
{
    size_t n = strlen(keyword);

    for (size_t i = 0; i < lines->count; i++) {
        const char *line = lines->item[i];

        if (strncasecmp(line, keyword, n) == 0 && (line[n] == ' ' || line[n] == '='))
            return line + n + 1;
    }
    return NULL;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_utf8(text) : json_null();
}

static json_t *profile_json(const char *id, const char *auth, const char *user, const char *jump)
{
    return json_pack("{s:o, s:s, s:o, s:o}", "id", json_utf8(id), "auth", auth, "user", text_or_null(user),
                     "jump", text_or_null(jump));
}

/* What ssh_config says of an alias, as far as its files alone can say it. NULL: no memory. */
static json_t *alias_json(const char *alias, const char *config_file)
{
    const struct ssh_config_query q = {.host = alias, .file = config_file, .files_alone = true};
    struct adit_error ignored = {0};
    struct options o;
    json_t *json = NULL;
    enum adit_err e;

    options_init(&o);
    e = ssh_config_resolve(&o, &q, &ignored);
    if (e == ADIT_E_OK)
        json = profile_json(alias, "auto", o.user, option_text(o.proxy_jump));
    else if (e != ADIT_E_MEMORY)
        json = profile_json(alias, "auto", NULL, NULL);
    options_wipe(&o);
    return json;
}

/* Each is the whole of ssh_config, read again: those behind the first ones are names alone. */
enum { RESOLVED_MAX = 200 };

static json_t *profiles_json(const struct conf *conf, const struct texts *aliases)
{
    json_t *list = json_array();

    json_list_add(&list, profile_json(CONF_PROFILE_DEFAULT, "auto", NULL, NULL));
    for (size_t i = 0; i < conf->profile_count; i++) {
        const struct profile *p = &conf->profiles[i];

        json_list_add(&list, profile_json(p->name, profile_auth_name(p->auth), p->user,
                                          keyword_value(&p->keywords, "ProxyJump")));
    }
    for (size_t i = 0; i < aliases->count; i++) {
        const char *alias = aliases->item[i];

        /* One that no tunnel could name may be no UTF-8 either. */
        if (strcmp(alias, CONF_PROFILE_DEFAULT) != 0 && !conf_profile(conf, alias) &&
            definition_name_is_fine(alias))
            json_list_add(&list, i < RESOLVED_MAX ? alias_json(alias, conf->ssh_config)
                                                  : profile_json(alias, "auto", NULL, NULL));
    }
    return list;
}

void api_profiles(const struct api_call *call)
{
    const struct conf *conf = tunnels_conf(call->api->config.tunnels);
    struct texts aliases;

    texts_init(&aliases);
    if (conf_aliases(conf->ssh_config, &aliases))
        httpd_reply_json(call->request, 200, json_pack("{s:o}", "profiles", profiles_json(conf, &aliases)));
    else
        httpd_reply_error(call->request, "internal", NULL, "%s", CONF_ALIASES_LACK);
    texts_wipe(&aliases);
}

/* ---- The daemon as a whole */

void api_reload(const struct api_call *call)
{
    static const char *const names[] = {"check", NULL};
    const struct api_ops *ops = &call->api->config.ops;
    const json_t *check = json_object_get(call->body, "check");
    const char *path = json_string_value(check);
    struct tunnels_reloaded done = {0};
    struct adit_error err = {0};
    enum adit_err e;

    if (call->body && !api_body_knows(call, call->body, names))
        return;
    if (check && !path) {
        httpd_reply_error(call->request, "invalid_value", "check", "check must be a path, or empty");
        return;
    }
    e = ops->reload(ops->ctx, check != NULL, path && path[0] ? path : NULL, &done, &err);
    if (e)
        httpd_reply_error(call->request, e == ADIT_E_CONFIG ? "invalid_value" : "internal", NULL, "%s",
                          err.text);
    else
        httpd_reply_json(call->request, 200,
                         json_pack("{s:I, s:I, s:I, s:I}", "added", (json_int_t)done.added, "removed",
                                   (json_int_t)done.removed, "changed", (json_int_t)done.changed, "unchanged",
                                   (json_int_t)done.unchanged));
}

void api_ui(const struct api_call *call)
{
    struct api *api = call->api;
    struct adit_error err = {0};
    char url[API_URL_CAP + 128];

    if (!api_url(api) && api_listen_tcp(api, "127.0.0.1", 0, NULL, &err)) {
        httpd_reply_error(call->request, "internal", NULL, "%s", err.text);
        return;
    }
    adit_format(url, sizeof url, "%s#token=%s", api_url(api), api->token);
    httpd_reply_json(call->request, 200, json_pack("{s:s}", "url", url));
    adit_wipe(url, sizeof url);
}
