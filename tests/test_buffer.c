#include "daemon/buffer.h"

#include <string.h>
#include "tests/test.h"

static void grows(void **state)
{
    struct buffer b = {0};
    size_t len = 0;

    (void)state;
    buffer_add(&b, span_make(NULL, 0));
    assert_string_equal(b.p, "");
    for (int i = 0; i < 1000; i++) {
        buffer_format(&b, "%d,", i);
        buffer_text(&b, "x");
        len += strlen("0,x") + (i > 9) + (i > 99);
        assert_int_equal(b.len, len);
        assert_int_equal(strlen(b.p), len);
    }
    assert_memory_equal(b.p, "0,x1,x2,x", 9);
    assert_memory_equal(b.p + len - 5, "999,x", 6);
    assert_false(b.is_failed);
    buffer_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.p, "");
    buffer_wipe(&b);
    assert_null(b.p);
    buffer_text(&b, "again");
    assert_string_equal(b.p, "again");
    buffer_wipe(&b);
}

static void long_formats(void **state)
{
    char text[3000];

    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t n = 250; n < sizeof text; n += n < 520 || n > 1010 ? 1 : 97) {
        struct buffer b = {0};

        text[n] = 0;
        buffer_text(&b, "a");
        buffer_format(&b, "<%s>", text);
        assert_int_equal(b.len, n + 3);
        assert_int_equal(strlen(b.p), n + 3);
        assert_int_equal(b.p[n + 2], '>');
        buffer_wipe(&b);
        text[n] = 'x';
    }
}

static void without_memory(void **state)
{
    struct buffer b = {0};

    (void)state;
    buffer_text(&b, "x");
    buffer_add(&b, span_make("y", SIZE_MAX - 1)); /* is not read */
    assert_true(b.is_failed);
    buffer_text(&b, "z");
    assert_string_equal(b.p, "x");
    buffer_wipe(&b);
    assert_false(b.is_failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(grows), cmocka_unit_test(long_formats),
                                       cmocka_unit_test(without_memory)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
