#include "test.h"

#include <string.h>

#include "client/channel_rules.h"

static struct options o;
static struct channel_rules rules;
static struct session_config config;

static int setup(void **state)
{
    (void)state;
    options_init(&o);
    memset(&config, 0, sizeof config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    channel_rules_wipe(&rules);
    options_wipe(&o);
    return 0;
}

static void make(const char *line)
{
    struct adit_error err = {0};
    if (line != NULL)
        assert_int_equal(options_set_line(&o, line, &err), ADIT_E_OK);
    assert_int_equal(channel_rules_init(&rules, &o, &config, &err), ADIT_E_OK);
}

static void assert_permit(size_t i, const char *host, uint16_t port)
{
    assert_true(i < config.permit_count);
    if (host == NULL)
        assert_null(config.permits[i].host);
    else
        assert_string_equal(config.permits[i].host, host);
    assert_int_equal(config.permits[i].port, port);
}

static void test_nothing_given(void **state)
{
    (void)state;
    make(NULL);
    assert_false(config.permits_are_limited);
    for (size_t i = 0; i < SESSION_CHANNEL_KINDS; i++)
        assert_int_equal(config.channel_timeouts_s[i], 0);
}

static void test_any(void **state)
{
    (void)state;
    make("PermitRemoteOpen any");
    assert_false(config.permits_are_limited);
}

static void test_none(void **state)
{
    (void)state;
    make("PermitRemoteOpen none");
    assert_true(config.permits_are_limited);
    assert_int_equal(config.permit_count, 0);
}

static void test_permits(void **state)
{
    (void)state;
    make("PermitRemoteOpen db.internal:5432 [2001:db8::1]:80 *:443 10.0.0.5:* *:*");
    assert_true(config.permits_are_limited);
    assert_int_equal(config.permit_count, 5);
    assert_permit(0, "db.internal", 5432);
    assert_permit(1, "2001:db8::1", 80);
    assert_permit(2, NULL, 443);
    assert_permit(3, "10.0.0.5", 0);
    assert_permit(4, NULL, 0);
}

/* What a list of texts could hold if it was not checked: it permits nothing. */
static void test_malformed_permits_nothing(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ":", ":80", "h", "h:", "h:x", "h:0", "h:65536", "[]:80", "none"};
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_true(texts_add(&o.permit_remote_opens, span_str(bad[i])));
    make(NULL);
    assert_true(config.permits_are_limited);
    assert_int_equal(config.permit_count, 0);
}

static uint32_t timeout(enum session_channel_kind kind)
{
    return config.channel_timeouts_s[kind];
}

static void test_timeouts(void **state)
{
    (void)state;
    make("ChannelTimeout direct-tcpip=1m30s session=0 forwarded-*=2h global=3 *=7");
    assert_int_equal(timeout(SESSION_CHANNEL_DIRECT_TCPIP), 90);
    assert_int_equal(timeout(SESSION_CHANNEL_SESSION), 0);
    assert_int_equal(timeout(SESSION_CHANNEL_FORWARDED_TCPIP), 7200);
    assert_int_equal(timeout(SESSION_CHANNEL_FORWARDED_STREAMLOCAL), 7200);
    assert_int_equal(timeout(SESSION_CHANNEL_DIRECT_STREAMLOCAL), 7);
    assert_int_equal(timeout(SESSION_CHANNEL_AGENT), 7);
    assert_int_equal(timeout(SESSION_CHANNEL_STDIO), 7);
    assert_int_equal(timeout(SESSION_CHANNEL_GLOBAL), 3);
}

/* ssh_config(5): global is not matched by wildcards. */
static void test_global_is_named(void **state)
{
    (void)state;
    make("ChannelTimeout *=5 g*=6");
    assert_int_equal(timeout(SESSION_CHANNEL_GLOBAL), 0);
    assert_int_equal(timeout(SESSION_CHANNEL_SESSION), 5);
}

static void test_no_timeouts(void **state)
{
    (void)state;
    make("ChannelTimeout none");
    for (size_t i = 0; i < SESSION_CHANNEL_KINDS; i++)
        assert_int_equal(config.channel_timeouts_s[i], 0);
}

int main(void)
{
#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_nothing_given),
        T(test_any),
        T(test_none),
        T(test_permits),
        T(test_malformed_permits_nothing),
        T(test_timeouts),
        T(test_global_is_named),
        T(test_no_timeouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
