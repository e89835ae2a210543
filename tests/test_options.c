#include "test.h"

#include <string.h>

#include "client/options.h"

static struct options o;

static int setup(void **state)
{
    (void)state;
    options_init(&o);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    options_wipe(&o);
    return 0;
}

static void good(const char *line)
{
    struct adit_error err = {0};
    enum adit_err e = options_set_line(&o, line, &err);
    if (e != ADIT_E_OK)
        print_error("%s: %s\n", line, err.text);
    assert_int_equal(e, ADIT_E_OK);
}

static void bad(const char *line, enum adit_err wanted, const char *names)
{
    struct adit_error err = {0};
    enum adit_err e = options_set_line(&o, line, &err);
    if (e != wanted || strstr(err.text, names) == NULL)
        print_error("%s: %d %s\n", line, (int)e, err.text);
    assert_int_equal(e, wanted);
    assert_non_null(strstr(err.text, names));
}

static void test_defaults(void **state)
{
    (void)state;
    assert_int_equal(o.port, 22);
    assert_true(o.tcp_keepalive && o.pubkey_auth && o.password_auth && o.kbdint_auth &&
                o.host_key_order_is_free);
    assert_int_equal(o.strict_host_key, STRICT_ASK);
    assert_int_equal(o.alive_interval_s, 0);
    assert_int_equal(o.alive_count_max, 3);
    assert_int_equal(o.password_prompts, 3);
    assert_int_equal(o.ready_fd, OPTIONS_READY_NONE);
    assert_false(options_is_set(&o, "Port"));
}

static void test_spellings(void **state)
{
    (void)state;
    good("Port=2222");
    assert_int_equal(o.port, 2222);
    good("  user \t=  \"al ice\" ");
    assert_string_equal(o.user, "al ice");
    good("HOSTNAME = h.example # a comment");
    assert_string_equal(o.host_name, "h.example");
    assert_true(options_is_set(&o, "hostname"));
}

static void test_first_wins(void **state)
{
    (void)state;
    good("Port=1");
    good("Port=2");
    assert_int_equal(o.port, 1);
    bad("Port=x", ADIT_E_USAGE, "Port"); /* checked although it is too late */
    good("BatchMode no");
    good("BatchMode yes");
    assert_false(o.batch_mode);
    good("KeepAlive no");
    good("TCPKeepAlive yes"); /* one field, two names */
    assert_false(o.tcp_keepalive);
}

static void test_accumulate(void **state)
{
    (void)state;
    good("IdentityFile ~/.ssh/a");
    good("IdentityFile \"~/with blank\"");
    good("IdentityFile ~/.ssh/a");
    assert_int_equal(o.identity_files.count, 2);
    assert_string_equal(o.identity_files.item[1], "~/with blank");
    good("LocalForward 8080 h:80");
    good("LocalForward=127.0.0.1:8081 h:81");
    good("RemoteForward [::1]:9000 h:80");
    good("DynamicForward 1080");
    assert_int_equal(o.forward_count, 4);
    assert_int_equal(o.forwards[1].port, 8081);
    assert_string_equal(o.forwards[2].address, "::1");
    assert_int_equal(o.forwards[3].type, FORWARD_DYNAMIC);
}

static void test_values(void **state)
{
    (void)state;
    good("ServerAliveInterval 1m");
    assert_int_equal(o.alive_interval_s, 60);
    good("ConnectTimeout=none");
    assert_int_equal(o.connect_timeout_s, 0);
    good("RekeyLimit 1G 1h");
    assert_int_equal(o.rekey_bytes, 1024 * 1024 * 1024);
    assert_int_equal(o.rekey_seconds, 3600);
    good("StrictHostKeyChecking off");
    assert_int_equal(o.strict_host_key, STRICT_NO);
    good("AddressFamily inet6");
    assert_int_equal(o.family, FAMILY_INET6);
    good("LogLevel debug2");
    assert_int_equal(o.log_level, LOG_LEVEL_DEBUG2);
    good("UserKnownHostsFile /a \"/b c\"");
    assert_int_equal(o.user_known_hosts.count, 2);
    assert_string_equal(o.user_known_hosts.item[1], "/b c");
    good("SessionType none");
    assert_int_equal(o.session_type, SESSION_TYPE_NONE);
    good("AditReadyFd 5");
    assert_int_equal(o.ready_fd, 5);
    good("AditReconnect yes");
    assert_true(o.reconnect);
    good("AditReclaim yes");
    assert_true(o.reclaim);
    good("AditDetect fast");
    assert_int_equal(o.detect, DETECT_FAST);
    good("AditBackoff 2s 1m30s");
    assert_int_equal(o.backoff_first_ms, 2000);
    assert_int_equal(o.backoff_cap_ms, 90000);
}

static void test_rekey_forms(void **state)
{
    (void)state;
    good("RekeyLimit default 5");
    assert_int_equal(o.rekey_bytes, 0);
    assert_int_equal(o.rekey_seconds, 5);
    good("RekeyLimit 0");
    assert_int_equal(o.rekey_bytes, 0);
    static const char *const wrong[] = {"RekeyLimit",
                                        "RekeyLimit 15",
                                        "RekeyLimit 1k x",
                                        "RekeyLimit 1k 1 1",
                                        "RekeyLimit DEFAULT",
                                        "RekeyLimit -16",
                                        "RekeyLimit 9223372036854775808"};
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++)
        bad(wrong[i], ADIT_E_USAGE, "ekey");
}

static void test_fingerprint(void **state)
{
    (void)state;
    bad("AditHostKeyFingerprint SHA256:short", ADIT_E_USAGE, "AditHostKeyFingerprint");
    bad("AditHostKeyFingerprint MD5:00", ADIT_E_USAGE, "AditHostKeyFingerprint");
    good("AditHostKeyFingerprint SHA256:icSle8SDPwH/ChdT2speFwQ1ZQG0bqv+Sy2bqokDmTM,"
         "SHA256:AcSle8SDPwH/ChdT2speFwQ1ZQG0bqv+Sy2bqokDmTM=");
    assert_int_equal(o.fingerprints.count, 2);
    assert_string_equal(o.fingerprints.item[1], "SHA256:AcSle8SDPwH/ChdT2speFwQ1ZQG0bqv+Sy2bqokDmTM");
}

static void test_lists(void **state)
{
    (void)state;
    good("Ciphers aes128-ctr,aes256-ctr");
    assert_string_equal(o.ciphers, "aes128-ctr,aes256-ctr");
    good("HostKeyAlgorithms ssh-ed25519");
    assert_false(o.host_key_order_is_free);
    bad("MACs nonsense", ADIT_E_USAGE, "nonsense");
    good("KexAlgorithms -ecdh-*");
    assert_null(strstr(o.kex, "ecdh"));
}

static void test_refusals(void **state)
{
    (void)state;
    bad("Nonsense yes", ADIT_E_USAGE, "Bad configuration option: nonsense");
    bad("Port", ADIT_E_USAGE, "no argument after keyword \"port\"");
    bad("Port 1 2", ADIT_E_USAGE, "keyword port extra arguments at end of line");
    bad("Port \"1", ADIT_E_USAGE, "Port: invalid quotes");
    bad("Nonsense", ADIT_E_USAGE, "no argument after keyword \"nonsense\"");
    good("");
    good(" # Port x");
    good(" = ");
    bad("BatchMode maybe", ADIT_E_USAGE, "BatchMode: unsupported option \"maybe\".");
    bad("UserKnownHostsFile none /x", ADIT_E_USAGE, "none");
    bad("AditReclaim perhaps", ADIT_E_USAGE, "AditReclaim");
    bad("AditDetect slow", ADIT_E_USAGE, "AditDetect");
    bad("AditBackoff 1s", ADIT_E_USAGE, "AditBackoff: Missing argument.");
    bad("AditBackoff 0 1", ADIT_E_USAGE, "AditBackoff");
    bad("AditBackoff 5 2", ADIT_E_USAGE, "AditBackoff");
    bad("AditBackoff 1 2d", ADIT_E_USAGE, "AditBackoff");
    bad("LocalForward", ADIT_E_USAGE, "\"localforward\"");
    bad("Host x", ADIT_E_USAGE, "Host");
    bad("Include x", ADIT_E_USAGE, "Include");
}

/* What ssh refuses, with its words (after the keyword, which ours name). */
static void test_bad_values(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"Port x", "Bad port 'x'."},
        {"Port 65536", "Bad port '65536'."},
        {"ConnectionAttempts -1", "integer value too small."},
        {"ConnectionAttempts x", "integer value invalid."},
        {"ConnectionAttempts 99999999999", "integer value too large."},
        {"ConnectTimeout x", "invalid time value."},
        {"MACs nonsense", "Bad SSH2 MAC spec 'nonsense'."},
        {"Ciphers nonsense", "Bad SSH2 cipher spec 'nonsense'."},
        {"KexAlgorithms nonsense", "Bad SSH2 KexAlgorithms 'nonsense'."},
        {"HostKeyAlgorithms x", "Bad key types 'x'."},
        {"LocalForward x", "Missing target argument."},
        {"LocalForward x y", "Bad forwarding specification."},
        {"EscapeChar xx", "Bad escape character."},
        {"SetEnv a", "Invalid SetEnv."},
        {"SendEnv a=b", "Invalid environment name."},
        {"IPQoS x", "Bad IPQoS value: x"},
        {"IPQoS ef 256", "Bad IPQoS value: 256"},
        {"StreamLocalBindMask 999", "Bad mask."},
        {"StreamLocalBindMask 01777", "Bad mask."},
        {"PermitRemoteOpen x", "bad port number in permitremoteopen"},
        {"PermitRemoteOpen any a:1", "must appear alone"},
        {"RekeyLimit 1", "RekeyLimit too small"},
        {"TunnelDevice x", "Bad tun device."},
        {"AddKeysToAgent x", "unsupported option"},
        {"AddKeysToAgent confirm x", "invalid time value."},
        {"CanonicalDomains -a", "domain name \"-a\" starts with invalid character"},
        {"CanonicalDomains a..b", "contains consecutive separators"},
        {"CanonicalDomains a/b", "contains invalid characters"},
        {"CanonicalizePermittedCNAMEs x", "Invalid permitted CNAME \"x\""},
        {"FingerprintHash x", "Invalid hash algorithm 'x'"},
        {"ForwardAgent", "no argument after keyword"},
        {"ChannelTimeout x", "invalid channel timeout x"},
        {"ObscureKeystrokeTiming x", "unsupported argument \"x\""},
        {"ObscureKeystrokeTiming interval:9000", "value out of range."},
        {"LogLevel x", "unsupported log level 'x'"},
        {"SyslogFacility x", "unsupported log facility 'x'"},
        {"IdentityAgent $a-b", "Invalid environment name $a-b."},
        {"ControlPersist x", "Bad ControlPersist argument."},
        {"Compression true", "unsupported option \"true\"."},
        {"User \"\"", "Missing argument."},
        {"ProxyJump ::", "Invalid ProxyJump \"::\": "},
        {"ProxyJump a,,b", "Invalid ProxyJump"},
        {"ProxyJump a:0", "Invalid ProxyJump"},
        {"ProxyJump a;b", "Invalid ProxyJump"},
        {"ProxyJump [::1", "Invalid ProxyJump"},
        {"AditProxy ftp://user:secret@h", "AditProxy"},
    };
    for (size_t i = 0; i < ADIT_COUNT(lines); i++)
        bad(lines[i][0], ADIT_E_USAGE, lines[i][1]);
    struct adit_error err = {0};
    assert_int_not_equal(options_set_line(&o, "AditProxy ftp://user:secret@h", &err), ADIT_E_OK);
    assert_null(strstr(err.text, "secret"));
}

static void test_more_values(void **state)
{
    (void)state;
    good("IPQoS af21 none");
    assert_int_equal(o.ip_qos_interactive, 0x48);
    assert_int_equal(o.ip_qos_bulk, OPTIONS_IP_QOS_NONE);
    good("EscapeChar ^x");
    assert_int_equal(o.escape_char, 'x' & 31);
    good("AddKeysToAgent confirm 1h");
    assert_int_equal(o.add_keys_to_agent, ADD_KEYS_CONFIRM);
    assert_int_equal(o.add_keys_lifetime_s, 3600);
    good("ControlPersist 5m");
    assert_true(o.control_persist);
    assert_int_equal(o.control_persist_s, 300);
    good("ForwardAgent $SOCK");
    assert_true(o.forward_agent);
    assert_string_equal(o.forward_agent_path, "$SOCK");
    good("StreamLocalBindMask 0111");
    assert_int_equal(o.stream_local_bind_mask, 0111);
    good("ObscureKeystrokeTiming interval:80");
    assert_int_equal(o.obscure_keystroke_ms, 80);
    good("ChannelTimeout session=5m *=1h");
    assert_int_equal(o.channel_timeouts.count, 2);
    good("CanonicalDomains Example.COM. b.example");
    assert_string_equal(o.canonical_domains.item[0], "example.com");
    good("TunnelDevice 3");
    assert_string_equal(o.tunnel_device, "3:any");
    good("SyslogFacility local1");
    assert_string_equal(o.syslog_facility, "LOCAL1");
    good("PubkeyAuthentication host-bound");
    assert_true(o.pubkey_auth && o.pubkey_auth_mode == PUBKEY_AUTH_HOST_BOUND);
    good("ConnectTimeout none"); /* says nothing */
    good("ConnectTimeout 5");
    assert_int_equal(o.connect_timeout_s, 5);
}

static void test_environment(void **state)
{
    (void)state;
    good("SendEnv LANG LC_*");
    good("SendEnv FOO");
    good("SendEnv -LC*");
    assert_int_equal(o.send_env.count, 2);
    assert_string_equal(o.send_env.item[1], "FOO");
    good("SetEnv A=1 A=2 B=\"x y\"");
    good("SetEnv C=3");
    assert_int_equal(o.set_env.count, 2);
    assert_string_equal(o.set_env.item[0], "A=1");
    assert_string_equal(o.set_env.item[1], "B=x y");
}

static void test_quotes(void **state)
{
    (void)state;
    good("User 'a \"b'");
    assert_string_equal(o.user, "a \"b");
    good("Tag a\\ b");
    assert_string_equal(o.tag, "a b");
    good("\"HostKeyAlias\" x\\y#z # no");
    assert_string_equal(o.host_key_alias, "x\\y#z");
    /* A command is the rest of the line as it stands. */
    good("ProxyCommand=nc \"%h\" it # ");
    assert_string_equal(o.proxy_command, "nc \"%h\" it #");
    good("LocalCommand =\t= x = y"); /* ssh passes over each = before it */
    assert_string_equal(o.local_command, "x = y");
    bad("RemoteCommand ==", ADIT_E_USAGE, "RemoteCommand");
    bad("RemoteCommand echo it's", ADIT_E_USAGE, "RemoteCommand: invalid quotes");
}

static void test_proxies_compete(void **state)
{
    (void)state;
    good("ProxyCommand none");
    good("ProxyJump a@[::1]:22,ssh://b:3");
    assert_null(o.proxy_jump);
    bad("ProxyJump #a", ADIT_E_USAGE, "proxyjump");
    bad("ProxyJump a@#b", ADIT_E_USAGE, "ProxyJump");
    options_wipe(&o);
    options_init(&o);
    good("ProxyJump a,b#c d");
    assert_string_equal(o.proxy_jump, "a,b");
    options_wipe(&o);
    options_init(&o);
    good("ProxyJump a b");
    assert_string_equal(o.proxy_jump, "a");
    options_wipe(&o);
    options_init(&o);
    good("ProxyJump a@[::1]:22,ssh://b:3");
    good("ProxyCommand x");
    assert_null(o.proxy_command);
    assert_string_equal(o.proxy_jump, "a@[::1]:22,ssh://b:3");
}

/* A file written for ssh may name what adit does not have. */
static void test_foreign_algorithms(void **state)
{
    (void)state;
    good("HostKeyAlgorithms +ssh-rsa,ssh-dss");
    assert_true(o.host_key_order_is_free);
    assert_null(strstr(o.host_key_algorithms, "ssh-rsa"));
    assert_non_null(strstr(o.host_key_algorithms, "ssh-ed25519"));
    good("Ciphers 3des-cbc,aes128-ctr");
    assert_string_equal(o.ciphers, "aes128-ctr");
    bad("MACs hmac-md5,hmac-sha1", ADIT_E_UNSUPPORTED, "hmac-md5");
}

static void test_ignore_unknown(void **state)
{
    (void)state;
    bad("UseKeychain yes", ADIT_E_USAGE, "usekeychain");
    good("IgnoreUnknown use*,Foo");
    good("UseKeychain yes");
    good("foo \"a b\" c");
    bad("foo \"unbalanced", ADIT_E_USAGE, "invalid quotes");
    bad("Bar 1", ADIT_E_USAGE, "option: bar");
}

static void check(const char *line, enum adit_err wanted)
{
    struct adit_error err = {0};
    options_wipe(&o);
    options_init(&o);
    good(line);
    if (options_check(&o, &err) != wanted)
        print_error("%s: %s\n", line, err.text);
    assert_int_equal(err.code, wanted);
}

static void test_check(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "Compression no",       "ForwardAgent no",       "ControlPath none", "RequiredRSASize 1024",
        "ProxyCommand none",    "ProxyJump none",        "IPQoS none",       "UpdateHostKeys no",
        "AddKeysToAgent no",    "ControlPersist no",     "RequestTTY auto",  "CertificateFile none",
        "RevokedHostKeys none", "ForwardX11Trusted yes", "Tunnel no",        "GSSAPIAuthentication no"};
    for (size_t i = 0; i < ADIT_COUNT(fine); i++)
        check(fine[i], ADIT_E_OK);
    assert_int_equal(o.notes.count + o.debug_notes.count, 0);
    check("RefuseConnection \"use the other one\"", ADIT_E_CONFIG);
}

/* Numbers as ssh's strtonum takes them. */
static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        uint32_t value; /* of CanonicalizeMaxDots */
        const char *says;
    } cases[] = {
        {"CanonicalizeMaxDots +5", 5, NULL},
        {"CanonicalizeMaxDots \" 7\"", 7, NULL},
        {"CanonicalizeMaxDots -0", 0, NULL},
        {"CanonicalizeMaxDots 2147483647", INT32_MAX, NULL},
        {"CanonicalizeMaxDots 2147483648", 0, "too large"},
        {"CanonicalizeMaxDots -1", 0, "too small"},
        {"CanonicalizeMaxDots +-1", 0, "invalid"},
        {"CanonicalizeMaxDots +", 0, "invalid"},
        {"CanonicalizeMaxDots 0x10", 0, "invalid"},
        {"ConnectionAttempts 0", 0, "too small"},
    };
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        options_wipe(&o);
        options_init(&o);
        if (cases[i].says != NULL)
            bad(cases[i].line, ADIT_E_USAGE, cases[i].says);
        else
            good(cases[i].line);
        assert_true(cases[i].says != NULL || o.canonicalize_max_dots == cases[i].value);
    }
    good("ServerAliveCountMax 0");
    assert_int_equal(o.alive_count_max, 0);
    good("Port +22");
    assert_int_equal(o.port, 22);
}

/* Where ssh wants a word in lower case, and forms that it does not take. */
static void test_forms(void **state)
{
    (void)state;
    static const char *const wrong[] = {"ConnectTimeout NONE",
                                        "ControlPersist Yes",
                                        "EscapeChar NONE",
                                        "EscapeChar ^?",
                                        "EscapeChar ^1",
                                        "ForwardAgent $",
                                        "IdentityAgent $",
                                        "LogVerbose none a",
                                        "CanonicalDomains .a",
                                        "PermitRemoteOpen a/8:1",
                                        "RemoteForward 80:host:80",
                                        "RemoteForward 8080 80", /* not a SOCKS server at the address 8080 */
                                        "RemoteForward localhost 8080",
                                        "FingerprintHash sha2",
                                        "ObscureKeystrokeTiming YES"};
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++)
        bad(wrong[i], ADIT_E_USAGE, ":");
    good("FingerprintHash sha512");
    assert_int_equal(o.fingerprint_hash, FINGERPRINT_SHA512);
    good("UserKnownHostsFile NONE");
    assert_string_equal(o.user_known_hosts.item[0], "none");
    good("TunnelDevice Any");
    assert_string_equal(o.tunnel_device, "any:any");
    good("RemoteForward /a:/b");
    good("SetEnv A= =b");
}

/* Lists of algorithms: wildcards are for types of keys, and for taking away. */
static void test_list_forms(void **state)
{
    (void)state;
    static const char *const wrong[] = {"Ciphers +",        "Ciphers ^",
                                        "Ciphers *",        "MACs +hmac*",
                                        "KexAlgorithms ^*", "HostKeyAlgorithms ^aes*",
                                        "Ciphers ,",        "CASignatureAlgorithms +"};
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++)
        bad(wrong[i], ADIT_E_USAGE, "Bad");
    good("Ciphers ,aes128-ctr,");
    assert_string_equal(o.ciphers, "aes128-ctr");
    good("HostKeyAlgorithms *ed25519");
    assert_string_equal(o.host_key_algorithms, "ssh-ed25519");
    good("PubkeyAcceptedAlgorithms -sk-*,rsa*");
    assert_null(strstr(o.pubkey_algorithms, "sk-"));
}

/* Whom -l and user@ name is taken as it stands. */
static void test_user(void **state)
{
    struct adit_error err = {0};
    (void)state;
    assert_int_equal(options_set_user(&o, "%u", &err), ADIT_E_OK);
    assert_true(o.user_is_literal);
    options_wipe(&o);
    options_init(&o);
    good("User %u");
    assert_int_equal(options_set_user(&o, "other", &err), ADIT_E_OK);
    assert_string_equal(o.user, "%u");
    assert_false(o.user_is_literal);
}

/* What asks for nothing has nothing to be told about. */
static void test_no_notes(void **state)
{
    (void)state;
    static const char *const lines[] = {"LogVerbose none",
                                        "SecurityKeyProvider internal",
                                        "TunnelDevice any",
                                        "Tunnel no",
                                        "PKCS11Provider none",
                                        "XAuthLocation /usr/bin/xauth",
                                        "ForwardX11 no",
                                        "ForwardX11Trusted yes",
                                        "ForwardX11Timeout 20m",
                                        "GSSAPIAuthentication no",
                                        "VerifyHostKeyDNS no",
                                        "EnableSSHKeysign no",
                                        "HostbasedAuthentication no"};
    struct adit_error err = {0};
    for (size_t i = 0; i < ADIT_COUNT(lines); i++)
        good(lines[i]);
    good("HostbasedAcceptedAlgorithms -");
    assert_int_equal(options_check(&o, &err), ADIT_E_OK);
    assert_int_equal(o.notes.count + o.debug_notes.count, 0);
}

static void test_notes(void **state)
{
    (void)state;
    struct adit_error err = {0};
    good("ForwardX11 yes");
    good("PKCS11Provider /lib/x.so");
    good("GSSAPIAuthentication yes");
    good("Tunnel no");
    assert_int_equal(options_check(&o, &err), ADIT_E_OK);
    assert_int_equal(options_check(&o, &err), ADIT_E_OK); /* the same notes, once */
    assert_int_equal(o.notes.count, 2);
    assert_non_null(strstr(o.notes.item[0], "ForwardX11"));
    assert_int_equal(o.debug_notes.count, 1);
}

static void test_override(void **state)
{
    (void)state;
    struct adit_error err = {0};
    good("LogLevel ERROR");
    assert_int_equal(options_override(&o, "LogLevel", "DEBUG2", &err), ADIT_E_OK);
    assert_int_equal(o.log_level, LOG_LEVEL_DEBUG2);
    good("LogLevel INFO");
    assert_int_equal(o.log_level, LOG_LEVEL_DEBUG2);
    assert_int_equal(options_check_value(&o, "Port", "x", &err), ADIT_E_USAGE);
    assert_int_equal(options_check_value(&o, "Port", "5", NULL), ADIT_E_OK);
    assert_int_equal(o.port, 22);
}

static void test_default(void **state)
{
    (void)state;
    struct adit_error err = {0};
    good("ServerAliveInterval 0");
    assert_int_equal(options_default(&o, "ServerAliveInterval", "15", &err), ADIT_E_OK);
    assert_int_equal(o.alive_interval_s, 0);
    assert_int_equal(options_default(&o, "ExitOnForwardFailure", "yes", &err), ADIT_E_OK);
    assert_true(o.exit_on_forward_failure);
}

/* A flag's value is one word as it stands. */
static void test_words(void **state)
{
    (void)state;
    struct adit_error err = {0};
    assert_int_equal(options_set_word(&o, "IdentityFile", "a \"b", &err), ADIT_E_OK);
    assert_int_equal(options_set_word(&o, "IdentityFile", "c", &err), ADIT_E_OK);
    assert_string_equal(o.identity_files.item[0], "a \"b");
    assert_int_equal(o.identity_files.count, 2);
    assert_int_equal(options_set_word(&o, "Port", "1", &err), ADIT_E_OK);
    assert_int_equal(options_set_word(&o, "Port", "2", &err), ADIT_E_OK);
    assert_int_equal(o.port, 1);
    assert_int_equal(options_set_word(&o, "Port", "x", &err), ADIT_E_USAGE);
    assert_int_equal(options_set_word(&o, "NoSuch", "x", &err), ADIT_E_USAGE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_defaults),       T(test_spellings),   T(test_first_wins),      T(test_accumulate),
        T(test_values),         T(test_rekey_forms), T(test_fingerprint),     T(test_lists),
        T(test_refusals),       T(test_default),     T(test_bad_values),      T(test_more_values),
        T(test_environment),    T(test_quotes),      T(test_proxies_compete), T(test_foreign_algorithms),
        T(test_ignore_unknown), T(test_check),       T(test_notes),           T(test_no_notes),
        T(test_numbers),        T(test_forms),       T(test_list_forms),      T(test_user),
        T(test_override),       T(test_words)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
