#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/rendezvous.h"

static char folder[64], path[SOCK_PATH_CAP];

static int setup(void **state)
{
    (void)state;
    (void)adit_format(folder, sizeof folder, "/tmp/adit-rendezvous-XXXXXX");
    assert_non_null(mkdtemp(folder));
    (void)adit_format(path, sizeof path, "%s/a/b/sock", folder);
    return 0;
}

static int teardown(void **state)
{
    char part[SOCK_PATH_CAP];
    (void)state;
    (void)unlink(path);
    (void)adit_format(part, sizeof part, "%s/a/b", folder);
    assert_int_equal(rmdir(part), 0); /* nothing is left in it */
    (void)adit_format(part, sizeof part, "%s/a", folder);
    assert_int_equal(rmdir(part), 0);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

static enum adit_err open_it(struct rendezvous *r, const gid_t *group)
{
    struct adit_error err = {0};
    enum adit_err e = rendezvous_open(r, path, group, &err);
    assert_int_equal(e, err.code);
    return e;
}

static mode_t mode_of(const char *at)
{
    struct stat st;
    assert_int_equal(lstat(at, &st), 0);
    return st.st_mode & 0777;
}

static void test_made_and_removed(void **state)
{
    struct rendezvous r;
    gid_t group = getgid();
    (void)state;
    assert_int_equal(open_it(&r, NULL), ADIT_E_OK);
    assert_int_equal(mode_of(path), 0600);
    rendezvous_close(&r);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(open_it(&r, &group), ADIT_E_OK);
    assert_int_equal(mode_of(path), 0660);
    rendezvous_close(&r);
    rendezvous_close(&r);
}

/* One that lives stays; one that is dead is replaced, and then the old owner removes nothing. */
static void test_live_and_dead(void **state)
{
    struct rendezvous first, second;
    (void)state;
    assert_int_equal(open_it(&first, NULL), ADIT_E_OK);
    assert_int_equal(open_it(&second, NULL), ADIT_E_SYSTEM);
    assert_int_equal(second.fd, -1);
    assert_int_equal(access(path, F_OK), 0);
    sock_close(&first.fd);
    assert_int_equal(open_it(&second, NULL), ADIT_E_OK);
    rendezvous_close(&first);
    assert_int_equal(access(path, F_OK), 0);
    rendezvous_close(&second);
    assert_int_equal(access(path, F_OK), -1);
}

/* Who has no descriptor to ask with does not know of another daemon. */
static void test_cannot_ask(void **state)
{
    struct rendezvous first, second;
    struct adit_error err = {0};
    struct rlimit before, none;
    (void)state;
    assert_int_equal(open_it(&first, NULL), ADIT_E_OK);
    sock_close(&first.fd);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(rendezvous_open(&second, path, NULL, &err), ADIT_E_SYSTEM);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_non_null(strstr(err.text, "Too many open files"));
    assert_int_equal(open_it(&second, NULL), ADIT_E_OK);
    rendezvous_close(&second);
    rendezvous_close(&first);
}

static void test_other_files(void **state)
{
    struct rendezvous r;
    (void)state;
    assert_int_equal(open_it(&r, NULL), ADIT_E_OK); /* the folders */
    rendezvous_close(&r);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(open_it(&r, NULL), ADIT_E_SYSTEM);
    assert_int_equal(access(path, F_OK), 0);
}

static void test_long_path(void **state)
{
    struct rendezvous r;
    struct adit_error err = {0};
    char text[300];
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[0] = '/';
    text[sizeof text - 1] = 0;
    assert_int_equal(rendezvous_open(&r, text, NULL, &err), ADIT_E_CONFIG);
    assert_int_equal(r.fd, -1);
    assert_int_equal(open_it(&r, NULL), ADIT_E_OK); /* for the folders that teardown removes */
    rendezvous_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_made_and_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_live_and_dead, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_ask, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_path, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
