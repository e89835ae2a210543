/*
 * T: every field of it, with the values of a tunnel that was used.
 */
#include "tests/json_scarce.h"
#include "tests/tunnels_fake.h"

#include <jansson.h>

static const char *const written[] = {
    "name",           "host",        "port",         "profile_id",  "jump_host_id", "jump_session_id",
    "forward_type",   "local_port",  "bind_address", "remote_host", "remote_port",  "auto_start",
    "auto_reconnect", "max_retries", "description",  "lazy",        "idle_exit",
};
static const char *const read_only[] = {
    "id",
    "origin",
    "status",
    "state",
    "listening",
    "spec",
    "via",
    "forwards",
    "listen",
    "bound_port",
    "uptime",
    "retry_count",
    "next_retry_at",
    "last_error",
    "last_error_kind",
    "last_error_at",
    "permanent",
    "host_key",
    "kex",
    "cipher",
    "rtt_ms",
    "created_at",
    "last_activity",
    "bytes_sent",
    "bytes_received",
    "connections_total",
    "connections_active",
    "errors_total",
    "errors",
};

static const char *text(const json_t *object, const char *name)
{
    const char *s = json_string_value(json_object_get(object, name));
    return s ? s : "(none)";
}

static long long number(const json_t *object, const char *name)
{
    const json_t *n = json_object_get(object, name);
    assert_true(json_is_integer(n));
    return json_integer_value(n);
}

static bool is_moment(const json_t *value)
{
    const char *s = json_string_value(value);
    return s && strlen(s) == 20 && s[4] == '-' && s[10] == 'T' && s[19] == 'Z';
}

static void test_of_a_new_one(void **state)
{
    (void)state;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    json_t *t = tunnel_json(a);
    assert_non_null(t);
    for (size_t i = 0; i < ADIT_COUNT(written); i++)
        assert_non_null(json_object_get(t, written[i]));
    for (size_t i = 0; i < ADIT_COUNT(read_only); i++)
        assert_non_null(json_object_get(t, read_only[i]));
    assert_int_equal(json_object_size(t), ADIT_COUNT(written) + ADIT_COUNT(read_only));
    assert_string_equal(text(t, "status"), "disconnected");
    assert_string_equal(text(t, "origin"), "api");
    assert_string_equal(text(t, "spec"), "L :8001 -> 10.0.0.5:443");
    assert_string_equal(text(t, "via"), "h");
    assert_true(json_is_false(json_object_get(t, "listening")));
    assert_true(is_moment(json_object_get(t, "created_at")));
    for (size_t i = 0; i < ADIT_COUNT(read_only); i++) {
        static const char *const nulls[] = {"bound_port", "uptime",        "next_retry_at", "last_error",
                                            "host_key",   "kex",           "cipher",        "last_error_kind",
                                            "rtt_ms",     "last_error_at", "last_activity"};
        for (size_t k = 0; k < ADIT_COUNT(nulls); k++)
            if (strcmp(read_only[i], nulls[k]) == 0)
                assert_true(json_is_null(json_object_get(t, read_only[i])));
    }
    assert_int_equal(json_array_size(json_object_get(t, "listen")), 0);
    json_decref(t);
    json_t *s = tunnel_status_json(a);
    assert_int_equal(json_object_size(s), ADIT_COUNT(read_only) + 1);
    assert_string_equal(text(s, "name"), "a");
    json_decref(s);
    world_close();
}

static void test_of_one_in_use(void **state)
{
    (void)state;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    struct link *l = fake_links[0];
    struct link_host_key key = {
        .host = "h", .verdict = HOST_KEY_KNOWN, .type = "ED25519", .fingerprint = "SHA256:abc"};
    fake_notify(l, (struct link_notice){.kind = LINK_HOST_KEY, .host_key = &key});
    fake_notify(l, (struct link_notice){.kind = LINK_NEGOTIATED, .kex = "k", .cipher = "c"});
    fake_lost(l, KEEP_RECONNECTING, 2, ADIT_E_CONNECT, "refused");
    fake_connect(l);
    struct session_forward_stats *stats = &l->forwards[0].stats;
    stats->bytes_up = 5;
    stats->bytes_down = 7;
    stats->opened = 3;
    stats->open_now = 1;
    stats->refused = 1;
    stats->peer_reset = 2;
    stats->open_failed = 4;
    stats->last_activity_ms = loop_now_ms();
    tunnel_stop(a); /* asks for the last numbers */
    start_it(a);
    world_settle();
    fake_notify(fake_links[1], (struct link_notice){.kind = LINK_NEGOTIATED, .kex = "k", .cipher = "c"});
    fake_connect(fake_links[1]);
    json_t *t = tunnel_json(a);
    assert_string_equal(text(t, "state"), "connected");
    assert_true(json_is_true(json_object_get(t, "listening")));
    assert_true(number(t, "uptime") >= 0);
    assert_int_equal(number(t, "bound_port"), 8001);
    assert_string_equal(json_string_value(json_array_get(json_object_get(t, "listen"), 0)), "127.0.0.1:8001");
    assert_int_equal(number(t, "bytes_sent"), 5);
    assert_int_equal(number(t, "bytes_received"), 7);
    assert_int_equal(number(t, "connections_total"), 3);
    assert_int_equal(number(t, "connections_active"), 0);
    assert_int_equal(number(t, "errors_total"), 7);
    assert_int_equal(number(json_object_get(t, "errors"), "peer_reset"), 2);
    assert_int_equal(json_object_size(json_object_get(t, "errors")), 7);
    assert_string_equal(text(t, "last_error"), "refused");
    assert_string_equal(text(t, "last_error_kind"), "transport");
    assert_true(is_moment(json_object_get(t, "last_error_at")));
    assert_true(is_moment(json_object_get(t, "last_activity")));
    assert_string_equal(text(json_object_get(t, "host_key"), "fingerprint"), "SHA256:abc");
    assert_true(json_is_true(json_object_get(json_object_get(t, "host_key"), "known")));
    assert_string_equal(text(t, "kex"), "k");
    const json_t *f = json_array_get(json_object_get(t, "forwards"), 0);
    assert_string_equal(text(f, "type"), "local");
    assert_string_equal(text(f, "target"), "10.0.0.5:443");
    assert_string_equal(text(f, "state"), "up");
    assert_true(json_is_null(json_object_get(f, "error")));
    json_decref(t);
    world_close();
}

/* Without memory for all of it there is no T, not one that says something else. */
static void whole_or_none(json_t *(*of)(const struct tunnel *tunnel), const struct tunnel *tunnel)
{
    json_t *whole = of(tunnel), *t = NULL;
    for (long n = 0; json_scarce_goes_on(n); n++) {
        json_scarce_begin(n);
        t = of(tunnel);
        json_scarce_end();
        for (size_t i = 0; t != NULL && i < ADIT_COUNT(read_only); i++)
            if (!json_equal(json_object_get(t, read_only[i]), json_object_get(whole, read_only[i])))
                fail_msg("allocation %ld: another %s", n, read_only[i]);
        assert_true(t == NULL || json_equal(t, whole));
        json_decref(t);
    }
    assert_non_null(t); /* the last one met no failure */
    json_decref(whole);
}

static void test_without_memory(void **state)
{
    (void)state;
    world_open(
        "Tunnel a\n Via user@h\n Description of it\n LocalForward 8001 x:1\n RemoteForward 8002 x:2\n");
    struct tunnel *a = tunnels_first(world.t);
    start_it(a);
    struct link *l = fake_links[0];
    fake_lost(l, KEEP_RECONNECTING, 2, ADIT_E_CONNECT, "refused");
    fake_notify(l, (struct link_notice){.kind = LINK_NEGOTIATED, .kex = "k", .cipher = "c"});
    fake_connect(l);
    whole_or_none(tunnel_json, a);
    whole_or_none(tunnel_status_json, a);
    world_close();
}

/* A file's text may be Latin-1: it is shown as well as that can be, and the rest as it is. */
static void test_of_no_utf8(void **state)
{
    (void)state;
    world_open("Tunnel a\n Via j\xf6rg@h\n LocalForward 8001 b\xe4r:80\n"
               "Tunnel b\n Via h\n RemoteForward b\xe4r:8002 m\xf6n:2\n RemoteForward 8003 b\xe4r:80\n");
    struct tunnel *a = tunnels_first(world.t), *b = tunnels_next(a);
    json_t *t = tunnel_json(a);
    assert_string_equal(text(t, "host"), "j?rg@h");
    assert_string_equal(text(t, "remote_host"), "b?r");
    assert_string_equal(text(json_array_get(json_object_get(t, "forwards"), 0), "target"), "b?r:80");
    json_decref(t);
    start_it(b);
    struct link *l = fake_links[0];
    fake_connect(l);
    fake_up(l, 0, 0, "b\xe4r:8002", 8002);
    world_mail();
    t = tunnel_json(b);
    assert_string_equal(text(t, "bind_address"), "m?n");
    assert_string_equal(text(t, "remote_host"), "b?r");
    assert_string_equal(json_string_value(json_array_get(json_object_get(t, "listen"), 0)), "b?r:8002");
    assert_string_equal(text(json_array_get(json_object_get(t, "forwards"), 1), "target"), "b?r:80");
    json_decref(t);
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_memory),
        cmocka_unit_test(test_of_a_new_one),
        cmocka_unit_test(test_of_one_in_use),
        cmocka_unit_test(test_of_no_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
