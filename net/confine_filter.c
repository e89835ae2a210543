#define _GNU_SOURCE /* CLONE_NEW... */
#include "net/confine_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if defined(__x86_64__) && !defined(__ILP32__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define MACHINE AUDIT_ARCH_I386
#elif defined(__aarch64__) && defined(__AARCH64EL__) && !defined(__ILP32__)
#define MACHINE AUDIT_ARCH_AARCH64
#elif defined(__arm__) && defined(__ARMEL__) && defined(__ARM_EABI__)
#define MACHINE AUDIT_ARCH_ARM
#elif defined(__mips__) && defined(_ABIO32) && _MIPS_SIM == _ABIO32 && defined(__MIPSEL__)
#define MACHINE AUDIT_ARCH_MIPSEL
#elif defined(__mips__) && defined(_ABIO32) && _MIPS_SIM == _ABIO32
#define MACHINE AUDIT_ARCH_MIPS
#elif defined(__riscv) && __riscv_xlen == 64
#define MACHINE AUDIT_ARCH_RISCV64
#elif defined(__s390x__)
#define MACHINE AUDIT_ARCH_S390X
#else
#define MACHINE 0
#endif

#ifndef SECCOMP_RET_KILL_PROCESS
#define SECCOMP_RET_KILL_PROCESS 0x80000000U
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#define NAMESPACES                                                                                \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

/* ---- The lists ---- */

/* Since Linux 5.1 a call has the same number everywhere, but for a machine's offset. */
#ifdef __NR_pidfd_send_signal
#define NEWER_THAN_THIS __NR_pidfd_send_signal
#endif
/* These are among the first of them; not every libc's headers have them yet. */
#define NUMBER_SINCE_5_1(n) (NEWER_THAN_THIS - 424 + (n))

/* The data path comes first; the kernel remembers what is always allowed, on machines that have a map for it
 * (Linux 5.11). */
static const int allowed[] = {
    __NR_read, __NR_write, __NR_readv, __NR_writev, __NR_epoll_pwait,
#ifdef __NR_epoll_wait
    __NR_epoll_wait,
#endif
#ifdef __NR_recvfrom
    __NR_recvfrom, __NR_sendto,
#endif
#ifdef __NR_recvmsg
    __NR_recvmsg, __NR_sendmsg,
#endif
#ifdef __NR_futex
    __NR_futex,
#endif
#ifdef __NR_clock_gettime
    __NR_clock_gettime,
#endif
#ifdef __NR_poll
    __NR_poll,
#endif
#ifdef __NR_ppoll
    __NR_ppoll,
#endif
    __NR_close, __NR_epoll_ctl,

    /* the rest of input and output */
    __NR_pread64, __NR_pwrite64, __NR_preadv, __NR_pwritev, __NR_splice, __NR_tee, __NR_dup, __NR_dup3,
    __NR_pipe2, __NR_fsync, __NR_fdatasync, __NR_flock, __NR_getdents64, __NR_epoll_create1, __NR_eventfd2,
    __NR_timerfd_create, __NR_signalfd4, __NR_inotify_init1, __NR_inotify_add_watch, __NR_inotify_rm_watch,
    __NR_lseek, __NR_fallocate,
#ifdef __NR__llseek
    __NR__llseek,
#endif
#ifdef __NR_fcntl
    __NR_fcntl,
#endif
#ifdef __NR_fcntl64
    __NR_fcntl64,
#endif
#ifdef __NR_ftruncate
    __NR_ftruncate,
#endif
#ifdef __NR_ftruncate64
    __NR_ftruncate64,
#endif
#ifdef __NR_fadvise64
    __NR_fadvise64,
#endif
#ifdef __NR_sendfile
    __NR_sendfile,
#endif
#ifdef __NR_sendfile64
    __NR_sendfile64,
#endif
#ifdef __NR_select
    __NR_select,
#endif
#ifdef __NR__newselect
    __NR__newselect,
#endif
#ifdef __NR_pselect6
    __NR_pselect6,
#endif
#ifdef __NR_pipe
    __NR_pipe,
#endif
#ifdef __NR_dup2
    __NR_dup2,
#endif
#ifdef __NR_timerfd_settime
    __NR_timerfd_settime, __NR_timerfd_gettime,
#endif
#ifdef __NR_timerfd_settime32 /* musl's name for it */
    __NR_timerfd_settime32, __NR_timerfd_gettime32,
#endif
#ifdef __NR_epoll_create
    __NR_epoll_create, __NR_eventfd, __NR_signalfd, __NR_inotify_init,
#endif

    /* what a file is, without opening it */
    __NR_fstatfs, __NR_fchmod, __NR_fchown, __NR_getcwd,
#ifdef __NR_fstat
    __NR_fstat,
#endif
#ifdef __NR_stat
    __NR_stat, __NR_lstat,
#endif
#ifdef __NR_newfstatat
    __NR_newfstatat,
#endif
#ifdef __NR_stat64
    __NR_stat64, __NR_lstat64, __NR_fstat64,
#endif
#ifdef __NR_fstatat64
    __NR_fstatat64,
#endif
#ifdef __NR_fstatfs64
    __NR_fstatfs64,
#endif
#ifdef __NR_fchown32
    __NR_fchown32,
#endif
#ifdef __NR_statx
    __NR_statx,
#endif

/* sockets */
#ifdef __NR_socketcall
    __NR_socketcall,
#endif
#ifdef __NR_bind
    __NR_socketpair, __NR_bind, __NR_listen, __NR_connect, __NR_getsockname, __NR_getpeername,
    __NR_setsockopt, __NR_getsockopt, __NR_shutdown,
#endif
#ifdef __NR_accept
    __NR_accept,
#endif
#ifdef __NR_accept4
    __NR_accept4,
#endif
#ifdef __NR_sendmmsg
    __NR_sendmmsg,
#endif
#ifdef __NR_recvmmsg
    __NR_recvmmsg,
#endif

    /* memory */
    __NR_brk, __NR_munmap, __NR_mremap, __NR_madvise, __NR_mlock, __NR_munlock,
#ifdef __NR_mlock2
    __NR_mlock2,
#endif
#ifdef __NR_membarrier
    __NR_membarrier,
#endif

    /* threads, signals, ourselves */
    __NR_exit, __NR_exit_group, __NR_set_tid_address, __NR_set_robust_list, __NR_get_robust_list,
    __NR_sched_yield, __NR_sched_getaffinity, __NR_sched_getparam, __NR_sched_getscheduler, __NR_rt_sigaction,
    __NR_rt_sigprocmask, __NR_rt_sigreturn, __NR_rt_sigpending, __NR_rt_sigsuspend, __NR_rt_sigqueueinfo,
    __NR_sigaltstack, __NR_kill, __NR_tkill, __NR_tgkill, __NR_wait4, __NR_waitid, __NR_restart_syscall,
    __NR_getpid, __NR_gettid, __NR_getppid, __NR_getuid, __NR_geteuid, __NR_getgid, __NR_getegid,
    __NR_getgroups, __NR_getpgid, __NR_getsid, __NR_setsid, __NR_setpgid, __NR_umask, __NR_uname,
    __NR_sysinfo, __NR_times, __NR_getrusage, __NR_getpriority, __NR_getitimer, __NR_setitimer,
    __NR_prlimit64, __NR_capget,
#ifdef __NR_sigreturn
    __NR_sigreturn,
#endif
#ifdef __NR_rt_sigtimedwait
    __NR_rt_sigtimedwait,
#endif
#ifdef __NR_fork
    __NR_fork,
#endif
#ifdef __NR_vfork
    __NR_vfork,
#endif
#ifdef __NR_waitpid
    __NR_waitpid,
#endif
#ifdef __NR_getpgrp
    __NR_getpgrp,
#endif
#ifdef __NR_pause
    __NR_pause,
#endif
#ifdef __NR_alarm
    __NR_alarm,
#endif
#ifdef __NR_gettimeofday
    __NR_gettimeofday,
#endif
#ifdef __NR_gettimeofday_time32
    __NR_gettimeofday_time32, __NR_clock_gettime32, __NR_clock_getres_time32, __NR_clock_nanosleep_time32,
#endif
#ifdef __NR_time
    __NR_time,
#endif
#ifdef __NR_getuid32
    __NR_getuid32, __NR_geteuid32, __NR_getgid32, __NR_getegid32, __NR_getgroups32,
#endif
#ifdef __NR_getrlimit
    __NR_getrlimit,
#endif
#ifdef __NR_setrlimit
    __NR_setrlimit,
#endif
#ifdef __NR_ugetrlimit
    __NR_ugetrlimit,
#endif
#ifdef __NR_getrandom
    __NR_getrandom,
#endif
#ifdef __NR_getcpu
    __NR_getcpu,
#endif
#ifdef __NR_rseq
    __NR_rseq,
#endif
#ifdef __NR_clock_getres
    __NR_clock_getres,
#endif
#ifdef __NR_clock_nanosleep
    __NR_clock_nanosleep,
#endif
#ifdef __NR_nanosleep
    __NR_nanosleep,
#endif
#ifdef __NR_arch_prctl
    __NR_arch_prctl,
#endif
#ifdef __NR_set_thread_area
    __NR_set_thread_area,
#endif
#ifdef __ARM_NR_cacheflush
    __ARM_NR_cacheflush, __ARM_NR_set_tls,
#endif

/* the same with 64 bits of time */
#ifdef __NR_clock_gettime64
    __NR_clock_gettime64,
#endif
#ifdef __NR_futex_time64
    __NR_futex_time64, __NR_clock_getres_time64, __NR_clock_nanosleep_time64, __NR_timerfd_gettime64,
    __NR_timerfd_settime64, __NR_pselect6_time64, __NR_ppoll_time64, __NR_recvmmsg_time64,
    __NR_rt_sigtimedwait_time64,
#endif

#ifdef NEWER_THAN_THIS
    __NR_pidfd_send_signal, NUMBER_SINCE_5_1(434), /* pidfd_open */
    NUMBER_SINCE_5_1(436),                         /* close_range */
    NUMBER_SINCE_5_1(441),                         /* epoll_pwait2 */
    NUMBER_SINCE_5_1(446), /* landlock_restrict_self: of a thread that begins, see net/confine.c */
#endif
};

/* What takes a path. Where there is Landlock, it has the last word. */
static const int with_paths[] = {
    __NR_openat,
    __NR_faccessat,
    __NR_readlinkat,
    __NR_mkdirat,
    __NR_unlinkat,
    __NR_linkat,
    __NR_fchmodat,
    __NR_fchownat,
    __NR_statfs,
#ifdef __NR_open
    __NR_open,
    __NR_access,
    __NR_readlink,
    __NR_mkdir,
    __NR_rmdir,
    __NR_rename,
    __NR_unlink,
    __NR_link,
    __NR_chmod,
    __NR_chown,
#endif
#ifdef __NR_chown32
    __NR_chown32,
#endif
#ifdef __NR_renameat
    __NR_renameat,
#endif
#ifdef __NR_renameat2
    __NR_renameat2,
#endif
#ifdef __NR_statfs64
    __NR_statfs64,
#endif
#ifdef __NR_utimensat
    __NR_utimensat,
#endif
#ifdef NEWER_THAN_THIS
    NUMBER_SINCE_5_1(439), /* faccessat2 */
#endif
};

/* No part of adit ever makes one of these: whoever does has taken it over. */
static const int deadly[] = {
    __NR_ptrace,
    __NR_process_vm_readv,
    __NR_process_vm_writev,
    __NR_init_module,
    __NR_delete_module,
    __NR_kexec_load,
    __NR_reboot,
    __NR_mount,
    __NR_umount2,
    __NR_pivot_root,
    __NR_swapon,
    __NR_swapoff,
#ifdef __NR_finit_module
    __NR_finit_module,
#endif
#ifdef __NR_kexec_file_load
    __NR_kexec_file_load,
#endif
#ifdef __NR_bpf
    __NR_bpf,
#endif
};

/* ---- The program ---- */

static void add(struct confine_filter *f, unsigned code, unsigned yes, unsigned no, unsigned k)
{
    adit_assert(f->len < CONFINE_FILTER_MAX);
    f->code[f->len++] = (struct sock_filter){(unsigned short)code, (unsigned char)yes, (unsigned char)no, k};
}

static void load(struct confine_filter *f, size_t at)
{
    add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned)at);
}

static void answer(struct confine_filter *f, unsigned what)
{
    add(f, BPF_RET | BPF_K, 0, 0, what);
}

static unsigned refusal(int why)
{
    return SECCOMP_RET_ERRNO | (unsigned)why;
}

/* The accumulator has the call's number, before and behind each of these. */
static void on_number(struct confine_filter *f, int number, unsigned what)
{
    add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (unsigned)number);
    answer(f, what);
}

static void on_numbers(struct confine_filter *f, const int *numbers, size_t count, unsigned what)
{
    for (size_t i = 0; i < count; i++)
        on_number(f, numbers[i], what);
}

/* The low half of an argument: what we look at has no more, and the kernel looks at no more of it. */
static size_t argument_at(unsigned i)
{
    size_t low = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;
    return offsetof(struct seccomp_data, args) + 8 * (size_t)i + low;
}

/* A call of this number is allowed, unless that argument has one of these bits. */
static void unless_bits(struct confine_filter *f, int number, unsigned argument, unsigned bits)
{
    add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, (unsigned)number);
    load(f, argument_at(argument));
    add(f, BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits);
    answer(f, refusal(EPERM));
    answer(f, SECCOMP_RET_ALLOW);
}

/* And here, when that argument is one of these values; any other gets `else`. */
static void when_value(struct confine_filter *f, int number, unsigned argument, const unsigned *values,
                       size_t count, unsigned others)
{
    add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, (unsigned)(2 * count + 2), (unsigned)number);
    load(f, argument_at(argument));
    for (size_t i = 0; i < count; i++) {
        add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, values[i]);
        answer(f, SECCOMP_RET_ALLOW);
    }
    answer(f, others);
}

/* A library of glibc's may be loaded late (name services); nothing else is ever made to run. */
static unsigned forbidden_protection(void)
{
#ifdef __GLIBC__
    return 0;
#else
    return PROT_EXEC;
#endif
}

static void add_memory(struct confine_filter *f)
{
    unless_bits(f, __NR_mprotect, 2, forbidden_protection());
#ifdef __NR_mmap2
    unless_bits(f, __NR_mmap2, 2, forbidden_protection());
#elif defined(__s390x__)
    on_number(f, __NR_mmap, SECCOMP_RET_ALLOW); /* its arguments are behind a pointer */
#else
    unless_bits(f, __NR_mmap, 2, forbidden_protection());
#endif
}

static void add_arguments(struct confine_filter *f)
{
    static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const unsigned settings[] = {PR_SET_NAME,         PR_GET_NAME,      PR_SET_NO_NEW_PRIVS,
                                        PR_GET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, PR_GET_DUMPABLE,
                                        PR_SET_VMA};
    add_memory(f);
#ifdef __NR_socket
    when_value(f, __NR_socket, 0, families, ADIT_COUNT(families), refusal(EAFNOSUPPORT));
#endif
    when_value(f, __NR_prctl, 0, settings, ADIT_COUNT(settings), refusal(EPERM));
#ifdef __s390x__
    unless_bits(f, __NR_clone, 1, NAMESPACES);
#else
    unless_bits(f, __NR_clone, 0, NAMESPACES);
#endif
    /* What types on its own terminal types into the shell that it came from. */
    static const unsigned typing[] = {TIOCSTI, TIOCLINUX};
    add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 2 * ADIT_COUNT(typing) + 2, __NR_ioctl);
    load(f, argument_at(1));
    for (size_t i = 0; i < ADIT_COUNT(typing); i++) {
        add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, typing[i]);
        answer(f, refusal(EPERM));
    }
    answer(f, SECCOMP_RET_ALLOW);
}

void confine_filter_make(struct confine_filter *f, bool may_open)
{
    f->len = 0;
    if (MACHINE == 0)
        return;
    load(f, offsetof(struct seccomp_data, arch));
    add(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, MACHINE);
    answer(f, SECCOMP_RET_KILL_PROCESS);
    load(f, offsetof(struct seccomp_data, nr));
    on_numbers(f, allowed, ADIT_COUNT(allowed), SECCOMP_RET_ALLOW);
    if (may_open)
        on_numbers(f, with_paths, ADIT_COUNT(with_paths), SECCOMP_RET_ALLOW);
    add_arguments(f);
    on_numbers(f, deadly, ADIT_COUNT(deadly), SECCOMP_RET_KILL_PROCESS);
#ifdef NEWER_THAN_THIS
    /* clone3, openat2, ...: libc takes the older one. (x32's numbers are above all of these.) */
    add(f, BPF_JMP | BPF_JGE | BPF_K, 0, 1, NEWER_THAN_THIS);
    answer(f, refusal(ENOSYS));
#endif
    answer(f, refusal(EPERM));
}
