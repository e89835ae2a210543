#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "client/options_dump.h"

static struct options o;
static struct texts lines;

static int setup(void **state)
{
    (void)state;
    options_init(&o);
    texts_init(&lines);
    return setenv("HOME", "/home/me", 1);
}

static int teardown(void **state)
{
    (void)state;
    options_wipe(&o);
    texts_wipe(&lines);
    return 0;
}

static void set(const char *line)
{
    struct adit_error err = {0};
    enum adit_err e = options_set_line(&o, line, &err);
    if (e != ADIT_E_OK)
        print_error("%s\n", err.text);
    assert_int_equal(e, ADIT_E_OK);
}

static void dump(void)
{
    struct adit_error err = {0};
    texts_wipe(&lines);
    assert_int_equal(options_dump(&o, "Given", &lines, &err), ADIT_E_OK);
}

static void has(const char *line)
{
    if (!texts_has(&lines, line))
        print_error("no line '%s'\n", line);
    assert_true(texts_has(&lines, line));
}

static bool has_keyword(const char *keyword)
{
    size_t n = strlen(keyword);
    for (size_t i = 0; i < lines.count; i++)
        if (strncmp(lines.item[i], keyword, n) == 0 && lines.item[i][n] == ' ')
            return true;
    return false;
}

static void test_defaults(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "host Given",
        "hostname Given",
        "port 22",
        "addressfamily any",
        "canonicalizehostname false",
        "pubkeyauthentication true",
        "stricthostkeychecking ask",
        "updatehostkeys true",
        "obscurekeystroketiming yes",
        "loglevel INFO",
        "addkeystoagent false",
        "connecttimeout none",
        "tunneldevice any:any",
        "canonicalizePermittedcnames none",
        "escapechar ~",
        "ipqos lowdelay throughput",
        "rekeylimit 0 0",
        "streamlocalbindmask 0177",
        "syslogfacility USER",
        "permitremoteopen any",
        "userknownhostsfile /home/me/.ssh/known_hosts /home/me/.ssh/known_hosts2",
        "identityfile ~/.ssh/id_rsa"};
    static const char *const absent[] = {"proxycommand", "proxyjump",    "controlpath", "bindaddress",
                                         "setenv",       "localforward", "tag",         "hostkeyalias"};
    dump();
    for (size_t i = 0; i < ADIT_COUNT(wanted); i++)
        has(wanted[i]);
    for (size_t i = 0; i < ADIT_COUNT(absent); i++)
        assert_false(has_keyword(absent[i]));
    dump();
    has("identityfile ~/.ssh/id_ed25519");
}

static void test_values(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"StrictHostKeyChecking off", "stricthostkeychecking false"},
        {"ControlPersist 5m", "controlpersist 300"},
        {"AddKeysToAgent confirm 1h", "addkeystoagent confirm 3600"},
        {"EscapeChar ^x", "escapechar \\^X"},
        {"IPQoS 5 none", "ipqos 0x05 none"},
        {"RekeyLimit 1k 1h", "rekeylimit 1024 3600"},
        {"LocalForward 1 h:2", "localforward 1 [h]:2"},
        {"RemoteForward *:0 [::1]:3", "remoteforward [*]:0 [::1]:3"},
        {"RemoteForward 1080", "remoteforward 1080 [socks]:0"},
        {"DynamicForward [::1]:4", "dynamicforward [::1]:4"},
        {"ProxyJump a,ssh://u@[::1]:5", "proxyjump a,u@[::1]:5"},
        {"ControlPath ~/%n-%j", "controlpath /home/me/Given-::1"},
        {"RemoteCommand echo %p", "remotecommand echo 22"},
        {"ForwardAgent $SOCK", "forwardagent $SOCK"},
        {"SetEnv A=\"b c\"", "setenv A=b c"},
        {"ObscureKeystrokeTiming interval:80", "obscurekeystroketiming 80"},
        {"ConnectTimeout 0", "connecttimeout 0"},
        {"AditExitCodes yes", "aditexitcodes yes"},
        {"UserKnownHostsFile none", "userknownhostsfile none"},
    };
    for (size_t i = 0; i < ADIT_COUNT(cases); i++)
        set(cases[i][0]);
    dump();
    for (size_t i = 0; i < ADIT_COUNT(cases); i++)
        has(cases[i][1]);
    has("updatehostkeys false"); /* other files than the default ones */
    options_wipe(&o);
    options_init(&o);
    set("ProxyJump ssh://u%40v@10.0.0.1:5");
    dump();
    has("proxyjump u@v@[10.0.0.1]:5");
}

static void test_refusals(void **state)
{
    (void)state;
    struct adit_error err = {0};
    set("ControlPath /tmp/%Q");
    assert_int_equal(options_dump(&o, "h", &lines, &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "%Q"));
}

static void test_no_secret(void **state)
{
    (void)state;
    set("AditProxy http://user:s3cret@h:1");
    dump();
    for (size_t i = 0; i < lines.count; i++)
        assert_null(strstr(lines.item[i], "s3cret"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_defaults), T(test_values), T(test_refusals), T(test_no_secret)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
