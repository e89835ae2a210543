/* The tools on a registry whose links the test plays: what is shown, waited for, made, closed and ended. */
#include "tests/json_scarce.h"
#include "tests/tunnels_fake.h"

#include "daemon/buffer.h"
#include "daemon/mcp_info.h"
#include "daemon/mcp_schema.h"
#include "daemon/mcp_tools.h"

static struct mcp_tools *tools;
static unsigned tool_groups;
static struct mcp_allow allow;
static struct mcp_rpc rpc;
static struct buffer out;

static void take(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    buffer_add(&out, span_make(line, len));
}

static bool on_call(void *ctx, const char *tool, const json_t *arguments, struct mcp_request *request)
{
    (void)ctx;
    return mcp_tools_call(tools, tool, arguments, request);
}

static json_t *on_tools(void *ctx)
{
    (void)ctx;
    return mcp_schema_list(tool_groups);
}

static void open_tools(unsigned groups)
{
    struct adit_error err = {ADIT_E_OK, ""};
    world_open("");
    mcp_allow_init(&allow);
    assert_int_equal(mcp_allow_add(&allow.targets, "*:*", &err), ADIT_E_OK);
    assert_int_equal(mcp_allow_add(&allow.locals, "*:*", &err), ADIT_E_OK);
    assert_int_equal(mcp_allow_add_server(&allow, "*", &err), ADIT_E_OK);
    const struct mcp_tools_config config = {
        .loop = &world.loop, .tunnels = world.t, .allow = &allow, .max_ttl_s = 86400, .groups = groups};
    tool_groups = groups;
    assert_int_equal(mcp_tools_new(&tools, &config, &err), ADIT_E_OK);
    const struct mcp_rpc_ops ops = {.tools = on_tools, .call = on_call, .write = take};
    mcp_rpc_init(&rpc, &ops);
}

static void close_tools(void)
{
    mcp_tools_free(tools);
    mcp_rpc_wipe(&rpc);
    buffer_wipe(&out);
    mcp_allow_wipe(&allow);
    world_close();
}

/* Asks; what is answered at once, or NULL. The caller gives it back. */
static json_t *answered(void)
{
    json_t *answer = out.len > 0 ? json_loads(out.p, 0, NULL) : NULL;
    buffer_clear(&out);
    return answer;
}

static void call(const char *tool, const char *arguments)
{
    char line[2048];
    buffer_clear(&out);
    (void)adit_format(line, sizeof line,
                      "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"%s\","
                      "\"arguments\":%s}}",
                      tool, arguments);
    mcp_rpc_line(&rpc, span_str(line));
}

/* All questions for numbers are answered. */
static void numbers(void)
{
    for (size_t i = 0; i < fake_link_count; i++)
        while (fake_links[i]->snapshot_count > 0)
            fake_numbers(fake_links[i], 0);
    world_mail();
}

/* The structured content of the answer that is there; it is an error or not, as expected. */
static json_t *content(bool is_error)
{
    json_t *answer = answered();
    assert_non_null(answer);
    json_t *result = json_object_get(answer, "result");
    assert_non_null(result);
    assert_int_equal(json_is_true(json_object_get(result, "isError")), is_error);
    assert_true(
        json_is_string(json_object_get(json_array_get(json_object_get(result, "content"), 0), "text")));
    json_t *structured = json_incref(json_object_get(result, "structuredContent"));
    assert_non_null(structured);
    json_decref(answer);
    return structured;
}

static const char *string_in(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    assert_non_null(text);
    return text;
}

static json_int_t integer_in(const json_t *o, const char *name)
{
    assert_true(json_is_integer(json_object_get(o, name)));
    return json_integer_value(json_object_get(o, name));
}

static void assert_error(const char *kind, const char *message)
{
    json_t *c = content(true);
    assert_string_equal(string_in(json_object_get(c, "error"), "kind"), kind);
    assert_string_equal(string_in(json_object_get(c, "error"), "message"), message);
    json_decref(c);
}

static size_t listed(void)
{
    call("ssh_tunnel_list", "{}");
    numbers();
    json_t *c = content(false);
    json_int_t n = integer_in(c, "count");
    json_decref(c);
    return (size_t)n;
}

#define WEB                                                                                               \
    "{\"server\":\"h\",\"type\":\"local\",\"localPort\":8001,\"remoteHost\":\"10.0.0.5\",\"remotePort\":" \
    "443,"                                                                                                \
    "\"name\":\"web\"}"

/* One that is active; its id. */
static const char *make_web(void)
{
    static char id[64];
    call("ssh_tunnel_create", WEB);
    assert_int_equal(out.len, 0);
    fake_connect(fake_links[fake_link_count - 1]);
    numbers();
    json_t *c = content(false);
    assert_string_equal(string_in(c, "state"), "active");
    (void)adit_format(id, sizeof id, "%s", string_in(c, "id"));
    json_decref(c);
    return id;
}

/* ---- Showing ---- */

static void test_the_lists_of_tools(void **state)
{
    static const char *const names[] = {"ssh_tunnel_list", "ssh_tunnel_status", "ssh_tunnel_wait",
                                        "ssh_tunnel_create", "ssh_tunnel_close"};
    (void)state;
    for (unsigned groups = 1; groups < 4; groups++) {
        open_tools(groups);
        json_t *list = mcp_schema_list(groups);
        size_t n = json_array_size(list), first = groups == MCP_TOOLS_TUNNEL ? 3 : 0;
        assert_int_equal(n, groups == 1 ? 3 : groups == 2 ? 2 : 5);
        for (size_t i = 0; i < n; i++) {
            const json_t *tool = json_array_get(list, i);
            assert_string_equal(string_in(tool, "name"), names[first + i]);
            assert_string_equal(string_in(json_object_get(tool, "inputSchema"), "type"), "object");
            assert_int_equal(
                json_is_true(json_object_get(json_object_get(tool, "annotations"), "readOnlyHint")),
                first + i < 3);
        }
        json_decref(list);
        close_tools();
    }
    assert_null(mcp_schema("no"));
}

static void test_tools_that_were_not_asked_for(void **state)
{
    (void)state;
    open_tools(MCP_TOOLS_READ);
    call("ssh_tunnel_create", WEB);
    json_t *answer = answered();
    assert_int_equal(integer_in(json_object_get(answer, "error"), "code"), MCP_E_PARAMS);
    json_decref(answer);
    assert_int_equal(tunnels_count(world.t), 0);
    close_tools();
}

static void test_what_is_shown(void **state)
{
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    const char *id = make_web();
    struct link *l = fake_links[0];
    l->forwards[0].stats.bytes_up = 10;
    l->forwards[0].stats.bytes_down = 32;
    l->forwards[0].stats.opened = 3;
    l->forwards[0].stats.open_now = 1;
    l->forwards[0].stats.refused = 2;
    call("ssh_tunnel_status", "{\"tunnel_id\":\"web\"}");
    numbers();
    json_t *c = content(false);
    const json_t *stats = json_object_get(c, "stats"), *config = json_object_get(c, "config");
    assert_string_equal(string_in(c, "id"), id);
    assert_string_equal(string_in(c, "server"), "h");
    assert_string_equal(string_in(c, "type"), "local");
    assert_string_equal(string_in(config, "localHost"), "127.0.0.1");
    assert_int_equal(integer_in(config, "localPort"), 8001);
    assert_string_equal(string_in(config, "remoteHost"), "10.0.0.5");
    assert_int_equal(integer_in(config, "remotePort"), 443);
    assert_int_equal(integer_in(stats, "bytesTransferred"), 42);
    assert_int_equal(integer_in(stats, "connectionsTotal"), 3);
    assert_int_equal(integer_in(stats, "connectionsActive"), 1);
    assert_int_equal(integer_in(stats, "errors"), 2);
    assert_int_equal(integer_in(c, "bytesSent"), 10);
    assert_int_equal(integer_in(c, "bytesReceived"), 32);
    assert_int_equal(integer_in(c, "activeConnections"), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(c, "listen"), 0)), "127.0.0.1:8001");
    assert_true(json_is_null(json_object_get(c, "lastError")));
    assert_int_equal(strlen(string_in(c, "expires")), 20);
    assert_int_equal(strlen(string_in(c, "created")), 20);
    assert_non_null(json_object_get(c, "lastActivity"));
    json_decref(c);
    close_tools();
}

static void test_states(void **state)
{
    static const struct {
        enum keep_state state;
        const char *name;
    } rows[] = {
        {KEEP_SUSPECT, "reconnecting"}, {KEEP_RECONNECTING, "reconnecting"}, {KEEP_CONNECTED, "active"}};
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    (void)make_web();
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        fake_state(fake_links[0], rows[i].state, 0, "so");
        world_mail();
        assert_string_equal(mcp_info_state(tunnels_first(world.t)), rows[i].name);
    }
    fake_lost(fake_links[0], KEEP_FAILED, 5, ADIT_E_CONNECT, "\x1b[31mno\x07 way\x1b[0m");
    world_mail();
    call("ssh_tunnel_status", "{\"tunnel_id\":\"web\"}");
    numbers();
    json_t *c = content(false);
    assert_string_equal(string_in(c, "state"), "failed");
    assert_null(strchr(string_in(c, "lastError"), 0x1b));
    json_decref(c);
    assert_int_equal(listed(), 1);
    close_tools();
}

/* Without memory for all of it nothing is shown, not something else. */
static void test_showing_without_memory(void **state)
{
    (void)state;
    world_open("Tunnel web\n Via h\n LocalForward 8001 x:1\n");
    const struct tunnel *u = tunnels_first(world.t);
    json_t *whole = mcp_info_json(u, "box", 0), *got = NULL;
    for (long n = 0; json_scarce_goes_on(n); n++) {
        json_scarce_begin(n);
        got = mcp_info_json(u, "box", 0);
        json_scarce_end();
        assert_true(got == NULL || json_equal(got, whole));
        json_decref(got);
    }
    assert_non_null(got);
    json_decref(whole);
    world_close();
}

static void test_texts_of_others(void **state)
{
    char long_text[1000], clean[MCP_PEER_TEXT_CAP];
    (void)state;
    mcp_info_peer_text(clean, "a\tb\r\n\x1b[1mc");
    for (size_t i = 0; clean[i] != 0; i++)
        assert_true((unsigned char)clean[i] >= ' ');
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    mcp_info_peer_text(clean, long_text);
    assert_int_equal(strlen(clean), MCP_PEER_TEXT_CHARS);
    for (size_t i = 0; i + 2 < sizeof long_text; i += 2)
        memcpy(long_text + i, "\xc3\xa4", 2);
    long_text[sizeof long_text - 2] = 0;
    mcp_info_peer_text(clean, long_text);
    assert_int_equal(strlen(clean), 2 * MCP_PEER_TEXT_CHARS);
}

/* ---- Making ---- */

static void test_a_failure_leaves_nothing(void **state)
{
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    call("ssh_tunnel_create", WEB);
    fake_up(fake_links[0], 0, 0, "127.0.0.1:8001", 8001);
    fake_lost(fake_links[0], KEEP_FAILED, 0, ADIT_E_AUTH, "Permission denied (publickey).");
    fake_down(fake_links[0], 0);
    world_mail();
    assert_error("authentication", "Permission denied (publickey).");
    assert_int_equal(tunnels_count(world.t), 0);
    assert_int_equal(listed(), 0);
    close_tools();
}

static void test_a_port_that_is_taken(void **state)
{
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    call("ssh_tunnel_create", WEB);
    fake_failed(fake_links[0], 0, "127.0.0.1:8001 is busy");
    world_mail();
    assert_error("forwarding", "127.0.0.1:8001 is busy");
    assert_int_equal(tunnels_count(world.t), 0);
    (void)make_web();
    call("ssh_tunnel_create", WEB);
    assert_error("unsupported", "Tunnel web already exists");
    call("ssh_tunnel_create", "{\"server\":\"h\",\"type\":\"dynamic\",\"localPort\":8001}");
    assert_error("forwarding", "Port 8001 is in use by tunnel web");
    close_tools();
}

/* Thirty seconds are over: the timer says so, not the clock. */
static void test_it_does_not_wait_for_ever(void **state)
{
    struct loop_timer *timer;
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    call("ssh_tunnel_create", WEB);
    fake_up(fake_links[0], 0, 0, "127.0.0.1:8001", 8001);
    fake_lost(fake_links[0], KEEP_RECONNECTING, 1, ADIT_E_CONNECT, "Connection refused");
    world_mail();
    assert_int_equal(out.len, 0);
    assert_int_equal(listed(), 1);
    timer = loop_expired(&world.loop, loop_now_ms() + MCP_CREATE_MS);
    assert_non_null(timer);
    tunnels_on_timer(world.t, timer);
    assert_error("transport", "Connection refused");
    assert_int_equal(tunnels_count(world.t), 0);
    close_tools();
}

static void test_too_many(void **state)
{
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    (void)make_web();
    for (size_t i = 0; i < MCP_JOBS_MAX; i++) {
        fake_state(fake_links[0], KEEP_SUSPECT, 0, "so");
        world_mail();
        call("ssh_tunnel_wait", "{\"tunnel_id\":\"web\"}");
        assert_int_equal(out.len, 0);
    }
    call("ssh_tunnel_list", "{}");
    assert_error("transport", "64 calls wait already");
    close_tools();
}

/* ---- Waiting ---- */

static void test_waiting(void **state)
{
    struct loop_timer *timer;
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    (void)make_web();
    fake_state(fake_links[0], KEEP_RECONNECTING, 1, "lost");
    world_mail();
    call("ssh_tunnel_wait", "{\"tunnel_id\":\"web\"}");
    assert_int_equal(out.len, 0);
    fake_state(fake_links[0], KEEP_CONNECTED, 1, "connected");
    world_mail();
    numbers();
    json_decref(content(false));
    fake_state(fake_links[0], KEEP_SUSPECT, 1, "late");
    world_mail();
    call("ssh_tunnel_wait", "{\"tunnel_id\":\"web\",\"timeout\":7}");
    timer = loop_expired(&world.loop, loop_now_ms() + 7000);
    assert_non_null(timer);
    tunnels_on_timer(world.t, timer);
    json_t *c = content(true);
    assert_string_equal(string_in(json_object_get(c, "error"), "kind"), "timeout");
    json_decref(c);
    call("ssh_tunnel_wait", "{\"tunnel_id\":\"nobody\"}");
    assert_error("unsupported", "Tunnel nobody not found");
    call("ssh_tunnel_wait", "{}");
    assert_error("unsupported", "tunnel_id required");
    close_tools();
}

/* ---- Closing ---- */

static json_int_t closed(const char *arguments)
{
    call("ssh_tunnel_close", arguments);
    world_settle();
    json_t *c = content(false);
    json_int_t n = integer_in(c, "closed");
    assert_int_equal(json_array_size(json_object_get(c, "ids")), n);
    json_decref(c);
    return n;
}

static void test_closing(void **state)
{
    char by_id[128];
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    (void)adit_format(by_id, sizeof by_id, "{\"tunnel_id\":\"%s\"}", make_web());
    call("ssh_tunnel_close", by_id);
    assert_int_equal(out.len, 0); /* its listener is not closed yet */
    assert_int_equal(listed(), 0);
    world_settle();
    json_decref(content(false));
    assert_int_equal(tunnels_count(world.t), 0);
    assert_int_equal(closed(by_id), 0); /* again is no error */
    call("ssh_tunnel_close", "{\"tunnel_id\":\"tunnel_1_00000000\"}");
    assert_error("unsupported", "Tunnel tunnel_1_00000000 not found");
    call("ssh_tunnel_close", "{}");
    assert_error("unsupported", "either tunnel_id or server is required");
    (void)make_web();
    call("ssh_tunnel_create", "{\"server\":\"h\",\"type\":\"dynamic\",\"localPort\":8002}");
    fake_up(fake_links[fake_link_count - 1], 1, 0, "127.0.0.1:8002", 8002);
    world_mail();
    numbers();
    json_decref(content(false));
    assert_int_equal(listed(), 2);
    assert_int_equal(closed("{\"server\":\"other\"}"), 0);
    assert_int_equal(closed("{\"server\":\"h\"}"), 2);
    assert_int_equal(tunnels_count(world.t), 0);
    close_tools();
}

/* All that is up can be seen; only tunnels that were made here can be closed here. */
static void test_tunnels_of_others(void **state)
{
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    struct tunnel *u = add_local("file", "h", 8009);
    assert_int_equal(listed(), 0); /* it is not up */
    start_it(u);
    call("ssh_tunnel_close", "{\"tunnel_id\":\"file\"}");
    assert_error("forwarding", "Tunnel file was not made here: it cannot be closed here");
    assert_int_equal(closed("{\"server\":\"h\"}"), 0);
    assert_int_equal(listed(), 1);
    assert_true(tunnel_is_running(u));
    fake_connect(fake_links[0]);
    call("ssh_tunnel_wait", "{\"tunnel_id\":\"file\"}");
    numbers();
    json_t *c = content(false);
    assert_string_equal(string_in(c, "server"), "h");
    assert_true(json_is_null(json_object_get(c, "expires")));
    json_decref(c);
    call("ssh_tunnel_list", "{\"server\":\"other\"}");
    numbers();
    c = content(false);
    assert_int_equal(integer_in(c, "count"), 0);
    json_decref(c);
    close_tools();
}

/* Whoever waits for a tunnel that is closed meanwhile is told, and so is who is still making it. */
static void test_closing_what_is_waited_for(void **state)
{
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    call("ssh_tunnel_create", WEB);
    assert_int_equal(out.len, 0);
    call("ssh_tunnel_close", "{\"server\":\"h\"}");
    world_settle();
    assert_non_null(out.p);
    assert_non_null(strstr(out.p, "\"isError\":true"));
    assert_non_null(strstr(out.p, "\"closed\":1"));
    assert_int_equal(tunnels_count(world.t), 0);
    buffer_clear(&out);
    close_tools();
}

static void test_the_ttl(void **state)
{
    struct loop_timer *timer;
    (void)state;
    open_tools(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    (void)make_web();
    assert_null(loop_expired(&world.loop, loop_now_ms() + 3590 * 1000));
    timer = loop_expired(&world.loop, loop_now_ms() + 3600 * 1000);
    assert_non_null(timer);
    assert_int_equal(timer->kind, MCP_TOOLS_TIMER);
    mcp_tools_on_timer(timer);
    assert_int_equal(tunnels_count(world.t), 0);
    world_settle();
    assert_int_equal(listed(), 0);
    close_tools();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_lists_of_tools),
        cmocka_unit_test(test_tools_that_were_not_asked_for),
        cmocka_unit_test(test_what_is_shown),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_showing_without_memory),
        cmocka_unit_test(test_texts_of_others),
        cmocka_unit_test(test_a_failure_leaves_nothing),
        cmocka_unit_test(test_a_port_that_is_taken),
        cmocka_unit_test(test_it_does_not_wait_for_ever),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_waiting),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_tunnels_of_others),
        cmocka_unit_test(test_closing_what_is_waited_for),
        cmocka_unit_test(test_the_ttl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
