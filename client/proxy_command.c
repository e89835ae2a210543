#include "client/proxy_command.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/sandbox.h"
#include "net/fdpass.h"
#include "net/sock.h"

enum { END_LOOKS = 100, END_LOOK_MS = 10 };

void proxy_command_init(struct proxy_command *p)
{
    p->child.pid = -1;
}

/* exec: the program is our child itself, so that the signal at the end reaches it. */
static char *exec_line(const char *command)
{
    size_t cap = strlen(command) + sizeof "exec ";
    char *line = malloc(cap);
    if (line != NULL)
        (void)adit_format(line, cap, "exec %s", command);
    return line;
}

static enum adit_err run(struct proxy_command *p, const char *command, int end, struct adit_error *err)
{
    const char *shell = getenv("SHELL");
    char *line = exec_line(command);
    if (line == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    const char *const argv[] = {shell != NULL && *shell != 0 ? shell : "/bin/sh", "-c", line, NULL};
    sandbox_need_programs("ProxyCommand", SANDBOX_AGAIN);
    enum adit_err e = child_start(&p->child, argv, NULL, (const int[3]){end, end, STDERR_FILENO}, false, err);
    free(line);
    return e;
}

enum adit_err proxy_command_start(struct proxy_command *p, const char *command, bool passes_fd, int cancel_fd,
                                  uint32_t timeout_ms, int *fd, struct adit_error *err)
{
    int pair[2];
    *fd = -1;
    enum adit_err e = sock_pair(pair, err);
    if (e != ADIT_E_OK)
        return e;
    /* Programs expect standard descriptors that block. */
    if (!sock_set_nonblock(pair[1], false))
        e = adit_fail(err, ADIT_E_SYSTEM, "cannot set up a pair of sockets");
    if (e == ADIT_E_OK)
        e = run(p, command, pair[1], err);
    sock_close(&pair[1]);
    if (e == ADIT_E_OK && passes_fd)
        e = fdpass_receive(pair[0], cancel_fd, timeout_ms, fd, err);
    else if (e == ADIT_E_OK)
        *fd = pair[0];
    if (e != ADIT_E_OK || passes_fd)
        sock_close(&pair[0]);
    return e;
}

void proxy_command_end(struct proxy_command *p)
{
    int status;
    child_kill(&p->child, SIGHUP);
    for (int i = 0; i < END_LOOKS && p->child.pid > 0; i++)
        if (!child_reap(&p->child, false, &status))
            (void)poll(NULL, 0, END_LOOK_MS); /* old kernels have no descriptor for a child's end */
    if (p->child.pid <= 0)
        return;
    child_kill(&p->child, SIGKILL);
    (void)child_reap(&p->child, true, &status);
}
