/*
 * agent.c - -A: programs at the far end reach our agent (OpenSSH PROTOCOL §2.2 and PROTOCOL.agent §1).
 *
 * The server may open such channels once the session channel has asked for it. Each is a connection of its
 * own to the agent's socket, which is told first whose session it serves: then an agent can refuse what a key
 * is not meant for.
 */
#include <stdlib.h>
#include <string.h>

#include "forward/forwarder.h"

enum {
    REPLY_MAX = 1024,       /* an agent's word on session-bind is one byte */
    PATIENCE_MS = 10 * 1000 /* for it: the server's program waits, and a session does not end before that */
};

/* Only until the agent has answered. */
struct binding {
    struct loop_timer patience;
    size_t sent, n;
    uint8_t head[4];
    size_t head_n;
    uint32_t left; /* of the reply behind its head */
    uint8_t bytes[];
};

struct agent_flow {
    struct flow flow;
    struct channel *requested; /* the server's open, not answered yet */
    struct binding *binding;
};

static struct agent_flow *agent_of(struct flow *flow)
{
    return (struct agent_flow *)flow;
}

static void agent_wipe(struct flow *flow)
{
    struct binding *b = agent_of(flow)->binding;
    if (b)
        loop_timer_cancel(forwarder_loop(flow->forwarder), &b->patience);
    free(b);
    agent_of(flow)->binding = NULL;
}

static void refuse(struct flow *flow, const char *why)
{
    struct agent_flow *af = agent_of(flow);
    forwarder_log(flow->forwarder, SESSION_INFO, "agent forwarding: %s: %s", flow->forwarder->spec->path,
                  why);
    ssh_open_refuse(forwarder_ssh(flow->forwarder), af->requested, 2, "the agent does not answer");
    af->requested = NULL;
    flow_end(flow, false);
}

static void accept_it(struct flow *flow)
{
    struct agent_flow *af = agent_of(flow);
    struct channel *ch = af->requested;
    agent_wipe(flow);
    af->requested = NULL;
    ssh_open_accept(forwarder_ssh(flow->forwarder), ch, flow);
    flow_start(flow, ch);
}

/* True: all of it is out. False: it must wait, or the flow has ended. */
static bool send_binding(struct flow *flow)
{
    struct binding *b = agent_of(flow)->binding;
    struct adit_error err = {ADIT_E_OK, ""};
    while (b->sent < b->n) {
        size_t n = 0;
        enum sock_io io = sock_write(flow->pump.in.fd, b->bytes + b->sent, b->n - b->sent, &n, &err);
        if (io == SOCK_IO_OK) {
            b->sent += n;
            continue;
        }
        if (io == SOCK_IO_AGAIN)
            loop_fd_not_writable(&flow->pump.in);
        else
            refuse(flow, err.text);
        return false;
    }
    return true;
}

static bool read_some(struct flow *flow, uint8_t *to, size_t most, size_t *n)
{
    struct adit_error err = {ADIT_E_OK, ""};
    enum sock_io io = sock_read(flow->pump.in.fd, to, most, n, &err);
    if (io == SOCK_IO_AGAIN)
        loop_fd_not_readable(&flow->pump.in);
    else if (io != SOCK_IO_OK)
        refuse(flow, io == SOCK_IO_EOF ? "it ends the connection" : err.text);
    return io == SOCK_IO_OK;
}

static uint32_t length_of(const uint8_t head[4])
{
    return (uint32_t)head[0] << 24 | (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
}

/* The reply is read and nothing of what follows it: that is for the far end. What it says does not matter: an
 * agent that does not know session-bind serves all the same, as with ssh. */
static void read_reply(struct flow *flow)
{
    struct binding *b = agent_of(flow)->binding;
    uint8_t ignored[REPLY_MAX];
    size_t n = 0;
    while (b->head_n < sizeof b->head) {
        if (!read_some(flow, b->head + b->head_n, sizeof b->head - b->head_n, &n))
            return;
        b->head_n += n;
        b->left = length_of(b->head);
    }
    if (b->left > REPLY_MAX) {
        refuse(flow, "it does not speak an agent's protocol");
        return;
    }
    while (b->left > 0) {
        if (!read_some(flow, ignored, b->left, &n))
            return;
        b->left -= (uint32_t)n;
    }
    accept_it(flow);
}

static void agent_step(struct flow *flow)
{
    if (send_binding(flow))
        read_reply(flow);
}

static void agent_connected(struct flow *flow)
{
    struct ssh *ssh = forwarder_ssh(flow->forwarder);
    size_t n = ssh_agent_bind(ssh, (struct wspan){NULL, 0});
    struct binding *b = calloc(1, sizeof *b + n);
    if (!b) {
        refuse(flow, "out of memory");
        return;
    }
    b->n = ssh_agent_bind(ssh, (struct wspan){b->bytes, n});
    agent_of(flow)->binding = b;
    loop_timer_init(&b->patience, SESSION_TIMER_FLOW, flow);
    loop_timer_set(forwarder_loop(flow->forwarder), &b->patience, loop_now_ms() + PATIENCE_MS);
    agent_step(flow);
}

static void agent_unreachable(struct flow *flow, const struct adit_error *why)
{
    refuse(flow, why->text);
}

static void agent_timer(struct flow *flow)
{
    if (agent_of(flow)->binding)
        refuse(flow, "it does not answer");
    else
        target_on_timer(flow);
}

static void agent_ready(struct flow *flow, struct loop_fd *fd)
{
    if (flow->target)
        target_on_ready(flow, fd);
    else if (agent_of(flow)->binding)
        agent_step(flow);
}

static void agent_on_open(struct forwarder *f, const struct ssh_event *ev)
{
    struct flow *flow = flow_new(f, -1);
    forwarder_log(f, SESSION_DEBUG1, "channel %u: agent forwarding", (unsigned)ssh_chan_id(ev->channel));
    if (!flow) {
        ssh_open_refuse(forwarder_ssh(f), ev->channel, 4, "out of memory");
        return;
    }
    agent_of(flow)->requested = ev->channel;
    flow_set_kind(flow, SESSION_CHANNEL_AGENT);
    target_connect(flow, NULL, 0, f->spec->path);
}

static void agent_begin(struct forwarder *f)
{
    forwarder_up(f, 0, NULL, 0);
}

const struct forwarder_ops forwarder_agent = {
    .flow_size = sizeof(struct agent_flow),
    .begin = agent_begin,
    .on_open = agent_on_open,
    .flow_ready = agent_ready,
    .flow_resolved = target_on_resolved,
    .flow_timer = agent_timer,
    .flow_connected = agent_connected,
    .flow_unreachable = agent_unreachable,
    .flow_wipe = agent_wipe,
};
