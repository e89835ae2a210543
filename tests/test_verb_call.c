#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/verb_call.h"

enum { KEY_ALL = 2, KEY_COUNT, KEY_VERBOSE };

static const struct verb_option options[] = {{"all", 0, false, KEY_ALL},
                                             {"count", 'n', true, KEY_COUNT},
                                             {"", 'v', false, KEY_VERBOSE},
                                             {"json", 0, false, VERB_KEY_JSON},
                                             {0}};

static struct verb_call call;
static char seen[256];
static int status;

static bool take(void *ctx, int key, const char *value, struct adit_error *err)
{
    size_t n = strlen(seen);
    (void)ctx;
    (void)adit_format(seen + n, sizeof seen - n, "%d=%s;", key, value != NULL ? value : "");
    if (value == NULL || strcmp(value, "bad") != 0)
        return true;
    (void)adit_fail(err, ADIT_E_USAGE, "bad");
    return false;
}

/* The words of text, split at blanks. What it prints goes nowhere. */
static bool parse(const char *text, size_t min, size_t max)
{
    static char copy[256];
    static char *argv[32];
    int argc = 0, saved[2] = {dup(1), dup(2)}, null = open("/dev/null", O_WRONLY);
    (void)adit_format(copy, sizeof copy, "%s", text);
    char *rest = copy;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    seen[0] = 0;
    call = (struct verb_call){.verb = "list", .usage = "[X]", .help = "Help.", .argc = argc, .argv = argv};
    (void)dup2(null, 1);
    (void)dup2(null, 2);
    bool is_fine = verb_parse(&call, options, NULL, take, min, max, &status);
    (void)dup2(saved[0], 1);
    (void)dup2(saved[1], 2);
    (void)close(saved[0]);
    (void)close(saved[1]);
    (void)close(null);
    return is_fine;
}

static void test_words(void **state)
{
    (void)state;
    assert_true(parse("a --all b -n5 -vvn 6 --count=7 --json --count 8 -- -c - --all", 0, 9));
    assert_string_equal(seen, "2=;3=5;4=;4=;3=6;3=7;3=8;");
    assert_true(call.is_json);
    assert_int_equal(call.words.count, 5);
    assert_string_equal(call.words.item[2], "-c");
    assert_string_equal(call.words.item[3], "-");
    assert_string_equal(call.words.item[4], "--all");
    assert_string_equal(call.socket, "/x/env.sock");
    verb_call_wipe(&call);
    assert_true(parse("--socket /x/given.sock -", 0, 1));
    assert_string_equal(call.socket, "/x/given.sock");
    verb_call_wipe(&call);
}

static void test_wrong(void **state)
{
    static const char *const lines[] = {"--bogus", "-x",    "--all=yes", "-n",      "--count",
                                        "-n bad",  "a b c", "--",        "--socket"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(lines); i++) {
        if (parse(lines[i], 1, 2))
            fail_msg("%s", lines[i]);
        assert_int_equal(status, 2);
        verb_call_wipe(&call);
    }
    assert_false(parse("-h", 1, 2));
    assert_int_equal(status, 0);
    verb_call_wipe(&call);
    assert_false(parse("a --help", 1, 2));
    assert_int_equal(status, 0);
    verb_call_wipe(&call);
}

static void test_durations(void **state)
{
    struct adit_error err = {0};
    uint32_t ms = 0;
    (void)state;
    assert_true(verb_duration("1m30s", &ms, &err));
    assert_int_equal(ms, 90000);
    assert_false(verb_duration("soon", &ms, &err));
    assert_int_equal(err.code, ADIT_E_USAGE);
    assert_false(verb_duration("10000000", &ms, &err));
}

static void test_targets(void **state)
{
    char target[VERB_TARGET_CAP], name[2 * VERB_TARGET_CAP];
    struct adit_error err = {0};
    (void)state;
    assert_int_equal(verb_target(target, "a b", "start?x=1", &err), ADIT_E_OK);
    assert_string_equal(target, "/tunnels/%61%20b/start?x=1");
    assert_int_equal(verb_target(target, "..", "", &err), ADIT_E_OK);
    assert_string_equal(target, "/tunnels/%2e.");
    assert_int_equal(verb_target(target, "start-all", "", &err),
                     ADIT_E_OK); /* a name, and no word of the API */
    assert_string_equal(target, "/tunnels/%73tart-all");
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    assert_int_equal(verb_target(target, name, "", &err), ADIT_E_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_wrong),
                                       cmocka_unit_test(test_durations), cmocka_unit_test(test_targets)};
    (void)setenv("ADIT_SOCK", "/x/env.sock", 1);
    (void)setenv("ADIT_CONFIG", "/dev/null", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
