/*
 * client_tunnel.h - a tunnel as a program that talks to the daemon sees it: T of the API, read from JSON.
 *
 * Texts are the daemon's, made fit for a terminal here. A text that is absent or null is "" unless the field
 * says otherwise.
 */
#ifndef DAEMON_CLIENT_TUNNEL_H
#define DAEMON_CLIENT_TUNNEL_H

#include "adit.h"
#include "client/texts.h"

struct client_tunnel {
    char *id, *name, *state, *spec, *via, *origin;
    char *last_error, *last_error_kind;
    char *type, *target;    /* of the first forward: "local", "dynamic", "remote"; where it leads */
    struct texts addresses; /* "127.0.0.1:8443"; of -R what the server has bound, "host:port" */
    bool permanent, auto_reconnect;
    int64_t uptime; /* seconds; -1: it is not up */
    int64_t retry_count;
    char *key_type, *fingerprint; /* of the host key that was shown last */
    bool is_key_known;
    char *json; /* T as it came, on one line */
};

struct client_tunnels {
    struct client_tunnel *item;
    size_t count;
};

/* {"tunnels":[T...]}, or one T, which is then the only one. ADIT_E_PROTOCOL: it is neither; ADIT_E_MEMORY. On
 * failure there is nothing to wipe. */
enum adit_err client_tunnels_parse(struct client_tunnels *out, const char *text, size_t len,
                                   struct adit_error *err) ADIT_MUST_USE;
void client_tunnels_wipe(struct client_tunnels *t);

/* By id, then by name; NULL: none. */
const struct client_tunnel *client_tunnels_find(const struct client_tunnels *t, const char *id_or_name);

bool client_tunnel_is(const struct client_tunnel *t, const char *state);
/* It carries, or will at the first connection: connected or idle. */
bool client_tunnel_is_up(const struct client_tunnel *t);

/* What an exit status is made of: the row of the list of errors with this kind; ADIT_E_OK: there was no
 * error. A failed tunnel that was given up after all its tries is ADIT_E_GAVE_UP. */
enum adit_err client_tunnel_error(const struct client_tunnel *t);

#endif
