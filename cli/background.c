#define _GNU_SOURCE /* pipe2 */
#include "cli/background.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_SSH_FAILURE = 255 };

static volatile sig_atomic_t child_pid;

static void on_signal(int number)
{
    int saved = errno;
    (void)kill((pid_t)child_pid, number);
    errno = saved;
}

/* One that is ignored (nohup) stays so: the child has inherited that too. */
static void pass_on(int number)
{
    struct sigaction old, new = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        (void)sigaction(number, &new, NULL);
}

static int parent_wait(pid_t pid, int fd)
{
    char ready;
    int status = 0;
    ssize_t n;
    while ((n = read(fd, &ready, 1)) < 0 && errno == EINTR)
        continue;
    if (n == 1)
        return 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_SSH_FAILURE;
}

static enum adit_err child_prepare(struct background *b, pid_t parent, int fd, struct adit_error *err)
{
    b->fd = fd;
    /* The second look: the parent may have gone before the first call. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        return adit_fail(err, ADIT_E_INTERRUPTED, "whoever started this has gone");
    return ADIT_E_OK;
}

enum adit_err background_fork(struct background *b, bool *is_parent, int *status, struct adit_error *err)
{
    int fds[2];
    sigset_t all, before;
    pid_t parent = getpid();
    b->fd = -1;
    *is_parent = false;
    if (pipe2(fds, O_CLOEXEC) != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "pipe: %s", strerror(errno));
    /* A signal between fork and sigaction would end the parent and leave the child alone. */
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = fork();
    int why = errno;
    if (pid > 0) {
        child_pid = pid;
        pass_on(SIGINT);
        pass_on(SIGTERM);
        pass_on(SIGHUP);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    (void)close(pid == 0 ? fds[0] : fds[1]);
    if (pid == 0)
        return child_prepare(b, parent, fds[1], err);
    if (pid > 0) {
        *is_parent = true;
        *status = parent_wait(pid, fds[0]);
    }
    (void)close(fds[0]);
    return pid > 0 ? ADIT_E_OK : adit_fail(err, ADIT_E_SYSTEM, "fork: %s", strerror(why));
}

enum adit_err background_copy(int standard_fd, int *copy, struct adit_error *err)
{
    *copy = fcntl(standard_fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return *copy >= 0 ? ADIT_E_OK
                      : adit_fail(err, ADIT_E_SYSTEM, "cannot copy a descriptor: %s", strerror(errno));
}

void background_detach(struct background *b, bool keep_stdout, bool keep_stderr)
{
    if (b->fd < 0)
        return;
    (void)prctl(PR_SET_PDEATHSIG, 0);
    (void)setsid();
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const bool is_kept[] = {false, keep_stdout, keep_stderr};
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        if (!is_kept[fd])
            (void)dup2(null, fd);
    if (null > STDERR_FILENO)
        (void)close(null);
    /* When the parent has been killed in this moment nobody is told: the connection stands all the same. */
    ssize_t ignored = write(b->fd, "", 1);
    (void)ignored;
    (void)close(b->fd);
    b->fd = -1;
}
