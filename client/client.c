#include "client/client.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/agent_conn.h"
#include "client/auth.h"
#include "client/channel_rules.h"
#include "client/host_keys.h"
#include "client/host_keys_update.h"
#include "client/jump_spec.h"
#include "client/proxy_url.h"
#include "client/sandbox.h"
#include "client/secret.h"
#include "client/texts.h"
#include "crypto/crypto.h"
#include "net/host.h"
#include "net/random.h"
#include "net/sock.h"

enum {
    HOST_NAME_CAP = 256,
    LIST_CAP = 4096,
    /* A descriptor for each channel, and for listeners, files and the rest. No more than that: programs that
     * we start inherit it, and some of them close every descriptor up to the limit. */
    DESCRIPTORS = LIMIT_CHANNELS + 1024,
};

struct client {
    const struct options *options;
    struct client_prompt prompt;
    struct session_config config;
    char host[LIMIT_HOST + 1]; /* where to connect to */
    char user[LIMIT_USER + 1];
    char host_key_list[LIST_CAP];
    struct proxy_url proxy_url;
    struct session_proxy proxy;
    char *proxy_command, *proxy_jump; /* expanded; NULL: none */
    char *ident;                      /* our version with VersionAddendum; NULL: without one */
    char *remote_command, *local_command;
    char *agent_path;                  /* ForwardAgent: the socket; NULL: no agent is forwarded */
    char *control_path;                /* expanded; NULL: none */
    const struct forward_spec **specs; /* forward_count of both */
    struct session_forward *forwards;
    struct texts paths; /* of Unix sockets, expanded */
    struct channel_rules rules;
    struct host_keys host_keys;
    struct host_keys_update update;
    struct identities identities;
    struct auth auth;
};

enum adit_err client_setup(struct adit_error *err)
{
    secret_forbid_core();
    (void)host_allow_descriptors(DESCRIPTORS); /* with fewer, clients wait: see forward/listener.c */
    uint8_t random;
    enum adit_err e = random_seed(&random, sizeof random, err); /* libsodium would abort without any */
    if (e != ADIT_E_OK)
        return e;
    if (!crypto_init())
        return adit_fail(err, ADIT_E_SYSTEM, "the cryptographic library refuses to start");
    return ADIT_E_OK;
}

/* ---- Names ---- */

struct names {
    struct expand_names expand;
    char home[EXPAND_PATH_CAP];
    char local_user[LIMIT_USER + 1];
    char local_host[HOST_NAME_CAP];
    char jump[LIMIT_HOST + 1];
};

/* HostName may use %h for the name that was given. */
static enum adit_err choose_host(struct client *c, const char *given, struct names *n, struct adit_error *err)
{
    char expanded[EXPAND_PATH_CAP];
    const char *host = given;
    n->expand.host = given;
    if (c->options->host_name_is_final) {
        host = c->options->host_name;
    } else if (c->options->host_name != NULL) {
        enum adit_err e = expand_path(expanded, c->options->host_name, &n->expand, err);
        if (e != ADIT_E_OK)
            return e;
        host = expanded;
    }
    if (*host == 0 || adit_format(c->host, sizeof c->host, "%s", host) != strlen(host))
        return adit_fail(err, ADIT_E_USAGE, "the host name is missing or too long");
    n->expand.host = c->host;
    return ADIT_E_OK;
}

static enum adit_err choose_user(struct client *c, struct names *n, struct adit_error *err)
{
    const char *user = c->options->user != NULL ? c->options->user : n->local_user;
    if (*user == 0)
        return adit_fail(err, ADIT_E_USAGE, "no user name is known for this process: give user@host or -l");
    if (adit_format(c->user, sizeof c->user, "%s", user) != strlen(user))
        return adit_fail(err, ADIT_E_USAGE, "the user name is too long");
    n->expand.remote_user = c->user;
    return ADIT_E_OK;
}

static enum adit_err choose_names(struct client *c, const char *given, struct names *n,
                                  struct adit_error *err)
{
    expand_user(n->home, n->local_user);
    if (gethostname(n->local_host, sizeof n->local_host - 1) != 0)
        n->local_host[0] = 0;
    n->expand = (struct expand_names){.home = n->home,
                                      .local_user = n->local_user,
                                      .local_host = n->local_host,
                                      .given_host = given,
                                      .port = c->options->port};
    enum adit_err e = choose_host(c, given, n, err);
    if (e != ADIT_E_OK)
        return e;
    n->expand.jump = jump_spec_nearest(c->options->proxy_jump, n->jump) ? n->jump : NULL;
    n->expand.host_key = c->options->host_key_alias != NULL ? c->options->host_key_alias : given;
    return choose_user(c, n, err);
}

/* ---- The way there ---- */

static enum adit_err expand_proxy(char **out, const char *given, const struct names *n,
                                  struct adit_error *err)
{
    char *text = malloc(EXPAND_PATH_CAP);
    if (text == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = expand_tokens(text, given + strspn(given, " \t"), "hnpr", &n->expand, err);
    if (e == ADIT_E_OK)
        *out = text;
    else
        free(text);
    return e;
}

static enum adit_err choose_proxy_url(struct client *c, struct adit_error *err)
{
    enum adit_err e = proxy_url_parse(&c->proxy_url, c->options->proxy_url, err);
    if (e != ADIT_E_OK)
        return e;
    c->proxy = (struct session_proxy){.is_http = c->proxy_url.is_http,
                                      .host = c->proxy_url.host,
                                      .port = c->proxy_url.port,
                                      .user = c->proxy_url.has_user ? c->proxy_url.user : NULL,
                                      .password = c->proxy_url.password};
    c->config.proxy = &c->proxy;
    return e;
}

static enum adit_err choose_ident(struct client *c, const struct names *n, struct adit_error *err)
{
    char text[EXPAND_PATH_CAP];
    const char *addendum = c->options->version_addendum;
    enum { IDENT_CAP = LIMIT_IDENT_LINE + 1 };
    if (addendum == NULL || *addendum == 0)
        return ADIT_E_OK;
    enum adit_err e = expand_value(text, addendum, &n->expand, err);
    if (e != ADIT_E_OK)
        return e;
    c->ident = malloc(IDENT_CAP);
    if (c->ident == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    if (adit_format(c->ident, IDENT_CAP, "adit_" ADIT_VERSION " %s", text) !=
        sizeof("adit_" ADIT_VERSION) + strlen(text))
        return adit_fail(err, ADIT_E_CONFIG, "VersionAddendum: too long");
    return ADIT_E_OK;
}

/* A host that is reached through another one or by a command has no use for AditProxy: its jump host may. */
static enum adit_err choose_proxy(struct client *c, const struct names *n, struct adit_error *err)
{
    const char *command = c->options->proxy_command, *jump = c->options->proxy_jump;
    if (command != NULL && !text_same(command, "none"))
        return expand_proxy(&c->proxy_command, command, n, err);
    if (jump != NULL && !text_same(jump, "none"))
        return expand_proxy(&c->proxy_jump, jump, n, err);
    return option_text(c->options->proxy_url) != NULL ? choose_proxy_url(c, err) : ADIT_E_OK;
}

const char *client_remote_command(const struct client *c)
{
    return c->remote_command;
}

const char *client_local_command(const struct client *c)
{
    return c->local_command;
}

/* *out stays NULL when nothing is given. */
static enum adit_err expand_command(char **out, const char *given, const char *tokens, const struct names *n,
                                    struct adit_error *err)
{
    if (option_text(given) == NULL)
        return ADIT_E_OK;
    *out = malloc(EXPAND_PATH_CAP);
    if (*out == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return expand_tokens(*out, given, tokens, &n->expand, err);
}

/* ssh_config(5), TOKENS. */
static enum adit_err choose_commands(struct client *c, const struct names *n, struct adit_error *err)
{
    const struct options *o = c->options;
    struct names local = *n;
    local.expand.tunnel = "NONE"; /* no tunnel device is ever made */
    enum adit_err e = expand_command(&c->remote_command, o->remote_command, "CdhijkLlnpru", n, err);
    if (e == ADIT_E_OK && o->permit_local_command)
        e = expand_command(&c->local_command, o->local_command, NULL, &local, err);
    return e;
}

const char *client_control_path(const struct client *c)
{
    return c->control_path;
}

static enum adit_err choose_control_path(struct client *c, const struct names *n, struct adit_error *err)
{
    const char *given = option_text(c->options->control_path);
    if (given == NULL)
        return ADIT_E_OK;
    c->control_path = malloc(EXPAND_PATH_CAP);
    if (c->control_path == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = expand_path(c->control_path, given, &n->expand, err);
    if (e == ADIT_E_OK && strlen(c->control_path) >= SOCK_PATH_CAP)
        e = adit_fail(err, ADIT_E_CONFIG, "ControlPath too long ('%s' >= %u bytes)", c->control_path,
                      (unsigned)SOCK_PATH_CAP); /* ssh's words */
    return e;
}

const char *client_proxy_command(const struct client *c)
{
    return c->proxy_command;
}

const char *client_proxy_jump(const struct client *c)
{
    return c->proxy_jump;
}

/* ---- Forwards ---- */

static const char *bind_text(const struct forward_spec *spec, bool gateway_ports)
{
    switch (spec->bind) {
    case FORWARD_BIND_LOCAL:
        return "localhost";
    case FORWARD_BIND_ALL:
        return "";
    case FORWARD_BIND_ADDRESS:
        return spec->address;
    case FORWARD_BIND_PATH:
        return NULL;
    case FORWARD_BIND_DEFAULT:
        break;
    }
    bool is_local = spec->type == FORWARD_LOCAL || spec->type == FORWARD_DYNAMIC;
    return is_local && gateway_ports ? "" : NULL;
}

/* ssh_config(5), TOKENS: in the paths of LocalForward and RemoteForward. What came of it is a path that a
 * socket can have, and fit for our lines. */
static enum adit_err make_path(struct client *c, const struct forward_spec *spec, const char *text,
                               const struct names *n, const char **out, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    struct sock_addr a;
    bool has_tokens = spec->type == FORWARD_LOCAL || spec->type == FORWARD_REMOTE;
    enum adit_err e = ADIT_E_OK;
    if (has_tokens)
        e = expand_value(path, text, &n->expand, err);
    else
        adit_format(path, sizeof path, "%s", text);
    if (e == ADIT_E_OK)
        e = sock_addr_path(&a, path, err);
    if (e != ADIT_E_OK)
        return e;
    for (const char *p = path; *p != 0; p++)
        if ((uint8_t)*p < ' ' || *p == 0x7f)
            return adit_fail(err, ADIT_E_CONFIG, "the path of a Unix socket holds control characters: %s",
                             path);
    if (!texts_add(&c->paths, span_str(path)))
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    *out = c->paths.item[c->paths.count - 1];
    return ADIT_E_OK;
}

static enum adit_err make_paths(struct client *c, size_t i, const struct names *n, struct adit_error *err)
{
    const struct forward_spec *spec = c->specs[i];
    struct session_forward *f = &c->forwards[i];
    enum adit_err e = ADIT_E_OK;
    if (spec->bind == FORWARD_BIND_PATH)
        e = make_path(c, spec, spec->address, n, &f->bind_path, err);
    if (e == ADIT_E_OK && spec->target_is_path)
        e = make_path(c, spec, spec->host, n, &f->path, err);
    return e;
}

static struct session_forward session_forward_of(const struct forward_spec *spec, bool gateway_ports)
{
    static const enum session_forward_type types[] = {[FORWARD_LOCAL] = SESSION_FORWARD_LOCAL,
                                                      [FORWARD_REMOTE] = SESSION_FORWARD_REMOTE,
                                                      [FORWARD_DYNAMIC] = SESSION_FORWARD_DYNAMIC,
                                                      [FORWARD_STDIO] = SESSION_FORWARD_STDIO};
    struct session_forward f = {.type = types[spec->type],
                                .bind = bind_text(spec, gateway_ports),
                                .bind_port = spec->port,
                                .bind_counts_up = spec->port_counts_up,
                                .host =
                                    forward_spec_is_socks(spec) || spec->target_is_path ? NULL : spec->host,
                                .port = spec->host_port};
    return f;
}

struct session_forward client_forward_now(const struct client *c, const struct forward_spec *spec)
{
    return client_forward_of(spec, c->options->gateway_ports);
}

struct session_forward client_forward_of(const struct forward_spec *spec, bool gateway_ports)
{
    struct session_forward f = session_forward_of(spec, gateway_ports);
    if (spec->bind == FORWARD_BIND_PATH)
        f.bind_path = spec->address;
    if (spec->target_is_path)
        f.path = spec->host;
    return f;
}

/* What a forward is to do once the connection is up. */
static void note_needs(const struct session_forward *f)
{
    if (f->type == SESSION_FORWARD_STDIO)
        sandbox_need_standard();
    if (f->bind_path != NULL && f->type != SESSION_FORWARD_REMOTE)
        sandbox_need(f->bind_path, CONFINE_SOCKETS, SANDBOX_ALWAYS);
    if (f->type == SESSION_FORWARD_REMOTE && f->path == NULL)
        sandbox_need_names(SANDBOX_ALWAYS);
}

static enum adit_err make_forwards(struct client *c, const struct forward_spec *stdio, const struct names *n,
                                   struct adit_error *err)
{
    const struct options *o = c->options;
    size_t given = o->clear_all_forwardings ? 0 : o->forward_count;
    size_t count = given + (stdio != NULL ? 1 : 0);
    enum { ROOM = 4 }; /* a session channel, the agent, a control socket, and so that none is no failure */
    c->specs = calloc(count + ROOM, sizeof(const struct forward_spec *));
    c->forwards = calloc(count + ROOM, sizeof *c->forwards);
    if (c->specs == NULL || c->forwards == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    for (size_t i = 0; i < count; i++) {
        c->specs[i] = i < given ? &o->forwards[i] : stdio;
        c->forwards[i] = session_forward_of(c->specs[i], o->gateway_ports);
        enum adit_err e = make_paths(c, i, n, err);
        if (e != ADIT_E_OK)
            return e;
        note_needs(&c->forwards[i]);
    }
    c->config.forwards = c->forwards;
    c->config.forward_count = count;
    return ADIT_E_OK;
}

/* ssh asks for it on the session channel, so that there is none without one. */
static void add_agent(struct client *c)
{
    if (c->agent_path != NULL)
        c->forwards[c->config.forward_count++] =
            (struct session_forward){.type = SESSION_FORWARD_AGENT, .path = c->agent_path};
}

enum adit_err client_add_exec(struct client *c, const struct session_exec *exec, struct adit_error *err)
{
    size_t n = c->config.forward_count;
    if (n > 0 && c->forwards[n - 1].type == SESSION_FORWARD_EXEC)
        return adit_fail(err, ADIT_E_USAGE, "one session channel is enough");
    add_agent(c);
    n = c->config.forward_count;
    sandbox_need_standard();
    c->forwards[n] = (struct session_forward){.type = SESSION_FORWARD_EXEC, .exec = exec};
    c->config.forward_count = n + 1;
    c->config.may_open_sessions = true;
    return ADIT_E_OK;
}

void client_add_control(struct client *c, const struct session_control *control)
{
    size_t n = c->config.forward_count;
    if (n == 0 || c->forwards[n - 1].type != SESSION_FORWARD_EXEC) /* the guests' sessions may ask for it */
        add_agent(c);
    /* Guests ask for forwards of any kind, and so does ~C. */
    sandbox_need_names(SANDBOX_ALWAYS);
    sandbox_need_folder("/", CONFINE_SOCKETS, SANDBOX_ALWAYS);
    sandbox_need_folder("/dev/pts", CONFINE_READ | CONFINE_WRITE, SANDBOX_ALWAYS); /* their terminals */
    if (control->must_ask)
        sandbox_need_all("ControlMaster ask");
    c->forwards[c->config.forward_count++] =
        (struct session_forward){.type = SESSION_FORWARD_CONTROL, .control = control};
    c->config.may_open_sessions = true;
}

/* ---- The configuration ---- */

int client_family(uint32_t family)
{
    return family == FAMILY_INET ? AF_INET : family == FAMILY_INET6 ? AF_INET6 : AF_UNSPEC;
}

enum session_level client_log_level(uint32_t level)
{
    static const enum session_level levels[] = {
        [LOG_LEVEL_QUIET] = SESSION_QUIET,     [LOG_LEVEL_FATAL] = SESSION_QUIET,
        [LOG_LEVEL_ERROR] = SESSION_ERROR,     [LOG_LEVEL_INFO] = SESSION_INFO,
        [LOG_LEVEL_VERBOSE] = SESSION_VERBOSE, [LOG_LEVEL_DEBUG1] = SESSION_DEBUG1,
        [LOG_LEVEL_DEBUG2] = SESSION_DEBUG2,   [LOG_LEVEL_DEBUG3] = SESSION_DEBUG3};
    return level < ADIT_COUNT(levels) ? levels[level] : SESSION_INFO;
}

static enum adit_err make_ssh_config(struct client *c, struct adit_error *err)
{
    const struct options *o = c->options;
    const char *list =
        o->host_key_algorithms != NULL ? o->host_key_algorithms : ssh_list_default(SSH_LIST_HOST_KEY);
    c->config.ssh = (struct ssh_config){
        .kex = o->kex,
        .host_keys = list,
        .ciphers = o->ciphers,
        .macs = o->macs,
        .compression = o->compression && ADIT_WITH_ZLIB ? "zlib@openssh.com,zlib,none" : NULL,
        .ident = c->ident,
        .rekey_bytes = o->rekey_bytes,
        .rekey_seconds = o->rekey_seconds,
        .alive_interval_s = o->alive_interval_s,
        .alive_count_max = o->alive_count_max,
        .no_host_bound = o->pubkey_auth_mode == PUBKEY_AUTH_UNBOUND};
    if (!o->host_key_order_is_free)
        return ADIT_E_OK;
    if (!host_keys_order(&c->host_keys, list, c->host_key_list, sizeof c->host_key_list))
        return adit_fail(err, ADIT_E_CONFIG, "HostKeyAlgorithms: the list is too long");
    c->config.ssh.host_keys = c->host_key_list;
    return ADIT_E_OK;
}

static uint32_t seconds_to_ms(uint32_t seconds)
{
    return seconds > UINT32_MAX / 1000 ? UINT32_MAX : seconds * 1000;
}

static void make_config(struct client *c)
{
    const struct options *o = c->options;
    c->config.host = c->host;
    c->config.port = o->port;
    c->config.family = client_family(o->family);
    c->config.user = c->user;
    c->config.connect_timeout_ms = seconds_to_ms(o->connect_timeout_s);
    c->config.tcp_keepalive = o->tcp_keepalive;
    c->config.bind_address = o->bind_address;
    c->config.bind_interface = o->bind_interface;
    c->config.connection_attempts = o->connection_attempts;
    c->config.qos_login = o->ip_qos_interactive;
    c->config.qos_open = o->ip_qos_bulk;
    c->config.qos_terminal = o->ip_qos_interactive;
    c->config.transport_fd = -1;
    c->config.exit_on_forward_failure = o->exit_on_forward_failure;
    c->config.any_address_will_do = o->any_address_will_do;
    c->config.unix_mask = o->stream_local_bind_mask;
    c->config.unix_replace = o->stream_local_bind_unlink;
    c->config.stdin_fd = STDIN_FILENO;
    c->config.stdout_fd = STDOUT_FILENO;
    c->config.keystroke_ms = o->obscure_keystroke_ms;
    c->config.warn_weak_crypto = o->warn_weak_crypto;
    c->config.log_level = client_log_level(o->log_level);
}

/* One that has gone (its socket's name is still in the environment) is not forwarded, as with ssh: each
 * program at the far end would ask for it, and be told here that it is not there. */
static enum adit_err choose_agent(struct client *c, const struct names *n, struct adit_error *err)
{
    const struct options *o = c->options;
    const char *given = o->forward_agent_path != NULL ? o->forward_agent_path : o->identity_agent;
    enum adit_err e = identity_agent_path(&c->agent_path, given, &n->expand, err);
    struct adit_error why = {ADIT_E_OK, ""};
    if (c->agent_path == NULL || agent_is_there(c->agent_path, &why))
        return e;
    free(c->agent_path);
    c->agent_path = NULL;
    return why.code == ADIT_E_OK ? e : adit_fail(err, why.code, "agent forwarding: %s", why.text);
}

/* What hangs on names alone. */
static enum adit_err choose_all(struct client *c, const char *host, const struct forward_spec *stdio,
                                struct names *names, struct adit_error *err)
{
    enum adit_err e = choose_names(c, host, names, err);
    if (e == ADIT_E_OK)
        e = choose_proxy(c, names, err);
    if (e == ADIT_E_OK)
        e = choose_ident(c, names, err);
    if (e == ADIT_E_OK)
        e = choose_commands(c, names, err);
    if (e == ADIT_E_OK && c->options->forward_agent)
        e = choose_agent(c, names, err);
    if (e == ADIT_E_OK)
        e = choose_control_path(c, names, err);
    if (e == ADIT_E_OK)
        e = make_forwards(c, stdio, names, err);
    if (e == ADIT_E_OK)
        make_config(c);
    return e;
}

static enum adit_err client_fill(struct client *c, const char *host, const struct forward_spec *stdio,
                                 struct adit_error *err)
{
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = choose_all(c, host, stdio, names, err);
    if (e == ADIT_E_OK)
        e = identities_init(&c->identities, c->options, &names->expand, &c->prompt, err);
    /* Behind them: KnownHostsCommand runs here, and keys have left the environment now. */
    if (e == ADIT_E_OK)
        e = host_keys_init(&c->host_keys, c->options, &names->expand, &c->prompt, err);
    free(names);
    if (e != ADIT_E_OK)
        return e;
    host_keys_update_init(&c->update, &c->host_keys);
    c->config.wants_host_keys = host_keys_update_wanted(&c->host_keys);
    /* -N stays; -W alone ends with its data. */
    c->config.keep_open = c->options->session_type == SESSION_TYPE_NONE && stdio == NULL;
    auth_init(&c->auth, c->options, &c->prompt, &c->identities, c->user, c->host);
    e = channel_rules_init(&c->rules, c->options, &c->config, err);
    return e != ADIT_E_OK ? e : make_ssh_config(c, err);
}

enum adit_err client_new(struct client **out, const struct options *options, const char *host,
                         const struct forward_spec *stdio, const struct client_prompt *prompt,
                         struct adit_error *err)
{
    struct client *c = calloc(1, sizeof *c);
    *out = NULL;
    if (c == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    c->options = options;
    c->prompt = *prompt;
    enum adit_err e = client_fill(c, host, stdio, err);
    if (e == ADIT_E_OK)
        *out = c;
    else
        client_free(c);
    return e;
}

enum adit_err client_new_guest(struct client **out, const struct options *options, const char *host,
                               const struct forward_spec *stdio, struct adit_error *err)
{
    struct client *c = calloc(1, sizeof *c);
    struct names *names = calloc(1, sizeof *names);
    enum adit_err e = ADIT_E_MEMORY;
    *out = NULL;
    if (c == NULL || names == NULL)
        (void)adit_fail(err, e, "out of memory");
    else
        c->options = options;
    if (c != NULL && names != NULL)
        e = choose_all(c, host, stdio, names, err);
    free(names);
    if (e == ADIT_E_OK)
        *out = c;
    else
        client_free(c);
    return e;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    identities_wipe(&c->identities);
    host_keys_update_wipe(&c->update);
    host_keys_wipe(&c->host_keys);
    free(c->remote_command);
    free(c->agent_path);
    free(c->local_command);
    free(c->control_path);
    free(c->specs);
    free(c->forwards);
    free(c->proxy_command);
    free(c->proxy_jump);
    free(c->ident);
    proxy_url_wipe(&c->proxy_url);
    texts_wipe(&c->paths);
    channel_rules_wipe(&c->rules);
    free(c);
}

struct session_config *client_session_config(struct client *c)
{
    return &c->config;
}

void client_carry_stream(struct client *c, int stream_fd)
{
    for (size_t i = 0; i < c->config.forward_count; i++) {
        c->forwards[i].type = SESSION_FORWARD_JUMP;
        c->forwards[i].stream_fd = stream_fd;
    }
}

const struct forward_spec *client_forward(const struct client *c, size_t index)
{
    return index < c->config.forward_count ? c->specs[index] : NULL;
}

const char *client_host(const struct client *c)
{
    return c->host;
}

uint16_t client_port(const struct client *c)
{
    return c->config.port;
}

const char *client_user(const struct client *c)
{
    return c->user;
}

/* ---- Answers ---- */

const struct host_key_seen *client_host_key(const struct client *c)
{
    return &c->host_keys.seen;
}

const char *client_known_name(const struct client *c)
{
    return c->host_keys.query.name;
}

const char *client_known_hosts(const struct client *c)
{
    return c->host_keys.add_to;
}

static void answer_host_key(struct client *c, struct session_question *q)
{
    q->accept = host_keys_check(&c->host_keys, q->blob, q->peer, &q->why_not) == ADIT_E_OK;
}

void client_answer(struct client *c, struct session_question *q)
{
    switch (q->kind) {
    case SESSION_ASK_HOST_KEY:
        answer_host_key(c, q);
        break;
    case SESSION_ASK_CREDENTIAL:
        auth_credential(&c->auth, q);
        break;
    case SESSION_ASK_SIGN:
        auth_sign(&c->auth, q);
        break;
    case SESSION_ASK_KBDINT:
        auth_kbdint(&c->auth, q);
        break;
    case SESSION_ASK_PASSWORD_CHANGE:
        auth_password_change(&c->auth, q);
        break;
    case SESSION_ASK_HOST_KEYS:
        host_keys_update_shown(&c->update, q->data);
        q->prove = c->update.prove;
        q->prove_count = c->update.prove_count;
        break;
    case SESSION_ASK_PROOFS:
        host_keys_update_proven(&c->update, q->session_id, q->data);
        break;
    }
    session_answer(q);
}

void client_refuse(struct client *c, struct session_question *q)
{
    (void)c;
    /* All zero is a refusal of any question. */
    (void)adit_fail(&q->why_not, ADIT_E_INTERRUPTED, "stopped");
    session_answer(q);
}
