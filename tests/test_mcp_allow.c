/* What MCP may reach: nothing that is not named. */
#include "tests/test.h"

#include "daemon/mcp_allow.h"

static struct mcp_allow allow;
static struct adit_error err;

static void test_targets(void **state)
{
    (void)state;
    mcp_allow_init(&allow);
    assert_false(mcp_allow_has(&allow.targets, "10.0.0.5", 443));
    assert_int_equal(mcp_allow_add(&allow.targets, "10.0.0.*:443", &err), ADIT_E_OK);
    assert_int_equal(mcp_allow_add(&allow.targets, "db.internal:*", &err), ADIT_E_OK);
    assert_true(mcp_allow_has(&allow.targets, "10.0.0.5", 443));
    assert_false(mcp_allow_has(&allow.targets, "10.0.0.5", 80));
    assert_false(mcp_allow_has(&allow.targets, "10.0.0.evil.example.com", 443));
    assert_false(mcp_allow_has(&allow.targets, "10.0.1.5", 443));
    assert_true(mcp_allow_has(&allow.targets, "DB.internal", 5432));
    assert_false(mcp_allow_has(&allow.targets, "db.internal.example.com", 5432));
    assert_false(mcp_allow_has(&allow.locals, "10.0.0.5", 443));
    mcp_allow_wipe(&allow);
}

static void test_malformed(void **state)
{
    static const char *const wrong[] = {"", "host", "host:", ":80", "host:http", "host:70000", "a b:80"};
    (void)state;
    mcp_allow_init(&allow);
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++) {
        err = (struct adit_error){0};
        assert_int_equal(mcp_allow_add(&allow.targets, wrong[i], &err), ADIT_E_USAGE);
    }
    assert_int_equal(mcp_allow_add_server(&allow, "", &err), ADIT_E_USAGE);
    assert_int_equal(allow.targets.count + allow.servers.count, 0);
    mcp_allow_wipe(&allow);
}

static bool has_server(const char *text)
{
    struct jump_spec spec;
    assert_int_equal(jump_spec_parse(&spec, span_str(text), NULL), ADIT_E_OK);
    return mcp_allow_has_server(&allow, &spec);
}

static void test_servers(void **state)
{
    (void)state;
    mcp_allow_init(&allow);
    assert_false(has_server("a.example.com"));
    assert_int_equal(mcp_allow_add_server(&allow, "*.example.com", &err), ADIT_E_OK);
    assert_int_equal(mcp_allow_add_server(&allow, "127.0.0.1:2222", &err), ADIT_E_OK);
    assert_true(has_server("a.Example.com"));
    assert_true(has_server("me@a.example.com:2022"));
    assert_false(has_server("a.example.com@evil.example.org"));
    assert_true(has_server("127.0.0.1:2222"));
    assert_false(has_server("127.0.0.1"));
    assert_int_equal(mcp_allow_add_server(&allow, "!secret.example.com", &err), ADIT_E_OK);
    assert_false(has_server("secret.example.com"));
    assert_true(has_server("a.example.com"));
    mcp_allow_wipe(&allow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
