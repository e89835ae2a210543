/*
 * stdio.c - -W: standard input and output as the near end of one channel.
 */
#include "forward/forwarder.h"

struct stdio_flow {
    struct flow flow;
    struct loop_fd out;
};

static void stdio_begin(struct forwarder *f)
{
    const struct session_config *config = forwarder_config(f);
    struct adit_error err = {ADIT_E_OK, ""};
    struct flow_origin nobody;
    struct flow *flow = flow_new(f, -1);
    if (!flow) {
        (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory");
        forwarder_over(f, &err);
        return;
    }
    pump_init(&flow->pump, flow->pump.set, &pump_near_shared, SESSION_FD_FLOW, flow,
              &((struct stdio_flow *)flow)->out);
    forwarder_up(f, 0, NULL, 0);
    int in_fd = f->spec->fds ? f->spec->fds[0] : config->stdin_fd;
    int out_fd = f->spec->fds ? f->spec->fds[1] : config->stdout_fd;
    if (f->spec->fds)
        f->spec->fds[0] = f->spec->fds[1] = -1;
    if (pump_take_fds(&flow->pump, in_fd, out_fd, &err) != ADIT_E_OK) {
        forwarder_over(f, &err);
        flow_end(flow, false);
        return;
    }
    flow_origin_of(&nobody, NULL);
    (void)!flow_open_target(flow, &nobody);
}

static void stdio_refused(struct flow *flow, uint32_t reason, struct span text)
{
    struct adit_error err = {ADIT_E_OK, ""};
    char clean[256];
    (void)adit_text_clean(clean, sizeof clean, text, false);
    (void)adit_fail(&err, ADIT_E_CHANNEL, "stdio forwarding failed: %s: %s",
                    session_open_failure_name(reason), clean);
    forwarder_over(flow->forwarder, &err);
    flow_end(flow, false);
}

static void stdio_opened(struct flow *flow)
{
    struct session_notice n = {.kind = SESSION_EXEC_OPENED, .index = flow->forwarder->index};
    forwarder_notify(flow->forwarder, &n);
    flow_start(flow, flow->channel);
}

static void stdio_over(struct forwarder *f)
{
    forwarder_over(f, NULL);
}

const struct forwarder_ops forwarder_stdio = {
    .flow_size = sizeof(struct stdio_flow),
    .begin = stdio_begin,
    .flow_opened = stdio_opened,
    .flow_refused = stdio_refused,
    .flow_over = stdio_over,
};
