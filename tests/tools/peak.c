/*
 * peak FD PROGRAM WORD... - runs a program and writes "PID\n" to descriptor FD when it has been started, and
 * "STATUS KIB\n" when it has ended: its status as a shell has it (128 + n for a signal) and the most that was
 * ever resident. The figure of a process that another one starts directly holds that one's own memory too.
 * SIGTERM and SIGINT are passed on.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

static void pass_on(int number)
{
    kill(child, number);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    int fd = atoi(argv[1]), status = 0;
    pid_t self = getpid();
    struct sigaction act = {.sa_handler = pass_on, .sa_flags = SA_RESTART};
    struct rusage use;
    child = fork();
    if (child < 0)
        return 2;
    if (child == 0) {
        close(fd);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != self)
            _exit(126);
        execv(argv[2], argv + 2);
        _exit(127);
    }
    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGINT, &act, NULL);
    close(0);
    close(1);
    close(2);
    dprintf(fd, "%d\n", (int)child);
    while (wait4(child, &status, 0, &use) != child)
        ;
    dprintf(fd, "%d %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), use.ru_maxrss);
    return 0;
}
