/*
 * counters.h - the numbers of the connections, asked for by letter: rounds for everybody who wants them fresh
 * (tunnels_refresh), and the list of one tunnel's connections (tunnels_connections).
 */
#ifndef DAEMON_COUNTERS_H
#define DAEMON_COUNTERS_H

#include "net/loop.h"
#include "net/mailbox.h"

struct connection;
struct tunnel;
struct tunnels;

enum { COUNTERS_CONNECTIONS_MAX = 4096 }; /* that are listed; more are open seldom, and are not shown */

/* Asks one connection. round: who waits for it; 0: nobody. False: no memory. */
bool counters_ask(struct connection *c, uint64_t round);
/* A letter of kind REGISTRY_MAIL_SNAPSHOT. */
void counters_on_mail(struct tunnels *t, struct mail *mail);
void counters_on_timer(struct tunnels *t); /* the round has lasted TUNNELS_REFRESH_MS */

/* A tunnel's sums from what its forwards have told, and told before they were gone. */
void counters_sum(struct tunnel *u);
struct session_forward_stats;
/* Those of a forward that is gone stay in the sum. */
void counters_keep(struct tunnel *u, const struct session_forward_stats *s);

#endif
