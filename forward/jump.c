/*
 * jump.c - a jump host's one forward: a stream of ours as the near end of a direct-tcpip channel to the next
 * host, whose own connection runs in that stream (RFC 4254 §7.2).
 */
#include "forward/forwarder.h"

static void jump_failed(struct forwarder *f, const char *what, const char *text)
{
    struct adit_error err = {ADIT_E_OK, ""};
    char target[FORWARDER_TARGET_CAP];
    forwarder_target(f, target);
    (void)adit_fail(&err, ADIT_E_CHANNEL, "cannot reach %s through it: %s%s%s", target, what,
                    *text != 0 ? ": " : "", text);
    forwarder_over(f, &err);
}

static void jump_begin(struct forwarder *f)
{
    struct flow_origin nobody;
    struct flow *flow = flow_new(f, f->spec->stream_fd);
    f->state = FORWARDER_ASKED;
    flow_origin_of(&nobody, NULL);
    if (!flow)
        jump_failed(f, "out of memory", "");
    else
        (void)!flow_open_target(flow, &nobody);
}

/* Only now is the next host's time to connect running. */
static void jump_opened(struct flow *flow)
{
    flow_start(flow, flow->channel);
    forwarder_up(flow->forwarder, 0, NULL, 0);
}

static void jump_refused(struct flow *flow, uint32_t reason, struct span text)
{
    char clean[256];
    (void)adit_text_clean(clean, sizeof clean, text, false);
    jump_failed(flow->forwarder, session_open_failure_name(reason), clean);
    flow_end(flow, false);
}

static void jump_over(struct forwarder *f)
{
    if (f->state == FORWARDER_UP)
        forwarder_over(f, NULL);
    else
        jump_failed(f, "no channel could be opened",
                    ""); /* unless there was a better reason: the first stays */
}

/* The authentication was never reached: nobody else has taken the stream. */
static void jump_free(struct forwarder *f)
{
    int fd = f->spec->stream_fd;
    if (f->state == FORWARDER_READY)
        sock_close(&fd);
}

const struct forwarder_ops forwarder_jump = {
    .begin = jump_begin,
    .free = jump_free,
    .flow_opened = jump_opened,
    .flow_refused = jump_refused,
    .flow_over = jump_over,
};
