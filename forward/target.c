/*
 * target.c - a flow's near end becomes a connection to a host and port, or to a Unix socket, of this side.
 */
#include <stdlib.h>

#include "forward/forwarder.h"

enum {
    /* A Unix socket whose backlog is full says nothing when it is no longer: it is asked again, as long as a
     * TCP client's kernel would repeat its SYN three times. */
    RETRY_MS = 20,
    RETRIES_MS = 7000,
};

/* Only while connecting. */
struct target {
    struct resolve *resolve;
    struct sock_addr addr; /* that is being tried */
    size_t next;
    struct loop_timer retry;
    uint64_t patience_ms; /* until then; 0: it was not full yet */
};

void target_free(struct flow *flow)
{
    struct target *t = flow->target;
    if (!t)
        return;
    loop_timer_cancel(forwarder_loop(flow->forwarder), &t->retry);
    resolve_free(t->resolve);
    free(t);
    flow->target = NULL;
}

static void target_failed(struct flow *flow, const struct adit_error *why)
{
    target_free(flow);
    flow->forwarder->ops->flow_unreachable(flow, why);
}

static void target_connected(struct flow *flow)
{
    (void)sock_set_nodelay(flow->pump.in.fd, true);
    target_free(flow);
    flow->forwarder->ops->flow_connected(flow);
}

static bool may_wait(struct flow *flow)
{
    struct target *t = flow->target;
    uint64_t now = loop_now_ms();
    if (t->patience_ms == 0)
        t->patience_ms = now + RETRIES_MS;
    if (now >= t->patience_ms)
        return false;
    loop_timer_set(forwarder_loop(flow->forwarder), &t->retry, now + RETRY_MS);
    return true;
}

/* True: connecting, or connected, or to be tried again; the flow goes on. */
static bool try_address(struct flow *flow, struct adit_error *err)
{
    struct target *t = flow->target;
    int fd = -1;
    bool done = false;
    enum adit_err e = sock_connect_start(&fd, &t->addr, NULL, &done, err);
    if (e == ADIT_E_LIMIT)
        return may_wait(flow);
    if (e != ADIT_E_OK || pump_take_fds(&flow->pump, fd, fd, err) != ADIT_E_OK)
        return false;
    if (done)
        target_connected(flow);
    return true;
}

static void try_next(struct flow *flow, struct adit_error *err)
{
    struct target *t = flow->target;
    const struct sock_addr *addrs = &t->addr;
    size_t count = 1;
    if (t->resolve && resolve_result(t->resolve, &addrs, &count, err) != ADIT_E_OK)
        count = 0;
    while (t->next < count) {
        t->addr = addrs[t->next++];
        err->code = ADIT_E_OK;
        if (try_address(flow, err))
            return;
    }
    (void)adit_fail(err, ADIT_E_CONNECT, "it has no address");
    target_failed(flow, err);
}

void target_on_ready(struct flow *flow, struct loop_fd *fd)
{
    struct target *t = flow->target;
    struct adit_error err = {ADIT_E_OK, ""};
    bool done = false;
    if (!t || !(fd->can_write || fd->hangup))
        return;
    if (sock_connect_finish(fd->fd, &t->addr, &done, &err) != ADIT_E_OK) {
        int old = fd->fd;
        loop_del(forwarder_loop(flow->forwarder), fd);
        sock_close(&old);
        try_next(flow, &err);
    } else if (done) {
        target_connected(flow);
    }
}

void target_on_resolved(struct flow *flow, struct resolve *r)
{
    struct adit_error err = {ADIT_E_OK, ""};
    (void)r;
    try_next(flow, &err);
}

void target_on_timer(struct flow *flow)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (flow->target && !try_address(flow, &err))
        target_failed(flow, &err);
}

void target_connect(struct flow *flow, const char *host, uint16_t port, const char *path)
{
    struct adit_error err = {ADIT_E_OK, ""};
    struct target *t = calloc(1, sizeof *t);
    if (!t) {
        (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory");
        flow->forwarder->ops->flow_unreachable(flow, &err);
        return;
    }
    flow->target = t;
    loop_timer_init(&t->retry, SESSION_TIMER_FLOW, flow);
    if (path ? sock_addr_path(&t->addr, path, &err) == ADIT_E_OK : sock_addr_parse(&t->addr, host, port))
        try_next(flow, &err);
    else if (path || forwarder_resolve(flow->forwarder, flow, host, port, &t->resolve, &err) != ADIT_E_OK)
        target_failed(flow, &err);
}
