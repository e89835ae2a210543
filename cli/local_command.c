#include "cli/local_command.h"

#include <stdlib.h>
#include <unistd.h>

#include "cli/log.h"
#include "net/child.h"

void local_command_run(const char *command, bool is_carrying)
{
    const char *shell = getenv("SHELL");
    const char *const argv[] = {shell != NULL && *shell != 0 ? shell : "/bin/sh", "-c", command, NULL};
    const int fds[3] = {is_carrying ? -1 : STDIN_FILENO, is_carrying ? STDERR_FILENO : STDOUT_FILENO,
                        STDERR_FILENO};
    struct child child;
    struct adit_error err = {ADIT_E_OK, ""};
    int status;
    if (child_start(&child, argv, NULL, fds, false, &err) == ADIT_E_OK)
        (void)child_reap(&child, true, &status);
    else
        log_format(LOG_LEVEL_ERROR, "Couldn't execute %s -c \"%s\": %s", argv[0], command, err.text);
}
