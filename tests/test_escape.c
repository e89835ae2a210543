#include "forward/escape.h"

#include <string.h>

#include "tests/test.h"

/* What goes to the server, with the actions as <letter>. */
static const char *through(struct escape *e, const char *typed, size_t n, bool bytewise)
{
    static const char letters[] = "?.Z&#hBCRVv";
    static char got[256];
    size_t len = 0, at = 0;
    while (at < n) {
        struct span in = span_make(typed + at, bytewise ? 1 : n - at);
        size_t before = in.n, out_len;
        uint8_t out[64];
        enum escape_action a = escape_take(e, &in, out, &out_len);
        assert_true(out_len <= before + 1);
        memcpy(got + len, out, out_len);
        len += out_len;
        if (a != ESCAPE_NONE) {
            got[len++] = '<';
            got[len++] = letters[a];
            got[len++] = '>';
        } else {
            assert_int_equal(in.n, 0);
        }
        at += before - in.n;
    }
    got[len] = 0;
    return got;
}

static void check(int character, const char *typed, const char *want)
{
    for (int bytewise = 0; bytewise < 2; bytewise++) {
        struct escape e = escape_make(character);
        assert_string_equal(through(&e, typed, strlen(typed), bytewise), want);
    }
}

static void test_plain(void **state)
{
    (void)state;
    check('~', "ls -l ~/x\rcd ~\r", "ls -l ~/x\rcd ~\r");
    check(-1, "~.\r~.", "~.\r~.");
    check('~', "", "");
}

static void test_escapes(void **state)
{
    (void)state;
    check('~', "~.", "<.>");
    check('~', "a~.", "a~.");
    check('~', "a\r~.b", "a\r<.>b");
    check('~', "a\n~?~#", "a\n<h><#>");
    check('~', "~B~C~R~V~v~&~\x1a", "<B><C><R><V><v><&><Z>");
    check('%', "%.~.", "<.>~.");
}

static void test_no_escapes_after_all(void **state)
{
    (void)state;
    check('~', "~~.", "~.");
    check('~', "~~~.", "~~.");
    check('~', "~x~.", "~x~.");
    check('~', "~\r~.", "~\r<.>");
    check('~', "\r\r~~\r~.", "\r\r~\r<.>");
}

/* An escape character that is also an action's letter: twice is the action's, as in ssh. */
static void test_odd_characters(void **state)
{
    (void)state;
    check('\r', "\r.", "<.>");
    check(0xff, "\xff.", "<.>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_no_escapes_after_all),
        cmocka_unit_test(test_odd_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
