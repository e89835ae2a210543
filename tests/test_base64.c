#include <string.h>

#include "../ssh/base64.h"
#include "test.h"

static void rfc_4648_vectors_go_both_ways(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"", ""},
                                          {"f", "Zg=="},
                                          {"fo", "Zm8="},
                                          {"foo", "Zm9v"},
                                          {"foob", "Zm9vYg=="},
                                          {"fooba", "Zm9vYmE="},
                                          {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        char text[16];
        uint8_t bytes[8];
        size_t n;
        assert_int_equal(base64_encode(text, sizeof text, span_str(rows[i][0])), strlen(rows[i][1]));
        assert_string_equal(text, rows[i][1]);
        assert_true(base64_decode((struct wspan){bytes, sizeof bytes}, span_str(text), false, &n));
        assert_true(span_is(span_make(bytes, n), rows[i][0]));
    }
}

static void only_canonical_text_is_taken(void **state)
{
    (void)state;
    static const char *const bad[] = {"Z",    "Zg",    "Zg=",  "Zh==",  "Zm9=", "Zg==Zg==", "====",
                                      "Z===", "Zm 9v", "Zm-v", "Zm9v=", "Zg=a", "Zm9\x80",  "Zm9v\n"};
    uint8_t bytes[16];
    size_t n;
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_false(base64_decode((struct wspan){bytes, sizeof bytes}, span_str(bad[i]), false, &n));
    assert_true(base64_decode((struct wspan){bytes, sizeof bytes}, span_str("Z g\r\n=\t="), true, &n));
    assert_false(base64_decode((struct wspan){bytes, 2}, span_str("Zm9v"), false, &n));
    char text[4];
    assert_int_equal(base64_encode(text, sizeof text, span_str("foo")), 0);
}

/* Each of the 256 characters is a digit exactly when the encoder can write it. */
static void every_digit_has_its_value(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (unsigned c = 1; c < 256; c++) {
        uint8_t text[4] = {'A', 'A', 'A', (uint8_t)c}, bytes[3];
        size_t n;
        const char *at = strchr(digits, (int)c);
        bool ok = base64_decode((struct wspan){bytes, 3}, span_make(text, 4), false, &n);
        if (c == '=')
            continue;
        assert_int_equal(ok, at != NULL);
        assert_true(!ok || bytes[2] == (uint8_t)(at - digits));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_4648_vectors_go_both_ways),
        cmocka_unit_test(only_canonical_text_is_taken),
        cmocka_unit_test(every_digit_has_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
