#include "test.h"

#include <string.h>

#include "cli/args.h"

static struct args args;
static struct adit_error err;

/* Splits a command line at its blanks and parses it. */
static enum adit_err parse(const char *line)
{
    static char text[512];
    char *argv[64] = {(char *)"adit"};
    int argc = 1;
    args_wipe(&args);
    memset(&err, 0, sizeof err);
    assert_true(strlen(line) < sizeof text);
    strcpy(text, line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return args_parse(&args, argc, argv, &err);
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
    good("-Nq -v -4 h");
    assert_int_equal(args.options.log_level, LOG_LEVEL_QUIET);
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
    assert_true(args.has_stdio && args.stdin_null);
    assert_string_equal(args.stdio.host, "target");
    assert_true(args.options.exit_on_forward_failure && args.options.clear_all_forwardings);
    good("-oClearAllForwardings=no -W t:1 h");
    assert_false(args.options.clear_all_forwardings);
    bad("-W a:1 -W b:1 h", ADIT_E_USAGE, "-W");
}

static void test_destinations(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *host;
        uint16_t port;
    } rows[] = {{"host", NULL, "host", 22},
                {"me@host", "me", "host", 22},
                {"me@corp@host", "me@corp", "host", 22},
                {"me@::1", "me", "::1", 22},
                {"[::1]", NULL, "::1", 22},
                {"ssh://host", NULL, "host", 22},
                {"ssh://host/", NULL, "host", 22},
                {"ssh://me@host:2222", "me", "host", 2222},
                {"ssh://me@[::1]:2222/", "me", "::1", 2222},
                {"ssh://m%65%40x@host", "me@x", "host", 22}};
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        char line[128] = "-N ";
        good(strcat(line, rows[i].text));
        assert_string_equal(args.host, rows[i].host);
        assert_int_equal(args.options.port, rows[i].port);
        if (rows[i].user == NULL)
            assert_null(args.options.user);
        else
            assert_string_equal(args.options.user, rows[i].user);
    }
}

/* Users as ssh takes them; those of Windows domains have a backslash or a dollar sign. */
static void test_users(void **state)
{
    (void)state;
    static const char *const fine[] = {"DOMAIN\\me", "HOST$", "first last", "a.b+c", "\xc3\xa4"};
    static const char *const refused[] = {"-me", "me\\", "a;b", "a`b", "a -b", "a'b", "a|b", "a\nb", ""};
    for (size_t i = 0; i < ADIT_COUNT(fine) + ADIT_COUNT(refused); i++) {
        bool is_fine = i < ADIT_COUNT(fine);
        char destination[64], name[] = "adit", flag[] = "-N", *argv[] = {name, flag, destination, NULL};
        (void)adit_format(destination, sizeof destination, "%s@host",
                          is_fine ? fine[i] : refused[i - ADIT_COUNT(fine)]);
        err = (struct adit_error){0};
        args_wipe(&args);
        assert_int_equal(args_parse(&args, 3, argv, &err) == ADIT_E_OK, is_fine);
        if (is_fine)
            assert_string_equal(args.options.user, fine[i]);
    }
}

static void test_bad_destinations(void **state)
{
    (void)state;
    static const char *const rows[] = {"-N @host",         "-N me@",
                                       "-N ssh://h/path",  "-N ssh://h:0",
                                       "-N ssh://h:70000", "-N ssh://h:",
                                       "-N ssh://%zz@h",   "-N ssh://%00@h",
                                       "-N a;b@h",         "-N me@-oProxy",
                                       "-N h`x`",          "-N ssh://",
                                       "-N -- -h",         "-N"};
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        bad(rows[i], ADIT_E_USAGE, "");
}

static void test_refusals(void **state)
{
    (void)state;
    bad("host", ADIT_E_UNSUPPORTED, "-N");
    bad("-L 1:2 host", ADIT_E_UNSUPPORTED, "-N");
    bad("-N host ls -l", ADIT_E_UNSUPPORTED, "command");
    bad("-Nf host", ADIT_E_UNSUPPORTED, "-f");
    bad("-N -F /etc/x host", ADIT_E_UNSUPPORTED, "-F");
    bad("-Nz host", ADIT_E_USAGE, "-z");
    bad("-N host -p", ADIT_E_USAGE, "-p");
    for (size_t i = 0; i < 5; i++) {
        static const char *const ports[] = {"0", "65536", "131073", "2000blah", "blah2000"};
        char line[64] = "-N h -p";
        bad(strcat(line, ports[i]), ADIT_E_USAGE, "port");
    }
    /* What comes after an error still counts for the exit status. */
    bad("-N -p x -o AditExitCodes=yes h", ADIT_E_USAGE, "Port");
    assert_true(args.options.exit_codes);
}

static void test_every_flag_of_ssh_is_known(void **state)
{
    (void)state;
    static const char with_value[] = "BbDEeFIiJLlmcOoPpQRSWw", plain[] = "46AaCfGgKkMNnqsTtVvXxYy";
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
        cmocka_unit_test(test_stdio),           cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_users),           cmocka_unit_test(test_bad_destinations),
        cmocka_unit_test(test_refusals),        cmocka_unit_test(test_every_flag_of_ssh_is_known),
        cmocka_unit_test(test_help_and_version)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    args_wipe(&args);
    return failed;
}
