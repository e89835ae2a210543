/*
 * The files that a failed connection depends on: which they are, and when they are others.
 */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/route.h"
#include "daemon/watched_files.h"

static char folder[64];

static const char *at(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_what_is_watched(void **state)
{
    (void)state;
    struct watched_files w;
    struct route_place place = {.name = NULL};
    struct secrets secrets = {.password_file = NULL};
    struct route route = {.places = &place, .secrets = &secrets, .place_count = 1};
    char password[96], config[96];
    memcpy(folder, "/tmp/adit-watched-XXXXXX", 25);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("HOME", folder, 1), 0);
    assert_int_equal(mkdir(at(".ssh"), 0700), 0);
    write_file(".ssh/config", "Host a\n  IdentityFile ~/one \"~/with blank\"\n# IdentityFile ~/no\nHost *\n"
                              "UserKnownHostsFile=~/known %d/token\n User ~/user\n");
    snprintf(password, sizeof password, "%s/password", folder);
    secrets.password_file = password;
    assert_true(texts_add(&place.settings, span_str("certificatefile ~/cert")));
    watched_files_init(&w, &route);
    static const char *const there[] = {"one",  "with blank",      "known",
                                        "cert", "password",        ".ssh/config",
                                        ".ssh", ".ssh/id_ed25519", ".ssh/known_hosts"};
    for (size_t i = 0; i < ADIT_COUNT(there); i++)
        assert_true(texts_has(&w.paths, at(there[i])));
    assert_false(texts_has(&w.paths, at("no")));
    assert_false(texts_has(&w.paths, at("user")));
    assert_false(watched_files_changed(&w));
    write_file("one", "1");
    assert_true(watched_files_changed(&w));
    assert_false(watched_files_changed(&w));
    write_file("one", "22");
    assert_true(watched_files_changed(&w));
    assert_int_equal(unlink(at("one")), 0);
    assert_true(watched_files_changed(&w));
    watched_files_wipe(&w);

    /* With a file of its own for ssh_config: the user's is not read. */
    snprintf(config, sizeof config, "%s/other", folder);
    write_file("other", "IdentityFile ~/two\n");
    route.config_file = config;
    watched_files_init(&w, &route);
    assert_true(texts_has(&w.paths, at("two")));
    assert_true(texts_has(&w.paths, config));
    assert_false(texts_has(&w.paths, at("one")));
    watched_files_wipe(&w);
    texts_wipe(&place.settings);

    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_watched)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
