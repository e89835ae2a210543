#include "ssh/mux.h"

#include <string.h>

enum { HEAD_LEN = 4, TYPE_LEN = 4 };

enum mux_frame mux_frame(struct span received, struct span *message, size_t *used)
{
    if (received.n < HEAD_LEN)
        return MUX_FRAME_MORE;
    size_t n = get_u32(received.p);
    if (n < TYPE_LEN || n > LIMIT_MUX_MESSAGE)
        return MUX_FRAME_BAD;
    if (received.n - HEAD_LEN < n)
        return MUX_FRAME_MORE;
    *message = span_sub(received, HEAD_LEN, n);
    *used = HEAD_LEN + n;
    return MUX_FRAME_WHOLE;
}

/* ---- Reading ---- */

/* It becomes an argument, a path or a name some day: a zero byte would cut it short there. */
static struct span read_text(struct rd *r)
{
    struct span s = rd_string(r);
    if (s.n > 0 && memchr(s.p, 0, s.n) != NULL)
        rd_fail(r);
    return s;
}

/* "No extensions are currently defined": pairs that nobody needs. */
static void read_hello(struct rd *r, struct mux_message *m)
{
    m->version = rd_u32(r);
    while (rd_ok(r) && r->n > 0) {
        (void)rd_string(r);
        (void)rd_string(r);
    }
}

static void read_session(struct rd *r, struct mux_session *s)
{
    (void)rd_string(r); /* reserved */
    s->wants_tty = rd_u32(r) != 0;
    s->wants_x11 = rd_u32(r) != 0;
    s->wants_agent = rd_u32(r) != 0;
    s->is_subsystem = rd_u32(r) != 0;
    s->escape = rd_u32(r);
    s->term = read_text(r);
    s->command = read_text(r);
    s->env = (struct span){r->p, r->n};
    while (rd_ok(r) && r->n > 0)
        (void)read_text(r);
}

static void read_forward(struct rd *r, struct mux_forward *f)
{
    f->type = rd_u32(r);
    f->listen_host = read_text(r);
    f->listen_port = rd_u32(r);
    f->connect_host = read_text(r);
    f->connect_port = rd_u32(r);
}

static void read_stdio(struct rd *r, struct mux_forward *f)
{
    (void)rd_string(r); /* reserved */
    f->connect_host = read_text(r);
    f->connect_port = rd_u32(r);
}

/* What stands behind the id. False: the type is not known. */
static bool read_body(struct rd *r, struct mux_message *m)
{
    switch (m->type) {
    case MUX_C_NEW_SESSION:
        read_session(r, &m->session);
        return true;
    case MUX_C_OPEN_FWD:
    case MUX_C_CLOSE_FWD:
        read_forward(r, &m->forward);
        return true;
    case MUX_C_NEW_STDIO_FWD:
        read_stdio(r, &m->forward);
        return true;
    case MUX_S_PERMISSION_DENIED:
    case MUX_S_FAILURE:
        m->reason = rd_string(r);
        return true;
    case MUX_S_ALIVE:
    case MUX_S_REMOTE_PORT:
        m->number = rd_u32(r);
        return true;
    case MUX_S_SESSION_OPENED:
        m->session_id = rd_u32(r);
        return true;
    case MUX_C_ALIVE_CHECK:
    case MUX_C_TERMINATE:
    case MUX_C_STOP_LISTENING:
    case MUX_C_PROXY:
    case MUX_S_OK:
    case MUX_S_PROXY:
        return true;
    default:
        return false;
    }
}

/* These have no id. */
static bool read_other(struct rd *r, struct mux_message *m)
{
    switch (m->type) {
    case MUX_MSG_HELLO:
        read_hello(r, m);
        return true;
    case MUX_S_EXIT_MESSAGE:
        m->session_id = rd_u32(r);
        m->number = rd_u32(r);
        return true;
    case MUX_S_TTY_ALLOC_FAIL:
        m->session_id = rd_u32(r);
        return true;
    default:
        return false;
    }
}

enum adit_err mux_parse(struct mux_message *m, struct span message, struct adit_error *err)
{
    struct rd r = rd_init(message);
    *m = (struct mux_message){.type = rd_u32(&r)};
    m->is_known = read_other(&r, m);
    if (!m->is_known) {
        bool has_id = r.n >= 4;
        m->id = has_id ? rd_u32(&r) : 0;
        m->is_known = read_body(&r, m);
        if (!m->is_known)
            return ADIT_E_OK;
        if (!has_id)
            rd_fail(&r);
    }
    if (rd_done(&r))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_PROTOCOL, "control socket: message %x has wrong lengths (PROTOCOL.mux)",
                     m->type);
}

bool mux_env_next(struct span *env, struct span *one)
{
    struct rd r = rd_init(*env);
    if (env->n == 0)
        return false;
    *one = rd_string(&r);
    *env = rd_rest(&r);
    return rd_ok(&r);
}

bool mux_forward_is_sound(const struct mux_forward *f)
{
    bool listens_on_path = f->listen_port == MUX_PORT_PATH, is_to_path = f->connect_port == MUX_PORT_PATH;
    bool is_socks = f->connect_port == 0 && span_is(f->connect_host, "socks");
    if (f->type < MUX_FORWARD_LOCAL || f->type > MUX_FORWARD_DYNAMIC)
        return false;
    if (listens_on_path ? f->listen_host.n == 0 : f->listen_port > UINT16_MAX)
        return false;
    if (f->type == MUX_FORWARD_DYNAMIC || (f->type == MUX_FORWARD_REMOTE && is_socks))
        return true;
    return f->connect_host.n > 0 && (is_to_path || (f->connect_port > 0 && f->connect_port <= UINT16_MAX));
}

/* ---- Writing ---- */

void mux_env_add(struct wr *w, struct span one)
{
    wr_string(w, one);
}

static void write_session(struct wr *w, const struct mux_session *s)
{
    wr_cstring(w, "");
    wr_u32(w, s->wants_tty);
    wr_u32(w, s->wants_x11);
    wr_u32(w, s->wants_agent);
    wr_u32(w, s->is_subsystem);
    wr_u32(w, s->escape);
    wr_string(w, s->term);
    wr_string(w, s->command);
    wr_bytes(w, s->env);
}

static void write_forward(struct wr *w, const struct mux_forward *f)
{
    wr_u32(w, f->type);
    wr_string(w, f->listen_host);
    wr_u32(w, f->listen_port);
    wr_string(w, f->connect_host);
    wr_u32(w, f->connect_port);
}

static void write_stdio(struct wr *w, const struct mux_forward *f)
{
    wr_cstring(w, "");
    wr_string(w, f->connect_host);
    wr_u32(w, f->connect_port);
}

static void write_body(struct wr *w, const struct mux_message *m)
{
    switch (m->type) {
    case MUX_C_NEW_SESSION:
        write_session(w, &m->session);
        break;
    case MUX_C_OPEN_FWD:
    case MUX_C_CLOSE_FWD:
        write_forward(w, &m->forward);
        break;
    case MUX_C_NEW_STDIO_FWD:
        write_stdio(w, &m->forward);
        break;
    case MUX_S_PERMISSION_DENIED:
    case MUX_S_FAILURE:
        wr_string(w, m->reason);
        break;
    case MUX_S_ALIVE:
    case MUX_S_REMOTE_PORT:
        wr_u32(w, m->number);
        break;
    case MUX_S_SESSION_OPENED:
        wr_u32(w, m->session_id);
        break;
    case MUX_C_ALIVE_CHECK:
    case MUX_C_TERMINATE:
    case MUX_C_STOP_LISTENING:
    case MUX_C_PROXY:
    case MUX_S_OK:
    case MUX_S_PROXY:
        break;
    default:
        w->failed = true;
    }
}

void mux_write(struct wr *w, const struct mux_message *m)
{
    size_t begin = wr_string_begin(w);
    wr_u32(w, m->type);
    if (m->type == MUX_MSG_HELLO) {
        wr_u32(w, m->version);
    } else if (m->type == MUX_S_EXIT_MESSAGE || m->type == MUX_S_TTY_ALLOC_FAIL) {
        wr_u32(w, m->session_id);
        if (m->type == MUX_S_EXIT_MESSAGE)
            wr_u32(w, m->number);
    } else {
        wr_u32(w, m->id);
        write_body(w, m);
    }
    wr_string_end(w, begin);
}
