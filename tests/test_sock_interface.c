#include "test.h"

#include <string.h>

#include "net/sock.h"

static void test_loopback(void **state)
{
    (void)state;
    struct sock_addr a;
    char text[SOCK_TEXT_CAP];
    assert_true(sock_interface_addr(&a, "lo", AF_INET));
    sock_addr_text(&a, text);
    assert_string_equal(text, "127.0.0.1:0");
}

static void test_none(void **state)
{
    (void)state;
    struct sock_addr a;
    assert_false(sock_interface_addr(&a, "nosuchinterface", AF_INET));
    assert_false(sock_interface_addr(&a, "", AF_INET6));
    assert_false(sock_interface_addr(&a, "lo", AF_UNIX));
}

/* What it gives can be bound to. */
static void test_bind(void **state)
{
    (void)state;
    static const int families[] = {AF_INET, AF_INET6};
    for (size_t i = 0; i < ADIT_COUNT(families); i++) {
        struct sock_addr a, at;
        struct adit_error err = {0};
        int l = -1;
        if (!sock_interface_addr(&a, "lo", families[i]))
            continue; /* a machine without this family */
        assert_int_equal(sock_listen(&l, &a, NULL, &err), ADIT_E_OK);
        assert_true(sock_local(l, &at) && sock_addr_is_loopback(&at));
        sock_close(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loopback), cmocka_unit_test(test_none),
                                       cmocka_unit_test(test_bind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
