/*
 * tunnels_change.c - tunnels that come, change and go (tunnels.h), and what of them is saved.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/definition_more.h"
#include "daemon/json_text.h"
#include "daemon/registry.h"
#include "daemon/store.h"
#include "net/random.h"

/* ---- The list ---- */

struct tunnel *tunnels_append(struct tunnels *t, const struct definition *d)
{
    struct tunnel **at = &t->first;
    struct tunnel *u = tunnel_new(t, d);
    if (!u)
        return NULL;
    if (u->definition.created_at == 0) /* a file's */
        u->definition.created_at = (int64_t)time(NULL) * 1000;
    while (*at)
        at = &(*at)->next;
    *at = u;
    t->count++;
    return u;
}

static void tell_removed(struct tunnel *u)
{
    json_t *json = json_pack("{s:s}", "id", u->definition.id);
    events_add(&u->tunnels->events, EVENT_REMOVED, json_text(json, JSON_COMPACT), NULL);
    json_decref(json);
}

void tunnels_take_out(struct tunnels *t, struct tunnel *u)
{
    struct tunnel **at = &t->first;
    while (*at && *at != u)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = u->next;
    t->count--;
    tunnel_stop(u);
    u->is_removed = true;
    u->next = t->leaving;
    t->leaving = u;
    tell_removed(u);
    wait_end(u);
}

/* ---- Saving ---- */

/* With `extra` as one more, `without` left out, and `instead` in the place of `of`. */
struct saving {
    const struct definition *extra, *instead;
    const struct tunnel *without, *of;
};

static bool save(struct tunnels *t, const struct saving *s, struct definition_error *error)
{
    struct adit_error err = {ADIT_E_OK, ""};
    size_t n = 0;
    if (!t->config.store)
        return true;
    const struct definition **list = calloc(t->count + 1, sizeof(const struct definition *));
    if (!list)
        return definition_fail(error, "state_unwritable", NULL, "out of memory");
    for (const struct tunnel *u = t->first; u; u = u->next)
        if (u != s->without && u->definition.origin == DEFINITION_API)
            list[n++] = u == s->of ? s->instead : &u->definition;
    if (s->extra)
        list[n++] = s->extra;
    enum adit_err e = store_save(t->config.store, list, n, &err);
    free(list);
    return e == ADIT_E_OK || definition_fail(error, "state_unwritable", NULL, "%s", err.text);
}

/* ---- What only the registry can judge ---- */

static bool is_bound_here(const struct definition_forward *f)
{
    return f->type == FORWARD_LOCAL || f->type == FORWARD_DYNAMIC;
}

static bool binds_meet(const char *a, const char *b)
{
    const char *x = a ? a : "127.0.0.1", *y = b ? b : "127.0.0.1";
    bool both = text_same(x, "localhost") || text_same(y, "localhost");
    if (strcmp(x, "*") == 0 || strcmp(y, "*") == 0 || text_same(x, y))
        return true;
    return both && (strcmp(x, "127.0.0.1") == 0 || strcmp(y, "127.0.0.1") == 0 || strcmp(x, "::1") == 0 ||
                    strcmp(y, "::1") == 0);
}

/* The tunnel of ours that runs and has, or wants, this port. */
static const struct tunnel *port_holder(const struct tunnels *t, const struct definition_forward *f,
                                        const struct tunnel *self)
{
    for (const struct tunnel *u = t->first; u; u = u->next) {
        if (u == self || !tunnel_is_running(u))
            continue;
        for (size_t i = 0; i < u->definition.forward_count; i++) {
            const struct definition_forward *g = &u->definition.forwards[i];
            uint16_t bound = u->status.forwards[i].bound_port;
            if (is_bound_here(g) && (bound ? bound : g->local_port) == f->local_port &&
                binds_meet(f->bind_address, g->bind_address))
                return u;
        }
    }
    return NULL;
}

static bool ports_are_free(const struct tunnels *t, const struct definition *d, const struct tunnel *self,
                           struct definition_error *error)
{
    for (size_t i = 0; i < d->forward_count; i++) {
        const struct definition_forward *f = &d->forwards[i];
        if (!is_bound_here(f) || f->local_port == 0 || f->counts_up)
            continue;
        const struct tunnel *u = port_holder(t, f, self);
        if (!u)
            continue;
        definition_fail(error, "port_in_use", "local_port", "Port %u is in use by tunnel %s",
                        (unsigned)f->local_port, u->definition.name);
        definition_more_place(error, i);
        return false;
    }
    return true;
}

static bool judge(const struct tunnels *t, const struct definition *d, const struct tunnel *self,
                  struct definition_error *error)
{
    if (!definition_check(d, error))
        return false;
    const struct tunnel *other = d->origin == DEFINITION_SESSION ? NULL : tunnels_find_name(t, d->name);
    if (other && other != self)
        return definition_fail(error, "exists", "name", "Tunnel %s already exists", d->name);
    return route_check(t, d, self, error) && ports_are_free(t, d, self, error);
}

/* ---- Adding ---- */

/* `tunnel_<ms>_<8 hex>`: two made in the same millisecond differ all the same. */
static bool make_id(struct definition *d, struct definition_error *error)
{
    struct timespec now;
    uint32_t random;
    char id[64];
    if (random_seed(&random, sizeof random, NULL) != ADIT_E_OK || clock_gettime(CLOCK_REALTIME, &now) != 0)
        return definition_fail(error, DEFINITION_E_INTERNAL, NULL, "the system gives no randomness");
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    (void)adit_format(id, sizeof id, "%stunnel_%lld_%08x", d->origin == DEFINITION_SESSION ? "session:" : "",
                      (long long)ms, random);
    if (d->created_at == 0)
        d->created_at = ms;
    return d->id || definition_set(&d->id, id) || definition_no_memory(error);
}

static struct tunnel *add(struct tunnels *t, struct definition *d, struct definition_error *error)
{
    struct saving s = {.extra = d};
    if (t->is_ending) {
        (void)definition_fail(error, "draining", NULL, "The daemon is about to end");
        return NULL;
    }
    if (!judge(t, d, NULL, error) || !make_id(d, error))
        return NULL;
    if (d->origin == DEFINITION_API && !save(t, &s, error))
        return NULL;
    struct tunnel *u = tunnels_append(t, d);
    if (u)
        tunnel_changed(u);
    else
        (void)definition_fail(error, "state_unwritable", NULL, "out of memory");
    return u;
}

struct tunnel *tunnels_add(struct tunnels *t, const struct definition *d, struct definition_error *error)
{
    struct definition copy;
    if (!definition_copy(&copy, d)) {
        (void)definition_fail(error, "state_unwritable", NULL, "out of memory");
        return NULL;
    }
    struct tunnel *u = add(t, &copy, error);
    definition_wipe(&copy);
    return u;
}

/* ---- Changing ---- */

static bool may_change(const struct tunnel *u, struct definition_error *error)
{
    const struct definition *d = &u->definition;
    if (u->tunnels->is_ending)
        return definition_fail(error, "draining", NULL, "The daemon is about to end");
    if (d->origin == DEFINITION_FILE)
        return definition_fail(error, "read_only", NULL, "Tunnel %s is defined in %s:%u", d->name,
                               d->file ? d->file : "a file", d->line);
    if (d->origin == DEFINITION_SESSION)
        return definition_fail(error, "read_only", NULL, "Tunnel %s belongs to a session", d->name);
    return true;
}

bool tunnel_redefine(struct tunnel *u, struct definition *d, bool restarts)
{
    struct definition_error error = {.code = NULL};
    bool was_wanted = u->is_wanted;
    struct tunnel_forward *room = restarts ? tunnel_make_room(d) : NULL;
    if (restarts && !room)
        return false;
    if (restarts) {
        tunnel_stop(u);
        tunnel_take_room(u, room, d->forward_count);
    }
    definition_wipe(&u->definition);
    u->definition = *d;
    memset(d, 0, sizeof *d);
    u->is_changed = true;
    if (u->connection)
        connection_configure(u->connection);
    if (restarts && was_wanted && !tunnel_start(u, &error))
        tunnel_fail_start(u, &error);
    else
        tunnel_update(u, NULL);
    if (restarts)
        tunnels_reroute(u->tunnels);
    return true;
}

static bool change(struct tunnels *t, struct tunnel *u, struct definition *d, struct definition_error *error)
{
    struct saving s = {.instead = d, .of = u};
    d->origin = u->definition.origin;
    d->created_at = u->definition.created_at;
    if (!definition_set(&d->id, u->definition.id))
        return definition_fail(error, "state_unwritable", NULL, "out of memory");
    if (!judge(t, d, u, error) || (d->origin == DEFINITION_API && !save(t, &s, error)))
        return false;
    return tunnel_redefine(u, d, definition_needs_restart(&u->definition, d)) ||
           definition_fail(error, "state_unwritable", NULL, "out of memory");
}

bool tunnels_change(struct tunnels *t, struct tunnel *tunnel, const struct definition *d,
                    struct definition_error *error)
{
    struct definition copy;
    if (!may_change(tunnel, error))
        return false;
    if (!definition_copy(&copy, d))
        return definition_fail(error, "state_unwritable", NULL, "out of memory");
    bool ok = change(t, tunnel, &copy, error);
    definition_wipe(&copy);
    return ok;
}

bool tunnels_remove(struct tunnels *t, struct tunnel *tunnel, struct definition_error *error)
{
    struct saving s = {.without = tunnel};
    if (!may_change(tunnel, error) || (tunnel->definition.origin == DEFINITION_API && !save(t, &s, error)))
        return false;
    tunnels_take_out(t, tunnel);
    return true;
}
