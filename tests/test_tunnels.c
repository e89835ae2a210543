/*
 * The registry: making, finding, changing and removing tunnels; which of them share a connection; all at
 * once; the end. Links are the test's own.
 */
#include "tests/no_reading.h"
#include "tests/tunnels_fake.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <time.h>

#include "client/chain.h"

#include "daemon/registry.h"
#include "daemon/store.h"

static struct definition_error error;

/* ---- Making and finding ---- */

static bool is_id(const char *id)
{
    size_t n = strspn(id, "tunel_0123456789abcdef");
    return strncmp(id, "tunnel_", 7) == 0 && strlen(id) == n && id[n - 9] == '_';
}

static void test_names_and_ids(void **state)
{
    (void)state;
    struct definition d;
    world_open("Tunnel one\n Via h1\n LocalForward 8001 a:1\nTunnel two\n Via h2\n LocalForward 8002 a:1\n");
    assert_int_equal(tunnels_count(world.t), 2);
    struct tunnel *api = add_local("three", "h3", 8003);
    assert_true(is_id(tunnel_definition(api)->id));
    assert_true(tunnel_definition(api)->created_at > 1500000000000);
    assert_ptr_equal(tunnels_find(world.t, "three"), api);
    assert_ptr_equal(tunnels_find(world.t, tunnel_definition(api)->id), api);
    assert_string_equal(tunnel_definition(tunnels_first(world.t))->name, "one");
    assert_ptr_equal(tunnels_next(tunnels_next(tunnels_first(world.t))), api);
    assert_null(tunnels_next(api));
    assert_null(tunnels_find(world.t, "four"));
    assert_string_equal(state_of(api), "disconnected");

    define(&d, "two", "h9", 9000);
    assert_null(tunnels_add(world.t, &d, &error));
    assert_string_equal(error.code, "exists");
    assert_string_equal(error.message, "Tunnel two already exists");
    assert_true(definition_set(&d.name, "five") && definition_set(&d.profile_id, "nobody"));
    assert_null(tunnels_add(world.t, &d, &error));
    assert_string_equal(error.code, "invalid_value");
    assert_string_equal(error.field, "profile_id");
    definition_wipe(&d);
    assert_int_equal(tunnels_count(world.t), 3);
    world_close();
}

static void test_files_are_read_only(void **state)
{
    (void)state;
    struct definition d;
    world_open("Tunnel one\n Via h1\n LocalForward 8001 a:1\n");
    struct tunnel *u = tunnels_find(world.t, "one");
    define(&d, "one", "h2", 8001);
    assert_false(tunnels_change(world.t, u, &d, &error));
    assert_string_equal(error.code, "read_only");
    assert_non_null(strstr(error.message, "adit.conf:2"));
    assert_false(tunnels_remove(world.t, u, &error));
    assert_string_equal(error.code, "read_only");
    definition_wipe(&d);
    world_close();
}

static void test_what_is_saved(void **state)
{
    (void)state;
    struct adit_error err = {ADIT_E_OK, ""};
    struct definition *saved;
    struct store *store;
    size_t count;
    world_open("Tunnel file\n Via h1\n LocalForward 8001 a:1\n");
    tunnels_free(world.t);
    assert_int_equal(store_open(&store, world_path("state"), &err), ADIT_E_OK);
    struct tunnels_config config = {.loop = &world.loop,
                                    .box = &world.box,
                                    .store = store,
                                    .conf = &world.confs[0],
                                    .ops = {&world, world_log}};
    assert_int_equal(tunnels_new(&world.t, &config, &err), ADIT_E_OK);
    struct tunnel *a = add_local("a", "h", 8002), *b = add_local("b", "h", 8003);
    struct definition d;
    assert_true(definition_copy(&d, tunnel_definition(b)));
    assert_true(definition_set(&d.description, "changed"));
    assert_true(tunnels_change(world.t, b, &d, &error));
    definition_wipe(&d);
    assert_true(tunnels_remove(world.t, a, &error));
    char *id = text_copy(span_str(tunnel_definition(b)->id));
    tunnels_free(world.t);
    store_free(store);

    assert_int_equal(store_open(&store, world_path("state"), &err), ADIT_E_OK);
    assert_int_equal(store_load(store, &saved, &count, &err), ADIT_E_OK);
    assert_int_equal(count, 1);
    assert_string_equal(saved[0].id, id);
    assert_string_equal(saved[0].description, "changed");
    definition_wipe(&saved[0]);
    free(saved);
    free(id);
    store_free(store);
    assert_int_equal(store_open(&store, world_path("state"), &err), ADIT_E_OK);
    config.store = store;
    assert_int_equal(tunnels_new(&world.t, &config, &err), ADIT_E_OK);
    assert_int_equal(tunnels_count(world.t), 2); /* the file's, and b */
    assert_string_equal(state_of(tunnels_find(world.t, "b")), "disconnected");
    tunnels_free(world.t);
    store_free(store);
    config.store = NULL;
    assert_int_equal(tunnels_new(&world.t, &config, &err), ADIT_E_OK);
    world_close();
}

static void test_a_port_is_held_while_it_runs(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    define(&d, "b", "h", 8001);
    start_it(a);
    assert_null(tunnels_add(world.t, &d, &error));
    assert_string_equal(error.code, "port_in_use");
    assert_string_equal(error.field, "local_port");
    assert_true(definition_set(&d.forwards[0].bind_address, "localhost"));
    assert_null(tunnels_add(world.t, &d, &error));
    assert_true(definition_set(&d.forwards[0].bind_address, "127.0.0.2"));
    struct tunnel *b = tunnels_add(world.t, &d, &error);
    assert_non_null(b);
    assert_true(definition_set(&d.forwards[0].bind_address, NULL));
    assert_false(tunnels_change(world.t, b, &d, &error));
    assert_string_equal(error.code, "port_in_use");
    tunnel_stop(a);
    assert_true(tunnels_change(world.t, b, &d, &error));
    definition_wipe(&d);
    world_close();
}

/* ---- Connections ---- */

static void test_equal_routes_share_a_connection(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001), *b = add_local("b", "h", 8002);
    define(&d, "c", "h", 8003);
    d.port = 2222;
    struct tunnel *c = add_it(&d);
    define(&d, "e", "h", 8004);
    d.max_retries = 1; /* patience is each tunnel's own */
    d.auto_reconnect = false;
    struct tunnel *e = add_it(&d);
    start_it(a);
    start_it(b);
    start_it(c);
    start_it(e);
    assert_int_equal(fake_link_count, 2);
    assert_int_equal(fake_links[0]->forward_count, 3);
    assert_int_equal(fake_links[0]->starts, 1);
    assert_string_equal(fake_links[0]->config.host, "h");
    assert_int_equal(fake_links[1]->config.port, 2222);
    assert_true(fake_links[0]->keep.auto_reconnect);
    assert_int_equal(fake_links[0]->keep.max_retries, 5);
    assert_string_equal(tunnel_transport(c), "h:2222");

    tunnel_stop(a);
    tunnel_stop(b);
    assert_int_equal(fake_links[0]->stops, 0);
    assert_false(fake_links[0]->keep.auto_reconnect); /* e alone is left */
    tunnel_stop(e);
    assert_int_equal(fake_links[0]->stops, 1);
    /* A link that is about to end takes nobody any more. */
    start_it(b);
    world_settle();
    assert_int_equal(fake_link_count, 3);
    assert_true(fake_links[0]->is_joined);
    assert_false(fake_links[1]->is_joined);
    world_close();
}

static void test_reclaim_divides(void **state)
{
    (void)state;
    world_open("Tunnel a\n Via h\n LocalForward 8001 x:1\n"
               "Tunnel b\n Via h\n LocalForward 8002 x:1\n AditReclaim yes\n");
    start_it(tunnels_find(world.t, "a"));
    start_it(tunnels_find(world.t, "b"));
    assert_int_equal(fake_link_count, 2);
    assert_false(fake_links[0]->config.reclaim);
    assert_true(fake_links[1]->config.reclaim);
    world_close();
}

static struct tunnel *via(const char *name, const char *host, uint16_t port)
{
    struct tunnel *u = add_local(name, host, port);
    start_it(u);
    return u;
}

/* Two names for one place. */
static void test_aliases_share(void **state)
{
    (void)state;
    struct tunnels_reloaded counts;
    char conf[128];
    world_open("");
    write_text("ssh_config",
               "Host one two other-port other-user jumps hops\n HostName 10.0.0.1\n"
               "Host other-port\n Port 2200\nHost other-user\n User eve\n"
               "Host jumps\n ProxyJump bastion\nHost hops\n ProxyJump gate\n"
               "Host gate bastion\n HostName 10.0.0.2\n",
               0600);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\n", world_path("ssh_config"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    (void)via("a", "one", 8001);
    (void)via("b", "two", 8002);
    (void)via("c", "10.0.0.1", 8003);
    assert_int_equal(fake_link_count, 1);
    (void)via("d", "other-port", 8004);
    (void)via("e", "other-user", 8005);
    (void)via("f", "jumps", 8006);
    assert_int_equal(fake_link_count, 4);
    (void)via("g", "hops", 8007);
    assert_int_equal(fake_link_count, 4);
    world_close();
}

/* A connection is another's to use where ssh_config trusts and shows the same: of these names for one place
 * no two do, whichever comes first. */
static void test_who_trusts_otherwise_does_not_share(void **state)
{
    (void)state;
    static const char *const differs[] = {
        "StrictHostKeyChecking yes",
        "StrictHostKeyChecking no",
        "UserKnownHostsFile /dev/null",
        "GlobalKnownHostsFile /dev/null",
        "HostKeyAlias other",
        "HostKeyAlgorithms ssh-ed25519",
        "RevokedHostKeys /dev/null",
        "KnownHostsCommand /bin/false",
        "NoHostAuthenticationForLocalhost yes",
        "AditHostKeyFingerprint SHA256:kvdgQeI1/euVJNb5LPzTyOzKENlJWDcmtN+nfhS+43c",
        "IdentityFile /dev/null",
        "IdentityFile /tmp/%n",
        "CertificateFile /dev/null",
        "IdentityAgent none",
        "IdentitiesOnly yes",
        "PubkeyAuthentication no",
        "PreferredAuthentications password",
        "Ciphers aes128-ctr",
        "BindAddress 127.0.0.3",
        "RefuseConnection no",
        "PermitRemoteOpen none",
        "ProxyJump strict-gate",
        "ProxyJump gate"};
    enum { COUNT = sizeof differs / sizeof *differs };
    struct tunnels_reloaded counts;
    char conf[128], text[4096] = "Host gate strict-gate\n HostName 10.0.0.2\nHost strict-gate\n "
                                 "StrictHostKeyChecking yes\nHost *-gate gate\n User eve\n";
    for (size_t i = 0; i < COUNT; i++)
        (void)adit_format(text + strlen(text), sizeof text - strlen(text), "Host n%zu m%zu\n %s\n", i, i,
                          differs[i]);
    (void)adit_format(text + strlen(text), sizeof text - strlen(text), "Host n* m*\n HostName 10.0.0.1\n");
    world_open("");
    write_text("ssh_config", text, 0600);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\n", world_path("ssh_config"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    (void)via("plain", "10.0.0.1", 8000);
    for (size_t i = 0; i < COUNT; i++) {
        char name[16];
        (void)adit_format(name, sizeof name, "n%zu", i);
        (void)via(name, name, (uint16_t)(8001 + i));
        assert_int_equal(fake_link_count, 2 + i);
    }
    (void)via("m0", "m0", 8101); /* as n0 in all */
    assert_int_equal(fake_link_count, 1 + COUNT);
    (void)via("m11", "m11", 8102); /* its identity is another's */
    assert_int_equal(fake_link_count, 2 + COUNT);
    world_close();
}

/* At its next connect a link reads ssh_config again: whom that leads elsewhere does not stay. */
static void test_an_alias_that_changes_moves_its_tunnel(void **state)
{
    (void)state;
    struct tunnels_reloaded counts;
    char conf[128];
    world_open("");
    write_text("ssh_config", "Host one two\n HostName 10.0.0.1\n", 0600);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\n", world_path("ssh_config"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    struct tunnel *a = via("a", "one", 8001), *b = via("b", "two", 8002);
    fake_connect(fake_links[0]);
    assert_int_equal(fake_link_count, 1);
    assert_string_equal(state_of(b), "connected");

    write_text("ssh_config", "Host one\n HostName 10.0.0.1\nHost two\n HostName 10.0.0.2\n", 0600);
    fake_lost(fake_links[0], KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "closed");
    world_settle();
    assert_int_equal(fake_link_count, 2);
    assert_string_equal(fake_links[1]->config.host, "two");
    fake_connect(fake_links[0]);
    fake_connect(fake_links[1]);
    assert_string_equal(state_of(a), "connected");
    assert_string_equal(state_of(b), "connected");

    /* And back: the one that finds the other's way taken joins it. */
    write_text("ssh_config", "Host one two\n HostName 10.0.0.1\n", 0600);
    fake_lost(fake_links[1], KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "closed");
    world_settle();
    assert_int_equal(fake_link_count, 2);
    assert_true(fake_links[1]->is_joined);
    fake_connect(fake_links[0]);
    assert_string_equal(state_of(a), "connected");
    assert_string_equal(state_of(b), "connected");
    world_close();
}

/* What ssh_config can only say by running a command, or by looking a name up, is not asked here. */
static void test_no_command_is_run_for_a_key(void **state)
{
    (void)state;
    struct tunnels_reloaded counts;
    char conf[128], text[400];
    world_open("");
    (void)adit_format(text, sizeof text, "Match exec \"touch %s\"\n User eve\n", world_path("ran"));
    write_text("ssh_config", text, 0600);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\n", world_path("ssh_config"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    (void)via("a", "one", 8001);
    (void)via("b", "one", 8002);
    (void)via("c", "two", 8003);
    assert_int_equal(fake_link_count, 2);
    assert_int_not_equal(access(world_path("ran"), F_OK), 0);
    world_close();
}

static void test_a_profile_and_its_secrets(void **state)
{
    (void)state;
    struct definition d;
    world_open("Profile pw\n User alice\n Auth password\n PasswordEnv ADIT_TEST_PASSWORD\n"
               "Profile key\n Auth key\n");
    define(&d, "a", "h", 8001);
    assert_true(definition_set(&d.profile_id, "pw"));
    struct tunnel *a = add_it(&d);
    assert_false(tunnel_start(a, &error));
    assert_string_equal(error.code, "profile_incomplete");
    assert_string_equal(error.message, "No password found");
    define(&d, "b", "h", 8002);
    assert_true(definition_set(&d.profile_id, "key"));
    struct tunnel *b = add_it(&d);
    assert_false(tunnel_start(b, &error));
    assert_string_equal(error.message, "No SSH key path found");
    assert_int_equal(fake_link_count, 0);
    assert_string_equal(state_of(a), "disconnected");

    assert_int_equal(setenv("ADIT_TEST_PASSWORD", "secret", 1), 0);
    start_it(a);
    assert_int_equal(fake_link_count, 1);
    const struct texts *s = fake_links[0]->config.settings;
    assert_true(texts_has(s, "PubkeyAuthentication no"));
    assert_true(texts_has(s, "NumberOfPasswordPrompts 1"));
    for (size_t i = 0; i < s->count; i++)
        assert_null(strstr(s->item[i], "secret"));
    world_close();
}

static rlim_t most_descriptors(rlim_t most)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

/* As if the time for it had come. */
static void start_comes_again(struct tunnel *u)
{
    struct loop_timer *timer;
    int kind = 0;
    assert_true(u->again_ms > loop_now_ms());
    u->again_ms = 1;
    while (kind != REGISTRY_TIMER_STARTS) {
        timer = loop_expired(&world.loop, UINT64_MAX);
        assert_non_null(timer);
        kind = timer->kind;
        tunnels_on_timer(world.t, timer);
    }
}

/* A password file that cannot be opened just now is no missing password. */
static void test_a_password_without_descriptors(void **state)
{
    (void)state;
    struct tunnels_reloaded counts;
    char conf[256];
    world_open("");
    write_text("password", "secret\n", 0600);
    (void)adit_format(conf, sizeof conf,
                      "Profile pw\n Auth password\n PasswordFile %s\n"
                      "Tunnel a\n Via h\n Profile pw\n DynamicForward 8001\n AutoStart no\n",
                      world_path("password"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    struct tunnel *a = tunnels_find(world.t, "a");
    rlim_t most = most_descriptors(3);
    bool is_started = tunnel_start(a, &error);
    most_descriptors(most);
    assert_false(is_started);
    assert_string_equal(error.code, DEFINITION_E_INTERNAL);
    assert_non_null(strstr(error.message, strerror(EMFILE)));
    start_it(a);
    world_close();
}

/* Who asks is told whose fault it was not. */
static void test_a_link_without_descriptors(void **state)
{
    (void)state;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    fake_links_lacking = 1;
    assert_false(tunnel_start(a, &error));
    assert_string_equal(error.code, DEFINITION_E_INTERNAL);
    assert_string_equal(state_of(a), "disconnected");
    start_it(a);
    world_close();
}

/* Nobody asked, so nobody else would ask again. */
static void test_a_start_by_itself_is_tried_again(void **state)
{
    (void)state;
    world_open("Tunnel a\n Via h\n DynamicForward 8001\n AutoStart yes\n MaxRetries 5\n");
    struct tunnel *a = tunnels_find(world.t, "a");
    fake_links_lacking = 3;
    tunnels_start_all(world.t, NULL, NULL);
    for (uint32_t i = 0; i < 3; i++) {
        assert_string_equal(state_of(a), "failed");
        assert_false(tunnel_status(a)->permanent);
        assert_true(tunnel_status(a)->next_retry_at >= (int64_t)time(NULL));
        assert_int_equal(tunnel_status(a)->retry_count, i);
        start_comes_again(a);
    }
    assert_int_equal(fake_link_count, 1);
    assert_string_equal(state_of(a), "connecting");
    assert_int_equal(tunnel_status(a)->next_retry_at, 0);
    assert_int_equal(times_logged("-> failed"), 1); /* and not again each time */
    fake_connect(fake_links[0]);
    assert_string_equal(state_of(a), "connected");
    assert_int_equal(tunnel_status(a)->retry_count, 0);
    world_close();
}

/* Its own patience holds for this, too; and one that is stopped stays so. */
static void test_how_often_a_start_is_tried(void **state)
{
    (void)state;
    world_open("Tunnel a\n Via h\n DynamicForward 8001\n AutoStart yes\n MaxRetries 1\n"
               "Tunnel b\n Via h\n DynamicForward 8002\n AutoStart yes\n AutoReconnect no\n"
               "Tunnel c\n Via h\n DynamicForward 8003\n AutoStart yes\n");
    struct tunnel *a = tunnels_find(world.t, "a"), *b = tunnels_find(world.t, "b"),
                  *c = tunnels_find(world.t, "c");
    fake_links_lacking = 1000;
    tunnels_start_all(world.t, NULL, NULL);
    start_comes_again(a);
    assert_int_equal(a->again_ms, 0);
    assert_int_equal(tunnel_status(a)->next_retry_at, 0);
    assert_int_equal(tunnel_status(a)->retry_count, 1);
    assert_int_equal(b->again_ms, 0);
    assert_string_equal(state_of(b), "failed");
    assert_int_equal(fake_links_lacking, 1000 - 4);
    tunnel_stop(c);
    assert_int_equal(c->again_ms, 0);
    assert_string_equal(state_of(c), "disconnected");
    fake_links_lacking = 0;
    world_close();
}

static void test_an_alias_as_a_profile(void **state)
{
    (void)state;
    struct definition d;
    struct tunnels_reloaded counts;
    char conf[128];
    world_open("");
    write_text("ssh_config", "Host gate\n User eve\n IdentityFile ~/.ssh/gate\nHost *.wild\n", 0600);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\n", world_path("ssh_config"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    define(&d, "a", "10.0.0.9", 8001);
    assert_true(definition_set(&d.profile_id, "*.wild"));
    assert_null(tunnels_add(world.t, &d, &error));
    assert_string_equal(error.field, "profile_id");
    assert_true(definition_set(&d.profile_id, "gate"));
    start_it(add_it(&d));
    assert_string_equal(fake_links[0]->config.host, "gate");
    assert_true(texts_has(fake_links[0]->config.settings, "HostName 10.0.0.9"));
    assert_string_equal(fake_links[0]->config.config_file, world_path("ssh_config"));
    world_close();
}

static void test_a_key_that_ssh_config_names(void **state)
{
    (void)state;
    struct definition d;
    struct tunnels_reloaded counts;
    char conf[256];
    world_open("");
    write_text("ssh_config", "Host gate\n IdentityFile ~/.ssh/gate\n", 0600);
    (void)adit_format(conf, sizeof conf, "SshConfig %s\nProfile key\n Auth key\n", world_path("ssh_config"));
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    define(&d, "a", "other", 8001);
    assert_true(definition_set(&d.profile_id, "key"));
    struct tunnel *a = add_it(&d);
    assert_false(tunnel_start(a, &error));
    assert_string_equal(error.message, "No SSH key path found");
    define(&d, "b", "gate", 8002);
    assert_true(definition_set(&d.profile_id, "key"));
    start_it(add_it(&d));
    assert_int_equal(fake_link_count, 1);
    world_close();
}

static void test_jumps_through_tunnels(void **state)
{
    (void)state;
    struct definition d;
    world_open("Profile ops\n User bob\n");
    define(&d, "first", "gate", 8001);
    d.port = 2200;
    assert_true(definition_set(&d.jump_host_id, "outer") && definition_set(&d.profile_id, "ops"));
    struct tunnel *first = add_it(&d);
    define(&d, "second", "inner", 8002);
    assert_true(definition_set(&d.jump_session_id, tunnel_definition(first)->id));
    add_it(&d);
    define(&d, "third", "target", 8003);
    assert_true(definition_set(&d.jump_session_id, "second"));
    struct tunnel *third = add_it(&d);
    start_it(third);
    const struct link_config *c = &fake_links[0]->config;
    assert_true(texts_has(c->settings, "ProxyJump none"));
    assert_int_equal(c->hop_count, 2);
    assert_string_equal(c->hops[0].host, "inner");
    assert_true(texts_has(c->hops[0].settings, "ProxyJump none"));
    assert_string_equal(c->hops[1].name, "bob@gate:2200");
    assert_string_equal(c->hops[1].host, "gate");
    assert_int_equal(c->hops[1].port, 2200);
    assert_true(texts_has(c->hops[1].settings, "User bob"));
    assert_true(texts_has(c->hops[1].settings, "ProxyJump outer"));

    assert_true(definition_copy(&d, tunnel_definition(first)));
    assert_true(definition_set(&d.jump_host_id, NULL) && definition_set(&d.jump_session_id, "third"));
    assert_false(tunnels_change(world.t, first, &d, &error));
    assert_string_equal(error.code, "invalid_value");
    assert_string_equal(error.field, "jump_session_id");
    assert_true(definition_set(&d.jump_session_id, "nobody"));
    assert_false(tunnels_change(world.t, first, &d, &error));
    assert_string_equal(error.message, "Tunnel nobody not found");
    definition_wipe(&d);
    world_close();
}

static void put_password(bool is_readable)
{
    const char *path = world_path("pass");
    (void)unlink(path);
    if (is_readable)
        write_text("pass", "secret\n", 0600);
    else
        assert_int_equal(symlink(NO_READING, path), 0);
}

/* a: with the password and passphrase of that file. */
static struct tunnel *with_secret_file(void)
{
    struct definition d;
    char text[400];
    struct tunnels_reloaded counts;
    world_open("");
    const char *path = world_path("pass");
    (void)adit_format(text, sizeof text, "Profile pw\n Auth password\n PasswordFile %s\n PassphraseFile %s\n",
                      path, path);
    assert_int_equal(tunnels_reload(world.t, world_conf(text), &counts, NULL), ADIT_E_OK);
    define(&d, "a", "h", 8001);
    assert_true(definition_set(&d.profile_id, "pw"));
    return add_it(&d);
}

/* There may be a password: the profile is not incomplete. */
static void test_password_that_cannot_be_read_now(void **state)
{
    (void)state;
    struct tunnel *a = with_secret_file();
    put_password(false);
    assert_false(tunnel_start(a, &error));
    assert_string_equal(error.code, DEFINITION_E_INTERNAL);
    assert_non_null(strstr(error.message, "/pass: Input/output error"));
    put_password(true);
    start_it(a);
    world_close();
}

/* The answers of the first link's prompt: with the file, without it just now, and for good. */
static void ask_secret(enum prompt_purpose purpose)
{
    struct client_prompt p = fake_links[0]->config.prompt;
    struct adit_error lack = {ADIT_E_OK, ""};
    struct prompt_question q = {
        .kind = PROMPT_SECRET, .purpose = purpose, .text = "Password: ", .lack = &lack};
    char answer[PROMPT_ANSWER_CAP];
    put_password(true);
    assert_true(p.ask(p.ctx, &q, answer, sizeof answer));
    assert_string_equal(answer, "secret");
    assert_int_equal(unlink(world_path("pass")), 0);
    assert_false(p.ask(p.ctx, &q, answer, sizeof answer));
    assert_int_equal(lack.code, ADIT_E_OK);
    put_password(false);
    assert_false(p.ask(p.ctx, &q, answer, sizeof answer));
    assert_int_equal(lack.code, ADIT_E_MEMORY);
    assert_non_null(strstr(lack.text, "/pass: Input/output error"));
    q.lack = NULL;
    assert_false(p.ask(p.ctx, &q, answer, sizeof answer));
}

/* The question is not one that nobody answers. */
static void test_answers_that_cannot_be_read_now(void **state)
{
    (void)state;
    struct tunnel *a = with_secret_file();
    put_password(true);
    start_it(a);
    ask_secret(PROMPT_FOR_PASSWORD);
    ask_secret(PROMPT_FOR_CODE);
    ask_secret(PROMPT_FOR_PASSPHRASE);
    world_close();
}

/* A hop is made as its own tunnel's definition and profile say, now: who goes through it follows. */
static void test_a_hop_with_a_profile_of_its_own(void **state)
{
    (void)state;
    struct definition d;
    struct tunnels_reloaded counts;
    static const char *const conf = "Profile pw\n Auth password\n PasswordEnv ADIT_TEST_PASSWORD\n%s";
    char text[160];
    (void)adit_format(text, sizeof text, conf, "");
    world_open(text);
    define(&d, "hop", "gate", 8001);
    assert_true(definition_set(&d.profile_id, "pw"));
    struct tunnel *hop = add_it(&d);
    define(&d, "far", "target", 8002);
    assert_true(definition_set(&d.jump_session_id, "hop"));
    struct tunnel *far = add_it(&d);
    assert_int_equal(unsetenv("ADIT_TEST_PASSWORD"), 0);
    assert_false(tunnel_start(far, &error));
    assert_string_equal(error.code, "profile_incomplete");
    assert_string_equal(error.field, "jump_session_id");
    assert_int_equal(setenv("ADIT_TEST_PASSWORD", "secret", 1), 0);
    start_it(far);
    assert_true(texts_has(fake_links[0]->config.hops[0].settings, "PubkeyAuthentication no"));
    assert_false(texts_has(fake_links[0]->config.settings, "PubkeyAuthentication no"));

    struct prompt_question q = {.kind = PROMPT_SECRET,
                                .purpose = PROMPT_FOR_PASSWORD,
                                .text = "password: ",
                                .jump_host = "gate",
                                .hop = 1};
    struct client_prompt p = fake_links[0]->config.prompt;
    char answer[PROMPT_ANSWER_CAP];
    assert_true(p.ask(p.ctx, &q, answer, sizeof answer));
    assert_string_equal(answer, "secret");
    q.hop = 0; /* a jump host of ssh_config's */
    assert_false(p.ask(p.ctx, &q, answer, sizeof answer));
    q.jump_host = NULL; /* the destination, whose profile has no password */
    assert_false(p.ask(p.ctx, &q, answer, sizeof answer));

    assert_true(definition_copy(&d, tunnel_definition(hop)));
    assert_true(definition_set(&d.host, "other"));
    assert_true(tunnels_change(world.t, hop, &d, &error));
    definition_wipe(&d);
    world_settle();
    assert_int_equal(fake_link_count, 2);
    assert_string_equal(fake_links[1]->config.hops[0].host, "other");
    (void)adit_format(text, sizeof text, conf, " User bob\n");
    assert_int_equal(tunnels_reload(world.t, world_conf(text), &counts, NULL), ADIT_E_OK);
    world_settle();
    assert_int_equal(fake_link_count, 3);
    assert_true(texts_has(fake_links[2]->config.hops[0].settings, "User bob"));
    world_close();
}

/* ---- Changes of what runs ---- */

static void test_a_change_restarts_only_what_it_must(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    fake_connect(fake_links[0]);
    assert_string_equal(state_of(a), "connected");
    assert_true(definition_copy(&d, tunnel_definition(a)));
    assert_true(definition_set(&d.description, "words") && definition_set(&d.name, "renamed"));
    d.max_retries = 9;
    assert_true(tunnels_change(world.t, a, &d, &error));
    assert_string_equal(state_of(a), "connected");
    assert_int_equal(fake_links[0]->keep.max_retries, 9);
    assert_ptr_equal(tunnels_find(world.t, "renamed"), a);

    d.forwards[0].remote_port = 80;
    assert_true(tunnels_change(world.t, a, &d, &error));
    assert_string_equal(state_of(a), "connecting");
    assert_int_equal(fake_link_count, 1); /* the old listener is still there */
    world_settle();
    assert_int_equal(fake_link_count, 2);
    assert_int_equal(fake_links[1]->forwards[0].spec.host_port, 80);
    fake_connect(fake_links[1]);
    assert_string_equal(state_of(a), "connected");
    definition_wipe(&d);
    world_close();
}

static void count_removed(void *ctx, struct tunnel *tunnel, bool is_so)
{
    *(int *)ctx += !tunnel && !is_so;
}

static void test_a_removed_one_takes_its_listeners_with_it(void **state)
{
    (void)state;
    int told = 0;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    fake_connect(fake_links[0]);
    struct tunnel_wait wait = {.ctx = &told, .done = count_removed};
    fake_lost(fake_links[0], KEEP_RECONNECTING, 1, ADIT_E_CLOSED, "gone");
    world_mail();
    tunnel_wait(a, &wait, TUNNEL_WAIT_SETTLED, 60000);
    assert_true(tunnels_remove(world.t, a, &error));
    assert_int_equal(told, 1);
    assert_int_equal(tunnels_count(world.t), 0);
    assert_null(tunnels_find(world.t, "a"));
    const struct event *last = events_get(tunnels_events(world.t), events_last(tunnels_events(world.t)));
    assert_int_equal(last->kind, EVENT_REMOVED);
    assert_non_null(strstr(last->data, "{\"id\":\"tunnel_"));
    assert_true(fake_links[0]->forwards[0].is_removed);
    world_settle();
    assert_true(fake_links[0]->is_joined);
    world_close();
}

/* ---- All of them ---- */

struct tally {
    unsigned started, running, failed, stopped;
    char message[64];
};

static void tell_start(void *ctx, struct tunnel *tunnel, enum tunnels_start what, const char *message)
{
    struct tally *n = ctx;
    (void)tunnel;
    n->started += what == TUNNELS_STARTED;
    n->running += what == TUNNELS_RUNNING;
    n->failed += what == TUNNELS_FAILED;
    if (message)
        (void)adit_format(n->message, sizeof n->message, "%s", message);
}

static void tell_stop(void *ctx, struct tunnel *tunnel)
{
    (void)tunnel;
    ((struct tally *)ctx)->stopped++;
}

static void test_all_of_them(void **state)
{
    (void)state;
    struct tally n = {0};
    size_t up, failed;
    world_open("Profile pw\n Auth password\n PasswordEnv ADIT_TEST_NONE\n"
               "Tunnel one\n Via h1\n LocalForward 8001 a:1\n AutoStart yes\n"
               "Tunnel two\n Via h2\n LocalForward 8002 a:1\n"
               "Tunnel bad\n Via h3\n LocalForward 8003 a:1\n AutoStart yes\n Profile pw\n");
    tunnels_start_all(world.t, &n, tell_start);
    assert_int_equal(n.started, 1);
    assert_int_equal(n.failed, 1);
    assert_string_equal(n.message, "No password found");
    const struct tunnel_status *bad = tunnel_status(tunnels_find(world.t, "bad"));
    assert_int_equal(bad->state, KEEP_FAILED);
    assert_true(bad->permanent);
    assert_string_equal(bad->last_error.text, "No password found");
    assert_string_equal(adit_err_kind(bad->last_error.code), "authentication");
    fake_connect(fake_links[0]);
    tunnels_badge(world.t, &up, &failed);
    assert_int_equal(up, 1);
    assert_int_equal(failed, 1);
    tunnels_start_all(world.t, &n, tell_start);
    assert_int_equal(n.running, 1);
    tunnels_network(world.t, 3);
    assert_int_equal(fake_links[0]->networks, 3);
    tunnels_reconnect_all(world.t);
    assert_int_equal(fake_links[0]->reconnects, 1);
    tunnels_stop_all(world.t, &n, tell_stop);
    assert_int_equal(n.stopped, 2);
    assert_int_equal(fake_links[0]->stops, 1);
    world_close();
}

static void test_a_file_that_changes_brings_it_back(void **state)
{
    (void)state;
    struct loop_timer *timer;
    char conf[256];
    world_open("");
    (void)adit_format(
        conf, sizeof conf,
        "Profile k\n IdentityFile %s/key\nTunnel one\n Via h\n Profile k\n LocalForward 8001 a:1\n",
        world.folder);
    struct tunnels_reloaded counts;
    assert_int_equal(tunnels_reload(world.t, world_conf(conf), &counts, NULL), ADIT_E_OK);
    start_it(tunnels_find(world.t, "one"));
    struct link *l = fake_links[0];
    fake_lost(l, KEEP_FAILED, 0, ADIT_E_AUTH, "no");
    world_mail();
    for (int i = 0; i < 3; i++) { /* the file is not there, comes, and stays as it is */
        timer = loop_expired(&world.loop, UINT64_MAX - 1);
        assert_non_null(timer);
        tunnels_on_timer(world.t, timer);
        assert_int_equal(l->file_changes, i > 0);
        if (i == 0)
            write_text("key", "a key", 0600);
    }
    fake_state(l, KEEP_RECONNECTING, 1, "a file has changed");
    world_mail();
    /* It fails again, and there is another change: not so soon. */
    fake_lost(l, KEEP_FAILED, 0, ADIT_E_AUTH, "no");
    world_mail();
    write_text("key", "another key", 0600);
    timer = loop_expired(&world.loop, UINT64_MAX - 1);
    assert_non_null(timer);
    tunnels_on_timer(world.t, timer);
    assert_int_equal(l->file_changes, 1);
    fake_state(l, KEEP_RECONNECTING, 1, "asked to");
    world_mail();
    timer = loop_expired(&world.loop, UINT64_MAX - 1);
    assert_non_null(timer);
    tunnels_on_timer(world.t, timer); /* nobody needs it any more */
    assert_null(loop_expired(&world.loop, UINT64_MAX - 1));
    world_close();
}

static void test_the_end(void **state)
{
    (void)state;
    struct definition d;
    world_open("");
    struct tunnel *a = add_local("a", "h", 8001);
    start_it(a);
    tunnels_end(world.t);
    assert_false(tunnels_has_ended(world.t));
    assert_int_equal(fake_links[0]->stops, 1);
    assert_false(tunnel_start(a, &error));
    assert_string_equal(error.code, "draining");
    define(&d, "b", "h", 8002);
    assert_null(tunnels_add(world.t, &d, &error));
    assert_string_equal(error.code, "draining");
    definition_wipe(&d);
    tunnels_end(world.t);
    assert_int_equal(fake_links[0]->stops, 2);
    world_close();
}

static uint64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* What happened in the middle of a second is told alike for as long as it is asked. */
static void test_a_time_stays(void **state)
{
    (void)state;
    uint64_t now = wall_ms(), past = loop_now_ms() - 5000 - now % 1000 + 500;
    assert_int_equal((uint64_t)tunnels_wall(past), now / 1000 - 5);
    for (uint64_t until = now + 1000; wall_ms() < until;) {
        assert_int_equal((uint64_t)tunnels_wall(past), now / 1000 - 5);
        (void)poll(NULL, 0, 20);
    }
    assert_int_equal(tunnels_wall(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_time_stays),
        cmocka_unit_test(test_names_and_ids),
        cmocka_unit_test(test_files_are_read_only),
        cmocka_unit_test(test_what_is_saved),
        cmocka_unit_test(test_a_port_is_held_while_it_runs),
        cmocka_unit_test(test_equal_routes_share_a_connection),
        cmocka_unit_test(test_a_profile_and_its_secrets),
        cmocka_unit_test(test_a_password_without_descriptors),
        cmocka_unit_test(test_a_link_without_descriptors),
        cmocka_unit_test(test_a_start_by_itself_is_tried_again),
        cmocka_unit_test(test_how_often_a_start_is_tried),
        cmocka_unit_test(test_an_alias_as_a_profile),
        cmocka_unit_test(test_a_key_that_ssh_config_names),
        cmocka_unit_test(test_reclaim_divides),
        cmocka_unit_test(test_aliases_share),
        cmocka_unit_test(test_who_trusts_otherwise_does_not_share),
        cmocka_unit_test(test_an_alias_that_changes_moves_its_tunnel),
        cmocka_unit_test(test_no_command_is_run_for_a_key),
        cmocka_unit_test(test_a_hop_with_a_profile_of_its_own),
        cmocka_unit_test(test_password_that_cannot_be_read_now),
        cmocka_unit_test(test_answers_that_cannot_be_read_now),
        cmocka_unit_test(test_jumps_through_tunnels),
        cmocka_unit_test(test_a_change_restarts_only_what_it_must),
        cmocka_unit_test(test_a_removed_one_takes_its_listeners_with_it),
        cmocka_unit_test(test_all_of_them),
        cmocka_unit_test(test_a_file_that_changes_brings_it_back),
        cmocka_unit_test(test_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
