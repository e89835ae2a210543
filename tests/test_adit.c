#include "adit.h"
#include "tests/test.h"
#include "tests/undefined.h"

#include <limits.h>
#include <string.h>

/* ---- Spans --------------------------------------------------------------------------------- */

static void spans_compare(void **state)
{
    (void)state;
    static const struct span lit = SPAN_LIT("abc");
    assert_int_equal(lit.n, 3);
    assert_true(span_eq(lit, span_str("abc")));
    assert_false(span_eq(lit, span_str("abd")));
    assert_false(span_eq(lit, span_str("ab")));
    assert_true(span_eq(span_str(NULL), span_str("")));
    assert_true(span_is(lit, "abc"));
    assert_false(span_is(lit, "abcd"));
    assert_true(span_is(span_make(NULL, 0), ""));
}

static void span_sub_stays_inside(void **state)
{
    (void)state;
    struct span s = span_str("abcdef");
    assert_true(span_is(span_sub(s, 0, 6), "abcdef"));
    assert_true(span_is(span_sub(s, 2, 2), "cd"));
    assert_true(span_is(span_sub(s, 4, 99), "ef"));
    assert_true(span_is(span_sub(s, 4, SIZE_MAX), "ef"));
    assert_int_equal(span_sub(s, 6, 1).n, 0);
    assert_int_equal(span_sub(s, SIZE_MAX, 1).n, 0);
    assert_int_equal(span_sub(span_str(NULL), 0, 1).n, 0);
}

/* ---- Secrets ------------------------------------------------------------------------------- */

static void wipe_zeroes_exactly(void **state)
{
    (void)state;
    uint8_t b[8];
    memset(b, 0xaa, sizeof b);
    adit_wipe(b + 1, 6);
    static const uint8_t want[8] = {0xaa, 0, 0, 0, 0, 0, 0, 0xaa};
    assert_memory_equal(b, want, 8);
    adit_wipe(NULL, 0);
}

static void ct_eq_sees_every_bit(void **state)
{
    (void)state;
    uint8_t a[33], b[33];
    memset(a, 0x5a, sizeof a);
    memcpy(b, a, sizeof a);
    assert_true(adit_ct_eq(a, b, sizeof a));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] = (uint8_t)(b[bit / 8] ^ (1U << bit % 8));
        assert_false(adit_ct_eq(a, b, sizeof a));
        b[bit / 8] = a[bit / 8];
    }
    assert_true(adit_ct_eq(a, b, 0));
}

/* Under valgrind: no branch depends on what is compared. */
static void ct_eq_has_no_branch_on_secrets(void **state)
{
    uint8_t a[64] = {1}, b[64] = {1};
    (void)state;
    SECRET(a, sizeof a);
    bool same = adit_ct_eq(a, b, sizeof a);
    b[3] = 1;
    bool other = adit_ct_eq(a, b, sizeof a);
    REVEALED(&same, sizeof same);
    REVEALED(&other, sizeof other);
    assert_true(same);
    assert_false(other);
}

/* ---- Errors -------------------------------------------------------------------------------- */

static void errors_have_their_rows(void **state)
{
    (void)state;
    assert_int_equal(adit_err_exit(ADIT_E_OK), 0);
    assert_int_equal(adit_err_exit(ADIT_E_AUTH), 3);
    assert_int_equal(adit_err_exit(ADIT_E_NO_DAEMON), 9);
    assert_string_equal(adit_err_kind(ADIT_E_HOST_KEY), "host-key");
    assert_false(adit_err_may_retry(ADIT_E_HOST_KEY));
    assert_true(adit_err_may_retry(ADIT_E_CLOSED));
    for (int e = 0; e < ADIT_E_COUNT; e++)
        assert_true(strlen(adit_err_sentence((enum adit_err)e)) > 5);
    assert_non_null(adit_err_sentence((enum adit_err)9999));
}

static void first_error_stays(void **state)
{
    (void)state;
    struct adit_error e = {0};
    assert_int_equal(adit_fail(&e, ADIT_E_AUTH, "for %s", "joe"), ADIT_E_AUTH);
    assert_int_equal(adit_fail(&e, ADIT_E_CLOSED, "later"), ADIT_E_CLOSED);
    assert_int_equal(e.code, ADIT_E_AUTH);
    assert_string_equal(e.text, "for joe");
    assert_int_equal(adit_fail(NULL, ADIT_E_CLOSED, "nowhere"), ADIT_E_CLOSED);
}

/* [RFC 4253 11.1d] */
static void error_text_is_clean_and_cut_between_characters(void **state)
{
    (void)state;
    struct adit_error e = {0};
    assert_int_equal(adit_fail(&e, ADIT_E_PROTOCOL, "said \"%s\"\there", "\x1b[31mred\n\x07"),
                     ADIT_E_PROTOCOL);
    assert_string_equal(e.text, "said \"red??\" here");
    char big[3 * LIMIT_ERROR_TEXT];
    for (size_t i = 0; i + 2 < sizeof big; i += 2)
        memcpy(big + i, "\xc3\xa9", 3);
    memset(&e, 0, sizeof e);
    assert_int_equal(adit_fail(&e, ADIT_E_PROTOCOL, "%s", big), ADIT_E_PROTOCOL);
    size_t n = strlen(e.text);
    assert_true(n >= LIMIT_ERROR_TEXT - 2 && n % 2 == 0);
    assert_int_equal((uint8_t)e.text[n - 1], 0xa9);
}

/* ---- Text ---------------------------------------------------------------------------------- */

#define FORMATS(want, ...)                                                           \
    do {                                                                             \
        char out_[100];                                                              \
        assert_int_equal(adit_format(out_, sizeof out_, __VA_ARGS__), strlen(want)); \
        assert_string_equal(out_, want);                                             \
    } while (0)

static void format_knows_its_conversions(void **state)
{
    (void)state;
    FORMATS("a b c%", "%s %.*s %c%%", "a", 1, "bz", 'c');
    FORMATS("-1 0 2147483647 -2147483648", "%d %d %d %d", -1, 0, INT_MAX, INT_MIN);
    FORMATS("0 4294967295 ffffffff", "%u %u %x", 0U, 0xffffffffU, 0xffffffffU);
    FORMATS("-5 5 ab", "%ld %lu %lx", -5L, 5UL, 0xabUL);
    FORMATS("-9223372036854775808 18446744073709551615", "%lld %llu", LLONG_MIN, ULLONG_MAX);
    FORMATS("123456", "%zu", (size_t)123456);
    FORMATS("[   7][007][-07][ ab][0a]", "[%4d][%03d][%03d][%3s][%02x]", 7, 7, -7, "ab", 10U);
    FORMATS("[ab]", "[%.2s]", "abcdef");
    FORMATS("[]", "[%.*s]", 0, "abc");
}

static void format_never_passes_cap(void **state)
{
    (void)state;
    char out[5];
    memset(out, 'z', sizeof out);
    assert_int_equal(adit_format(out, 4, "%s", "abcdef"), 3);
    assert_memory_equal(out, "abc\0z", 5);
    assert_int_equal(adit_format(out, 1, "%d", 1234), 0);
    assert_memory_equal(out, "\0bc\0z", 5);
    assert_int_equal(adit_format(out, 0, "%d", 1234), 0);
    assert_memory_equal(out, "\0bc\0z", 5);
}

#define CLEANS_TO(want, text) cleans_to(want, text, sizeof(text) - 1, false)

static void cleans_to(const char *want, const char *text, size_t n, bool keep_newlines)
{
    char out[200];
    size_t len = adit_text_clean(out, sizeof out, span_make(text, n), keep_newlines);
    assert_string_equal(out, want);
    assert_int_equal(len, strlen(want));
}

static void clean_keeps_text(void **state)
{
    (void)state;
    CLEANS_TO("", "");
    CLEANS_TO("plain \t~", "plain \t~");
    CLEANS_TO("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
              "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
}

/* [RFC 4251 9.2a] */
static void clean_drops_sequences(void **state)
{
    (void)state;
    CLEANS_TO("ab", "a\x1b[1;31mb");
    CLEANS_TO("ab", "a\x1b[?25 hb");
    CLEANS_TO("ab", "a\x1b]0;title\x07"
                    "b");
    CLEANS_TO("ab", "a\x1b]0;title\x1b\\b");
    CLEANS_TO("ab", "a\x1b]0;title\xc2\x9c"
                    "b");
    CLEANS_TO("ab", "a\x1bPq#0\x1b\\b");
    CLEANS_TO("ab", "a\x1b_x\x1b\\b");
    CLEANS_TO("ab", "a\x1b^x\x1b\\b");
    CLEANS_TO("ab", "a\x1bXx\x1b\\b");
    CLEANS_TO("ab", "a\x1b(Bb");
    CLEANS_TO("ab", "a\x1b"
                    "cb");
    CLEANS_TO("ab", "a\xc2\x9b"
                    "31mb");
    CLEANS_TO("ab", "a\xc2\x9d"
                    "0;t\x07"
                    "b");
    CLEANS_TO("ab", "a\xc2\x90q\x1b\\b");
    CLEANS_TO("a", "a\x1b");
    CLEANS_TO("a", "a\x1b[");
    CLEANS_TO("a", "a\x1b[31");
}

static void clean_shows_what_no_string_ends(void **state)
{
    (void)state;
    CLEANS_TO("a0;title and our own words", "a\x1b]0;title and our own words");
    CLEANS_TO("abc", "a\x1b]b\x1b]c");
}

/* [RFC 4251 9.2a] */
static void clean_marks_controls(void **state)
{
    (void)state;
    CLEANS_TO("a?b?c?d", "a\0b\x08"
                         "c\x7f"
                         "d");
    CLEANS_TO("a?b?c", "a\xc2\x85"
                       "b\xc2\x80"
                       "c");
    CLEANS_TO("???????????????", "\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae"
                                 "\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9"
                                 "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c\xe2\x80\xa8\xe2\x80\xa9\x0b");
}

static void clean_marks_invalid_utf8(void **state)
{
    (void)state;
    CLEANS_TO("a?b", "a\x80"
                     "b");
    CLEANS_TO("a?b", "a\x9b"
                     "b");                 /* the raw C1 byte */
    CLEANS_TO("??", "\xc0\xaf");           /* overlong '/' */
    CLEANS_TO("???", "\xe0\x80\xaf");      /* overlong */
    CLEANS_TO("????", "\xf0\x80\x80\xaf"); /* overlong */
    CLEANS_TO("???", "\xed\xa0\x80");      /* a surrogate */
    CLEANS_TO("????", "\xf4\x90\x80\x80"); /* above 10FFFF */
    CLEANS_TO("????", "\xf5\x80\x80\x80");
    CLEANS_TO("a?", "a\xc3"); /* cut at the end */
    CLEANS_TO("??", "\xe2\x82");
    CLEANS_TO("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}

static void clean_newlines(void **state)
{
    (void)state;
    CLEANS_TO("a?b?c", "a\r\nb\nc");
    cleans_to("a\nb\nc?d", "a\r\nb\nc\rd", 8, true);
    cleans_to("a?", "a\r", 2, true);
}

static void clean_never_passes_cap(void **state)
{
    (void)state;
    char out[6];
    memset(out, 'z', sizeof out);
    assert_int_equal(adit_text_clean(out, 5, span_str("abc\xc3\xa9"), false), 3);
    assert_memory_equal(out, "abc\0z", 5);
    assert_int_equal(adit_text_clean(out, 1, span_str("abc"), false), 0);
    assert_int_equal(out[0], 0);
    out[0] = 'z';
    assert_int_equal(adit_text_clean(out, 0, span_str("abc\n"), false), 0);
    assert_int_equal(out[0], 'z');
}

/* A peer chooses the text: unended strings must not cost more than one look through it. */
static void clean_takes_linear_time(void **state)
{
    (void)state;
    static uint8_t text[400000];
    static char out[sizeof text + 1];
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "\x1b]", 2);
    assert_int_equal(adit_text_clean(out, sizeof out, span_make(text, sizeof text), false), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_compare),
        cmocka_unit_test(span_sub_stays_inside),
        cmocka_unit_test(wipe_zeroes_exactly),
        cmocka_unit_test(ct_eq_sees_every_bit),
        cmocka_unit_test(ct_eq_has_no_branch_on_secrets),
        cmocka_unit_test(errors_have_their_rows),
        cmocka_unit_test(first_error_stays),
        cmocka_unit_test(error_text_is_clean_and_cut_between_characters),
        cmocka_unit_test(format_knows_its_conversions),
        cmocka_unit_test(format_never_passes_cap),
        cmocka_unit_test(clean_keeps_text),
        cmocka_unit_test(clean_drops_sequences),
        cmocka_unit_test(clean_shows_what_no_string_ends),
        cmocka_unit_test(clean_marks_controls),
        cmocka_unit_test(clean_marks_invalid_utf8),
        cmocka_unit_test(clean_newlines),
        cmocka_unit_test(clean_never_passes_cap),
        cmocka_unit_test(clean_takes_linear_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
