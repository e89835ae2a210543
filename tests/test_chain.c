#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "client/chain.h"
#include "fake_prompt.h"

struct fixture {
    struct options options;
    struct fake_prompt fake;
    struct chain *chain;
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
    setenv("HOME", "/nowhere", 1);
    option("UserKnownHostsFile none");
    option("GlobalKnownHostsFile none");
    option("IdentityFile none");
    option("User me");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    chain_free(f.chain);
    options_wipe(&f.options);
    return 0;
}

static enum adit_err make(const char *host)
{
    const struct chain_query query = {.options = &f.options, .host = host, .config_file = "none"};
    return chain_new(&f.chain, &query, &f.fake.prompt, &f.err);
}

static const struct session_config *config(size_t link)
{
    return client_session_config(chain_client(f.chain, link));
}

/* One stream, to host and port. */
static void check_target(size_t link, const char *host, uint16_t port)
{
    assert_int_equal(config(link)->forward_count, 1);
    assert_string_equal(config(link)->forwards[0].host, host);
    assert_int_equal(config(link)->forwards[0].port, port);
    assert_false(config(link)->keep_open);
}

static void test_no_jump(void **state)
{
    (void)state;
    option("ProxyJump none");
    assert_int_equal(make("web"), ADIT_E_OK);
    assert_int_equal(chain_count(f.chain), 1);
    assert_null(chain_name(f.chain, 0));
    assert_string_equal(config(0)->host, "web");
}

static void test_order(void **state)
{
    (void)state;
    option("ProxyJump first@a,b:222,[::1]:333");
    option("HostName %h.example");
    option("Port 444");
    option("LocalForward 1 x:1");
    option("SessionType none");
    assert_int_equal(make("web"), ADIT_E_OK);
    assert_int_equal(chain_count(f.chain), 4);
    assert_string_equal(chain_name(f.chain, 0), "first@a");
    assert_string_equal(chain_name(f.chain, 1), "b:222");
    assert_string_equal(chain_name(f.chain, 2), "[::1]:333");
    assert_null(chain_name(f.chain, 3));
    assert_string_equal(config(0)->user, "first");
    assert_string_equal(config(0)->host, "a");
    assert_int_equal(config(0)->port, 22);
    check_target(0, "b", 222);
    check_target(1, "::1", 333);
    check_target(2, "web.example", 444);
    assert_string_equal(config(3)->user, "me");
    assert_string_equal(config(3)->forwards[0].host, "x");
    assert_true(config(3)->keep_open);
}

/* The destination's options are not the jump host's. */
static void test_own_options(void **state)
{
    (void)state;
    option("ProxyJump a");
    option("ServerAliveInterval 77");
    option("Ciphers aes256-ctr");
    assert_int_equal(make("web"), ADIT_E_OK);
    assert_int_equal(config(0)->ssh.alive_interval_s, 0);
    assert_null(config(0)->ssh.ciphers);
    assert_int_equal(config(1)->ssh.alive_interval_s, 77);
    assert_string_not_equal(config(0)->user, "me");
}

/* Who connects again for ever must see that a jump host says nothing. */
static void test_defaults_of_jump_hosts(void **state)
{
    (void)state;
    const struct chain_query query = {.options = &f.options,
                                      .host = "web",
                                      .config_file = "none",
                                      .alive_interval = "15",
                                      .connect_timeout = "30"};
    option("ProxyJump a");
    assert_int_equal(chain_new(&f.chain, &query, &f.fake.prompt, &f.err), ADIT_E_OK);
    assert_int_equal(config(0)->ssh.alive_interval_s, 15);
    assert_int_equal(config(0)->connect_timeout_ms, 30000);
}

static void check_loop(const char *jump, const char *host)
{
    (void)setup(NULL);
    assert_int_equal(options_set(&f.options, "ProxyJump", jump, &f.err), ADIT_E_OK);
    assert_int_equal(make(host), ADIT_E_CONFIG);
    assert_null(f.chain);
    assert_non_null(strstr(f.err.text, "loop"));
    options_wipe(&f.options);
}

/* Jump hosts that somebody describes: with their own words, and only the last one's ProxyJump. */
static void test_given_hops(void **state)
{
    (void)state;
    struct texts near, far;
    texts_init(&near);
    texts_init(&far);
    assert_true(texts_add(&near, span_str("ProxyJump none")) && texts_add(&far, span_str("User eve")) &&
                texts_add(&far, span_str("HostName far.example")) &&
                texts_add(&far, span_str("ProxyJump first")));
    const struct chain_hop hops[] = {
        {.name = "bob@near:222", .host = "near", .user = "bob", .port = 222, .settings = &near},
        {.name = "far", .host = "far", .settings = &far}};
    const struct chain_query query = {
        .options = &f.options, .host = "web", .config_file = "none", .hops = hops, .hop_count = 2};
    option("ProxyJump unused");
    assert_int_equal(chain_new(&f.chain, &query, &f.fake.prompt, &f.err), ADIT_E_OK);
    assert_int_equal(chain_count(f.chain), 4);
    assert_string_equal(chain_name(f.chain, 0), "first");
    assert_string_equal(chain_name(f.chain, 1), "far");
    assert_string_equal(chain_name(f.chain, 2), "bob@near:222");
    assert_string_equal(config(1)->user, "eve");
    assert_string_equal(config(1)->host, "far.example");
    check_target(1, "near", 222);
    assert_string_equal(config(2)->user, "bob");
    check_target(2, "web", 22);
    texts_wipe(&near);
    texts_wipe(&far);
}

static void test_loop(void **state)
{
    (void)state;
    options_wipe(&f.options);
    check_loop("me@web", "web");
    check_loop("me@WEB:22", "web");
    check_loop("a,a", "web");
    check_loop("u@a:1,b,u@A:1", "web");
    (void)setup(NULL);
    option("ProxyJump a:1,a:2,u@a:1,web");
    assert_int_equal(make("web"), ADIT_E_OK); /* all different */
    assert_int_equal(chain_count(f.chain), 5);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_no_jump),     TEST(test_order),
                                       TEST(test_own_options), TEST(test_defaults_of_jump_hosts),
                                       TEST(test_given_hops),  TEST(test_loop)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
