/* JSON-RPC as the Model Context Protocol has it: methods, errors, versions, batches, answers that come later.
 */
#include "tests/test.h"

#include <string.h>

#include "daemon/buffer.h"
#include "daemon/mcp_rpc.h"

static struct mcp_rpc rpc;
static struct buffer out;
static struct mcp_request *held[4]; /* of the tool "later" */
static size_t held_count;

static json_t *tools(void *ctx)
{
    (void)ctx;
    return json_pack("[{s:s}]", "name", "now");
}

static bool call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request)
{
    (void)ctx;
    if (strcmp(tool, "now") == 0)
        mcp_request_answer(request, json_pack("{s:i}", "arguments", (int)json_object_size(arguments)));
    else if (strcmp(tool, "later") == 0)
        held[held_count++] = request;
    else if (strcmp(tool, "nothing") == 0)
        mcp_request_answer(request, NULL);
    else
        return false;
    return true;
}

static void take(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    assert_int_equal(line[len - 1], '\n');
    assert_null(memchr(line, '\n', len - 1));
    buffer_add(&out, span_make(line, len));
}

static int begin(void **state)
{
    (void)state;
    const struct mcp_rpc_ops ops = {.tools = tools, .call = call, .write = take};
    mcp_rpc_init(&rpc, &ops);
    held_count = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    mcp_rpc_wipe(&rpc);
    buffer_wipe(&out);
    return 0;
}

static const char *ask(const char *line)
{
    buffer_clear(&out);
    mcp_rpc_line(&rpc, span_str(line));
    return out.len > 0 ? out.p : "";
}

#define ANSWER(id, rest)        "{\"jsonrpc\":\"2.0\",\"id\":" id "," rest "}\n"
#define REFUSED(id, code, text) ANSWER(id, "\"error\":{\"code\":" code ",\"message\":\"" text "\"}")
#define INITIALIZE(version)                                                                              \
    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"" version \
    "\","                                                                                                \
    "\"capabilities\":{},\"clientInfo\":{\"name\":\"t\",\"version\":\"1\"}}}"

static void test_versions(void **state)
{
    (void)state;
    assert_non_null(strstr(ask(INITIALIZE("2024-11-05")), "\"protocolVersion\":\"2024-11-05\""));
    assert_non_null(strstr(ask(INITIALIZE("2025-03-26")), "\"protocolVersion\":\"2025-03-26\""));
    assert_non_null(strstr(ask(INITIALIZE("2025-06-18")), "\"protocolVersion\":\"2025-06-18\""));
    assert_non_null(strstr(ask(INITIALIZE("2031-01-01")), "\"protocolVersion\":\"2025-06-18\""));
    assert_non_null(strstr(out.p, "\"capabilities\":{\"tools\":{"));
    assert_non_null(strstr(out.p, "\"serverInfo\":{\"name\":\"adit\""));
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}"),
                        REFUSED("1", "-32602", "protocolVersion is required"));
}

static void test_methods(void **state)
{
    (void)state;
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}"),
                        ANSWER("1", "\"result\":{}"));
    assert_string_equal(ask(" {\"jsonrpc\":\"2.0\",\"id\":\"a\\n\",\"method\":\"ping\",\"params\":{}}\r"),
                        ANSWER("\"a\\n\"", "\"result\":{}"));
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}"),
                        ANSWER("1", "\"result\":{\"tools\":[{\"name\":\"now\"}]}"));
    assert_string_equal(
        ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"now\"}}"),
        ANSWER("1", "\"result\":{\"arguments\":0}"));
    assert_string_equal(
        ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"now\","
            "\"arguments\":{\"a\":1,\"b\":2}}}"),
        ANSWER("1", "\"result\":{\"arguments\":2}"));
    assert_non_null(strstr(
        ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"nothing\"}}"),
        "\"code\":-32603"));
}

static void test_what_is_not_answered(void **state)
{
    (void)state;
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}"), "");
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"no/such\",\"params\":{}}"), "");
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"method\":\"ping\"}"), "");
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"), "");
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"\"}}"), "");
    assert_string_equal(ask(""), "");
    assert_string_equal(ask(" \t\r"), "");
}

static void test_errors(void **state)
{
    static const char *const not_json[] = {
        "{", "nonsense", "{\"a\":1,\"a\":2}", "{} {}", "{\"a\":\"\\u0000\"}", "\"\xff\""};
    static const char *const no_request[] = {
        "5",
        "\"x\"",
        "null",
        "{}",
        "[]",
        "{\"id\":1}",
        "{\"jsonrpc\":\"1.0\",\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"method\":5}",
        "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":\"x\"}"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(not_json); i++)
        assert_non_null(
            strstr(ask(not_json[i]), "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,"));
    for (size_t i = 0; i < ADIT_COUNT(no_request); i++)
        assert_non_null(strstr(ask(no_request[i]), "\"error\":{\"code\":-32600,"));
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"x\"}"),
                        REFUSED("7", "-32601", "Method not found: x"));
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":[]}"),
                        REFUSED("7", "-32602", "params must be an object"));
    assert_string_equal(ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\"}"),
                        REFUSED("7", "-32602", "name is required"));
    assert_string_equal(
        ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"no\"}}"),
        REFUSED("7", "-32602", "Unknown tool: no"));
    assert_string_equal(
        ask("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":{\"name\":\"now\","
            "\"arguments\":[]}}"),
        REFUSED("7", "-32602", "arguments must be an object"));
    buffer_clear(&out);
    mcp_rpc_too_long(&rpc);
    assert_non_null(strstr(out.p, "-32600"));
    buffer_clear(&out);
    mcp_rpc_no_memory(&rpc);
    assert_string_equal(out.p, REFUSED("null", "-32603", "out of memory"));
}

#define PING(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"ping\"}"
#define LATER(id) \
    "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"tools/call\",\"params\":{\"name\":\"later\"}}"
#define EMPTY(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}"

static void test_batches(void **state)
{
    (void)state;
    assert_non_null(strstr(ask("[" PING("1") "]"), "-32600")); /* no version yet */
    (void)ask(INITIALIZE("2025-06-18"));
    assert_non_null(strstr(ask("[" PING("1") "]"), "-32600"));
    (void)ask(INITIALIZE("2025-03-26"));
    assert_string_equal(ask("[" PING("1") "," PING("2") "]"), "[" EMPTY("1") "," EMPTY("2") "]\n");
    assert_string_equal(ask("[{\"jsonrpc\":\"2.0\",\"method\":\"x\"}]"), "");
    assert_non_null(
        strstr(ask("[" INITIALIZE("2025-06-18") "]"), "[{\"jsonrpc\":\"2.0\",\"id\":0,\"error\""));
    assert_string_equal(ask("[[]]"),
                        "[{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600,\"message\":"
                        "\"Invalid Request\"}}]\n");
    assert_non_null(strstr(ask("[]"), "-32600"));
}

/* Alone it is sent when it comes; an array when the last of it has come. */
static void test_answers_that_come_later(void **state)
{
    (void)state;
    (void)ask(INITIALIZE("2024-11-05"));
    assert_string_equal(ask(LATER("1")), "");
    assert_string_equal(ask("[" LATER("2") "," PING("3") "," LATER("4") "]"), "");
    assert_string_equal(ask(PING("5")), EMPTY("5") "\n");
    buffer_clear(&out);
    mcp_request_answer(held[0], json_object());
    assert_string_equal(out.p, EMPTY("1") "\n");
    buffer_clear(&out);
    mcp_request_answer(held[2], json_object());
    assert_int_equal(out.len, 0);
    mcp_request_answer(held[1], json_object());
    assert_string_equal(out.p, "[" EMPTY("3") "," EMPTY("4") "," EMPTY("2") "]\n");
    assert_null(rpc.requests);
}

/* What still waits at the end is let go of (the sanitizer looks). */
static void test_the_end_with_requests_that_wait(void **state)
{
    (void)state;
    (void)ask(INITIALIZE("2024-11-05"));
    (void)ask(LATER("1"));
    (void)ask("[" LATER("2") "," LATER("3") "]");
    assert_int_equal(held_count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_versions, begin, end),
        cmocka_unit_test_setup_teardown(test_methods, begin, end),
        cmocka_unit_test_setup_teardown(test_what_is_not_answered, begin, end),
        cmocka_unit_test_setup_teardown(test_errors, begin, end),
        cmocka_unit_test_setup_teardown(test_batches, begin, end),
        cmocka_unit_test_setup_teardown(test_answers_that_come_later, begin, end),
        cmocka_unit_test_setup_teardown(test_the_end_with_requests_that_wait, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
