#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "client/known_hosts_command.h"
#include "ssh/keyfile.h"

static struct known_hosts_command command;
static struct file out;
static bool missing;
static struct adit_error err;

static enum adit_err run(const char *line, struct span blob, enum fingerprint_hash hash)
{
    char home[] = "/h", user[] = "u", host[] = "host.example", given[] = "h";
    const struct expand_names names = {.home = home,
                                       .local_user = user,
                                       .local_host = "me.lan",
                                       .host = host,
                                       .given_host = given,
                                       .port = 22};
    const struct known_hosts_asked asked = {"HOSTNAME", "[host.example]:2200", blob, hash};
    known_hosts_command_wipe(&command);
    file_wipe(&out);
    err = (struct adit_error){0};
    assert_int_equal(known_hosts_command_init(&command, line, &names, &err), ADIT_E_OK);
    memset(home, 'x', sizeof home); /* they were copied */
    memset(host, 'x', sizeof host);
    return known_hosts_command_run(&command, &asked, -1, &out, &missing, &err);
}

static void prints(const char *line, struct span blob, enum fingerprint_hash hash, const char *wanted)
{
    enum adit_err e = run(line, blob, hash);
    if (e != ADIT_E_OK)
        print_error("%s\n", err.text);
    assert_int_equal(e, ADIT_E_OK);
    assert_int_equal(out.n, strlen(wanted));
    assert_memory_equal(out.p, wanted, out.n);
}

static const struct span none;
static const char public_key[] =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII4EGD57d7NPzjGs0RWkQkokovckaZiklEm5HahWeJ3I ed25519 plain";

static void test_tokens(void **state)
{
    uint8_t blob[256];
    struct pubkey_line line;
    assert_true(pubkey_line_parse(&line, span_str(public_key), (struct wspan){blob, sizeof blob}));
    struct span key = line.blob;
    (void)state;
    prints("/bin/echo %I %H %h %n %p %u %d", none, FINGERPRINT_SHA256,
           "HOSTNAME [host.example]:2200 host.example h 22 u /h\n");
    prints("/bin/echo %f %t %K", none, FINGERPRINT_SHA256, "NONE NONE NONE\n");
    prints("/bin/echo %f %t", key, FINGERPRINT_SHA256,
           "SHA256:QRN64AtOinJqOOrnxlbiSBWcoeZPdIEf/ws7NeU1TLo ssh-ed25519\n");
    prints("/bin/echo %f", key, FINGERPRINT_MD5, "MD5:a8:9c:9e:24:a9:80:c5:8f:b1:ae:56:3c:29:96:8d:7f\n");
    assert_int_equal(run("/bin/echo -n %K", key, FINGERPRINT_SHA256), ADIT_E_OK);
    assert_memory_equal(out.p, "AAAAC3NzaC1lZDI1NTE5", 20);
}

/* No shell: a word stays one, whatever a token puts into it. */
static void test_words(void **state)
{
    (void)state;
    prints("/bin/echo \"a  b\" $HOME ;x", none, FINGERPRINT_SHA256, "a  b $HOME ;x\n");
    prints("/bin/sh -c \"echo one; echo two\"", none, FINGERPRINT_SHA256, "one\ntwo\n");
}

static void test_failures(void **state)
{
    static const char *const lines[] = {"/bin/false", "/etc/passwd", "/bin/echo \"x", "/bin/echo %z",
                                        "/bin/sh -c \"kill -9 $$\""};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(lines); i++) {
        assert_int_equal(run(lines[i], none, FINGERPRINT_SHA256), ADIT_E_HOST_KEY);
        assert_null(out.p);
        assert_false(missing);
    }
}

/* As ssh: told, and the files alone count then. */
static void test_missing_program(void **state)
{
    (void)state;
    assert_int_equal(run("/nonexistent/x", none, FINGERPRINT_SHA256), ADIT_E_HOST_KEY);
    assert_true(missing);
    assert_string_equal(
        err.text, "Could not stat KnownHostsCommand-HOSTNAME \"/nonexistent/x\": No such file or directory");
    assert_int_equal(run("echo x", none, FINGERPRINT_SHA256), ADIT_E_HOST_KEY);
    assert_true(missing);
    assert_string_equal(err.text, "KnownHostsCommand-HOSTNAME path is not absolute");
    assert_int_equal(run("/%d/../bin/echo", none, FINGERPRINT_SHA256), ADIT_E_HOST_KEY);
    assert_true(missing); /* the program's name is taken as it stands */
}

static void test_variables(void **state)
{
    (void)state;
    assert_int_equal(setenv("ADIT_TEST_WORD", "some words", 1), 0);
    prints("/bin/echo ${ADIT_TEST_WORD}%p", none, FINGERPRINT_SHA256, "some words22\n");
    assert_int_equal(unsetenv("ADIT_TEST_WORD"), 0);
    assert_int_equal(run("/bin/echo ${ADIT_TEST_WORD}", none, FINGERPRINT_SHA256), ADIT_E_HOST_KEY);
    assert_false(missing);
}

static void test_none(void **state)
{
    const struct expand_names names = {.port = 22};
    (void)state;
    known_hosts_command_wipe(&command);
    assert_int_equal(known_hosts_command_init(&command, NULL, &names, &err), ADIT_E_OK);
    assert_null(command.command);
    known_hosts_command_wipe(&command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens),    cmocka_unit_test(test_words),
        cmocka_unit_test(test_failures),  cmocka_unit_test(test_missing_program),
        cmocka_unit_test(test_variables), cmocka_unit_test(test_none)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    known_hosts_command_wipe(&command);
    file_wipe(&out);
    return failed;
}
