#include <string.h>

#include "../ssh/wire.h"
#include "test.h"

static struct rd reader(const char *p, size_t n)
{
    return rd_init(span_make(p, n));
}
#define READER(literal) reader(literal, sizeof literal - 1)

/* [RFC 4251 5a] */
static void words_are_big_endian(void **state)
{
    (void)state;
    struct rd r = READER("\x01\x02\x01\x02\x03\x04\xf1\x02\x03\x04\x05\x06\x07\x08\0");
    assert_int_equal(rd_u8(&r), 1);
    assert_true(rd_bool(&r)); /* any non-zero value */
    assert_int_equal(rd_u32(&r), 0x01020304);
    assert_true(rd_u64(&r) == UINT64_C(0xf102030405060708));
    assert_false(rd_bool(&r));
    assert_true(rd_done(&r));
}

static void a_failure_sticks(void **state)
{
    (void)state;
    struct rd r = READER("\0\0\0\5abcd");
    assert_int_equal(rd_string(&r).n, 0);
    assert_false(rd_ok(&r));
    assert_int_equal(rd_u8(&r), 0);
    assert_int_equal(rd_u32(&r), 0);
    assert_true(rd_u64(&r) == 0);
    assert_int_equal(rd_rest(&r).n, 0);
    assert_false(rd_done(&r));
}

/* [RFC 4251 5j] */
static void lengths_are_checked(void **state)
{
    (void)state;
    struct rd r = READER("\xff\xff\xff\xff"
                         "abcd");
    rd_string(&r);
    assert_false(rd_ok(&r));
    r = READER("\0\0\0\3abc");
    assert_int_equal(rd_string_max(&r, 2).n, 0);
    assert_false(rd_ok(&r));
    r = READER("\0\0\0\3abc");
    assert_true(span_is(rd_string_max(&r, 3), "abc"));
    r = READER("\0\0\0\3abcd");
    rd_string(&r);
    assert_true(rd_ok(&r));
    assert_false(rd_done(&r)); /* one byte is left */
    assert_true(span_is(rd_rest(&r), "d"));
}

/* [RFC 4251 5f 5g 5h 5i] */
static void namelists(void **state)
{
    (void)state;
    struct span list, name;
    struct rd r = READER("\0\0\0\4a,bc");
    list = rd_namelist(&r);
    assert_true(names_has(list, span_str("bc")));
    assert_false(names_has(list, span_str("b")));
    assert_true(names_next(&list, &name) && span_is(name, "a"));
    assert_true(names_next(&list, &name) && span_is(name, "bc"));
    assert_false(names_next(&list, &name));
    r = READER("\0\0\0\0");
    assert_int_equal(rd_namelist(&r).n, 0);
    assert_true(rd_done(&r));
    static const struct span bad[] = {
        SPAN_LIT("\0\0\0\1,"),    SPAN_LIT("\0\0\0\2a,"),   SPAN_LIT("\0\0\0\2,a"),
        SPAN_LIT("\0\0\0\4a,,b"), SPAN_LIT("\0\0\0\3a b"),  SPAN_LIT("\0\0\0\1\0"),
        SPAN_LIT("\0\0\0\1\x7f"), SPAN_LIT("\0\0\0\1\x80"), SPAN_LIT("\0\0\0\1\n")};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        r = rd_init(bad[i]);
        rd_namelist(&r);
        assert_false(rd_ok(&r));
    }
}

/* [RFC 4251 5c 5d 5e] */
static void mpints_are_canonical(void **state)
{
    (void)state;
    struct rd r = READER("\0\0\0\2\0\x80"); /* RFC 4251 §5: 80 is 00 00 00 02 00 80 */
    struct span m = rd_mpint(&r);
    assert_true(rd_done(&r) && m.n == 1 && m.p[0] == 0x80);
    r = READER("\0\0\0\0");
    assert_int_equal(rd_mpint(&r).n, 0);
    assert_true(rd_done(&r));
    static const struct span bad[] = {SPAN_LIT("\0\0\0\1\0"), SPAN_LIT("\0\0\0\2\0\x7f"),
                                      SPAN_LIT("\0\0\0\1\x80"), SPAN_LIT("\0\0\0\2\xff\x21"),
                                      SPAN_LIT("\0\0\0\3\0\0\x80")};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++) {
        r = rd_init(bad[i]);
        assert_int_equal(rd_mpint(&r).n, 0);
        assert_false(rd_ok(&r));
    }
}

/* [RFC 4251 5b 5c] */
static void what_is_written_reads_back(void **state)
{
    (void)state;
    uint8_t out[64];
    struct wr w = wr_init(out, sizeof out);
    wr_u8(&w, 7);
    wr_bool(&w, true);
    wr_u32(&w, 0xdeadbeef);
    wr_u64(&w, UINT64_C(0x0102030405060708));
    wr_cstring(&w, "text");
    wr_mpint(&w, span_make("\0\0\x80", 3));
    size_t begin = wr_string_begin(&w);
    wr_bytes(&w, span_str("inner"));
    wr_string_end(&w, begin);
    struct rd r = rd_init(wr_done(&w));
    assert_int_equal(rd_u8(&r), 7);
    assert_true(rd_bool(&r));
    assert_int_equal(rd_u32(&r), 0xdeadbeef);
    assert_true(rd_u64(&r) == UINT64_C(0x0102030405060708));
    assert_true(span_is(rd_string(&r), "text"));
    assert_true(span_is(rd_mpint(&r), "\x80"));
    assert_true(span_is(rd_string(&r), "inner"));
    assert_true(rd_done(&r));
}

static void writing_stops_at_the_capacity(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 12; cap++) {
        uint8_t out[16];
        memset(out, 0xaa, sizeof out);
        struct wr w = wr_init(out, cap);
        size_t begin = wr_string_begin(&w);
        wr_cstring(&w, "abcd");
        wr_string_end(&w, begin);
        wr_u8(&w, 1);
        assert_false(wr_ok(&w));
        assert_int_equal(wr_done(&w).n, 0);
        for (size_t i = cap; i < sizeof out; i++)
            assert_int_equal(out[i], 0xaa);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_big_endian),          cmocka_unit_test(a_failure_sticks),
        cmocka_unit_test(lengths_are_checked),           cmocka_unit_test(namelists),
        cmocka_unit_test(mpints_are_canonical),          cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(writing_stops_at_the_capacity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
