/*
 * local.c - -L: each client of a listener becomes a channel to one target (RFC 4254 §7.2, OpenSSH's
 * PROTOCOL §2.4).
 */
#include "forward/forwarder.h"

static void local_accepted(struct forwarder *f, int fd, const struct sock_addr *peer)
{
    struct flow_origin origin;
    struct flow *flow = flow_new(f, fd);
    if (!flow)
        return;
    flow_origin_of(&origin, peer);
    (void)!flow_open_target(flow, &origin);
}

static void local_release(struct flow *flow)
{
    struct flow_origin origin;
    struct sock_addr peer;
    flow_origin_of(&origin, sock_peer(flow->pump.in.fd, &peer) ? &peer : NULL);
    (void)!flow_open_target(flow, &origin);
}

const struct forwarder_ops forwarder_local = {
    .bind = listener_bind,
    .begin = listener_begin,
    .stop = listener_stop,
    .free = listener_free,
    .unlisten = listener_unlisten,
    .retry = listener_retry,
    .on_ready = listener_on_ready,
    .on_timer = listener_on_timer,
    .on_resolved = listener_on_resolved,
    .accepted = local_accepted,
    .flow_release = local_release,
};
