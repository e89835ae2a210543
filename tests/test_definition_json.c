#include "tests/json_scarce.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/definition_json.h"

#define LOCAL                                                                                      \
    "\"name\":\"web\",\"host\":\"bastion\",\"profile_id\":\"default\",\"forward_type\":\"local\"," \
    "\"local_port\":8443,\"remote_port\":443"

#define SOCKS "{\"forward_type\":\"dynamic\",\"local_port\":1}"

static json_t *json(const char *text)
{
    json_error_t where;
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (value == NULL)
        fail_msg("%s: %s", text, where.text);
    return value;
}

static bool take(struct definition *d, const char *text, bool is_new, struct definition_error *error)
{
    *error = (struct definition_error){0};
    json_t *value = json(text);
    bool fine = definition_from_json(d, value, is_new, error);
    json_decref(value);
    return fine;
}

static void take_fine(struct definition *d, const char *text, bool is_new)
{
    struct definition_error error;
    if (!take(d, text, is_new, &error))
        fail_msg("%s: %s %s: %s", text, error.code, error.field, error.message);
}

static char *text_of(const struct definition *d)
{
    json_t *value = definition_to_json(d);
    assert_non_null(value);
    char *text = json_dumps(value, JSON_COMPACT);
    assert_non_null(text);
    json_decref(value);
    return text;
}

static void is_text(const struct definition *d, const char *want)
{
    char *text = text_of(d);
    assert_string_equal(text, want);
    free(text);
}

/* The body with exactly its 14 fields, as other programs send it. */
static void test_all_fourteen(void **state)
{
    (void)state;
    struct definition d;
    definition_init(&d, DEFINITION_API);
    take_fine(&d,
              "{\"name\":\"web\",\"host\":\"bastion.example.net\",\"port\":2222,\"profile_id\":\"ops\","
              "\"jump_host_id\":null,\"jump_session_id\":null,\"forward_type\":\"local\",\"local_port\":8443,"
              "\"bind_address\":\"127.0.0.1\",\"remote_host\":\"10.0.0.5\",\"remote_port\":443,"
              "\"auto_start\":true,\"auto_reconnect\":false,\"max_retries\":7}",
              true);
    assert_string_equal(d.name, "web");
    assert_string_equal(d.host, "bastion.example.net");
    assert_int_equal(d.port, 2222);
    assert_string_equal(d.profile_id, "ops");
    assert_null(d.jump_host_id);
    assert_null(d.jump_session_id);
    assert_int_equal(d.forward_count, 1);
    assert_int_equal(d.forwards[0].type, FORWARD_LOCAL);
    assert_int_equal(d.forwards[0].local_port, 8443);
    assert_true(d.forwards[0].has_local_port && d.forwards[0].has_remote_port && !d.forwards[0].counts_up);
    assert_null(d.forwards[0].bind_address); /* the default has one form */
    assert_string_equal(d.forwards[0].remote_host, "10.0.0.5");
    assert_int_equal(d.forwards[0].remote_port, 443);
    assert_true(d.auto_start && !d.auto_reconnect);
    assert_int_equal(d.max_retries, 7);
    is_text(&d,
            "{\"name\":\"web\",\"host\":\"bastion.example.net\",\"port\":2222,\"profile_id\":\"ops\","
            "\"jump_host_id\":null,\"jump_session_id\":null,\"forward_type\":\"local\",\"local_port\":8443,"
            "\"bind_address\":\"127.0.0.1\",\"remote_host\":\"10.0.0.5\",\"remote_port\":443,"
            "\"auto_start\":true,\"auto_reconnect\":false,\"max_retries\":7,\"description\":null,"
            "\"lazy\":false,\"idle_exit\":0}");
    definition_wipe(&d);
}

static void test_defaults(void **state)
{
    (void)state;
    struct definition d;
    definition_init(&d, DEFINITION_API);
    take_fine(&d, "{" LOCAL "}", true);
    const char *want = "{\"name\":\"web\",\"host\":\"bastion\",\"port\":22,\"profile_id\":\"default\","
                       "\"jump_host_id\":null,\"jump_session_id\":null,\"forward_type\":\"local\","
                       "\"local_port\":8443,\"bind_address\":\"127.0.0.1\",\"remote_host\":null,"
                       "\"remote_port\":443,\"auto_start\":false,\"auto_reconnect\":true,\"max_retries\":5,"
                       "\"description\":null,\"lazy\":false,\"idle_exit\":0}";
    is_text(&d, want);
    assert_int_equal(d.port, 0); /* nobody gave one */
    definition_wipe(&d);

    definition_init(&d, DEFINITION_API);
    take_fine(&d,
              "{" LOCAL ",\"port\":null,\"bind_address\":null,\"remote_host\":null,\"auto_start\":null,"
              "\"auto_reconnect\":null,\"max_retries\":null,\"description\":null,\"lazy\":null,"
              "\"idle_exit\":null}",
              true);
    is_text(&d, want);
    definition_wipe(&d);
}

static void test_other_types(void **state)
{
    (void)state;
    struct definition d;
    definition_init(&d, DEFINITION_API);
    take_fine(&d,
              "{\"name\":\"socks\",\"host\":\"alice@bastion\",\"profile_id\":\"default\",\"forward_type\":"
              "\"dynamic\",\"local_port\":\"10000+\",\"description\":\"d\",\"lazy\":true,\"idle_exit\":600}",
              true);
    assert_true(d.forwards[0].counts_up);
    assert_int_equal(d.forwards[0].local_port, 10000);
    assert_string_equal(d.host, "bastion");
    assert_string_equal(d.user, "alice");
    is_text(&d, "{\"name\":\"socks\",\"host\":\"alice@bastion\",\"port\":22,\"profile_id\":\"default\","
                "\"jump_host_id\":null,\"jump_session_id\":null,\"forward_type\":\"dynamic\","
                "\"local_port\":\"10000+\",\"bind_address\":\"127.0.0.1\",\"remote_host\":null,"
                "\"remote_port\":null,\"auto_start\":false,\"auto_reconnect\":true,\"max_retries\":5,"
                "\"description\":\"d\",\"lazy\":true,\"idle_exit\":600}");
    definition_wipe(&d);

    definition_init(&d, DEFINITION_API);
    take_fine(
        &d,
        "{\"name\":\"back\",\"host\":\"bastion\",\"profile_id\":\"default\",\"forward_type\":\"remote\","
        "\"local_port\":3000,\"remote_port\":0,\"remote_host\":null}",
        true);
    assert_int_equal(d.forwards[0].type, FORWARD_REMOTE);
    assert_true(d.forwards[0].has_remote_port && d.forwards[0].remote_port == 0);
    definition_wipe(&d);
}

/* What definition_to_json writes is taken again, and means the same. */
static void test_round_trip(void **state)
{
    (void)state;
    struct definition d, again;
    definition_init(&d, DEFINITION_API);
    definition_init(&again, DEFINITION_API);
    take_fine(&d,
              "{" LOCAL ",\"port\":22,\"description\":\"a \\\"quoted\\\" \\u00e9\",\"jump_host_id\":\"a,b\"}",
              true);
    char *text = text_of(&d);
    take_fine(&again, text, true);
    assert_true(definition_same(&d, &again));
    free(text);
    definition_wipe(&d);
    definition_wipe(&again);
}

static void test_put_keeps_what_is_absent(void **state)
{
    (void)state;
    struct definition d;
    definition_init(&d, DEFINITION_API);
    assert_true(definition_set(&d.id, "tunnel_1_00000000"));
    d.created_at = 42;
    take_fine(&d,
              "{" LOCAL
              ",\"port\":2222,\"remote_host\":\"10.0.0.5\",\"description\":\"old\",\"max_retries\":9}",
              true);
    take_fine(&d, "{\"description\":\"new\"}", false);
    assert_string_equal(d.description, "new");
    assert_int_equal(d.port, 2222);
    assert_int_equal(d.max_retries, 9);
    assert_string_equal(d.forwards[0].remote_host, "10.0.0.5");
    definition_wipe(&d);

    /* Of the defaults that are shown, none becomes a choice by being sent back. */
    definition_init(&d, DEFINITION_API);
    take_fine(&d, "{" LOCAL "}", true);
    struct definition before;
    assert_true(definition_copy(&before, &d));
    char *shown = text_of(&d);
    take_fine(&d, shown, false);
    assert_true(definition_same(&before, &d));
    take_fine(&d, "{\"port\":2222}", false);
    assert_int_equal(d.port, 2222);
    take_fine(&d, "{\"port\":22}", false);
    assert_int_equal(d.port, 22);
    free(shown);
    definition_wipe(&before);
    definition_wipe(&d);
}

static void test_put_null(void **state)
{
    (void)state;
    struct definition d;
    definition_init(&d, DEFINITION_API);
    assert_true(definition_set(&d.id, "tunnel_1_00000000"));
    d.created_at = 42;
    take_fine(&d, "{" LOCAL ",\"port\":2222,\"remote_host\":\"10.0.0.5\",\"max_retries\":9}", true);
    take_fine(&d, "{\"port\":null,\"max_retries\":null,\"remote_host\":null}", false);
    assert_int_equal(d.port, 0);
    assert_int_equal(d.max_retries, 5);
    assert_null(d.forwards[0].remote_host);
    take_fine(&d, "{}", false);
    assert_string_equal(d.id, "tunnel_1_00000000");
    assert_int_equal(d.created_at, 42);
    struct definition_error error;
    assert_false(take(&d, "{\"name\":null}", false, &error));
    assert_string_equal(error.code, DEFINITION_E_MISSING);
    assert_string_equal(error.field, "name");
    assert_string_equal(d.name, "web");
    definition_wipe(&d);
}

/* T itself may be sent back: the fields that are only read are not looked at. */
static void test_read_fields_are_skipped(void **state)
{
    (void)state;
    struct definition d;
    definition_init(&d, DEFINITION_API);
    take_fine(
        &d,
        "{" LOCAL
        ",\"id\":\"x\",\"origin\":\"file\",\"status\":1,\"state\":null,\"listening\":[],\"spec\":{},"
        "\"via\":\"\",\"forwards\":[{}],\"listen\":[],\"bound_port\":-1,\"uptime\":1,\"retry_count\":\"\","
        "\"next_retry_at\":0,\"last_error\":0,\"last_error_kind\":0,\"last_error_at\":0,\"permanent\":0,"
        "\"host_key\":{},\"kex\":0,\"cipher\":0,\"rtt_ms\":0,\"created_at\":\"x\",\"last_activity\":0,"
        "\"bytes_sent\":0,\"bytes_received\":0,\"connections_total\":0,\"connections_active\":0,"
        "\"errors_total\":0,\"errors\":{}}",
        true);
    assert_null(d.id);
    assert_int_equal(d.created_at, 0);
    assert_int_equal(d.origin, DEFINITION_API);
    definition_wipe(&d);
}

/* The forwards behind the first one: they stay where a PUT does not name them, and go with null. */
static void test_more_forwards(void **state)
{
    static const char two[] =
        "[{\"forward_type\":\"dynamic\",\"local_port\":\"10000+\",\"bind_address\":"
        "\"::1\",\"remote_host\":null,\"remote_port\":null},{\"forward_type\":\"remote\","
        "\"local_port\":3000,\"bind_address\":\"127.0.0.1\",\"remote_host\":null,"
        "\"remote_port\":8080}]";
    char body[600];
    struct definition d;
    (void)state;
    definition_init(&d, DEFINITION_API);
    (void)adit_format(body, sizeof body, "{" LOCAL ",\"more_forwards\":%s}", two);
    take_fine(&d, body, true);
    assert_int_equal(d.forward_count, 3);
    assert_int_equal(d.forwards[1].type, FORWARD_DYNAMIC);
    assert_true(d.forwards[1].counts_up && d.forwards[1].local_port == 10000);
    assert_string_equal(d.forwards[1].bind_address, "::1");
    assert_int_equal(d.forwards[2].type, FORWARD_REMOTE);
    assert_null(d.forwards[2].bind_address);
    json_t *shown = definition_to_json(&d);
    char *text = json_dumps(json_object_get(shown, "more_forwards"), JSON_COMPACT);
    assert_string_equal(text, two);
    free(text);
    json_decref(shown);
    take_fine(&d, "{\"local_port\":9000,\"description\":\"x\"}", false);
    assert_int_equal(d.forward_count, 3);
    assert_int_equal(d.forwards[0].local_port, 9000);
    take_fine(&d, "{\"more_forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1}]}", false);
    assert_int_equal(d.forward_count, 2);
    take_fine(&d, "{\"more_forwards\":null}", false);
    assert_int_equal(d.forward_count, 1);
    definition_wipe(&d);
}

/* Each body stands for a POST; the fields are those of LOCAL but for what is said. */
static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *body, *code, *field;
    } rows[] = {
        {"[]", "invalid_value", ""},
        {"\"x\"", "invalid_value", ""},
        {"{" LOCAL ",\"bogus\":1}", "unknown_field", "bogus"},
        {"{" LOCAL ",\"allow_non_loopback\":true}", "unknown_field", "allow_non_loopback"},
        {"{" LOCAL ",\"Name\":\"x\"}", "unknown_field", "Name"},
        {"{}", "missing_field", "name"},
        {"{\"name\":\"x\"}", "missing_field", "host"},
        {"{\"name\":\"x\",\"host\":\"h\"}", "missing_field", "profile_id"},
        {"{\"name\":\"x\",\"host\":\"h\",\"profile_id\":null}", "missing_field", "profile_id"},
        {"{\"name\":\"x\",\"host\":\"h\",\"profile_id\":\"default\"}", "missing_field", "forward_type"},
        {"{\"name\":\"x\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"local\"}",
         "missing_field", "local_port"},
        {"{\"name\":\"x\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"local\",\"local_"
         "port\":1}",
         "missing_field", "remote_port"},
        {"{" LOCAL ",\"port\":0}", "invalid_value", "port"},
        {"{" LOCAL ",\"port\":65536}", "invalid_value", "port"},
        {"{" LOCAL ",\"port\":\"22\"}", "invalid_value", "port"},
        {"{" LOCAL ",\"port\":22.0}", "invalid_value", "port"},
        {"{" LOCAL ",\"port\":true}", "invalid_value", "port"},
        {"{" LOCAL ",\"max_retries\":-1}", "invalid_value", "max_retries"},
        {"{" LOCAL ",\"max_retries\":4294967296}", "invalid_value", "max_retries"},
        {"{" LOCAL ",\"max_retries\":1.5}", "invalid_value", "max_retries"},
        {"{" LOCAL ",\"idle_exit\":-1}", "invalid_value", "idle_exit"},
        {"{" LOCAL ",\"idle_exit\":\"10m\"}", "invalid_value", "idle_exit"},
        {"{" LOCAL ",\"auto_start\":1}", "invalid_value", "auto_start"},
        {"{" LOCAL ",\"auto_reconnect\":\"yes\"}", "invalid_value", "auto_reconnect"},
        {"{" LOCAL ",\"lazy\":0}", "invalid_value", "lazy"},
        {"{" LOCAL ",\"description\":1}", "invalid_value", "description"},
        {"{" LOCAL ",\"more_forwards\":{}}", "invalid_value", "more_forwards"},
        {"{" LOCAL ",\"more_forwards\":[1]}", "invalid_value", "more_forwards[0].forward_type"},
        {"{" LOCAL ",\"more_forwards\":[{}]}", "missing_field", "more_forwards[0].forward_type"},
        {"{" LOCAL ",\"more_forwards\":[" SOCKS ",{\"forward_type\":\"dynamic\"}]}", "missing_field",
         "more_forwards[1].local_port"},
        {"{" LOCAL ",\"more_forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1,\"host\":\"h\"}]}",
         "unknown_field", "more_forwards[0].host"},
        {"{" LOCAL ",\"more_forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":1,\"bind_address\":"
         "\"0.0.0.0\"}]}",
         "invalid_value", "more_forwards[0].bind_address"},
        {"{" LOCAL ",\"more_forwards\":[" SOCKS "," SOCKS "]}", "invalid_value",
         "more_forwards[1].local_port"},
        {"{" LOCAL ",\"more_forwards\":[{\"forward_type\":\"dynamic\",\"local_port\":8443}]}",
         "invalid_value", "more_forwards[0].local_port"},
        {"{" LOCAL ",\"jump_host_id\":[]}", "invalid_value", "jump_host_id"},
        {"{" LOCAL ",\"jump_session_id\":{}}", "invalid_value", "jump_session_id"},
        {"{" LOCAL ",\"bind_address\":127}", "invalid_value", "bind_address"},
        {"{" LOCAL ",\"remote_host\":false}", "invalid_value", "remote_host"},
        {"{" LOCAL ",\"remote_host\":\"a\\u0000b\"}", "invalid_value", "remote_host"},
        {"{" LOCAL ",\"description\":\"\\u0000\"}", "invalid_value", "description"},
        {"{\"name\":7}", "invalid_value", "name"},
        {"{\"name\":\"x\",\"host\":1}", "invalid_value", "host"},
        {"{\"name\":\"x\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"sideways\"}",
         "invalid_value", "forward_type"},
        {"{\"name\":\"x\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":1}", "invalid_value",
         "forward_type"},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct definition d;
        struct definition_error error;
        definition_init(&d, DEFINITION_API);
        if (take(&d, rows[i].body, true, &error))
            fail_msg("taken: %s", rows[i].body);
        if (strcmp(error.code, rows[i].code) != 0 || strcmp(error.field, rows[i].field) != 0)
            fail_msg("%s: %s '%s': %s", rows[i].body, error.code, error.field, error.message);
        assert_true(error.message[0] != 0);
        assert_null(d.name);
        definition_wipe(&d);
    }
}

static void test_local_port(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        bool is_fine;
    } rows[] = {
        {"0", true},
        {"65535", true},
        {"\"1+\"", true},
        {"\"65535+\"", true},
        {"-1", false},
        {"65536", false},
        {"\"8080\"", false},
        {"\"+\"", false},
        {"\"70000+\"", false},
        {"\"10000++\"", false},
        {"8080.0", false},
        {"\"\"", false},
        {"[8080]", false},
        {"1e3", false},
        {"\" 1+\"", false},
        {"\"-1+\"", false},
        {"99999999999", false},
        {"\"0x10+\"", false},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        char body[256];
        struct definition d;
        struct definition_error error;
        (void)adit_format(
            body, sizeof body,
            "{\"name\":\"x\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"local\","
            "\"remote_port\":1,\"local_port\":%s}",
            rows[i].value);
        definition_init(&d, DEFINITION_API);
        if (take(&d, body, true, &error) != rows[i].is_fine)
            fail_msg("%s: %s", body, error.message);
        if (!rows[i].is_fine)
            assert_string_equal(error.field, "local_port");
        definition_wipe(&d);
    }
}

static void test_fields(void **state)
{
    (void)state;
    assert_true(definition_field_is_written("idle_exit") && !definition_field_is_read("idle_exit"));
    assert_true(definition_field_is_read("errors_total") && !definition_field_is_written("errors_total"));
    assert_false(definition_field_is_written("") || definition_field_is_read(""));
}

/* state.json is made of it. A text that is cleaned has at most 1024 bytes: the way of jumps is longer. */
static void test_writing_without_memory(void **state)
{
    (void)state;
    struct definition d;
    char body[4096], jump[200] = {0};
    definition_init(&d, DEFINITION_API);
    memset(jump, 'j', sizeof jump - 1);
    (void)adit_format(body, sizeof body,
                      "{" LOCAL ",\"remote_host\":\"r\",\"description\":\"words\",\"more_forwards\":[" SOCKS
                      "],\"jump_host_id\":\"%s,%s,%s,%s,%s,%s\"}",
                      jump, jump, jump, jump, jump, jump);
    take_fine(&d, body, true);
    json_t *whole = definition_to_json(&d), *got = NULL;
    for (long i = 0; json_scarce_goes_on(i); i++) {
        json_scarce_begin(i);
        got = definition_to_json(&d);
        json_scarce_end();
        assert_true(got == NULL || json_equal(got, whole));
        json_decref(got);
    }
    assert_non_null(got);
    json_decref(whole);
    definition_wipe(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fourteen),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_other_types),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_put_keeps_what_is_absent),
        cmocka_unit_test(test_put_null),
        cmocka_unit_test(test_read_fields_are_skipped),
        cmocka_unit_test(test_more_forwards),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_local_port),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_writing_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
