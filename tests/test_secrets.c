/*
 * A profile's password and passphrase: from a file, the environment, or a credential of systemd.
 */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/profile.h"
#include "daemon/secrets.h"

static char out[64];

static struct secrets of(struct profile *p)
{
    struct secrets s;
    assert_true(secrets_init(&s, p));
    return s;
}

static void test_none(void **state)
{
    (void)state;
    struct secrets s = of(NULL);
    assert_false(secrets_have_password(&s) || secrets_have_passphrase(&s));
    assert_int_equal(secrets_password(&s, out, sizeof out, NULL), ADIT_E_CONFIG);
    assert_int_equal(secrets_passphrase(&s, out, sizeof out, NULL), ADIT_E_CONFIG);
    secrets_wipe(&s);
}

static void test_of_the_environment(void **state)
{
    (void)state;
    char name[] = "ADIT_TEST_SECRET";
    struct profile p;
    profile_init(&p);
    p.password_env = name;
    struct secrets s = of(&p);
    assert_int_equal(unsetenv(name), 0);
    assert_true(secrets_have_password(&s));
    assert_int_equal(secrets_password(&s, out, sizeof out, NULL), ADIT_E_CONFIG);
    assert_int_equal(setenv(name, "from outside", 1), 0); /* read at each use */
    assert_int_equal(secrets_password(&s, out, sizeof out, NULL), ADIT_E_OK);
    assert_string_equal(out, "from outside");
    assert_int_equal(secrets_password(&s, out, 12, NULL), ADIT_E_CONFIG); /* one too few */
    assert_int_equal(secrets_password(&s, out, 13, NULL), ADIT_E_OK);
    secrets_wipe(&s);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, 0600), 0);
}

static void test_of_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/adit-secrets-XXXXXX", path[96], name[] = "pass";
    struct profile p;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pass", folder);
    write_file(path, "in a file\n");
    profile_init(&p);
    p.password_file = p.passphrase_file = path;
    struct secrets s = of(&p);
    assert_int_equal(secrets_password(&s, out, sizeof out, NULL), ADIT_E_OK);
    assert_string_equal(out, "in a file");
    assert_int_equal(secrets_passphrase(&s, out, sizeof out, NULL), ADIT_E_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(secrets_passphrase(&s, out, sizeof out, NULL), ADIT_E_CONFIG);
    secrets_wipe(&s);

    profile_init(&p);
    p.password_credential = name;
    s = of(&p);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_int_equal(secrets_password(&s, out, sizeof out, NULL), ADIT_E_OK); /* whatever its mode */
    assert_string_equal(out, "in a file");
    secrets_wipe(&s);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_of_the_environment),
        cmocka_unit_test(test_of_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
