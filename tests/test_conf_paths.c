#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/conf_paths.h"

static struct conf_world w;
static char out[EXPAND_PATH_CAP];

static int setup(void **state)
{
    (void)state;
    w = (struct conf_world){.home = "/home/me"};
    return 0;
}

static void socket_is(const char *given, const char *from_file, const char *wanted)
{
    struct adit_error err = {0};
    assert_int_equal(conf_path_socket(&w, given, from_file, out, &err), ADIT_E_OK);
    assert_string_equal(out, wanted);
}

static void places_are(const char *folder, const char *socket, const char *state)
{
    struct adit_error err = {0};
    assert_int_equal(conf_path_folder(&w, out, &err), ADIT_E_OK);
    assert_string_equal(out, folder);
    socket_is(NULL, NULL, socket);
    assert_int_equal(conf_path_state(&w, NULL, NULL, out, &err), ADIT_E_OK);
    assert_string_equal(out, state);
}

static void test_user(void **state)
{
    (void)state;
    places_are("/home/me/.config/adit", "/home/me/.local/state/adit/adit.sock", "/home/me/.local/state/adit");
    w.xdg_config_home = "/c";
    w.xdg_runtime_dir = "/run/user/7";
    w.xdg_state_home = "/s";
    places_are("/c/adit", "/run/user/7/adit.sock", "/s/adit");
    /* the socket's place without a run-time folder is fixed */
    w.xdg_runtime_dir = "";
    places_are("/c/adit", "/home/me/.local/state/adit/adit.sock", "/s/adit");
    w.xdg_config_home = w.xdg_runtime_dir = w.xdg_state_home = "relative";
    places_are("/home/me/.config/adit", "/home/me/.local/state/adit/adit.sock", "/home/me/.local/state/adit");
}

/* As with sudo: the home folder and the variables are another's. */
static void test_root(void **state)
{
    (void)state;
    w.is_root = true;
    w.xdg_config_home = w.xdg_runtime_dir = w.xdg_state_home = "/x";
    places_are("/etc/adit", "/run/adit/adit.sock", "/var/lib/adit");
    w.home[0] = 0;
    places_are("/etc/adit", "/run/adit/adit.sock", "/var/lib/adit");
}

static void test_order(void **state)
{
    (void)state;
    struct adit_error err = {0};
    w.is_root = true;
    socket_is(NULL, "/from-file", "/from-file");
    w.adit_sock = "/from-env";
    socket_is(NULL, "/from-file", "/from-env");
    socket_is("/given", "/from-file", "/given");
    w.adit_sock = "";
    socket_is("", "/from-file", "/from-file");
    assert_int_equal(conf_path_state(&w, NULL, "/from-file", out, &err), ADIT_E_OK);
    assert_string_equal(out, "/from-file");
    assert_int_equal(conf_path_state(&w, "/given", "/from-file", out, &err), ADIT_E_OK);
    assert_string_equal(out, "/given");
}

static void test_no_home(void **state)
{
    (void)state;
    struct adit_error err = {0};
    w.home[0] = 0;
    assert_int_equal(conf_path_socket(&w, NULL, NULL, out, &err), ADIT_E_CONFIG);
    assert_string_equal(err.text, "no home folder is known: set HOME, or say where the socket is");
    assert_int_equal(conf_path_folder(&w, out, NULL), ADIT_E_CONFIG);
    assert_int_equal(conf_path_state(&w, NULL, NULL, out, NULL), ADIT_E_CONFIG);
}

static void test_lengths(void **state)
{
    (void)state;
    struct adit_error err = {0};
    char path[EXPAND_PATH_CAP + 10];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[107] = 0;
    socket_is(path, NULL, path);
    path[107] = 'a';
    path[108] = 0;
    assert_int_equal(conf_path_socket(&w, path, NULL, out, &err), ADIT_E_CONFIG);
    assert_memory_equal(err.text, "the path of the socket is longer than 107 bytes: /aaa", 53);
    path[108] = 'a';
    path[sizeof path - 1] = 0;
    assert_int_equal(conf_path_socket(&w, path, NULL, out, NULL), ADIT_E_CONFIG);
    assert_int_equal(conf_path_state(&w, path, NULL, out, NULL), ADIT_E_CONFIG);
    w.xdg_config_home = path;
    assert_int_equal(conf_path_folder(&w, out, NULL), ADIT_E_CONFIG);
}

static void test_environment(void **state)
{
    (void)state;
    assert_int_equal(setenv("ADIT_SOCK", "/sock", 1), 0);
    assert_int_equal(setenv("ADIT_CONFIG", "/conf", 1), 0);
    assert_int_equal(setenv("HOME", "/h", 1), 0);
    conf_world_init(&w);
    assert_string_equal(w.adit_sock, "/sock");
    assert_string_equal(w.adit_config, "/conf");
    assert_string_equal(w.home, "/h");
    unsetenv("ADIT_SOCK");
    unsetenv("ADIT_CONFIG");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_user, setup),    cmocka_unit_test_setup(test_root, setup),
        cmocka_unit_test_setup(test_order, setup),   cmocka_unit_test_setup(test_no_home, setup),
        cmocka_unit_test_setup(test_lengths, setup), cmocka_unit_test_setup(test_environment, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
