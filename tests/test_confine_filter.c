#define _GNU_SOURCE /* CLONE_NEW... */
#include "net/confine_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "tests/test.h"

/* What the kernel would do: the few instructions that such a program has. */
static unsigned run(const struct confine_filter *f, const struct seccomp_data *call, unsigned *steps)
{
    unsigned value = 0;
    *steps = 0;
    for (unsigned at = 0; at < f->len; (*steps)++) {
        const struct sock_filter *i = &f->code[at++];
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            assert_true(i->k % 4 == 0 && i->k + 4 <= sizeof *call);
            memcpy(&value, (const char *)call + i->k, 4);
            break;
        case BPF_JMP | BPF_JEQ | BPF_K:
            at += value == i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            at += value >= i->k ? i->jt : i->jf;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            at += (value & i->k) != 0 ? i->jt : i->jf;
            break;
        case BPF_RET | BPF_K:
            return i->k;
        default:
            fail_msg("instruction %u", i->code);
        }
    }
    fail_msg("it runs off its end");
    return 0;
}

static struct confine_filter with_files, without_files;
static unsigned machine; /* that the filter is made for */
static unsigned steps;

static int make(void **state)
{
    (void)state;
    confine_filter_make(&with_files, true);
    confine_filter_make(&without_files, false);
    if (with_files.len > 2)
        machine = with_files.code[1].k;
    return 0;
}

static unsigned ask(const struct confine_filter *f, int number, unsigned at, uint64_t argument)
{
    struct seccomp_data call = {.nr = number, .arch = machine};
    call.args[at] = argument;
    return run(f, &call, &steps);
}

static unsigned refused(int why)
{
    return SECCOMP_RET_ERRNO | (unsigned)why;
}

#define NEEDS_FILTER         \
    (void)state;             \
    if (with_files.len == 0) \
    skip()

static void what_carries_data_comes_first(void **state)
{
    NEEDS_FILTER;
    const int hot[] = {__NR_read, __NR_write, __NR_readv, __NR_writev, __NR_epoll_pwait};
    for (size_t i = 0; i < ADIT_COUNT(hot); i++) {
        assert_int_equal(ask(&without_files, hot[i], 0, 0), SECCOMP_RET_ALLOW);
        assert_true(steps < 16);
    }
}

static void paths_are_a_matter_of_their_own(void **state)
{
    NEEDS_FILTER;
    const int calls[] = {__NR_openat, __NR_unlinkat, __NR_mkdirat, __NR_linkat, __NR_readlinkat};
    for (size_t i = 0; i < ADIT_COUNT(calls); i++) {
        assert_int_equal(ask(&with_files, calls[i], 0, 0), SECCOMP_RET_ALLOW);
        assert_int_equal(ask(&without_files, calls[i], 0, 0), refused(EPERM));
    }
}

static void no_program_is_started(void **state)
{
    NEEDS_FILTER;
    assert_int_equal(ask(&with_files, __NR_execve, 0, 0), refused(EPERM));
    assert_int_equal(ask(&with_files, __NR_execveat, 0, 0), refused(EPERM));
}

static void privileges_and_others_are_left_alone(void **state)
{
    NEEDS_FILTER;
    const int calls[] = {__NR_setuid,  __NR_setgid,  __NR_setresuid,   __NR_chroot,
                         __NR_unshare, __NR_setns,   __NR_personality, __NR_keyctl,
                         __NR_add_key, __NR_seccomp, __NR_settimeofday};
    for (size_t i = 0; i < ADIT_COUNT(calls); i++)
        assert_int_equal(ask(&with_files, calls[i], 0, 0), refused(EPERM));
}

static void what_nobody_here_wants_ends_it(void **state)
{
    NEEDS_FILTER;
    const int calls[] = {__NR_ptrace,      __NR_process_vm_readv, __NR_process_vm_writev,
                         __NR_init_module, __NR_kexec_load,       __NR_mount,
                         __NR_reboot};
    for (size_t i = 0; i < ADIT_COUNT(calls); i++)
        assert_int_equal(ask(&with_files, calls[i], 0, 0), SECCOMP_RET_KILL_PROCESS);
    struct seccomp_data foreign = {.nr = __NR_read, .arch = machine ^ 1};
    assert_int_equal(run(&with_files, &foreign, &steps), SECCOMP_RET_KILL_PROCESS);
}

static void new_calls_are_unknown(void **state)
{
    NEEDS_FILTER;
#ifdef __NR_pidfd_send_signal
    int clone3 = __NR_pidfd_send_signal + 11; /* 435, where there is no offset */
    assert_int_equal(ask(&with_files, clone3, 0, 0), refused(ENOSYS));
    assert_int_equal(ask(&with_files, clone3 + 1000, 0, 0), refused(ENOSYS));
    assert_int_equal(ask(&with_files, clone3 + 11, 0, 0), SECCOMP_RET_ALLOW); /* landlock_restrict_self */
#endif
}

static void sockets_are_of_four_families(void **state)
{
    NEEDS_FILTER;
#ifdef __NR_socket
    const unsigned good[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK},
                   bad[] = {AF_PACKET, 38 /* AF_ALG */, 40};
    for (size_t i = 0; i < ADIT_COUNT(good); i++)
        assert_int_equal(ask(&with_files, __NR_socket, 0, good[i]), SECCOMP_RET_ALLOW);
    for (size_t i = 0; i < ADIT_COUNT(bad); i++)
        assert_int_equal(ask(&with_files, __NR_socket, 0, bad[i]), refused(EAFNOSUPPORT));
#endif
}

static void arguments_are_looked_at(void **state)
{
    NEEDS_FILTER;
    unsigned flags_at = 0;
#ifdef __s390x__
    flags_at = 1;
#endif
    assert_int_equal(ask(&with_files, __NR_clone, flags_at, CLONE_VM | CLONE_THREAD), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&with_files, __NR_clone, flags_at, CLONE_NEWUSER | 17), refused(EPERM));
    assert_int_equal(ask(&with_files, __NR_ioctl, 1, TIOCGWINSZ), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&with_files, __NR_ioctl, 1, TIOCSTI), refused(EPERM));
    assert_int_equal(ask(&with_files, __NR_prctl, 0, PR_SET_NAME), SECCOMP_RET_ALLOW);
    assert_int_equal(ask(&with_files, __NR_prctl, 0, PR_SET_DUMPABLE), refused(EPERM));
    assert_int_equal(ask(&with_files, __NR_mprotect, 2, PROT_READ | PROT_WRITE), SECCOMP_RET_ALLOW);
#ifndef __GLIBC__
    assert_int_equal(ask(&with_files, __NR_mprotect, 2, PROT_EXEC), refused(EPERM));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_carries_data_comes_first),
        cmocka_unit_test(paths_are_a_matter_of_their_own),
        cmocka_unit_test(no_program_is_started),
        cmocka_unit_test(privileges_and_others_are_left_alone),
        cmocka_unit_test(what_nobody_here_wants_ends_it),
        cmocka_unit_test(new_calls_are_unknown),
        cmocka_unit_test(sockets_are_of_four_families),
        cmocka_unit_test(arguments_are_looked_at),
    };

    return cmocka_run_group_tests(tests, make, NULL);
}
