/* What of a command line and an environment is autossh's, and what ssh is left with. */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/autossh.h"

static struct autossh a;
static struct adit_error err;

static const char *const variables[] = {
    "AUTOSSH_DEBUG",       "AUTOSSH_FIRST_POLL", "AUTOSSH_GATETIME", "AUTOSSH_LOGFILE",   "AUTOSSH_LOGLEVEL",
    "AUTOSSH_MAXLIFETIME", "AUTOSSH_MAXSTART",   "AUTOSSH_MESSAGE",  "AUTOSSH_NTSERVICE", "AUTOSSH_PATH",
    "AUTOSSH_PIDFILE",     "AUTOSSH_POLL",       "AUTOSSH_PORT",
};

static int setup(void **state)
{
    (void)state;
    memset(&err, 0, sizeof err);
    for (size_t i = 0; i < ADIT_COUNT(variables); i++)
        unsetenv(variables[i]);
    return 0;
}

static int teardown(void **state)
{
    autossh_wipe(&a);
    return setup(state);
}

enum { WORDS = 16 };

static enum adit_err take(const char *first, va_list ap)
{
    static char copies[WORDS][128];
    static char *argv[WORDS + 1];
    int argc = 0;
    autossh_wipe(&a);
    memset(&err, 0, sizeof err);
    for (const char *word = first; word != NULL; word = va_arg(ap, const char *)) {
        assert_true(argc < WORDS);
        (void)snprintf(copies[argc], sizeof copies[argc], "%s", word);
        argv[argc] = copies[argc];
        argc++;
    }
    argv[argc] = NULL;
    return autossh_init(&a, argc, argv, &err);
}

static void good(const char *first, ...)
{
    va_list ap;
    va_start(ap, first);
    assert_int_equal(take(first, ap), ADIT_E_OK);
    va_end(ap);
}

static void bad(const char *words, const char *first, ...)
{
    va_list ap;
    va_start(ap, first);
    assert_int_equal(take(first, ap), ADIT_E_USAGE);
    va_end(ap);
    assert_string_equal(err.text, words);
}

/* ssh's words, behind what is always there. */
static void check_words(const char *expected)
{
    char text[512] = "";
    size_t n = 0;
    assert_true(a.argc >= 2 && a.argv[a.argc] == NULL);
    assert_string_equal(a.argv[0], "ssh");
    assert_string_equal(a.argv[1], "-oAditReconnect=yes");
    int from = 2;
    if (a.is_in_background)
        assert_string_equal(a.argv[from++], "-oBatchMode=yes");
    for (int i = from; i < a.argc; i++)
        n += adit_format(text + n, sizeof text - n, i == from ? "%s" : "|%s", a.argv[i]);
    assert_string_equal(text, expected);
}

static void test_name(void **state)
{
    (void)state;
    assert_true(autossh_is_called("autossh"));
    assert_true(autossh_is_called("/usr/bin/autossh"));
    assert_false(autossh_is_called("/autossh/ssh"));
    assert_false(autossh_is_called("autossh2"));
    assert_false(autossh_is_called(NULL));
}

static void test_words(void **state)
{
    (void)state;
    good("autossh", "-M", "0", "host", NULL);
    check_words("host");
    assert_false(a.is_monitored || a.is_in_background);
    good("autossh", "-M20000", "-N", "-L", "1:h:2", "me@host", NULL);
    check_words("-N|-L|1:h:2|me@host");
    assert_true(a.is_monitored);
    good("autossh", "-fNM", "20000:7", "host", NULL);
    check_words("-N|host");
    assert_true(a.is_monitored && a.is_in_background);
    good("autossh", "-NfR", "1:h:2", "host", "-M0", "-f", "-v", NULL);
    check_words("-NR|1:h:2|host|-v");
    good("autossh", "host", NULL);
    check_words("host");
}

/* A value is not looked into, nor is a command. */
static void test_what_is_not_ours(void **state)
{
    (void)state;
    good("autossh", "-M", "0", "-ifile", "-o", "-f", "-lMf", "-L", "-M", "host", "ls", "-fM", "x", NULL);
    check_words("-ifile|-o|-f|-lMf|-L|-M|host|ls|-fM|x");
    assert_false(a.is_in_background);
    good("autossh", "-M0", "-N", "--", "-f", "-M", NULL);
    check_words("-N|--|-f|-M");
    good("autossh", "-M0", "-", "-f", "host", NULL);
    check_words("-|host");
    assert_true(a.is_in_background);
    good("autossh", "-M0", "-p", NULL); /* ssh will say what is missing */
    check_words("-p");
    good("autossh", "", "-M0", NULL);
    check_words("");
}

static void test_bad_words(void **state)
{
    (void)state;
    bad("", "autossh", NULL);
    bad("", "autossh", "-M", NULL);
    bad("", "autossh", "-fM", NULL);
    bad("invalid port \"x\"", "autossh", "-M", "x", "host", NULL);
    bad("invalid port \"\"", "autossh", "-M", "", "host", NULL);
    bad("invalid port \"-1\"", "autossh", "-M-1", "host", NULL);
    bad("invalid port \"65535\"", "autossh", "-M", "65535", "host", NULL);
    bad("invalid echo port \"\"", "autossh", "-M", "1:", "host", NULL);
    bad("invalid echo port \"65536\"", "autossh", "-M", "1:65536", "host", NULL);
}

static void test_version(void **state)
{
    (void)state;
    good("autossh", "-V", NULL);
    assert_true(a.wants_version);
}

/* ---- The environment ---- */

static void set(const char *name, const char *value)
{
    assert_int_equal(setenv(name, value, 1), 0);
}

static void test_defaults(void **state)
{
    (void)state;
    good("autossh", "-M0", "host", NULL);
    assert_int_equal(a.gate_ms, 30000);
    assert_true(a.max_start == -1);
    assert_int_equal(a.lifetime_s, 0);
    assert_int_equal(a.poll_s, 600);
    assert_null(a.log_level);
    assert_null(a.log_file);
    assert_null(a.pid_file);
    assert_int_equal(a.notes.count, 0);
    good("autossh", "-fM0", "host", NULL);
    assert_int_equal(a.gate_ms, 0);
}

static void test_gate(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good_ones[] = {{"0", 0}, {"5", 5000}, {"0.5", 500}, {".25", 250}, {"1.", 1000}, {"2.0019", 2001}};
    static const char *const bad_ones[] = {"-1", "x", "1s", ".", "1.x", "1.5.5", "99999999999"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(good_ones); i++) {
        set("AUTOSSH_GATETIME", good_ones[i].text);
        good("autossh", "-M0", "host", NULL);
        assert_int_equal(a.gate_ms, good_ones[i].ms);
    }
    for (size_t i = 0; i < ADIT_COUNT(bad_ones); i++) {
        char words[64];
        set("AUTOSSH_GATETIME", bad_ones[i]);
        (void)snprintf(words, sizeof words, "invalid gate time \"%s\"", bad_ones[i]);
        bad(words, "autossh", "-M0", "host", NULL);
    }
}

static void test_environment(void **state)
{
    (void)state;
    set("AUTOSSH_MAXSTART", "3");
    set("AUTOSSH_MAXLIFETIME", "60");
    set("AUTOSSH_POLL", "30");
    set("AUTOSSH_LOGLEVEL", "3");
    set("AUTOSSH_LOGFILE", "/l");
    set("AUTOSSH_PIDFILE", "/p");
    set("AUTOSSH_PORT", "20000");
    set("AUTOSSH_PATH", "/usr/bin/ssh");
    set("AUTOSSH_MESSAGE", "");
    good("autossh", "host", NULL);
    assert_true(a.max_start == 3 && a.lifetime_s == 60 && a.poll_s == 30 && a.is_monitored);
    assert_string_equal(a.log_level, "ERROR");
    assert_string_equal(a.log_file, "/l");
    assert_string_equal(a.pid_file, "/p");
    assert_int_equal(a.notes.count, 3); /* of POLL, PATH and PORT; an empty one is not there */
    set("AUTOSSH_DEBUG", "1");
    set("AUTOSSH_MAXSTART", "-1");
    good("autossh", "host", NULL);
    assert_string_equal(a.log_level, "DEBUG1");
    assert_true(a.is_debugging && a.max_start == -1);
    set("AUTOSSH_LOGLEVEL", "8");
    bad("invalid log level \"8\"", "autossh", "host", NULL);
}

static void test_pid_file(void **state)
{
    char path[] = "/tmp/test_autossh.XXXXXX", text[32] = "";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    set("AUTOSSH_PIDFILE", path);
    good("autossh", "host", NULL);
    assert_int_equal(autossh_pid_write(&a, &err), ADIT_E_OK);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    assert_int_equal(strtol(text, NULL, 10), getpid());
    close(fd);
    autossh_pid_remove(&a);
    assert_int_equal(access(path, F_OK), -1);
    set("AUTOSSH_PIDFILE", "/nowhere/at/all");
    good("autossh", "host", NULL);
    assert_int_equal(autossh_pid_write(&a, &err), ADIT_E_SYSTEM);
    autossh_pid_remove(&a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_name),      TEST(test_words),       TEST(test_what_is_not_ours),
        TEST(test_bad_words), TEST(test_version),     TEST(test_defaults),
        TEST(test_gate),      TEST(test_environment), TEST(test_pid_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
