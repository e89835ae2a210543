/*
 * stdio.c - -W: standard input and output as the near end of one channel.
 */
#include "forward/forwarder.h"
#include "net/standard.h"

struct stdio_flow {
    struct flow flow;
    struct loop_fd out;
};

/* Copies, which wait for nobody; what was handed over is closed. */
static enum adit_err take_fds(struct flow *flow, int in_fd, int out_fd, struct adit_error *err)
{
    struct standard in = {-1, false}, out = {-1, false};
    if (standard_copy(&in, in_fd, false, err) != ADIT_E_OK ||
        standard_copy(&out, out_fd, true, err) != ADIT_E_OK)
        sock_close(&in.fd);
    if (out_fd != in_fd)
        sock_close(&out_fd);
    sock_close(&in_fd);
    if (in.fd < 0)
        return err->code;
    pump_init(&flow->pump, flow->pump.set, pump_near_standard(in.is_shared, out.is_shared), SESSION_FD_FLOW,
              flow, &((struct stdio_flow *)flow)->out);
    return pump_take_fds(&flow->pump, in.fd, out.fd, err);
}

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
    forwarder_up(f, 0, NULL, 0);
    int in_fd = f->spec->fds ? f->spec->fds[0] : config->stdin_fd;
    int out_fd = f->spec->fds ? f->spec->fds[1] : config->stdout_fd;
    if (f->spec->fds)
        f->spec->fds[0] = f->spec->fds[1] = -1;
    if (take_fds(flow, in_fd, out_fd, &err) != ADIT_E_OK) {
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
