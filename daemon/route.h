/*
 * route.h - how a tunnel's connection is to be made: its definition, its profile, and the tunnels that it
 * jumps through, as one set of settings; and which tunnels may share one connection.
 *
 * What ssh_config says is read by the link, at every connect; here only to find out whether a key is named
 * at all.
 */
#ifndef DAEMON_ROUTE_H
#define DAEMON_ROUTE_H

#include "client/keep.h"
#include "client/texts.h"
#include "daemon/definition.h"
#include "daemon/secrets.h"

struct tunnel;
struct tunnels;

struct route {
    char *key;  /* equal: one connection serves both */
    char *name; /* "user@host:port" as far as they were given */
    char *host, *user, *config_file;
    uint16_t port;
    struct texts settings; /* "Keyword value", the first one wins */
    struct secrets secrets;
    bool is_lazy, detect_fast;
    uint32_t idle_exit_ms, hold_ms, hold_max;
    uint32_t backoff_first_ms, backoff_cap_ms, jitter_percent;
};

/* What can be judged without a start: the profile is there, and jump_session_id leads somewhere, and not back
 * to self (NULL: a new one). False: error, "invalid_value". */
bool route_check(const struct tunnels *t, const struct definition *d, const struct tunnel *self,
                 struct definition_error *error) ADIT_MUST_USE;
/* False: error, and nothing is held: as route_check, and "profile_incomplete" for `No password found` and
 * `No SSH key path found`. */
bool route_init(struct route *r, const struct tunnel *tunnel, struct definition_error *error) ADIT_MUST_USE;
void route_wipe(struct route *r);

/* The ProxyJump value behind jump_session_id: that tunnel's hops and its host. NULL: error. free() it. */
char *route_jump(const struct tunnels *t, const struct definition *d, const struct tunnel *self,
                 struct definition_error *error) ADIT_MUST_USE;

#endif
