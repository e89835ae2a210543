#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/state_json.h"

#define TUNNEL(id)                                                         \
    "{\"id\":\"" id "\",\"name\":\"" id                                    \
    "\",\"host\":\"bastion\",\"profile_id\":\"default\",\"forward_type\":" \
    "\"local\",\"local_port\":8443,\"remote_port\":443,\"created_at\":7}"

struct state {
    struct definition *tunnels;
    size_t count;
    struct state_extras extras;
    struct adit_error err;
};

static enum adit_err parse(struct state *s, const char *text)
{
    *s = (struct state){0};
    return state_parse(span_str(text), "state.json", &s->tunnels, &s->count, &s->extras, &s->err);
}

static void wipe(struct state *s)
{
    for (size_t i = 0; i < s->count; i++)
        definition_wipe(&s->tunnels[i]);
    free(s->tunnels);
    state_extras_wipe(&s->extras);
}

static char *format(const struct state *s)
{
    const struct definition *list[8];
    assert_true(s->count <= ADIT_COUNT(list));
    for (size_t i = 0; i < s->count; i++)
        list[i] = &s->tunnels[i];
    char *text = state_format(list, s->count, &s->extras);
    assert_non_null(text);
    return text;
}

static void test_empty(void **state)
{
    (void)state;
    struct state s;
    assert_int_equal(parse(&s, "{\"version\":1,\"tunnels\":[]}"), ADIT_E_OK);
    assert_int_equal(s.count, 0);
    char *text = format(&s);
    assert_string_equal(text, "{\n  \"version\": 1,\n  \"tunnels\": []\n}\n");
    free(text);
    wipe(&s);
    struct state_extras none = {0};
    text = state_format(NULL, 0, &none);
    assert_string_equal(text, "{\n  \"version\": 1,\n  \"tunnels\": []\n}\n");
    free(text);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct state s, again;
    assert_int_equal(parse(&s, "{\"version\":1,\"tunnels\":[" TUNNEL("a") "," TUNNEL("b") "]}"), ADIT_E_OK);
    assert_int_equal(s.count, 2);
    assert_string_equal(s.tunnels[1].id, "b");
    assert_int_equal(s.tunnels[1].created_at, 7);
    assert_int_equal(s.tunnels[1].port, 0);
    assert_int_equal(s.tunnels[1].origin, DEFINITION_API);
    char *text = format(&s);
    assert_non_null(strstr(text, "\"port\": null"));
    assert_int_equal(parse(&again, text), ADIT_E_OK);
    assert_int_equal(again.count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(definition_same(&s.tunnels[i], &again.tunnels[i]));
        assert_string_equal(s.tunnels[i].id, again.tunnels[i].id);
        assert_int_equal(s.tunnels[i].created_at, again.tunnels[i].created_at);
    }
    free(text);
    wipe(&s);
    wipe(&again);
}

static const char future[] = "{\"version\":1,\"note\":{\"deep\":[1,2.5,\"\\u00e9\"]},\"tunnels\":[" TUNNEL(
    "a") ","
         "{\"id\":\"b\",\"name\":\"b\",\"host\":\"bastion\",\"profile_id\":\"default\",\"forward_type\":"
         "\"dynamic\","
         "\"local_port\":1080,\"colour\":\"red\",\"tags\":[\"x\",null]}],\"later\":null}";

/* What a newer adit may have added stands again in what we write, at the top and in its tunnel. */
static void test_unknown_members_are_kept(void **state)
{
    (void)state;
    struct state s;
    assert_int_equal(parse(&s, future), ADIT_E_OK);
    char *text = format(&s);
    json_t *top = json_loads(text, 0, NULL);
    assert_non_null(top);
    json_t *list = json_object_get(top, "tunnels"), *b = json_array_get(list, 1);
    assert_true(json_real_value(json_array_get(json_object_get(json_object_get(top, "note"), "deep"), 1)) ==
                2.5);
    assert_true(json_is_null(json_object_get(top, "later")));
    assert_int_equal(json_object_size(top), 4);
    assert_string_equal(json_string_value(json_object_get(b, "colour")), "red");
    assert_true(json_is_null(json_array_get(json_object_get(b, "tags"), 1)));
    assert_null(json_object_get(json_array_get(list, 0), "colour"));
    json_decref(top);
    free(text);
    wipe(&s);
}

/* A file's tunnel is in its file. */
static void test_other_origins_are_left_out(void **state)
{
    (void)state;
    struct state s;
    assert_int_equal(parse(&s, "{\"version\":1,\"tunnels\":[" TUNNEL("a") "," TUNNEL("b") "]}"), ADIT_E_OK);
    s.tunnels[0].origin = DEFINITION_FILE;
    char *text = format(&s);
    assert_null(strstr(text, "\"a\""));
    assert_non_null(strstr(text, "\"b\""));
    free(text);
    wipe(&s);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "state.json:1:0: "},
        {"{\n  \"version\": 1,\n  \"tunnels\": [,]\n}", "state.json:3:"},
        {"{\"version\":1,\"tunnels\":[]", "state.json:1:"},
        {"{\"version\":1,\"version\":1,\"tunnels\":[]}", "state.json:1:"},
        {"{\"version\":1,\"tunnels\":[]}x", "state.json:1:"},
        {"[]", "state.json: not an object"},
        {"{\"tunnels\":[]}", "state.json: version: must be an integer"},
        {"{\"version\":0,\"tunnels\":[]}", "state.json: version: must be an integer"},
        {"{\"version\":\"1\",\"tunnels\":[]}", "state.json: version: must be an integer"},
        {"{\"version\":2,\"tunnels\":[]}", "state.json: a newer adit wrote it (version 2; this one knows 1)"},
        {"{\"version\":2,\"tunnels\":7}", "state.json: a newer adit wrote it"},
        {"{\"version\":1}", "state.json: tunnels: must be a list"},
        {"{\"version\":1,\"tunnels\":{}}", "state.json: tunnels: must be a list"},
        {"{\"version\":1,\"tunnels\":[1]}", "state.json: tunnels[0]: not an object"},
        {"{\"version\":1,\"tunnels\":[{}]}", "state.json: tunnels[0]: id: must be a text"},
        {"{\"version\":1,\"tunnels\":[{\"id\":\"\"}]}", "state.json: tunnels[0]: id: must be a text"},
        {"{\"version\":1,\"tunnels\":[{\"id\":\"x\",\"created_at\":\"y\"}]}",
         "tunnels[0]: created_at: must be"},
        {"{\"version\":1,\"tunnels\":[{\"id\":\"x\"}]}", "state.json: tunnels[0]: name: "},
        {"{\"version\":1,\"tunnels\":[" TUNNEL("a") "," TUNNEL("a") "]}",
         "state.json: tunnels[1]: id: another tunnel has the same"},
        {"{\"version\":1,\"tunnels\":[" TUNNEL(
             "a") ",{\"id\":\"b\",\"name\":\"b\",\"host\":\"-x\",\"profile_id\":"
                  "\"p\",\"forward_type\":\"dynamic\",\"local_port\":1}]}",
         "state.json: tunnels[1]: host: "},
    };
    for (size_t i = 0; i < ADIT_COUNT(rows); i++) {
        struct state s;
        enum adit_err e = parse(&s, rows[i].text);
        if (e != ADIT_E_CONFIG || strstr(s.err.text, rows[i].error) == NULL)
            fail_msg("%s: %d %s", rows[i].text, (int)e, s.err.text);
        assert_true(s.tunnels == NULL && s.count == 0 && s.extras.top == NULL && s.extras.tunnels == NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_unknown_members_are_kept),
        cmocka_unit_test(test_other_origins_are_left_out),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
