#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf_secret.h"

static char folder[] = "/tmp/test_conf_secret.XXXXXX", path[64];

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/pw", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put(const char *text, size_t n, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void good(const char *text, mode_t mode, const char *wanted)
{
    struct conf_secret s;
    struct adit_error err = {0};
    put(text, strlen(text), mode);
    enum adit_err e = conf_secret_read(&s, path, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(e, ADIT_E_OK);
    assert_string_equal(s.text, wanted);
    conf_secret_wipe(&s);
    for (size_t i = 0; i < sizeof s.text; i++)
        assert_int_equal(s.text[i], 0);
}

static void bad(const char *text, size_t n, mode_t mode, const char *why)
{
    struct conf_secret s;
    struct adit_error err = {0};
    char wanted[256];
    put(text, n, mode);
    assert_int_equal(conf_secret_read(&s, path, &err), ADIT_E_CONFIG);
    snprintf(wanted, sizeof wanted, "%s: %s", path, why);
    assert_string_equal(err.text, wanted);
    assert_string_equal(s.text, "");
}

static void test_file(void **state)
{
    (void)state;
    good("secret\n", 0600, "secret");
    good("secret", 0400, "secret");
    good(" a b \r\nsecond\n", 0600, " a b ");
    bad("secret\n", 7, 0640, "its mode is 0640 and must be 0600: others can use it");
    bad("secret\n", 7, 0602, "its mode is 0602 and must be 0600: others can use it");
    bad("", 0, 0600, "is empty");
    bad("\nsecret", 7, 0600, "is empty");
    bad("a\0b", 3, 0600, "the first line is longer than 1024 bytes, or holds a zero byte");
    static char longest[CONF_SECRET_MAX + 1];
    memset(longest, 'x', sizeof longest);
    bad(longest, sizeof longest, 0600, "the first line is longer than 1024 bytes, or holds a zero byte");
    longest[CONF_SECRET_MAX] = 0;
    good(longest, 0600, longest);
}

static void test_missing(void **state)
{
    struct conf_secret s;
    struct adit_error err = {0};
    char wanted[128];
    (void)state;
    unlink(path);
    assert_int_equal(conf_secret_read(&s, path, &err), ADIT_E_CONFIG);
    snprintf(wanted, sizeof wanted, "%s: No such file or directory", path);
    assert_string_equal(err.text, wanted);
    assert_int_equal(conf_secret_read(&s, folder, NULL), ADIT_E_CONFIG);
}

static void test_variable(void **state)
{
    struct conf_secret s;
    struct adit_error err = {0};
    (void)state;
    assert_int_equal(setenv("CONF_TEST_PW", "pw", 1), 0);
    assert_int_equal(conf_secret_env(&s, "CONF_TEST_PW", &err), ADIT_E_OK);
    assert_string_equal(s.text, "pw");
    assert_int_equal(setenv("CONF_TEST_PW", "", 1), 0);
    assert_int_equal(conf_secret_env(&s, "CONF_TEST_PW", &err), ADIT_E_CONFIG);
    assert_string_equal(err.text, "CONF_TEST_PW: is empty");
    unsetenv("CONF_TEST_PW");
    err = (struct adit_error){0};
    assert_int_equal(conf_secret_env(&s, "CONF_TEST_PW", &err), ADIT_E_CONFIG);
    assert_string_equal(err.text, "the variable CONF_TEST_PW is not set");
}

static void test_credential(void **state)
{
    struct conf_secret s;
    struct adit_error err = {0};
    (void)state;
    put("pw\n", 3, 0440); /* systemd's own mode */
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_int_equal(conf_secret_credential(&s, "pw", &err), ADIT_E_OK);
    assert_string_equal(s.text, "pw");
    assert_int_equal(conf_secret_credential(&s, "other", NULL), ADIT_E_CONFIG);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(conf_secret_credential(&s, "pw", &err), ADIT_E_CONFIG);
    assert_string_equal(err.text, "credential pw: systemd gave none (LoadCredential= in the unit)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_missing),
        cmocka_unit_test(test_variable),
        cmocka_unit_test(test_credential),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
