/*
 * Streams: /events, /sessions, /logs.
 */
#define _GNU_SOURCE /* memmem, strsep */
#include "tests/api_world.h"

static const char web[] =
    "{\"name\":\"web\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"dynamic\","
    "\"local_port\":1080}";

static void follow(struct http_talk *c, const char *path, const char *last_id)
{
    char header[64] = "";

    if (last_id)
        adit_format(header, sizeof header, "Last-Event-ID: %s\r\n", last_id);
    api_world_connect(c);
    order(c, "GET", path, header, NULL);
    http_talk_until(c, ":\n\n"); /* it has begun */
    assert_non_null(strstr(c->in.p, "text/event-stream"));
}

/* Is it there, and only so often? */
static size_t times(const struct http_talk *c, const char *text)
{
    size_t n = 0;

    for (const char *at = c->in.p; (at = strstr(at, text)); at++)
        n++;
    return n;
}

/* ---- /events */

static void events_as_they_come(void **state)
{
    struct http_talk e;

    (void)state;
    api_world_open("");
    assert_int_equal(ask("POST", "/tunnels", web), 201); /* before: is not told */
    follow(&e, "/events", NULL);
    assert_int_equal(ask("PUT", "/tunnels/web", "{\"description\":\"x\"}"), 200);
    http_talk_until(&e, "\n\n");
    http_talk_until(&e, "event: tunnel\nid: 2\ndata: {\"id\":\"tunnel_");
    http_talk_until(&e, "\"description\":\"x\"");
    assert_int_equal(ask("DELETE", "/tunnels/web", NULL), 204);
    http_talk_until(&e, "event: removed\nid: 3\ndata: {\"id\":\"tunnel_");
    assert_int_equal(times(&e, "event: "), 2);
    http_talk_close(&e);
    for (int i = 0; i < 3; i++)
        api_world_step(NULL);
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    api_world_close();
}

static void events_that_were_missed(void **state)
{
    static const char *const resets[] = {"4",  "99999999999999999999999", "x", "-1",
                                         "1x", "18446744073709551615"};
    struct http_talk e;

    (void)state;
    api_world_open("");
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    assert_int_equal(ask("PUT", "/tunnels/web", "{\"description\":\"x\"}"), 200);
    assert_int_equal(ask("DELETE", "/tunnels/web", NULL), 204);
    follow(&e, "/events", "1");
    http_talk_until(&e, "event: removed\nid: 3");
    assert_int_equal(times(&e, "event: tunnel\nid: 2"), 1);
    assert_int_equal(times(&e, "event: "), 2);
    http_talk_close(&e);
    follow(&e, "/events", "0");
    http_talk_until(&e, "event: removed\nid: 3");
    assert_int_equal(times(&e, "event: "), 3);
    http_talk_close(&e);
    follow(&e, "/events", "3"); /* nothing was missed */
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    http_talk_until(&e, "event: tunnel\nid: 4");
    assert_int_equal(times(&e, "event: "), 1);
    http_talk_close(&e);
    assert_int_equal(ask("DELETE", "/tunnels/web", NULL), 204);
    for (size_t i = 1; i < ADIT_COUNT(resets); i++) {
        follow(&e, "/events", resets[i]);
        http_talk_until(&e, "event: reset\nid: 5\ndata: {}\n\n");
        assert_int_equal(times(&e, "event: "), 1);
        http_talk_close(&e);
    }
    /* More than are kept. */
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    for (int i = 0; i < EVENTS_KEPT + 5; i++)
        assert_int_equal(
            ask("PUT", "/tunnels/web", i % 2 ? "{\"description\":\"x\"}" : "{\"description\":\"y\"}"), 200);
    follow(&e, "/events", resets[0]);
    http_talk_until(&e, "event: reset\n");
    http_talk_close(&e);
    api_world_close();
}

/* A reader who does not read is told that he has missed something, and costs nothing meanwhile. */
static void events_for_who_sleeps(void **state)
{
    char *long_text = malloc(1100);
    struct http_talk e;

    (void)state;
    api_world_open("");
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    follow(&e, "/events", NULL);
    memset(long_text, 'x', 1024);
    for (int i = 0; i < 3 * EVENTS_KEPT; i++) {
        char body[1200];

        memcpy(long_text + 1000, i % 2 ? "a" : "b", 2);
        adit_format(body, sizeof body, "{\"description\":\"%s\"}", long_text);
        assert_int_equal(ask("PUT", "/tunnels/web", body), 200);
    }
    http_talk_until(&e, "event: reset\n");
    char last[64];
    adit_format(last, sizeof last, "\nid: %u\n", 3 * EVENTS_KEPT + 1);
    http_talk_until(&e, last);
    assert_int_equal(times(&e, "event: reset"), 1);
    http_talk_close(&e);
    free(long_text);
    api_world_close();
}

static void comments_when_nothing_happens(void **state)
{
    struct http_talk e;

    (void)state;
    api_world_open("");
    follow(&e, "/events", NULL);
    aw.ahead_ms = API_EVENTS_COMMENT_MS + 1000;
    http_talk_until(&e, ":\n\n\r\n3\r\n:\n\n");
    aw.ahead_ms = 0;
    http_talk_close(&e);
    api_world_close();
}

/* ---- /sessions */

static const char session[] =
    "{\"host\":\"h\",\"port\":2222,\"profile_id\":null,\"forwards\":["
    "{\"forward_type\":\"local\",\"local_port\":8080,\"remote_host\":\"10.0.0.5\",\"remote_port\":80},"
    "{\"forward_type\":\"dynamic\",\"local_port\":1081,\"enabled\":false},"
    "{\"forward_type\":\"dynamic\",\"local_port\":1080,\"bind_address\":\"127.0.0.1\",\"enabled\":true}]}";

static void a_session(void **state)
{
    struct http_talk s;

    (void)state;
    api_world_open("");
    api_world_connect(&s);
    order(&s, "POST", "/sessions", "", session);
    struct link *l = link_until(1);
    assert_int_equal(l->config.port, 2222);
    fake_connect(l);
    http_talk_until(&s, "\r\n\r\n");
    http_talk_until(&s, "\"name\":\"Session forward :1080\"");
    http_talk_until(&s, "\n\n\r\n");
    assert_int_equal(times(&s, "event: session\ndata: {\"id\":\"session:tunnel_"), 2);
    assert_non_null(strstr(s.in.p, "\"name\":\"Session forward :8080\""));
    assert_non_null(strstr(s.in.p, "\r\n\r\n"));
    assert_memory_equal(strchr(strstr(s.in.p, "\r\n\r\n") + 4, '\n') + 1, "event: session",
                        14); /* the first one */
    assert_int_equal(ask("GET", "/tunnels", NULL), 200);
    expect("tunnels.0.origin", "\"session\"");
    expect("tunnels.1.local_port", "1080");
    expect("tunnels.1.state", "\"connected\"");
    json_t *id = answer_member("tunnels.1.id");
    char path[128];
    adit_format(path, sizeof path, "/tunnels/%s", json_string_value(id));
    ask_fails("DELETE", path, NULL, 409, "read_only", NULL);
    json_decref(id);
    /* What happens to them is told, and to others not. */
    assert_int_equal(ask("POST", "/tunnels",
                         "{\"name\":\"web\",\"host\":\"h\",\"profile_id\":\"default\","
                         "\"forward_type\":\"dynamic\",\"local_port\":1099}"),
                     201);
    fake_lost(l, KEEP_FAILED, 0, ADIT_E_CLOSED, "cut");
    http_talk_until(&s, "\"state\":\"failed\"");
    http_talk_until(&s, "cut");
    assert_int_equal(times(&s, "\"name\":\"web\""), 0);
    assert_int_equal(tunnels_count(world.t), 3);
    /* They go with the stream. */
    http_talk_close(&s);
    for (uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS; tunnels_count(world.t) > 1;) {
        assert_true(loop_now_ms() < until);
        api_world_step(NULL);
    }
    api_world_close();
}

static void until_both_are(struct http_talk *s, const char *state, long n)
{
    uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS;

    for (http_talk_take(s); !s->is_over && (!s->in.p || times(s, state) < 2); http_talk_take(s)) {
        if (loop_now_ms() > until)
            fail_msg("allocation %ld: no %s in '%s'", n, state, s->in.p ? s->in.p : "");
        api_world_step(NULL);
    }
}

static void session_open(struct http_talk *s)
{
    api_world_open("");
    api_world_connect(s);
    order(s, "POST", "/sessions", "", session);
    fake_connect(link_until(1));
    until_both_are(s, "\"state\":\"connected\"", -1);
    assert_false(s->is_over);
}

/* Whatever is lost on the way, whoever opened it hears how both are now, or that it is over. */
static void a_session_without_memory(void **state)
{
    struct http_talk s;
    bool is_suspect = false;

    (void)state;
    session_open(&s);
    for (long n = 0; json_scarce_goes_on(n); n++) {
        buffer_clear(&s.in);
        is_suspect = !is_suspect;
        json_scarce_begin(n);
        fake_state(fake_links[0], is_suspect ? KEEP_SUSPECT : KEEP_CONNECTED, 0, "so");
        until_both_are(&s, is_suspect ? "\"state\":\"suspect\"" : "\"state\":\"connected\"", n);
        json_scarce_end();
        if (!s.is_over)
            continue;
        http_talk_close(&s);
        api_world_close();
        session_open(&s);
        is_suspect = false;
    }
    http_talk_close(&s);
    api_world_close();
}

static void sessions_that_are_none(void **state)
{
    static const struct {
        const char *body, *code, *field;
    } cases[] = {
        {"{}", "missing_field", "forwards"},
        {"{\"host\":\"h\",\"forwards\":[]}", "invalid_value", "forwards"},
        {"{\"host\":\"h\",\"forwards\":{}}", "invalid_value", "forwards"},
        {"{\"host\":\"h\",\"forwards\":[1]}", "invalid_value", "forwards"},
        {"{\"forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1080}]}", "missing_field", "host"},
        {"{\"host\":\"-h\",\"forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1080}]}",
         "invalid_value", "host"},
        {"{\"host\":\"h\",\"profile_id\":\"nobody\",\"forwards\":[{\"forward_type\":\"dynamic\",\"local_"
         "port\":1080}]}",
         "invalid_value", "profile_id"},
        {"{\"host\":\"h\",\"forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1080,\"enabled\":false}]"
         "}",
         "invalid_value", "forwards"},
        {"{\"host\":\"h\",\"forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1080,\"enabled\":1}]}",
         "invalid_value", "enabled"},
        {"{\"host\":\"h\",\"forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1080,\"name\":\"x\"}]}",
         "unknown_field", "name"},
        {"{\"host\":\"h\",\"forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1080,"
         "\"bind_address\":\"0.0.0.0\"}]}",
         "invalid_value", "forwards[0].bind_address"},
        {"{\"host\":\"h\",\"user\":\"x\",\"forwards\":[]}", "unknown_field", "user"},
        {"{\"host\":\"h\",\"forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1080}],"
         "\"keywords\":[\"User a\\nProxyCommand b\"]}",
         "invalid_value", "keywords"},
    };

    (void)state;
    api_world_open("");
    for (size_t i = 0; i < ADIT_COUNT(cases); i++)
        ask_fails("POST", "/sessions", cases[i].body, 400, cases[i].code, cases[i].field);
    assert_int_equal(tunnels_count(world.t), 0);
    /* A client that goes before its listeners are there. */
    struct http_talk s;
    api_world_connect(&s);
    order(&s, "POST", "/sessions", "", session);
    (void)link_until(1);
    assert_int_equal(tunnels_count(world.t), 2);
    http_talk_close(&s);
    for (uint64_t until = loop_now_ms() + HTTP_TALK_PATIENCE_MS; tunnels_count(world.t) > 0;) {
        assert_true(loop_now_ms() < until);
        api_world_step(NULL);
    }
    api_world_close();
}

/* The end of the daemon is the end of both kinds. */
static void the_end_comes_first(void **state)
{
    struct http_talk s, e, l;

    (void)state;
    api_world_open("");
    api_world_connect(&s);
    order(&s, "POST", "/sessions", "", session);
    fake_connect(link_until(1));
    http_talk_until(&s, "event: session");
    follow(&e, "/events", NULL);
    follow(&l, "/logs?follow=1", NULL);
    api_free(aw.api);
    aw.api = NULL;
    assert_int_equal(tunnels_count(world.t), 0);
    http_talk_until_over(&e);
    http_talk_until_over(&s);
    http_talk_until_over(&l);
    http_talk_close(&e);
    http_talk_close(&s);
    http_talk_close(&l);
    api_world_close();
}

/* ---- /logs */

static void the_log(void **state)
{
    struct http_talk l;

    (void)state;
    api_world_open("");
    assert_int_equal(ask("GET", "/logs", NULL), 200);
    assert_string_equal(aw.c.body, "");
    for (int i = 0; i < 5; i++)
        journal_say(aw.journal, SESSION_INFO, "line %d", i);
    journal_write(aw.journal,
                  &(struct journal_note){.level = SESSION_INFO, .tunnel = "web", .text = "of a tunnel"});
    assert_int_equal(ask("GET", "/logs?n=3", NULL), 200);
    assert_null(strstr(aw.c.body, "line 2"));
    assert_non_null(strstr(aw.c.body, "line 3\n"));
    assert_non_null(strstr(aw.c.body, "of a tunnel\n"));
    assert_int_equal(ask("GET", "/logs?name=web&json=1", NULL), 200);
    json_t *lines = answer_member("lines");
    assert_int_equal(json_array_size(lines), 1);
    json_decref(lines);
    assert_int_equal(ask("GET", "/logs?n=0", NULL), 200);
    assert_string_equal(aw.c.body, "");
    ask_fails("GET", "/logs?n=2001", NULL, 400, "invalid_value", "n");
    ask_fails("GET", "/logs?n=x", NULL, 400, "invalid_value", "n");
    ask_fails("GET", "/logs?follow=2", NULL, 400, "invalid_value", "follow");
    ask_fails("GET", "/logs?name=%00", NULL, 400, "invalid_value", "name");

    follow(&l, "/logs?follow=1&n=1&name=web", NULL);
    http_talk_until(&l, "data: ");
    http_talk_until(&l, "of a tunnel\n\n");
    journal_say(aw.journal, SESSION_INFO, "of nobody");
    journal_write(aw.journal,
                  &(struct journal_note){.level = SESSION_INFO, .tunnel = "web", .text = "another"});
    http_talk_until(&l, "another\n\n");
    assert_int_equal(times(&l, "data: "), 2);
    http_talk_close(&l);
    api_world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_as_they_come),
        cmocka_unit_test(events_that_were_missed),
        cmocka_unit_test(events_for_who_sleeps),
        cmocka_unit_test(comments_when_nothing_happens),
        cmocka_unit_test(a_session),
        cmocka_unit_test(a_session_without_memory),
        cmocka_unit_test(sessions_that_are_none),
        cmocka_unit_test(the_end_comes_first),
        cmocka_unit_test(the_log),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
