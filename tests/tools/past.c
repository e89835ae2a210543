/*
 * past SECONDS COMMAND...: runs COMMAND, with all its threads, under a clock that says SECONDS after 1970 now
 * and goes on from there. The kernel's page with the clock in it (vDSO) is hidden, so that the clock is asked
 * by system calls, and their answers are changed on their way. The monotonic clocks stay as they are.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)

static pid_t child;

/* Who ends us means it. */
static void pass_on(int sig)
{
    (void)kill(child, sig);
}

static long peek(pid_t pid, unsigned long at)
{
    errno = 0;
    return ptrace(PTRACE_PEEKDATA, pid, at, 0);
}

/* The stack of a new program: count, words, NULL, environment, NULL, pairs. */
static void hide_vdso(pid_t pid)
{
    struct user_regs_struct regs;
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    unsigned long at = regs.rsp + 8 * (2 + (unsigned long)peek(pid, regs.rsp));
    while (peek(pid, at) != 0)
        at += 8;
    for (at += 8; peek(pid, at) != AT_NULL; at += 16)
        if (peek(pid, at) == AT_SYSINFO_EHDR)
            ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE);
}

static void shift(pid_t pid, unsigned long at, long by)
{
    if (at != 0)
        ptrace(PTRACE_POKEDATA, pid, at, peek(pid, at) - by);
}

/* Behind a call: at its beginning rax says ENOSYS. */
static void behind_call(pid_t pid, long by)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, pid, 0, &regs) != 0 || (long)regs.rax < 0)
        return;
    if (regs.orig_rax == SYS_clock_gettime &&
        (regs.rdi == CLOCK_REALTIME || regs.rdi == CLOCK_REALTIME_COARSE))
        shift(pid, regs.rsi, by);
    else if (regs.orig_rax == SYS_gettimeofday)
        shift(pid, regs.rdi, by);
    else if (regs.orig_rax == SYS_time) {
        shift(pid, regs.rdi, by);
        regs.rax -= (unsigned long)by;
        ptrace(PTRACE_SETREGS, pid, 0, &regs);
    }
}

static int follow(pid_t first, long by)
{
    int status, end = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        int sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
        if (sig == 0) {
            end = pid == first ? status : end;
            continue;
        }
        if (sig == (SIGTRAP | 0x80))
            behind_call(pid, by);
        else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
            hide_vdso(pid);
        bool is_own = sig == (SIGTRAP | 0x80) || sig == SIGTRAP || sig == SIGSTOP;
        ptrace(PTRACE_SYSCALL, pid, 0, is_own ? 0 : sig);
    }
    return WIFEXITED(end) ? WEXITSTATUS(end) : 128 + WTERMSIG(end);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    pid_t pid = child = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                   PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, pid, 0, options) != 0 || ptrace(PTRACE_SYSCALL, pid, 0, 0) != 0)
        return 1;
    (void)signal(SIGTERM, pass_on); /* calls go on behind it */
    return follow(pid, (long)time(NULL) - atol(argv[1]));
}

#else

int main(void)
{
    return 77;
}

#endif
