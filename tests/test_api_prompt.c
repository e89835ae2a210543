/*
 * /tunnels/{id}/prompt while nothing is asked; what is asked at a terminal is in the end to end tests.
 */
#define _GNU_SOURCE /* memmem, strsep */
#include "tests/api_world.h"

static void nothing_is_asked(void **state)
{
    (void)state;
    api_world_open("Tunnel a\n Via h1\n LocalForward 8001 x:1\n");
    assert_int_equal(ask("GET", "/tunnels/a/prompt", NULL), 200);
    expect("prompt", "null");
    expect("tunnel.name", "\"a\"");
    assert_int_equal(ask("GET", "/tunnels/a/prompt?wait=30", NULL),
                     200); /* one that is stopped will not ask */
    expect("tunnel.state", "\"disconnected\"");
    ask_fails("GET", "/tunnels/a/prompt?wait=31", NULL, 400, "invalid_value", "wait");
    ask_fails("GET", "/tunnels/b/prompt", NULL, 404, "not_found", NULL);
    ask_fails("POST", "/tunnels/a/prompt", "{\"id\":1,\"answer\":\"x\"}", 409, "conflict", NULL);
    ask_fails("POST", "/tunnels/a/prompt", "{\"id\":1}", 409, "conflict", NULL);
    ask_fails("POST", "/tunnels/a/prompt", "{\"answer\":\"x\"}", 400, "missing_field", "id");
    ask_fails("POST", "/tunnels/a/prompt", "{\"id\":\"1\",\"answer\":\"x\"}", 400, "invalid_value", "id");
    ask_fails("POST", "/tunnels/a/prompt", "{\"id\":1,\"answer\":2}", 400, "invalid_value", "answer");
    ask_fails("POST", "/tunnels/a/prompt", "{\"id\":1,\"password\":\"x\"}", 400, "unknown_field", "password");
    api_world_close();
}

static void until_it_has_settled(void **state)
{
    struct http_talk other;

    (void)state;
    api_world_open("Tunnel a\n Via h1\n LocalForward 8001 x:1\n");
    order(&aw.c, "POST", "/tunnels/a/start?wait=600", "", NULL);
    struct link *l = link_until(1);
    fake_state(l, KEEP_CONNECTING, 0, "started");
    api_world_connect(&other);
    order(&other, "GET", "/tunnels/a/prompt?wait=30", "", NULL);
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    fake_connect(l);
    assert_int_equal(http_talk_answer(&aw.c), 200);
    assert_int_equal(http_talk_answer(&other), 200);
    assert_non_null(strstr(other.body, "{\"prompt\":null,\"tunnel\":{"));
    assert_non_null(strstr(other.body, "\"state\":\"connected\""));
    /* A client that goes; and the end. */
    fake_lost(l, KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "cut");
    order(&other, "GET", "/tunnels/a/prompt?wait=30", "", NULL);
    order(&aw.c, "GET", "/tunnels/a/prompt?wait=30", "", NULL);
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    http_talk_close(&other);
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    api_world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_asked),
                                       cmocka_unit_test(until_it_has_settled)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
