#include "test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/identity_flags.h"
#include "cli/log.h"

static char folder[] = "/tmp/adit-identity-XXXXXX";
static struct args args;

static void make(const char *name)
{
    char path[128];
    (void)adit_format(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    close(fd);
}

/* How many identities are left of one -i. */
static size_t left(const char *text)
{
    char name[] = "adit", flag[] = "-N", i[] = "-i", host[] = "h", value[256];
    char *argv[] = {name, flag, i, value, host};
    struct adit_error err = {0};
    (void)adit_format(value, sizeof value, "%s", text);
    args_wipe(&args);
    assert_int_equal(args_parse(&args, 5, argv, &err), ADIT_E_OK);
    identity_flags_check(&args);
    return args.options.identity_files.count;
}

static void test_files(void **state)
{
    char path[128];
    (void)state;
    make("here");
    make("agent.pub");
    (void)adit_format(path, sizeof path, "%s/here", folder);
    assert_int_equal(left(path), 1);
    (void)adit_format(path, sizeof path, "%s/agent", folder);
    assert_int_equal(left(path), 1); /* agent.pub names it */
    (void)adit_format(path, sizeof path, "%s/gone", folder);
    assert_int_equal(left(path), 0);
}

static void test_home(void **state)
{
    (void)state;
    assert_int_equal(setenv("HOME", folder, 1), 0);
    assert_int_equal(left("~/here"), 1);
    assert_int_equal(left("~/gone"), 0);
}

/* What is no plain path is somebody else's to judge. */
static void test_not_looked_at(void **state)
{
    static const char *const names[] = {"env:KEY", "fd:3", "none", "%d/gone", "${NO}/gone", "~nobody/gone"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(names); i++)
        assert_int_equal(left(names[i]), 1);
}

static int setup(void **state)
{
    (void)state;
    log_set_level(LOG_LEVEL_QUIET);
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    char path[128];
    (void)state;
    args_wipe(&args);
    (void)adit_format(path, sizeof path, "%s/here", folder);
    unlink(path);
    (void)adit_format(path, sizeof path, "%s/agent.pub", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files), cmocka_unit_test(test_home),
                                       cmocka_unit_test(test_not_looked_at)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
