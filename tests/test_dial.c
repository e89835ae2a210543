#include "test.h"

#include <string.h>
#include <sys/socket.h>

#include "forward/dial.h"

enum { MANY = 8 };

/* Ports tell the addresses apart. */
static void check(const char *given, const char *wanted)
{
    struct sock_addr in[MANY] = {0}, out[MANY] = {0};
    size_t count = strlen(given);
    for (size_t i = 0; i < count; i++)
        assert_true(sock_addr_parse(&in[i], given[i] >= 'a' ? "::1" : "127.0.0.1", (uint16_t)given[i]));
    dial_order(out, in, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sock_addr_port(&out[i]), wanted[i]);
}

/* RFC 8305 §4: letters stand for IPv6, digits for IPv4. */
static void test_order(void **state)
{
    (void)state;
    check("", "");
    check("a", "a");
    check("123", "123");
    check("abc", "abc");
    check("abc12", "a1b2c");
    check("12abc", "1a2bc");
    check("a1b2c3", "a1b2c3");
    check("abcd1", "a1bcd");
    check("1abcd", "1abcd");
    check("aabb1122", "a1a1b2b2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
