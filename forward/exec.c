/*
 * exec.c - a session channel (RFC 4254 §6): a shell, a command or a subsystem on our standard descriptors.
 *
 * Everything is asked for at once; the machine sends it behind the channel's confirmation. The channel is
 * never closed from here while the server may still speak: the exit status comes after the end of the output.
 */
#include <string.h>

#include "forward/forwarder.h"
#include "forward/keystroke.h"
#include "net/random.h"
#include "net/standard.h"

enum { BREAK_MS = 1000 };

struct exec_flow {
    struct flow flow;
    struct loop_fd out;
    struct pump err;
    struct loop_fd err_out;
    struct keystroke keys; /* off without a terminal */
    struct loop_timer keys_timer;
    bool awaits_pty;
    bool has_begun;
};

static struct exec_flow *exec_of(struct flow *flow)
{
    return (struct exec_flow *)flow;
}

static const char *exec_name(const struct session_exec *exec)
{
    return exec->kind == SESSION_EXEC_SHELL     ? "shell"
           : exec->kind == SESSION_EXEC_COMMAND ? "exec"
                                                : "subsystem";
}

/* ---- The near ends ---- */

static enum adit_err take_standard(struct exec_flow *x, const struct session_exec *exec,
                                   struct adit_error *err)
{
    struct flow *flow = &x->flow;
    struct pump_set *set = flow->pump.set;
    struct standard in, out, side;
    if (standard_copy(&in, exec->in_fd, false, err) != ADIT_E_OK)
        return err->code;
    if (standard_copy(&out, exec->out_fd, true, err) != ADIT_E_OK) {
        sock_close(&in.fd);
        return err->code;
    }
    pump_init(&flow->pump, set, pump_near_standard(in.is_shared, out.is_shared), SESSION_FD_FLOW, flow,
              &x->out);
    flow->pump.is_session = true;
    if (pump_take_fds(&flow->pump, in.fd, out.fd, err) != ADIT_E_OK)
        return err->code;
    if (standard_copy(&side, exec->err_fd, true, err) != ADIT_E_OK)
        return err->code;
    pump_init(&x->err, set, pump_near_standard(false, side.is_shared), SESSION_FD_FLOW, flow, &x->err_out);
    x->err.is_session = x->err.is_side = true;
    return pump_take_out(&x->err, side.fd, err);
}

static struct pump *exec_side(struct flow *flow)
{
    struct exec_flow *x = exec_of(flow);
    return x->err.set ? &x->err : NULL;
}

/* ---- ObscureKeystrokeTiming ---- */

/* The kernel's generator has been seeded long since, and cannot fail any more. */
static uint64_t random_number(void)
{
    struct adit_error err = {ADIT_E_OK, ""};
    uint64_t n = 0;
    (void)!random_seed(&n, sizeof n, &err);
    return n;
}

static void keys_init(struct exec_flow *x, const struct session_exec *exec)
{
    struct forwarder *f = x->flow.forwarder;
    keystroke_init(&x->keys, exec->wants_pty ? forwarder_config(f)->keystroke_ms : 0);
    loop_timer_init(&x->keys_timer, SESSION_TIMER_FLOW, &x->flow);
}

static void keys_plan(struct exec_flow *x)
{
    uint64_t at_us = keystroke_deadline(&x->keys);
    loop_timer_set(forwarder_loop(x->flow.forwarder), &x->keys_timer,
                   at_us == UINT64_MAX ? LOOP_NEVER : at_us / 1000 + 1);
}

static bool exec_may_send(struct flow *flow)
{
    return keystroke_may_send(&exec_of(flow)->keys);
}

static void exec_sent(struct flow *flow, size_t n)
{
    struct exec_flow *x = exec_of(flow);
    if (x->keys.interval_ms == 0 || !keystroke_sent(&x->keys, n, loop_now_us(), random_number()))
        return;
    forwarder_log(flow->forwarder, SESSION_DEBUG3, "obfuscate_keystroke_timing: starting: interval ~%ums",
                  (unsigned)x->keys.interval_ms);
    keys_plan(x);
}

/* As long as the data message of one key, so that the two look alike. A server without the extension gets
 * none: the rhythm is hidden all the same, but not the pauses. */
static void send_chaff(const struct exec_flow *x)
{
    (void)ssh_ping(forwarder_ssh(x->flow.forwarder), span_str("PING!"));
}

/* Nothing more will ever be typed. */
static bool input_is_over(const struct loop_fd *in)
{
    return in->fd < 0 || in->peer_done || in->hangup || in->always_ready;
}

static void exec_timer(struct flow *flow)
{
    struct exec_flow *x = exec_of(flow);
    const struct loop_fd *in = &flow->pump.in;
    size_t waiting = in->fd >= 0 ? sock_waiting_len(in->fd) : 0;
    if (waiting == 0 && input_is_over(in))
        keystroke_end(&x->keys);
    switch (keystroke_look(&x->keys, waiting, loop_now_us(), random_number())) {
    case KEYSTROKE_NOTHING:
        break;
    case KEYSTROKE_CHAFF:
        send_chaff(x);
        break;
    case KEYSTROKE_STOP:
        forwarder_log(flow->forwarder, SESSION_DEBUG3,
                      "obfuscate_keystroke_timing: stopping: %s (%u chaff packets sent)",
                      waiting > 0 ? "output buffer filling" : "chaff time expired",
                      ssh_has_ping(forwarder_ssh(flow->forwarder)) ? (unsigned)x->keys.chaff_count : 0);
        pump_on_space(&flow->pump);
        break;
    case KEYSTROKE_SEND:
        pump_on_space(&flow->pump);
        break;
    }
    keys_plan(x);
}

static void exec_wipe(struct flow *flow)
{
    loop_timer_cancel(forwarder_loop(flow->forwarder), &exec_of(flow)->keys_timer);
}

/* ---- What is asked for ---- */

static bool ask_env(struct ssh *ssh, struct channel *ch, const struct session_exec *exec)
{
    for (size_t i = 0; i < exec->env_count; i++) {
        struct span text = span_str(exec->env[i]);
        const char *equals = strchr(exec->env[i], '=');
        size_t name_len = equals ? (size_t)(equals - exec->env[i]) : text.n;
        if (!ssh_session_env(ssh, ch, span_sub(text, 0, name_len), span_sub(text, name_len + 1, SIZE_MAX)))
            return false;
    }
    return true;
}

static bool ask_start(struct ssh *ssh, struct channel *ch, const struct session_exec *exec)
{
    switch (exec->kind) {
    case SESSION_EXEC_COMMAND:
        return ssh_session_exec(ssh, ch, span_str(exec->text));
    case SESSION_EXEC_SUBSYSTEM:
        return ssh_session_subsystem(ssh, ch, span_str(exec->text));
    case SESSION_EXEC_SHELL:
        break;
    }
    return ssh_session_shell(ssh, ch);
}

static void log_start(struct forwarder *f, const struct session_exec *exec)
{
    if (exec->kind == SESSION_EXEC_SHELL)
        forwarder_log(f, SESSION_DEBUG1, "Entering interactive session.");
    else
        forwarder_log(f, SESSION_DEBUG1, "Sending %s: %s",
                      exec->kind == SESSION_EXEC_COMMAND ? "command" : "subsystem", exec->text);
}

/* -A: the agent's forwarder stands beside us. */
static bool ask_agent(struct forwarder *f, struct channel *ch)
{
    const struct session_config *config = forwarder_config(f);
    if (f->guest && !f->spec->exec->wants_agent)
        return true;
    for (size_t i = 0; i < config->forward_count; i++)
        if (config->forwards[i].type == SESSION_FORWARD_AGENT)
            return ssh_chan_request(forwarder_ssh(f), ch, "auth-agent-req@openssh.com",
                                    (struct span){NULL, 0}, false);
    return true;
}

static bool ask(struct exec_flow *x, const struct session_exec *exec)
{
    struct ssh *ssh = forwarder_ssh(x->flow.forwarder);
    struct channel *ch = x->flow.channel;
    log_start(x->flow.forwarder, exec);
    x->awaits_pty = exec->wants_pty;
    forwarder_set_terminal(x->flow.forwarder, exec->wants_pty);
    if (!ask_agent(x->flow.forwarder, ch))
        return false;
    if (exec->wants_pty &&
        !ssh_session_pty(ssh, ch, span_str(exec->term), exec->window, exec->modes, exec->mode_count))
        return false;
    return ask_env(ssh, ch, exec) && ask_start(ssh, ch, exec);
}

static void give_up(struct forwarder *f, struct flow *flow, struct adit_error *err)
{
    forwarder_exec_over(f, err);
    if (flow)
        flow_end(flow, false);
}

static void begin(struct forwarder *f)
{
    const struct session_exec *exec = f->spec->exec;
    struct adit_error err = {ADIT_E_OK, ""};
    struct flow *flow = flow_new(f, -1);
    if (!flow) {
        (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory");
        give_up(f, NULL, &err);
        return;
    }
    keys_init(exec_of(flow), exec);
    if (take_standard(exec_of(flow), exec, &err) != ADIT_E_OK) {
        give_up(f, flow, &err);
        return;
    }
    flow_set_kind(flow, SESSION_CHANNEL_SESSION);
    flow->channel = ssh_open_session(forwarder_ssh(f), flow);
    flow->is_opening = flow->channel != NULL;
    if (!flow->channel || !ask(exec_of(flow), exec)) {
        (void)adit_fail(&err, ADIT_E_COMMAND,
                        "the %s cannot be asked for: it is too long, or memory is short", exec_name(exec));
        give_up(f, flow, &err);
    }
}

static void exec_begin(struct forwarder *f)
{
    forwarder_up(f, 0, NULL, 0);
    if (!f->spec->exec->is_held)
        begin(f);
}

static void exec_command(struct forwarder *f, const struct session_command *c)
{
    struct ssh *ssh = forwarder_ssh(f);
    struct channel *ch = f->flows ? f->flows->channel : NULL;
    if (c->kind == SESSION_DO_BEGIN_EXEC && f->spec->exec->is_held && !f->flows)
        begin(f);
    if (!ch)
        return;
    if (c->kind == SESSION_DO_WINDOW_CHANGE)
        (void)!ssh_session_window_change(ssh, ch, c->window);
    if (c->kind == SESSION_DO_BREAK)
        (void)!ssh_session_break(ssh, ch, BREAK_MS);
}

/* ---- What comes back ---- */

static void exec_refused(struct flow *flow, uint32_t reason, struct span text)
{
    struct adit_error err = {ADIT_E_OK, ""};
    char clean[256];
    (void)adit_text_clean(clean, sizeof clean, text, false);
    (void)adit_fail(&err, ADIT_E_COMMAND, "the session was refused: %s: %s",
                    session_open_failure_name(reason), clean);
    give_up(flow->forwarder, flow, &err);
}

static void on_answer(struct exec_flow *x, const struct ssh_event *ev)
{
    struct forwarder *f = x->flow.forwarder;
    const struct session_exec *exec = f->spec->exec;
    struct session_notice n = {.kind = SESSION_EXEC_UP, .index = f->index};
    if (x->awaits_pty) {
        x->awaits_pty = false;
        if (ev->flag)
            return;
        forwarder_log(f, SESSION_INFO, "PTY allocation request failed on channel %u",
                      ssh_chan_id(ev->channel));
        n.kind = SESSION_NO_PTY;
        forwarder_notify(f, &n);
    } else if (!x->has_begun && ev->flag) {
        x->has_begun = true;
        forwarder_notify(f, &n);
    } else if (!x->has_begun) {
        struct adit_error err = {ADIT_E_OK, ""};
        (void)adit_fail(&err, ADIT_E_COMMAND, "%s request failed on channel %u", exec_name(exec),
                        ssh_chan_id(ev->channel));
        give_up(f, &x->flow, &err);
    }
}

/* Of an exit-signal its name alone is told. [RFC 4254 6.10b] */
static void on_exit_told(struct exec_flow *x, const struct ssh_event *ev)
{
    char name[32];
    struct forwarder *f = x->flow.forwarder;
    struct session_notice n = {.kind = SESSION_EXEC_EXIT, .index = f->index, .number = ev->number};
    (void)adit_text_clean(name, sizeof name, ev->names, false);
    if (ev->flag)
        n.text = name;
    forwarder_log(f, SESSION_DEBUG1, "channel %u: the remote side ended: %s%u", ssh_chan_id(ev->channel),
                  ev->flag ? name : "status ", ev->number);
    forwarder_notify(f, &n);
}

static void exec_event(struct flow *flow, const struct ssh_event *ev)
{
    if (ev->kind == SSH_EVENT_CHANNEL_REPLY)
        on_answer(exec_of(flow), ev);
    else if (ev->kind == SSH_EVENT_CHANNEL_EXIT)
        on_exit_told(exec_of(flow), ev);
    else if (ev->kind == SSH_EVENT_CHANNEL_REQUEST && span_is(ev->names, "eow@openssh.com"))
        pump_stop_reading(&flow->pump);
    /* xon-xoff and what else a server may ask for is none of ours (RFC 4254 §6.8) */
}

static void exec_opened(struct flow *flow)
{
    struct session_notice n = {.kind = SESSION_EXEC_OPENED, .index = flow->forwarder->index};
    forwarder_notify(flow->forwarder, &n);
    flow_start(flow, flow->channel);
}

static void exec_over(struct forwarder *f)
{
    struct session_notice n = {.kind = SESSION_EXEC_OVER, .index = f->index};
    forwarder_notify(f, &n);
    forwarder_exec_over(f, NULL);
}

const struct forwarder_ops forwarder_exec = {
    .flow_size = sizeof(struct exec_flow),
    .begin = exec_begin,
    .on_command = exec_command,
    .flow_opened = exec_opened,
    .flow_refused = exec_refused,
    .flow_timer = exec_timer,
    .flow_may_send = exec_may_send,
    .flow_sent = exec_sent,
    .flow_event = exec_event,
    .flow_side = exec_side,
    .flow_wipe = exec_wipe,
    .flow_over = exec_over,
};
