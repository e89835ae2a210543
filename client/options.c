#include "client/options.h"

#include <stdlib.h>
#include <string.h>

#include "client/jump_spec.h"
#include "client/units.h"
#include "ssh/ssh.h"

enum { WORD_CAP = 4096, LIST_CAP = 4096, SPEC_CAP = 2 * LIMIT_HOST + 16 };

/* ---- The table ---- */

struct row;
typedef enum adit_err setter(struct options *o, const struct row *row, const char *value,
                             struct adit_error *err);

struct row {
    const char *name;
    setter *set;
    size_t offset;     /* of the field in struct options, for the setters that serve many */
    uint32_t min, max; /* of a number; or which algorithm list */
    const char *fixed; /* set_fixed: the values that say what adit does anyway */
    bool accumulates;
};

static setter set_flag, set_text, set_number, set_port, set_time, set_rekey, set_list, set_host_keys,
    set_strict, set_family, set_words, set_identity, set_fingerprint, set_forward_local, set_forward_remote,
    set_forward_dynamic, set_session_type, set_log_level, set_ready_fd, set_fixed, set_later, set_rsa_size,
    set_tcp_count, set_proxy_jump;

#define AT(field) offsetof(struct options, field)
#define FLAG(name, field)                            \
    {                                                \
        name, set_flag, AT(field), 0, 0, NULL, false \
    }
#define TEXT(name, field)                            \
    {                                                \
        name, set_text, AT(field), 0, 0, NULL, false \
    }
#define NUMBER(name, field, min, max)                      \
    {                                                      \
        name, set_number, AT(field), min, max, NULL, false \
    }
#define TIME(name, field)                            \
    {                                                \
        name, set_time, AT(field), 0, 0, NULL, false \
    }
#define LIST(name, field, which)                         \
    {                                                    \
        name, set_list, AT(field), which, 0, NULL, false \
    }
#define WORDS(name, field)                            \
    {                                                 \
        name, set_words, AT(field), 0, 0, NULL, false \
    }
#define SPECIAL(name, setter)              \
    {                                      \
        name, setter, 0, 0, 0, NULL, false \
    }
#define MANY(name, setter)                \
    {                                     \
        name, setter, 0, 0, 0, NULL, true \
    }
#define FIXED(name, values)                     \
    {                                           \
        name, set_fixed, 0, 0, 0, values, false \
    }
#define LATER(name)                          \
    {                                        \
        name, set_later, 0, 0, 0, NULL, true \
    }

static const struct row rows[] = {
    /* where and how to connect */
    TEXT("HostName", host_name),
    TEXT("User", user),
    SPECIAL("Port", set_port),
    SPECIAL("ProxyJump", set_proxy_jump),
    SPECIAL("AddressFamily", set_family),
    TIME("ConnectTimeout", connect_timeout_s),
    FLAG("TCPKeepAlive", tcp_keepalive),
    FLAG("KeepAlive", tcp_keepalive), /* its old name */
    TIME("ServerAliveInterval", alive_interval_s),
    SPECIAL("ServerAliveCountMax", set_tcp_count),
    SPECIAL("RekeyLimit", set_rekey),
    /* algorithms */
    LIST("KexAlgorithms", kex, SSH_LIST_KEX),
    LIST("Ciphers", ciphers, SSH_LIST_CIPHER),
    LIST("MACs", macs, SSH_LIST_MAC),
    {"HostKeyAlgorithms", set_host_keys, AT(host_key_algorithms), SSH_LIST_HOST_KEY, 0, NULL, false},
    LIST("PubkeyAcceptedAlgorithms", pubkey_algorithms, SSH_LIST_PUBKEY),
    LIST("PubkeyAcceptedKeyTypes", pubkey_algorithms, SSH_LIST_PUBKEY), /* its old name */
    SPECIAL("RequiredRSASize", set_rsa_size),
    /* the server's key */
    SPECIAL("StrictHostKeyChecking", set_strict),
    WORDS("UserKnownHostsFile", user_known_hosts),
    WORDS("GlobalKnownHostsFile", global_known_hosts),
    TEXT("HostKeyAlias", host_key_alias),
    FLAG("HashKnownHosts", hash_known_hosts),
    SPECIAL("AditHostKeyFingerprint", set_fingerprint),
    /* who we are */
    FLAG("PubkeyAuthentication", pubkey_auth),
    FLAG("PasswordAuthentication", password_auth),
    FLAG("KbdInteractiveAuthentication", kbdint_auth),
    FLAG("ChallengeResponseAuthentication", kbdint_auth), /* its old name */
    TEXT("PreferredAuthentications", preferred_auth),
    NUMBER("NumberOfPasswordPrompts", password_prompts, 0, 1000),
    FLAG("BatchMode", batch_mode),
    MANY("IdentityFile", set_identity),
    FLAG("IdentitiesOnly", identities_only),
    TEXT("IdentityAgent", identity_agent),
    /* forwards */
    MANY("LocalForward", set_forward_local),
    MANY("RemoteForward", set_forward_remote),
    MANY("DynamicForward", set_forward_dynamic),
    FLAG("ClearAllForwardings", clear_all_forwardings),
    FLAG("ExitOnForwardFailure", exit_on_forward_failure),
    FLAG("GatewayPorts", gateway_ports),
    SPECIAL("SessionType", set_session_type),
    /* ourselves */
    SPECIAL("LogLevel", set_log_level),
    FLAG("AditExitCodes", exit_codes),
    SPECIAL("AditReadyFd", set_ready_fd),
    FIXED("AditReconnect", "no"),
    FIXED("AditReclaim", "no"),
    FIXED("AditProxy", "none"),
    FIXED("AditDetect", "normal"),
    LATER("AditBackoff"),
    /* what adit does only in one way: that value is fine, any other is refused */
    FIXED("AddKeysToAgent", "no"),
    FIXED("CanonicalizeHostname", "no"),
    FIXED("CheckHostIP", "no"),
    FIXED("Compression", "no"),
    FIXED("ConnectionAttempts", "1"),
    FIXED("ControlMaster", "no"),
    FIXED("ControlPath", "none"),
    FIXED("ControlPersist", "no"),
    FIXED("EnableEscapeCommandline", "no"),
    FIXED("EnableSSHKeysign", "no"),
    FIXED("EscapeChar", "none"),
    FIXED("FingerprintHash", "sha256"),
    FIXED("ForkAfterAuthentication", "no"),
    FIXED("ForwardAgent", "no"),
    FIXED("ForwardX11", "no"),
    FIXED("ForwardX11Trusted", "no"),
    FIXED("GSSAPIAuthentication", "no"),
    FIXED("GSSAPIDelegateCredentials", "no"),
    FIXED("HostbasedAuthentication", "no"),
    FIXED("KnownHostsCommand", "none"),
    FIXED("LocalCommand", "none"),
    FIXED("NoHostAuthenticationForLocalhost", "no"),
    FIXED("PermitLocalCommand", "no"),
    FIXED("PKCS11Provider", "none"),
    FIXED("ProxyCommand", "none"),
    FIXED("ProxyUseFdpass", "no"),
    FIXED("RemoteCommand", "none"),
    FIXED("RequestTTY", "no"),
    FIXED("RevokedHostKeys", "none"),
    FIXED("StreamLocalBindUnlink", "no"),
    FIXED("Tag", "none"),
    FIXED("Tunnel", "no"),
    FIXED("UpdateHostKeys", "no"),
    FIXED("VerifyHostKeyDNS", "no"),
    FIXED("VisualHostKey", "no"),
    /* what is not there yet */
    LATER("BindAddress"),
    LATER("BindInterface"),
    LATER("CanonicalDomains"),
    LATER("CanonicalizeFallbackLocal"),
    LATER("CanonicalizeMaxDots"),
    LATER("CanonicalizePermittedCNAMEs"),
    LATER("CASignatureAlgorithms"),
    LATER("CertificateFile"),
    LATER("ChannelTimeout"),
    LATER("ForwardX11Timeout"),
    LATER("Host"),
    LATER("HostbasedAcceptedAlgorithms"),
    LATER("IgnoreUnknown"),
    LATER("Include"),
    LATER("IPQoS"),
    LATER("KbdInteractiveDevices"),
    LATER("LogVerbose"),
    LATER("Match"),
    LATER("ObscureKeystrokeTiming"),
    LATER("PermitRemoteOpen"),
    LATER("RefuseConnection"),
    LATER("SecurityKeyProvider"),
    LATER("SendEnv"),
    LATER("SetEnv"),
    LATER("StdinNull"),
    LATER("StreamLocalBindMask"),
    LATER("SyslogFacility"),
    LATER("TunnelDevice"),
    LATER("VersionAddendum"),
    LATER("WarnWeakCrypto"),
    LATER("XAuthLocation"),
};

_Static_assert(ADIT_COUNT(rows) <= OPTIONS_KEYWORDS_MAX, "struct options needs a mark for each row");

static const struct row *row_find(const char *keyword)
{
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        if (text_same(rows[i].name, keyword))
            return &rows[i];
    return NULL;
}

/* Old names share a field with the new one, and its mark. */
static size_t row_mark(const struct row *row)
{
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        if (row->offset != 0 && rows[i].offset == row->offset)
            return i;
    return (size_t)(row - rows);
}

/* ---- Values ---- */

static void *field(struct options *o, const struct row *row)
{
    return (uint8_t *)o + row->offset;
}

static enum adit_err bad_value(const struct row *row, const char *value, const char *wanted,
                               struct adit_error *err)
{
    return adit_fail(err, ADIT_E_USAGE, "%s: '%s' is not %s", row->name, value, wanted);
}

static enum adit_err no_memory(struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

static enum adit_err set_flag(struct options *o, const struct row *row, const char *value,
                              struct adit_error *err)
{
    bool *flag = field(o, row);
    if (text_same(value, "yes") || text_same(value, "true"))
        *flag = true;
    else if (text_same(value, "no") || text_same(value, "false"))
        *flag = false;
    else
        return bad_value(row, value, "yes or no", err);
    return ADIT_E_OK;
}

/* Replaces a text that we own. */
static enum adit_err text_replace(char **to, struct span text, struct adit_error *err)
{
    char *copy = text_copy(text);
    if (copy == NULL)
        return no_memory(err);
    free(*to);
    *to = copy;
    return ADIT_E_OK;
}

static enum adit_err set_text(struct options *o, const struct row *row, const char *value,
                              struct adit_error *err)
{
    return text_replace(field(o, row), span_str(value), err);
}

static enum adit_err set_number(struct options *o, const struct row *row, const char *value,
                                struct adit_error *err)
{
    if (!units_number(span_str(value), row->min, row->max, field(o, row)))
        return bad_value(row, value, "a number in its range", err);
    return ADIT_E_OK;
}

static enum adit_err set_tcp_count(struct options *o, const struct row *row, const char *value,
                                   struct adit_error *err)
{
    /* 0 would mean to end at the first interval, answered or not. */
    if (!units_number(span_str(value), 1, 1000000, &o->alive_count_max))
        return bad_value(row, value, "a number from 1 to 1000000", err);
    return ADIT_E_OK;
}

static enum adit_err set_port(struct options *o, const struct row *row, const char *value,
                              struct adit_error *err)
{
    uint32_t port;
    if (!units_number(span_str(value), 1, UINT16_MAX, &port))
        return bad_value(row, value, "a port from 1 to 65535", err);
    o->port = (uint16_t)port;
    return ADIT_E_OK;
}

static enum adit_err set_proxy_jump(struct options *o, const struct row *row, const char *value,
                                    struct adit_error *err)
{
    struct adit_error why = {0};
    enum adit_err e = jump_spec_check(value, &why);
    if (e != ADIT_E_OK)
        return adit_fail(err, e, "%s: %s", row->name, why.text);
    return text_replace(&o->proxy_jump, span_str(value), err);
}

static enum adit_err set_time(struct options *o, const struct row *row, const char *value,
                              struct adit_error *err)
{
    uint32_t *seconds = field(o, row);
    if (text_same(value, "none"))
        *seconds = 0;
    else if (!units_time(span_str(value), seconds))
        return bad_value(row, value, "a time such as 90 or 1m30s", err);
    return ADIT_E_OK;
}

static enum adit_err set_rekey(struct options *o, const struct row *row, const char *value,
                               struct adit_error *err)
{
    struct span rest = span_str(value);
    char size[64], time[64] = "none", more[2];
    bool bad;
    if (!text_word(&rest, size, sizeof size, &bad))
        return bad_value(row, value, "a size and perhaps a time, such as 1G 1h", err);
    bool has_time = text_word(&rest, time, sizeof time, &bad);
    if (bad || (has_time && text_word(&rest, more, sizeof more, &bad)) || bad)
        return bad_value(row, value, "a size and perhaps a time, such as 1G 1h", err);
    uint64_t bytes = 0;
    uint32_t seconds = 0;
    /* Below 16 bytes an exchange would follow each packet: ssh refuses it too. 0 is its default. */
    if (!text_same(size, "default") && (!units_size(span_str(size), &bytes) || (bytes > 0 && bytes < 16)))
        return bad_value(row, size, "a size of at least 16, such as 512M or 1G", err);
    if (has_time && !text_same(time, "none") && !units_time(span_str(time), &seconds))
        return bad_value(row, time, "a time such as 90 or 1h", err);
    o->rekey_bytes = bytes;
    o->rekey_seconds = seconds;
    return ADIT_E_OK;
}

static enum adit_err set_list(struct options *o, const struct row *row, const char *value,
                              struct adit_error *err)
{
    char list[LIST_CAP];
    struct adit_error why = {0};
    if (!ssh_list_resolve((enum ssh_list)row->min, value, list, sizeof list, &why))
        return adit_fail(err, ADIT_E_USAGE, "%s: %s", row->name, why.text);
    return text_replace(field(o, row), span_str(list), err);
}

static enum adit_err set_host_keys(struct options *o, const struct row *row, const char *value,
                                   struct adit_error *err)
{
    enum adit_err e = set_list(o, row, value, err);
    if (e == ADIT_E_OK)
        o->host_key_order_is_free = value[0] == '+' || value[0] == '-';
    return e;
}

struct choice {
    const char *name;
    uint32_t value;
};

static bool choose(const struct choice *choices, size_t count, const char *value, uint32_t *out)
{
    for (size_t i = 0; i < count; i++) {
        if (!text_same(choices[i].name, value))
            continue;
        *out = choices[i].value;
        return true;
    }
    return false;
}

static enum adit_err set_strict(struct options *o, const struct row *row, const char *value,
                                struct adit_error *err)
{
    static const struct choice choices[] = {{"yes", STRICT_YES},
                                            {"true", STRICT_YES},
                                            {"ask", STRICT_ASK},
                                            {"no", STRICT_NO},
                                            {"off", STRICT_NO},
                                            {"false", STRICT_NO},
                                            {"accept-new", STRICT_ACCEPT_NEW}};
    if (!choose(choices, ADIT_COUNT(choices), value, &o->strict_host_key))
        return bad_value(row, value, "yes, accept-new, ask or no", err);
    return ADIT_E_OK;
}

static enum adit_err set_family(struct options *o, const struct row *row, const char *value,
                                struct adit_error *err)
{
    static const struct choice choices[] = {
        {"any", FAMILY_ANY}, {"inet", FAMILY_INET}, {"inet6", FAMILY_INET6}};
    if (!choose(choices, ADIT_COUNT(choices), value, &o->family))
        return bad_value(row, value, "any, inet or inet6", err);
    return ADIT_E_OK;
}

static enum adit_err set_log_level(struct options *o, const struct row *row, const char *value,
                                   struct adit_error *err)
{
    static const struct choice choices[] = {
        {"QUIET", LOG_LEVEL_QUIET},   {"FATAL", LOG_LEVEL_FATAL},     {"ERROR", LOG_LEVEL_ERROR},
        {"INFO", LOG_LEVEL_INFO},     {"VERBOSE", LOG_LEVEL_VERBOSE}, {"DEBUG", LOG_LEVEL_DEBUG1},
        {"DEBUG1", LOG_LEVEL_DEBUG1}, {"DEBUG2", LOG_LEVEL_DEBUG2},   {"DEBUG3", LOG_LEVEL_DEBUG3}};
    if (!choose(choices, ADIT_COUNT(choices), value, &o->log_level))
        return bad_value(row, value, "QUIET, FATAL, ERROR, INFO, VERBOSE, DEBUG, DEBUG2 or DEBUG3", err);
    return ADIT_E_OK;
}

static enum adit_err set_session_type(struct options *o, const struct row *row, const char *value,
                                      struct adit_error *err)
{
    if (text_same(value, "subsystem"))
        return adit_fail(err, ADIT_E_UNSUPPORTED, "SessionType subsystem is not supported yet");
    if (!text_same(value, "none") && !text_same(value, "default"))
        return bad_value(row, value, "none, default or subsystem", err);
    o->no_session = text_same(value, "none");
    return ADIT_E_OK;
}

static enum adit_err set_ready_fd(struct options *o, const struct row *row, const char *value,
                                  struct adit_error *err)
{
    uint32_t fd;
    if (!units_number(span_str(value), 0, 65535, &fd))
        return bad_value(row, value, "the number of an open descriptor", err);
    o->ready_fd = (int)fd;
    return ADIT_E_OK;
}

/* RSA below 2048 bits is never accepted, so that smaller limits hold by themselves. */
static enum adit_err set_rsa_size(struct options *o, const struct row *row, const char *value,
                                  struct adit_error *err)
{
    uint32_t bits;
    (void)o;
    if (!units_number(span_str(value), 0, 65536, &bits))
        return bad_value(row, value, "a number of bits", err);
    if (bits > 2048)
        return adit_fail(err, ADIT_E_UNSUPPORTED, "%s above 2048 is not supported yet", row->name);
    return ADIT_E_OK;
}

static enum adit_err set_words(struct options *o, const struct row *row, const char *value,
                               struct adit_error *err)
{
    struct texts *words = field(o, row);
    struct span rest = span_str(value);
    char word[WORD_CAP];
    bool bad;
    texts_wipe(words);
    while (text_word(&rest, word, sizeof word, &bad))
        if (!texts_add(words, span_str(word)))
            return no_memory(err);
    if (bad)
        return bad_value(row, value, "a list of file names (quotes do not match, or it is too long)", err);
    if (texts_has(words, "none") && words->count > 1)
        return bad_value(row, value, "either none or a list of file names", err);
    return ADIT_E_OK;
}

static enum adit_err set_identity(struct options *o, const struct row *row, const char *value,
                                  struct adit_error *err)
{
    (void)row;
    if (texts_has(&o->identity_files, value))
        return ADIT_E_OK;
    return texts_add(&o->identity_files, span_str(value)) ? ADIT_E_OK : no_memory(err);
}

static bool is_fingerprint(struct span s)
{
    static const char prefix[] = "SHA256:";
    if (s.n < 7 + 43 || !span_eq(span_sub(s, 0, 7), span_str(prefix)))
        return false;
    struct span digits = span_sub(s, 7, SIZE_MAX);
    if (digits.n == 44 && digits.p[43] == '=') /* padding, which ssh-keygen does not write */
        digits.n = 43;
    for (size_t i = 0; i < digits.n; i++) {
        uint8_t c = digits.p[i];
        bool fine = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
                    c == '/';
        if (!fine)
            return false;
    }
    return digits.n == 43;
}

static enum adit_err set_fingerprint(struct options *o, const struct row *row, const char *value,
                                     struct adit_error *err)
{
    struct span rest = span_str(value), one;
    texts_wipe(&o->fingerprints);
    while (text_comma(&rest, &one)) {
        if (!is_fingerprint(one))
            return bad_value(row, value, "SHA256: and 43 base64 characters, as ssh-keygen -l prints it", err);
        if (!texts_add(&o->fingerprints, span_sub(one, 0, 7 + 43)))
            return no_memory(err);
    }
    return o->fingerprints.count > 0 ? ADIT_E_OK : bad_value(row, value, "a fingerprint", err);
}

/* "LocalForward 8080 host:80" is -L 8080:host:80. */
static enum adit_err add_forward(struct options *o, enum forward_type type, const char *value,
                                 struct adit_error *err)
{
    char listen[SPEC_CAP], target[SPEC_CAP], more[2], joined[2 * SPEC_CAP];
    struct span rest = span_str(value);
    bool bad;
    if (!text_word(&rest, listen, sizeof listen, &bad))
        return adit_fail(err, ADIT_E_USAGE, "a forward's specification is missing or too long");
    bool has_target = text_word(&rest, target, sizeof target, &bad);
    if (bad || text_word(&rest, more, sizeof more, &bad) || bad)
        return adit_fail(err, ADIT_E_USAGE, "Bad forwarding specification '%s'", value);
    adit_format(joined, sizeof joined, has_target ? "%s:%s" : "%s", listen, target);
    struct forward_spec spec;
    enum adit_err e = forward_spec_parse(&spec, type, joined, false, err);
    return e != ADIT_E_OK ? e : options_add_forward(o, &spec, err);
}

static enum adit_err set_forward_local(struct options *o, const struct row *row, const char *value,
                                       struct adit_error *err)
{
    (void)row;
    return add_forward(o, FORWARD_LOCAL, value, err);
}

static enum adit_err set_forward_remote(struct options *o, const struct row *row, const char *value,
                                        struct adit_error *err)
{
    (void)row;
    return add_forward(o, FORWARD_REMOTE, value, err);
}

static enum adit_err set_forward_dynamic(struct options *o, const struct row *row, const char *value,
                                         struct adit_error *err)
{
    (void)row;
    return add_forward(o, FORWARD_DYNAMIC, value, err);
}

static enum adit_err set_fixed(struct options *o, const struct row *row, const char *value,
                               struct adit_error *err)
{
    (void)o;
    /* The two ways to say no. */
    if (text_same(value, row->fixed) || (text_same(row->fixed, "no") && text_same(value, "false")))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_UNSUPPORTED, "%s %s is not supported yet (only: %s)", row->name, value,
                     row->fixed);
}

static enum adit_err set_later(struct options *o, const struct row *row, const char *value,
                               struct adit_error *err)
{
    (void)o;
    (void)value;
    return adit_fail(err, ADIT_E_UNSUPPORTED, "%s is not supported yet", row->name);
}

/* ---- The interface ---- */

void options_init(struct options *o)
{
    memset(o, 0, sizeof *o);
    o->port = 22;
    o->tcp_keepalive = true;
    o->alive_count_max = 3;
    o->host_key_order_is_free = true;
    o->strict_host_key = STRICT_ASK;
    o->pubkey_auth = o->password_auth = o->kbdint_auth = true;
    o->password_prompts = 3;
    o->log_level = LOG_LEVEL_INFO;
    o->ready_fd = OPTIONS_READY_NONE;
}

void options_wipe(struct options *o)
{
    char *owned[] = {o->host_name,         o->user,           o->kex,
                     o->ciphers,           o->macs,           o->host_key_algorithms,
                     o->pubkey_algorithms, o->host_key_alias, o->proxy_jump,
                     o->preferred_auth,    o->identity_agent};
    for (size_t i = 0; i < ADIT_COUNT(owned); i++)
        free(owned[i]);
    texts_wipe(&o->user_known_hosts);
    texts_wipe(&o->global_known_hosts);
    texts_wipe(&o->fingerprints);
    texts_wipe(&o->identity_files);
    free(o->forwards);
    memset(o, 0, sizeof *o);
}

/* A value that lost against an earlier one goes into options of its own: checked, then forgotten. */
static enum adit_err check_only(const struct row *row, const char *value, struct adit_error *err)
{
    struct options scratch;
    options_init(&scratch);
    enum adit_err e = row->set(&scratch, row, value, err);
    options_wipe(&scratch);
    return e;
}

/* Setters of one word get it without its quotes; those of lists see the raw text. */
static bool takes_raw(const struct row *row)
{
    return row->set == set_words || row->set == set_rekey || row->set == set_forward_local ||
           row->set == set_forward_remote || row->set == set_forward_dynamic || row->set == set_later;
}

static enum adit_err one_word(const struct row *row, const char *value, char word[static WORD_CAP],
                              struct adit_error *err)
{
    struct span rest = span_str(value);
    char more[2];
    bool bad;
    if (!text_word(&rest, word, WORD_CAP, &bad) || word[0] == 0)
        return adit_fail(err, ADIT_E_USAGE,
                         bad ? "%s: quotes do not match, or the value is too long"
                             : "%s: the value is missing",
                         row->name);
    if (text_word(&rest, more, sizeof more, &bad) || bad)
        return adit_fail(err, ADIT_E_USAGE, "%s: one value is wanted, not '%s'", row->name, value);
    return ADIT_E_OK;
}

static enum adit_err set_word_value(struct options *o, const struct row *row, const char *value,
                                    struct adit_error *err)
{
    bool *mark = &o->is_set[row_mark(row)];
    if (*mark && !row->accumulates)
        return check_only(row, value, err);
    enum adit_err e = row->set(o, row, value, err);
    *mark = *mark || e == ADIT_E_OK;
    return e;
}

enum adit_err options_set(struct options *o, const char *keyword, const char *value, struct adit_error *err)
{
    const struct row *row = row_find(keyword);
    char word[WORD_CAP];
    if (row == NULL)
        return adit_fail(err, ADIT_E_USAGE, "Bad configuration option: %s", keyword);
    if (!takes_raw(row)) {
        enum adit_err e = one_word(row, value, word, err);
        if (e != ADIT_E_OK)
            return e;
        value = word;
    }
    return set_word_value(o, row, value, err);
}

enum adit_err options_set_line(struct options *o, const char *line, struct adit_error *err)
{
    char keyword[64];
    size_t n = 0;
    while (*line == ' ' || *line == '\t')
        line++;
    while (line[n] != 0 && line[n] != '=' && line[n] != ' ' && line[n] != '\t')
        n++;
    if (n == 0 || n >= sizeof keyword)
        return adit_fail(err, ADIT_E_USAGE, "'%s' is not Keyword=value", line);
    memcpy(keyword, line, n);
    keyword[n] = 0;
    const char *value = line + n;
    while (*value == ' ' || *value == '\t')
        value++;
    if (*value == '=')
        value++;
    while (*value == ' ' || *value == '\t')
        value++;
    return options_set(o, keyword, value, err);
}

bool options_is_set(const struct options *o, const char *keyword)
{
    const struct row *row = row_find(keyword);
    return row != NULL && o->is_set[row_mark(row)];
}

enum adit_err options_add_forward(struct options *o, const struct forward_spec *spec, struct adit_error *err)
{
    struct forward_spec *more = realloc(o->forwards, (o->forward_count + 1) * sizeof *more);
    if (more == NULL)
        return no_memory(err);
    more[o->forward_count++] = *spec;
    o->forwards = more;
    return ADIT_E_OK;
}

enum adit_err options_default(struct options *o, const char *keyword, const char *value,
                              struct adit_error *err)
{
    const struct row *row = row_find(keyword);
    return row == NULL || options_is_set(o, keyword) ? ADIT_E_OK : set_word_value(o, row, value, err);
}
