/* The daemon's tunnels for `adit mcp`: both ends on one loop, the daemon's links played. */
#define _GNU_SOURCE /* memmem, strsep */
#include "tests/api_world.h"

#include <sys/resource.h>

#include "daemon/mcp_engine.h"
#include "daemon/mcp_schema.h"
#include "tests/no_memory.h"

static struct mcp_engine *engine;
static struct mcp_args args;

/* What was asked, and its result. */
struct asked {
    struct mcp_request request;
    json_t *result;
    unsigned answers;
};

static void take(struct mcp_request *request, json_t *result)
{
    struct asked *a = (struct asked *)request;

    a->answers++;
    json_decref(a->result);
    a->result = result;
}

static void on_fd(struct loop_fd *f)
{
    engine->ops->on_fd(engine, f);
}

static void engine_open(unsigned groups)
{
    args = (struct mcp_args){.socket = world_path("sock"), .groups = groups, .max_ttl_s = 100};
    mcp_allow_init(&args.allow);
    assert_int_equal(mcp_allow_add(&args.allow.targets, "10.0.0.5:443", NULL), ADIT_E_OK);
    assert_int_equal(mcp_allow_add_server(&args.allow, "h", NULL), ADIT_E_OK);
    engine = mcp_remote_new(&args, &world.loop, NULL);
    assert_non_null(engine);
    aw.on_other_fd = on_fd;
}

static void engine_close(void)
{
    engine->ops->free(engine);
    aw.on_other_fd = NULL;
    mcp_allow_wipe(&args.allow);
}

static void ask_for(struct asked *a, const char *tool, const char *arguments)
{
    json_t *j = json_loads(arguments, 0, NULL);

    *a = (struct asked){.request = {take}};
    assert_non_null(j);
    assert_true(engine->ops->call(engine, tool, j, &a->request));
    json_decref(j);
}

/* The structured content; as long as a is. */
static const json_t *content(struct asked *a, bool is_error)
{
    step_until(&a->answers, 1);
    assert_int_equal(a->answers, 1);
    assert_int_equal(json_is_true(json_object_get(a->result, "isError")), is_error);
    return json_object_get(a->result, "structuredContent");
}

static void expect_error(struct asked *a, const char *kind, const char *message)
{
    const json_t *e = json_object_get(content(a, true), "error");

    assert_string_equal(json_string_value(json_object_get(e, "kind")), kind);
    if (!strstr(json_string_value(json_object_get(e, "message")), message))
        fail_msg("%s", json_string_value(json_object_get(e, "message")));
    json_decref(a->result);
}

static json_int_t count(void)
{
    struct asked a;

    ask_for(&a, "ssh_tunnel_list", "{}");
    json_int_t n = json_integer_value(json_object_get(content(&a, false), "count"));
    json_decref(a.result);
    return n;
}

#define WEB                                                                                               \
    "{\"server\":\"h\",\"type\":\"local\",\"localPort\":8001,\"remoteHost\":\"10.0.0.5\",\"remotePort\":" \
    "443,\"name\":\"web\",\"ttl\":500}"

static void make_web(void)
{
    struct asked a;

    ask_for(&a, "ssh_tunnel_create", WEB);
    fake_connect(link_until(1));
    assert_string_equal(json_string_value(json_object_get(content(&a, false), "state")), "active");
    json_decref(a.result);
}

/* The daemon shows what was made; the ttl is cut; with the end of the one who made it, it goes. */
static void test_a_tunnel(void **state)
{
    struct asked a;

    (void)state;
    api_world_open("");
    engine_open(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    make_web();
    assert_int_equal(count(), 1);
    assert_int_equal(ask("GET", "/tunnels/web", NULL), 200);
    expect("origin", "\"mcp\"");
    expect("max_retries", "5");
    const struct definition *d = tunnel_definition(tunnels_first(world.t));
    assert_int_equal(d->backoff_first_ms, 2000);
    assert_int_equal(d->backoff_cap_ms, 30000);
    ask_for(&a, "ssh_tunnel_status", "{\"tunnel_id\":\"web\"}");
    assert_non_null(json_string_value(json_object_get(content(&a, false), "expires")));
    json_decref(a.result);
    /* the session's timer: the ttl of 500 s is cut to 100 */
    assert_true(loop_next_deadline(&world.loop) < loop_now_ms() + 100 * 1000 + 1);
    aw.ahead_ms = 101 * 1000;
    while (tunnels_count(world.t) > 0)
        api_world_step(NULL);
    aw.ahead_ms = 0;
    assert_int_equal(count(), 0);
    engine_close();
    api_world_close();
}

static void test_the_end_takes_them_away(void **state)
{
    struct asked a;

    (void)state;
    api_world_open("");
    struct tunnel *other = add_local("other", "h2", 8002);
    engine_open(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    make_web();
    ask_for(&a, "ssh_tunnel_wait", "{\"tunnel_id\":\"other\"}"); /* it does not run */
    (void)content(&a, true);
    json_decref(a.result);
    fake_state(fake_links[0], KEEP_SUSPECT, 0, "late");
    ask_for(&a, "ssh_tunnel_wait", "{\"tunnel_id\":\"web\",\"timeout\":3000}");
    api_world_step(NULL);
    engine_close();
    while (tunnels_count(world.t) > 1)
        api_world_step(NULL);
    assert_ptr_equal(tunnels_first(world.t), other);
    assert_int_equal(a.answers, 0);
    api_world_close();
}

static void test_what_is_refused(void **state)
{
    struct asked a;
    json_t *none = json_object();

    (void)state;
    api_world_open("");
    engine_open(MCP_TOOLS_READ);
    a = (struct asked){.request = {take}};
    assert_false(engine->ops->call(engine, "ssh_tunnel_create", none, &a.request));
    assert_false(engine->ops->call(engine, "ls", none, &a.request));
    engine_close();
    engine_open(MCP_TOOLS_TUNNEL);
    ask_for(&a, "ssh_tunnel_create",
            "{\"server\":\"h\",\"type\":\"local\",\"localPort\":1,\"remoteHost\":\"x\",\"remotePort\":2}");
    expect_error(&a, "forwarding", "destination not allowed: x:2 (start adit mcp with --allow x:2)");
    ask_for(&a, "ssh_tunnel_create", "{\"server\":\"k\",\"type\":\"dynamic\",\"localPort\":0}");
    expect_error(&a, "forwarding", "server not allowed: k");
    assert_int_equal(tunnels_count(world.t), 0);
    json_decref(none);
    engine_close();
    api_world_close();
}

/* Calls that wait, and those that come later, are told; a new daemon in its place is used. */
static void test_the_daemon_goes(void **state)
{
    struct asked a, b;

    (void)state;
    api_world_open("");
    engine_open(MCP_TOOLS_READ | MCP_TOOLS_TUNNEL);
    make_web();
    fake_state(fake_links[0], KEEP_SUSPECT, 0, "late");
    ask_for(&a, "ssh_tunnel_wait", "{\"tunnel_id\":\"web\",\"timeout\":3000}");
    assert_int_equal(count(), 1); /* it was asked before this */
    assert_int_equal(a.answers, 0);
    http_talk_close(&aw.c);
    api_free(aw.api);
    aw.api = NULL;
    expect_error(&a, "transport", "no daemon at");
    ask_for(&b, "ssh_tunnel_list", "{}");
    expect_error(&b, "transport", "any more: the tunnels that were made there have ended with it");

    struct api_config config = {
        .loop = &world.loop, .tunnels = world.t, .journal = aw.journal, .token = api_token};
    struct sock_file file;
    int fd;
    assert_int_equal(api_new(&aw.api, &config, NULL), ADIT_E_OK);
    assert_int_equal(unlink(world_path("sock")), 0);
    assert_int_equal(sock_listen_unix(&fd, world_path("sock"), 0177, false, &file, NULL), ADIT_E_OK);
    assert_int_equal(api_listen(aw.api, fd, NULL), ADIT_E_OK);
    assert_int_equal(count(), 0);
    api_world_connect(&aw.c);
    engine_close();
    api_world_close();
}

/* Who lacks descriptors says so, and not that the daemon is gone. */
static void test_no_descriptor_is_left(void **state)
{
    struct asked a;
    struct rlimit before, none;

    (void)state;
    api_world_open("");
    engine_open(MCP_TOOLS_READ);
    assert_int_equal(count(), 0);
    int next = dup(0);
    assert_true(next >= 0);
    assert_int_equal(close(next), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){(rlim_t)next, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    ask_for(&a, "ssh_tunnel_list", "{}");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    expect_error(&a, "transport", "Too many open files");
    assert_int_equal(count(), 0);
    engine_close();
    api_world_close();
}

static void test_no_daemon_at_all(void **state)
{
    struct asked a;

    (void)state;
    api_world_open("");
    engine_open(MCP_TOOLS_READ);
    args.socket = "/nonexistent/adit.sock";
    ask_for(&a, "ssh_tunnel_list", "{}");
    expect_error(&a, "transport", "no daemon at /nonexistent/adit.sock");
    engine_close();
    api_world_close();
}

/* ---- A daemon that refuses, and no memory for its words ---- */

static long fail_at; /* of the allocations while an answer is taken */
static bool is_struck;

static void on_fd_without_memory(struct loop_fd *f)
{
    no_memory_begin(fail_at, false);
    on_fd(f);
    is_struck = no_memory_end() || is_struck;
}

/* The next connection's request is read, and answered; it is closed unless it shall stay open. */
static int refuse_next(int listener, const char *text)
{
    char request[4096];
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0)
        api_world_step(NULL);
    while (read(fd, request, sizeof request) <= 0)
        api_world_step(NULL);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    return fd;
}

/* is_held: it is the session that is refused, else the call. */
static void refused(int listener, bool is_held)
{
    static const char busy[] = "HTTP/1.1 500 X\r\nConnection: close\r\n\r\n"
                               "{\"error\":{\"code\":\"busy\",\"message\":\"too much\",\"field\":null}}";
    struct asked a;
    int held = -1;

    engine_open(MCP_TOOLS_READ);
    args.socket = world_path("other");
    ask_for(&a, "ssh_tunnel_list", "{}");
    if (!is_held)
        held = refuse_next(listener, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n: here\n");
    sock_close(&(int){refuse_next(listener, busy)});
    aw.on_other_fd = on_fd_without_memory;
    step_until(&a.answers, 1);
    aw.on_other_fd = on_fd;
    const json_t *content = json_object_get(a.result, "structuredContent");
    const char *text = json_string_value(json_object_get(json_object_get(content, "error"), "message"));
    if (a.result != NULL) /* there was none for the result either */
        assert_string_equal(text, is_struck ? "out of memory" : "the daemon says: too much");
    json_decref(a.result);
    sock_close(&held);
    engine_close();
}

static void test_a_refusal_without_memory(void **state)
{
    struct sock_file file;
    int listener;

    (void)state;
    api_world_open("");
    assert_int_equal(sock_listen_unix(&listener, world_path("other"), 0177, false, &file, NULL), ADIT_E_OK);
    for (int is_held = 0; is_held <= 1; is_held++) {
        is_struck = true;
        for (fail_at = 0; is_struck; fail_at++) {
            is_struck = false;
            refused(listener, is_held);
        }
        assert_true(fail_at > 10);
    }
    sock_close(&listener);
    sock_file_remove(&file, world_path("other"));
    api_world_close();
}

/* ---- The requests themselves ---- */

#define ID "00112233445566778899aabbccddeeff"

static void test_wrong_requests(void **state)
{
    static const struct {
        const char *body, *code, *field;
    } rows[] = {
        {"{}", "missing_field", "id"},
        {"{\"id\":\"0011\"}", "invalid_value", "id"},
        {"{\"id\":\"0011223344556677889G\"}", "invalid_value", "id"},
        {"{\"id\":\"" ID "\",\"more\":1}", "unknown_field", "more"},
        {"{\"id\":\"" ID "\",\"tools\":\"read\"}", "invalid_value", "tools"},
        {"{\"id\":\"" ID "\",\"tools\":[\"write\"]}", "invalid_value", "tools"},
        {"{\"id\":\"" ID "\",\"allow\":[\"nowhere\"]}", "invalid_value", "allow"},
        {"{\"id\":\"" ID "\",\"allow_local\":[1]}", "invalid_value", "allow_local"},
        {"{\"id\":\"" ID "\",\"allow_server\":\"h\"}", "invalid_value", "allow_server"},
        {"{\"id\":\"" ID "\",\"max_ttl\":0}", "invalid_value", "max_ttl"},
        {"{\"id\":\"" ID "\",\"max_ttl\":\"1h\"}", "invalid_value", "max_ttl"},
    };

    (void)state;
    api_world_open("");
    for (size_t i = 0; i < ADIT_COUNT(rows); i++)
        ask_fails("POST", "/mcp", rows[i].body, 400, rows[i].code, rows[i].field);
    ask_fails("POST", "/mcp/" ID "/call", "{\"tool\":\"ssh_tunnel_list\",\"arguments\":{}}", 404, "not_found",
              NULL);
    api_world_close();
}

static void test_a_session_of_somebody_else(void **state)
{
    struct http_talk held;
    uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    (void)state;
    api_world_open("");
    api_world_connect(&held);
    order(&held, "POST", "/mcp", "", "{\"id\":\"" ID "\"}");
    while (ask("POST", "/mcp/" ID "/call", "{\"tool\":\"ssh_tunnel_list\",\"arguments\":{}}") == 404)
        assert_true(loop_now_ms() < until);
    expect("isError", "false");
    ask_fails("POST", "/mcp", "{\"id\":\"" ID "\"}", 409, "exists", "id");
    ask_fails("POST", "/mcp/" ID "/call", "{\"tool\":\"ssh_tunnel_create\",\"arguments\":{}}", 400,
              "invalid_value", "tool");
    ask_fails("POST", "/mcp/" ID "/call", "{\"tool\":\"ssh_tunnel_list\"}", 400, "invalid_value",
              "arguments");
    ask_fails("POST", "/mcp/" ID "/call", "{\"arguments\":{}}", 400, "missing_field", "tool");
    http_talk_close(&held);
    while (ask("POST", "/mcp/" ID "/call", "{\"tool\":\"ssh_tunnel_list\",\"arguments\":{}}") != 404)
        assert_true(loop_now_ms() < until);
    api_world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tunnel),
        cmocka_unit_test(test_the_end_takes_them_away),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_the_daemon_goes),
        cmocka_unit_test(test_no_descriptor_is_left),
        cmocka_unit_test(test_no_daemon_at_all),
        cmocka_unit_test(test_a_refusal_without_memory),
        cmocka_unit_test(test_wrong_requests),
        cmocka_unit_test(test_a_session_of_somebody_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
