/*
 * remote.c - -R: the server listens, and each of its clients is connected to our target (RFC 4254 §7.1,
 * §7.2).
 */
#include <stdlib.h>
#include <string.h>

#include "forward/forwarder.h"

struct remote {
    uint16_t port; /* that the server listens on; 0 while it does not */
};

struct remote_flow {
    struct flow flow;
    struct channel *requested; /* the server's open, not answered yet */
    struct resolve *resolve;
    struct sock_addr *addr; /* that is being tried; only while connecting */
    size_t next;
};

/* ---- The listener at the server ---- */

/* RFC 4254 §7.1: "" is every address of every family, "localhost" the loopback ones of every family. */
static const char *asked_address(const struct forwarder *f)
{
    const char *bind = f->spec->bind;
    if (!bind)
        return "localhost";
    return strcmp(bind, "*") == 0 ? "" : bind;
}

static void remote_fail(struct forwarder *f, enum adit_err code, const char *why)
{
    struct adit_error err = {ADIT_E_OK, ""};
    (void)adit_fail(&err, code, "remote port forwarding failed for listen port %u: %s", f->spec->bind_port,
                    why);
    forwarder_failed(f, true, &err);
}

static void remote_bind(struct forwarder *f)
{
    f->own = calloc(1, sizeof(struct remote));
    if (!f->own)
        remote_fail(f, ADIT_E_MEMORY, "out of memory");
}

static void remote_begin(struct forwarder *f)
{
    f->state = FORWARDER_ASKED;
    if (!ssh_forward_request(forwarder_ssh(f), span_str(asked_address(f)), f->spec->bind_port, f))
        remote_fail(f, ADIT_E_FORWARD, "too many requests wait");
}

static void remote_on_reply(struct forwarder *f, const struct ssh_event *ev)
{
    struct remote *r = f->own;
    char bound[FORWARDER_TARGET_CAP];
    const char *address = asked_address(f);
    if (f->state != FORWARDER_ASKED)
        return; /* the reply to a cancel */
    if (!ev->flag) {
        remote_fail(f, ADIT_E_FORWARD, "the server refused it");
        return;
    }
    if (ev->number == 0 || ev->number > UINT16_MAX) {
        remote_fail(f, ADIT_E_FORWARD, "the server named no port");
        return;
    }
    r->port = (uint16_t)ev->number;
    (void)adit_format(bound, sizeof bound, strchr(address, ':') ? "[%s]:%u" : "%s:%u",
                      *address ? address : "*", r->port);
    if (f->spec->bind_port == 0)
        forwarder_remote_port(f, r->port);
    forwarder_up(f, 0, bound, r->port);
}

static void remote_stop(struct forwarder *f)
{
    struct remote *r = f->own;
    if (!r || r->port == 0 || !forwarder_ssh(f))
        return;
    /* Without memory for it the server's listener ends with the connection. */
    (void)!ssh_forward_cancel(forwarder_ssh(f), span_str(asked_address(f)), r->port, NULL);
    r->port = 0;
}

static void remote_free(struct forwarder *f)
{
    free(f->own);
    f->own = NULL;
}

/* sshd names the address as it was asked for; others may name what they bound. The port alone says it too
 * while only one of ours has it (the caller sees to that). */
static int remote_match(struct forwarder *f, const struct ssh_event *ev)
{
    const struct remote *r = f->own;
    if (!r || r->port == 0 || ev->number != r->port)
        return 0;
    return span_is(ev->text, asked_address(f)) ? 2 : 1;
}

/* ---- A connection to the target ---- */

static struct remote_flow *remote_of(struct flow *flow)
{
    return (struct remote_flow *)flow;
}

static void connect_over(struct remote_flow *rf)
{
    resolve_free(rf->resolve);
    rf->resolve = NULL;
    free(rf->addr);
    rf->addr = NULL;
}

static void target_failed(struct flow *flow, const struct adit_error *why)
{
    struct remote_flow *rf = remote_of(flow);
    char target[FORWARDER_TARGET_CAP];
    forwarder_target(flow->forwarder, target);
    forwarder_log(flow->forwarder, SESSION_INFO, "no local service for %s: %s", target, why->text);
    forwarder_stats(flow->forwarder)->local_refused++;
    /* What our side looks like is none of the server's business: no reason in detail. */
    ssh_open_refuse(forwarder_ssh(flow->forwarder), rf->requested, 2, "the target does not answer");
    rf->requested = NULL;
    flow_end(flow, false);
}

static void target_connected(struct flow *flow)
{
    struct remote_flow *rf = remote_of(flow);
    struct channel *ch = rf->requested;
    rf->requested = NULL;
    (void)sock_set_nodelay(flow->pump.in.fd, true);
    connect_over(rf);
    ssh_open_accept(forwarder_ssh(flow->forwarder), ch, flow);
    flow_start(flow, ch);
}

/* True: connecting, or connected; the flow goes on. */
static bool try_address(struct flow *flow, struct adit_error *err)
{
    struct remote_flow *rf = remote_of(flow);
    int fd = -1;
    bool done = false;
    if (sock_connect_start(&fd, rf->addr, NULL, &done, err) != ADIT_E_OK ||
        pump_take_fds(&flow->pump, fd, fd, err) != ADIT_E_OK)
        return false;
    if (done)
        target_connected(flow);
    return true;
}

static void try_next(struct flow *flow, struct adit_error *err)
{
    struct remote_flow *rf = remote_of(flow);
    const struct sock_addr *addrs = rf->addr;
    size_t count = 1;
    if (rf->resolve && resolve_result(rf->resolve, &addrs, &count, err) != ADIT_E_OK)
        count = 0;
    while (rf->next < count) {
        *rf->addr = addrs[rf->next++];
        err->code = ADIT_E_OK;
        if (try_address(flow, err))
            return;
    }
    (void)adit_fail(err, ADIT_E_CONNECT, "it has no address");
    target_failed(flow, err);
}

static void remote_flow_ready(struct flow *flow, struct loop_fd *fd)
{
    struct remote_flow *rf = remote_of(flow);
    struct adit_error err = {ADIT_E_OK, ""};
    bool done = false;
    if (!rf->requested || !(fd->can_write || fd->hangup))
        return;
    if (sock_connect_finish(fd->fd, rf->addr, &done, &err) != ADIT_E_OK) {
        int old = fd->fd;
        loop_del(forwarder_loop(flow->forwarder), fd);
        sock_close(&old);
        try_next(flow, &err);
    } else if (done) {
        target_connected(flow);
    }
}

static void remote_flow_resolved(struct flow *flow, struct resolve *r)
{
    struct adit_error err = {ADIT_E_OK, ""};
    (void)r;
    try_next(flow, &err);
}

static void remote_flow_wipe(struct flow *flow)
{
    connect_over(remote_of(flow));
}

static void log_client(struct forwarder *f, const struct ssh_event *ev)
{
    char from[128], target[FORWARDER_TARGET_CAP];
    if (!forwarder_logs(f, SESSION_DEBUG1))
        return;
    (void)adit_text_clean(from, sizeof from, ev->text2, false);
    forwarder_target(f, target);
    forwarder_log(f, SESSION_DEBUG1, "channel %u: forwarded-tcpip for %s from %s port %u",
                  ssh_chan_id(ev->channel), target, from, ev->number2);
}

static void remote_on_open(struct forwarder *f, const struct ssh_event *ev)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct flow *flow = flow_new(f, -1);
    struct remote_flow *rf = flow ? remote_of(flow) : NULL;
    log_client(f, ev);
    if (rf)
        rf->addr = malloc(sizeof *rf->addr);
    if (!rf || !rf->addr) {
        ssh_open_refuse(forwarder_ssh(f), ev->channel, 4, "out of memory");
        if (flow)
            flow_end(flow, false);
        return;
    }
    rf->requested = ev->channel;
    if (sock_addr_parse(rf->addr, f->spec->host, f->spec->port))
        try_next(flow, &err);
    else if (forwarder_resolve(f, flow, f->spec->host, f->spec->port, &rf->resolve, &err) != ADIT_E_OK)
        target_failed(flow, &err);
}

const struct forwarder_ops forwarder_remote = {
    .flow_size = sizeof(struct remote_flow),
    .bind = remote_bind,
    .begin = remote_begin,
    .stop = remote_stop,
    .free = remote_free,
    .on_reply = remote_on_reply,
    .match = remote_match,
    .on_open = remote_on_open,
    .flow_ready = remote_flow_ready,
    .flow_resolved = remote_flow_resolved,
    .flow_wipe = remote_flow_wipe,
};
