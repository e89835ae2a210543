#include "test.h"

#include <string.h>

#include "client/config_reader.h"

/* A world in memory: "include NAME" reads one of these. */
static const struct {
    const char *name, *text;
} files[] = {{"/good", "Port 44\n"},
             {"/block", "User in\nHost other\nPort 5\nMatch all\nTag b\n"},
             {"/bad", "# one\nPort x\n"},
             {"/self", "Include /self\n"}};

static struct options o;
static struct config_facts facts;
static char ran[256];
static unsigned runs;

static enum adit_err on_include(void *ctx, struct config_reader *r, const char *pattern,
                                struct adit_error *err)
{
    (void)ctx;
    for (size_t i = 0; i < ADIT_COUNT(files); i++)
        if (strcmp(files[i].name, pattern) == 0)
            return config_read(r, span_str(files[i].text), pattern, err);
    return ADIT_E_OK;
}

static enum adit_err on_exec(void *ctx, const char *command, bool *matches, struct adit_error *err)
{
    (void)ctx;
    (void)err;
    runs++;
    adit_format(ran, sizeof ran, "%s", command);
    *matches = strncmp(command, "yes", 3) == 0;
    return ADIT_E_OK;
}

static enum adit_err on_local_network(void *ctx, const char *list, bool *matches, struct adit_error *err)
{
    (void)ctx;
    (void)err;
    *matches = strcmp(list, "here") == 0;
    return ADIT_E_OK;
}

static char told[4096]; /* the bad lines */

static void on_bad_line(void *ctx, const char *text)
{
    size_t n = strlen(told);
    (void)ctx;
    (void)adit_format(told + n, sizeof told - n, "%s\n", text);
}

static const struct config_hooks hooks = {
    .include = on_include, .exec = on_exec, .local_network = on_local_network, .bad_line = on_bad_line};

static int setup(void **state)
{
    (void)state;
    options_init(&o);
    facts = (struct config_facts){.host = "web",
                                  .given_host = "web",
                                  .version = "adit_1.0",
                                  .names = {.home = "/h", .local_user = "me", .local_host = "box"}};
    runs = 0;
    ran[0] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    options_wipe(&o);
    return 0;
}

static struct config_reader reader(void)
{
    return (struct config_reader){.options = &o, .facts = &facts, .hooks = &hooks, .is_user = true};
}

static void good(const char *text)
{
    struct adit_error err = {0};
    struct config_reader r = reader();
    enum adit_err e = config_read(&r, span_str(text), "FILE", &err);
    if (e != ADIT_E_OK)
        print_error("%s: %s\n", text, err.text);
    assert_int_equal(e, ADIT_E_OK);
}

static void bad(const char *text, const char *says)
{
    struct adit_error err = {0};
    options_wipe(&o);
    options_init(&o);
    told[0] = 0;
    struct config_reader r = reader();
    assert_int_equal(config_read(&r, span_str(text), "FILE", &err), ADIT_E_CONFIG);
    if (strstr(told, says) == NULL)
        print_error("%s%s\n", told, err.text);
    assert_non_null(strstr(told, says));
    assert_non_null(strstr(err.text, ": terminating, 1 bad configuration options"));
}

static bool matches(const char *condition)
{
    char text[512];
    options_wipe(&o);
    options_init(&o);
    adit_format(text, sizeof text, "User you\nTag blue\n%s\nPort 99\n", condition);
    good(text);
    return o.port == 99;
}

static void test_lines(void **state)
{
    (void)state;
    good("# comment\n\n  \t# another\r\nPort=7\r\n\tUSER = \"a b\"\nPort 8");
    assert_int_equal(o.port, 7);
    assert_string_equal(o.user, "a b");
}

static void test_host(void **state)
{
    (void)state;
    assert_true(matches("Host web"));
    assert_true(matches("Host *"));
    assert_true(matches("Host a w?b"));
    assert_true(matches("Host=web"));
    assert_true(matches("Host \"web\" # comment"));
    assert_false(matches("Host WEB"));
    assert_false(matches("Host web !w*"));
    assert_false(matches("Host !other"));
    assert_false(matches("Host a,web"));
    assert_false(matches("Host a # web"));
}

static void test_match(void **state)
{
    (void)state;
    facts.given_host = "short";
    static const char *const yes[] = {"all",
                                      "host web",
                                      "host WEB",
                                      "host=web",
                                      "host \"x,w*\"",
                                      "!host x",
                                      "originalhost short",
                                      "user you",
                                      "localuser me",
                                      "tagged blue",
                                      "command \"\"",
                                      "version adit*",
                                      "sessiontype shell",
                                      "localnetwork here",
                                      "!localnetwork there",
                                      "exec yes",
                                      "!exec no",
                                      "!canonical all",
                                      "!final host web",
                                      "host web user you # comment"};
    static const char *const no[] = {
        "!all",           "host short", "host !web,*",      "!host w*",         "user You",
        "tagged \"\"",    "command ls", "sessiontype exec", "canonical all",    "final",
        "localnetwork x", "exec no",    "host web user me", "version OpenSSH*", "originalhost web"};
    char line[256];
    for (size_t i = 0; i < ADIT_COUNT(yes) + ADIT_COUNT(no); i++) {
        bool wanted = i < ADIT_COUNT(yes);
        adit_format(line, sizeof line, "Match %s", wanted ? yes[i] : no[i - ADIT_COUNT(yes)]);
        if (matches(line) != wanted)
            print_error("%s\n", line);
        assert_int_equal(o.port == 99, wanted);
    }
}

static void test_match_facts(void **state)
{
    (void)state;
    facts.command = "rsync --server";
    assert_true(matches("Match command rsync*"));
    assert_true(matches("Match sessiontype exec"));
    assert_false(matches("Match sessiontype none\nPort 99\nMatch !all"));
    assert_true(matches("SessionType none\nMatch sessiontype none"));
    assert_true(matches("SessionType subsystem\nMatch sessiontype subsystem"));
    /* host is what HostName says by then */
    assert_true(matches("HostName %h.example\nMatch host web.example"));
    assert_false(matches("HostName %h.example\nMatch host web"));
}

static void test_exec(void **state)
{
    (void)state;
    assert_true(matches("HostName 10.0.0.1\nMatch exec \"yes %h %n %r %p %u %L %%\""));
    assert_string_equal(ran, "yes 10.0.0.1 web you 22 me box %");
    runs = 0;
    assert_false(matches("Match host x exec yes"));
    assert_false(matches("Host x\nMatch host web exec no\nHost x"));
    assert_int_equal(runs, 1); /* the first has failed before it; a Host block does not enclose a Match */
    bad("Match host \"\"", "missing argument for Match 'host'");
    bad("Match host x user=", "missing argument for Match 'user'");
    bad("Match exec \"yes %Q\"", "FILE line 1: yes %Q: %Q is not known here");
    bad("HostName a;b\nMatch exec \"yes %h\"", "hostname contains invalid characters");
    bad("HostName -x\nMatch exec \"yes %h\"", "hostname contains invalid characters");
    bad("User a`b\nMatch exec \"yes %r\"", "FILE line 2: Match exec: remote username contains invalid");
    bad("HostKeyAlias a|b\nMatch exec \"yes %k\"", "HostKeyAlias contains invalid characters");
    assert_int_equal(runs, 1);
}

static void test_final(void **state)
{
    (void)state;
    struct adit_error err = {0};
    struct config_reader r = reader();
    assert_int_equal(config_read(&r, span_str("Match host x final\nPort 1\n"), "FILE", &err), ADIT_E_OK);
    assert_true(r.wants_final);
    r = reader();
    r.is_final = true;
    assert_int_equal(
        config_read(&r, span_str("Match final\nPort 1\nMatch canonical all\nTag c"), "FILE", &err),
        ADIT_E_OK);
    assert_int_equal(o.port, 1);
    assert_string_equal(o.tag, "c");
}

static void test_include(void **state)
{
    (void)state;
    good("Include /good /missing\nPort 1\n");
    assert_int_equal(o.port, 44);
    /* Its blocks end with it; in a block that does not apply none of its own does. */
    good("Host x\nInclude /block\nUser out\nHost web\nInclude /block\nHashKnownHosts yes\n");
    assert_string_equal(o.user, "in");
    assert_string_equal(o.tag, "b");
    assert_true(o.hash_known_hosts);
    options_wipe(&o);
    options_init(&o);
    good("Host x\nInclude /block\n");
    assert_null(o.tag);
    assert_null(o.user);
}

static void test_include_refusals(void **state)
{
    (void)state;
    bad("Port 1\nInclude /bad\n", "/bad line 2: Port: Bad port 'x'.");
    bad("Include /self\n", "/self line 1: Too many recursive configuration includes");
    bad("Include \"\"\n", "FILE line 1: keyword include empty argument");
    struct adit_error err = {0};
    struct config_reader r = reader();
    r.is_user = false;
    assert_int_equal(config_read(&r, span_str("Include ~/x"), "FILE", &err), ADIT_E_CONFIG);
    assert_non_null(strstr(told, "bad include path"));
}

/* Every bad line is told, also of a block that does not apply; an included file ends it all. */
static void test_many_bad(void **state)
{
    (void)state;
    struct adit_error err = {0};
    struct config_reader r = reader();
    told[0] = 0;
    assert_int_equal(config_read(&r, span_str("Foo 1\nPort 7\nHost other\nPort y\nMatch\n"), "FILE", &err),
                     ADIT_E_CONFIG);
    assert_string_equal(told, "FILE: line 1: Bad configuration option: foo\n"
                              "FILE line 4: Port: Bad port 'y'.\n"
                              "FILE line 5: no argument after keyword \"match\"\n");
    assert_string_equal(err.text, "FILE: terminating, 3 bad configuration options");
    memset(&err, 0, sizeof err);
    r = reader();
    told[0] = 0;
    assert_int_equal(config_read(&r, span_str("Foo 1\nInclude /bad\nBar 1\n"), "FILE", &err), ADIT_E_CONFIG);
    assert_string_equal(told, "FILE: line 1: Bad configuration option: foo\n"
                              "/bad line 2: Port: Bad port 'x'.\n");
    assert_string_equal(err.text, "/bad: terminating, 1 bad configuration options");
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"\n\nNonsense 1\n", "FILE: line 3: Bad configuration option: nonsense"},
        {"Port\n", "FILE line 1: no argument after keyword"},
        {"Host x\nPort y\n", "FILE line 2: Port: Bad port 'y'."},
        {"Host\n", "FILE line 1: no argument after keyword"},
        {"Host \"\"\n", "empty argument"},
        {"Match\n", "FILE line 1: no argument after keyword"},
        {"Match foo x\n", "Bad Match condition: Unsupported Match attribute foo"},
        {"Match host\n", "Bad Match condition: missing argument for Match 'host'"},
        {"Match all host x\n", "'all' cannot be combined with other Match attributes"},
        {"Match host \"x\n", "FILE line 1: invalid quotes"},
        {"Port 1 2\n", "extra arguments at end of line"},
    };
    for (size_t i = 0; i < ADIT_COUNT(cases); i++)
        bad(cases[i][0], cases[i][1]);
    struct adit_error err = {0};
    struct config_reader r = reader();
    assert_int_equal(config_read(&r, span_make("Port 1\0002\n", 9), "FILE", &err), ADIT_E_CONFIG);
    assert_non_null(strstr(told, "zero byte"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_lines),    T(test_host),    T(test_match),   T(test_match_facts),
        T(test_exec),     T(test_final),   T(test_include), T(test_include_refusals),
        T(test_refusals), T(test_many_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
