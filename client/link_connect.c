/*
 * link_connect.c - the way to the server: options, the chain of jump hosts, the destination's session; and
 * the way back, when it is lost or given up.
 *
 * The destination's session is made once, without a connection, so that its listeners are there from the
 * start: whoever comes is held. Each connection is an order to it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/link_internal.h"
#include "client/ssh_config.h"
#include "net/loop.h"
#include "net/watch.h"

/* ---- Options ---- */

static const struct options *options_of(const struct link *l)
{
    return l->config.options != NULL ? l->config.options : &l->own;
}

static void on_debug(void *ctx, const char *line)
{
    link_log_about(ctx, LOG_LEVEL_DEBUG1, SESSION_ABOUT_CONFIG, line);
}

static void on_bad_line(void *ctx, const char *text)
{
    link_log_about(ctx, LOG_LEVEL_ERROR, SESSION_ABOUT_CONFIG, text);
}

static const char *connect_timeout(void)
{
    _Static_assert(LINK_CONNECT_TIMEOUT_S == 30, "as a word");
    return "30";
}

static const char *alive_interval(const struct link *l)
{
    return l->config.detect_fast ? "1" : "15";
}

/* The first value of a keyword wins. */
static enum adit_err set_given(struct link *l, struct adit_error *err)
{
    const struct texts *lines = l->config.settings;
    char port[8];
    enum adit_err e = ADIT_E_OK;
    (void)adit_format(port, sizeof port, "%u", (unsigned)l->config.port);
    if (l->config.user != NULL)
        e = options_set_user(&l->own, l->config.user, err);
    if (e == ADIT_E_OK && l->config.port != 0)
        e = options_default(&l->own, "Port", port, err);
    for (size_t i = 0; lines != NULL && i < lines->count && e == ADIT_E_OK; i++)
        e = options_set_line(&l->own, lines->item[i], err);
    return e;
}

static enum adit_err set_defaults(struct link *l, struct adit_error *err)
{
    enum adit_err e = options_default(&l->own, "ConnectTimeout", connect_timeout(), err);
    if (e == ADIT_E_OK)
        e = options_default(&l->own, "ServerAliveInterval", alive_interval(l), err);
    if (e == ADIT_E_OK && l->config.prompt.ask == NULL)
        e = options_default(&l->own, "BatchMode", "yes", err);
    return e;
}

static enum adit_err resolve(struct link *l, struct adit_error *err)
{
    const struct ssh_config_query query = {.host = l->config.host,
                                           .file = l->config.config_file,
                                           .bad_line = on_bad_line,
                                           .debug = on_debug,
                                           .ctx = l,
                                           .cancel_fd = l->cancel_fd};
    if (l->config.options != NULL)
        return ADIT_E_OK;
    options_init(&l->own);
    l->has_own = true;
    enum adit_err e = set_given(l, err);
    if (e == ADIT_E_OK)
        e = ssh_config_resolve(&l->own, &query, err);
    chain_make_bare(&l->own);
    if (e == ADIT_E_OK)
        e = set_defaults(l, err);
    return e == ADIT_E_OK ? options_check(&l->own, err) : e;
}

/* ---- The destination's session ---- */

enum adit_err link_listen(struct link *l, struct adit_error *err)
{
    const struct options *o = l->config.options;
    const struct session_ops ops = link_session_ops(&l->destination);
    const struct session_config config = {
        .host = l->config.host,
        .user = "",
        .family = o == NULL ? AF_UNSPEC : client_family(o->family),
        .transport_fd = -1,
        .stdin_fd = -1,
        .stdout_fd = -1,
        .unix_mask = o == NULL ? 0177 : o->stream_local_bind_mask,
        .unix_replace = o != NULL && o->stream_local_bind_unlink,
        .log_level = l->log_level,
        .survives = true,
        .is_lazy = true, /* it connects when it is told to */
        .idle_exit_ms = l->config.keep.is_lazy ? l->config.idle_exit_ms : 0,
        .hold_ms = l->config.hold_ms,
        .hold_max = l->config.hold_max,
    };
    struct session *session;
    l->destination.is_unheard = false;
    enum adit_err e = session_start(&session, &config, &ops, err);
    if (e != ADIT_E_OK)
        return e;
    l->session_is_over = false;
    (void)pthread_mutex_lock(&l->lock);
    l->session = session;
    (void)pthread_mutex_unlock(&l->lock);
    link_forwards_give(l);
    return ADIT_E_OK;
}

/* The machine's keepalive waits longer; this one is the kernel's, while there are bytes that nobody takes. */
static uint32_t unacked_ms(const struct options *o)
{
    uint64_t ms = 1000ULL * o->alive_interval_s * (o->alive_count_max + 1ULL);
    return ms < INT32_MAX ? (uint32_t)ms : INT32_MAX;
}

static uint32_t probe_limit_ms(const struct link *l)
{
    bool is_shorter = l->config.detect_fast && l->config.probe_limit_ms > LINK_PROBE_LIMIT_FAST_MS;
    return is_shorter ? LINK_PROBE_LIMIT_FAST_MS : l->config.probe_limit_ms;
}

static void order_connection(struct link *l, int fd)
{
    struct session_config config = *client_session_config(l->destination.client);
    config.transport_fd = fd;
    config.stdin_fd = config.stdout_fd = -1;
    config.forwards = NULL; /* they have come by letters */
    config.forward_count = 0;
    config.may_open_sessions = true; /* the probe does, and who can say what comes later */
    config.probe_ms = l->config.probe_ms;
    config.probe_limit_ms = probe_limit_ms(l);
    config.unacked_ms = unacked_ms(options_of(l));
    l->phase = LINK_BOUND;
    link_limit_begin(l, config.connect_timeout_ms);
    session_connect(l->session, &config);
}

static enum adit_err bind_destination(struct link *l, struct adit_error *err)
{
    int fd;
    enum adit_err e = chain_transport(l->chain, &fd, err);
    if (e == ADIT_E_OK)
        order_connection(l, fd);
    return e;
}

/* ---- The jump hosts ---- */

static enum adit_err make_hops(struct link *l, struct adit_error *err)
{
    l->hop_count = chain_count(l->chain) - 1;
    l->hops = calloc(l->hop_count + 1, sizeof *l->hops);
    if (l->hops == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    for (size_t i = 0; i < l->hop_count; i++)
        l->hops[i] = (struct link_hop){
            .link = l, .name = chain_name(l->chain, i), .client = chain_client(l->chain, i)};
    l->destination.client = chain_client(l->chain, l->hop_count);
    return ADIT_E_OK;
}

/* Who is connected to first, as far as that can be known. */
static void note_route(struct link *l)
{
    struct client *nearest = chain_client(l->chain, 0);
    const struct session_proxy *proxy = client_session_config(nearest)->proxy;
    const char *host = proxy != NULL ? proxy->host : client_host(nearest);
    (void)adit_format(l->route, sizeof l->route, "%s", client_proxy_command(nearest) != NULL ? "" : host);
}

static enum adit_err start_next(struct link *l, struct adit_error *err)
{
    struct link_hop *hop = &l->hops[l->hops_started];
    const struct session_ops ops = link_session_ops(hop);
    if (l->hops_started == l->hop_count)
        return bind_destination(l, err);
    enum adit_err e = chain_start(l->chain, l->hops_started, &ops, &hop->session, err);
    l->hops_started += e == ADIT_E_OK;
    link_limit_begin(l, client_session_config(hop->client)->connect_timeout_ms);
    return e;
}

static enum adit_err begin(struct link *l, struct adit_error *err)
{
    const struct chain_query query = {.options = options_of(l),
                                      .host = l->config.host,
                                      .config_file = l->config.config_file,
                                      .alive_interval = alive_interval(l),
                                      .connect_timeout = connect_timeout(),
                                      .hops = l->config.hops,
                                      .hop_count = l->config.hop_count};
    enum adit_err e = l->session != NULL ? ADIT_E_OK : link_listen(l, err);
    if (e == ADIT_E_OK) {
        link_forwards_give(l); /* a loss lets go of those that are missing: nothing else asks for them */
        e = resolve(l, err);
    }
    if (e == ADIT_E_OK)
        e = chain_new(&l->chain, &query, &l->prompt, err);
    if (e == ADIT_E_OK)
        e = make_hops(l, err);
    if (e != ADIT_E_OK)
        return e;
    note_route(l);
    return start_next(l, err);
}

void link_connect(struct link *l)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (l->phase != LINK_APART)
        return;
    l->phase = LINK_HOPPING;
    l->route[0] = 0;
    l->was_cut = l->is_late = false;
    l->over = err;
    if (begin(l, &err) != ADIT_E_OK)
        link_connection_over(l, &err);
}

void link_hop_reached(struct link *l, const struct link_hop *hop)
{
    struct adit_error err = {ADIT_E_OK, ""};
    bool is_last = l->hops_started > 0 && hop == &l->hops[l->hops_started - 1];
    if (l->phase == LINK_HOPPING && is_last && start_next(l, &err) != ADIT_E_OK)
        link_connection_over(l, &err);
}

/* ---- The way back ---- */

static bool hops_have_ended(const struct link *l)
{
    for (size_t i = 0; i < l->hops_started; i++)
        if (!l->hops[i].has_ended)
            return false;
    return true;
}

static void stop_hop(struct link_hop *hop)
{
    if (hop->has_ended)
        return;
    session_stop(hop->session);
    session_stop(hop->session);
}

/* What it says is worth more than what those behind it say, which only lost their transport. */
static void blame(struct adit_error *err, const struct link_hop *hop, const struct adit_error *why)
{
    bool is_unreached = hop->why[0] != 0;
    if (why->code == ADIT_E_OK && !is_unreached)
        return;
    (void)adit_fail(err, is_unreached ? ADIT_E_CONNECT : why->code, "jump host %s: %s", hop->name,
                    is_unreached ? hop->why : why->text);
}

static void join_hops(struct link *l)
{
    struct adit_error err = {ADIT_E_OK, ""};
    for (size_t i = 0; i < l->hops_started; i++) {
        struct adit_error why = {ADIT_E_OK, ""};
        (void)session_join(l->hops[i].session, &why, NULL);
        blame(&err, &l->hops[i], &why);
    }
    if (err.code != ADIT_E_OK)
        l->over = err;
}

/* All that was this connection's; the proxy command is reaped here. */
static void forget_connection(struct link *l)
{
    join_hops(l);
    free(l->hops);
    l->hops = NULL;
    l->hop_count = l->hops_started = 0;
    l->destination.client = NULL;
    link_reclaim_lost(l);
    chain_free(l->chain);
    l->chain = NULL;
    if (l->has_own)
        options_wipe(&l->own);
    l->has_own = false;
    l->phase = LINK_APART;
}

/* It was cut short by somebody who wants another: whatever came of that is no failure. */
static void forgive_recall(struct link *l)
{
    (void)pthread_mutex_lock(&l->lock);
    bool is_recalled = l->is_recalled || l->was_cut;
    (void)pthread_mutex_unlock(&l->lock);
    if (!is_recalled)
        return;
    l->over = (struct adit_error){ADIT_E_OK, ""};
    (void)adit_fail(&l->over, ADIT_E_CLOSED, "given up");
}

static void clear(struct link *l)
{
    if (l->phase != LINK_CLEARING || !hops_have_ended(l))
        return;
    forget_connection(l);
    link_forwards_lost(l);
    forgive_recall(l);
    const char *host = l->route[0] != 0 ? l->route : NULL;
    if (!l->is_stopping)
        link_do(l, keep_lost(&l->keep, loop_now_ms(), &l->over, watch_has_route(host)));
}

void link_connection_over(struct link *l, const struct adit_error *why)
{
    if (l->phase == LINK_APART || l->phase == LINK_CLEARING)
        return;
    l->over = *why;
    l->phase = LINK_CLEARING;
    link_limit_end(l);
    for (size_t i = 0; i < l->hops_started; i++)
        stop_hop(&l->hops[i]);
    clear(l);
}

void link_hop_ended(struct link *l, struct link_hop *hop)
{
    struct adit_error err = {ADIT_E_OK, ""};
    hop->has_ended = true;
    (void)adit_fail(&err, ADIT_E_CLOSED, "a jump host has ended the connection");
    if (l->phase == LINK_HOPPING)
        link_connection_over(l, &err);
    clear(l);
    if (l->is_stopping)
        link_stop_all(l);
}

/* What it did not say cannot be known: it is not waited for. The destination's says that it has ended. */
void link_hop_unheard(struct link *l, const struct link_hop *hop)
{
    struct adit_error err = {ADIT_E_OK, ""};
    if (l->is_stopping)
        return;
    if (hop == &l->destination) {
        session_stop(l->session);
        session_stop(l->session);
    } else if (l->phase == LINK_HOPPING) {
        (void)adit_fail(&err, ADIT_E_MEMORY, "jump host %s: out of memory", hop->name);
        link_connection_over(l, &err);
    }
}

static void join_session(struct link *l)
{
    struct session *session = l->session;
    (void)pthread_mutex_lock(&l->lock);
    l->session = NULL;
    (void)pthread_mutex_unlock(&l->lock);
    if (session != NULL)
        (void)session_join(session, NULL, NULL);
}

void link_session_broken(struct link *l)
{
    struct adit_error err = l->ended;
    if (err.code == ADIT_E_OK && l->destination.is_unheard)
        (void)adit_fail(&err, ADIT_E_MEMORY, "out of memory");
    else if (err.code == ADIT_E_OK)
        (void)adit_fail(&err, ADIT_E_SYSTEM, "the session has ended");
    join_session(l);
    link_forwards_closed(l);
    link_forwards_return(l);
    link_connection_over(l, &err);
    link_do(l, keep_wanted(&l->keep, loop_now_ms())); /* a lazy one: nobody listens now */
}

/* ---- The end ---- */

static void stop_session(struct link *l)
{
    for (unsigned wanted = l->is_hasty ? 2 : 1; l->stops_told < wanted; l->stops_told++)
        session_stop(l->session);
}

/* The one that carries nothing any more. Its last bytes go out, unless there is haste. */
static void stop_last_hop(struct link *l)
{
    for (size_t i = l->hops_started; i > 0; i--) {
        struct link_hop *hop = &l->hops[i - 1];
        if (l->is_hasty)
            stop_hop(hop);
        else if (!hop->has_ended) {
            session_stop(hop->session);
            return;
        }
    }
}

void link_stop_all(struct link *l)
{
    if (l->session != NULL && !l->session_is_over) {
        stop_session(l);
    } else if (!hops_have_ended(l)) {
        stop_last_hop(l);
    } else {
        forget_connection(l);
        join_session(l);
        l->is_over = true;
    }
}
