#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "cli/sse.h"
#include "tests/no_memory.h"

static char seen[4096];

/* All events as "name=data;", fed by so many bytes. */
static enum sse_step feed(const char *text, size_t len, size_t size)
{
    struct sse s;
    enum sse_step step = SSE_MORE;
    size_t n = 0;
    sse_init(&s);
    seen[0] = 0;
    for (size_t at = 0; at < len && step != SSE_BAD; at += size) {
        size_t part = len - at < size ? len - at : size;
        uint8_t *copy = malloc(part);
        assert_non_null(copy);
        memcpy(copy, text + at, part);
        struct span in = {copy, part};
        while ((step = sse_step(&s, &in)) == SSE_EVENT)
            n += adit_format(seen + n, sizeof seen - n, "%s=%s;", s.name, s.data);
        free(copy);
    }
    sse_wipe(&s);
    return step;
}

static void test_events(void **state)
{
    static const struct {
        const char *text, *events;
    } rows[] = {{"event: tunnel\nid: 1\ndata: {\"a\":1}\n\n", "tunnel={\"a\":1};"},
                {"data:x\r\ndata: y\r\n\r\n", "message=x\ny;"},
                {": comment\n\n:\n\nevent: nothing\n\ndata\n\n", "message=;"},
                {"event: a\rdata: 1\r\revent: b\rdata:  2\r\r", "a=1;b= 2;"},
                {"data: cut", ""},
                {"data: cut\n", ""},
                {"retry: 5\ndata: x\n\n\n\n", "message=x;"}};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        for (size_t size = 1; size < 50; size = 2 * size + 1) {
            assert_int_equal(feed(rows[i].text, strlen(rows[i].text), size), SSE_MORE);
            assert_string_equal(seen, rows[i].events);
        }
    }
}

static void test_bad(void **state)
{
    static const char zero[] = "data: a\0b\n\n";
    size_t len = 2 * (size_t)SSE_EVENT_MAX;
    char *text = malloc(len);
    (void)state;
    assert_int_equal(feed(zero, sizeof zero - 1, 3), SSE_BAD);
    assert_non_null(text);
    memset(text, 'x', len);
    assert_int_equal(feed(text, len, 10000), SSE_BAD); /* a line */
    for (size_t i = 0; i + 1000 <= len; i += 1000)
        memcpy(text + i, "\ndata: ", 7);
    assert_int_equal(feed(text, len, 10000), SSE_BAD); /* an event */
    free(text);
}

/* That is no fault of the event's. */
static void test_without_memory(void **state)
{
    static const char text[] = "event: a\ndata: a longer line\ndata: more\n\n";
    bool is_struck = true;
    (void)state;
    for (long n = 0; is_struck; n++) {
        struct span in = span_str(text);
        struct sse s;
        sse_init(&s);
        no_memory_begin(n, false);
        enum sse_step step = sse_step(&s, &in), next = step == SSE_EVENT ? step : sse_step(&s, &in);
        is_struck = no_memory_end();
        assert_int_equal(step, is_struck ? SSE_NO_MEMORY : SSE_EVENT);
        assert_int_equal(next, step);
        assert_true(is_struck || n > 2);
        sse_wipe(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_events), cmocka_unit_test(test_bad),
                                       cmocka_unit_test(test_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
