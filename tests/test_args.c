#include "test.h"

#include <string.h>

#include "cli/args.h"

static struct args args;
static struct adit_error err;

static const char *called_as = "adit";

/* Splits a command line at its blanks and parses it. */
static enum adit_err parse(const char *line)
{
    static char text[512];
    char name[32], *argv[64] = {name};
    int argc = 1;
    args_wipe(&args);
    memset(&err, 0, sizeof err);
    assert_true(strlen(line) < sizeof text);
    strcpy(text, line);
    strcpy(name, called_as);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    enum adit_err e = args_parse(&args, argc, argv, &err);
    bool is_over = args.wants_help || args.wants_version || args.query != NULL;
    return e == ADIT_E_OK && !is_over ? args_finish(&args, &err) : e;
}

static void good(const char *line)
{
    enum adit_err e = parse(line);
    if (e != ADIT_E_OK)
        print_error("%s: %s\n", line, err.text);
    assert_int_equal(e, ADIT_E_OK);
}

static void bad(const char *line, enum adit_err wanted, const char *names)
{
    enum adit_err e = parse(line);
    if (e != wanted || strstr(err.text, names) == NULL)
        print_error("%s: %d %s\n", line, (int)e, err.text);
    assert_int_equal(e, wanted);
    assert_non_null(strstr(err.text, names));
}

static void test_flags(void **state)
{
    (void)state;
    good("-NTxap2222 host -lme -vv -oBatchMode=yes -L 8080:80 --");
    assert_string_equal(args.host, "host");
    assert_string_equal(args.options.user, "me");
    assert_int_equal(args.options.port, 2222);
    assert_int_equal(args.options.log_level, LOG_LEVEL_DEBUG2);
    assert_true(args.options.batch_mode && args.options.session_type == SESSION_TYPE_NONE);
    assert_int_equal(args.options.forward_count, 1);
    assert_int_equal(args.options.alive_interval_s, 15);
    good("-N -4 h");
    assert_int_equal(args.options.family, FAMILY_INET);
    assert_int_equal(args.options.alive_interval_s, 0); /* it carries no forward */
    good("-N -i a -i b -F none -- h");
    assert_int_equal(args.options.identity_files.count, 2);
}

static void test_first_wins(void **state)
{
    (void)state;
    good("-N -p 1 -p 2 -l first ssh://second@host:3");
    assert_int_equal(args.options.port, 1);
    assert_string_equal(args.options.user, "first");
    good("-N -o ServerAliveInterval=0 -L 1:2 h");
    assert_int_equal(args.options.alive_interval_s, 0);
}

static void test_stdio(void **state)
{
    (void)state;
    good("-n -W target:25 host");
    assert_true(args.has_stdio && args.options.stdin_null);
    assert_string_equal(args.stdio.host, "target");
    assert_true(args.options.exit_on_forward_failure && args.options.clear_all_forwardings);
    good("-oClearAllForwardings=no -W t:1 h");
    assert_false(args.options.clear_all_forwardings);
    bad("-W a:1 -W b:1 h", ADIT_E_USAGE, "-W");
}

static void test_destination(void **state)
{
    (void)state;
    good("-N ssh://me@[::1]:2222/");
    assert_string_equal(args.options.user, "me");
    assert_string_equal(args.host, "::1");
    assert_int_equal(args.options.port, 2222);
    good("-N me:style@host");
    assert_string_equal(args.options.user, "me:style");
    bad("-N @host", ADIT_E_USAGE, "");
    assert_true(args.wants_usage);
    bad("-N a;b@h", ADIT_E_USAGE, "remote username contains invalid characters");
    assert_false(args.wants_usage);
    bad("-N h;x", ADIT_E_USAGE, "hostname contains invalid characters");
    bad("-N -l -x h", ADIT_E_USAGE, "remote username");
    bad("-N -- -h", ADIT_E_USAGE, "hostname");
    bad("-N", ADIT_E_USAGE, "no destination");
    assert_true(args.wants_usage);
}

/* What follows the host is flags until "--" or a word; all the rest is the command, with blanks between. */
static void test_command(void **state)
{
    (void)state;
    good("h -p 3 -N --");
    assert_null(args.command);
    good("-N h -p 3 ls -l  /");
    assert_string_equal(args.command, "ls -l /");
    assert_int_equal(args.options.port, 3);
    good("-N h -- -v");
    assert_string_equal(args.command, "-v");
    assert_int_equal(args.options.log_level, LOG_LEVEL_INFO);
    good("-N -- h -v");
    assert_string_equal(args.command, "-v");
}

static void test_refusals(void **state)
{
    (void)state;
    bad("-N -I lib host", ADIT_E_UNSUPPORTED, "PKCS#11");
    bad("-N -w 0:0 host", ADIT_E_UNSUPPORTED, "-w");
    bad("-N -1 host", ADIT_E_UNSUPPORTED, "v.1");
    bad("-N -O proxy host", ADIT_E_UNSUPPORTED, "-O proxy");
}

/* ssh's words, which scripts look for. */
static void test_bad_values(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"-Nz h", "unknown option -- z"},
        {"-N h -p", "option requires an argument -- p"},
        {"-N -c foo h", "Unknown cipher type 'foo'"},
        {"-N -m foo h", "Unknown mac type 'foo'"},
        {"-N -L x h", "Bad local forwarding specification 'x'"},
        {"-N -D x h", "Bad dynamic forwarding specification 'x'"},
        {"-N -R a:b:c:d:e h", "Bad remote forwarding specification 'a:b:c:d:e'"},
        {"-W x h", "Bad stdio forwarding specification 'x'"},
        {"-W a:1 -W b:1 h", "stdio forward already specified"},
        {"-O foo h", "Invalid multiplex command"},
        {"-N -o ProxyCommand=x -J a h", "Cannot specify -J with ProxyCommand"},
        {"-N -J a -J b h", "Only a single -J option is permitted"},
        {"-N -J a,,b h", "Invalid -J argument"},
        {"-s h", "You must specify a subsystem to invoke."},
        {"-N -s h", "Cannot specify -s with -N/SessionType"},
        {"-s -N h x", "Cannot specify -N with -s/SessionType"},
        {"-e xx -N h", "Bad escape character 'xx'."},
        {"-N -E x -y h", "Can't specify both -y and -E"},
        {"-f -o RemoteCommand=none h", "Cannot fork into background without a command to execute."},
        {"-f h", "Cannot fork into background without a command to execute."},
        {"-N -o foo=1 h", "command-line: line 0: Bad configuration option: foo"},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        bad(rows[i][0], ADIT_E_USAGE, rows[i][1]);
    for (size_t i = 0; i < 5; i++) {
        static const char *const ports[] = {"0", "65536", "131073", "2000blah", "blah2000"};
        char line[64] = "-N h -p", wanted[64] = "Bad port '";
        bad(strcat(line, ports[i]), ADIT_E_USAGE, strcat(wanted, ports[i]));
    }
    /* What comes after an error still counts for the exit status. */
    bad("-N -p x -o AditExitCodes=yes h", ADIT_E_USAGE, "Bad port 'x'");
    assert_true(args.options.exit_codes);
}

/* Of some flags the last one counts, of the others the first. */
static void test_last_word(void **state)
{
    (void)state;
    good("-N -4 -6 h");
    assert_int_equal(args.options.family, FAMILY_INET6);
    good("-N -oAddressFamily=inet -6 h");
    assert_int_equal(args.options.family, FAMILY_INET6);
    good("-N -6 -oAddressFamily=inet h");
    assert_int_equal(args.options.family, FAMILY_INET6);
    good("-N -c aes128-ctr -c aes256-ctr h");
    assert_string_equal(args.options.ciphers, "aes256-ctr");
    good("-N -o GatewayPorts=no -g h");
    assert_true(args.options.gateway_ports);
    bad("-N -c aes128-ctr -c foo h", ADIT_E_USAGE, "Unknown cipher type 'foo'");
}

static void test_log_level(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        enum log_level level;
    } rows[] = {{"-N h", LOG_LEVEL_INFO},
                {"-N -v h", LOG_LEVEL_DEBUG1},
                {"-Nvvvvv h", LOG_LEVEL_DEBUG3},
                {"-N -v -q h", LOG_LEVEL_QUIET},
                {"-N -q -v h", LOG_LEVEL_DEBUG1},
                {"-N -q -oLogLevel=DEBUG3 h", LOG_LEVEL_QUIET},
                {"-N -oLogLevel=ERROR -v h", LOG_LEVEL_DEBUG1},
                {"-N -v -oLogLevel=ERROR h", LOG_LEVEL_DEBUG1}};
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        good(rows[i].line);
        assert_int_equal(args.options.log_level, rows[i].level);
        assert_true(i == 0 || options_is_set(&args.options, "LogLevel")); /* a file does not change it */
    }
}

/* Called as ssh: its defaults, its forms, nothing of our own. */
static void test_face(void **state)
{
    static const char *const ssh[] = {"ssh", "/usr/bin/ssh", "./ssh"}, *const ours[] = {"adit", "ssh.real",
                                                                                        "xssh", ""};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(ssh); i++) {
        called_as = ssh[i];
        good("-N -L 1:h:2 h");
        assert_true(args.is_ssh);
        assert_string_equal(args.program, "ssh");
        assert_int_equal(args.options.alive_interval_s, 0);
    }
    bad("-N -L 1:2 h", ADIT_E_USAGE, "Bad local forwarding specification '1:2'");
    bad("-h", ADIT_E_USAGE, "unknown option -- h");
    for (size_t i = 0; i < ADIT_COUNT(ours); i++) {
        called_as = ours[i];
        good("-N -L 1:2 h");
        assert_false(args.is_ssh);
        assert_int_equal(args.options.alive_interval_s, 15);
    }
    called_as = "adit";
}

/* Nothing behind them matters, and nothing before them may be wrong. */
static void test_what_ends_it(void **state)
{
    (void)state;
    good("-N -Qcipher -z");
    assert_string_equal(args.query, "cipher");
    good("-E log -Q kex -E other");
    assert_string_equal(args.query, "kex");
    good("-vVz");
    assert_true(args.wants_version);
    bad("-z -Q kex", ADIT_E_USAGE, "unknown option -- z");
}

static void test_what_is_noted(void **state)
{
    (void)state;
    good("-NfE log -F none -X h");
    assert_true(args.options.fork_after_auth && args.options.stdin_null && args.options.forward_x11);
    assert_string_equal(args.log_file, "log");
    assert_string_equal(args.config_file, "none");
    good("-E/path -N h");
    assert_string_equal(args.log_file, "/path");
    good("-NYx -y -2 h -Gn");
    assert_true(args.use_syslog && args.wants_config && args.options.stdin_null);
    assert_false(args.options.forward_x11);
}

static void test_usage(void **state)
{
    char text[ARGS_USAGE_CAP];
    (void)state;
    called_as = "ssh";
    good("-N h");
    args_usage(&args, text);
    assert_memory_equal(text, "usage: ssh [-46Aa", 17);
    assert_null(strstr(text, "adit"));
    called_as = "adit";
    good("-N h");
    args_usage(&args, text);
    assert_memory_equal(text, "usage: adit [-46Aa", 18);
    assert_int_equal(text[strlen(text) - 1], '\n');
}

static void test_every_flag_of_ssh_is_known(void **state)
{
    (void)state;
    static const char with_value[] = "BbDEeFIiJLlmcOoPpRSWw", plain[] = "1246AaCfGgKkMNnqsTtvXxYy";
    for (const char *f = with_value; *f != 0; f++) {
        char line[32] = "-N -? value h";
        line[4] = *f;
        (void)!parse(line);
        assert_string_equal(args.host, "h"); /* its value was not taken for the host */
        assert_null(strstr(err.text, "unknown option"));
    }
    for (const char *f = plain; *f != 0; f++) {
        char line[32] = "-N -? h";
        line[4] = *f;
        (void)!parse(line);
        assert_null(strstr(err.text, "unknown option"));
    }
}

static void test_help_and_version(void **state)
{
    (void)state;
    (void)!parse("-h");
    assert_true(args.wants_help);
    (void)!parse("-V");
    assert_true(args.wants_version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flags),           cmocka_unit_test(test_first_wins),
        cmocka_unit_test(test_stdio),           cmocka_unit_test(test_destination),
        cmocka_unit_test(test_command),         cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bad_values),      cmocka_unit_test(test_last_word),
        cmocka_unit_test(test_log_level),       cmocka_unit_test(test_face),
        cmocka_unit_test(test_what_ends_it),    cmocka_unit_test(test_what_is_noted),
        cmocka_unit_test(test_usage),           cmocka_unit_test(test_every_flag_of_ssh_is_known),
        cmocka_unit_test(test_help_and_version)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    args_wipe(&args);
    return failed;
}
