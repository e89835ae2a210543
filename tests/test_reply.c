#include "socks5/reply.h"

#include "tests/test.h"

static enum socks_result of(uint32_t reason, const char *text)
{
    return socks_reply_for_open_failure(reason, span_str(text));
}

static void reasons(void **state)
{
    (void)state;
    assert_int_equal(of(1, "open failed"), SOCKS_NOT_ALLOWED);
    assert_int_equal(of(3, ""), SOCKS_NO_COMMAND);
    assert_int_equal(of(4, ""), SOCKS_GENERAL);
    assert_int_equal(of(0, ""), SOCKS_GENERAL);
    assert_int_equal(of(0xfe000000u, "Network is unreachable"), SOCKS_GENERAL);
    assert_int_equal(of(1, "Network is unreachable"), SOCKS_NOT_ALLOWED);
}

static void connect_failures(void **state)
{
    (void)state;
    assert_int_equal(of(2, "Connection refused"), SOCKS_REFUSED);
    assert_int_equal(of(2, "Network is unreachable"), SOCKS_NET_UNREACHABLE);
    assert_int_equal(of(2, "No route to host"), SOCKS_HOST_UNREACHABLE);
    assert_int_equal(of(2, "Name or service not known"), SOCKS_HOST_UNREACHABLE);
    assert_int_equal(of(2, "Name does not resolve"), SOCKS_HOST_UNREACHABLE);
    assert_int_equal(of(2, "Connection timed out"), SOCKS_TTL_EXPIRED);
    assert_int_equal(of(2, "open failed"), SOCKS_REFUSED);
    assert_int_equal(of(2, ""), SOCKS_REFUSED);
    assert_int_equal(of(2, "network is unreachable\n"), SOCKS_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reasons), cmocka_unit_test(connect_failures)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
