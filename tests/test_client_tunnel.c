#include "test.h"

#include <string.h>

#include "daemon/client_tunnel.h"

static struct client_tunnels list;

static enum adit_err parse(const char *text)
{
    struct adit_error err = {0};
    enum adit_err e = client_tunnels_parse(&list, text, strlen(text), &err);
    assert_int_equal(e, err.code);
    return e;
}

#define WEB                                                                                              \
    "{\"id\":\"tunnel_1\",\"name\":\"web\",\"state\":\"reconnecting\",\"spec\":\"L :1 -> "               \
    "h:2\",\"via\":\"b\","                                                                               \
    "\"origin\":\"api\",\"uptime\":null,\"retry_count\":3,\"last_error\":\"no\\u001b[1m route\","        \
    "\"last_error_kind\":\"transport\",\"permanent\":false,\"auto_reconnect\":true,"                     \
    "\"listen\":[\"127.0.0.1:1\",\"[::1]:1\",5],\"host_key\":{\"type\":\"ssh-ed25519\",\"fingerprint\":" \
    "\"SHA256:x\","                                                                                      \
    "\"known\":false}}"

static void test_fields(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"tunnels\":[" WEB
                           ",{\"id\":\"web\",\"name\":\"x\",\"state\":\"connected\",\"uptime\":61}]}"),
                     ADIT_E_OK);
    assert_int_equal(list.count, 2);
    const struct client_tunnel *t = client_tunnels_find(&list, "tunnel_1");
    assert_non_null(t);
    assert_string_equal(t->last_error, "no route");
    assert_int_equal(t->uptime, -1);
    assert_int_equal(t->retry_count, 3);
    assert_int_equal(t->addresses.count, 2);
    assert_string_equal(t->addresses.item[1], "[::1]:1");
    assert_string_equal(t->fingerprint, "SHA256:x");
    assert_false(t->is_key_known);
    assert_non_null(strstr(t->json, "\"known\":false"));
    t = client_tunnels_find(&list, "web"); /* an id goes before a name */
    assert_string_equal(t->name, "x");
    assert_int_equal(t->uptime, 61);
    assert_string_equal(t->spec, "");
    assert_true(client_tunnel_is_up(t));
    assert_null(client_tunnels_find(&list, "nobody"));
    client_tunnels_wipe(&list);
    assert_int_equal(parse(WEB), ADIT_E_OK);
    assert_int_equal(list.count, 1);
    client_tunnels_wipe(&list);
    assert_int_equal(parse("{\"tunnels\":[]}"), ADIT_E_OK);
    assert_int_equal(list.count, 0);
    client_tunnels_wipe(&list);
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"tunnels\":{}}",
                                        "{\"tunnels\":[5]}",
                                        "{\"tunnels\":[" WEB ",null]}",
                                        "{\"tunnels\":[",
                                        "null",
                                        "{\"id\":5}"};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(texts); i++) {
        assert_int_equal(parse(texts[i]), ADIT_E_PROTOCOL);
        assert_null(list.item);
    }
}

static void test_errors(void **state)
{
    static const struct {
        const char *state, *kind;
        bool permanent, auto_reconnect;
        enum adit_err error;
    } rows[] = {{"connected", "transport", false, true, ADIT_E_OK},
                {"idle", "transport", false, true, ADIT_E_OK},
                {"connecting", "", false, true, ADIT_E_OK},
                {"failed", "authentication", true, true, ADIT_E_AUTH},
                {"failed", "host-key", true, true, ADIT_E_HOST_KEY},
                {"failed", "unsupported", true, true, ADIT_E_NEGOTIATION},
                {"failed", "transport", false, true, ADIT_E_GAVE_UP},
                {"failed", "transport", false, false, ADIT_E_CONNECT},
                {"failed", "forwarding", false, false, ADIT_E_FORWARD},
                {"failed", "", false, true, ADIT_E_SYSTEM},
                {"reconnecting", "timeout", false, true, ADIT_E_TIMEOUT},
                {"degraded", "forwarding", false, true, ADIT_E_FORWARD},
                {"reconnecting", "a new kind", false, true, ADIT_E_CONNECT}};
    char text[300];
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        (void)adit_format(text, sizeof text,
                          "{\"id\":\"a\",\"state\":\"%s\",\"last_error_kind\":\"%s\",\"permanent\":%s,\"auto_"
                          "reconnect\":%s}",
                          rows[i].state, rows[i].kind, rows[i].permanent ? "true" : "false",
                          rows[i].auto_reconnect ? "true" : "false");
        assert_int_equal(parse(text), ADIT_E_OK);
        if (client_tunnel_error(&list.item[0]) != rows[i].error)
            fail_msg("row %zu: %d", i, (int)client_tunnel_error(&list.item[0]));
        client_tunnels_wipe(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields), cmocka_unit_test(test_malformed),
                                       cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
