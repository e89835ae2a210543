#include "net/sock.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>
#include "tests/test.h"

static void literals(void **state)
{
    static const struct {
        const char *in, *host, *text;
        int family;
        bool loopback;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", "127.0.0.1:80", AF_INET, true},
        {"127.255.0.9", "127.255.0.9", "127.255.0.9:80", AF_INET, true},
        {"0.0.0.0", "0.0.0.0", "0.0.0.0:80", AF_INET, false},
        {"128.0.0.1", "128.0.0.1", "128.0.0.1:80", AF_INET, false},
        {"::1", "::1", "[::1]:80", AF_INET6, true},
        {"::", "::", "[::]:80", AF_INET6, false},
        {"2001:DB8:0::1", "2001:db8::1", "[2001:db8::1]:80", AF_INET6, false},
        {"::ffff:127.0.0.1", "127.0.0.1", "127.0.0.1:80", AF_INET6, true},
        {"::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1:80", AF_INET6, false},
        {"fe80::1%lo", "fe80::1%lo", "[fe80::1%lo]:80", AF_INET6, false},
        {"fe80::1%1", "fe80::1%lo", "[fe80::1%lo]:80", AF_INET6, false},
        {"fe80::1%99999", "fe80::1%99999", "[fe80::1%99999]:80", AF_INET6, false},
    };

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct sock_addr a;
        char text[SOCK_TEXT_CAP];

        assert_true(sock_addr_parse(&a, cases[i].in, 80));
        assert_int_equal(sock_addr_family(&a), cases[i].family);
        assert_int_equal(sock_addr_port(&a), 80);
        assert_int_equal(sock_addr_is_loopback(&a), cases[i].loopback);
        sock_addr_host(&a, text);
        assert_string_equal(text, cases[i].host);
        sock_addr_text(&a, text);
        assert_string_equal(text, cases[i].text);
        sock_addr_set_port(&a, 65535);
        assert_int_equal(sock_addr_port(&a), 65535);
    }
}

/* As the system's own would be, but for what it shows with a dotted end. */
static void every_shape_of_ipv6(void **state)
{
    (void)state;
    for (unsigned zeros = 0; zeros < 256; zeros++) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
        struct sock_addr a = {.len = sizeof in6};
        char expected[INET6_ADDRSTRLEN], text[SOCK_TEXT_CAP];
        for (unsigned i = 0; i < 8; i++)
            in6.sin6_addr.s6_addr[2 * i + 1] = (zeros >> i & 1) != 0 ? 0 : (uint8_t)(0xb0 + i);
        in6.sin6_addr.s6_addr[4] = (zeros & 4) != 0 ? 0 : 0x12;
        memcpy(&a.storage, &in6, sizeof in6);
        assert_non_null(inet_ntop(AF_INET6, &in6.sin6_addr, expected, sizeof expected));
        sock_addr_host(&a, text);
        if (strchr(expected, '.') == NULL)
            assert_string_equal(text, expected);
    }
}

static void link_local(void **state)
{
    static const struct {
        const char *host;
        bool is;
    } cases[] = {{"169.254.0.1", true}, {"169.253.0.1", false}, {"fe80::1", true}, {"febf::1", true},
                 {"fec0::1", false},    {"127.0.0.1", false},   {"::1", false}};
    struct sock_addr a;
    struct adit_error err = {0};

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        assert_true(sock_addr_parse(&a, cases[i].host, 1));
        assert_int_equal(sock_addr_is_link_local(&a), cases[i].is);
    }
    assert_int_equal(sock_addr_unix(&a, "/x", &err), ADIT_E_OK);
    assert_false(sock_addr_is_link_local(&a));
}

static void not_literals(void **state)
{
    static const char *const cases[] = {
        "",
        "localhost",
        "127.1",
        "127.0.0.1.",
        "1.2.3.256",
        "[::1]",
        ":::",
        "fe80::1%",
        "::1%nosuchif",
        "12345::",
        "1.2.3.4%lo",
        "fe80::1%99999999999999",
        "::1 ",
        "1.2.3.4:80",
        "0x7f.0.0.1",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb",
    };

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct sock_addr a;

        assert_false(sock_addr_parse(&a, cases[i], 80));
        assert_int_equal(sock_addr_family(&a), AF_UNSPEC);
    }
}

static void unix_paths(void **state)
{
    struct sock_addr a;
    struct adit_error err = {0};
    char path[200], text[SOCK_TEXT_CAP];
    const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    (void)state;
    memset(path, 'p', sizeof path);
    path[0] = '/';
    path[max] = '\0';
    assert_int_equal(sock_addr_unix(&a, path, &err), ADIT_E_OK);
    sock_addr_text(&a, text);
    assert_string_equal(text, path);
    assert_true(sock_addr_is_loopback(&a));
    assert_int_equal(sock_addr_port(&a), 0);
    assert_int_equal(sock_addr_unix(&a, "@agent", &err), ADIT_E_OK);
    sock_addr_host(&a, text);
    assert_string_equal(text, "@agent");
    path[max] = 'p';
    path[max + 1] = '\0';
    assert_int_equal(sock_addr_unix(&a, path, &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "longer than 107"));
    assert_int_equal(sock_addr_unix(&a, "", NULL), ADIT_E_CONFIG);
}

static void no_address(void **state)
{
    struct sock_addr a = {.len = 0};
    char text[SOCK_TEXT_CAP];

    (void)state;
    sock_addr_text(&a, text);
    assert_string_equal(text, "(no address)");
    assert_false(sock_addr_is_loopback(&a));
    a.storage.ss_family = AF_UNIX; /* an unnamed one, as accept gives */
    a.len = sizeof(sa_family_t);
    sock_addr_text(&a, text);
    assert_string_equal(text, "(no address)");
}

static void test_bytes(void **state)
{
    (void)state;
    uint8_t out[16];
    assert_int_equal(sock_addr_bytes("10.0.0.1", out), 4);
    assert_memory_equal(out, "\12\0\0\1", 4);
    assert_int_equal(sock_addr_bytes("2001:db8::1", out), 16);
    assert_memory_equal(out, "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
    assert_int_equal(sock_addr_bytes("fe80::1%lo", out), 0);
    assert_int_equal(sock_addr_bytes("web.example", out), 0);
    assert_int_equal(sock_addr_bytes("10.1", out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes), cmocka_unit_test(literals),     cmocka_unit_test(every_shape_of_ipv6),
        cmocka_unit_test(link_local), cmocka_unit_test(not_literals), cmocka_unit_test(unix_paths),
        cmocka_unit_test(no_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
