#include "test.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "net/reason.h"

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(reason_text(EADDRINUSE), "Address already in use");
    assert_string_equal(reason_text(EADDRNOTAVAIL), "Cannot assign requested address");
    assert_string_equal(reason_text(ENETUNREACH), "Network is unreachable");
    assert_string_equal(reason_text(EHOSTUNREACH), "No route to host");
    assert_string_equal(reason_text(ETIMEDOUT), "Connection timed out");
    assert_string_equal(reason_text(ECONNREFUSED), "Connection refused");
    assert_string_equal(reason_text(EACCES), strerror(EACCES));
}

static void test_lookup_texts(void **state)
{
    (void)state;
    assert_string_equal(reason_lookup_text(EAI_NONAME), "Name or service not known");
    assert_string_equal(reason_lookup_text(EAI_AGAIN), "Temporary failure in name resolution");
    assert_string_equal(reason_lookup_text(EAI_FAIL), "Non-recoverable failure in name resolution");
    assert_string_equal(reason_lookup_text(EAI_MEMORY), gai_strerror(EAI_MEMORY));
    errno = ENETUNREACH;
    assert_string_equal(reason_lookup_text(EAI_SYSTEM), "Network is unreachable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts), cmocka_unit_test(test_lookup_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
