/*
 * route_key.h - where a route leads, by what ssh_config says now: two tunnels whose keys are equal share a
 * connection.
 *
 * Of every host on the way: HostName, Port and User as they are resolved, how its key is checked, what we
 * show it, and what limits the connection (algorithms, the address here, RefuseConnection, PermitRemoteOpen);
 * of the tunnels' own ones also the profile and the keywords; and what divides tunnels otherwise (back-off,
 * hold, lazy). Two aliases of one host that differ in none of these are one place.
 */
#ifndef DAEMON_ROUTE_KEY_H
#define DAEMON_ROUTE_KEY_H

#include "client/options.h"
#include "daemon/route.h"

/* Reads files alone: where ssh_config must run a command or look a name up, or cannot be read, the key is
 * that of the words that were given. NULL: no memory. free() it. */
char *route_key(const struct route *r) ADIT_MUST_USE;

/* The options of one place, without waiting for anything. options_wipe, whatever is returned. */
enum adit_err route_place_resolve(struct options *o, const struct route_place *p,
                                  const char *config_file) ADIT_MUST_USE;

#endif
