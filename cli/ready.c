#include "cli/ready.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/log.h"

enum adit_err ready_init(struct ready *r, size_t forward_count, bool to_stdout, int fd,
                         struct adit_error *err)
{
    memset(r, 0, sizeof *r);
    r->fd = -1;
    r->to_stdout = to_stdout;
    r->lines = calloc(forward_count + 1, sizeof *r->lines);
    if (r->lines == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    r->count = forward_count;
    /* A program that we start must not hold it open. */
    if (fd >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        return adit_fail(err, ADIT_E_USAGE, "AditReadyFd: descriptor %d is not open", fd);
    r->fd = fd;
    return ADIT_E_OK;
}

static void close_fd(struct ready *r)
{
    if (r->fd > STDERR_FILENO)
        (void)close(r->fd);
    r->fd = -1;
}

void ready_wipe(struct ready *r)
{
    free(r->lines);
    close_fd(r);
    memset(r, 0, sizeof *r);
    r->fd = -1;
}

void ready_up(struct ready *r, size_t index, char letter, const char *bound, const char *target)
{
    if (index >= r->count || r->lines[index][0] != 0)
        return;
    (void)adit_format(r->lines[index], sizeof r->lines[index], "listening %c %s %s\n", letter, bound, target);
}

void ready_all(struct ready *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const char *line = r->lines[i];
        /* A reader that has gone away is its own affair; the tunnel stays. */
        if (r->to_stdout)
            (void)log_write_all(STDOUT_FILENO, line, strlen(line));
        if (r->fd >= 0)
            (void)log_write_all(r->fd, line, strlen(line));
    }
    r->to_stdout = false;
    close_fd(r);
}
