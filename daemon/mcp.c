#include "daemon/mcp.h"

#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "client/client.h"
#include "daemon/conf.h"
#include "daemon/journal.h"
#include "daemon/mcp_lines.h"
#include "daemon/mcp_rpc.h"
#include "daemon/mcp_tools.h"
#include "daemon/tunnels.h"
#include "net/standard.h"
#include "net/watch.h"

enum { FD_IN = 1, FD_OUT, FD_MAIL, FD_NETWORK };
enum { TIMER_END = 1 };
enum { PIECE = 16 * 1024, PIECES_AT_A_TIME = 8 }; /* others have their turn in between */

/* One of the two descriptors. */
struct side {
    struct standard at;
    struct loop_fd ready;
};

struct mcp {
    const struct mcp_args *args;
    struct conf conf;
    struct journal *journal;
    struct loop loop;
    struct mailbox box;
    struct watch watch;
    bool has_loop, has_box, has_watch;
    struct tunnels *tunnels;
    struct mcp_tools *tools;
    struct mcp_rpc rpc;
    struct mcp_lines lines;
    struct side in, out;
    struct loop_fd mail, network;
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
    mcp_tools_free(m->tools); /* what waits is not answered: nobody asks any more */
    m->tools = NULL;
    tunnels_end(m->tunnels);
    tunnels_end(m->tunnels); /* at once */
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
    struct mcp *m = ctx;
    return mcp_tools_list(m->tools);
}

static bool on_call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request)
{
    struct mcp *m = ctx;
    return mcp_tools_call(m->tools, tool, arguments, request);
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

static bool may_read(const struct mcp *m)
{
    return !m->is_ending && m->in.ready.can_read && m->answers.len - m->sent < MCP_OUT_MAX;
}

static void questions_end(struct mcp *m)
{
    mcp_lines_end(&m->lines);
    end_begin(m);
}

static void questions_read(struct mcp *m)
{
    char piece[PIECE];
    const struct standard *from = &m->in.at;
    for (int i = 0; i < PIECES_AT_A_TIME && may_read(m); i++) {
        struct iovec part = {piece, sizeof piece};
        size_t n = 0;
        enum sock_io io = from->is_shared ? sock_shared_read(from->fd, piece, sizeof piece, &n, NULL)
                                          : standard_readv(from->fd, &part, 1, &n, NULL);
        if (io == SOCK_IO_OK)
            mcp_lines_feed(&m->lines, span_make(piece, n));
        else if (io == SOCK_IO_AGAIN)
            loop_fd_not_readable(&m->in.ready);
        else
            questions_end(m);
    }
}

/* ---- The loop ---- */

static void mail_do(struct mcp *m)
{
    struct mail *mail;
    loop_fd_not_readable(&m->mail);
    while ((mail = mailbox_take(&m->box)) != NULL)
        tunnels_on_mail(m->tunnels, mail);
}

static void network_do(struct mcp *m)
{
    loop_fd_not_readable(&m->network);
    unsigned news = watch_take(&m->watch);
    if (news != 0)
        tunnels_network(m->tunnels, news);
}

static void fd_do(struct mcp *m, struct loop_fd *f)
{
    if (f == &m->mail)
        mail_do(m);
    else if (f == &m->network)
        network_do(m);
    else if (f->kind >= TUNNELS_FD_FIRST && f->kind <= TUNNELS_FD_LAST)
        tunnels_on_fd(m->tunnels, f);
}

static void timer_do(struct mcp *m, struct loop_timer *t)
{
    if (t == &m->end)
        m->is_late = true;
    else if (t->kind == MCP_TOOLS_TIMER)
        mcp_tools_on_timer(m->tools, t);
    else if (t->kind >= TUNNELS_TIMER_FIRST && t->kind <= TUNNELS_TIMER_LAST)
        tunnels_on_timer(m->tunnels, t);
}

static bool is_over(const struct mcp *m)
{
    return m->is_late || (m->is_ending && tunnels_has_ended(m->tunnels) && !has_answers(m));
}

static enum adit_err loop_run(struct mcp *m, struct adit_error *err)
{
    struct loop_fd *f;
    struct loop_timer *t;
    while (!is_over(m)) {
        if (loop_wait(&m->loop, may_read(m) ? 0 : LOOP_NEVER, err) != ADIT_E_OK)
            return err->code;
        while ((f = loop_next(&m->loop)) != NULL)
            fd_do(m, f);
        while ((t = loop_expired(&m->loop, loop_now_ms())) != NULL)
            timer_do(m, t);
        questions_read(m);
        if (m->answers.is_failed) /* whoever lost an answer cannot go on */
            end_begin(m);
        answers_write(m);
    }
    return ADIT_E_OK;
}

/* ---- The beginning ---- */

static void on_log(void *ctx, const struct journal_note *note)
{
    struct mcp *m = ctx;
    journal_write(m->journal, note);
}

static enum session_level level_of(const struct mcp *m)
{
    return m->conf.has_log_level ? client_log_level(m->conf.log_level) : SESSION_INFO;
}

static enum adit_err journal_open(struct mcp *m, struct adit_error *err)
{
    const struct journal_config config = {.fd = m->args->log_fd,
                                          .is_json = m->conf.log_format == CONF_LOG_JSON,
                                          .level = level_of(m),
                                          .filter = getenv("ADIT_LOG")};
    return journal_new(&m->journal, &config, err);
}

static enum adit_err side_open(struct mcp *m, struct side *s, int fd, bool for_writing,
                               struct adit_error *err)
{
    enum adit_err e = standard_copy(&s->at, fd, for_writing, err);
    return e == ADIT_E_OK ? loop_add(&m->loop, &s->ready, s->at.fd, err) : e;
}

static enum adit_err loop_open(struct mcp *m, struct adit_error *err)
{
    m->has_loop = loop_init(&m->loop, err) == ADIT_E_OK;
    m->has_box = m->has_loop && mailbox_init(&m->box, err) == ADIT_E_OK;
    m->has_watch = m->has_box && watch_init(&m->watch, err) == ADIT_E_OK;
    if (!m->has_watch)
        return err->code;
    loop_fd_init(&m->in.ready, FD_IN, m);
    loop_fd_init(&m->out.ready, FD_OUT, m);
    loop_fd_init(&m->mail, FD_MAIL, m);
    loop_fd_init(&m->network, FD_NETWORK, m);
    loop_timer_init(&m->end, TIMER_END, m);
    enum adit_err e = loop_add(&m->loop, &m->mail, mailbox_fd(&m->box), err);
    if (e == ADIT_E_OK)
        e = loop_add(&m->loop, &m->network, watch_fd(&m->watch), err);
    if (e == ADIT_E_OK)
        e = side_open(m, &m->in, m->args->in_fd, false, err);
    return e == ADIT_E_OK ? side_open(m, &m->out, m->args->out_fd, true, err) : e;
}

static enum adit_err tools_open(struct mcp *m, struct adit_error *err)
{
    const struct tunnels_config tunnels = {.loop = &m->loop,
                                           .box = &m->box,
                                           .conf = &m->conf,
                                           .log_level = level_of(m),
                                           .ops = {.ctx = m, .log = on_log}};
    enum adit_err e = tunnels_new(&m->tunnels, &tunnels, err);
    const struct mcp_tools_config config = {
        .loop = &m->loop,
        .tunnels = m->tunnels,
        .limits = {.allow = &m->args->allow, .conf = &m->conf, .max_ttl_s = m->args->max_ttl_s},
        .groups = m->args->groups};
    return e == ADIT_E_OK ? mcp_tools_new(&m->tools, &config, err) : e;
}

static enum adit_err begin(struct mcp *m, struct adit_error *err)
{
    enum adit_err e = conf_load(&m->conf, m->args->config_file, err);
    if (e == ADIT_E_OK)
        e = journal_open(m, err);
    if (e == ADIT_E_OK)
        e = loop_open(m, err);
    if (e == ADIT_E_OK)
        e = tools_open(m, err);
    const struct mcp_rpc_ops ops = {.ctx = m, .tools = on_tools, .call = on_call, .write = on_write};
    mcp_rpc_init(&m->rpc, &ops);
    return e;
}

static void side_close(struct mcp *m, struct side *s)
{
    if (m->has_loop)
        loop_del(&m->loop, &s->ready);
    sock_close(&s->at.fd);
}

static void end_all(struct mcp *m)
{
    if (m->is_late && !tunnels_has_ended(m->tunnels))
        _exit(0); /* a thread that does not let go has had its time: the system takes the rest */
    mcp_tools_free(m->tools);
    mcp_rpc_wipe(&m->rpc);
    mcp_lines_wipe(&m->lines);
    buffer_wipe(&m->answers);
    tunnels_free(m->tunnels);
    side_close(m, &m->in);
    side_close(m, &m->out);
    if (m->has_watch)
        watch_wipe(&m->watch);
    if (m->has_box)
        mailbox_wipe(&m->box);
    if (m->has_loop)
        loop_wipe(&m->loop);
    journal_free(m->journal);
    conf_wipe(&m->conf);
}

enum adit_err mcp_run(const struct mcp_args *args, struct adit_error *err)
{
    struct mcp *m = calloc(1, sizeof *m);
    if (m == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    m->args = args;
    m->in.at.fd = m->out.at.fd = m->in.ready.fd = m->out.ready.fd = -1;
    m->lines = (struct mcp_lines){.ctx = m, .line = on_line, .too_long = on_too_long};
    conf_init(&m->conf);
    enum adit_err e = begin(m, err);
    if (e == ADIT_E_OK)
        e = loop_run(m, err);
    end_all(m);
    free(m);
    return e;
}
