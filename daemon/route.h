/*
 * route.h - how a tunnel's connection is to be made: its definition, its profile, and the tunnels that it
 * jumps through, each a place with settings of its own; and which tunnels may share one connection.
 *
 * What ssh_config says is read by the link, at every connect; here only for the key (route_key.h), and to
 * find out whether an identity is named at all. Nothing is run and no name looked up for that.
 */
#ifndef DAEMON_ROUTE_H
#define DAEMON_ROUTE_H

#include "client/chain.h"
#include "client/keep.h"
#include "client/texts.h"
#include "daemon/definition.h"
#include "daemon/secrets.h"

struct tunnel;
struct tunnels;

/* One host on the way. */
struct route_place {
    char *name; /* "user@host:port" as far as they were given */
    char *host, *user;
    uint16_t port;
    char *like;            /* of its definition: the profile's name and the keywords */
    struct texts settings; /* "Keyword value", the first one wins */
};

struct route {
    char *given; /* all that was given: equal routes are made of equal words */
    char *key;   /* equal: one connection serves both. See route_key.h */
    char *config_file;
    size_t place_count; /* at least 1 */
    struct route_place
        *places;             /* the destination; then the tunnels that it jumps through, the nearest first */
    struct secrets *secrets; /* of each place */
    struct chain_hop *hops;  /* places 1 and up, as a link is given them */
    bool is_lazy, detect_fast, reclaim;
    uint32_t idle_exit_ms, hold_ms, hold_max;
    uint32_t backoff_first_ms, backoff_cap_ms, jitter_percent;
};

/* What can be judged without a start: the profile is there, and jump_session_id leads somewhere, and not back
 * to self (NULL: a new one). False: error, "invalid_value". */
bool route_check(const struct tunnels *t, const struct definition *d, const struct tunnel *self,
                 struct definition_error *error) ADIT_MUST_USE;
/* False: error, and nothing is held: as route_check, and "profile_incomplete" for `No password found` and
 * `No SSH key path found`, its own or of a tunnel that it jumps through; "internal" where a lack of memory or
 * descriptors leaves that open. */
bool route_init(struct route *r, const struct tunnel *tunnel, struct definition_error *error) ADIT_MUST_USE;
void route_wipe(struct route *r);
/* Words that may hold a secret. NULL is fine. */
void route_free_words(char *words);
/* Another key, which it owns from now on. */
void route_take_key(struct route *r, char *key);

#endif
