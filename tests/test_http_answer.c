#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/http_answer.h"

static struct http_answer a;
static char body[8192];
static size_t body_len, used;

/* Feeds text in steps of so many bytes; then the end of the connection, when the text ends before the answer.
 */
static enum http_step feed(const char *text, size_t len, size_t size)
{
    http_answer_init(&a);
    body_len = used = 0;
    while (used < len) {
        size_t n = len - used < size ? len - used : size;
        uint8_t *copy = malloc(n); /* of its exact size: ASan sees every byte too far */
        assert_non_null(copy);
        memcpy(copy, text + used, n);
        struct span in = {copy, n}, piece;
        enum http_step step;
        while ((step = http_answer_step(&a, &in, &piece)) == HTTP_STEP_BODY) {
            assert_true(piece.n > 0 && body_len + piece.n < sizeof body);
            memcpy(body + body_len, piece.p, piece.n);
            body_len += piece.n;
        }
        used += n - in.n;
        free(copy);
        if (step != HTTP_STEP_MORE)
            return step;
    }
    return http_answer_eof(&a);
}

struct row {
    const char *text;
    enum http_step end;
    unsigned status;
    const char *body;
    size_t left; /* behind the answer */
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct row rows[] = {
    {OK "Content-Length: 5\r\n\r\nhello", HTTP_STEP_END, 200, "hello", 0},
    {OK "content-length:  5 \t\r\n\r\nhelloHTTP", HTTP_STEP_END, 200, "hello", 4},
    {OK "Content-Length: 0\r\n\r\n", HTTP_STEP_END, 200, "", 0},
    {OK "X: y\r\n\r\nto the end", HTTP_STEP_END, 200, "to the end", 0},
    {"HTTP/1.0 404\r\n\r\n", HTTP_STEP_END, 404, "", 0},
    {"HTTP/1.1 204 No Content\r\n\r\nX", HTTP_STEP_END, 204, "", 1},
    {"HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx", HTTP_STEP_END, 200, "x", 0},
    {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", HTTP_STEP_END,
     200, "hello0123456789", 0},
    {OK "Transfer-Encoding: Chunked\r\n\r\n000\r\nX-Trailer: 1\r\n\r\n", HTTP_STEP_END, 200, "", 0},
    /* cut off */
    {"", HTTP_STEP_BAD, 0, "", 0},
    {OK, HTTP_STEP_BAD, 200, "", 0},
    {OK "Content-Length: 5\r\n\r\nhell", HTTP_STEP_BAD, 200, "hell", 0},
    {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", HTTP_STEP_BAD, 200, "hello", 0},
    {OK "Transfer-Encoding: chunked\r\n\r\n0\r\n", HTTP_STEP_BAD, 200, "", 0},
    /* not HTTP */
    {"SSH-2.0-x\r\n", HTTP_STEP_BAD, 0, "", 0},
    {"HTTP/2.0 200 OK\r\n", HTTP_STEP_BAD, 0, "", 0},
    {"HTTP/1.1 2x0 OK\r\n", HTTP_STEP_BAD, 0, "", 0},
    {"HTTP/1.1 600 X\r\n", HTTP_STEP_BAD, 600, "", 0},
    {"HTTP/1.1 2000 X\r\n", HTTP_STEP_BAD, 0, "", 0},
    {"HTTP/1.1 101 Switching Protocols\r\n\r\n", HTTP_STEP_BAD, 101, "", 0},
    {"HTTP/1.1 200 OK\n\n", HTTP_STEP_BAD, 0, "", 0},
    {OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", HTTP_STEP_BAD, 200, "", 0},
    {OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx", HTTP_STEP_BAD, 200, "", 0},
    {OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\nx", HTTP_STEP_BAD, 200, "", 0},
    {OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "Content-Length: -1\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "Content-Length: 1x\r\n\r\nx", HTTP_STEP_BAD, 200, "", 0},
    {OK "Content-Length:\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "Content-Length: 99999999999999999999\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "no colon\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK ": x\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK " folded: x\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "blank : x\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "X: a\rb\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "Transfer-Encoding: chunked\r\n\r\n\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "Transfer-Encoding: chunked\r\n\r\ng\r\n", HTTP_STEP_BAD, 200, "", 0},
    {OK "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", HTTP_STEP_BAD, 200, "a", 0},
    {OK "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", HTTP_STEP_BAD, 200, "", 0},
};

/* At once, and one byte at a time: the same. */
static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        for (size_t size = 1; size < 200; size = 3 * size + 1) {
            size_t len = strlen(rows[i].text);
            if (feed(rows[i].text, len, size) != rows[i].end || a.status != rows[i].status)
                fail_msg("row %zu by %zu: status %u", i, size, a.status);
            body[body_len] = 0;
            assert_string_equal(body, rows[i].body);
            if (rows[i].end == HTTP_STEP_END)
                assert_int_equal(len - used, rows[i].left);
        }
    }
}

static void test_type(void **state)
{
    static const struct {
        const char *value;
        bool is_events;
    } types[] = {{"text/event-stream", true},
                 {"Text/Event-Stream; charset=utf-8", true},
                 {"text/event-streams", false},
                 {"application/json", false}};
    char text[200];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(types); i++) {
        size_t n = adit_format(text, sizeof text, OK "Content-Type: %s\r\n\r\n", types[i].value);
        assert_int_equal(feed(text, n, 1000), HTTP_STEP_END);
        assert_int_equal(a.is_events, types[i].is_events);
    }
}

/* A zero byte, a line and a head that are too long. */
static void test_limits(void **state)
{
    static char text[2 * HTTP_HEAD_MAX];
    static const char zero[] = OK "X: a\0b\r\n\r\n";
    (void)state;
    assert_int_equal(feed(zero, sizeof zero - 1, 7), HTTP_STEP_BAD);
    size_t n = adit_format(text, sizeof text, OK "X: ");
    memset(text + n, 'x', HTTP_LINE_CAP);
    assert_int_equal(feed(text, n + HTTP_LINE_CAP, 100), HTTP_STEP_BAD);
    n = adit_format(text, sizeof text, OK);
    while (n < HTTP_HEAD_MAX)
        n += adit_format(text + n, sizeof text - n, "X: 0123456789\r\n");
    assert_int_equal(feed(text, n, 1000), HTTP_STEP_BAD);
    /* Many chunks are no head. */
    n = adit_format(text, sizeof text, OK "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 8000; i++)
        n += adit_format(text + n, sizeof text - n, "1\r\nx\r\n");
    n += adit_format(text + n, sizeof text - n, "0\r\n\r\n");
    assert_int_equal(feed(text, n, 1000), HTTP_STEP_END);
    assert_int_equal(body_len, 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_type),
                                       cmocka_unit_test(test_limits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
