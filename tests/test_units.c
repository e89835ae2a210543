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

static void test_sign(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rest;
        bool is_negative;
    } cases[] = {{"5", "5", false},    {" \t+5", "5", false}, {"-5", "5", true},
                 {"+-5", "-5", false}, {"", "", false},       {" ", "", false}};
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        struct span s = span_str(cases[i].text);
        assert_int_equal(units_sign_take(&s), cases[i].is_negative);
        assert_true(span_is(s, cases[i].rest));
    }
}

static void test_port(void **state)
{
    (void)state;
    uint16_t port = 0;
    assert_true(units_port(span_str("+22"), 1, &port) && port == 22);
    assert_true(units_port(span_str("65535"), 1, &port) && port == 65535);
    assert_true(units_port(span_str("0"), 0, &port) && port == 0);
    static const char *const bad[] = {"", "0", "65536", "-1", "22x", "x22", "+"};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(units_port(span_str(bad[i]), 1, &port));
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
    assert_true(units_size(span_str("1.5G"), &v) && v == 1610612736);
    assert_true(units_size(span_str("2.t"), &v) && v == (uint64_t)2 << 40);
    assert_true(units_size(span_str("0.000001k"), &v) && v == 0);
    assert_true(units_size(span_str("7E"), &v) && v == (uint64_t)7 << 60);
    assert_true(units_size(span_str("9223372036854775807"), &v) && v == INT64_MAX);
    static const char *const bad[] = {"",      "k",  ".5G",       "1.5P",
                                      "1kk",   "1x", "1.0000001", "9223372036854775808",
                                      "1.5.5", "8E", "1.5GG",     "9223372036854775807k"};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(units_size(span_str(bad[i]), &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_number), cmocka_unit_test(test_time),
                                       cmocka_unit_test(test_size), cmocka_unit_test(test_sign),
                                       cmocka_unit_test(test_port)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
