/*
 * remote.c - -R: the server listens, and each of its clients is connected to our target (RFC 4254 §7.2,
 * OpenSSH's PROTOCOL §2.4).
 */
#include <stdlib.h>

#include "forward/forwarder.h"

struct remote_flow {
    struct flow flow;
    struct channel *requested; /* the server's open, not answered yet */
    char *client;              /* see remote_listener_client */
};

static struct remote_flow *remote_of(struct flow *flow)
{
    return (struct remote_flow *)flow;
}

static const char *remote_client(const struct flow *flow)
{
    const char *client = ((const struct remote_flow *)flow)->client;
    return client ? client : "";
}

static void remote_wipe(struct flow *flow)
{
    free(remote_of(flow)->client);
}

static void remote_unreachable(struct flow *flow, const struct adit_error *why)
{
    struct remote_flow *rf = remote_of(flow);
    char target[FORWARDER_TARGET_CAP];
    forwarder_target(flow->forwarder, target);
    forwarder_log(flow->forwarder, SESSION_INFO, "no local service for %s: %s", target, why->text);
    forwarder_count(flow->forwarder, FORWARDER_LOCAL_REFUSED);
    /* What our side looks like is none of the server's business: no reason in detail. */
    ssh_open_refuse(forwarder_ssh(flow->forwarder), rf->requested, 2, "the target does not answer");
    rf->requested = NULL;
    flow_end(flow, false);
}

static void remote_connected(struct flow *flow)
{
    struct remote_flow *rf = remote_of(flow);
    struct channel *ch = rf->requested;
    rf->requested = NULL;
    ssh_open_accept(forwarder_ssh(flow->forwarder), ch, flow);
    flow_start(flow, ch);
}

static void remote_cut(struct flow *flow)
{
    struct remote_flow *rf = remote_of(flow);
    if (rf->requested)
        ssh_open_refuse(forwarder_ssh(flow->forwarder), rf->requested, 1, "the forward is over");
    rf->requested = NULL;
    flow_end(flow, true);
}

static void remote_on_open(struct forwarder *f, const struct ssh_event *ev)
{
    struct flow *flow = flow_new(f, -1);
    remote_listener_log(f, ev);
    if (!flow) {
        ssh_open_refuse(forwarder_ssh(f), ev->channel, 4, "out of memory");
        return;
    }
    remote_of(flow)->requested = ev->channel;
    remote_of(flow)->client = remote_listener_client(f, ev);
    remote_listener_set_kind(flow);
    target_connect(flow, f->spec->host, f->spec->port, f->spec->path);
}

const struct forwarder_ops forwarder_remote = {
    .flow_size = sizeof(struct remote_flow),
    .bind = remote_listener_bind,
    .begin = remote_listener_begin,
    .stop = remote_listener_stop,
    .free = remote_listener_free,
    .lost = remote_listener_lost,
    .retry = remote_listener_retry,
    .on_reply = remote_listener_on_reply,
    .match = remote_listener_match,
    .on_open = remote_on_open,
    .flow_ready = target_on_ready,
    .flow_resolved = target_on_resolved,
    .flow_timer = target_on_timer,
    .flow_connected = remote_connected,
    .flow_unreachable = remote_unreachable,
    .flow_cut = remote_cut,
    .flow_client = remote_client,
    .flow_wipe = remote_wipe,
};
