#include "daemon/mcp.h"

#include <string.h>
#include <sys/uio.h>

#include "daemon/mcp_engine.h"
#include "daemon/mcp_lines.h"
#include "daemon/mcp_rpc.h"
#include "daemon/mcp_schema.h"
#include "net/sock.h"
#include "net/standard.h"

enum { FD_IN = 1, FD_OUT };
enum { TIMER_END = 1 };
enum { PIECE = 16 * 1024, PIECES_AT_A_TIME = 8 }; /* others have their turn in between */

/* One of the two descriptors. */
struct side {
    struct standard at;
    struct loop_fd ready;
};

struct mcp {
    const struct mcp_args *args;
    struct loop loop;
    bool has_loop;
    struct mcp_engine *engine;
    struct mcp_rpc rpc;
    struct mcp_lines lines;
    struct side in, out;
    struct buffer answers;
    size_t sent; /* of answers */
    struct loop_timer end;
    bool is_ending, is_late;
};

/* ---- The end ---- */

static void end_begin(struct mcp *m)
{
    if (m->is_ending)
        return;
    m->is_ending = true;
    loop_timer_set(&m->loop, &m->end, loop_now_ms() + MCP_END_MS);
    m->engine->ops->end(m->engine);
}

/* ---- Answers ---- */

static bool has_answers(const struct mcp *m)
{
    return m->sent < m->answers.len;
}

static void on_write(void *ctx, const char *line, size_t len)
{
    struct mcp *m = ctx;
    buffer_add(&m->answers, span_make(line, len)); /* no memory: see loop_run */
}

static enum sock_io piece_write(struct mcp *m, size_t *n)
{
    struct iovec part = {m->answers.p + m->sent, m->answers.len - m->sent};
    const struct standard *to = &m->out.at;
    return to->is_shared ? sock_shared_write(to->fd, part.iov_base, part.iov_len, n, NULL)
                         : standard_writev(to->fd, &part, 1, n, NULL);
}

static void answers_write(struct mcp *m)
{
    size_t n = 0;
    while (has_answers(m) && m->out.ready.can_write) {
        enum sock_io io = piece_write(m, &n);
        if (io == SOCK_IO_OK) {
            m->sent += n;
        } else if (io == SOCK_IO_AGAIN) {
            loop_fd_not_writable(&m->out.ready);
        } else { /* nobody reads them any more */
            m->sent = m->answers.len;
            end_begin(m);
        }
    }
    if (!has_answers(m)) {
        buffer_clear(&m->answers);
        m->sent = 0;
    }
}

/* ---- Questions ---- */

static json_t *on_tools(void *ctx)
{
    const struct mcp *m = ctx;
    return mcp_schema_list(m->args->groups);
}

static bool on_call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request)
{
    const struct mcp *m = ctx;
    return m->engine->ops->call(m->engine, tool, arguments, request);
}

static void on_line(void *ctx, struct span line)
{
    struct mcp *m = ctx;
    if (!m->is_ending)
        mcp_rpc_line(&m->rpc, line);
}

static void on_too_long(void *ctx)
{
    struct mcp *m = ctx;
    if (!m->is_ending)
        mcp_rpc_too_long(&m->rpc);
}

static void on_no_memory(void *ctx)
{
    struct mcp *m = ctx;
    if (!m->is_ending)
        mcp_rpc_no_memory(&m->rpc);
}

static bool may_read(const struct mcp *m)
{
    return !m->is_ending && m->in.ready.can_read && m->answers.len - m->sent < MCP_OUT_MAX;
}

static void questions_end(struct mcp *m)
{
    mcp_lines_end(&m->lines);
    end_begin(m);
}

static void questions_read(struct mcp *m, struct adit_error *err)
{
    char piece[PIECE];
    struct adit_error why = {0};
    const struct standard *from = &m->in.at;
    for (int i = 0; i < PIECES_AT_A_TIME && may_read(m); i++) {
        struct iovec part = {piece, sizeof piece};
        size_t n = 0;
        enum sock_io io = from->is_shared ? sock_shared_read(from->fd, piece, sizeof piece, &n, &why)
                                          : standard_readv(from->fd, &part, 1, &n, &why);
        if (io == SOCK_IO_OK)
            mcp_lines_feed(&m->lines, span_make(piece, n));
        else if (io == SOCK_IO_AGAIN)
            loop_fd_not_readable(&m->in.ready);
        else if (io == SOCK_IO_EOF)
            questions_end(m);
        else { /* what is left of a line may be half of one */
            /* A socket whose peer has left an answer unread: that is an end, too. */
            if (why.code != ADIT_E_CLOSED)
                (void)adit_fail(err, why.code, "standard input: %s", why.text);
            end_begin(m);
        }
    }
}

/* ---- The loop ---- */

static bool is_over(const struct mcp *m)
{
    return m->is_late || (m->is_ending && m->engine->ops->has_ended(m->engine) && !has_answers(m));
}

static void timer_do(struct mcp *m, struct loop_timer *t)
{
    if (t == &m->end)
        m->is_late = true;
    else
        m->engine->ops->on_timer(m->engine, t);
}

static enum adit_err loop_run(struct mcp *m, struct adit_error *err)
{
    struct loop_fd *f;
    struct loop_timer *t;
    while (!is_over(m)) {
        if (loop_wait(&m->loop, may_read(m) ? 0 : LOOP_NEVER, err) != ADIT_E_OK)
            return err->code;
        while ((f = loop_next(&m->loop)) != NULL)
            if (f->owner != m) /* ours are looked at below */
                m->engine->ops->on_fd(m->engine, f);
        while ((t = loop_expired(&m->loop, loop_now_ms())) != NULL)
            timer_do(m, t);
        questions_read(m, err);
        if (m->answers.is_failed) { /* whoever lost an answer cannot go on */
            (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
            end_begin(m);
        }
        answers_write(m);
    }
    return err->code;
}

/* ---- The beginning ---- */

static enum adit_err side_open(struct mcp *m, struct side *s, int fd, bool for_writing,
                               struct adit_error *err)
{
    enum adit_err e = standard_copy(&s->at, fd, for_writing, err);
    return e == ADIT_E_OK ? loop_add(&m->loop, &s->ready, s->at.fd, err) : e;
}

static enum adit_err sides_open(struct mcp *m, struct adit_error *err)
{
    loop_fd_init(&m->in.ready, FD_IN, m);
    loop_fd_init(&m->out.ready, FD_OUT, m);
    enum adit_err e = side_open(m, &m->in, m->args->in_fd, false, err);
    return e == ADIT_E_OK ? side_open(m, &m->out, m->args->out_fd, true, err) : e;
}

static enum adit_err begin(struct mcp *m, struct adit_error *err)
{
    const struct mcp_rpc_ops ops = {.ctx = m, .tools = on_tools, .call = on_call, .write = on_write};
    mcp_rpc_init(&m->rpc, &ops);
    loop_timer_init(&m->end, TIMER_END, m);
    m->has_loop = loop_init(&m->loop, err) == ADIT_E_OK;
    if (!m->has_loop)
        return err->code;
    m->engine = m->args->socket != NULL ? mcp_remote_new(m->args, &m->loop, err)
                                        : mcp_own_new(m->args, &m->loop, err);
    return m->engine != NULL ? sides_open(m, err) : err->code;
}

static void side_close(struct mcp *m, struct side *s)
{
    if (m->has_loop)
        loop_del(&m->loop, &s->ready);
    sock_close(&s->at.fd);
}

static void end_all(struct mcp *m)
{
    if (m->engine != NULL)
        m->engine->ops->free(m->engine);
    mcp_rpc_wipe(&m->rpc);
    mcp_lines_wipe(&m->lines);
    buffer_wipe(&m->answers);
    side_close(m, &m->in);
    side_close(m, &m->out);
    if (m->has_loop)
        loop_wipe(&m->loop);
}

enum adit_err mcp_run(const struct mcp_args *args, struct adit_error *err)
{
    static struct mcp only; /* a thread that does not let go in time may go on to use it */
    struct mcp *m = &only;
    *m = (struct mcp){
        .args = args,
        .lines = {.ctx = m, .line = on_line, .too_long = on_too_long, .no_memory = on_no_memory}};
    m->in.at.fd = m->out.at.fd = m->in.ready.fd = m->out.ready.fd = -1;
    enum adit_err e = begin(m, err);
    if (e == ADIT_E_OK)
        e = loop_run(m, err);
    if (!m->is_late || m->engine->ops->has_ended(m->engine))
        end_all(m);
    return e;
}
