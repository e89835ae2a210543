#include "daemon/conf.h"

#include <string.h>

const struct profile *conf_profile(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->profile_count; i++)
        if (strcmp(c->profiles[i].name, name) == 0)
            return &c->profiles[i];
    return NULL;
}

const struct definition *conf_tunnel(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->tunnel_count; i++)
        if (strcmp(c->tunnels[i].name, name) == 0)
            return &c->tunnels[i];
    return NULL;
}

bool conf_has_profile(const struct conf *c, const char *name, bool *is_unsure)
{
    struct texts aliases;
    *is_unsure = false;
    if (strcmp(name, CONF_PROFILE_DEFAULT) == 0 || conf_profile(c, name) != NULL)
        return true;
    texts_init(&aliases);
    bool is_whole = conf_aliases(c->ssh_config, &aliases), has = texts_has(&aliases, name);
    texts_wipe(&aliases);
    *is_unsure = !has && !is_whole;
    return has;
}

/* ---- Comparing ---- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_profile(const struct conf *old_conf, const struct conf *new_conf, const char *name)
{
    name = name != NULL ? name : CONF_PROFILE_DEFAULT;
    const struct profile *a = conf_profile(old_conf, name), *b = conf_profile(new_conf, name);
    return a == NULL || b == NULL ? a == b : profile_same(a, b);
}

enum conf_change conf_compare(const struct conf *old_conf, const struct definition *old_tunnel,
                              const struct conf *new_conf, const struct definition *new_tunnel)
{
    if (definition_needs_restart(old_tunnel, new_tunnel) ||
        !same_profile(old_conf, new_conf, new_tunnel->profile_id) ||
        !same_text(old_conf->ssh_config, new_conf->ssh_config))
        return CONF_RESTART;
    return definition_same(old_tunnel, new_tunnel) ? CONF_UNCHANGED : CONF_CHANGED;
}

void conf_diff(const struct conf *old_conf, const struct conf *new_conf, struct conf_diff *out)
{
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < new_conf->tunnel_count; i++) {
        const struct definition *now = &new_conf->tunnels[i], *before = conf_tunnel(old_conf, now->name);
        if (before == NULL)
            out->added++;
        else if (conf_compare(old_conf, before, new_conf, now) == CONF_UNCHANGED)
            out->unchanged++;
        else
            out->changed++;
    }
    for (size_t i = 0; i < old_conf->tunnel_count; i++)
        if (conf_tunnel(new_conf, old_conf->tunnels[i].name) == NULL)
            out->removed++;
}
