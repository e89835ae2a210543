#include "daemon/api_route.h"

#include <string.h>
#include "tests/test.h"

static const struct api_route table[] = {
    {"GET", "/", API_ROUTE_OPEN, NULL},
    {"GET", "/tunnels", 0, NULL},
    {"POST", "/tunnels", 0, NULL},
    {"GET", "/tunnels/{id}", 0, NULL},
    {"PUT", "/tunnels/{id}", 0, NULL},
    {"GET", "/tunnels/status", 0, NULL},
    {"POST", "/tunnels/{id}/start", 0, NULL},
    {"POST", "/ui", API_ROUTE_UNIX_ONLY, NULL},
};

static const struct api_route *found;
static char id[API_ROUTE_PARAM_CAP], allow[API_ROUTE_ALLOW_CAP];

static enum api_route_found find(const char *method, const char *path)
{
    return api_route_find(table, ADIT_COUNT(table), false, method, path, &found, id, allow);
}

static void what_is_there(void **state)
{
    static const struct {
        const char *method, *path, *id;
        size_t at;
    } cases[] = {
        {"GET", "/", "", 0},
        {"GET", "/tunnels", "", 1},
        {"POST", "/tunnels", "", 2},
        {"GET", "/tunnels/web", "web", 3},
        {"PUT", "/tunnels/a%2Fb%20c", "a/b c", 4},
        {"GET", "/tunnels/status", "", 5},
        {"GET", "/tunnels/%73tatus", "status", 3}, /* an id may be called so all the same */
        {"POST", "/tunnels/status/start", "status", 6},
        {"POST", "/tunnels/session:tunnel_1/start", "session:tunnel_1", 6},
        {"POST", "/ui", "", 7},
    };

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(cases); i++) {
        assert_int_equal(find(cases[i].method, cases[i].path), API_ROUTE_FOUND);
        assert_ptr_equal(found, &table[cases[i].at]);
        assert_string_equal(id, cases[i].id);
    }
}

static void what_is_not(void **state)
{
    static const char *const paths[] = {"",
                                        "x",
                                        "//",
                                        "/tunnel",
                                        "/tunnels/",
                                        "/Tunnels",
                                        "tunnels",
                                        "/tunnels//",
                                        "/tunnels//start",
                                        "/tunnels/a/",
                                        "/tunnels/a/stop",
                                        "/tunnels/a/start/",
                                        "/tunnels/a/b/start",
                                        "/%74unnels",
                                        "/tunnels%2Fa"};

    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(paths); i++) {
        if (find("GET", paths[i]) != API_ROUTE_NO_PATH)
            fail_msg("'%s'", paths[i]);
        assert_null(found);
    }
    assert_int_equal(api_route_find(table, ADIT_COUNT(table), true, "POST", "/ui", &found, id, allow),
                     API_ROUTE_NO_PATH);
}

static void other_methods(void **state)
{
    (void)state;
    assert_int_equal(find("PATCH", "/tunnels"), API_ROUTE_NO_METHOD);
    assert_string_equal(allow, "GET, HEAD, POST");
    assert_int_equal(find("get", "/tunnels"), API_ROUTE_NO_METHOD);
    assert_int_equal(find("DELETE", "/tunnels/x"), API_ROUTE_NO_METHOD);
    assert_string_equal(allow, "GET, HEAD, PUT");
    assert_int_equal(find("PUT", "/tunnels/status"), API_ROUTE_NO_METHOD); /* it is the page of that name */
    assert_string_equal(allow, "GET, HEAD");
    assert_int_equal(find("GET", "/tunnels/x/start"), API_ROUTE_NO_METHOD);
    assert_string_equal(allow, "POST");
}

static void ids_that_are_none(void **state)
{
    char path[2 * API_ROUTE_PARAM_CAP];

    (void)state;
    assert_int_equal(find("GET", "/tunnels/%"), API_ROUTE_BAD_PARAM);
    assert_int_equal(find("GET", "/tunnels/%00"), API_ROUTE_BAD_PARAM);
    assert_int_equal(find("GET", "/tunnels/%zz"), API_ROUTE_BAD_PARAM);
    memset(path, 'x', sizeof path);
    memcpy(path, "/tunnels/", strlen("/tunnels/"));
    path[sizeof path - 1] = 0;
    assert_int_equal(find("GET", path), API_ROUTE_BAD_PARAM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there),
        cmocka_unit_test(what_is_not),
        cmocka_unit_test(other_methods),
        cmocka_unit_test(ids_that_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
