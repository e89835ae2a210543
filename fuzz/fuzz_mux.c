/*
 * fuzz_mux.c - what a client or a master says on a control socket: what was understood is written again and
 * understood as the same.
 */
#include <string.h>

#include "fuzz/fuzz.h"
#include "ssh/mux.h"

static bool has_zero(struct span s)
{
    return s.n > 0 && memchr(s.p, 0, s.n) != NULL;
}

static void check_env(struct span env, size_t message_len)
{
    struct span one;
    size_t n = 0;
    while (mux_env_next(&env, &one)) {
        ALWAYS(!has_zero(one));
        ALWAYS(++n <= message_len / 4);
    }
    ALWAYS(env.n == 0);
}

static void check_same(const struct mux_message *a, const struct mux_message *b)
{
    ALWAYS(b->is_known && a->type == b->type && a->id == b->id && a->version == b->version);
    ALWAYS(a->session_id == b->session_id && a->number == b->number && span_eq(a->reason, b->reason));
    ALWAYS(a->forward.type == b->forward.type && a->forward.listen_port == b->forward.listen_port);
    ALWAYS(span_eq(a->forward.listen_host, b->forward.listen_host));
    ALWAYS(span_eq(a->forward.connect_host, b->forward.connect_host));
    ALWAYS(a->forward.connect_port == b->forward.connect_port);
    ALWAYS(a->session.wants_tty == b->session.wants_tty && a->session.wants_x11 == b->session.wants_x11);
    ALWAYS(a->session.wants_agent == b->session.wants_agent);
    ALWAYS(a->session.is_subsystem == b->session.is_subsystem && a->session.escape == b->session.escape);
    ALWAYS(span_eq(a->session.term, b->session.term) && span_eq(a->session.command, b->session.command));
    ALWAYS(span_eq(a->session.env, b->session.env));
}

static void check_message(struct span message)
{
    static uint8_t out[LIMIT_MUX_MESSAGE + 64];
    struct mux_message m, again;
    struct adit_error err = {0};
    struct wr w = wr_init(out, sizeof(out));
    enum adit_err e = mux_parse(&m, message, &err);
    ALWAYS(e == err.code);
    if (e != ADIT_E_OK || !m.is_known)
        return;
    ALWAYS(!has_zero(m.session.command) && !has_zero(m.forward.listen_host));
    (void)mux_forward_is_sound(&m.forward);
    check_env(m.session.env, message.n);
    mux_write(&w, &m);
    ALWAYS(wr_ok(&w) && w.used <= message.n + 4);
    struct span whole = wr_done(&w), body;
    size_t used;
    ALWAYS(mux_frame(whole, &body, &used) == MUX_FRAME_WHOLE && used == whole.n);
    ALWAYS(mux_parse(&again, body, &err) == ADIT_E_OK);
    check_same(&m, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size}, message;
    size_t used;
    while (mux_frame(in, &message, &used) == MUX_FRAME_WHOLE) {
        ALWAYS(used >= 8 && used <= in.n && message.n == used - 4);
        check_message(message);
        in = span_sub(in, used, SIZE_MAX);
    }
    return 0;
}
