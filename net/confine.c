#define _GNU_SOURCE /* O_PATH */
#include "net/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "net/confine_filter.h"
#include "net/thread.h"

/* ---- Landlock (landlock(7)); the headers of an old kernel do not know it ---- */

#ifndef __NR_landlock_create_ruleset
#if defined(__mips__) && _MIPS_SIM == _ABIO32
#define __NR_landlock_create_ruleset 4444
#else
#define __NR_landlock_create_ruleset 444
#endif
#define __NR_landlock_add_rule      (__NR_landlock_create_ruleset + 1)
#define __NR_landlock_restrict_self (__NR_landlock_create_ruleset + 2)
#endif

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_REFER = 1 << 13,    /* since version 2 */
    FS_TRUNCATE = 1 << 14, /* 3 */
    FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
    FS_FIRST = (1 << 13) - 1,
    ASK_VERSION = 1, /* LANDLOCK_CREATE_RULESET_VERSION */
    PATH_BENEATH = 1,
};

struct ruleset_attr {
    uint64_t handled;
};

struct beneath_attr {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

/* What is kept from files; of TCP, devices and signals nothing is: forwards go where they are told. */
static unsigned handled_by(int version)
{
    return FS_FIRST | (version >= 2 ? (unsigned)FS_REFER : 0) | (version >= 3 ? (unsigned)FS_TRUNCATE : 0);
}

static unsigned access_of(unsigned rights)
{
    return ((rights & CONFINE_READ) != 0 ? (unsigned)(FS_READ_FILE | FS_READ_DIR) : 0) |
           ((rights & CONFINE_WRITE) != 0
                ? (unsigned)(FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_FILE | FS_MAKE_REG | FS_MAKE_DIR)
                : 0) |
           ((rights & CONFINE_SOCKETS) != 0 ? (unsigned)(FS_MAKE_SOCK | FS_REMOVE_FILE | FS_MAKE_DIR) : 0);
}

/* The path, or what is there above it. */
static int path_open(const struct confine_path *p)
{
    char path[PATH_MAX];
    int fd = open(p->path, O_PATH | O_CLOEXEC);
    if (fd >= 0 || p->rights == CONFINE_READ || p->path[0] != '/' ||
        adit_format(path, sizeof path, "%s", p->path) >= sizeof path)
        return fd;
    for (char *slash; fd < 0 && (slash = strrchr(path, '/')) != path;) {
        *slash = 0;
        fd = open(path, O_PATH | O_CLOEXEC);
    }
    return fd;
}

static void rule_add(int ruleset, unsigned handled, const struct confine_path *p)
{
    struct stat status;
    int fd = path_open(p);
    if (fd >= 0 && fstat(fd, &status) == 0) {
        unsigned of_kind = S_ISDIR(status.st_mode) ? ~0u : (unsigned)FS_OF_FILES;
        struct beneath_attr rule = {access_of(p->rights) & handled & of_kind, fd};
        if (rule.allowed != 0)
            (void)syscall(__NR_landlock_add_rule, ruleset, PATH_BENEATH, &rule, 0);
    }
    if (fd >= 0)
        (void)close(fd);
}

/* -1: none. */
static int ruleset_make(const struct confine_rules *rules, int *version)
{
    *version = (int)syscall(__NR_landlock_create_ruleset, NULL, 0, ASK_VERSION);
    if (*version <= 0)
        return -1;
    const struct ruleset_attr attr = {handled_by(*version)};
    int fd = (int)syscall(__NR_landlock_create_ruleset, &attr, sizeof attr, 0);
    for (size_t i = 0; fd >= 0 && i < rules->count; i++)
        rule_add(fd, (unsigned)attr.handled, &rules->paths[i]);
    return fd;
}

/* ---- A thread ---- */

/* What each thread is to take upon itself; it stays, for those that come. */
static struct {
    int ruleset; /* -1: none */
    bool has_filter;
    unsigned flags;
    struct sock_fprog program;
} job = {.ruleset = -1};
static struct confine_filter filter; /* what the program is made of */
static _Atomic bool is_confined;

static bool gain_nothing(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

static bool filter_set(unsigned flags)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &job.program) == 0;
}

static bool files_restrict(void)
{
    return job.ruleset >= 0 && syscall(__NR_landlock_restrict_self, job.ruleset, 0) == 0;
}

/* In a signal's handler. The filter comes to all at once. */
static void act_with_all(void)
{
    if (gain_nothing())
        (void)files_restrict();
}

/* Alone, while the others stay as they are. */
static void act_alone(void)
{
    if (gain_nothing()) {
        (void)files_restrict();
        if (job.has_filter)
            (void)filter_set(job.flags);
    }
}

/* ---- The process ---- */

void confine_memory(void)
{
#if !defined(__SANITIZE_ADDRESS__) /* its search for leaks looks into its own process so */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static void tell(struct confine_report *r, bool has_privileges)
{
    char files[32] = "";
    if (r->landlock > 0)
        (void)adit_format(files, sizeof files, "%sLandlock %d", r->has_filter ? ", " : "", r->landlock);
    if (!has_privileges)
        (void)adit_format(r->text, sizeof r->text, "nothing: the kernel has no no_new_privs");
    else
        (void)adit_format(r->text, sizeof r->text, "%s%s%sno new privileges%s%s",
                          r->has_filter ? "seccomp" : "", files, r->has_filter || r->landlock > 0 ? ", " : "",
                          r->has_filter ? "" : " (no seccomp)", r->landlock > 0 ? "" : " (no Landlock)");
}

/* A kernel without seccomp says EINVAL to its flags and ENOSYS to the call; with it, EFAULT to no program. */
static bool filter_is_there(void)
{
    return job.program.len > 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, job.flags, NULL) < 0 &&
           errno == EFAULT;
}

static void filter_prepare(const struct confine_rules *rules)
{
    confine_filter_make(&filter, rules->may_open);
    job.program = (struct sock_fprog){filter.len, filter.code};
#ifdef SECCOMP_FILTER_FLAG_LOG
    job.flags = rules->is_logged ? SECCOMP_FILTER_FLAG_LOG : 0;
    if (!filter_is_there()) /* Linux before 4.14 */
        job.flags = 0;
#endif
    job.has_filter = filter_is_there();
}

void confine_process(const struct confine_rules *rules, struct confine_report *report)
{
    memset(report, 0, sizeof *report);
    int version = 0;
    bool has_privileges = rules->only_sessions ? prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0 : gain_nothing();
    if (has_privileges) {
        job.ruleset = ruleset_make(rules, &version);
        filter_prepare(rules);
        if (rules->only_sessions) {
            thread_each(act_alone, THREAD_STACK_SESSION);
            report->landlock = job.ruleset >= 0 ? version : 0;
            report->has_filter = job.has_filter;
        } else {
            thread_each(act_with_all, 0);
            report->landlock = files_restrict() ? version : 0;
            report->has_filter = job.has_filter && filter_set(job.flags | SECCOMP_FILTER_FLAG_TSYNC);
        }
        is_confined = !rules->only_sessions && (report->has_filter || report->landlock > 0);
    }
    tell(report, has_privileges);
}

const char *confine_hint(int why)
{
    return is_confined && (why == EACCES || why == EPERM) ? " (AditSandbox?)" : "";
}
