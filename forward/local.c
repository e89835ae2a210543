/*
 * local.c - -L: each client of a listener becomes a direct-tcpip channel to one target (RFC 4254 §7.2).
 */
#include "forward/forwarder.h"

static void local_accepted(struct forwarder *f, int fd, const struct sock_addr *peer)
{
    char host[SOCK_TEXT_CAP];
    struct flow *flow = flow_new(f, fd);
    if (!flow)
        return;
    sock_addr_host(peer, host);
    (void)!flow_open(flow, f->spec->host, f->spec->port, host, sock_addr_port(peer));
}

const struct forwarder_ops forwarder_local = {
    .bind = listener_bind,
    .begin = listener_begin,
    .stop = listener_stop,
    .free = listener_free,
    .on_ready = listener_on_ready,
    .on_timer = listener_on_timer,
    .on_resolved = listener_on_resolved,
    .accepted = local_accepted,
};
