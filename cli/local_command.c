#define _GNU_SOURCE /* ppoll */
#include "cli/local_command.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/signals.h"
#include "net/child.h"

/* Its end, or a signal that ends us: between the look at signals_seen and the wait none can slip through.
 * Without pidfd_open (Linux before 5.3) the end is waited for in any case. */
static void wait_for(struct child *child)
{
    sigset_t all, before;
    int status, fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    if (fd >= 0) {
        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_BLOCK, &all, &before);
        while (end.revents == 0 && signals_seen() == 0)
            (void)ppoll(&end, 1, NULL, &before);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        (void)close(fd);
    }
    if (fd < 0 || end.revents != 0)
        (void)child_reap(child, true, &status);
}

void local_command_run(const char *command, bool is_carrying)
{
    const char *shell = getenv("SHELL");
    const char *const argv[] = {shell != NULL && *shell != 0 ? shell : "/bin/sh", "-c", command, NULL};
    const int fds[3] = {is_carrying ? -1 : STDIN_FILENO, is_carrying ? STDERR_FILENO : STDOUT_FILENO,
                        STDERR_FILENO};
    struct child child;
    struct adit_error err = {ADIT_E_OK, ""};
    if (child_start(&child, argv, NULL, fds, false, &err) == ADIT_E_OK)
        wait_for(&child);
    else
        log_format(LOG_LEVEL_ERROR, "Couldn't execute %s -c \"%s\": %s", argv[0], command, err.text);
}
