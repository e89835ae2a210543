/*
 * connection.c - see connection.h. What the link's thread says is in connection_letter.c; here is the main
 * thread's side of its life.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/counters.h"
#include "daemon/journal.h"
#include "daemon/registry.h"
#include "net/random.h"

/* ---- Finding and making ---- */

struct connection *connection_find(const struct tunnels *t, const char *key)
{
    for (struct connection *c = t->connections; c; c = c->next)
        if (!c->is_stopping && strcmp(c->route.key, key) == 0)
            return c;
    return NULL;
}

/* What the members want together: the one that goes on for longest decides, and the others give up by
 * themselves (tunnel_on_state). */
static struct keep_config members_config(const struct connection *c)
{
    struct keep_config k = {.first_ms = c->route.backoff_first_ms,
                            .cap_ms = c->route.backoff_cap_ms,
                            .jitter_percent = c->route.jitter_percent,
                            .is_lazy = c->route.is_lazy,
                            .seed = c->seed};
    bool is_unlimited = false;
    for (const struct tunnel *u = c->members; u; u = u->next_member) {
        const struct definition *d = &u->definition;
        k.auto_reconnect = k.auto_reconnect || d->auto_reconnect;
        is_unlimited = is_unlimited || (d->auto_reconnect && d->max_retries == 0);
        if (d->auto_reconnect && d->max_retries > k.max_retries)
            k.max_retries = d->max_retries;
    }
    if (is_unlimited)
        k.max_retries = 0;
    if (c->members && !c->members->next_member) { /* it may have been changed since the route was made */
        k.first_ms = c->members->definition.backoff_first_ms;
        k.cap_ms = c->members->definition.backoff_cap_ms;
        k.jitter_percent = c->members->definition.jitter_percent;
    }
    return k;
}

static bool same_config(const struct keep_config *a, const struct keep_config *b)
{
    return a->max_retries == b->max_retries && a->auto_reconnect == b->auto_reconnect &&
           a->first_ms == b->first_ms && a->cap_ms == b->cap_ms && a->jitter_percent == b->jitter_percent;
}

static struct link_config link_config_of(const struct connection *c, struct relay *relay)
{
    const struct route *r = &c->route;
    const struct route_place *p = &r->places[0];
    return (struct link_config){.host = p->host,
                                .config_file = r->config_file,
                                .settings = &p->settings,
                                .user = p->user,
                                .port = p->port,
                                .hops = r->hops,
                                .hop_count = r->place_count - 1,
                                .keep = members_config(c),
                                .hold_ms = r->hold_ms,
                                .hold_max = r->hold_max,
                                .probe_ms = LINK_PROBE_MS,
                                .probe_limit_ms = LINK_PROBE_LIMIT_MS,
                                .idle_exit_ms = r->idle_exit_ms,
                                .detect_fast = r->detect_fast,
                                .reclaim = r->reclaim,
                                .log_level = c->tunnels->config.log_level,
                                .prompt = relay_prompt(relay)};
}

static enum adit_err make_link(struct connection *c, struct adit_error *err)
{
    struct link_config config = link_config_of(c, &c->relay);
    struct link_ops ops = connection_ops(c);
    enum adit_err e = link_new(&c->link, &config, &ops, err);
    if (e == ADIT_E_OK)
        relay_set_cancel_fd(&c->relay, link_cancel_fd(c->link));
    return e;
}

static enum adit_err make_parts(struct connection *c, struct adit_error *err)
{
    enum adit_err e = random_seed(&c->seed, sizeof c->seed, err);
    if (e != ADIT_E_OK)
        return e;
    if (!connection_letters_init(c))
        return adit_fail(err, ADIT_E_MEMORY, "no memory for a connection");
    e = relay_init(&c->relay, c->route.secrets, c->route.place_count, c->tunnels->config.box,
                   REGISTRY_MAIL_RELAY, c, err);
    if (e == ADIT_E_OK) {
        e = make_link(c, err);
        if (e != ADIT_E_OK)
            relay_wipe(&c->relay);
    }
    if (e != ADIT_E_OK)
        connection_letters_wipe(c);
    return e;
}

struct connection *connection_new(struct tunnels *t, struct route *route, struct adit_error *err)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c) {
        route_wipe(route);
        (void)adit_fail(err, ADIT_E_MEMORY, "no memory for a connection");
        return NULL;
    }
    c->tunnels = t;
    c->route = *route;
    memset(route, 0, sizeof *route);
    c->status.next_try_ms = c->status.up_since_ms = KEEP_NEVER;
    if (make_parts(c, err) != ADIT_E_OK) {
        route_wipe(&c->route);
        free(c);
        return NULL;
    }
    c->next = t->connections;
    t->connections = c;
    return c;
}

/* ---- Members ---- */

static void name_the_log(struct connection *c)
{
    bool is_one = c->members && !c->members->next_member;
    char *name = is_one ? text_copy(span_str(c->members->definition.name)) : NULL;
    (void)pthread_mutex_lock(&c->lock);
    char *old = c->log_name;
    c->log_name = name;
    (void)pthread_mutex_unlock(&c->lock);
    free(old);
}

void connection_configure(struct connection *c)
{
    struct keep_config config = members_config(c);
    name_the_log(c);
    if (c->is_stopping || same_config(&config, &c->told))
        return;
    c->told = config;
    link_configure(c->link, &config);
}

void connection_forward_free(struct connection_forward *f)
{
    access_list_wipe(&f->access);
    free(f);
}

static enum adit_err add_forward(struct connection *c, struct tunnel *u, size_t at, struct adit_error *err)
{
    struct forward_spec spec;
    struct connection_forward *f = calloc(1, sizeof *f);
    if (!f)
        return adit_fail(err, ADIT_E_MEMORY, "no memory for a forward");
    enum adit_err e = access_list_init(&f->access, &u->definition, err);
    f->access.access.own_end = &u->health.own_end;
    definition_forward_spec(&u->definition.forwards[at], &spec);
    spec.port_counts_up = u->definition.forwards[at].counts_up;
    f->tunnel = u;
    f->at = at;
    f->id = c->next_id++;
    if (e == ADIT_E_OK)
        e = link_forward_add(c->link, f->id, &spec, &f->access.access, err);
    if (e != ADIT_E_OK) {
        connection_forward_free(f);
        return e;
    }
    f->next = c->forwards;
    c->forwards = f;
    return ADIT_E_OK;
}

static bool is_backing_off(const struct connection *c)
{
    const struct link_status *s = &c->status;
    return s->state == KEEP_RECONNECTING && s->next_try_ms != 0 && s->next_try_ms != KEEP_NEVER;
}

/* Until the link's thread says so: who joins must not be told of a failure that was before its time. */
static void begin_anew(struct connection *c)
{
    c->status.state = KEEP_DISCONNECTED;
    c->status.is_permanent = false;
    c->status.retry_count = 0;
    connection_watch(c);
}

bool connection_join(struct connection *c, struct tunnel *tunnel, struct adit_error *err)
{
    bool starts = !c->members || c->status.state == KEEP_FAILED;
    if (starts)
        begin_anew(c);
    tunnel->next_member = c->members;
    c->members = tunnel;
    tunnel->connection = c;
    tunnel->ups_before = c->ups;
    tunnel->joined_ms = loop_now_ms();
    tunnel->retries_before = c->status.retry_count;
    relay_attend(&c->relay, tunnel->attended_until);
    connection_configure(c);
    for (size_t i = 0; i < tunnel->definition.forward_count; i++)
        if (add_forward(c, tunnel, i, err) != ADIT_E_OK) {
            connection_leave(c, tunnel);
            return false;
        }
    if (starts)
        link_start(c->link);
    else if (is_backing_off(c)) /* who starts a tunnel wants to know now, as if it had its own connection */
        link_reconnect(c->link);
    return true;
}

void connection_leave(struct connection *c, struct tunnel *tunnel)
{
    struct tunnel **at = &c->members;
    while (*at && *at != tunnel)
        at = &(*at)->next_member;
    if (!*at)
        return;
    *at = tunnel->next_member;
    tunnel->next_member = NULL;
    tunnel->connection = NULL;
    /* The last numbers: its answer is on its way before the forwards are gone. */
    counters_ask(c, 0);
    for (struct connection_forward *f = c->forwards; f; f = f->next)
        if (f->tunnel == tunnel && !f->is_leaving) {
            f->is_leaving = true;
            tunnel->leaving++;
            link_forward_remove(c->link, f->id);
        }
    if (!c->members)
        connection_stop(c);
    else
        connection_configure(c);
}

/* ---- The end ---- */

void connection_stop(struct connection *c)
{
    c->is_stopping = true;
    atomic_store(&c->is_deaf, true);
    connection_watch(c);
    if (!c->has_ended)
        link_stop(c->link);
}

bool connection_is_over(struct connection *c)
{
    return c->has_ended && c->letters_out == 0 && relay_is_quiet(&c->relay);
}

void connection_host_key_wipe(struct connection_host_key *k)
{
    free(k->type);
    free(k->fingerprint);
    free(k->line);
    free(k->file);
    memset(k, 0, sizeof *k);
}

void connection_free(struct connection *c)
{
    struct connection **at = &c->tunnels->connections;
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    link_join(c->link);
    relay_wipe(&c->relay);
    connection_letters_wipe(c);
    connection_host_key_wipe(&c->host_key);
    route_wipe(&c->route);
    free(c->kex);
    free(c->cipher);
    free(c->log_name);
    free(c);
}

/* ---- Files ---- */

static void look_again(struct tunnels *t)
{
    loop_timer_set(t->config.loop, &t->files_timer, loop_now_ms() + WATCHED_FILES_MS);
}

void connection_watch(struct connection *c)
{
    bool should = c->status.state == KEEP_FAILED && c->status.is_permanent && !c->is_stopping;
    if (should && !c->is_watching) {
        watched_files_init(&c->files, &c->route);
        c->files_are_others = false;
        look_again(c->tunnels);
    }
    if (!should && c->is_watching)
        watched_files_wipe(&c->files);
    c->is_watching = should;
}

/* A folder in which something changes all the time is no reason to try all the time: each try that leads to
 * nothing doubles the time to the next. */
static void look(struct connection *c)
{
    unsigned step = c->files_tries < WATCHED_FILES_STEPS ? c->files_tries : WATCHED_FILES_STEPS;
    uint64_t now = loop_now_ms();
    c->files_are_others = watched_files_changed(&c->files) || c->files_are_others;
    if (!c->files_are_others || (step > 0 && now < c->files_tried_ms + ((uint64_t)WATCHED_FILES_MS << step)))
        return;
    c->files_are_others = false;
    c->files_tries++;
    c->files_tried_ms = now;
    link_file_changed(c->link);
}

void connections_look(struct tunnels *t)
{
    bool is_any = false;
    for (struct connection *c = t->connections; c; c = c->next) {
        is_any = is_any || c->is_watching;
        if (c->is_watching)
            look(c);
    }
    if (is_any)
        look_again(t);
}

/* ---- Health ---- */

/* The link counts failures in a row; of several tunnels, the one that has most of them decides. */
void connection_health(struct connection *c)
{
    unsigned worst = 0;
    for (const struct tunnel *u = c->members; u; u = u->next_member)
        if (u->health.run > worst)
            worst = u->health.run;
    if (c->is_stopping)
        return;
    if (worst == 0)
        link_health(c->link, true);
    else if (worst > c->failing)
        link_health(c->link, false);
    c->failing = worst;
}
