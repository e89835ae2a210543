/*
 * openapi.json says what there is: each route of the table, and nothing else.
 */
#define _GNU_SOURCE /* memmem, strsep */
#include "tests/api_world.h"

#include <ctype.h>
#include "daemon/api_route.h"

static json_t *document(void)
{
    json_t *j;

    assert_int_equal(ask("GET", "/openapi.json", NULL), 200);
    assert_true(aw.c.body_len > 1000);
    j = json_loads(aw.c.body, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(j);
    return j;
}

static json_t *operation(const json_t *doc, const char *path, const char *method)
{
    char name[16] = "";

    for (size_t i = 0; method[i] && i + 1 < sizeof name; i++)
        name[i] = (char)tolower(method[i]);
    return json_object_get(json_object_get(json_object_get(doc, "paths"), path), name);
}

static void every_route(void **state)
{
    (void)state;
    api_world_open("");
    json_t *doc = document();
    for (size_t i = 0; i < api_route_count; i++) {
        const struct api_route *r = &api_routes[i];
        const json_t *op = operation(doc, r->path, r->method);

        if (!op)
            fail_msg("%s %s is not in openapi.json", r->method, r->path);
        assert_true(json_is_object(json_object_get(op, "responses")));
        assert_int_equal(json_is_array(json_object_get(op, "security")), (r->flags & API_ROUTE_OPEN) != 0);
        assert_int_equal(json_object_get(op, "requestBody") != NULL,
                         (r->flags & (API_ROUTE_TAKES_BODY | API_ROUTE_MAY_BODY)) != 0);
    }
    json_decref(doc);
    api_world_close();
}

static bool is_route(const char *path, const char *method)
{
    for (size_t i = 0; i < api_route_count; i++)
        if (strcmp(api_routes[i].path, path) == 0 && strcasecmp(api_routes[i].method, method) == 0)
            return true;
    return false;
}

static void nothing_else(void **state)
{
    const char *path, *method;
    json_t *item, *op;

    (void)state;
    api_world_open("");
    json_t *doc = document();
    json_object_foreach(json_object_get(doc, "paths"), path, item)
        json_object_foreach(item, method, op) if (strcmp(method, "parameters") != 0 &&
                                                  strcmp(method, "description") != 0 &&
                                                  !is_route(path, method))
            fail_msg("%s %s is in openapi.json alone", method, path);
    json_decref(doc);
    api_world_close();
}

/* Whatever it refers to is there. */
static void refs_lead_somewhere(const json_t *doc, json_t *at)
{
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_array(at))
        json_array_foreach(at, i, value) refs_lead_somewhere(doc, value);
    if (json_is_object(at))
        json_object_foreach(at, key, value)
        {
            char all[128], *rest = all, *name;
            const json_t *to = doc;

            refs_lead_somewhere(doc, value);
            if (strcmp(key, "$ref") != 0)
                continue;
            adit_format(all, sizeof all, "%s", json_string_value(value) + 2);
            while ((name = strsep(&rest, "/")))
                to = json_object_get(to, name);
            if (!to)
                fail_msg("%s", json_string_value(value));
        }
}

/* T is described member by member. */
static void the_members_of_a_tunnel(void **state)
{
    static const char web[] =
        "{\"name\":\"web\",\"host\":\"h\",\"profile_id\":\"default\",\"forward_type\":\"dynamic\","
        "\"local_port\":1080}";
    const char *key;
    json_t *value;

    (void)state;
    api_world_open("");
    json_t *doc = document();
    refs_lead_somewhere(doc, doc);
    json_t *schemas = json_object_get(json_object_get(doc, "components"), "schemas");
    const json_t *t = json_object_get(json_object_get(schemas, "Tunnel"), "properties");
    const json_t *s = json_object_get(json_object_get(schemas, "TunnelStatus"), "properties");
    assert_int_equal(ask("POST", "/tunnels", web), 201);
    json_t *have = http_talk_json(&aw.c);
    assert_int_equal(json_object_size(have) + 1,
                     json_object_size(t)); /* more_forwards: where there are some */
    json_object_foreach(have, key, value) if (!json_object_get(t, key))
        fail_msg("%s of a tunnel is not described", key);
    assert_non_null(json_object_get(t, "more_forwards"));
    json_decref(have);
    assert_int_equal(ask("GET", "/tunnels/status", NULL), 200);
    have = answer_member("tunnels.0");
    assert_int_equal(json_object_size(have), json_object_size(s));
    json_object_foreach(have, key, value) if (!json_object_get(s, key))
        fail_msg("%s of a tunnel's state is not described", key);
    json_decref(have);
    json_decref(doc);
    api_world_close();
}

/* Methods that a path does not have: 405, with those that it has. */
static void other_methods(void **state)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"};

    (void)state;
    api_world_open("");
    for (size_t i = 0; i < api_route_count; i++)
        for (size_t m = 0; m < ADIT_COUNT(methods); m++) {
            char *path = strdup(api_routes[i].path), *at = strstr(path, "{id}"), *allow;

            if (at)
                memcpy(at, "abcd", 4);
            if (!is_route(api_routes[i].path, methods[m])) {
                ask_fails(methods[m], path, NULL, 405, "method_not_allowed", NULL);
                allow = http_talk_header(&aw.c, "Allow");
                assert_non_null(strstr(allow, api_routes[i].method));
                assert_null(strstr(allow, methods[m]));
                free(allow);
            }
            free(path);
        }
    ask_fails("GET", "/nothing", NULL, 404, "not_found", NULL);
    ask_fails("GET", "/tunnels/", NULL, 404, "not_found", NULL);
    api_world_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route),
        cmocka_unit_test(nothing_else),
        cmocka_unit_test(the_members_of_a_tunnel),
        cmocka_unit_test(other_methods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
