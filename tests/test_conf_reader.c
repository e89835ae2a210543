#include "test.h"

#include <string.h>

#include "client/options.h"
#include "daemon/conf_reader.h"

/* A world in memory: "Include NAME" reads one of these. */
static const struct {
    const char *name, *text;
} files[] = {
    {"/more", "    Lazy yes\nTunnel inner\n  Via in\n  DynamicForward 1080\n"},
    {"/listen", "Listen 127.0.0.1:1\nSocket /other\n"},
    {"/bad", "# one\nAutoStart maybe\nFoo 1\n"},
    {"/self", "Include /self\n"},
    {"/same", "Tunnel web\n Via x\n DynamicForward 1\n"},
    {"/wide", "  LocalForward 0.0.0.0:8 a:1\n"},
};

static struct conf c;

static enum adit_err on_include(void *ctx, struct conf_reader *r, const char *pattern, struct adit_error *err)
{
    (void)ctx;
    if (strcmp(pattern, "/closed") == 0)
        return adit_fail(err, ADIT_E_CONFIG, "/closed: Permission denied");
    for (size_t i = 0; i < ADIT_COUNT(files); i++)
        if (strcmp(files[i].name, pattern) == 0)
            return conf_read(r, span_str(files[i].text), pattern, err);
    return ADIT_E_OK;
}

static bool is_group(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "adm") == 0;
}

static bool is_alias(void *ctx, const char *name, bool *is_unsure)
{
    (void)ctx;
    *is_unsure = strcmp(name, "perhaps") == 0;
    return strcmp(name, "alias") == 0;
}

static const struct conf_hooks hooks = {
    .include = on_include, .is_group = is_group, .is_alias = is_alias, .home = "/home/me"};

static enum adit_err read_text(const char *text, struct adit_error *err)
{
    struct conf_reader r = {.conf = &c, .hooks = &hooks};
    conf_wipe(&c);
    enum adit_err e = conf_read(&r, span_str(text), "F", err);
    return conf_read_end(&r, e, err);
}

static void good(const char *text)
{
    struct adit_error err = {0};
    enum adit_err e = read_text(text, &err);
    if (e != ADIT_E_OK)
        print_error("%s: %s\n", text, err.text);
    assert_int_equal(e, ADIT_E_OK);
    assert_int_equal(c.errors.count, 0);
}

/* errors: each with its end of line */
static void bad(const char *text, const char *errors)
{
    struct adit_error err = {0};
    char told[8192];
    size_t n = 0;
    assert_int_equal(read_text(text, &err), ADIT_E_CONFIG);
    for (size_t i = 0; i < c.errors.count; i++)
        n += adit_format(told + n, sizeof told - n, "%s\n", c.errors.item[i]);
    assert_string_equal(told, errors);
    assert_string_equal(err.text, c.errors.item[0]);
}

static void test_an_alias_that_cannot_be_had(void **state)
{
    (void)state;
    struct adit_error err = {0};
    assert_int_equal(read_text("Tunnel t\nVia h\nProfile perhaps\nDynamicForward 1\n", &err), ADIT_E_MEMORY);
    assert_string_equal(err.text, CONF_ALIASES_LACK);
    assert_int_equal(c.errors.count, 0);
    /* nor behind a line that is bad: what else is bad is not known */
    memset(&err, 0, sizeof err);
    assert_int_equal(read_text("Nonsense yes\nTunnel t\nVia h\nProfile perhaps\nDynamicForward 1\n", &err),
                     ADIT_E_MEMORY);
    assert_string_equal(err.text, CONF_ALIASES_LACK);
}

static int teardown(void **state)
{
    (void)state;
    conf_wipe(&c);
    return 0;
}

#define WEB    "Tunnel web\nVia b\nLocalForward 8443 10.0.0.5:443\n"
#define TUNNEL "Tunnel web\n Via b\n DynamicForward 1080\n " /* a fourth line follows */

static void test_empty(void **state)
{
    (void)state;
    good("");
    good("# nothing\n\n   \n\t# more\n");
    assert_int_equal(c.tunnel_count, 0);
    assert_null(c.socket);
    assert_false(c.has_log_level);
}

static void test_daemon(void **state)
{
    (void)state;
    good("Socket /run/x.sock\nSOCKETGROUP=adm\nListen [::1]:0\nStateDir \"~/a b\"\nloglevel debug\n"
         "LogFormat json\nSshConfig ~/.ssh/other\nSocket /late\n");
    assert_string_equal(c.socket, "/run/x.sock");
    assert_string_equal(c.socket_group, "adm");
    assert_string_equal(c.listen_host, "::1");
    assert_int_equal(c.listen_port, 0);
    assert_string_equal(c.state_dir, "/home/me/a b");
    assert_int_equal(c.log_level, LOG_LEVEL_DEBUG1);
    assert_int_equal(c.log_format, CONF_LOG_JSON);
    assert_true(c.has_log_format && c.has_log_level);
    assert_string_equal(c.ssh_config, "/home/me/.ssh/other");
    good("Listen none\nSshConfig NONE\nLogFormat text\n");
    assert_null(c.listen_host);
    assert_string_equal(c.ssh_config, "none");
    assert_true(c.has_log_format);
    good("Listen localhost:7171\n");
    assert_string_equal(c.listen_host, "localhost");
    assert_int_equal(c.listen_port, 7171);
}

static void test_bad_daemon(void **state)
{
    (void)state;
    bad("Listen 0.0.0.0:7171\n",
        "F:1: Listen: '0.0.0.0:7171' must be a loopback address (127.0.0.0/8 or ::1) and a port\n");
    bad("Listen 7171\n", "F:1: Listen: '7171' is not ADDRESS:PORT\n");
    bad("Listen ::1:70000\n", "F:1: Listen: '::1:70000' is not ADDRESS:PORT\n");
    bad("LogFormat xml\n", "F:1: LogFormat: 'xml' is not one of text, json\n");
    bad("LogLevel loud\n", "F:1: LogLevel: 'loud' is not one of quiet, fatal, error, info, verbose, debug1, "
                           "debug2, debug3\n");
    bad("SocketGroup nobody\n", "F:1: SocketGroup: there is no group 'nobody'\n");
    bad("Socket adit.sock\n", "F:1: Socket: the path must be absolute or begin with ~/\n");
    bad("\n\nsocket /a b\n", "F:3: Socket: extra arguments at the end of the line\n");
    bad("Socket\n", "F:1: Socket: an argument is missing\n");
    bad("Socket # where\n", "F:1: Socket: an argument is missing\n");
    bad("Socket \"/a\n", "F:1: Socket: invalid quotes\n");
    bad("Socket "
        "/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123"
        "4567890123456\n",
        "F:1: Socket: "
        "'/"
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "0"
        "123456' is longer than 107 bytes\n");
    bad("Foo bar\n", "F:1: Foo: unknown keyword\n");
    bad("=x\n", "F:1: ?: no keyword, or one that is too long\n");
    bad("User me\n", "F:1: User: belongs in a Tunnel or a Profile\n");
    bad("Port 22\n", "F:1: Port: belongs in a Tunnel or a Profile\n");
    bad("LocalForward 1 a:1\n", "F:1: LocalForward: belongs in a Tunnel\n");
    bad("Via b\n", "F:1: Via: belongs in a Tunnel\n");
    bad("Auth key\n", "F:1: Auth: belongs in a Profile\n");
    bad("Socket a\nSocket b\nFoo x\n", "F:1: Socket: the path must be absolute or begin with ~/\n"
                                       "F:2: Socket: the path must be absolute or begin with ~/\n"
                                       "F:3: Foo: unknown keyword\n");
}

static void test_profile(void **state)
{
    (void)state;
    good("Profile ops\n User alice\n Auth key\n IdentityFile ~/.ssh/ops\n PassphraseFile ~/.ssh/ops.pass\n"
         " User bob\n ProxyJump a,b\n"
         "Profile two\n Auth PASSWORD\n PasswordEnv OPS_PW\n");
    assert_int_equal(c.profile_count, 2);
    const struct profile *p = conf_profile(&c, "ops");
    assert_string_equal(p->user, "alice");
    assert_int_equal(p->auth, PROFILE_AUTH_KEY);
    assert_string_equal(p->passphrase_file, "/home/me/.ssh/ops.pass");
    assert_int_equal(p->keywords.count, 3);
    assert_string_equal(p->keywords.item[0], "User alice");
    assert_string_equal(p->keywords.item[1], "IdentityFile ~/.ssh/ops");
    assert_string_equal(p->keywords.item[2], "ProxyJump a,b");
    assert_string_equal(p->file, "F");
    assert_int_equal(p->line, 1);
    p = conf_profile(&c, "two");
    assert_int_equal(p->auth, PROFILE_AUTH_PASSWORD);
    assert_string_equal(p->password_env, "OPS_PW");
    assert_null(conf_profile(&c, "default"));
    good("Profile a\n PasswordFile /x\nProfile b\n PasswordCredential ops.pw\n");
    assert_string_equal(c.profiles[0].password_file, "/x");
    assert_string_equal(c.profiles[1].password_credential, "ops.pw");
}

static void test_bad_profile(void **state)
{
    (void)state;
    bad("Profile a\n Auth magic\n", "F:2: Auth: 'magic' is not one of auto, key, password\n");
    bad("Profile a\n PasswordFile secret\n",
        "F:2: PasswordFile: the path must be absolute or begin with ~/\n");
    bad("Profile a\n PasswordFile /x\n PasswordEnv Y\n",
        "F:3: PasswordEnv: only one of PasswordFile, PasswordEnv and PasswordCredential can be given\n");
    bad("Profile a\n PasswordEnv 1X\n", "F:2: PasswordEnv: the value is no name of a variable\n");
    bad("Profile a\n PasswordCredential ../x\n",
        "F:2: PasswordCredential: the value is no name of a credential\n");
    bad("Profile a\n Via b\n", "F:2: Via: belongs in a Tunnel\n");
    bad("Profile a\n DynamicForward 1\n", "F:2: DynamicForward: belongs in a Tunnel\n");
    bad("Profile a\n Listen none\n", "F:2: Listen: belongs before the first Tunnel or Profile\n");
    bad("Profile a\n Nonsense 1\n", "F:2: Nonsense: unknown keyword\n");
    bad("Profile default\n User x\n",
        "F:1: Profile: 'default' is plain ssh_config: a Profile has another name\n");
    bad("Profile a\nProfile b\nProfile a\n", "F:3: Profile: 'a' is already defined at F:1\n");
    bad("Profile a b\n", "F:1: Profile: extra arguments at the end of the line (quote a name with blanks)\n");
}

/* What somebody took for the place of a secret, and is one, is not shown. */
static void test_planted_secrets(void **state)
{
    static const char *const lines[] = {
        "Profile p\n PasswordFile hunter2\n",
        "Profile p\n PassphraseFile hunter2\n",
        "Profile p\n PasswordEnv hunter2!\n",
        "Profile p\n PasswordCredential /hunter2\n",
        "Profile p\n Password hunter2\n",
        "Profile p\n PasswordFile /x hunter2\n",
        "Profile p\n AditProxy socks5h://u:hunter2@\n",
        TUNNEL "SocksPasswordFile hunter2\n",
        TUNNEL "SocksPassword hunter2\n",
        TUNNEL "AditProxy ftp://u:hunter2@h:1\n",
    };
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(lines); i++) {
        struct adit_error err = {0};
        assert_int_equal(read_text(lines[i], &err), ADIT_E_CONFIG);
        assert_null(strstr(err.text, "hunter2"));
    }
}

static void test_whole_tunnel(void **state)
{
    (void)state;
    good("Profile ops\n    User alice\n"
         "Tunnel switch-ui\n"
         "    Via bob@bastion.example.net:2222\n"
         "    Profile ops\n"
         "    LocalForward 127.0.0.1:8443 10.0.0.5:443\n"
         "    AutoStart yes\n    AutoReconnect no\n    MaxRetries 7\n    Backoff 2s 1m\n    BackoffJitter 0\n"
         "    HealthCheck http /health 45s\n    Lazy yes\n    IdleExit 10m\n    HoldTime 20s\n    HoldMax 5\n"
         "    Detect fast\n    Allow 192.168.1.0/24 10.0.0.1\n    Allow ::1\n    SocksUser u\n"
         "    SocksPasswordFile ~/f\n    Destinations *.lan:443 [::1]:80 x:*\n"
         "    Description \"switch UI\"\n    Compression yes\n    ServerAliveInterval 5\n");
    const struct definition *d = conf_tunnel(&c, "switch-ui");
    assert_non_null(d);
    assert_string_equal(d->id, "switch-ui");
    assert_string_equal(d->host, "bastion.example.net");
    assert_string_equal(d->user, "bob");
    assert_int_equal(d->port, 2222);
    assert_string_equal(d->profile_id, "ops");
    assert_true(d->auto_start && d->lazy && d->detect_fast);
    assert_false(d->auto_reconnect || d->allow_non_loopback);
    assert_int_equal(d->max_retries, 7);
    assert_int_equal(d->backoff_first_ms, 2000);
    assert_int_equal(d->backoff_cap_ms, 60000);
    assert_int_equal(d->jitter_percent, 0);
    assert_int_equal(d->health.kind, DEFINITION_HEALTH_HTTP);
    assert_string_equal(d->health.path, "/health");
    assert_int_equal(d->health.interval_s, 45);
    assert_int_equal(d->idle_exit_s, 600);
    assert_int_equal(d->hold_ms, 20000);
    assert_int_equal(d->hold_max, 5);
    assert_int_equal(d->allow.count, 3);
    assert_string_equal(d->allow.item[2], "::1");
    assert_string_equal(d->socks_user, "u");
    assert_string_equal(d->socks_password_file, "/home/me/f");
    assert_int_equal(d->destinations.count, 3);
    assert_string_equal(d->description, "switch UI");
    assert_int_equal(d->keywords.count, 2);
    assert_string_equal(d->keywords.item[0], "Compression yes");
    assert_string_equal(d->keywords.item[1], "ServerAliveInterval 5");
    assert_int_equal(d->origin, DEFINITION_FILE);
    assert_string_equal(d->file, "F");
    assert_int_equal(d->line, 3);
    assert_int_equal(d->forwards[0].line, 6);
}

static void test_defaults(void **state)
{
    (void)state;
    good(WEB);
    const struct definition *d = &c.tunnels[0];
    assert_string_equal(d->profile_id, "default");
    assert_int_equal(d->max_retries, 0);
    assert_int_equal(d->port, 0);
    assert_null(d->user);
    assert_true(d->auto_reconnect);
    assert_false(d->auto_start || d->lazy || d->detect_fast || d->allow_non_loopback);
    assert_int_equal(d->backoff_first_ms, 1000);
    assert_int_equal(d->backoff_cap_ms, 60000);
    assert_int_equal(d->jitter_percent, 100);
    assert_int_equal(d->hold_ms, 10000);
    assert_int_equal(d->hold_max, 64);
    assert_int_equal(d->health.kind, DEFINITION_HEALTH_NONE);
    assert_int_equal(d->idle_exit_s, 0);
}

static const struct definition_forward *forward(const char *line)
{
    char text[512];
    adit_format(text, sizeof text, "Tunnel web\n Via b\n AllowNonLoopback yes\n %s\n", line);
    good(text);
    assert_int_equal(c.tunnels[0].forward_count, 1);
    return &c.tunnels[0].forwards[0];
}

static void test_forwards(void **state)
{
    (void)state;
    const struct definition_forward *f = forward("LocalForward 8443 10.0.0.5:443");
    assert_null(f->bind_address);
    assert_true(f->has_local_port && f->has_remote_port && !f->counts_up);
    assert_int_equal(f->local_port, 8443);
    assert_string_equal(f->remote_host, "10.0.0.5");
    assert_int_equal(f->remote_port, 443);
    f = forward("LocalForward [::1]:10000+ [fe80::1]:443");
    assert_string_equal(f->bind_address, "::1");
    assert_true(f->counts_up);
    assert_int_equal(f->local_port, 10000);
    assert_string_equal(f->remote_host, "fe80::1");
    f = forward("LocalForward=localhost:0 x:1");
    assert_string_equal(f->bind_address, "localhost");
    assert_int_equal(f->local_port, 0);
    f = forward("DynamicForward *:1080");
    assert_string_equal(f->bind_address, "*");
    assert_int_equal(f->type, FORWARD_DYNAMIC);
    assert_true(f->has_local_port && !f->has_remote_port);
    f = forward("DynamicForward 1080+");
    assert_true(f->counts_up);
    f = forward("RemoteForward 8080 db.lan:3000");
    assert_int_equal(f->type, FORWARD_REMOTE);
    assert_null(f->remote_host);
    assert_int_equal(f->remote_port, 8080);
    assert_string_equal(f->bind_address, "db.lan");
    assert_int_equal(f->local_port, 3000);
    assert_true(f->has_local_port && f->has_remote_port);
    f = forward("RemoteForward *:0 localhost:3000");
    assert_string_equal(f->remote_host, "*");
    assert_int_equal(f->remote_port, 0);
    f = forward("RemoteForward 1080");
    assert_false(f->has_local_port);
    assert_null(f->bind_address);
    good("Tunnel t\nVia b\nLocalForward 1 a:1\nLocalForward 2 a:2\nRemoteForward 3 a:3\nDynamicForward 4\n");
    assert_int_equal(c.tunnels[0].forward_count, 4);
}

static void bad_line(const char *line, const char *why)
{
    char text[1024], wanted[1200];
    adit_format(text, sizeof text, TUNNEL "%s\n", line);
    adit_format(wanted, sizeof wanted, "F:4: %s\n", why);
    bad(text, wanted);
}

static void test_bad_tunnel(void **state)
{
    (void)state;
    bad_line("Via -oProxyCommand=x",
             "Via: '-oProxyCommand=x' is not [user@]host[:port], or holds characters that are not allowed");
    bad_line("Via b:0", "Via: 'b:0' is not [user@]host[:port], or holds characters that are not allowed");
    bad_line("Via x;touch F", "Via: extra arguments at the end of the line");
    bad_line("Via $(id)@h",
             "Via: '$(id)@h' is not [user@]host[:port], or holds characters that are not allowed");
    bad_line("AutoStart maybe", "AutoStart: 'maybe' is not yes or no");
    bad_line("MaxRetries -1", "MaxRetries: '-1' is not a number of 0 to 2147483647");
    bad_line("Backoff 0", "Backoff: '0' is not a time of 1 s or more");
    bad_line("Backoff 10 5", "Backoff: the cap '5' is below the first delay '10'");
    bad_line("Backoff 1 2 3", "Backoff: extra arguments at the end of the line");
    bad_line("BackoffJitter 101", "BackoffJitter: '101' is not a number of 0 to 100");
    bad_line("HealthCheck ping", "HealthCheck: 'ping' is not one of tcp, http");
    bad_line("HealthCheck http", "HealthCheck: an argument is missing");
    bad_line("HealthCheck http health",
             "HealthCheck: 'health' is no path: it begins with '/' and has no blanks");
    bad_line("HealthCheck tcp 0", "HealthCheck: '0' is not a time of 1 s or more");
    bad_line("HealthCheck tcp 1 2", "HealthCheck: extra arguments at the end of the line");
    bad_line("IdleExit soon", "IdleExit: 'soon' is not a time (as 90, 1m30s or 2h)");
    bad_line("HoldTime 2147483647", "HoldTime: '2147483647' is not a time (as 90, 1m30s or 2h)");
    bad_line("HoldMax 5000", "HoldMax: '5000' is not a number of 0 to 4096");
    bad_line("Detect slow", "Detect: 'slow' is not one of normal, fast");
    bad_line("Allow 192.168.1.1/24",
             "Allow: '192.168.1.1/24' is not an address or a network (192.168.1.0/24)");
    bad_line("Allow everybody", "Allow: 'everybody' is not an address or a network (192.168.1.0/24)");
    bad_line("Destinations web", "Destinations: 'web' is not HOST:PORT (either part may be a pattern)");
    bad_line("Destinations web:x", "Destinations: 'web:x' is not HOST:PORT (either part may be a pattern)");
    bad_line("Destinations a:1,b:2",
             "Destinations: 'a:1,b:2' is not HOST:PORT (either part may be a pattern)");
    bad_line("Destinations web:0", "Destinations: 'web:0' is not HOST:PORT (either part may be a pattern)");
    bad_line("SocksUser \"\"", "SocksUser: the value must be 1 to 255 bytes");
    bad_line("SocksUser u", "SocksUser: SocksUser and SocksPasswordFile belong together");
    bad_line("SocksPasswordFile /f", "SocksPasswordFile: SocksUser and SocksPasswordFile belong together");
    bad_line("Profile nowhere", "Profile: there is no Profile 'nowhere'");
    bad_line("Description \"a\x1b[31m\"",
             "Description: description must be at most 1024 bytes of printable characters");
    bad_line("Auth key", "Auth: belongs in a Profile");
    bad_line("LogLevel info", "LogLevel: belongs before the first Tunnel or Profile");
    bad_line("SocketGroup adm", "SocketGroup: belongs before the first Tunnel or Profile");
    bad_line("Nonsense yes", "Nonsense: unknown keyword");
    bad_line("AutoStart", "AutoStart: an argument is missing");
    bad_line("ProxyJump -x",
             "ProxyJump: Invalid ProxyJump \"-x\": jump host '-x': the host is missing or holds "
             "characters that are not allowed");
}

static void test_bad_forwards(void **state)
{
    (void)state;
    bad_line("LocalForward 8080", "LocalForward: an argument is missing");
    bad_line("LocalForward 8080:a:80 b:1 c", "LocalForward: extra arguments at the end of the line");
    bad_line("DynamicForward 1 a:1", "DynamicForward: extra arguments at the end of the line");
    bad_line("RemoteForward 80:host:80", "RemoteForward: a blank stands between the listener and the target");
    bad_line("LocalForward /run/a.sock a:1",
             "LocalForward: the path of a Unix socket is not supported in a Tunnel");
    bad_line("LocalForward 1 /run/a.sock",
             "LocalForward: the path of a Unix socket is not supported in a Tunnel");
}

static void test_bad_forward_words(void **state)
{
    struct adit_error err = {0};
    (void)state;
    assert_int_equal(read_text(TUNNEL "LocalForward 99999 a:1\n", &err), ADIT_E_CONFIG);
    assert_memory_equal(err.text, "F:4: LocalForward: Bad local forwarding specification '99999:a:1': ", 66);
    err = (struct adit_error){0};
    assert_int_equal(read_text(TUNNEL "RemoteForward 10000+ a:1\n", &err), ADIT_E_CONFIG);
    assert_memory_equal(err.text, "F:4: RemoteForward: Bad remote forwarding specification ", 56);
}

#define LOOPBACK(address)                                                                      \
    "bind_address '" address "' must be a loopback address (127.0.0.0/8 or ::1) \xe2\x80\x94 " \
    "binding tunnels to non-loopback exposes them to the LAN with no auth\n"

static void test_loopback(void **state)
{
    (void)state;
    bad("Tunnel a\n Via b\n LocalForward 1 a:1\n DynamicForward 0.0.0.0:1080\n Lazy yes\n",
        "F:4: DynamicForward: " LOOPBACK("0.0.0.0"));
    bad("Tunnel a\n Via b\n LocalForward *:1 a:1\n AllowNonLoopback no\n AllowNonLoopback yes\n",
        "F:3: LocalForward: " LOOPBACK("*"));
    bad("Tunnel a\n Via b\n LocalForward web:1 a:1\n", "F:3: LocalForward: " LOOPBACK("web"));
    bad("Tunnel a\n Via b\n AllowNonLoopback yes\n LocalForward web:1 a:1\n",
        "F:4: LocalForward: bind_address 'web' must be an address, localhost or *\n");
    /* behind the forward is soon enough, for this tunnel alone */
    bad("Tunnel a\n Via b\n LocalForward 10.0.0.1:1 a:1\n AllowNonLoopback yes\n"
        "Tunnel c\n Via b\n LocalForward 10.0.0.1:2 a:1\n",
        "F:7: LocalForward: " LOOPBACK("10.0.0.1"));
    bad("Tunnel a\n Via b\n Include /wide\n", "/wide:1: LocalForward: " LOOPBACK("0.0.0.0"));
    good("Tunnel a\n Via b\n LocalForward 10.0.0.1:1 a:1\n AllowNonLoopback yes\n");
}

static void test_incomplete(void **state)
{
    (void)state;
    bad("Tunnel a\n DynamicForward 1\n", "F:1: Tunnel: 'a' has no Via\n");
    bad("\nTunnel a\n Via b\n", "F:2: Tunnel: 'a' has no LocalForward, RemoteForward or DynamicForward\n");
    /* what follows from another error is not told */
    bad("Tunnel a\n Via -x\n", "F:2: Via: '-x' is not [user@]host[:port], or holds characters that are not "
                               "allowed\n");
}

static void test_headers(void **state)
{
    (void)state;
    bad("Host web\n Port 22\n",
        "F:1: Host: has no place here: it stays in ssh_config, and Via may name its alias\n");
    bad("Match all\n Foo x\n" WEB,
        "F:1: Match: has no place here: it stays in ssh_config, and Via may name its alias\n");
    static const char *const values[] = {"yes", "no", "point-to-point", "Ethernet"};
    for (size_t i = 0; i < ADIT_COUNT(values); i++) {
        char text[64], wanted[256];
        adit_format(text, sizeof text, "Tunnel %s\n", values[i]);
        adit_format(
            wanted, sizeof wanted,
            "F:1: Tunnel: '%s' is a value of ssh_config's Tunnel, which forwards whole networks and is "
            "not supported; here Tunnel NAME begins the definition of a tunnel\n",
            values[i]);
        bad(text, wanted);
    }
    bad("Tunnel a/b\n",
        "F:1: Tunnel: 'a/b' is no name: 1 to 64 of A-Z a-z 0-9 . _ - (in quotes blanks too)\n");
    bad("Tunnel a b\n", "F:1: Tunnel: extra arguments at the end of the line (quote a name with blanks)\n");
    bad("Tunnel\n", "F:1: Tunnel: an argument is missing\n");
    bad(WEB "\n" WEB, "F:5: Tunnel: 'web' is already defined at F:1\n");
    bad(WEB "Include /same\n", "/same:1: Tunnel: 'web' is already defined at F:1\n");
    good("Tunnel \"my web\"\nVia b\nDynamicForward 1\n");
    assert_non_null(conf_tunnel(&c, "my web"));
}

/* Which "Profile x" begins a block. */
static void test_profile_in_tunnel(void **state)
{
    (void)state;
    good("Profile p\nUser u\nTunnel a\nVia b\nProfile p\nDynamicForward 1\nTunnel c\nVia d\nDynamicForward "
         "2\n");
    assert_int_equal(c.profile_count, 1);
    assert_string_equal(c.tunnels[0].profile_id, "p");
    assert_string_equal(c.tunnels[1].profile_id, "default");
    good("Tunnel a\n  Via b\n  Profile p\n  DynamicForward 1\nProfile p\n  User u\n");
    assert_int_equal(c.profile_count, 1);
    assert_string_equal(c.tunnels[0].profile_id, "p");
    assert_string_equal(c.profiles[0].user, "u");
    good("\tTunnel a\n\t\tVia b\n\t\tDynamicForward 1\n\tProfile p\n\t\tUser u\n");
    assert_string_equal(c.tunnels[0].profile_id, "default");
    assert_int_equal(c.profile_count, 1);
    good("Tunnel a\n Profile alias\n Via b\n DynamicForward 1\n");
    assert_string_equal(c.tunnels[0].profile_id, "alias");
    good("Tunnel a\n Profile default\n Via b\n DynamicForward 1\n");
}

static void test_connection_keywords(void **state)
{
    (void)state;
    good(TUNNEL "user me\n port 2200\n hostname=real\n KexAlgorithms curve25519-sha256\n IdentityFile ~/a\n"
                " KeepAlive no\n ProxyCommand nc \"%h\" %p\n");
    const struct texts *k = &c.tunnels[0].keywords;
    assert_int_equal(k->count, 7);
    assert_string_equal(k->item[0], "User me");
    assert_string_equal(k->item[2], "HostName real");
    assert_string_equal(k->item[5], "TCPKeepAlive no");
    assert_string_equal(k->item[6], "ProxyCommand nc \"%h\" %p");
    bad_line("Port 0", "Port: Bad port '0'.");
    bad_line("RemoteCommand ls",
             "RemoteCommand: has no place here: a tunnel has no session and runs nothing");
    bad_line("LocalCommand ls", "LocalCommand: has no place here: a tunnel has no session and runs nothing");
    bad_line("ControlMaster auto", "ControlMaster: has no place here: tunnels with the same server share a "
                                   "connection by themselves");
    bad_line("ForwardAgent yes", "ForwardAgent: has no place here: a tunnel has no session and runs nothing");
    bad_line("GatewayPorts yes", "GatewayPorts: has no place here: write the address before the port of the "
                                 "forward, and AllowNonLoopback yes");
    bad_line("ForwardX11 yes", "ForwardX11: adit does not have this");
    bad_line("Protocol 2", "Protocol: adit does not have this");
    bad_line("IgnoreUnknown *", "IgnoreUnknown: has no place here: unknown keywords are errors here");
    bad_line("AditReconnect yes",
             "AditReconnect: has no place here: write AutoReconnect and MaxRetries in a Tunnel");
    bad("Profile p\n AditReclaim yes\n", "F:2: AditReclaim: belongs in a Tunnel\n");
}

/* ProxyCommand and ProxyJump: the first of them. */
static void test_jumps(void **state)
{
    (void)state;
    good(TUNNEL "ProxyJump me@a:22,b\n ProxyJump c\n ProxyCommand nc %h %p\n");
    assert_string_equal(c.tunnels[0].jump_host_id, "me@a:22,b");
    assert_int_equal(c.tunnels[0].keywords.count, 0);
    good(TUNNEL "ProxyCommand nc %h %p\n ProxyJump a\n");
    assert_null(c.tunnels[0].jump_host_id);
    assert_string_equal(c.tunnels[0].keywords.item[0], "ProxyCommand nc %h %p");
}

static void test_first_wins(void **state)
{
    (void)state;
    good(TUNNEL
         "MaxRetries 1\n MaxRetries 2\n Via other\n Description a b\n Description c\n HealthCheck tcp\n"
         " HealthCheck http /x 5\n");
    assert_int_equal(c.tunnels[0].max_retries, 1);
    assert_string_equal(c.tunnels[0].host, "b");
    assert_string_equal(c.tunnels[0].description, "a b");
    assert_int_equal(c.tunnels[0].health.kind, DEFINITION_HEALTH_TCP);
    assert_int_equal(c.tunnels[0].health.interval_s, 30);
    assert_null(c.tunnels[0].health.path);
    /* what lost is looked at all the same */
    bad(TUNNEL "MaxRetries 1\n MaxRetries x\n", "F:5: MaxRetries: 'x' is not a number of 0 to 2147483647\n");
}

static void test_include(void **state)
{
    (void)state;
    good("Include /listen\nSocket /late\nTunnel outer\n  Via b\n  Include /more /none\n  DynamicForward 9\n"
         "  HoldMax 3\n");
    assert_string_equal(c.listen_host, "127.0.0.1");
    assert_string_equal(c.socket, "/other");
    const struct definition *outer = conf_tunnel(&c, "outer"), *inner = conf_tunnel(&c, "inner");
    assert_true(outer->lazy);
    assert_int_equal(outer->hold_max, 3);
    assert_int_equal(outer->forward_count, 1);
    assert_string_equal(inner->file, "/more");
    assert_int_equal(inner->line, 2);
    assert_int_equal(inner->forward_count, 1);
    assert_int_equal(c.files.count, 3);
    assert_string_equal(c.files.item[0], "F");
}

static void test_bad_include(void **state)
{
    (void)state;
    /* what is wrong in it is told where it is; nothing behind it is read */
    bad(TUNNEL "Include /bad\n Foo x\n", "/bad:2: AutoStart: 'maybe' is not yes or no\n"
                                         "/bad:3: Foo: unknown keyword\n");
    bad("Include /closed\nFoo x\n", "F:1: Include: /closed: Permission denied\nF:2: Foo: unknown keyword\n");
    bad("Include /self\n", "/self:1: Include: more than 16 levels of Include\n");
    bad("Include\n", "F:1: Include: an argument is missing\n");
}

static void test_lines(void **state)
{
    (void)state;
    good("  tunnel = web \r\n\tVIA=b\r\n dynamicforward  \"1080\"   # the proxy\n\"Lazy\" yes");
    assert_true(c.tunnels[0].lazy);
    struct adit_error err = {0};
    struct conf_reader r = {.conf = &c, .hooks = &hooks};
    static const char zero[] = "Socket /a\0b\n";
    conf_wipe(&c);
    enum adit_err e = conf_read(&r, span_make(zero, sizeof zero - 1), "F", &err);
    assert_int_equal(conf_read_end(&r, e, &err), ADIT_E_CONFIG);
    assert_string_equal(err.text, "F:1: ?: the line is too long or holds a zero byte");
}

static void test_many_errors(void **state)
{
    (void)state;
    char text[3 * 200 + 1];
    struct adit_error err = {0};
    for (size_t i = 0; i < 200; i++)
        memcpy(text + 3 * i, "x\n\n", 4);
    assert_int_equal(read_text(text, &err), ADIT_E_CONFIG);
    assert_int_equal(c.errors.count, CONF_ERRORS_MAX);
    assert_string_equal(err.text, "F:1: x: an argument is missing");
}

static void differs(const char *a, const char *b, size_t added, size_t removed, size_t changed,
                    size_t unchanged)
{
    struct conf other;
    struct conf_diff diff;
    good(a);
    other = c;
    conf_init(&c);
    good(b);
    conf_diff(&other, &c, &diff);
    assert_int_equal(diff.added, added);
    assert_int_equal(diff.removed, removed);
    assert_int_equal(diff.changed, changed);
    assert_int_equal(diff.unchanged, unchanged);
    conf_wipe(&other);
}

#define X "Tunnel x\n Via h\n DynamicForward 1\n"

static void test_diff(void **state)
{
    (void)state;
    differs(WEB, WEB, 0, 0, 0, 1);
    differs(WEB, "# moved\n\n" WEB X, 1, 0, 0, 1);
    differs(WEB X, X, 0, 1, 0, 1);
    differs(WEB X, WEB "Lazy yes\n" X, 0, 0, 1, 1);
    differs("Profile p\n User a\n" X " Profile p\n", "Profile p\n User b\n" X " Profile p\n", 0, 0, 1, 0);
    differs("Profile p\n User a\n" X, "Profile p\n User b\n" X, 0, 0, 0, 1);
    differs(X, "SshConfig none\n" X, 0, 0, 1, 0);
    differs("", X WEB, 2, 0, 0, 0);
}

static void test_compare(void **state)
{
    (void)state;
    struct conf other;
    good(X);
    other = c;
    conf_init(&c);
    good(X " MaxRetries 3\n");
    assert_int_equal(conf_compare(&other, &other.tunnels[0], &c, &c.tunnels[0]), CONF_CHANGED);
    good(X " Compression yes\n");
    assert_int_equal(conf_compare(&other, &other.tunnels[0], &c, &c.tunnels[0]), CONF_RESTART);
    good("SshConfig none\n" X);
    assert_int_equal(conf_compare(&other, &other.tunnels[0], &c, &c.tunnels[0]), CONF_RESTART);
    good(X "#\n");
    assert_int_equal(conf_compare(&other, &other.tunnels[0], &c, &c.tunnels[0]), CONF_UNCHANGED);
    /* one of somebody else's, without a profile */
    struct definition plain;
    definition_init(&plain, DEFINITION_SESSION);
    assert_int_equal(conf_compare(&c, &plain, &c, &plain), CONF_UNCHANGED);
    definition_wipe(&plain);
    conf_wipe(&other);
}

int main(void)
{
#define T(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        T(test_empty),
        T(test_daemon),
        T(test_bad_daemon),
        T(test_profile),
        T(test_bad_profile),
        T(test_planted_secrets),
        T(test_whole_tunnel),
        T(test_defaults),
        T(test_forwards),
        T(test_bad_tunnel),
        T(test_bad_forwards),
        T(test_bad_forward_words),
        T(test_loopback),
        T(test_incomplete),
        T(test_headers),
        T(test_profile_in_tunnel),
        T(test_connection_keywords),
        T(test_jumps),
        T(test_first_wins),
        T(test_include),
        T(test_bad_include),
        T(test_lines),
        T(test_many_errors),
        T(test_an_alias_that_cannot_be_had),
        T(test_diff),
        T(test_compare),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
