/*
 * /tunnels over HTTP: what may be said of one, what is answered, and what becomes of it.
 */
#define _GNU_SOURCE /* memmem, strsep */
#include "tests/api_world.h"
#include "tests/no_memory.h"

static const char web[] =
    "{\"name\":\"web\",\"host\":\"bastion\",\"port\":22,\"profile_id\":\"default\",\"jump_host_id\":null,"
    "\"jump_session_id\":null,\"forward_type\":\"local\",\"local_port\":8443,\"bind_address\":\"127.0.0.1\","
    "\"remote_host\":\"10.0.0.5\",\"remote_port\":443,\"auto_start\":false,\"auto_reconnect\":true,"
    "\"max_retries\":5}";

/* ---- Making, reading, changing, removing */

static void the_whole_life(void **state)
{
    char *location, *id;
    char path[200];

    (void)state;
    api_world_open("");
    assert_int_equal(ask("GET", "/tunnels", NULL), 200);
    assert_string_equal(aw.c.body, "{\"tunnels\":[]}");
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    location = http_talk_header(&aw.c, "Location");
    json_t *j = answer_member("id");
    id = strdup(json_string_value(j));
    json_decref(j);
    adit_format(path, sizeof path, "/tunnels/%s", id);
    assert_string_equal(location, path);
    expect("name", "\"web\"");
    expect("status", "\"disconnected\"");
    expect("state", "\"disconnected\"");
    expect("origin", "\"api\"");
    expect("spec", "\"L :8443 -> 10.0.0.5:443\"");
    expect("max_retries", "5");
    expect("lazy", "false");

    assert_int_equal(ask("GET", path, NULL), 200);
    expect("id", json_string_value(j = json_sprintf("\"%s\"", id)));
    json_decref(j);
    assert_int_equal(ask("GET", "/tunnels", NULL), 200);
    expect("tunnels.0.name", "\"web\"");
    assert_int_equal(ask("GET", "/tunnels/status", NULL), 200);
    expect("tunnels.0.name", "\"web\"");
    expect("tunnels.0.state", "\"disconnected\"");
    expect("up", "0");
    expect("failed", "0");

    assert_int_equal(ask("PUT", path, "{\"description\":\"the UI\",\"state\":\"connected\",\"id\":\"x\"}"),
                     200);
    expect("description", "\"the UI\"");
    expect("state", "\"disconnected\"");
    expect("local_port", "8443");
    ask_fails("PUT", path, "{\"local_port\":70000}", 400, "invalid_value", "local_port");
    ask_fails("PUT", path, "{\"nonsense\":1}", 400, "unknown_field", "nonsense");
    ask_fails("POST", "/tunnels", web, 409, "exists", "name");
    expect("error.message", "\"Tunnel web already exists\"");

    assert_int_equal(ask("DELETE", path, NULL), 204);
    assert_int_equal(aw.c.body_len, 0);
    ask_fails("DELETE", path, NULL, 404, "not_found", NULL);
    ask_fails("GET", path, NULL, 404, "not_found", NULL);
    assert_non_null(strstr(aw.c.body, "Tunnel tunnel_"));
    free(location);
    free(id);
    api_world_close();
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *body, *code, *field;
    } cases[] = {
        {"{}", "missing_field", "name"},
        {"{\"name\":null}", "missing_field", "name"},
        {"{\"name\":\"a/"
         "b\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"dynamic\",\"local_port\":1}",
         "invalid_value", "name"},
        {"{\"name\":\"a\"}", "missing_field", "host"},
        {"{\"name\":\"a\",\"host\":\"h\"}", "missing_field", "profile_id"},
        {"{\"name\":\"a\",\"host\":\"h\",\"profile_id\":\"default\"}", "missing_field", "forward_type"},
        {"{\"name\":\"a\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"up\"}",
         "invalid_value", "forward_type"},
        {"{\"name\":\"a\",\"host\":\"-oProxyCommand=x\",\"profile_id\":\"default\",\"forward_type\":"
         "\"dynamic\","
         "\"local_port\":1}",
         "invalid_value", "host"},
        {"{\"name\":\"a\",\"host\":\"h\",\"profile_id\":\"nobody\",\"forward_type\":\"dynamic\",\"local_"
         "port\":1}",
         "invalid_value", "profile_id"},
        {"{\"name\":\"a\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"dynamic\",\"local_"
         "port\":1,"
         "\"bind_address\":\"0.0.0.0\"}",
         "invalid_value", "bind_address"},
        {"{\"name\":\"a\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"dynamic\",\"local_"
         "port\":1,"
         "\"allow_non_loopback\":true}",
         "unknown_field", "allow_non_loopback"},
    };

    (void)state;
    api_world_open("");
    for (size_t i = 0; i < ADIT_COUNT(cases); i++)
        ask_fails("POST", "/tunnels", cases[i].body, 400, cases[i].code, cases[i].field);
    ask("POST", "/tunnels", cases[9].body);
    expect("error.message",
           "\"bind_address '0.0.0.0' must be a loopback address (127.0.0.0/8 or ::1) \xe2\x80\x94 "
           "binding tunnels to non-loopback exposes them to the LAN with no auth\"");
    ask_fails("POST", "/tunnels?start=perhaps", web, 400, "invalid_value", "start");
    ask_fails("POST", "/tunnels?wait=-1", web, 400, "invalid_value", "wait");
    ask_fails("POST", "/tunnels?wait=3601", web, 400, "invalid_value", "wait");
    ask_fails("POST", "/tunnels/nobody/start", NULL, 404, "not_found", NULL);
    expect("error.message", "\"Tunnel nobody not found\"");
    ask_fails("POST", "/tunnels/%/start", NULL, 404, "not_found", NULL);
    ask_fails("POST", "/tunnels/a%1b%5b31m/start", NULL, 404, "not_found", NULL);
    ask_fails("POST", "/tunnels", "[]", 400, "invalid_value", NULL);
    assert_int_equal(tunnels_count(world.t), 0);
    api_world_close();
}

static void one_of_a_file(void **state)
{
    (void)state;
    api_world_open("Tunnel \"my web\"\n Via h1\n LocalForward 8001 a:1\n LocalForward 8002 a:2\n");
    assert_int_equal(ask("GET", "/tunnels/my%20web", NULL), 200);
    expect("origin", "\"file\"");
    expect("id", "\"my web\"");
    ask_fails("PUT", "/tunnels/my%20web", "{\"description\":\"x\"}", 409, "read_only", NULL);
    assert_non_null(strstr(aw.c.body, "adit.conf:2"));
    order(&aw.c, "POST", "/tunnels/my%20web/start", "", NULL);
    fake_connect(link_until(1));
    assert_int_equal(http_talk_answer(&aw.c), 200);
    ask_fails("DELETE", "/tunnels/my%20web", NULL, 409, "read_only", NULL);
    assert_int_equal(fake_links[0]->stops, 0); /* and goes on */
    api_world_close();
}

/* ---- Start, stop, reconnect */

static void start_and_stop(void **state)
{
    (void)state;
    api_world_open("");
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    order(&aw.c, "POST", "/tunnels/web/start?wait=600", "", NULL);
    fake_connect(link_until(1));
    assert_int_equal(http_talk_answer(&aw.c), 200);
    expect("state", "\"connected\"");
    expect("listen", "[\"127.0.0.1:8443\"]");
    ask_fails("POST", "/tunnels/web/start", NULL, 409, "running", NULL);
    expect("error.message", "\"Tunnel is already running\"");
    assert_int_equal(ask("POST", "/tunnels/web/start?idempotent=1", NULL), 200);
    assert_int_equal(ask("POST", "/tunnels/web/start?idempotent=1&wait=60", NULL), 200);
    expect("state", "\"connected\"");
    assert_int_equal(ask("GET", "/tunnels/status", NULL), 200);
    expect("up", "1");

    order(&aw.c, "POST", "/tunnels/web/reconnect", "", NULL);
    assert_int_equal(http_talk_answer(&aw.c), 200);
    assert_int_equal(fake_links[0]->reconnects, 1);

    order(&aw.c, "POST", "/tunnels/web/stop", "", "{}");
    step_until(&fake_links[0]->stops, 1);
    world_settle();
    assert_int_equal(http_talk_answer(&aw.c), 200);
    expect("state", "\"disconnected\"");
    expect("listen", "[]");
    assert_int_equal(ask("POST", "/tunnels/web/stop", NULL), 200);
    ask_fails("POST", "/tunnels/web/stop", "{\"force\":1}", 400, "unknown_field", "force");
    api_world_close();
}

static void waiting_for_it(void **state)
{
    struct http_talk other;

    (void)state;
    api_world_open("");
    order(&aw.c, "POST", "/tunnels?start=1&wait=600", "", web);
    struct link *l = link_until(1);
    fake_state(l, KEEP_CONNECTING, 0, "started");
    api_world_connect(&other); /* meanwhile others are served */
    assert_int_equal(http_talk_ask(&other, "GET", "/tunnels", "", NULL), 200);
    assert_non_null(strstr(other.body, "\"state\":\"connecting\""));
    assert_null(aw.c.in.p && aw.c.in.len ? aw.c.in.p : NULL);
    fake_connect(l);
    assert_int_equal(http_talk_answer(&aw.c), 201);
    expect("state", "\"connected\"");
    char *location = http_talk_header(&aw.c, "Location");
    assert_non_null(location);
    free(location);

    /* The time may be over first. */
    fake_lost(l, KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "cut");
    order(&aw.c, "POST", "/tunnels/web/reconnect?wait=600", "", NULL);
    step_until(&l->reconnects, 1);
    aw.ahead_ms = 601 * 1000;
    assert_int_equal(http_talk_answer(&aw.c), 200);
    aw.ahead_ms = 0;
    expect("state", "\"reconnecting\"");
    expect("retry_count", "1");

    /* Or the client goes, or the tunnel. (Connections that were idle in that clock are closed.) */
    http_talk_close(&other);
    api_world_connect(&other);
    http_talk_close(&aw.c);
    api_world_connect(&aw.c);
    order(&other, "POST", "/tunnels/web/reconnect?wait=600", "", NULL);
    order(&aw.c, "POST", "/tunnels/web/reconnect?wait=600", "", NULL);
    step_until(&l->reconnects, 3);
    http_talk_close(&other);
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    struct definition_error error;
    assert_true(tunnels_remove(world.t, tunnels_find(world.t, "web"), &error));
    http_talk_answer(&aw.c);
    http_talk_expect_error(&aw.c, 404, "not_found", NULL);
    api_world_close();
}

/* One that is connected still is when the order is given: that is not the answer. */
static void waiting_for_a_fresh_one(void **state)
{
    (void)state;
    api_world_open("");
    order(&aw.c, "POST", "/tunnels?start=1&wait=600", "", web);
    struct link *l = link_until(1);
    fake_connect(l);
    assert_int_equal(http_talk_answer(&aw.c), 201);
    order(&aw.c, "POST", "/tunnels/web/reconnect?wait=600", "", NULL);
    step_until(&l->reconnects, 1);
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    http_talk_take(&aw.c);
    assert_int_equal(aw.c.in.len, 0);
    fake_lost(l, KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "as was ordered");
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    http_talk_take(&aw.c);
    assert_int_equal(aw.c.in.len, 0);
    fake_state(l, KEEP_CONNECTED, 0, "connected");
    assert_int_equal(http_talk_answer(&aw.c), 200);
    expect("state", "\"connected\"");

    /* Nothing happens, the client goes, the tunnel goes. */
    order(&aw.c, "POST", "/tunnels/web/reconnect?wait=600", "", NULL);
    step_until(&l->reconnects, 2);
    aw.ahead_ms = 601 * 1000;
    assert_int_equal(http_talk_answer(&aw.c), 200);
    aw.ahead_ms = 0;
    http_talk_close(&aw.c);
    api_world_connect(&aw.c);
    struct http_talk other;
    api_world_connect(&other);
    order(&other, "POST", "/tunnels/web/reconnect?wait=600", "", NULL);
    order(&aw.c, "POST", "/tunnels/web/reconnect?wait=600", "", NULL);
    step_until(&l->reconnects, 4);
    http_talk_close(&other);
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    struct definition_error error;
    assert_true(tunnels_remove(world.t, tunnels_find(world.t, "web"), &error));
    http_talk_answer(&aw.c);
    http_talk_expect_error(&aw.c, 404, "not_found", NULL);
    api_world_close();
}

/* A profile without what it needs: nothing is left behind by ?start=1. */
static void a_start_that_fails(void **state)
{
    static const char body[] =
        "{\"name\":\"a\",\"host\":\"h\",\"profile_id\":\"key\",\"forward_type\":\"dynamic\","
        "\"local_port\":1080}";

    (void)state;
    api_world_open("Profile key\n Auth key\n");
    ask_fails("POST", "/tunnels?start=1", body, 400, "profile_incomplete", "profile_id");
    expect("error.message", "\"No SSH key path found\"");
    assert_int_equal(tunnels_count(world.t), 0);
    assert_int_equal(ask("POST", "/tunnels", body), 201);
    ask_fails("POST", "/tunnels/a/start", NULL, 400, "profile_incomplete", "profile_id");
    assert_int_equal(fake_link_count, 0);
    api_world_close();
}

static void removing_one_that_runs(void **state)
{
    (void)state;
    api_world_open("");
    order(&aw.c, "POST", "/tunnels?start=1", "", web);
    fake_connect(link_until(1));
    assert_int_equal(http_talk_answer(&aw.c), 201);
    order(&aw.c, "DELETE", "/tunnels/web", "", NULL);
    step_until(&fake_links[0]->stops, 1);
    assert_int_equal(tunnels_count(world.t), 1); /* its listener is not closed yet */
    world_settle();
    assert_int_equal(http_talk_answer(&aw.c), 204);
    assert_int_equal(tunnels_count(world.t), 0);
    api_world_close();
}

static void all_at_once(void **state)
{
    (void)state;
    api_world_open("Profile key\n Auth key\n"
                   "Tunnel a\n Via h1\n LocalForward 8001 x:1\n AutoStart yes\n"
                   "Tunnel b\n Via h2\n LocalForward 8002 x:1\n"
                   "Tunnel c\n Via h3\n LocalForward 8003 x:1\n AutoStart yes\n"
                   "Tunnel k\n Via h4\n Profile key\n LocalForward 8004 x:1\n AutoStart yes\n");
    order(&aw.c, "POST", "/tunnels/c/start", "", NULL);
    fake_connect(link_until(1));
    assert_int_equal(http_talk_answer(&aw.c), 200);
    order(&aw.c, "POST", "/tunnels/start-all", "", NULL);
    fake_connect(link_until(2));
    assert_int_equal(http_talk_answer(&aw.c), 200);
    assert_string_equal(aw.c.body, "{\"started\":[\"a\"],\"running\":[\"c\"],\"failed\":[{\"id\":\"k\","
                                   "\"message\":\"No SSH key path found\"}]}");
    assert_int_equal(ask("GET", "/readyz", NULL), 503);
    assert_string_equal(aw.c.body, "{\"ready\":false,\"not_ready\":[\"k\"]}");
    order(&aw.c, "POST", "/tunnels/stop-all", "", NULL);
    step_until(&fake_links[0]->stops, 1);
    step_until(&fake_links[1]->stops, 1);
    world_settle();
    assert_int_equal(http_talk_answer(&aw.c), 200);
    assert_string_equal(aw.c.body, "{\"stopped\":[\"a\",\"c\",\"k\"]}");
    assert_int_equal(ask("POST", "/tunnels/stop-all", NULL), 200);
    assert_string_equal(aw.c.body, "{\"stopped\":[]}");
    api_world_close();
}

/* Whoever is told that his request is wrong does not send it again. */
static void made_without_memory(void **state)
{
    static const char more[] = "{\"name\":\"web\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":"
                               "\"dynamic\",\"local_port\":1099,"
                               "\"more_forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1098}]}";
    int status = 0;

    (void)state;
    api_world_open("");
    for (long n = 0; json_scarce_goes_on(n); n++) {
        json_scarce_begin(n);
        status = ask("POST", "/tunnels", more);
        json_scarce_end();
        if (status != 201)
            answer_is_lack();
        ask("DELETE", "/tunnels/web", NULL); /* T may be all that there was no memory for */
    }
    assert_int_equal(status, 201);
    api_world_close();
}

/* ---- Counters, connections, trust */

static void numbers(void **state)
{
    (void)state;
    api_world_open("");
    order(&aw.c, "POST", "/tunnels?start=1", "", web);
    struct link *l = link_until(1);
    fake_connect(l);
    assert_int_equal(http_talk_answer(&aw.c), 201);
    l->forwards[0].stats.bytes_up = 123;
    l->forwards[0].stats.bytes_down = 4567;
    l->forwards[0].stats.opened = 3;
    l->forwards[0].stats.open_now = 2;
    l->forwards[0].stats.refused = 1;
    assert_int_equal(ask("GET", "/tunnels/web", NULL), 200);
    expect("bytes_sent", "123");
    expect("bytes_received", "4567");
    expect("connections_total", "3");
    expect("connections_active", "2");
    expect("errors.refused", "1");
    aw.connections = 2;
    assert_int_equal(ask("GET", "/tunnels/web/connections", NULL), 200);
    expect("connections.1.id", "2");
    expect("connections.0.client", "\"127.0.0.1:999\"");
    expect("connections.0.target", "\"10.0.0.5:443\"");
    expect("connections.0.bytes_sent", "1");
    char *whole = strdup(aw.c.body);
    answer_is_whole("/tunnels/web/connections", 200, whole);
    free(whole);
    ask_fails("GET", "/tunnels/nobody/connections", NULL, 404, "not_found", NULL);

    /* A client that goes before the numbers come; and the end before they do. */
    struct http_talk other;
    aw.is_silent = true;
    api_world_connect(&other);
    order(&other, "GET", "/tunnels/web/connections", "", NULL);
    order(&aw.c, "GET", "/tunnels/web", "", NULL);
    for (uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS; l->snapshot_count == 0;) {
        assert_true(loop_now_ms() < until);
        api_world_step(NULL);
    }
    http_talk_close(&other);
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    api_world_close();
}

/* Allocations of the daemon before the one that fails; negative: it has. */
static long scarce_left;

static void scarce_step(void *ctx)
{
    no_memory_begin(scarce_left, false);
    api_world_step(ctx);
    scarce_left = no_memory_left;
    no_memory_end();
}

/* A list of connections is all of them, or an error. */
static void connections_without_memory(void **state)
{
    (void)state;
    unsigned errors = 0;
    api_world_open("");
    aw.connections = 2;
    order(&aw.c, "POST", "/tunnels?start=1", "", web);
    fake_connect(link_until(1));
    assert_int_equal(http_talk_answer(&aw.c), 201);
    scarce_left = -1;
    for (long n = 0; scarce_left < 0; n++) {
        http_talk_close(&aw.c);
        api_world_connect(&aw.c);
        aw.c.step = scarce_step;
        scarce_left = n;
        order(&aw.c, "GET", "/tunnels/web/connections", "Connection: close\r\n", NULL);
        http_talk_until_over(&aw.c);
        bool is_error = !aw.c.in.p || !strstr(aw.c.in.p, "HTTP/1.1 200 ");
        assert_true(is_error || strstr(aw.c.in.p, "\"target\""));
        errors += is_error;
    }
    assert_true(errors > 3);
    api_world_close();
}

static void trusting(void **state)
{
    (void)state;
    api_world_open("");
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    ask_fails("POST", "/tunnels/web/trust", "{}", 400, "missing_field", "fingerprint");
    ask_fails("POST", "/tunnels/web/trust", "{\"fingerprint\":1}", 400, "invalid_value", "fingerprint");
    ask_fails("POST", "/tunnels/web/trust", "{\"fingerprint\":\"SHA256:x\",\"y\":1}", 400, "unknown_field",
              "y");
    ask_fails("POST", "/tunnels/web/trust", "{\"fingerprint\":\"SHA256:x\"}", 409, "conflict", "fingerprint");
    api_world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_life),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(one_of_a_file),
        cmocka_unit_test(start_and_stop),
        cmocka_unit_test(waiting_for_it),
        cmocka_unit_test(waiting_for_a_fresh_one),
        cmocka_unit_test(a_start_that_fails),
        cmocka_unit_test(removing_one_that_runs),
        cmocka_unit_test(all_at_once),
        cmocka_unit_test(made_without_memory),
        cmocka_unit_test(numbers),
        cmocka_unit_test(connections_without_memory),
        cmocka_unit_test(trusting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
