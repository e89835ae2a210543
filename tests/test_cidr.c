#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "client/cidr.h"

static bool matches(const char *list, const char *address)
{
    struct sockaddr_storage room = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&room;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&room;
    struct adit_error err = {0};
    bool result = true;
    if (strchr(address, ':') != NULL) {
        in6->sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
    } else {
        in->sin_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, address, &in->sin_addr), 1);
    }
    assert_int_equal(cidr_list_matches(list, (struct sockaddr *)&room, &result, &err), ADIT_E_OK);
    return result;
}

static void test_matches(void **state)
{
    (void)state;
    assert_true(matches("10.0.0.0/8", "10.1.2.3"));
    assert_false(matches("10.0.0.0/8", "11.1.2.3"));
    assert_true(matches("192.168.0.0/16,10.0.0.0/8", "10.1.2.3"));
    assert_true(matches("10.1.2.3", "10.1.2.3"));
    assert_false(matches("10.1.2.3/32", "10.1.2.4"));
    assert_true(matches("10.1.2.128/25", "10.1.2.200"));
    assert_false(matches("10.1.2.128/25", "10.1.2.100"));
    assert_true(matches("0.0.0.0/0", "1.2.3.4"));
    assert_false(matches("0.0.0.0/0", "::1"));
    assert_true(matches("::/0,10.0.0.0/8", "::1"));
    assert_true(matches("fd00::/9", "fd7f::1"));
    assert_false(matches("fd00::/9", "fd80::1"));
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",       "x",        "10.0.0.0/33", "10.0.0.1/8",  "::1/64", "10.0.0.0/8,", "10.0.0.0/",
        "::/129", "10.0.0/8", "/8",          "10.0.0.0/-1", "::/0x",  "1.2.3.4/8/8"};
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++) {
        struct adit_error err = {0};
        bool result;
        assert_int_equal(cidr_list_matches(wrong[i], NULL, &result, &err), ADIT_E_USAGE);
        assert_non_null(strstr(err.text, "Invalid network entry"));
    }
}

/* IPv4 networks are those of the mapped addresses. */
static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct session_net net;
    } cases[] = {
        {"10.0.0.0/8", {{[10] = 0xff, [11] = 0xff, [12] = 10}, 104}},
        {"0.0.0.0/0", {{[10] = 0xff, [11] = 0xff}, 96}},
        {"192.168.1.9", {{[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 168, [14] = 1, [15] = 9}, 128}},
        {"::ffff:10.0.0.0/104", {{[10] = 0xff, [11] = 0xff, [12] = 10}, 104}},
        {"2001:db8::/33", {{0x20, 1, 0xd, 0xb8}, 33}},
        {"::/0", {{0}, 0}},
        {"::1", {{[15] = 1}, 128}},
    };
    static const char *const wrong[] = {"",      "any",        "10.0.0.0/33", "10.0.0.1/8", "::/129",
                                        "::1/8", "10.0.0.1,x", "10.0.0.0/8,", "fe80::1%lo", " ::1"};
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct session_net net = {{0xee}, 0xee};
        assert_true(cidr_parse(&net, cases[i].text));
        assert_memory_equal(net.address, cases[i].net.address, 16);
        assert_int_equal(net.bits, cases[i].net.bits);
    }
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++) {
        struct session_net net;
        assert_false(cidr_parse(&net, wrong[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_parse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
