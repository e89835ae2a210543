/*
 * Who may use a tunnel's listener: a definition's texts, as a session is told them.
 */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/access_list.h"

static void test_nobody_is_kept_out(void **state)
{
    (void)state;
    struct access_list list;
    struct definition d;
    definition_init(&d, DEFINITION_API);
    assert_int_equal(access_list_init(&list, &d, NULL), ADIT_E_OK);
    assert_int_equal(list.access.allow_count, 0);
    assert_int_equal(list.access.destination_count, 0);
    assert_null(list.access.socks_user);
    assert_true(list.access.http_connect);
    access_list_wipe(&list);
    definition_wipe(&d);
}

static void test_rules(void **state)
{
    (void)state;
    struct access_list list;
    struct definition d;
    static const uint8_t net[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 0};
    definition_init(&d, DEFINITION_FILE);
    assert_true(texts_add(&d.allow, span_str("192.168.1.0/24")) &&
                texts_add(&d.allow, span_str("fd00::/8")) &&
                texts_add(&d.destinations, span_str("*.example.net:443")));
    assert_int_equal(access_list_init(&list, &d, NULL), ADIT_E_OK);
    assert_int_equal(list.access.allow_count, 2);
    assert_memory_equal(list.access.allow[0].address, net, sizeof net);
    assert_int_equal(list.access.allow[0].bits, 96 + 24);
    assert_int_equal(list.access.allow[1].bits, 8);
    assert_int_equal(list.access.destination_count, 1);
    assert_string_equal(list.access.destinations[0], "*.example.net:443");
    access_list_wipe(&list);
    assert_true(texts_add(&d.allow, span_str("no network")));
    assert_int_equal(access_list_init(&list, &d, NULL), ADIT_E_CONFIG);
    definition_wipe(&d);
}

static void test_the_password_of_clients(void **state)
{
    (void)state;
    struct access_list list;
    struct definition d;
    struct adit_error err = {ADIT_E_OK, ""};
    char path[] = "/tmp/adit-access-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret\nmore\n", 12), 12);
    assert_int_equal(close(fd), 0);
    definition_init(&d, DEFINITION_FILE);
    assert_true(definition_set(&d.socks_user, "bob") && definition_set(&d.socks_password_file, path));
    assert_int_equal(access_list_init(&list, &d, &err), ADIT_E_OK);
    assert_string_equal(list.access.socks_user, "bob");
    assert_string_equal(list.access.socks_password, "s3cret");
    access_list_wipe(&list);
    /* Others can read it, or it is not there: no listener without its password. */
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(access_list_init(&list, &d, &err), ADIT_E_CONFIG);
    assert_null(strstr(err.text, "s3cret"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(access_list_init(&list, &d, NULL), ADIT_E_CONFIG);
    definition_wipe(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_is_kept_out),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_the_password_of_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
