/* Bytes into lines: however they come, and never more than a line's bound is kept. */
#include "tests/test.h"

#include <string.h>

#include "daemon/mcp_lines.h"

static struct buffer seen;
static unsigned too_long, no_memory;

static void on_line(void *ctx, struct span line)
{
    (void)ctx;
    buffer_add(&seen, line);
    buffer_text(&seen, "|");
}

static void on_too_long(void *ctx)
{
    (void)ctx;
    too_long++;
}

static void on_no_memory(void *ctx)
{
    (void)ctx;
    no_memory++;
}

static void feed(struct mcp_lines *l, const char *text, size_t len, size_t step)
{
    for (size_t i = 0; i < len; i += step)
        mcp_lines_feed(l, span_make(text + i, len - i < step ? len - i : step));
}

static void test_any_pieces_give_the_same_lines(void **state)
{
    static const char text[] = "one\n\ntwo two\r\n{}\nlast";
    (void)state;
    for (size_t step = 1; step <= sizeof text; step++) {
        struct mcp_lines l = {.line = on_line, .too_long = on_too_long};
        feed(&l, text, sizeof text - 1, step);
        assert_string_equal(seen.p, "one||two two\r|{}|");
        mcp_lines_end(&l);
        mcp_lines_end(&l);
        assert_string_equal(seen.p, "one||two two\r|{}|last|");
        buffer_wipe(&seen);
        mcp_lines_wipe(&l);
    }
    assert_int_equal(too_long, 0);
}

/* The longest line passes; one byte more is told once, skipped, and the next line is read. */
static void test_the_bound(void **state)
{
    static char text[MCP_LINE_MAX + 2];
    (void)state;
    struct mcp_lines l = {.line = on_line, .too_long = on_too_long};
    memset(text, 'x', sizeof text);
    text[MCP_LINE_MAX] = '\n';
    feed(&l, text, MCP_LINE_MAX + 1, 5000);
    assert_int_equal(seen.len, MCP_LINE_MAX + 1);
    buffer_wipe(&seen);
    text[MCP_LINE_MAX] = 'x';
    feed(&l, text, sizeof text, 5000);
    assert_int_equal(too_long, 1);
    assert_int_equal(l.held.len, 0);
    feed(&l, "xx\nnext\n", 8, 8);
    assert_int_equal(too_long, 1);
    assert_string_equal(seen.p, "next|");
    buffer_wipe(&seen);
    mcp_lines_wipe(&l);
    too_long = 0;
}

/* A line without memory is not called too long; it is skipped, too, and the next one is read. */
static void test_without_memory(void **state)
{
    struct mcp_lines l = {
        .line = on_line, .too_long = on_too_long, .no_memory = on_no_memory, .held = {.is_failed = true}};
    (void)state;
    feed(&l, "one", 3, 1);
    assert_int_equal(no_memory, 1);
    feed(&l, " and more\nnext\n", 15, 4);
    assert_int_equal(no_memory, 1);
    assert_int_equal(too_long, 0);
    assert_string_equal(seen.p, "next|");
    buffer_wipe(&seen);
    mcp_lines_wipe(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_pieces_give_the_same_lines),
        cmocka_unit_test(test_the_bound),
        cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
