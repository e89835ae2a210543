#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/conf_paths.h"
#include "tests/no_memory.h"

/* A home folder with a configuration in it; what is written is noted and goes in the end. */
static char home[] = "/tmp/test_conf.XXXXXX";
static struct texts written;
static struct conf c;

static const char *at(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", home, name);
    return path[turn];
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fchmod(fileno(file), 0644), 0);
    assert_int_equal(fclose(file), 0);
    assert_true(texts_add(&written, span_str(path)));
}

static int setup(void **state)
{
    (void)state;
    static const char *const folders[] = {".config", ".config/adit", ".config/adit/conf.d", ".ssh", ".ssh/d"};
    strcpy(home, "/tmp/test_conf.XXXXXX");
    texts_init(&written);
    if (mkdtemp(home) == NULL || setenv("HOME", home, 1) != 0)
        return -1;
    for (size_t i = 0; i < ADIT_COUNT(folders); i++)
        if (mkdir(at(folders[i]), 0755) != 0)
            return -1;
    unsetenv("ADIT_CONFIG");
    conf_init(&c);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const folders[] = {".ssh/d", ".ssh", ".config/adit/conf.d", ".config/adit", ".config"};
    conf_wipe(&c);
    for (size_t i = 0; i < written.count; i++)
        unlink(written.item[i]);
    texts_wipe(&written);
    for (size_t i = 0; i < ADIT_COUNT(folders); i++)
        if (rmdir(at(folders[i])) != 0)
            return -1;
    return rmdir(home);
}

static void good(const char *path)
{
    struct adit_error err = {0};
    conf_wipe(&c);
    enum adit_err e = conf_load(&c, path, &err);
    assert_string_equal(err.text, "");
    assert_int_equal(e, ADIT_E_OK);
}

/* wanted begins behind the home folder. */
static void bad(const char *path, const char *wanted)
{
    struct adit_error err = {0};
    conf_wipe(&c);
    assert_int_equal(conf_load(&c, path, &err), ADIT_E_CONFIG);
    assert_memory_equal(err.text, home, strlen(home));
    assert_string_equal(err.text + strlen(home), wanted);
}

#define ONE(name) "Tunnel " name "\n  Via h\n  DynamicForward 1080\n"

static void test_one_file(void **state)
{
    (void)state;
    put("a.conf", "Include sub-*.conf\n" ONE("web"));
    put("sub-2.conf", ONE("two"));
    put("sub-1.conf", ONE("one"));
    good(at("a.conf"));
    assert_int_equal(c.tunnel_count, 3);
    assert_string_equal(c.tunnels[0].name, "one");
    assert_string_equal(c.tunnels[1].name, "two");
    assert_string_equal(c.tunnels[2].name, "web");
    assert_string_equal(c.tunnels[1].file, at("sub-2.conf"));
    assert_int_equal(c.files.count, 3);
    /* by the variable; an argument wins over it */
    assert_int_equal(setenv("ADIT_CONFIG", at("sub-1.conf"), 1), 0);
    good(NULL);
    assert_int_equal(c.tunnel_count, 1);
    good(at("a.conf"));
    assert_int_equal(c.tunnel_count, 3);
    unsetenv("ADIT_CONFIG");
}

static void test_errors(void **state)
{
    (void)state;
    bad(at("none.conf"), "/none.conf: No such file or directory");
    bad(at(".ssh"), "/.ssh: is a directory");
    put("a.conf", "\nTunnel a\n  Via h\n  LocalForward 0.0.0.0:1 b:1\nFoo x\n");
    bad(at("a.conf"), "/a.conf:5: Foo: unknown keyword");
    put("b.conf", ONE("web") "Include b2.conf\n");
    put("b2.conf", "# another\n" ONE("web"));
    conf_wipe(&c);
    struct adit_error err = {0};
    char wanted[512];
    assert_int_equal(conf_load(&c, at("b.conf"), &err), ADIT_E_CONFIG);
    snprintf(wanted, sizeof wanted, "%s:2: Tunnel: 'web' is already defined at %s:1", at("b2.conf"),
             at("b.conf"));
    assert_string_equal(err.text, wanted);
    put("c.conf", "SocketGroup no-such-group-here\n");
    bad(at("c.conf"), "/c.conf:1: SocketGroup: there is no group 'no-such-group-here'");
}

static void test_owner(void **state)
{
    (void)state;
    put("a.conf", "Include b.conf\n");
    put("b.conf", ONE("web"));
    assert_int_equal(chmod(at("a.conf"), 0666), 0); /* the file that was named is whoever named it's affair */
    good(at("a.conf"));
    assert_int_equal(chmod(at("b.conf"), 0664), 0);
    char wanted[512];
    snprintf(wanted, sizeof wanted,
             "/a.conf:1: Include: %s: bad owner or permissions (others can write to it)", at("b.conf"));
    bad(at("a.conf"), wanted);
}

static void test_aliases(void **state)
{
    (void)state;
    struct texts found;
    texts_init(&found);
    put(".ssh/config",
        "Host web *.lan !x\n  Port 1\nHost \"db\" web\nInclude d/*\nMatch all\nInclude ~/.ssh/more\n"
        "Include /nowhere ~/.ssh/config\nHost a;b -x\n");
    put(".ssh/d/one", "HOST=inner\n");
    put(".ssh/more", "Host more\n");
    assert_true(conf_aliases(at(".ssh/config"), &found));
    static const char *const wanted[] = {"web", "db", "inner", "more"};
    assert_int_equal(found.count, ADIT_COUNT(wanted));
    for (size_t i = 0; i < ADIT_COUNT(wanted); i++)
        assert_string_equal(found.item[i], wanted[i]);
    texts_wipe(&found);
    assert_true(conf_aliases(NULL, &found)); /* the user's file and the system's */
    assert_true(texts_has(&found, "inner"));
    texts_wipe(&found);
    assert_true(conf_aliases("none", &found));
    assert_int_equal(found.count, 0);
    assert_true(conf_aliases(at("none"), &found));
    assert_int_equal(found.count, 0);
}

/* More links to a file than one pattern looks at, or than are read. */
static void put_many(unsigned count)
{
    char target[256], path[300];
    put(".ssh/one", "Host one\n");
    adit_format(target, sizeof target, "%s", at(".ssh/one"));
    for (unsigned i = 0; i < count; i++) {
        adit_format(path, sizeof path, "%s/.ssh/d/%05u", home, i);
        assert_int_equal(symlink(target, path), 0);
    }
}

static void drop_many(unsigned count)
{
    char path[300];
    for (unsigned i = 0; i < count; i++) {
        adit_format(path, sizeof path, "%s/.ssh/d/%05u", home, i);
        assert_int_equal(unlink(path), 0);
    }
}

/* That is so each time: the others are listed. */
static void test_aliases_beyond_a_limit(void **state)
{
    (void)state;
    struct texts found;
    texts_init(&found);
    put(".ssh/config", "Host web\nInclude d/*\nHost db\n");
    put_many(LIMIT_GLOB_NAMES);
    assert_true(conf_aliases(NULL, &found));
    assert_true(texts_has(&found, "web") && texts_has(&found, "db") && !texts_has(&found, "one"));
    texts_wipe(&found);
    drop_many(LIMIT_GLOB_NAMES);
    put_many(LIMIT_CONFIG_FILES + 1);
    put(".ssh/last", "Host last\n");
    put(".ssh/config", "Host web\nInclude d/*\nInclude last\nHost db\n");
    assert_true(conf_aliases(at(".ssh/config"), &found));
    assert_true(texts_has(&found, "one") && texts_has(&found, "db") && !texts_has(&found, "last"));
    texts_wipe(&found);
    drop_many(LIMIT_CONFIG_FILES + 1);
}

static void test_profiles(void **state)
{
    bool is_unsure;
    (void)state;
    put(".ssh/config", "Host web\n");
    put("a.conf", "Profile ops\n  User x\nTunnel t\n  Via h\n  Profile web\n  DynamicForward 1\n");
    good(at("a.conf"));
    assert_true(conf_has_profile(&c, "web", &is_unsure));
    assert_true(conf_has_profile(&c, "ops", &is_unsure));
    assert_true(conf_has_profile(&c, "default", &is_unsure));
    assert_false(conf_has_profile(&c, "other", &is_unsure) || is_unsure);
    assert_non_null(conf_profile(&c, "ops"));
    assert_null(conf_profile(&c, "web"));
    put("b.conf", "SshConfig none\nTunnel t\n  Via h\n  Profile web\n  DynamicForward 1\n");
    bad(at("b.conf"), "/b.conf:4: Profile: there is no Profile 'web'");
}

/* The file of -F is the one whose aliases count, and SshConfig's are not there. */
static void test_another_ssh_config(void **state)
{
    char given[256], text[512];
    struct conf_world world = {.ssh_config = given};
    struct adit_error err = {0};
    (void)state;
    adit_format(given, sizeof given, "%s", at("given"));
    put("given", "Host gate\n");
    put("named", "Host web\n");
    adit_format(text, sizeof text, "SshConfig %s\nTunnel t\n  Via h\n  Profile gate\n  DynamicForward 1\n",
                at("named"));
    put("a.conf", text);
    bad(at("a.conf"), "/a.conf:4: Profile: there is no Profile 'gate'");
    conf_wipe(&c);
    enum adit_err e = conf_load_in(&c, &world, at("a.conf"), &err);
    assert_string_equal(err.text, "");
    assert_int_equal(e, ADIT_E_OK);
    assert_string_equal(c.ssh_config, given);
    world.ssh_config = "none";
    conf_wipe(&c);
    assert_int_equal(conf_load_in(&c, &world, at("a.conf"), &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "there is no Profile 'gate'"));
}

/* Whatever allocation fails: a file without a fault is never said to have one, and is taken whole or not at
 * all. */
static void test_without_memory(void **state)
{
    (void)state;
    put(".ssh/config", "Host web\nInclude d/*\n");
    put(".ssh/d/one", "Host inner\n");
    put("a.conf", "Include sub.conf\nTunnel t\n  Via h\n  Profile inner\n  DynamicForward 1\n");
    put("sub.conf", ONE("web"));
    unsigned lacks = 0;
    bool has_failed = true;
    for (long n = 0; has_failed; n++) {
        struct adit_error err = {0};
        conf_wipe(&c);
        no_memory_begin(n, false);
        enum adit_err e = conf_load(&c, at("a.conf"), &err);
        has_failed = no_memory_end();
        assert_true(e == ADIT_E_OK || (has_failed && e == ADIT_E_MEMORY));
        assert_true(e != ADIT_E_OK || c.tunnel_count == 2);
        lacks += e != ADIT_E_OK;
    }
    assert_true(lacks > 30);
}

/* As a user, whoever runs this: what root reads is not ours to write. */
static enum adit_err load_defaults(struct adit_error *err)
{
    struct conf_world world = {.is_root = false};
    adit_format(world.home, sizeof world.home, "%s", home);
    conf_wipe(&c);
    return conf_load_in(&c, &world, NULL, err);
}

static void test_defaults(void **state)
{
    (void)state;
    struct adit_error err = {0};
    char wanted[256];
    assert_int_equal(load_defaults(&err), ADIT_E_OK);
    assert_int_equal(c.tunnel_count, 0);
    put(".config/adit/adit.conf", "Socket /first\n" ONE("main"));
    put(".config/adit/conf.d/b.conf", "Listen none\nSocket /second\n" ONE("b"));
    put(".config/adit/conf.d/B.conf", ONE("B"));
    put(".config/adit/conf.d/.hidden.conf", "Foo x\n");
    put(".config/adit/conf.d/c.conf.bak", "Foo x\n");
    assert_int_equal(load_defaults(&err), ADIT_E_OK);
    assert_int_equal(c.tunnel_count, 3);
    assert_string_equal(c.tunnels[0].name, "main");
    assert_string_equal(c.tunnels[1].name, "B");
    assert_string_equal(c.tunnels[2].name, "b");
    assert_string_equal(c.socket, "/first");
    put(".config/adit/conf.d/b.conf", "Foo x\n");
    put(".config/adit/conf.d/c.conf", "Foo y\n");
    assert_int_equal(load_defaults(&err), ADIT_E_CONFIG);
    snprintf(wanted, sizeof wanted, "%s:1: Foo: unknown keyword", at(".config/adit/conf.d/b.conf"));
    assert_string_equal(err.text, wanted);
    assert_int_equal(c.errors.count, 2);
    /* what others can write to is not read */
    put(".config/adit/conf.d/b.conf", "");
    put(".config/adit/conf.d/c.conf", "");
    assert_int_equal(chmod(at(".config/adit/adit.conf"), 0646), 0);
    err = (struct adit_error){0};
    assert_int_equal(load_defaults(&err), ADIT_E_CONFIG);
    snprintf(wanted, sizeof wanted, "%s: bad owner or permissions (others can write to it)",
             at(".config/adit/adit.conf"));
    assert_string_equal(err.text, wanted);
}

static void test_folder_that_cannot_be_read(void **state)
{
    struct adit_error err = {0};
    char wanted[256];
    (void)state;
    assert_int_equal(rmdir(at(".config/adit/conf.d")), 0);
    assert_int_equal(symlink("conf.d", at(".config/adit/conf.d")), 0);
    assert_int_equal(load_defaults(&err), ADIT_E_CONFIG);
    snprintf(wanted, sizeof wanted, "%s: the folder cannot be read: Too many levels of symbolic links",
             at(".config/adit/conf.d"));
    assert_string_equal(err.text, wanted);
    assert_int_equal(unlink(at(".config/adit/conf.d")), 0);
    assert_int_equal(mkdir(at(".config/adit/conf.d"), 0755), 0);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
static int open_error; /* of folders; 0: none */

int __wrap_open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(ap, unsigned) : 0;
    va_end(ap);
    if (open_error == 0 || (flags & O_DIRECTORY) == 0)
        return __real_open(path, flags, mode);
    errno = open_error;
    return -1;
}

/* Which is not what it says, for good. */
static void test_folder_that_cannot_be_read_now(void **state)
{
    static const int lacks[] = {ENOMEM, EMFILE, ENFILE, EIO};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(lacks); i++) {
        struct adit_error err = {0};
        open_error = lacks[i];
        enum adit_err e = load_defaults(&err);
        open_error = 0;
        assert_int_equal(e, ADIT_E_MEMORY);
        assert_non_null(strstr(err.text, strerror(lacks[i])));
    }
}

/* What a pattern would take for one of its signs is a letter in a folder's name. */
static void test_folder_name(void **state)
{
    (void)state;
    static const char *const folders[] = {"[x]*", "[x]*/adit", "[x]*/adit/conf.d"};
    struct conf_world world = {.is_root = false, .xdg_config_home = at("[x]*")};
    struct adit_error err = {0};
    for (size_t i = 0; i < ADIT_COUNT(folders); i++)
        assert_int_equal(mkdir(at(folders[i]), 0755), 0);
    put("[x]*/adit/conf.d/a.conf", ONE("web"));
    assert_int_equal(conf_load_in(&c, &world, NULL, &err), ADIT_E_OK);
    assert_int_equal(c.tunnel_count, 1);
    assert_int_equal(unlink(at("[x]*/adit/conf.d/a.conf")), 0);
    for (size_t i = ADIT_COUNT(folders); i > 0; i--)
        assert_int_equal(rmdir(at(folders[i - 1])), 0);
}

static void test_listen(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } fine[] = {{"127.0.0.1:7171", "127.0.0.1", 7171},
                {"[::1]:0", "::1", 0},
                {"localhost:65535", "localhost", 65535}};
    static const char *const wrong[] = {"",
                                        "7171",
                                        ":7171",
                                        "0.0.0.0:1",
                                        "[::]:1",
                                        "web:1",
                                        "127.0.0.1",
                                        "127.0.0.1:x",
                                        "::1:1:",
                                        "127.0.0.1:65536",
                                        "[::ffff:127.0.0.1]:1"};
    for (size_t i = 0; i < ADIT_COUNT(fine); i++) {
        char *host = NULL;
        uint16_t port = 1;
        assert_int_equal(conf_listen_parse(fine[i].text, &host, &port, NULL), ADIT_E_OK);
        assert_string_equal(host, fine[i].host);
        assert_int_equal(port, fine[i].port);
        free(host);
    }
    for (size_t i = 0; i < ADIT_COUNT(wrong); i++) {
        char *host = NULL;
        uint16_t port;
        assert_int_equal(conf_listen_parse(wrong[i], &host, &port, NULL), ADIT_E_USAGE);
        assert_null(host);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_file),
        T(test_errors),
        T(test_owner),
        T(test_aliases),
        T(test_aliases_beyond_a_limit),
        T(test_profiles),
        T(test_without_memory),
        T(test_folder_name),
        T(test_folder_that_cannot_be_read),
        T(test_folder_that_cannot_be_read_now),
        T(test_listen),
        T(test_defaults),
        T(test_another_ssh_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
