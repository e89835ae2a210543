#include "test.h"

#include <string.h>

#include "daemon/definition.h"

static struct definition d;
static struct definition_forward *f;

static void set(char **to, const char *text)
{
    assert_true(definition_set(to, text));
}

static int setup(void **state)
{
    (void)state;
    definition_init(&d, DEFINITION_API);
    set(&d.name, "web");
    set(&d.host, "bastion");
    set(&d.profile_id, "default");
    f = definition_forward_add(&d, FORWARD_LOCAL);
    f->local_port = 8443;
    f->remote_port = 443;
    f->has_local_port = f->has_remote_port = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    definition_wipe(&d);
    return 0;
}

static void good(void)
{
    struct definition_error e;
    bool is_good = definition_check(&d, &e);
    if (!is_good)
        print_error("%s %s\n", e.code, e.message);
    assert_true(is_good);
    assert_null(e.code);
}

static void bad(const char *code, const char *field, const char *message)
{
    struct definition_error e;
    assert_false(definition_check(&d, &e));
    assert_false(definition_check(&d, NULL));
    assert_string_equal(e.message, message);
    assert_string_equal(e.code, code);
    assert_string_equal(e.field, field);
}

static void test_missing(void **state)
{
    (void)state;
    good();
    f->has_remote_port = false;
    bad("missing_field", "remote_port", "remote_port is required");
    f->has_local_port = false;
    bad("missing_field", "local_port", "local_port is required");
    set(&d.profile_id, NULL);
    bad("missing_field", "profile_id", "profile_id is required");
    set(&d.host, NULL);
    bad("missing_field", "host", "host is required");
    set(&d.name, NULL);
    bad("missing_field", "name", "name is required");
}

static void test_no_forward(void **state)
{
    (void)state;
    d.forward_count = 0;
    bad("missing_field", "forward_type", "forward_type is required");
    d.forward_count = 1;
    f->type = FORWARD_STDIO;
    bad("invalid_value", "forward_type", "forward_type must be one of local, dynamic, remote");
}

static void test_types(void **state)
{
    (void)state;
    enum forward_type type = FORWARD_STDIO;
    struct definition_error e;
    static const struct {
        const char *name;
        enum forward_type type;
    } good[] = {{"local", FORWARD_LOCAL}, {"dynamic", FORWARD_DYNAMIC}, {"remote", FORWARD_REMOTE}};
    for (size_t i = 0; i < ADIT_COUNT(good); i++) {
        assert_true(definition_type_parse(&type, good[i].name, &e));
        assert_int_equal(type, good[i].type);
        assert_string_equal(definition_type_name(type), good[i].name);
    }
    assert_false(definition_type_parse(&type, "Local", &e));
    assert_string_equal(e.message, "forward_type 'Local' must be one of local, dynamic, remote");
    assert_string_equal(e.field, "forward_type");
    assert_string_equal(e.code, "invalid_value");
    assert_int_equal(e.forward, SIZE_MAX);
    assert_string_equal(definition_type_name(FORWARD_STDIO), "");
}

#define LONG_NAME "0123456789012345678901234567890123456789012345678901234567890123"
#define UMLAUT    "\xc3\xa4"

static void test_names(void **state)
{
    (void)state;
    static const char *const good_names[] = {"a",       "web 1", "<img onerror=x>",          UMLAUT "rger",
                                             LONG_NAME, "-x",    "\xe6\x97\xa5\xe6\x9c\xac", "a\"b'c"};
    static const char *const bad_names[] = {"",
                                            "a/b",
                                            "a\nb",
                                            "a\tb",
                                            "\x7f",
                                            "\x1b[31m",
                                            LONG_NAME "4",
                                            "\xff",
                                            "a\xc3",
                                            "\xc2\x9b",
                                            ("a\xe2\x80\xae"
                                             "b")};
    for (size_t i = 0; i < ADIT_COUNT(good_names); i++) {
        set(&d.name, good_names[i]);
        good();
    }
    for (size_t i = 0; i < ADIT_COUNT(bad_names); i++) {
        struct definition_error e;
        set(&d.name, bad_names[i]);
        assert_false(definition_check(&d, &e));
        assert_string_equal(e.code, "invalid_value");
        assert_string_equal(e.field, "name");
    }
    set(&d.name, "..");
    bad("invalid_value", "name", "name '..' is no name: it stands for a folder");
    set(&d.name, "...");
    good();
    set(&d.name, "a/b");
    bad("invalid_value", "name", "name 'a/b' must be 1 to 64 printable characters without '/'");
    /* 64 characters, not bytes */
    char wide[2 * 65 + 1] = "";
    for (size_t i = 0; i < 64; i++)
        memcpy(wide + 2 * i, UMLAUT, 3);
    set(&d.name, wide);
    good();
    memcpy(wide + 2 * 64, UMLAUT, 3);
    assert_false(definition_name_is_fine(wide));
}

static void test_file_names(void **state)
{
    (void)state;
    d.origin = DEFINITION_FILE;
    set(&d.name, "A.z_0-9 b");
    good();
    set(&d.name, UMLAUT);
    bad("invalid_value", "name", "name '" UMLAUT "' must be 1 to 64 of A-Z a-z 0-9 . _ -");
    assert_true(definition_name_is_plain(LONG_NAME));
    assert_false(definition_name_is_plain(LONG_NAME "4"));
    assert_false(definition_name_is_plain(""));
    assert_false(definition_name_is_plain("a/b"));
    assert_false(definition_name_is_plain("a:b"));
}

static void test_hosts(void **state)
{
    (void)state;
    static const char *const bad_hosts[] = {"",          "-oProxyCommand=x",
                                            "x;touch F", "$(id)",
                                            "a b",       "`id`",
                                            "a\nb",      "a|b",
                                            "a&b",       "<a>",
                                            "\"a\"",     "a\\b",
                                            "[::1]",     "{a,b}"};
    for (size_t i = 0; i < ADIT_COUNT(bad_hosts); i++) {
        struct definition_error e;
        set(&d.host, bad_hosts[i]);
        assert_false(definition_check(&d, &e));
        assert_string_equal(e.code, "invalid_value");
        assert_string_equal(e.field, "host");
        set(&d.host, "h");
        set(&f->remote_host, bad_hosts[i]);
        assert_false(definition_check(&d, &e));
        assert_string_equal(e.field, "remote_host");
        set(&f->remote_host, NULL);
    }
    set(&d.host, "2001:db8::1");
    good();
    set(&d.host, "box:2296"); /* a name with a port is no name, and would be looked up as one */
    bad("invalid_value", "host",
        "host 'box:2296' has a colon and is no IPv6 address: a port is a field of its own");
    set(&d.host, "h");
    set(&d.user, "-x");
    bad("invalid_value", "host",
        "host '-x' has a user that is empty, begins with '-' or holds characters that are not allowed");
    set(&d.user, "CORP\\me");
    good();
}

static void test_set_host(void **state)
{
    (void)state;
    struct definition_error e;
    assert_true(definition_set_host(&d, "me@corp@bastion", &e));
    assert_string_equal(d.host, "bastion");
    assert_string_equal(d.user, "me@corp");
    assert_true(definition_set_host(&d, "bastion", &e));
    assert_null(d.user);
    good();
    assert_true(definition_set_host(&d, "@bastion", &e));
    bad("invalid_value", "host",
        "host '' has a user that is empty, begins with '-' or holds characters that are not allowed");
}

#define LOOPBACK(address)                                                                      \
    "bind_address '" address "' must be a loopback address (127.0.0.0/8 or ::1) \xe2\x80\x94 " \
    "binding tunnels to non-loopback exposes them to the LAN with no auth"

static void test_loopback(void **state)
{
    (void)state;
    static const char *const good_binds[] = {"127.0.0.1", "127.255.0.9", "::1", "localhost",
                                             "0:0:0:0:0:0:0:1"};
    static const char *const bad_binds[] = {
        "0.0.0.0",          "",       "*",           "::",        "10.0.0.1",   "web",
        "LOCALHOST",        "127.1",  "::127.0.0.1", "[::1]",     "127.0.0.1 ", "0127.0.0.1",
        "::ffff:127.0.0.1", "::1%lo", "localhost.",  "0x7f000001"};
    static const enum forward_type types[] = {FORWARD_LOCAL, FORWARD_DYNAMIC, FORWARD_REMOTE};
    for (size_t t = 0; t < ADIT_COUNT(types); t++) {
        f->type = types[t];
        f->has_remote_port = types[t] != FORWARD_DYNAMIC;
        for (size_t i = 0; i < ADIT_COUNT(good_binds); i++) {
            set(&f->bind_address, good_binds[i]);
            good();
        }
        for (size_t i = 0; i < ADIT_COUNT(bad_binds); i++) {
            struct definition_error e;
            set(&f->bind_address, bad_binds[i]);
            assert_false(definition_check(&d, &e));
            assert_string_equal(e.field, "bind_address");
            assert_int_equal(e.forward, 0);
            assert_non_null(strstr(e.message, "must be a loopback address"));
        }
    }
    set(&f->bind_address, "0.0.0.0");
    bad("invalid_value", "bind_address", LOOPBACK("0.0.0.0"));
    d.allow_non_loopback = true; /* somebody else than a file: no way around */
    bad("invalid_value", "bind_address", LOOPBACK("0.0.0.0"));
    set(&f->bind_address, NULL);
    bad("invalid_value", "", "this can only be said in a configuration file");
}

static void test_file_binds(void **state)
{
    (void)state;
    d.origin = DEFINITION_FILE;
    set(&f->bind_address, "*");
    bad("invalid_value", "bind_address", LOOPBACK("*"));
    d.allow_non_loopback = true;
    good();
    set(&f->bind_address, "::");
    good();
    set(&f->bind_address, "web");
    bad("invalid_value", "bind_address", "bind_address 'web' must be an address, localhost or *");
    set(&f->bind_address, "::ffff:10.0.0.1");
    bad("invalid_value", "bind_address", "bind_address '::ffff:10.0.0.1' must be an address, localhost or *");
    f->type = FORWARD_REMOTE; /* where it leads to: nothing is bound here */
    d.allow_non_loopback = false;
    set(&f->bind_address, "db.lan");
    good();
    set(&f->bind_address, "-x");
    bad("invalid_value", "bind_address", "bind_address '-x' is no host name");
    set(&f->bind_address, NULL);
    f->has_local_port = false;
    good();
}

static void test_ports(void **state)
{
    (void)state;
    f->local_port = 0;
    good();
    f->remote_port = 0;
    bad("invalid_value", "remote_port", "remote_port '0' must be 1 to 65535");
    f->type = FORWARD_REMOTE;
    bad("invalid_value", "local_port",
        "local_port '0' must be 1 to 65535 for forward_type remote: it is the target's port");
    f->local_port = 3000;
    good(); /* any free one at the server */
    set(&f->remote_host, "*");
    good();
    f->counts_up = true;
    bad("invalid_value", "local_port",
        "local_port of forward_type remote is the target's port: it cannot count up");
    f->has_remote_port = f->counts_up = false;
    bad("missing_field", "remote_port", "remote_port is required");
    f->has_local_port = false;
    bad("missing_field", "local_port", "local_port is required");
}

static void test_dynamic(void **state)
{
    (void)state;
    f->type = FORWARD_DYNAMIC;
    bad("invalid_value", "remote_port", "remote_port must be null for forward_type dynamic");
    set(&f->remote_host, "x");
    bad("invalid_value", "remote_host", "remote_host must be null for forward_type dynamic");
    set(&f->remote_host, NULL);
    f->has_remote_port = false;
    f->counts_up = true;
    good();
    f->local_port = 0;
    bad("invalid_value", "local_port", "local_port '0+' must count up from 1 or more");
}

static void test_counts_up(void **state)
{
    (void)state;
    uint16_t first = 0;
    assert_true(definition_port_counts_up("10000+", &first));
    assert_int_equal(first, 10000);
    static const char *const none[] = {"10000", "0+", "65536+", "+", "", "1++", "-1+", "a+", "1 +"};
    for (size_t i = 0; i < ADIT_COUNT(none); i++)
        assert_false(definition_port_counts_up(none[i], &first));
}

static void test_jumps(void **state)
{
    (void)state;
    set(&d.jump_host_id, "me@a:22,b");
    good();
    set(&d.jump_session_id, "hop");
    bad("invalid_value", "jump_session_id", "jump_host_id and jump_session_id exclude each other");
    set(&d.jump_host_id, NULL);
    good();
    set(&d.jump_session_id, "a/b");
    bad("invalid_value", "jump_session_id",
        "jump_session_id 'a/b' must be 1 to 64 printable characters without '/'");
    set(&d.jump_session_id, NULL);
    set(&d.jump_host_id, "-oX");
    bad("invalid_value", "jump_host_id",
        "jump_host_id: jump host '-oX': the host is missing or holds characters that are not allowed");
}

static void test_rest(void **state)
{
    (void)state;
    char longest[DEFINITION_DESCRIPTION_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    longest[sizeof longest - 2] = 0;
    set(&d.description, longest);
    good();
    set(&d.description, "");
    good();
    longest[sizeof longest - 2] = 'x';
    set(&d.description, longest);
    bad("invalid_value", "description", "description must be at most 1024 bytes of printable characters");
    set(&d.description, "a\nb");
    bad("invalid_value", "description", "description must be at most 1024 bytes of printable characters");
    set(&d.description, NULL);
    d.max_retries = UINT32_MAX;
    bad("invalid_value", "max_retries", "max_retries is too large");
    d.max_retries = 0;
    d.idle_exit_s = UINT32_MAX;
    bad("invalid_value", "idle_exit", "idle_exit is too large");
    d.idle_exit_s = 0;
    d.hold_max = DEFINITION_HOLD_MAX + 1;
    bad("invalid_value", "hold_max", "hold_max must be 0 to 4096");
    d.hold_max = 0;
    d.jitter_percent = 101;
    bad("invalid_value", "jitter", "jitter must be 0 to 100");
    d.jitter_percent = 0;
    d.backoff_cap_ms = 999;
    bad("invalid_value", "backoff", "the first delay must be more than 0 and at most the cap");
}

static void test_only_in_a_file(void **state)
{
    (void)state;
    assert_true(texts_add(&d.keywords, span_str("ProxyCommand x")));
    bad("invalid_value", "", "this can only be said in a configuration file");
    d.origin = DEFINITION_MCP; /* those of a file's tunnel, whose way it goes: no argument is one */
    good();
    d.origin = DEFINITION_SESSION; /* the API takes them from our own user alone */
    good();
    d.origin = DEFINITION_FILE;
    good();
    set(&d.socks_user, "u");
    bad("invalid_value", "socks_user", "SocksUser and SocksPasswordFile belong together");
    set(&d.socks_user, NULL);
    set(&d.socks_password_file, "/f");
    bad("invalid_value", "socks_password_file", "SocksUser and SocksPasswordFile belong together");
    set(&d.socks_user, "u");
    good();
    d.origin = DEFINITION_MCP;
    bad("invalid_value", "", "this can only be said in a configuration file");
    texts_wipe(&d.keywords);
    set(&d.socks_user, NULL);
    set(&d.socks_password_file, NULL);
    assert_true(texts_add(&d.destinations, span_str("*:443")));
    good();
    d.origin = DEFINITION_SESSION;
    bad("invalid_value", "", "this can only be said in a configuration file");
}

/* Which forward; and a message that shows nothing that could harm a terminal. */
static void test_error(void **state)
{
    (void)state;
    struct definition_error e;
    f = definition_forward_add(&d, FORWARD_DYNAMIC);
    f->has_local_port = true;
    set(&f->bind_address, "\x1b[31m0.0.0.0");
    assert_false(definition_check(&d, &e));
    assert_int_equal(e.forward, 1);
    assert_null(strchr(e.message, 0x1b));
    assert_false(definition_fail(&e, DEFINITION_E_UNKNOWN, "a\nb", "x"));
    assert_null(strchr(e.field, '\n'));
    assert_false(definition_fail(NULL, DEFINITION_E_UNKNOWN, "a", "x"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_missing),    T(test_no_forward), T(test_types),          T(test_names),
        T(test_file_names), T(test_hosts),      T(test_set_host),       T(test_loopback),
        T(test_ports),      T(test_file_binds), T(test_dynamic),        T(test_counts_up),
        T(test_jumps),      T(test_rest),       T(test_only_in_a_file), T(test_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
