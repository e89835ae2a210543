/*
 * Another configuration, and session tunnels. Links are the test's own.
 */
#include "tests/tunnels_fake.h"

static struct tunnels_reloaded counts;
static struct adit_error err;

static enum adit_err reload(const char *conf)
{
    memset(&err, 0, sizeof err);
    return tunnels_reload(world.t, world_conf(conf), &counts, &err);
}

static void test_exactly_the_difference(void **state)
{
    (void)state;
    world_open("Tunnel same\n Via h1\n LocalForward 8001 a:1\n"
               "Tunnel words\n Via h2\n LocalForward 8002 a:1\n"
               "Tunnel moved\n Via h3\n LocalForward 8003 a:1\n"
               "Tunnel gone\n Via h4\n LocalForward 8004 a:1\n");
    for (struct tunnel *u = tunnels_first(world.t); u; u = tunnels_next(u))
        start_it(u);
    for (size_t i = 0; i < 4; i++)
        fake_connect(fake_links[i]);
    assert_int_equal(reload("Tunnel words\n Via h2\n LocalForward 8002 a:1\n Description \"other words\"\n"
                            "Tunnel moved\n Via h3\n LocalForward 8003 a:2\n"
                            "Tunnel same\n Via h1\n LocalForward 8001 a:1\n"
                            "Tunnel new\n Via h5\n LocalForward 8005 a:1\n AutoStart yes\n"
                            "Tunnel later\n Via h6\n LocalForward 8006 a:1\n"),
                     ADIT_E_OK);
    assert_int_equal(counts.added, 2);
    assert_int_equal(counts.removed, 1);
    assert_int_equal(counts.changed, 2);
    assert_int_equal(counts.unchanged, 1);
    assert_ptr_equal(tunnels_conf(world.t), &world.confs[1]);
    assert_string_equal(state_of(tunnels_find(world.t, "same")), "connected");
    assert_string_equal(state_of(tunnels_find(world.t, "words")), "connected");
    assert_string_equal(tunnel_definition(tunnels_find(world.t, "words"))->description, "other words");
    assert_string_equal(state_of(tunnels_find(world.t, "moved")), "connecting");
    assert_string_equal(state_of(tunnels_find(world.t, "new")), "connecting");
    assert_string_equal(state_of(tunnels_find(world.t, "later")), "disconnected");
    assert_null(tunnels_find(world.t, "gone"));
    assert_int_equal(fake_links[0]->stops, 0);
    assert_int_equal(fake_links[1]->stops, 0);
    assert_int_equal(fake_links[2]->stops, 1);
    assert_int_equal(fake_links[3]->stops, 1);
    world_settle();
    world_close();
}

static void test_a_name_of_the_api_is_not_taken(void **state)
{
    (void)state;
    world_open("Tunnel same\n Via h1\n LocalForward 8001 a:1\n");
    add_local("mine", "h", 8009);
    assert_int_equal(reload("Tunnel other\n Via h\n LocalForward 1 a:1\n"
                            "Tunnel mine\n Via h\n LocalForward 2 a:1\n"),
                     ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "adit.conf:5: Tunnel: 'mine' already exists"));
    assert_ptr_equal(tunnels_conf(world.t), &world.confs[0]);
    assert_int_equal(tunnels_count(world.t), 2);
    assert_non_null(tunnels_find(world.t, "same"));
    world_close();
}

static void test_a_profile_that_changes(void **state)
{
    (void)state;
    struct definition d;
    world_open("Profile ops\n User alice\nProfile other\n User carol\n"
               "Tunnel one\n Via h1\n LocalForward 8001 a:1\n Profile ops\n"
               "Tunnel two\n Via h2\n LocalForward 8002 a:1\n Profile other\n");
    define(&d, "api", "h3", 8003);
    assert_true(definition_set(&d.profile_id, "ops"));
    start_it(add_it(&d));
    start_it(tunnels_find(world.t, "one"));
    start_it(tunnels_find(world.t, "two"));
    assert_int_equal(reload("Profile ops\n User bob\nProfile other\n User carol\n"
                            "Tunnel one\n Via h1\n LocalForward 8001 a:1\n Profile ops\n"
                            "Tunnel two\n Via h2\n LocalForward 8002 a:1\n Profile other\n"),
                     ADIT_E_OK);
    assert_int_equal(counts.changed, 1);
    assert_int_equal(counts.unchanged, 1);
    assert_int_equal(fake_links[0]->stops, 1); /* the API's uses it too */
    assert_int_equal(fake_links[1]->stops, 1);
    assert_int_equal(fake_links[2]->stops, 0);
    world_settle();
    assert_int_equal(fake_link_count, 5);
    assert_true(texts_has(fake_links[3]->config.settings, "User bob"));
    world_close();
}

/* ---- Session tunnels ---- */

static void test_a_session(void **state)
{
    (void)state;
    struct definition_error error;
    struct definition_forward forwards[2] = {
        {.type = FORWARD_LOCAL,
         .local_port = 8080,
         .has_local_port = true,
         .remote_port = 80,
         .has_remote_port = true},
        {.type = FORWARD_DYNAMIC, .local_port = 1080, .has_local_port = true},
    };
    struct tunnels_session_request request = {
        .host = "h", .port = 2222, .jump_host_id = "gate", .forwards = forwards, .forward_count = 2};
    world_open("");
    struct tunnel *other = add_local("mine", "h", 8001);
    struct tunnels_session *s = tunnels_session_open(world.t, &request, &error);
    assert_non_null(s);
    assert_int_equal(tunnels_session_count(s), 2);
    const struct definition *d = tunnel_definition(tunnels_session_tunnel(s, 0));
    assert_int_equal(strncmp(d->id, "session:tunnel_", 15), 0);
    assert_string_equal(d->name, "Session forward :8080");
    assert_string_equal(tunnel_definition(tunnels_session_tunnel(s, 1))->name, "Session forward :1080");
    assert_false(d->auto_start);
    assert_false(d->auto_reconnect);
    assert_int_equal(d->max_retries, 0);
    assert_string_equal(d->jump_host_id, "gate");
    assert_int_equal(d->origin, DEFINITION_SESSION);
    assert_int_equal(fake_link_count, 1); /* both by one connection */
    assert_true(texts_has(fake_links[0]->config.settings, "ProxyJump gate"));
    assert_false(tunnels_remove(world.t, tunnels_session_tunnel(s, 0), &error));
    assert_string_equal(error.code, "read_only");
    assert_int_equal(tunnels_count(world.t), 3);
    tunnels_session_close(world.t, s);
    assert_int_equal(tunnels_count(world.t), 1);
    assert_ptr_equal(tunnels_first(world.t), other);
    assert_int_equal(fake_links[0]->stops, 1);

    /* One that is wrong: nothing is left of the others. */
    forwards[1].local_port = 8080;
    assert_null(tunnels_session_open(world.t, &request, &error));
    assert_string_equal(error.code, "port_in_use");
    assert_int_equal(tunnels_count(world.t), 1);
    world_close();
}

static void test_a_session_ends_with_the_registry(void **state)
{
    (void)state;
    struct definition_error error;
    struct definition_forward forward = {.type = FORWARD_DYNAMIC, .local_port = 1080, .has_local_port = true};
    struct tunnels_session_request request = {.host = "h", .forwards = &forward, .forward_count = 1};
    world_open("");
    assert_non_null(tunnels_session_open(world.t, &request, &error));
    world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exactly_the_difference),
        cmocka_unit_test(test_a_name_of_the_api_is_not_taken),
        cmocka_unit_test(test_a_profile_that_changes),
        cmocka_unit_test(test_a_session),
        cmocka_unit_test(test_a_session_ends_with_the_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
