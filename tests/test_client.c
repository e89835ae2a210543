#include "test.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client/client.h"
#include "fake_prompt.h"

struct fixture {
    struct options options;
    struct fake_prompt fake;
    struct client *client;
    struct adit_error err;
};
static struct fixture f;

static void option(const char *line)
{
    assert_int_equal(options_set_line(&f.options, line, &f.err), ADIT_E_OK);
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    fake_prompt_init(&f.fake);
    options_init(&f.options);
    unsetenv("SSH_AUTH_SOCK");
    unsetenv("ADIT_KEY");
    option("UserKnownHostsFile none");
    option("GlobalKnownHostsFile none");
    option("IdentityFile none");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_free(f.client);
    options_wipe(&f.options);
    return 0;
}

static struct session_config *config(const char *host, const struct forward_spec *stdio)
{
    memset(&f.err, 0, sizeof f.err);
    assert_int_equal(client_new(&f.client, &f.options, host, stdio, &f.fake.prompt, &f.err), ADIT_E_OK);
    return client_session_config(f.client);
}

static void test_config(void **state)
{
    (void)state;
    option("HostName %h.example");
    option("User me");
    option("Port 2222");
    option("AddressFamily inet");
    option("ConnectTimeout 7");
    option("ServerAliveInterval 15");
    option("LogLevel DEBUG2");
    option("SessionType none");
    const struct session_config *c = config("web", NULL);
    assert_string_equal(c->host, "web.example");
    assert_string_equal(c->user, "me");
    assert_int_equal(c->port, 2222);
    assert_int_equal(c->family, AF_INET);
    assert_int_equal(c->connect_timeout_ms, 7000);
    assert_int_equal(c->ssh.alive_interval_s, 15);
    assert_int_equal(c->log_level, SESSION_DEBUG2);
    assert_int_equal(c->transport_fd, -1);
    assert_true(c->keep_open && c->tcp_keepalive);
}

static void test_version_addendum(void **state)
{
    (void)state;
    option("VersionAddendum of %n %%");
    assert_string_equal(config("web", NULL)->ssh.ident, "adit_" ADIT_VERSION " of web %");
}

static void test_no_version_addendum(void **state)
{
    (void)state;
    option("VersionAddendum none");
    assert_null(config("web", NULL)->ssh.ident);
}

static void test_binds(void **state)
{
    (void)state;
    option("LocalForward 1 h:1");
    option("LocalForward *:2 h:2");
    option("LocalForward localhost:3 h:3");
    option("RemoteForward 127.0.0.7:4 h:4");
    option("DynamicForward 5");
    const struct session_config *c = config("h", NULL);
    assert_int_equal(c->forward_count, 5);
    assert_null(c->forwards[0].bind);
    assert_string_equal(c->forwards[1].bind, "");
    assert_string_equal(c->forwards[2].bind, "localhost");
    assert_string_equal(c->forwards[3].bind, "127.0.0.7");
    assert_int_equal(c->forwards[3].type, SESSION_FORWARD_REMOTE);
    assert_null(c->forwards[4].host);
    assert_int_equal(client_forward(f.client, 1)->port, 2);
    assert_null(client_forward(f.client, 5));
}

static void test_gateway_ports(void **state)
{
    (void)state;
    option("GatewayPorts yes");
    option("LocalForward 1 h:1");
    option("RemoteForward 2 h:2");
    const struct session_config *c = config("h", NULL);
    assert_string_equal(c->forwards[0].bind, "");
    assert_null(c->forwards[1].bind); /* it is the server's own option there */
}

static void test_paths(void **state)
{
    (void)state;
    setenv("ADIT_TEST_DIR", "/run", 1);
    option("User me");
    option("LocalForward ${ADIT_TEST_DIR}/%n-%p-%% /t/%r");
    option("RemoteForward [~/a:b] /x");
    option("DynamicForward %h/x");
    const struct session_config *c = config("web", NULL);
    assert_string_equal(c->forwards[0].bind_path, "/run/web-22-%");
    assert_string_equal(c->forwards[0].path, "/t/me");
    assert_null(c->forwards[0].host);
    assert_null(c->forwards[0].bind);
    assert_string_equal(c->forwards[1].bind_path, "~/a:b");
    assert_string_equal(c->forwards[2].bind_path, "%h/x"); /* ssh has tokens in the other two alone */
    assert_null(c->forwards[2].path);
    assert_int_equal(c->unix_mask, 0177);
    assert_false(c->unix_replace);
}

static void refuses(const char *line, const char *text)
{
    memset(&f.err, 0, sizeof f.err);
    option(line);
    assert_int_equal(client_new(&f.client, &f.options, "h", NULL, &f.fake.prompt, &f.err), ADIT_E_CONFIG);
    assert_non_null(strstr(f.err.text, text));
    assert_null(f.client);
}

static void test_bad_token(void **state)
{
    (void)state;
    refuses("LocalForward /%z h:1", "%z");
}

static void test_unset_variable(void **state)
{
    (void)state;
    unsetenv("ADIT_TEST_DIR");
    refuses("RemoteForward 1 ${ADIT_TEST_DIR}/x", "not set");
}

static void test_long_path(void **state)
{
    (void)state;
    char line[200] = "LocalForward 1 /";
    memset(line + strlen(line), 'x', 107);
    refuses(line, "longer than 107 bytes");
}

static void test_dirty_path(void **state)
{
    (void)state;
    setenv("ADIT_TEST_DIR", "a\nb", 1);
    refuses("LocalForward 1 /${ADIT_TEST_DIR}", "control characters");
}

static void test_remote_socks(void **state)
{
    (void)state;
    option("RemoteForward 1080");
    option("StreamLocalBindMask 0111");
    option("StreamLocalBindUnlink yes");
    option("PermitRemoteOpen a:1 *:2");
    const struct session_config *c = config("h", NULL);
    assert_int_equal(c->forwards[0].type, SESSION_FORWARD_REMOTE);
    assert_null(c->forwards[0].host);
    assert_null(c->forwards[0].path);
    assert_int_equal(c->unix_mask, 0111);
    assert_true(c->unix_replace && c->permits_are_limited);
    assert_int_equal(c->permit_count, 2);
}

static void test_stdio(void **state)
{
    (void)state;
    struct forward_spec stdio = {.type = FORWARD_STDIO, .host = "t", .host_port = 25};
    option("LocalForward 1 h:1");
    option("ClearAllForwardings yes");
    option("SessionType none");
    const struct session_config *c = config("h", &stdio);
    assert_int_equal(c->forward_count, 1);
    assert_int_equal(c->forwards[0].type, SESSION_FORWARD_STDIO);
    assert_string_equal(c->forwards[0].host, "t");
    assert_false(c->keep_open); /* it ends with its data */
}

static void test_bad_names(void **state)
{
    (void)state;
    static const char *const hosts[] = {"", "a b", "a,b"};
    for (size_t i = 0; i < ADIT_COUNT(hosts); i++) {
        memset(&f.err, 0, sizeof f.err);
        assert_int_not_equal(client_new(&f.client, &f.options, hosts[i], NULL, &f.fake.prompt, &f.err),
                             ADIT_E_OK);
        assert_null(f.client);
    }
}

int main(void)
{
    struct adit_error err = {0};
    if (client_setup(&err) != ADIT_E_OK)
        return 1;
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_config),     T(test_version_addendum), T(test_no_version_addendum),
        T(test_binds),      T(test_gateway_ports),    T(test_paths),
        T(test_bad_token),  T(test_unset_variable),   T(test_long_path),
        T(test_dirty_path), T(test_remote_socks),     T(test_stdio),
        T(test_bad_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
