#include <stdlib.h>

#include "client/client.h"
#include "daemon/conf.h"
#include "daemon/journal.h"
#include "daemon/mcp_engine.h"
#include "daemon/mcp_tools.h"
#include "daemon/tunnels.h"
#include "net/watch.h"

enum { FD_MAIL = MCP_ENGINE_FD, FD_NETWORK };

struct own {
    struct mcp_engine engine;
    const struct mcp_args *args;
    struct loop *loop;
    struct conf conf;
    struct journal *journal;
    struct mailbox box;
    struct watch watch;
    bool has_box, has_watch;
    struct loop_fd mail, network;
    struct tunnels *tunnels;
    struct mcp_tools *tools; /* NULL: it ends */
};

/* ---- Its days ---- */

static bool own_call(struct mcp_engine *e, const char *tool, const json_t *arguments,
                     struct mcp_request *request)
{
    const struct own *o = (const struct own *)e;
    return mcp_tools_call(o->tools, tool, arguments, request);
}

static void mail_do(struct own *o)
{
    struct mail *mail;
    loop_fd_not_readable(&o->mail);
    while ((mail = mailbox_take(&o->box)) != NULL)
        tunnels_on_mail(o->tunnels, mail);
}

static void network_do(struct own *o)
{
    loop_fd_not_readable(&o->network);
    unsigned news = watch_take(&o->watch);
    if (news != 0)
        tunnels_network(o->tunnels, news);
}

static void own_on_fd(struct mcp_engine *e, struct loop_fd *f)
{
    struct own *o = (struct own *)e;
    if (f == &o->mail)
        mail_do(o);
    else if (f == &o->network)
        network_do(o);
    else if (f->kind >= TUNNELS_FD_FIRST && f->kind <= TUNNELS_FD_LAST)
        tunnels_on_fd(o->tunnels, f);
}

static void own_on_timer(struct mcp_engine *e, struct loop_timer *t)
{
    const struct own *o = (const struct own *)e;
    if (t->kind == MCP_TOOLS_TIMER)
        mcp_tools_on_timer(t);
    else if (t->kind >= TUNNELS_TIMER_FIRST && t->kind <= TUNNELS_TIMER_LAST)
        tunnels_on_timer(o->tunnels, t);
}

static void own_end(struct mcp_engine *e)
{
    struct own *o = (struct own *)e;
    mcp_tools_free(o->tools); /* what waits is not answered: nobody asks any more */
    o->tools = NULL;
    tunnels_end(o->tunnels);
    tunnels_end(o->tunnels); /* at once */
}

static bool own_has_ended(const struct mcp_engine *e)
{
    const struct own *o = (const struct own *)e;
    return tunnels_has_ended(o->tunnels);
}

/* ---- Its beginning and end ---- */

static void on_log(void *ctx, const struct journal_note *note)
{
    struct own *o = ctx;
    journal_write(o->journal, note);
}

static enum session_level level_of(const struct own *o)
{
    return o->conf.has_log_level ? client_log_level(o->conf.log_level) : SESSION_INFO;
}

static enum adit_err journal_open(struct own *o, struct adit_error *err)
{
    const struct journal_config config = {.fd = o->args->log_fd,
                                          .is_json = o->conf.log_format == CONF_LOG_JSON,
                                          .level = level_of(o),
                                          .filter = getenv("ADIT_LOG")};
    return journal_new(&o->journal, &config, err);
}

static enum adit_err world_open(struct own *o, struct adit_error *err)
{
    loop_fd_init(&o->mail, FD_MAIL, o);
    loop_fd_init(&o->network, FD_NETWORK, o);
    o->has_box = mailbox_init(&o->box, err) == ADIT_E_OK;
    o->has_watch = o->has_box && watch_init(&o->watch, err) == ADIT_E_OK;
    if (!o->has_watch)
        return err->code;
    enum adit_err e = loop_add(o->loop, &o->mail, mailbox_fd(&o->box), err);
    return e == ADIT_E_OK ? loop_add(o->loop, &o->network, watch_fd(&o->watch), err) : e;
}

static enum adit_err tools_open(struct own *o, struct adit_error *err)
{
    const struct tunnels_config tunnels = {.loop = o->loop,
                                           .box = &o->box,
                                           .conf = &o->conf,
                                           .log_level = journal_most(o->journal),
                                           .ops = {.ctx = o, .log = on_log}};
    enum adit_err e = tunnels_new(&o->tunnels, &tunnels, err);
    const struct mcp_tools_config config = {.loop = o->loop,
                                            .tunnels = o->tunnels,
                                            .allow = &o->args->allow,
                                            .max_ttl_s = o->args->max_ttl_s,
                                            .groups = o->args->groups};
    return e == ADIT_E_OK ? mcp_tools_new(&o->tools, &config, err) : e;
}

static enum adit_err own_begin(struct own *o, struct adit_error *err)
{
    enum adit_err e = conf_load(&o->conf, o->args->config_file, err);
    if (e == ADIT_E_OK)
        e = journal_open(o, err);
    if (e == ADIT_E_OK)
        e = world_open(o, err);
    return e == ADIT_E_OK ? tools_open(o, err) : e;
}

static void own_free(struct mcp_engine *e)
{
    struct own *o = (struct own *)e;
    mcp_tools_free(o->tools);
    tunnels_free(o->tunnels);
    loop_del(o->loop, &o->mail);
    loop_del(o->loop, &o->network);
    if (o->has_watch)
        watch_wipe(&o->watch);
    if (o->has_box)
        mailbox_wipe(&o->box);
    journal_free(o->journal);
    conf_wipe(&o->conf);
    free(o);
}

struct mcp_engine *mcp_own_new(const struct mcp_args *args, struct loop *loop, struct adit_error *err)
{
    static const struct mcp_engine_ops ops = {.call = own_call,
                                              .on_fd = own_on_fd,
                                              .on_timer = own_on_timer,
                                              .end = own_end,
                                              .has_ended = own_has_ended,
                                              .free = own_free};
    struct own *o = calloc(1, sizeof *o);
    if (o == NULL) {
        (void)adit_fail(err, ADIT_E_MEMORY, "out of memory");
        return NULL;
    }
    *o = (struct own){.engine = {&ops}, .args = args, .loop = loop};
    o->mail.fd = o->network.fd = -1;
    conf_init(&o->conf);
    if (own_begin(o, err) == ADIT_E_OK)
        return &o->engine;
    own_free(&o->engine);
    return NULL;
}
