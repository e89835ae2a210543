#include "client/chain.h"

#include <stdlib.h>
#include <string.h>

#include "client/jump_spec.h"
#include "client/ssh_config.h"
#include "client/proxy_command.h"
#include "client/texts.h"
#include "net/sock.h"

enum { HOPS_MAX = LIMIT_JUMPS + 1 };

struct hop {
    struct options own; /* a jump host's; the destination's belong to the caller */
    const struct options *options;
    struct jump_spec spec; /* host and name; of the destination the host alone */
    bool is_jump;
    size_t given;                /* 1: the caller's first; 0: ProxyJump's */
    struct client_prompt prompt; /* the caller's; its log names this hop */
    const struct client_prompt *caller;
    struct forward_spec next; /* where a jump host's stream goes */
    struct client *client;
};

struct chain {
    struct client_prompt prompt;
    const char *config_file, *alive_interval, *connect_timeout;
    size_t count;
    struct hop *hops[HOPS_MAX]; /* the destination first: as they are found */
    int stream_fd;              /* the transport of the hop that is started next; -1: it connects */
    struct proxy_command proxy; /* the nearest hop's */
};

static struct hop *hop_at(const struct chain *c, size_t hop)
{
    return c->hops[c->count - 1 - hop];
}

/* ---- What a hop says names it ---- */

static void hop_log(void *ctx, enum log_level level, const char *line)
{
    const struct hop *l = ctx;
    char named[JUMP_NAME_CAP + PROMPT_TEXT_CAP];
    (void)adit_format(named, sizeof named, "[%s] %s", l->spec.name, line);
    l->caller->log(l->caller->ctx, level, named);
}

static void hop_debug(void *ctx, const char *line)
{
    hop_log(ctx, LOG_LEVEL_DEBUG1, line);
}

static void hop_bad_line(void *ctx, const char *text)
{
    hop_log(ctx, LOG_LEVEL_ERROR, text);
}

static bool hop_ask(void *ctx, const struct prompt_question *q, char *answer, size_t cap)
{
    const struct hop *l = ctx;
    struct prompt_question named = *q;
    named.jump_host = l->spec.name;
    named.hop = l->given;
    return l->caller->ask(l->caller->ctx, &named, answer, cap);
}

static enum adit_err hop_failed(const struct hop *l, const struct adit_error *why, struct adit_error *err)
{
    return adit_fail(err, why->code, "jump host %s: %s", l->spec.name, why->text);
}

/* ---- Finding the hops ---- */

static struct hop *hop_add(struct chain *c, struct adit_error *err)
{
    struct hop *l = c->count < HOPS_MAX ? calloc(1, sizeof *l) : NULL;
    if (l == NULL) {
        (void)adit_fail(err, c->count < HOPS_MAX ? ADIT_E_MEMORY : ADIT_E_CONFIG,
                        c->count < HOPS_MAX ? "out of memory" : "more than %d jump hosts", (int)LIMIT_JUMPS);
        return NULL;
    }
    options_init(&l->own);
    l->caller = &c->prompt;
    l->prompt = c->prompt;
    c->hops[c->count++] = l;
    return l;
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool same_hop(const struct hop *a, const struct hop *b)
{
    return text_same(a->spec.host, b->spec.host) && a->options->port == b->options->port &&
           same_text(a->options->user, b->options->user);
}

/* Each host of the chain would be found again and again. */
static enum adit_err check_loop(const struct chain *c, struct adit_error *err)
{
    const struct hop *last = c->hops[c->count - 1];
    for (size_t i = 0; i + 1 < c->count; i++)
        if (same_hop(c->hops[i], last))
            return adit_fail(err, ADIT_E_CONFIG, "jumphost loop via %s: it would be reached through itself",
                             last->spec.name);
    return ADIT_E_OK;
}

static enum adit_err set_given(struct hop *l, struct span jump, struct adit_error *err)
{
    char port[8], *text = text_copy(jump);
    enum adit_err e = text != NULL ? ADIT_E_OK : adit_fail(err, ADIT_E_MEMORY, "out of memory");
    (void)adit_format(port, sizeof port, "%u", (unsigned)l->spec.port);
    if (e == ADIT_E_OK && l->spec.user[0] != 0)
        e = options_set_user(&l->own, l->spec.user, err);
    if (e == ADIT_E_OK && l->spec.port != 0)
        e = options_default(&l->own, "Port", port, err);
    if (e == ADIT_E_OK && jump.n > 0)
        e = options_default(&l->own, "ProxyJump", text, err);
    free(text);
    return e;
}

/* It carries one stream and nothing else, whatever a file says for connections to its name: no session, no
 * forward and no master of its own. */
void chain_make_bare(struct options *o)
{
    o->clear_all_forwardings = true;
    o->session_type = SESSION_TYPE_NONE;
    o->request_tty = REQUEST_TTY_NO;
    free(o->remote_command);
    o->remote_command = NULL;
    o->stdin_null = o->fork_after_auth = o->forward_agent = o->permit_local_command = false;
    o->control_master = CONTROL_MASTER_NO;
    o->control_persist = false;
    free(o->control_path);
    o->control_path = NULL;
}

/* What the caller's words, or ProxyJump's, and the hop's own name say. given NULL: ProxyJump's. */
static enum adit_err resolve_options(const struct chain *c, struct hop *l, const struct chain_hop *given,
                                     struct span jump, struct adit_error *err)
{
    struct adit_error why = {ADIT_E_OK, ""};
    const struct options *destination = c->hops[0]->options;
    const struct ssh_config_query query = {.host = l->spec.host,
                                           .file = c->config_file,
                                           .bad_line = hop_bad_line,
                                           .debug = hop_debug,
                                           .ctx = l,
                                           .cancel_fd = c->prompt.cancel_fd};
    enum adit_err e = set_given(l, jump, &why);
    for (size_t i = 0; given != NULL && i < given->settings->count && e == ADIT_E_OK; i++)
        e = options_set_line(&l->own, given->settings->item[i], &why);
    if (e == ADIT_E_OK)
        e = ssh_config_resolve(&l->own, &query, &why);
    chain_make_bare(&l->own);
    if (e == ADIT_E_OK && c->alive_interval != NULL)
        e = options_default(&l->own, "ServerAliveInterval", c->alive_interval, &why);
    if (e == ADIT_E_OK && c->connect_timeout != NULL)
        e = options_default(&l->own, "ConnectTimeout", c->connect_timeout, &why);
    if (e == ADIT_E_OK)
        e = options_check(&l->own, &why);
    if (e != ADIT_E_OK)
        return hop_failed(l, &why, err);
    if (destination->log_level > LOG_LEVEL_VERBOSE) /* -v, and not a file's LogLevel */
        l->own.log_level = destination->log_level;
    return ADIT_E_OK;
}

static struct hop *jump_add(struct chain *c, struct adit_error *err)
{
    struct hop *l = hop_add(c, err);
    if (l == NULL)
        return NULL;
    l->is_jump = true;
    l->options = &l->own;
    l->prompt =
        (struct client_prompt){.ctx = l, .ask = hop_ask, .log = hop_log, .cancel_fd = c->prompt.cancel_fd};
    return l;
}

static enum adit_err add_jump(struct chain *c, struct span list, struct adit_error *err)
{
    struct span rest, last = jump_spec_last(list, &rest);
    struct hop *l = jump_add(c, err);
    if (l == NULL)
        return err->code;
    enum adit_err e = jump_spec_parse(&l->spec, last, err);
    if (e == ADIT_E_OK)
        e = resolve_options(c, l, NULL, rest, err);
    return e == ADIT_E_OK ? check_loop(c, err) : e;
}

static enum adit_err add_given(struct chain *c, const struct chain_hop *given, size_t number,
                               struct adit_error *err)
{
    struct hop *l = jump_add(c, err);
    if (l == NULL)
        return err->code;
    l->given = number;
    l->spec.port = given->port;
    (void)adit_format(l->spec.host, sizeof l->spec.host, "%s", given->host);
    (void)adit_format(l->spec.name, sizeof l->spec.name, "%s", given->name);
    (void)adit_format(l->spec.user, sizeof l->spec.user, "%s", given->user != NULL ? given->user : "");
    enum adit_err e = resolve_options(c, l, given, span_make(NULL, 0), err);
    return e == ADIT_E_OK ? check_loop(c, err) : e;
}

/* What the hop before the newest one found is to carry. */
static void set_next(const struct chain *c, struct hop *l)
{
    const struct client *next = c->hops[c->count - 2]->client;
    l->next = (struct forward_spec){.type = FORWARD_STDIO, .host_port = client_port(next)};
    (void)adit_format(l->next.host, sizeof l->next.host, "%s", client_host(next));
}

static enum adit_err make_client(struct chain *c, struct hop *l, const struct forward_spec *stdio,
                                 struct adit_error *err)
{
    struct adit_error why = {ADIT_E_OK, ""};
    if (l->is_jump)
        set_next(c, l);
    if (client_new(&l->client, l->options, l->spec.host, l->is_jump ? &l->next : stdio, &l->prompt, &why) ==
        ADIT_E_OK)
        return ADIT_E_OK;
    return l->is_jump ? hop_failed(l, &why, err) : adit_fail(err, why.code, "%s", why.text);
}

static enum adit_err find_hops(struct chain *c, const struct chain_query *q, struct adit_error *err)
{
    struct hop *l = hop_add(c, err);
    if (l == NULL)
        return err->code;
    l->options = q->options;
    (void)adit_format(l->spec.host, sizeof l->spec.host, "%s", q->host);
    enum adit_err e = make_client(c, l, q->stdio, err);
    while (e == ADIT_E_OK) {
        bool is_given = c->count <= q->hop_count;
        const char *jump = client_proxy_jump(c->hops[c->count - 1]->client);
        if (jump == NULL && !is_given)
            break;
        e = is_given ? add_given(c, &q->hops[c->count - 1], c->count, err) : add_jump(c, span_str(jump), err);
        if (e == ADIT_E_OK)
            e = make_client(c, c->hops[c->count - 1], NULL, err);
    }
    return e;
}

enum adit_err chain_new(struct chain **out, const struct chain_query *query,
                        const struct client_prompt *prompt, struct adit_error *err)
{
    struct chain *c = calloc(1, sizeof *c);
    *out = NULL;
    if (c == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    c->prompt = *prompt;
    c->config_file = query->config_file;
    c->alive_interval = query->alive_interval;
    c->connect_timeout = query->connect_timeout;
    c->stream_fd = -1;
    proxy_command_init(&c->proxy);
    enum adit_err e = find_hops(c, query, err);
    if (e == ADIT_E_OK)
        *out = c;
    else
        chain_free(c);
    return e;
}

void chain_free(struct chain *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++) {
        client_free(c->hops[i]->client);
        options_wipe(&c->hops[i]->own);
        free(c->hops[i]);
    }
    sock_close(&c->stream_fd);
    proxy_command_end(&c->proxy);
    free(c);
}

size_t chain_count(const struct chain *c)
{
    return c->count;
}

struct client *chain_client(struct chain *c, size_t hop)
{
    return hop_at(c, hop)->client;
}

const char *chain_name(const struct chain *c, size_t hop)
{
    const struct hop *l = hop_at(c, hop);
    return l->is_jump ? l->spec.name : NULL;
}

/* ---- Starting ---- */

/* The nearest hop's transport, when it is not to connect by itself. */
static enum adit_err open_transport(struct chain *c, struct hop *l, struct adit_error *err)
{
    const char *command = client_proxy_command(l->client);
    const struct session_config *config = client_session_config(l->client);
    char line[PROMPT_TEXT_CAP];
    if (command == NULL)
        return ADIT_E_OK;
    (void)adit_format(line, sizeof line, "Executing proxy command: exec %s", command);
    l->prompt.log(l->prompt.ctx, LOG_LEVEL_DEBUG1, line);
    return proxy_command_start(&c->proxy, command, l->options->proxy_use_fdpass, c->prompt.cancel_fd,
                               config->connect_timeout_ms, &c->stream_fd, err);
}

/* The streams are the session's from its start on, and only then. */
static enum adit_err start_session(struct chain *c, struct hop *l, const struct session_ops *ops,
                                   struct session **out, struct adit_error *err)
{
    int pair[2] = {-1, -1};
    enum adit_err e = l->is_jump ? sock_pair(pair, err) : ADIT_E_OK;
    if (e != ADIT_E_OK)
        return e;
    if (l->is_jump)
        client_carry_stream(l->client, pair[0]);
    client_session_config(l->client)->transport_fd = c->stream_fd;
    e = session_start(out, client_session_config(l->client), ops, err);
    if (e == ADIT_E_OK) {
        c->stream_fd = pair[1];
        return e;
    }
    sock_close(&pair[0]);
    sock_close(&pair[1]);
    return e;
}

enum adit_err chain_start(struct chain *c, size_t hop, const struct session_ops *ops, struct session **out,
                          struct adit_error *err)
{
    struct adit_error why = {ADIT_E_OK, ""};
    struct hop *l = hop_at(c, hop);
    enum adit_err e = hop == 0 ? open_transport(c, l, &why) : ADIT_E_OK;
    if (e == ADIT_E_OK)
        e = start_session(c, l, ops, out, &why);
    if (e == ADIT_E_OK)
        return e;
    return l->is_jump ? hop_failed(l, &why, err) : adit_fail(err, e, "%s", why.text);
}

enum adit_err chain_transport(struct chain *c, int *fd, struct adit_error *err)
{
    *fd = -1;
    enum adit_err e = c->count == 1 ? open_transport(c, hop_at(c, 0), err) : ADIT_E_OK;
    if (e != ADIT_E_OK)
        return e;
    *fd = c->stream_fd;
    c->stream_fd = -1;
    return e;
}
