#include "test.h"

#include <string.h>

#include "cli/query.h"

static char text[ALGORITHMS_CAP];
static struct adit_error err;

static const char *answer(const char *name)
{
    err = (struct adit_error){0};
    text[0] = 0;
    return query_answer(name, true, text, &err) == ADIT_E_OK ? text : NULL;
}

static void test_lists(void **state)
{
    (void)state;
    assert_non_null(strstr(answer("kex"), "curve25519-sha256\n"));
    assert_non_null(strstr(answer("cipher"), "aes128-ctr\n"));
    assert_null(strstr(answer("cipher-auth"), "ctr"));
    assert_non_null(strstr(answer("cipher-auth"), "chacha20-poly1305@openssh.com\n"));
    assert_non_null(strstr(answer("mac"), "hmac-sha2-256\n"));
    assert_non_null(strstr(answer("sig"), "rsa-sha2-512\n"));
    assert_string_equal(answer("protocol-version"), "2\n");
    assert_string_equal(answer("compression"), "none\nzlib@openssh.com\nzlib\n");
    assert_string_equal(answer("features"), "client\ndaemon\nrsa\nzlib\n");
}

/* A key's name is its format's: one for both ways in which RSA signs. */
static void test_keys(void **state)
{
    (void)state;
    const char *rsa = strstr(answer("key"), "ssh-rsa\n");
    assert_non_null(rsa);
    assert_null(strstr(rsa + 1, "ssh-rsa\n"));
    assert_null(strstr(text, "rsa-sha2"));
    assert_null(strstr(answer("key-plain"), "cert"));
    for (const char *line = answer("key-cert"); *line != 0; line = strchr(line, '\n') + 1)
        assert_non_null(strstr(line, "-cert-v01@openssh.com\n"));
}

static void test_keywords(void **state)
{
    static const char *const pairs[][2] = {{"KEXALGORITHMS", "kex"},
                                           {"ciphers", "cipher"},
                                           {"Macs", "mac"},
                                           {"hostkeyalgorithms", "key-sig"},
                                           {"PubkeyAcceptedKeyTypes", "key-sig"},
                                           {"casignaturealgorithms", "key-ca-sign"}};
    char first[ALGORITHMS_CAP];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(pairs); i++) {
        assert_non_null(answer(pairs[i][0]));
        strcpy(first, text);
        assert_string_equal(answer(pairs[i][1]), first);
    }
}

static void test_help_names_what_is_answered(void **state)
{
    char help[ALGORITHMS_CAP];
    (void)state;
    assert_non_null(answer("help"));
    strcpy(help, text);
    for (char *name = strtok(help, "\n"); name != NULL; name = strtok(NULL, "\n"))
        assert_non_null(answer(name));
}

static void test_unknown(void **state)
{
    static const char *const names[] = {"foo", "", "CIPHER", "kex "};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        assert_null(answer(names[i]));
        assert_int_equal(err.code, ADIT_E_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists), cmocka_unit_test(test_keys), cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_help_names_what_is_answered), cmocka_unit_test(test_unknown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
