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
    good("HOSTNAME h.example");
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
    good("LocalForward=127.0.0.1:8081:h:81");
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
    assert_true(o.no_session);
    good("AditReadyFd 5");
    assert_int_equal(o.ready_fd, 5);
}

static void test_rekey_forms(void **state)
{
    (void)state;
    good("RekeyLimit default 5");
    assert_int_equal(o.rekey_bytes, 0);
    assert_int_equal(o.rekey_seconds, 5);
    good("RekeyLimit 0");
    assert_int_equal(o.rekey_bytes, 0);
    static const char *const wrong[] = {"RekeyLimit", "RekeyLimit 15", "RekeyLimit 1k x",
                                        "RekeyLimit 1k 1 1"};
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++)
        bad(wrong[i], ADIT_E_USAGE, "RekeyLimit");
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
    bad("Nonsense yes", ADIT_E_USAGE, "Nonsense");
    bad("Port", ADIT_E_USAGE, "Port");
    bad("Port 1 2", ADIT_E_USAGE, "Port");
    bad("Port \"1", ADIT_E_USAGE, "Port");
    bad("", ADIT_E_USAGE, "Keyword=value");
    bad("BatchMode maybe", ADIT_E_USAGE, "BatchMode");
    bad("ServerAliveCountMax 0", ADIT_E_USAGE, "ServerAliveCountMax");
    bad("UserKnownHostsFile none /x", ADIT_E_USAGE, "none");
    bad("Compression yes", ADIT_E_UNSUPPORTED, "Compression");
    bad("AditReconnect yes", ADIT_E_UNSUPPORTED, "AditReconnect");
    bad("SetEnv a=b", ADIT_E_UNSUPPORTED, "SetEnv");
    bad("RequiredRSASize 3072", ADIT_E_UNSUPPORTED, "RequiredRSASize");
    bad("LocalForward", ADIT_E_USAGE, "forward");
    good("Compression no");
    good("ForwardAgent no");
    good("ControlPath none");
    good("RequiredRSASize 1024");
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_defaults),    T(test_spellings),   T(test_first_wins), T(test_accumulate), T(test_values),
        T(test_rekey_forms), T(test_fingerprint), T(test_lists),      T(test_refusals),   T(test_default)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
