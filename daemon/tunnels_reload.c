/*
 * tunnels_reload.c - another configuration in the place of the present one: exactly the difference.
 */
#include <string.h>

#include "daemon/conf.h"
#include "daemon/registry.h"

static struct tunnel *of_file(const struct tunnels *t, const char *name)
{
    struct tunnel *u = tunnels_find_name(t, name);
    return u && u->definition.origin == DEFINITION_FILE ? u : NULL;
}

/* Names that the API's tunnels have are not a file's to take. */
static enum adit_err check_names(const struct tunnels *t, const struct conf *conf, struct adit_error *err)
{
    for (size_t i = 0; i < conf->tunnel_count; i++) {
        const struct definition *d = &conf->tunnels[i];
        if (tunnels_find_name(t, d->name) && !of_file(t, d->name))
            return adit_fail(err, ADIT_E_CONFIG,
                             "%s:%u: Tunnel: '%s' already exists (it was made by the API)",
                             d->file ? d->file : "-", d->line, d->name);
    }
    return ADIT_E_OK;
}

static void remove_missing(struct tunnels *t, const struct conf *conf, struct tunnels_reloaded *out)
{
    for (struct tunnel *u = t->first, *next; u; u = next) {
        next = u->next;
        if (u->definition.origin != DEFINITION_FILE || conf_tunnel(conf, u->definition.name))
            continue;
        tunnels_take_out(t, u);
        out->removed++;
    }
}

static bool start(struct tunnel *u)
{
    struct definition_error error = {.code = NULL};
    if (tunnel_is_running(u) || tunnel_start(u, &error))
        return true;
    tunnel_fail_start(u, &error);
    return false;
}

static enum adit_err no_memory(struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "no memory for the new configuration");
}

static enum adit_err change(struct tunnel *u, const struct definition *d, enum conf_change what,
                            struct adit_error *err)
{
    struct definition copy;
    bool was_auto = u->definition.auto_start;
    if (!definition_copy(&copy, d))
        return no_memory(err);
    if (!tunnel_redefine(u, &copy, what == CONF_RESTART)) {
        definition_wipe(&copy);
        return no_memory(err);
    }
    if (d->auto_start && !was_auto)
        (void)start(u);
    return ADIT_E_OK;
}

/* What the API made may use a profile that is another now. */
static enum adit_err renew_others(struct tunnels *t, const struct conf *old, struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    for (struct tunnel *u = t->first; u && e == ADIT_E_OK; u = u->next) {
        const struct definition *d = &u->definition;
        if (d->origin != DEFINITION_FILE && u->is_wanted && conf_compare(old, d, t->conf, d) == CONF_RESTART)
            e = change(u, d, CONF_RESTART, err);
    }
    return e;
}

static enum adit_err apply(struct tunnels *t, const struct conf *old, const struct definition *d,
                           struct tunnels_reloaded *out, struct adit_error *err)
{
    struct tunnel *u = of_file(t, d->name);
    if (!u) {
        u = tunnels_append(t, d);
        if (!u)
            return no_memory(err);
        out->added++;
        tunnel_changed(u);
        if (d->auto_start)
            (void)start(u);
        return ADIT_E_OK;
    }
    enum conf_change what = conf_compare(old, &u->definition, t->conf, d);
    if (what == CONF_UNCHANGED) {
        out->unchanged++;
        u->definition.line = d->line;
        return ADIT_E_OK;
    }
    out->changed++;
    return change(u, d, what, err);
}

enum adit_err tunnels_reload(struct tunnels *t, const struct conf *conf, struct tunnels_reloaded *out,
                             struct adit_error *err)
{
    const struct conf *old = t->conf;
    memset(out, 0, sizeof *out);
    enum adit_err e = check_names(t, conf, err);
    if (e != ADIT_E_OK)
        return e;
    t->conf = conf;
    remove_missing(t, conf, out);
    for (size_t i = 0; e == ADIT_E_OK && i < conf->tunnel_count; i++)
        e = apply(t, old, &conf->tunnels[i], out, err);
    if (e == ADIT_E_OK)
        e = renew_others(t, old, err);
    tunnels_reroute(t);
    if (e != ADIT_E_OK) /* no memory: what was done stays done, and the caller may free the new one */
        t->conf = old;
    return e;
}
