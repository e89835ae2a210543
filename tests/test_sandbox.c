#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/sandbox.h"

/* Everything is of the process, and once: each case is a child. */

static char folder[] = "/tmp/adit-test-sandbox.XXXXXX";
static const char *const parts[] = {"a", "b", "c", "home"};
static char line[SANDBOX_TEXT_CAP];

static const char *at(const char *name)
{
    static char path[4][PATH_MAX];
    static size_t turn;
    char *p = path[turn++ % 4];
    snprintf(p, PATH_MAX, "%s/%s", folder, name);
    return p;
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < ADIT_COUNT(parts); i++) {
        char name[16];
        assert_int_equal(mkdir(at(parts[i]), 0700), 0);
        snprintf(name, sizeof name, "%s/file", parts[i]);
        int fd = open(at(name), O_WRONLY | O_CREAT, 0600);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    assert_int_equal(symlink(at("c/file"), at("a/link")), 0);
    assert_int_equal(setenv("HOME", at("home"), 1), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(at("a/link"));
    for (size_t i = 0; i < ADIT_COUNT(parts); i++) {
        char name[16];
        snprintf(name, sizeof name, "%s/file", parts[i]);
        (void)unlink(at(name));
        (void)rmdir(at(parts[i]));
    }
    return rmdir(folder);
}

static bool may(const char *name, int flags)
{
    int fd = open(at(name), flags);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

#define MUST(what)                     \
    do {                               \
        if (!(what))                   \
            return __LINE__ % 200 + 1; \
    } while (0)

static void in_child(int (*run)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(run());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* The kernel has it: the rest is net/confine's to show. */
static bool has_landlock(void)
{
    return strstr(line, "Landlock") != NULL && strstr(line, "no Landlock") == NULL;
}

/* Either keeps programs from being started. */
static bool has_any(void)
{
    return has_landlock() || (strstr(line, "seccomp") != NULL && strstr(line, "no seccomp") == NULL);
}

/* ---- Once, and again ---- */

static void need_some(void)
{
    sandbox_need(at("a/link"), CONFINE_READ, SANDBOX_AGAIN);
    sandbox_need(at("b/file"), CONFINE_READ, SANDBOX_ALWAYS);
    sandbox_need(at("b/file"), CONFINE_WRITE, SANDBOX_ALWAYS); /* both count */
}

static int once(void)
{
    need_some();
    MUST(sandbox_enter(false, false, line));
    MUST(strstr(line, "; some files, no programs") != NULL);
    MUST(!has_landlock() || (may("b/file", O_RDWR) && !may("a/file", O_RDONLY) && !may("c/file", O_RDONLY)));
    MUST(!sandbox_enter(true, false, line)); /* never twice */
    return 0;
}

static int again(void)
{
    need_some();
    MUST(sandbox_enter(true, false, line));
    MUST(may("b/file", O_RDWR) && may("a/file", O_RDONLY) && may("c/file", O_RDONLY));
    MUST(!has_landlock() || (!may("a/file", O_RDWR) && !may("home/file", O_RDONLY)));
    return 0;
}

static int nothing(void)
{
    sandbox_need(NULL, CONFINE_READ, SANDBOX_ALWAYS);
    sandbox_need("", CONFINE_READ, SANDBOX_ALWAYS);
    sandbox_need(at("a/file"), CONFINE_READ, SANDBOX_AGAIN);
    MUST(sandbox_enter(false, false, line));
    MUST(strstr(line, "; no files, no programs") != NULL);
    MUST(!has_landlock() || !may("a/file", O_RDONLY));
    return 0;
}

static void what_connects_once_keeps_less(void **state)
{
    (void)state;
    in_child(once);
    in_child(again);
    in_child(nothing);
}

/* ---- Programs ---- */

static int programs_to_connect(void)
{
    sandbox_need_programs("ProxyCommand", SANDBOX_AGAIN);
    MUST(sandbox_enter(false, false, line));
    MUST(strstr(line, "no files, no programs") != NULL); /* it is connected */
    return 0;
}

static int programs_again(void)
{
    sandbox_need_programs("ProxyCommand", SANDBOX_AGAIN);
    sandbox_need_programs("Match exec", SANDBOX_AGAIN);
    MUST(sandbox_enter(true, false, line));
    MUST(strstr(line, "programs may be started (ProxyCommand)") != NULL);
    MUST(may("a/file", O_RDWR)); /* this thread is no session's */
    return 0;
}

static int programs_always(void)
{
    sandbox_need_programs("KnownHostsCommand", SANDBOX_ALWAYS);
    MUST(sandbox_enter(false, false, line));
    MUST(strstr(line, "programs may be started (KnownHostsCommand)") != NULL);
    return 0;
}

static int everything(void)
{
    sandbox_need_all("ControlMaster ask");
    MUST(sandbox_enter(false, false, line));
    MUST(strcmp(line, "sandbox: none (ControlMaster ask)") == 0 && may("a/file", O_RDWR));
    return 0;
}

static void programs_stay_where_they_are_needed(void **state)
{
    (void)state;
    in_child(programs_to_connect);
    in_child(programs_again);
    in_child(programs_always);
    in_child(everything);
}

/* ---- Lines of a configuration ---- */

static int files_of_lines(void)
{
    char text[PATH_MAX + 64];
    snprintf(text, sizeof text, "  IdentityFile \"%s\"", at("a/%h"));
    sandbox_need_line(text);
    snprintf(text, sizeof text, "userknownhostsfile=%s /dev/null", at("b/known"));
    sandbox_need_line(text);
    sandbox_need_line("CertificateFile ~/cert");
    sandbox_need_line("# IdentityFile /etc/x");
    sandbox_need_line("");
    sandbox_need_line("IdentityFile \"open");
    sandbox_need_line("IdentityFile %");
    MUST(sandbox_enter(true, false, line));
    MUST(may("a/file", O_RDONLY));
    MUST(may("b/file", O_RDWR));
    MUST(may("home/file", O_RDONLY));
    MUST(!has_landlock() || (!may("a/file", O_RDWR) && !may("c/file", O_RDONLY)));
    return 0;
}

static bool wants_programs(const char *text)
{
    pid_t pid = fork();
    int status = -1;
    if (pid == 0) {
        sandbox_need_line(text);
        _exit(sandbox_enter(true, false, line) && strstr(line, "programs may be started") != NULL);
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

static void lines_say_what_may_come(void **state)
{
    (void)state;
    in_child(files_of_lines);
    const char *const yes[] = {"ProxyCommand nc %h %p", "proxycommand=\"x\"",   "KnownHostsCommand /bin/x",
                               "Match exec \"true\"",   "Match host a !exec x", "Match exec=true"};
    const char *const no[] = {"ProxyCommand none",
                              "KnownHostsCommand none",
                              "Match host executive",
                              "Host exec",
                              "ProxyCommand /usr/lib/systemd/systemd-ssh-proxy %h %p",
                              "#ProxyCommand nc",
                              "Match all"};
    for (size_t i = 0; i < ADIT_COUNT(yes); i++)
        assert_true(wants_programs(yes[i]));
    for (size_t i = 0; i < ADIT_COUNT(no); i++)
        assert_false(wants_programs(no[i]));
}

/* ---- The same lines, once it is entered ---- */

static bool lacks_file(const char *keyword, const char *name, char what[static SANDBOX_TEXT_CAP])
{
    char text[PATH_MAX + 64];
    snprintf(text, sizeof text, "%s %s", keyword, at(name));
    return sandbox_lacks(text, what);
}

static int lines_that_came_later(void)
{
    char what[SANDBOX_TEXT_CAP];
    MUST(!lacks_file("IdentityFile", "a/file", what) && what[0] == 0); /* it counts as a need */
    MUST(sandbox_enter(true, false, line));
    MUST(!lacks_file("IdentityFile", "a/file", what) && !lacks_file("IdentityFile", "a/not-there", what));
    MUST(!lacks_file("IdentityFile", "c/not-there", what) && !lacks_file("Description", "c/file", what));
    MUST(!sandbox_lacks("IdentityFile none", what) && !sandbox_lacks("ProxyCommand none", what));
    MUST(!has_landlock() || (lacks_file("IdentityFile", "c/file", what) && strcmp(what, at("c/file")) == 0));
    MUST(!has_landlock() || (lacks_file("PasswordFile", "c/file", what) && !may("c/file", O_RDONLY)));
    MUST(sandbox_lacks("ProxyCommand nc %h %p", what) == has_any());
    MUST(!has_any() || strcmp(what, "ProxyCommand") == 0);
    MUST(sandbox_lacks("KnownHostsCommand /bin/x", what) == has_any());
    MUST(!has_any() || strcmp(what, "KnownHostsCommand") == 0);
    return 0;
}

static int programs_that_came_later(void)
{
    char what[SANDBOX_TEXT_CAP];
    sandbox_need_programs("ProxyCommand", SANDBOX_AGAIN);
    MUST(sandbox_enter(true, false, line));
    MUST(!sandbox_lacks("ProxyCommand nc %h %p", what) && !lacks_file("IdentityFile", "c/file", what));
    return 0;
}

static void lines_that_come_later_lack_what_is_gone(void **state)
{
    (void)state;
    in_child(lines_that_came_later);
    in_child(programs_that_came_later);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_connects_once_keeps_less),
        cmocka_unit_test(programs_stay_where_they_are_needed),
        cmocka_unit_test(lines_say_what_may_come),
        cmocka_unit_test(lines_that_come_later_lack_what_is_gone),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
