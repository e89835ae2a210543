#include "client/options_table.h"

#include <string.h>

#include "client/options_values.h"
#include "ssh/ssh.h"

/* ---- The words of choices: ssh prints the first that stands for a value ---- */

static const struct option_choice address_family[] = {
    {"inet", FAMILY_INET}, {"inet6", FAMILY_INET6}, {"any", FAMILY_ANY}, {NULL, 0}};
static const struct option_choice canonicalize_hostname[] = {
    {"true", CANONICALIZE_YES}, {"false", CANONICALIZE_NO},      {"yes", CANONICALIZE_YES},
    {"no", CANONICALIZE_NO},    {"always", CANONICALIZE_ALWAYS}, {NULL, 0}};
static const struct option_choice control_master[] = {
    {"true", CONTROL_MASTER_YES},         {"yes", CONTROL_MASTER_YES},
    {"false", CONTROL_MASTER_NO},         {"no", CONTROL_MASTER_NO},
    {"auto", CONTROL_MASTER_AUTO},        {"ask", CONTROL_MASTER_ASK},
    {"autoask", CONTROL_MASTER_AUTO_ASK}, {NULL, 0}};
static const struct option_choice detect[] = {{"normal", DETECT_NORMAL}, {"fast", DETECT_FAST}, {NULL, 0}};
static const struct option_choice request_tty[] = {{"true", REQUEST_TTY_YES},
                                                   {"false", REQUEST_TTY_NO},
                                                   {"yes", REQUEST_TTY_YES},
                                                   {"no", REQUEST_TTY_NO},
                                                   {"force", REQUEST_TTY_FORCE},
                                                   {"auto", REQUEST_TTY_AUTO},
                                                   {NULL, 0}};
static const struct option_choice session_type[] = {{"none", SESSION_TYPE_NONE},
                                                    {"subsystem", SESSION_TYPE_SUBSYSTEM},
                                                    {"default", SESSION_TYPE_DEFAULT},
                                                    {NULL, 0}};
static const struct option_choice strict_host_key[] = {{"true", STRICT_YES},
                                                       {"false", STRICT_NO},
                                                       {"yes", STRICT_YES},
                                                       {"no", STRICT_NO},
                                                       {"ask", STRICT_ASK},
                                                       {"off", STRICT_NO},
                                                       {"accept-new", STRICT_ACCEPT_NEW},
                                                       {NULL, 0}};
static const struct option_choice tunnel_mode[] = {{"ethernet", TUNNEL_ETHERNET},
                                                   {"point-to-point", TUNNEL_POINT_TO_POINT},
                                                   {"true", TUNNEL_POINT_TO_POINT},
                                                   {"yes", TUNNEL_POINT_TO_POINT},
                                                   {"false", TUNNEL_NO},
                                                   {"no", TUNNEL_NO},
                                                   {NULL, 0}};
static const struct option_choice update_host_keys[] = {
    {"true", UPDATE_HOST_KEYS_YES}, {"false", UPDATE_HOST_KEYS_NO}, {"yes", UPDATE_HOST_KEYS_YES},
    {"no", UPDATE_HOST_KEYS_NO},    {"ask", UPDATE_HOST_KEYS_ASK},  {NULL, 0}};
static const struct option_choice verify_dns[] = {{"true", VERIFY_DNS_YES}, {"false", VERIFY_DNS_NO},
                                                  {"yes", VERIFY_DNS_YES},  {"no", VERIFY_DNS_NO},
                                                  {"ask", VERIFY_DNS_ASK},  {NULL, 0}};
static const struct option_choice pubkey_auth[] = {{"true", PUBKEY_AUTH_YES},
                                                   {"false", PUBKEY_AUTH_NO},
                                                   {"yes", PUBKEY_AUTH_YES},
                                                   {"no", PUBKEY_AUTH_NO},
                                                   {"unbound", PUBKEY_AUTH_UNBOUND},
                                                   {"host-bound", PUBKEY_AUTH_HOST_BOUND},
                                                   {NULL, 0}};
static const struct option_choice fingerprint_hash[] = {
    {"SHA256", FINGERPRINT_SHA256}, {"MD5", FINGERPRINT_MD5},       {"SHA1", FINGERPRINT_SHA1},
    {"SHA384", FINGERPRINT_SHA384}, {"SHA512", FINGERPRINT_SHA512}, {NULL, 0}};
static const struct option_choice log_level[] = {{"SILENT", LOG_LEVEL_QUIET},
                                                 {"QUIET", LOG_LEVEL_QUIET},
                                                 {"FATAL", LOG_LEVEL_FATAL},
                                                 {"ERROR", LOG_LEVEL_ERROR},
                                                 {"INFO", LOG_LEVEL_INFO},
                                                 {"VERBOSE", LOG_LEVEL_VERBOSE},
                                                 {"DEBUG", LOG_LEVEL_DEBUG1},
                                                 {"DEBUG1", LOG_LEVEL_DEBUG1},
                                                 {"DEBUG2", LOG_LEVEL_DEBUG2},
                                                 {"DEBUG3", LOG_LEVEL_DEBUG3},
                                                 {NULL, 0}};

/* ---- The rows ---- */

#define BUILT   OPTION_BUILT
#define PENDING OPTION_PENDING
#define NOTED   OPTION_NOTED
#define LOW     OPTION_NOTED_LOW

#define AT(field)                 .offset = offsetof(struct options, field)
#define ROW(name_, kind_, state_) .name = name_, .kind = OPTION_##kind_, .state = state_
#define FLAG(name, field, state)          \
    {                                     \
        ROW(name, FLAG, state), AT(field) \
    }
#define CHOICE(name, field, state)                            \
    {                                                         \
        ROW(name, CHOICE, state), AT(field), .choices = field \
    }
#define NUMBER(name, field, low, high, state)                        \
    {                                                                \
        ROW(name, NUMBER, state), AT(field), .min = low, .max = high \
    }
#define TIME(name, field, state)          \
    {                                     \
        ROW(name, TIME, state), AT(field) \
    }
#define TEXT(name, field, state)          \
    {                                     \
        ROW(name, TEXT, state), AT(field) \
    }
#define COMMAND(name, field, state)          \
    {                                        \
        ROW(name, COMMAND, state), AT(field) \
    }
#define FILES(name, field, state)          \
    {                                      \
        ROW(name, FILES, state), AT(field) \
    }
#define SPECIAL(name, setter, state)             \
    {                                            \
        ROW(name, SPECIAL, state), .set = setter \
    }
#define SPECIAL_AT(name, field, setter, state)              \
    {                                                       \
        ROW(name, SPECIAL, state), AT(field), .set = setter \
    }
#define MANY(name, setter, state)                                     \
    {                                                                 \
        ROW(name, SPECIAL, state), .set = setter, .accumulates = true \
    }
#define ALGOS(name, field, list, says, state)                          \
    {                                                                  \
        ROW(name, ALGOS, state), AT(field), .min = list, .words = says \
    }
#define FORGET(name)                                  \
    {                                                 \
        ROW(name, FORGET, BUILT), .accumulates = true \
    }
#define ANY_NUMBER INT32_MAX

const struct option_row option_rows[] = {
    /* where and how to connect */
    TEXT("HostName", host_name, BUILT),
    TEXT("User", user, BUILT),
    SPECIAL("Port", option_set_port, BUILT),
    {ROW("AddressFamily", CHOICE, BUILT), AT(family), .choices = address_family},
    TEXT("BindAddress", bind_address, BUILT),
    TEXT("BindInterface", bind_interface, BUILT),
    TIME("ConnectTimeout", connect_timeout_s, BUILT),
    NUMBER("ConnectionAttempts", connection_attempts, 1, ANY_NUMBER, BUILT),
    FLAG("TCPKeepAlive", tcp_keepalive, BUILT),
    TIME("ServerAliveInterval", alive_interval_s, BUILT),
    NUMBER("ServerAliveCountMax", alive_count_max, 0, ANY_NUMBER, BUILT),
    SPECIAL("RekeyLimit", option_set_rekey, BUILT),
    SPECIAL_AT("Compression", compression, option_set_compression, BUILT),
    SPECIAL_AT("VersionAddendum", version_addendum, option_set_version_addendum, BUILT),
    SPECIAL("IPQoS", option_set_ip_qos, BUILT),
    SPECIAL_AT("ProxyCommand", proxy_command, option_set_proxy_command, BUILT),
    SPECIAL_AT("ProxyJump", proxy_jump, option_set_proxy_jump, BUILT),
    FLAG("ProxyUseFdpass", proxy_use_fdpass, BUILT),
    SPECIAL_AT("AditProxy", proxy_url, option_set_proxy_url, BUILT),
    /* the name's canonical form */
    CHOICE("CanonicalizeHostname", canonicalize_hostname, BUILT),
    SPECIAL_AT("CanonicalDomains", canonical_domains, option_set_domains, BUILT),
    FLAG("CanonicalizeFallbackLocal", canonicalize_fallback_local, BUILT),
    NUMBER("CanonicalizeMaxDots", canonicalize_max_dots, 0, ANY_NUMBER, BUILT),
    SPECIAL_AT("CanonicalizePermittedCNAMEs", canonicalize_permitted_cnames, option_set_cnames, BUILT),
    /* algorithms */
    ALGOS("KexAlgorithms", kex, SSH_LIST_KEX, "Bad SSH2 KexAlgorithms", BUILT),
    ALGOS("Ciphers", ciphers, SSH_LIST_CIPHER, "Bad SSH2 cipher spec", BUILT),
    ALGOS("MACs", macs, SSH_LIST_MAC, "Bad SSH2 MAC spec", BUILT),
    ALGOS("HostKeyAlgorithms", host_key_algorithms, SSH_LIST_HOST_KEY, "Bad key types", BUILT),
    ALGOS("PubkeyAcceptedAlgorithms", pubkey_algorithms, SSH_LIST_PUBKEY, "Bad key types", BUILT),
    ALGOS("CASignatureAlgorithms", ca_algorithms, SSH_LIST_SIG, "Bad key types", BUILT),
    NUMBER("RequiredRSASize", required_rsa_size, 0, ANY_NUMBER, BUILT),
    FLAG("WarnWeakCrypto", warn_weak_crypto, BUILT),
    /* the server's key */
    CHOICE("StrictHostKeyChecking", strict_host_key, BUILT),
    FILES("UserKnownHostsFile", user_known_hosts, BUILT),
    FILES("GlobalKnownHostsFile", global_known_hosts, BUILT),
    TEXT("HostKeyAlias", host_key_alias, BUILT),
    FLAG("HashKnownHosts", hash_known_hosts, BUILT),
    FLAG("CheckHostIP", check_host_ip, BUILT),
    FLAG("NoHostAuthenticationForLocalhost", no_host_auth_localhost, BUILT),
    FLAG("VisualHostKey", visual_host_key, BUILT),
    {ROW("FingerprintHash", CHOICE, BUILT), AT(fingerprint_hash), .choices = fingerprint_hash,
     .words = "Invalid hash algorithm"},
    FILES("RevokedHostKeys", revoked_host_keys, BUILT),
    COMMAND("KnownHostsCommand", known_hosts_command, BUILT),
    {ROW("UpdateHostKeys", SPECIAL, BUILT), AT(update_host_keys), .set = option_set_update_host_keys,
     .choices = update_host_keys},
    {ROW("VerifyHostKeyDNS", CHOICE, NOTED), AT(verify_host_key_dns), .choices = verify_dns},
    SPECIAL("AditHostKeyFingerprint", option_set_fingerprint, BUILT),
    /* who we are */
    {ROW("PubkeyAuthentication", SPECIAL, BUILT), AT(pubkey_auth_mode), .set = option_set_pubkey_auth,
     .choices = pubkey_auth},
    FLAG("PasswordAuthentication", password_auth, BUILT),
    FLAG("KbdInteractiveAuthentication", kbdint_auth, BUILT),
    TEXT("PreferredAuthentications", preferred_auth, BUILT),
    TEXT("KbdInteractiveDevices", kbdint_devices, BUILT),
    NUMBER("NumberOfPasswordPrompts", password_prompts, 0, ANY_NUMBER, BUILT),
    FLAG("BatchMode", batch_mode, BUILT),
    {ROW("IdentityFile", SPECIAL, BUILT), AT(identity_files), .set = option_set_key_file, .accumulates = true,
     .words = "Too many identity files specified"},
    {ROW("CertificateFile", SPECIAL, BUILT), AT(certificate_files), .set = option_set_key_file,
     .accumulates = true, .words = "Too many certificate files specified"},
    FLAG("IdentitiesOnly", identities_only, BUILT),
    SPECIAL_AT("IdentityAgent", identity_agent, option_set_agent, BUILT),
    SPECIAL_AT("ForwardAgent", forward_agent, option_set_forward_agent, BUILT),
    SPECIAL_AT("AddKeysToAgent", add_keys_to_agent, option_set_add_keys, BUILT),
    /* forwards */
    MANY("LocalForward", option_set_forward_local, BUILT),
    MANY("RemoteForward", option_set_forward_remote, BUILT),
    MANY("DynamicForward", option_set_forward_dynamic, BUILT),
    FLAG("ClearAllForwardings", clear_all_forwardings, BUILT),
    FLAG("ExitOnForwardFailure", exit_on_forward_failure, BUILT),
    FLAG("GatewayPorts", gateway_ports, BUILT),
    SPECIAL_AT("StreamLocalBindMask", stream_local_bind_mask, option_set_mask, BUILT),
    FLAG("StreamLocalBindUnlink", stream_local_bind_unlink, BUILT),
    SPECIAL_AT("PermitRemoteOpen", permit_remote_opens, option_set_permit_open, BUILT),
    SPECIAL_AT("ChannelTimeout", channel_timeouts, option_set_channel_timeout, BUILT),
    /* the session */
    CHOICE("SessionType", session_type, BUILT),
    COMMAND("RemoteCommand", remote_command, BUILT),
    CHOICE("RequestTTY", request_tty, BUILT),
    FLAG("StdinNull", stdin_null, BUILT),
    FLAG("ForkAfterAuthentication", fork_after_auth, BUILT),
    {ROW("SendEnv", SPECIAL, BUILT), AT(send_env), .set = option_set_send_env, .accumulates = true},
    SPECIAL_AT("SetEnv", set_env, option_set_env, BUILT),
    SPECIAL("EscapeChar", option_set_escape, BUILT),
    FLAG("EnableEscapeCommandline", enable_escape_commandline, BUILT),
    COMMAND("LocalCommand", local_command, BUILT), /* nothing without the next one */
    FLAG("PermitLocalCommand", permit_local_command, BUILT),
    SPECIAL_AT("ObscureKeystrokeTiming", obscure_keystroke_ms, option_set_keystroke, BUILT),
    CHOICE("ControlMaster", control_master, BUILT),
    TEXT("ControlPath", control_path, BUILT),
    SPECIAL_AT("ControlPersist", control_persist, option_set_persist, BUILT),
    /* ourselves */
    {ROW("LogLevel", CHOICE, BUILT), AT(log_level), .choices = log_level, .words = "unsupported log level"},
    SPECIAL_AT("LogVerbose", log_verbose, option_set_log_verbose, NOTED),
    SPECIAL_AT("SyslogFacility", syslog_facility, option_set_facility, BUILT),
    TEXT("Tag", tag, BUILT),
    TEXT("IgnoreUnknown", ignore_unknown, BUILT),
    SPECIAL_AT("RefuseConnection", refuse_connection, option_set_refuse, BUILT),
    FLAG("AditExitCodes", exit_codes, BUILT),
    SPECIAL("AditReadyFd", option_set_ready_fd, BUILT),
    FLAG("AditReconnect", reconnect, BUILT),
    FLAG("AditReclaim", reclaim, BUILT),
    FLAG("AditSandbox", sandbox, BUILT),
    CHOICE("AditDetect", detect, BUILT),
    SPECIAL("AditBackoff", option_set_backoff, BUILT),
    /* what adit does not do */
    FLAG("ForwardX11", forward_x11, NOTED),
    FLAG("ForwardX11Trusted", forward_x11_trusted, LOW),
    TIME("ForwardX11Timeout", forward_x11_timeout_s, LOW),
    TEXT("XAuthLocation", xauth_location, LOW),
    FLAG("GSSAPIAuthentication", gssapi_auth, LOW),
    FLAG("GSSAPIDelegateCredentials", gssapi_delegate, LOW),
    FLAG("GSSAPIKeyExchange", gssapi_key_exchange, LOW),
    FLAG("GSSAPIRenewalForcesRekey", gssapi_renewal, LOW),
    FLAG("GSSAPITrustDns", gssapi_trust_dns, LOW),
    TEXT("GSSAPIClientIdentity", gssapi_client, LOW),
    TEXT("GSSAPIServerIdentity", gssapi_server, LOW),
    TEXT("GSSAPIKexAlgorithms", gssapi_kex, LOW),
    FLAG("HostbasedAuthentication", hostbased_auth, NOTED),
    ALGOS("HostbasedAcceptedAlgorithms", hostbased_algorithms, SSH_LIST_PUBKEY, "Bad key types", LOW),
    FLAG("EnableSSHKeysign", enable_ssh_keysign, NOTED),
    TEXT("PKCS11Provider", pkcs11_provider, NOTED),
    TEXT("SecurityKeyProvider", security_key_provider, NOTED),
    {ROW("Tunnel", CHOICE, NOTED), AT(tunnel), .choices = tunnel_mode},
    SPECIAL_AT("TunnelDevice", tunnel_device, option_set_tunnel_device, NOTED),
    /* ssh forgot these, and so do we */
    FORGET("AFSTokenPassing"),
    FORGET("Cipher"),
    FORGET("CompressionLevel"),
    FORGET("FallBackToRsh"),
    FORGET("GlobalKnownHostsFile2"),
    FORGET("KerberosAuthentication"),
    FORGET("KerberosTGTPassing"),
    FORGET("Protocol"),
    FORGET("RhostsAuthentication"),
    FORGET("RhostsRSAAuthentication"),
    FORGET("RSAAuthentication"),
    FORGET("UsePrivilegedPort"),
    FORGET("UseRoaming"),
    FORGET("UseRsh"),
    FORGET("UserKnownHostsFile2"),
};

static const struct {
    const char *old, *now;
} old_names[] = {
    {"KeepAlive", "TCPKeepAlive"},
    {"PubkeyAcceptedKeyTypes", "PubkeyAcceptedAlgorithms"},
    {"HostbasedKeyTypes", "HostbasedAcceptedAlgorithms"},
    {"DSAAuthentication", "PubkeyAuthentication"},
    {"ChallengeResponseAuthentication", "KbdInteractiveAuthentication"},
    {"SKeyAuthentication", "KbdInteractiveAuthentication"},
    {"TISAuthentication", "KbdInteractiveAuthentication"},
    {"IdentityFile2", "IdentityFile"},
    {"SmartcardDevice", "PKCS11Provider"},
};

_Static_assert(ADIT_COUNT(option_rows) <= OPTIONS_KEYWORDS_MAX, "struct options needs a mark for each row");

size_t option_row_count(void)
{
    return ADIT_COUNT(option_rows);
}

const struct option_row *option_row_find(const char *keyword)
{
    for (size_t i = 0; i < ADIT_COUNT(old_names); i++)
        if (text_same(old_names[i].old, keyword))
            keyword = old_names[i].now;
    for (size_t i = 0; i < ADIT_COUNT(option_rows); i++)
        if (text_same(option_rows[i].name, keyword))
            return &option_rows[i];
    return NULL;
}

const char *option_choice_name(const struct option_row *row, uint32_t value)
{
    for (const struct option_choice *c = row->choices; c->name != NULL; c++)
        if (c->value == value)
            return c->name;
    return "";
}
