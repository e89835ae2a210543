#include "client/options_dump.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/expand.h"
#include "client/jump_spec.h"
#include "client/options_table.h"
#include "client/options_values.h"
#include "ssh/ssh.h"

enum { LINE_CAP = 8 * 1024, KEYWORD_CAP = 64, HOST_NAME_CAP = 256 };

struct dump {
    const struct options *options;
    const char *given;
    struct texts *lines;
    struct expand_names names;
    char home[EXPAND_PATH_CAP];
    char local_user[LIMIT_USER + 1];
    char local_host[HOST_NAME_CAP];
    char jump[LIMIT_HOST + 1];
    enum adit_err error; /* the first one */
    struct adit_error *err;
};

/* ---- Lines ---- */

static void put(struct dump *d, const char *keyword, const char *fmt, ...) ADIT_PRINTF(3, 4);

static void put(struct dump *d, const char *keyword, const char *fmt, ...)
{
    char line[LINE_CAP];
    va_list ap;
    size_t n = adit_format(line, sizeof line, "%s ", keyword);
    for (size_t i = 0; i < n; i++)
        if (line[i] >= 'A' && line[i] <= 'Z')
            line[i] = (char)(line[i] - 'A' + 'a');
    va_start(ap, fmt);
    (void)adit_vformat(line + n, sizeof line - n, fmt, ap);
    va_end(ap);
    if (d->error == ADIT_E_OK && !texts_add(d->lines, span_str(line)))
        d->error = adit_fail(d->err, ADIT_E_MEMORY, "out of memory");
}

static void put_text(struct dump *d, const char *keyword, const char *text)
{
    if (text != NULL)
        put(d, keyword, "%s", text);
}

/* With its tokens, as they will be at its use. */
static const char *expanded(struct dump *d, const char *text, char room[static EXPAND_PATH_CAP])
{
    struct adit_error why = {0};
    if (text == NULL || text_same(text, "none") || strcmp(text, "SSH_AUTH_SOCK") == 0 ||
        (text[0] == '$' && text[1] != '{'))
        return text;
    if (expand_path(room, text, &d->names, &why) == ADIT_E_OK)
        return room;
    if (d->error == ADIT_E_OK)
        d->error = adit_fail(d->err, why.code, "%s", why.text);
    return text;
}

static void put_expanded(struct dump *d, const char *keyword, const char *text)
{
    char room[EXPAND_PATH_CAP];
    put_text(d, keyword, expanded(d, text, room));
}

/* Of one that cannot be expanded nothing is shown but the error. */
static void put_if(struct dump *d, const char *keyword, const char *text, enum adit_err e,
                   const struct adit_error *why)
{
    if (e == ADIT_E_OK)
        put_text(d, keyword, text);
    else if (d->error == ADIT_E_OK)
        d->error = adit_fail(d->err, e, "%s", why->text);
}

static void put_value(struct dump *d, const char *keyword, const char *text)
{
    char room[EXPAND_PATH_CAP];
    struct adit_error why = {0};
    put_if(d, keyword, room, expand_value(room, text, &d->names, &why), &why);
}

static void put_command(struct dump *d, const char *keyword, const char *text)
{
    char room[EXPAND_PATH_CAP];
    struct adit_error why = {0};
    put_if(d, keyword, room, expand_tokens(room, text, NULL, &d->names, &why), &why);
}

/* All on one line. */
static void put_words(struct dump *d, const char *keyword, const struct texts *words, const char *when_empty)
{
    char line[LINE_CAP] = "";
    size_t n = 0;
    for (size_t i = 0; i < words->count && n < sizeof line - 1; i++)
        n += adit_format(line + n, sizeof line - n, i == 0 ? "%s" : " %s", words->item[i]);
    put_text(d, keyword, words->count > 0 ? line : when_empty);
}

/* One line each. */
static void put_each(struct dump *d, const char *keyword, const struct texts *words)
{
    for (size_t i = 0; i < words->count; i++)
        put(d, keyword, "%s", words->item[i]);
}

/* A keyword whose row says what its value is. */
static void put_row(struct dump *d, const char *keyword)
{
    const struct option_row *row = option_row_find(keyword);
    const void *field = (const uint8_t *)d->options + row->offset;
    const char *list;
    switch (row->kind) {
    case OPTION_FLAG:
        put_text(d, row->name, *(const bool *)field ? "yes" : "no");
        break;
    case OPTION_SPECIAL: /* those that have choices */
    case OPTION_CHOICE:
        put_text(d, row->name, option_choice_name(row, *(const uint32_t *)field));
        break;
    case OPTION_NUMBER:
    case OPTION_TIME:
        put(d, row->name, "%u", (unsigned)*(const uint32_t *)field);
        break;
    case OPTION_ALGOS:
        list = *(char *const *)field;
        put_text(d, row->name, list != NULL ? list : ssh_list_default((enum ssh_list)row->min));
        break;
    default:
        put_text(d, row->name, *(char *const *)field);
    }
}

static void put_rows(struct dump *d, const char *const keywords[])
{
    for (; *keywords != NULL; keywords++)
        put_row(d, *keywords);
}

/* ---- What has a form of its own ---- */

static void put_compression(struct dump *d)
{
    put_text(d, "Compression", d->options->compression ? "yes" : "no");
}

static void put_flags(struct dump *d)
{
    static const char *const before[] = {"AddressFamily",        "BatchMode",   "CanonicalizeFallbackLocal",
                                         "CanonicalizeHostname", "CheckHostIP", NULL};
    static const char *const between[] = {"ControlMaster",
                                          "EnableSSHKeysign",
                                          "ClearAllForwardings",
                                          "ExitOnForwardFailure",
                                          "FingerprintHash",
                                          "ForwardX11",
                                          "ForwardX11Trusted",
                                          "GatewayPorts",
                                          "HashKnownHosts",
                                          "HostbasedAuthentication",
                                          "IdentitiesOnly",
                                          "KbdInteractiveAuthentication",
                                          "NoHostAuthenticationForLocalhost",
                                          "PasswordAuthentication",
                                          "PermitLocalCommand",
                                          "ProxyUseFdpass",
                                          "PubkeyAuthentication",
                                          "RequestTTY",
                                          "SessionType",
                                          "StdinNull",
                                          "ForkAfterAuthentication",
                                          "StreamLocalBindUnlink",
                                          "StrictHostKeyChecking",
                                          "TCPKeepAlive",
                                          "Tunnel",
                                          "VerifyHostKeyDNS",
                                          "VisualHostKey",
                                          NULL};
    static const char *const after[] = {"EnableEscapeCommandline", "WarnWeakCrypto", NULL};
    put_rows(d, before);
    put_compression(d);
    put_rows(d, between);
    put_text(d, "UpdateHostKeys",
             option_choice_name(option_row_find("UpdateHostKeys"), options_update_host_keys(d->options)));
    put_rows(d, after);
}

static void put_keystroke(struct dump *d)
{
    uint32_t ms = d->options->obscure_keystroke_ms;
    if (ms == 0 || ms == OPTIONS_KEYSTROKE_MS)
        put_text(d, "ObscureKeystrokeTiming", ms == 0 ? "no" : "yes");
    else
        put(d, "ObscureKeystrokeTiming", "%u", (unsigned)ms);
}

static void put_numbers(struct dump *d)
{
    static const char *const rows[] = {
        "CanonicalizeMaxDots", "ConnectionAttempts",  "ForwardX11Timeout", "NumberOfPasswordPrompts",
        "ServerAliveCountMax", "ServerAliveInterval", "RequiredRSASize",   NULL};
    put_rows(d, rows);
    put_keystroke(d);
}

static void put_strings(struct dump *d)
{
    const struct options *o = d->options;
    static const char *const first[] = {"BindAddress", "BindInterface", "Ciphers", NULL};
    static const char *const second[] = {"HostKeyAlgorithms", "HostKeyAlias", "HostbasedAcceptedAlgorithms",
                                         NULL};
    static const char *const third[] = {"IgnoreUnknown", "KbdInteractiveDevices", "KexAlgorithms",
                                        "CASignatureAlgorithms", NULL};
    static const char *const fourth[] = {"LogLevel", "MACs", NULL};
    static const char *const fifth[] = {"PreferredAuthentications", "PubkeyAcceptedAlgorithms", NULL};
    put_rows(d, first);
    put_expanded(d, "ControlPath", option_text(o->control_path));
    put_rows(d, second);
    put_expanded(d, "IdentityAgent", o->identity_agent);
    put_rows(d, third);
    put_text(d, "LocalCommand", option_text(o->local_command));
    if (option_text(o->remote_command) != NULL)
        put_command(d, "RemoteCommand", o->remote_command);
    put_rows(d, fourth);
    put_text(d, "PKCS11Provider", option_text(o->pkcs11_provider));
    put_text(d, "SecurityKeyProvider",
             o->security_key_provider == NULL ? "internal" : option_text(o->security_key_provider));
    put_rows(d, fifth);
    for (size_t i = 0; i < o->revoked_host_keys.count; i++)
        put_expanded(d, "RevokedHostKeys", option_text(o->revoked_host_keys.item[i]));
    put_text(d, "XAuthLocation", o->xauth_location != NULL ? o->xauth_location : "/usr/bin/xauth");
    put_text(d, "KnownHostsCommand", option_text(o->known_hosts_command));
    put_text(d, "Tag", o->tag);
    if (o->version_addendum != NULL)
        put_value(d, "VersionAddendum", o->version_addendum);
    put_text(d, "RefuseConnection", o->refuse_connection);
}

/* ---- Forwards ---- */

/* "[address]:port", a port alone, or a path. */
static void listen_text(struct dump *d, const struct forward_spec *f, char out[static EXPAND_PATH_CAP])
{
    char room[EXPAND_PATH_CAP];
    static const char *const fixed[] = {[FORWARD_BIND_LOCAL] = "localhost", [FORWARD_BIND_ALL] = "*"};
    const char *plus = f->port_counts_up ? "+" : "";
    if (f->bind == FORWARD_BIND_PATH)
        adit_format(out, EXPAND_PATH_CAP, "%s", expanded(d, f->address, room));
    else if (f->bind == FORWARD_BIND_DEFAULT)
        adit_format(out, EXPAND_PATH_CAP, "%u%s", (unsigned)f->port, plus);
    else
        adit_format(out, EXPAND_PATH_CAP, "[%s]:%u%s",
                    f->bind == FORWARD_BIND_ADDRESS ? f->address : fixed[f->bind], (unsigned)f->port, plus);
}

static void put_forwards(struct dump *d, const char *keyword, enum forward_type type)
{
    const struct options *o = d->options;
    for (size_t i = 0; i < o->forward_count && !o->clear_all_forwardings; i++) {
        const struct forward_spec *f = &o->forwards[i];
        char from[EXPAND_PATH_CAP], room[EXPAND_PATH_CAP];
        if (f->type != type)
            continue;
        listen_text(d, f, from);
        if (type == FORWARD_DYNAMIC)
            put(d, keyword, "%s", from);
        else if (f->target_is_path)
            put(d, keyword, "%s %s", from, expanded(d, f->host, room));
        else
            put(d, keyword, "%s [%s]:%u", from, f->host[0] != 0 ? f->host : "socks", (unsigned)f->host_port);
    }
}

/* ---- Lists ---- */

static void put_identity_files(struct dump *d)
{
    static const char *const names[] = {"id_rsa",        "id_ecdsa", "id_ecdsa_sk", "id_ed25519",
                                        "id_ed25519_sk", "id_xmss",  "id_dsa",      NULL};
    put_each(d, "IdentityFile", &d->options->identity_files);
    if (d->options->identity_files.count > 0)
        return;
    for (const char *const *name = names; *name != NULL; name++)
        put(d, "IdentityFile", "~/.ssh/%s", *name);
}

static void put_user_known_hosts(struct dump *d)
{
    static const char *const defaults[] = {"~/.ssh/known_hosts", "~/.ssh/known_hosts2"};
    const struct texts *given = &d->options->user_known_hosts;
    size_t count = given->count > 0 ? given->count : 2;
    struct texts all;
    texts_init(&all);
    for (size_t i = 0; i < count; i++) {
        char room[EXPAND_PATH_CAP];
        const char *path = expanded(d, given->count > 0 ? given->item[i] : defaults[i], room);
        if (!texts_add(&all, span_str(path)) && d->error == ADIT_E_OK)
            d->error = adit_fail(d->err, ADIT_E_MEMORY, "out of memory");
    }
    put_words(d, "UserKnownHostsFile", &all, NULL);
    texts_wipe(&all);
}

static void put_lists(struct dump *d)
{
    const struct options *o = d->options;
    put_identity_files(d);
    put_words(d, "CanonicalDomains", &o->canonical_domains, "none");
    put_each(d, "CertificateFile", &o->certificate_files);
    put_words(d, "GlobalKnownHostsFile", &o->global_known_hosts,
              "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2");
    put_user_known_hosts(d);
    put_each(d, "SendEnv", &o->send_env);
    put_each(d, "SetEnv", &o->set_env);
    put_words(d, "LogVerbose", &o->log_verbose, "none");
    put_words(d, "ChannelTimeout", &o->channel_timeouts, "none");
    put_words(d, "PermitRemoteOpen", &o->permit_remote_opens, "any");
}

/* ---- The rest ---- */

static void put_agent(struct dump *d)
{
    const struct options *o = d->options;
    if (o->add_keys_lifetime_s > 0)
        put(d, "AddKeysToAgent", "%s%u", o->add_keys_to_agent == ADD_KEYS_CONFIRM ? "confirm " : "",
            (unsigned)o->add_keys_lifetime_s);
    else {
        static const char *const names[] = {[ADD_KEYS_NO] = "false",
                                            [ADD_KEYS_YES] = "true",
                                            [ADD_KEYS_ASK] = "ask",
                                            [ADD_KEYS_CONFIRM] = "confirm"};
        put_text(d, "AddKeysToAgent", names[o->add_keys_to_agent]);
    }
    if (o->forward_agent && o->forward_agent_path != NULL)
        put_expanded(d, "ForwardAgent", o->forward_agent_path);
    else
        put_text(d, "ForwardAgent", o->forward_agent ? "yes" : "no");
}

/* As vis(3) shows it. */
static void put_escape(struct dump *d)
{
    int c = d->options->escape_char;
    if (c == OPTIONS_ESCAPE_NONE)
        put_text(d, "EscapeChar", "none");
    else if (c < ' ')
        put(d, "EscapeChar", "\\^%c", c + '@');
    else if (c == ' ')
        put_text(d, "EscapeChar", "\\040");
    else
        put(d, "EscapeChar", c == '\\' ? "\\%c" : "%c", c);
}

static void put_ip_qos(struct dump *d)
{
    char text[2][16];
    const int values[2] = {d->options->ip_qos_interactive, d->options->ip_qos_bulk};
    for (size_t i = 0; i < 2; i++) {
        const char *name = option_ip_qos_name(values[i]);
        if (name != NULL)
            adit_format(text[i], sizeof text[i], "%s", name);
        else
            adit_format(text[i], sizeof text[i], "0x%02x", (unsigned)values[i]);
    }
    put(d, "IPQoS", "%s %s", text[0], text[1]);
}

static void put_cnames(struct dump *d)
{
    put_words(d, "CanonicalizePermittedCNAMEs", &d->options->canonicalize_permitted_cnames, "none");
    if (d->error == ADIT_E_OK) /* ssh writes one capital */
        d->lines->item[d->lines->count - 1][sizeof "canonicalize" - 1] = 'P';
}

static void put_times(struct dump *d)
{
    const struct options *o = d->options;
    if (options_is_set(o, "ConnectTimeout"))
        put(d, "ConnectTimeout", "%u", (unsigned)o->connect_timeout_s);
    else
        put_text(d, "ConnectTimeout", "none");
    put_text(d, "TunnelDevice", o->tunnel_device != NULL ? o->tunnel_device : "any:any");
    put_cnames(d);
    if (o->control_persist && o->control_persist_s > 0)
        put(d, "ControlPersist", "%u", (unsigned)o->control_persist_s);
    else
        put_text(d, "ControlPersist", o->control_persist ? "yes" : "no");
}

/* The last hop in one form, whatever it was written like. */
static void put_proxy(struct dump *d)
{
    const char *jump = option_text(d->options->proxy_jump);
    struct jump_spec hop;
    struct span rest, last;
    char port[8] = "";
    if (jump == NULL) {
        put_text(d, "ProxyCommand", option_text(d->options->proxy_command));
        return;
    }
    last = jump_spec_last(span_str(jump), &rest);
    if (jump_spec_parse(&hop, last, d->err) != ADIT_E_OK)
        return; /* it was judged when it was set */
    bool is_literal = strchr(hop.host, ':') != NULL || hop.host[strspn(hop.host, "0123456789.")] == 0;
    if (hop.port != 0)
        adit_format(port, sizeof port, ":%u", (unsigned)hop.port);
    put(d, "ProxyJump", "%.*s%s%s%s%s%s%s%s", (int)rest.n, (const char *)rest.p, rest.n > 0 ? "," : "",
        hop.user, hop.user[0] != 0 ? "@" : "", is_literal ? "[" : "", hop.host, is_literal ? "]" : "", port);
}

/* In octal, with a zero before it. */
static void put_mask(struct dump *d)
{
    char digits[16];
    size_t n = sizeof digits;
    uint32_t mask = d->options->stream_local_bind_mask;
    digits[--n] = 0;
    do {
        digits[--n] = (char)('0' + mask % 8);
        mask /= 8;
    } while (mask > 0);
    put(d, "StreamLocalBindMask", "0%s", digits + n);
}

static void put_special(struct dump *d)
{
    const struct options *o = d->options;
    put_agent(d);
    put_times(d);
    put_escape(d);
    put_ip_qos(d);
    put(d, "RekeyLimit", "%llu %u", (unsigned long long)o->rekey_bytes, (unsigned)o->rekey_seconds);
    put_mask(d);
    put_text(d, "SyslogFacility", o->syslog_facility != NULL ? o->syslog_facility : "USER");
    put_proxy(d);
}

/* Those that ssh does not know: only when they were given, so that ssh reads the lines too. */
static void put_ours(struct dump *d)
{
    static const char *const flags[] = {"AditExitCodes", "AditReconnect", "AditDetect", "AditSandbox", NULL};
    for (const char *const *name = flags; *name != NULL; name++)
        if (options_is_set(d->options, *name))
            put_row(d, *name);
    put_each(d, "AditHostKeyFingerprint", &d->options->fingerprints);
    if (d->options->ready_fd != OPTIONS_READY_NONE)
        put(d, "AditReadyFd", "%d", d->options->ready_fd);
    if (options_is_set(d->options, "AditBackoff"))
        put(d, "AditBackoff", "%u %u", (unsigned)(d->options->backoff_first_ms / 1000),
            (unsigned)(d->options->backoff_cap_ms / 1000));
}

static void names_init(struct dump *d)
{
    const struct options *o = d->options;
    expand_user(d->home, d->local_user);
    if (gethostname(d->local_host, sizeof d->local_host - 1) != 0)
        d->local_host[0] = 0;
    d->names = (struct expand_names){.home = d->home,
                                     .local_user = d->local_user,
                                     .local_host = d->local_host,
                                     .host = o->host_name != NULL ? o->host_name : d->given,
                                     .given_host = d->given,
                                     .host_key = o->host_key_alias != NULL ? o->host_key_alias : d->given,
                                     .remote_user = o->user != NULL ? o->user : d->local_user,
                                     .port = o->port};
    if (jump_spec_nearest(option_text(o->proxy_jump), d->jump))
        d->names.jump = d->jump;
}

static void dump_all(struct dump *d)
{
    put_text(d, "Host", d->given);
    put_text(d, "User", d->names.remote_user);
    put_text(d, "HostName", d->names.host);
    put(d, "Port", "%u", (unsigned)d->options->port);
    put_flags(d);
    put_numbers(d);
    put_strings(d);
    put_forwards(d, "DynamicForward", FORWARD_DYNAMIC);
    put_forwards(d, "LocalForward", FORWARD_LOCAL);
    put_forwards(d, "RemoteForward", FORWARD_REMOTE);
    put_lists(d);
    put_special(d);
    put_ours(d);
}

enum adit_err options_dump(const struct options *o, const char *host, struct texts *lines,
                           struct adit_error *err)
{
    struct dump *d = calloc(1, sizeof *d);
    if (d == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    d->options = o;
    d->given = host;
    d->lines = lines;
    d->err = err;
    names_init(d);
    dump_all(d);
    enum adit_err e = d->error;
    free(d);
    return e;
}
