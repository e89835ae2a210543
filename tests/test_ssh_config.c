#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ssh_config.h"
#include "tests/vfork.h"
#include "tests/no_reading.h"

static char folder[] = "/tmp/ssh_config_test_XXXXXX";
static struct options o;

static void write_file(const char *name, const char *text, mode_t mode)
{
    char path[256];
    adit_format(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int make_folder(void **state)
{
    char path[256];
    (void)state;
    assert_non_null(mkdtemp(folder));
    adit_format(path, sizeof path, "%s/.ssh", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    return setenv("HOME", folder, 1);
}

static int remove_folder(void **state)
{
    char command[256];
    (void)state;
    adit_format(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static int setup(void **state)
{
    (void)state;
    options_init(&o);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    options_wipe(&o);
    return 0;
}

static char told[4096]; /* what was wrong with lines */

static void on_bad_line(void *ctx, const char *text)
{
    (void)ctx;
    (void)adit_format(told, sizeof told, "%s", text);
}

static enum adit_err resolve(const char *host, const char *file, struct adit_error *err)
{
    char path[256];
    adit_format(path, sizeof path, "%s/%s", folder, file);
    const struct ssh_config_query q = {
        .host = host, .file = strcmp(file, "none") == 0 ? file : path, .bad_line = on_bad_line};
    return ssh_config_resolve(&o, &q, err);
}

static void good(const char *host, const char *file)
{
    struct adit_error err = {0};
    enum adit_err e = resolve(host, file, &err);
    if (e != ADIT_E_OK)
        print_error("%s\n", err.text);
    assert_int_equal(e, ADIT_E_OK);
}

static void test_names(void **state)
{
    (void)state;
    good("WWW", "none");
    assert_string_equal(o.host_name, "www");
    assert_true(o.host_name_is_final);
    write_file("names", "Host web\n HostName %h.Example\n User u-%n\n SetEnv A=%h-%p\n HostKeyAlias ALIAS\n",
               0600);
    options_wipe(&o);
    options_init(&o);
    good("web", "names");
    assert_string_equal(o.host_name, "web.example");
    assert_string_equal(o.user, "u-web");
    assert_string_equal(o.set_env.item[0], "A=web.example-22");
    assert_string_equal(o.host_key_alias, "alias");
}

/* What the command line said stands, tokens and all. */
static void test_command_line(void **state)
{
    (void)state;
    struct adit_error err = {0};
    assert_int_equal(options_set_user(&o, "100%h", &err), ADIT_E_OK);
    assert_int_equal(options_set_line(&o, "Port 1", &err), ADIT_E_OK);
    write_file("line", "User other\nPort 2\n", 0600);
    good("web", "line");
    assert_string_equal(o.user, "100%h");
    assert_int_equal(o.port, 1);
}

static void test_second_pass(void **state)
{
    (void)state;
    write_file("final",
               "Host web\n HostName real.example\n LocalForward 1 a:2\nHost real.example\n Port 7\n"
               "Match final host real.example\n HostName late\n Tag fin\n LocalForward 1 a:2\n",
               0600);
    good("web", "final");
    assert_string_equal(o.host_name, "real.example");
    assert_int_equal(o.port, 7);
    assert_string_equal(o.tag, "fin");
    assert_int_equal(o.forward_count, 1);
}

static void test_default_file(void **state)
{
    (void)state;
    struct adit_error err = {0};
    const struct ssh_config_query q = {.host = "web"};
    write_file(".ssh/part1.inc", "Port 5\n", 0600);
    write_file(".ssh/part2.inc", "Port 6\nTag two\n", 0600);
    write_file(".ssh/config", "Include p*.inc ~/.ssh/none ${HOME}/.ssh/%h.x\n", 0600);
    assert_int_equal(ssh_config_resolve(&o, &q, &err), ADIT_E_OK);
    assert_int_equal(o.port, 5);
    assert_string_equal(o.tag, "two");
    write_file(".ssh/config", "Port 5\n", 0660);
    assert_int_equal(ssh_config_resolve(&o, &q, &err), ADIT_E_CONFIG);
    assert_non_null(strstr(err.text, "Bad owner or permissions on"));
    write_file(".ssh/config", "", 0600);
}

static void folder_mode(const char *name, mode_t mode)
{
    char path[256];
    adit_format(path, sizeof path, "%s/%s", folder, name);
    assert_true(mkdir(path, mode) == 0 || errno == EEXIST);
    assert_int_equal(chmod(path, mode), 0);
}

static void refused(const char *file, const char *says)
{
    struct adit_error err = {0};
    told[0] = 0;
    assert_int_equal(resolve("web", file, &err), ADIT_E_CONFIG);
    if (strstr(told, says) == NULL && strstr(err.text, says) == NULL)
        print_error("%s\n%s\n", told, err.text);
    assert_true(strstr(told, says) != NULL || strstr(err.text, says) != NULL);
}

static void test_refusals(void **state)
{
    (void)state;
    write_file("open", "Port 5\n", 0666);
    good("web", "open"); /* -F is not checked, as in ssh */
    write_file(".ssh/open.inc", "Port 5\n", 0622);
    write_file("includes", "\nInclude open.inc\n", 0600);
    refused("includes", "includes line 2: Bad owner or permissions on");
    refused("missing", "Can't open user config file");
    refused(".ssh", "Can't open user config file");
    write_file("loop", "Include ~/loop\n", 0600);
    refused("loop", "loop line 1: Too many recursive configuration includes");
    write_file("unset", "Include ${NO_SUCH_VARIABLE_HERE}/x\n", 0600);
    refused("unset", "unset line 1:");
    write_file("user", "Include ~no-such-user-here/x\n", 0600);
    refused("user", "user line 1:");
}

/* ~/.ssh/config.d with a folder of backups in it. */
static void test_folder_among_includes(void **state)
{
    (void)state;
    folder_mode(".ssh/parts", 0755);
    folder_mode(".ssh/parts/old", 0755);
    write_file(".ssh/parts/zed", "Tag zed\n", 0600);
    write_file("folder", "Include parts/*\nInclude parts\n", 0600);
    good("web", "folder");
    assert_string_equal(o.tag, "zed");
    folder_mode(".ssh/parts/old", 0777); /* somebody else may put something else there */
    refused("folder", "folder line 1: Bad owner or permissions on");
}

/* What a file says that could not be read just now is not known, and another time it is. */
static void test_file_that_cannot_be_read_now(void **state)
{
    struct adit_error err = {0};
    const struct ssh_config_query q = {.host = "web", .file = NO_READING};
    (void)state;
    assert_int_equal(ssh_config_resolve(&o, &q, &err), ADIT_E_MEMORY);
    assert_string_equal(err.text, "Can't open user config file " NO_READING ": Input/output error");
    memset(&err, 0, sizeof err);
    write_file("outer", "Include " NO_READING "\n", 0600);
    assert_int_equal(resolve("web", "outer", &err), ADIT_E_MEMORY);
    assert_non_null(strstr(err.text, "outer line 1: "));
}

static void test_exec(void **state)
{
    (void)state;
    write_file(
        "exec",
        "Match exec \"test %h = web\"\nPort 3\nMatch exec \"exit 1\"\nTag no\nMatch !exec false\nUser u\n",
        0600);
    good("web", "exec");
    assert_int_equal(o.port, 3);
    assert_null(o.tag);
    assert_string_equal(o.user, "u");
}

static void test_exec_without_a_shell(void **state)
{
    struct adit_error err = {0};
    (void)state;
    if (!vfork_is_real())
        skip();
    write_file("exec", "Match exec true\nPort 3\n", 0600);
    setenv("SHELL", "/no/such/shell", 1);
    assert_int_equal(resolve("web", "exec", &err), ADIT_E_SYSTEM);
    assert_non_null(strstr(err.text, "exec line 1: "));
    unsetenv("SHELL");
}

static void test_local_network(void **state)
{
    (void)state;
    write_file("net", "Match localnetwork 127.0.0.0/8\nPort 3\nMatch localnetwork 198.51.100.7/32\nTag no\n",
               0600);
    good("web", "net");
    assert_int_equal(o.port, 3);
    assert_null(o.tag);
    write_file("net", "Match localnetwork 127.0.0.1/8\n", 0600);
    refused("net", "Invalid network entry");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_names),
                                       T(test_command_line),
                                       T(test_second_pass),
                                       T(test_default_file),
                                       T(test_refusals),
                                       T(test_folder_among_includes),
                                       T(test_file_that_cannot_be_read_now),
                                       T(test_exec),
                                       T(test_exec_without_a_shell),
                                       T(test_local_network)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
