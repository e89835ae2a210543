#include "test.h"

#include "client/units.h"

static void test_number(void **state)
{
    (void)state;
    uint32_t v = 7;
    assert_true(units_number(span_str("0"), 0, 5, &v));
    assert_int_equal(v, 0);
    assert_true(units_number(span_str("4294967295"), 0, UINT32_MAX, &v));
    assert_int_equal(v, UINT32_MAX);
    static const char *const bad[] = {"",   "-1", "+1",    " 1",         "1 ",
                                      "1x", "x",  "65536", "4294967296", "99999999999999999999"};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(units_number(span_str(bad[i]), 0, 65535, &v));
    assert_false(units_number(span_str("0"), 1, 5, &v));
    assert_false(units_number(span_str("1"), 0, 0, &v));
}

static void test_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t seconds;
    } good[] = {{"0", 0},
                {"90", 90},
                {"1m30s", 90},
                {"2H", 7200},
                {"1d", 86400},
                {"1w1", 604801},
                {"2147483647", INT32_MAX}};
    static const char *const bad[] = {"", "m", "1x", "-1", "1m s", "2147483648", "99999w", "1m2147483647"};
    uint32_t v;
    for (size_t i = 0; i < ADIT_COUNT(good); i++) {
        assert_true(units_time(span_str(good[i].text), &v));
        assert_int_equal(v, good[i].seconds);
    }
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(units_time(span_str(bad[i]), &v));
}

static void test_size(void **state)
{
    (void)state;
    uint64_t v;
    assert_true(units_size(span_str("16"), &v) && v == 16);
    assert_true(units_size(span_str("256k"), &v) && v == 256 * 1024);
    assert_true(units_size(span_str("1G"), &v) && v == 1024 * 1024 * 1024);
    assert_true(units_size(span_str("18446744073709551615"), &v) && v == UINT64_MAX);
    static const char *const bad[] = {"", "k", "1kk", "1T", "18446744073709551616", "18446744073709551615k"};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(units_size(span_str(bad[i]), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_number), cmocka_unit_test(test_time),
                                       cmocka_unit_test(test_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
