/*
 * connection_ways.c - who shares a connection must still be led to the same place by what the files say. A
 * link reads ssh_config at each connect; here the main thread does, then, for the tunnels that share it by
 * other words.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/registry.h"
#include "daemon/route_key.h"

/* Its listeners close, and then it joins whom it belongs to now (tunnel_advance). */
static void move(struct tunnel *u, const char *why)
{
    tunnel_say(u, SESSION_INFO, NULL, "%s", why);
    connection_leave(u->connection, u);
    tunnel_advance(u);
    tunnel_update(u, why);
}

static const char other_way[] = "ssh_config leads it elsewhere now";

/* The key as it is now. Where another connection leads to the same place by now, that one goes on for both.
 */
static bool renew_key(struct connection *c)
{
    char *key = route_key(&c->route);
    if (!key)
        return true;
    bool is_other = strcmp(key, c->route.key) != 0;
    bool is_taken = is_other && connection_find(c->tunnels, key) != NULL;
    route_take_key(&c->route, key);
    return !is_taken;
}

static bool is_elsewhere(const struct connection *c, const struct tunnel *u)
{
    struct definition_error error = {.code = NULL};
    struct route r;
    if (!route_init(&r, u, &error)) /* what is wrong is told at its next start */
        return false;
    bool is_other = strcmp(r.given, c->route.given) != 0 && strcmp(r.key, c->route.key) != 0;
    route_wipe(&r);
    return is_other;
}

void connection_part_ways(struct connection *c)
{
    if (c->is_stopping)
        return;
    bool is_one = renew_key(c);
    for (struct tunnel *u = c->members, *next; u; u = next) {
        next = u->next_member;
        if (!is_one || is_elsewhere(c, u))
            move(u, other_way);
    }
}

void tunnels_reroute(struct tunnels *t)
{
    struct definition_error error = {.code = NULL};
    struct route r;
    for (struct tunnel *u = t->first; u; u = u->next) {
        if (!u->connection || !u->definition.jump_session_id || !route_init(&r, u, &error))
            continue;
        bool is_other = !u->way || strcmp(r.given, u->way) != 0;
        route_wipe(&r);
        if (is_other)
            move(u, "the tunnel that it jumps through is another now");
    }
}
