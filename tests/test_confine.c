#define _GNU_SOURCE /* mkdtemp, execve's environ */
#include "net/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "net/thread.h"
#include "tests/test.h"

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#endif

static char folder[] = "/tmp/test_confine.XXXXXX";
static char given[64], other[64]; /* two folders with a file each */

static void file_make(const char *in)
{
    char path[128];
    assert_int_equal(mkdir(in, 0700), 0);
    adit_format(path, sizeof path, "%s/file", in);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    adit_format(given, sizeof given, "%s/given", folder);
    adit_format(other, sizeof other, "%s/other", folder);
    file_make(given);
    file_make(other);
    return 0;
}

static int tear_down(void **state)
{
    char path[128];
    const char *const names[] = {"given/file", "other/file", "given/new", "given", "other", "."};
    (void)state;
    for (size_t i = 0; i < ADIT_COUNT(names); i++) {
        adit_format(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    (void)rmdir(folder);
    return 0;
}

/* 0, or why not. */
static int open_in(const char *in, const char *name, int flags)
{
    char path[128];
    adit_format(path, sizeof path, "%s/%s", in, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0 ? 0 : errno;
}

static int start_program(void)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL}, *const env[] = {NULL};
    (void)execve("/nonexistent/program", argv, env); /* ENOENT, where it may be */
    return errno;
}

/* ---- In a child ---- */

/* A child has no cmocka: the first thing that is not so is its exit status. */
#define MUST(what)                     \
    do {                               \
        if (!(what))                   \
            return __LINE__ % 200 + 1; \
    } while (0)

enum { NOTHING_HERE = 255 };

static int child_run(int (*in_child)(void), int *signal_number)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(in_child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void check(int (*in_child)(void))
{
    int number, status = child_run(in_child, &number);
    if (status == NOTHING_HERE)
        skip();
    assert_int_equal(number, 0);
    assert_int_equal(status, 0);
}

static struct confine_report confine(unsigned rights, bool may_open, bool only_sessions)
{
    const struct confine_path paths[] = {{given, rights}};
    const struct confine_rules rules = {
        .paths = paths, .count = 1, .may_open = may_open, .only_sessions = only_sessions};
    struct confine_report report;
    confine_process(&rules, &report);
    return report;
}

/* ---- Files ---- */

static int read_one_folder(void)
{
    struct confine_report r = confine(CONFINE_READ, true, false);
    if (r.landlock == 0)
        return NOTHING_HERE;
    MUST(open_in(given, "file", O_RDONLY) == 0);
    MUST(open_in(given, "file", O_WRONLY) == EACCES);
    MUST(open_in(given, "new", O_WRONLY | O_CREAT) == EACCES);
    MUST(open_in(other, "file", O_RDONLY) == EACCES);
    MUST(open_in("/etc", "passwd", O_RDONLY) == EACCES);
    MUST(strstr(r.text, "Landlock") != NULL && strstr(r.text, "no new privileges") != NULL);
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    return 0;
}

static void only_what_is_given_is_read(void **state)
{
    (void)state;
    check(read_one_folder);
}

static int write_one_folder(void)
{
    if (confine(CONFINE_READ | CONFINE_WRITE, true, false).landlock == 0)
        return NOTHING_HERE;
    char from[128], to[128];
    adit_format(from, sizeof from, "%s/new", given);
    adit_format(to, sizeof to, "%s/file", given);
    MUST(open_in(given, "new", O_WRONLY | O_CREAT | O_TRUNC) == 0);
    MUST(rename(from, to) == 0); /* as known_hosts is replaced */
    MUST(open_in(given, "file", O_WRONLY | O_TRUNC) == 0);
    MUST(open_in(other, "file", O_WRONLY) == EACCES);
    adit_format(from, sizeof from, "%s/file", other);
    MUST(unlink(from) != 0 && errno == EACCES);
    return 0;
}

static void and_written(void **state)
{
    (void)state;
    check(write_one_folder);
}

static int open_nothing(void)
{
    if (!confine(CONFINE_READ, false, false).has_filter)
        return NOTHING_HERE;
    MUST(open_in(given, "file", O_RDONLY) == EPERM);
    return 0;
}

static void without_files_there_is_no_open(void **state)
{
    (void)state;
    check(open_nothing);
}

static int missing_folder(void)
{
    char deep[128];
    adit_format(deep, sizeof deep, "%s/not/there/yet", given);
    const struct confine_path path = {deep, CONFINE_READ | CONFINE_WRITE};
    const struct confine_rules rules = {.paths = &path, .count = 1, .may_open = true};
    struct confine_report report;
    confine_process(&rules, &report);
    if (report.landlock == 0)
        return NOTHING_HERE;
    MUST(open_in(given, "new", O_WRONLY | O_CREAT) == 0);
    MUST(open_in(other, "file", O_RDONLY) == EACCES);
    return 0;
}

static void what_is_not_there_yet_can_be_made(void **state)
{
    (void)state;
    check(missing_folder);
}

/* ---- Programs, and the rest ---- */

static int no_programs(void)
{
    MUST(start_program() == ENOENT);
    if (!confine(CONFINE_READ, true, false).has_filter)
        return NOTHING_HERE;
    MUST(start_program() == EPERM);
    MUST(strcmp(confine_hint(EPERM), "") != 0 && strcmp(confine_hint(ENOENT), "") == 0);
    return 0;
}

static void no_program_starts(void **state)
{
    (void)state;
    check(no_programs);
}

static int trace_somebody(void)
{
    if (!confine(CONFINE_READ, true, false).has_filter)
        return NOTHING_HERE;
    (void)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    return 0;
}

static void who_traces_is_ended(void **state)
{
    int number, status = child_run(trace_somebody, &number);
    (void)state;
    if (status == NOTHING_HERE)
        skip();
    assert_int_equal(number, SIGSYS);
}

/* ---- Threads ---- */

static sem_t go;

struct seen {
    int file, program;
};

static void *look(void *arg)
{
    struct seen *seen = arg;
    while (sem_wait(&go) != 0)
        continue;
    seen->file = open_in(other, "file", O_RDONLY);
    seen->program = start_program();
    return NULL;
}

static bool start(pthread_t *thread, size_t stack_len, struct seen *seen)
{
    return thread_start(thread, stack_len, look, seen, NULL) == ADIT_E_OK;
}

/* One of each kind that runs already, and one that comes. */
static int threads(bool only_sessions, struct seen seen[static 3])
{
    pthread_t t[3];
    MUST(sem_init(&go, 0, 0) == 0);
    MUST(start(&t[0], THREAD_STACK_SESSION, &seen[0]) && start(&t[1], THREAD_STACK_LINK, &seen[1]));
    struct confine_report r = confine(CONFINE_READ, true, only_sessions);
    if (!r.has_filter || r.landlock == 0)
        _exit(NOTHING_HERE);
    MUST(start(&t[2], THREAD_STACK_SESSION, &seen[2]));
    for (int i = 0; i < 3; i++)
        (void)sem_post(&go);
    for (int i = 0; i < 3; i++)
        MUST(pthread_join(t[i], NULL) == 0);
    return 0;
}

static int all_threads(void)
{
    struct seen seen[3];
    int bad = threads(false, seen);
    MUST(bad == 0);
    for (int i = 0; i < 3; i++)
        MUST(seen[i].file == EACCES && seen[i].program == EPERM);
    return 0;
}

static void every_thread_is_confined(void **state)
{
    (void)state;
    check(all_threads);
}

static int session_threads(void)
{
    struct seen seen[3];
    int bad = threads(true, seen);
    MUST(bad == 0);
    MUST(seen[0].file == EACCES && seen[0].program == EPERM);
    MUST(seen[1].file == 0 && seen[1].program == ENOENT);
    MUST(seen[2].file == EACCES && seen[2].program == EPERM);
    MUST(open_in(other, "file", O_RDONLY) == 0 && start_program() == ENOENT);
    MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0);
    MUST(strcmp(confine_hint(EPERM), "") == 0);
    return 0;
}

static void sessions_alone_are(void **state)
{
    (void)state;
    check(session_threads);
}

/* ---- Kernels that have less ---- */

/* These calls are unknown. */
static bool forget(int first, int second)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)first, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)second, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = ADIT_COUNT(code), .filter = code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static int without_landlock(void)
{
    if (!forget(__NR_landlock_create_ruleset, __NR_landlock_create_ruleset))
        return NOTHING_HERE;
    struct confine_report r = confine(CONFINE_READ, true, false);
    MUST(r.landlock == 0 && strstr(r.text, "no Landlock") != NULL);
    MUST(open_in(other, "file", O_RDONLY) == 0);
    MUST(!r.has_filter || start_program() == EPERM);
    return 0;
}

static int without_seccomp(void)
{
    if (!forget(SYS_seccomp, SYS_seccomp))
        return NOTHING_HERE;
    struct confine_report r = confine(CONFINE_READ, true, false);
    MUST(!r.has_filter && strstr(r.text, "no seccomp") != NULL);
    MUST(r.landlock == 0 || open_in(other, "file", O_RDONLY) == EACCES);
    return 0;
}

static int without_anything(void)
{
    if (!forget(SYS_seccomp, __NR_landlock_create_ruleset))
        return NOTHING_HERE;
    struct confine_report r = confine(CONFINE_READ, false, false);
    MUST(!r.has_filter && r.landlock == 0 && strstr(r.text, "no new privileges") != NULL);
    MUST(open_in(other, "file", O_RDONLY) == 0 && start_program() == ENOENT);
    return 0;
}

static void a_kernel_may_have_less(void **state)
{
    (void)state;
    check(without_landlock);
    check(without_seccomp);
    check(without_anything);
}

static int memory(void)
{
    confine_memory();
    int is_dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
#if defined(__SANITIZE_ADDRESS__)
    MUST(is_dumpable == 1);
#else
    MUST(is_dumpable == 0);
#endif
    return 0;
}

static void nobody_looks_into_it(void **state)
{
    (void)state;
    check(memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_given_is_read),
        cmocka_unit_test(and_written),
        cmocka_unit_test(without_files_there_is_no_open),
        cmocka_unit_test(what_is_not_there_yet_can_be_made),
        cmocka_unit_test(no_program_starts),
        cmocka_unit_test(who_traces_is_ended),
        cmocka_unit_test(every_thread_is_confined),
        cmocka_unit_test(sessions_alone_are),
        cmocka_unit_test(a_kernel_may_have_less),
        cmocka_unit_test(nobody_looks_into_it),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
