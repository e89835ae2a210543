#include "cli/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_SSH_FAILURE = 255 };

static enum adit_err choose_input(struct shell *s, const struct args *args, struct adit_error *err)
{
    if (!args->options.stdin_null)
        return ADIT_E_OK;
    s->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    s->exec.in_fd = s->null_fd;
    return s->null_fd >= 0 ? ADIT_E_OK : adit_fail(err, ADIT_E_SYSTEM, "/dev/null: %s", strerror(errno));
}

static bool wants_terminal(const struct args *args)
{
    const struct options *o = &args->options;
    if (o->request_tty == REQUEST_TTY_AUTO)
        return args->command == NULL && isatty(STDIN_FILENO) && !o->stdin_null;
    return o->request_tty == REQUEST_TTY_FORCE || (o->request_tty == REQUEST_TTY_YES && isatty(STDIN_FILENO));
}

enum adit_err shell_init(struct shell *s, const struct args *args, struct client *client,
                         struct adit_error *err)
{
    *s = (struct shell){.null_fd = -1,
                        .is_wanted = args->options.session_type != SESSION_TYPE_NONE && !args->has_stdio,
                        .exec = {.kind = args->options.session_type == SESSION_TYPE_SUBSYSTEM
                                             ? SESSION_EXEC_SUBSYSTEM
                                         : args->command != NULL ? SESSION_EXEC_COMMAND
                                                                 : SESSION_EXEC_SHELL,
                                 .text = args->command,
                                 .in_fd = STDIN_FILENO,
                                 .out_fd = STDOUT_FILENO,
                                 .err_fd = STDERR_FILENO}};
    if (!s->is_wanted)
        return ADIT_E_OK;
    if (wants_terminal(args))
        return adit_fail(err, ADIT_E_UNSUPPORTED, "a shell on a terminal is not supported yet");
    enum adit_err e = choose_input(s, args, err);
    return e == ADIT_E_OK ? client_add_exec(client, &s->exec, err) : e;
}

void shell_wipe(struct shell *s)
{
    if (s->null_fd >= 0)
        (void)close(s->null_fd);
    s->null_fd = -1;
}

void shell_on_notice(struct shell *s, const struct session_notice *n)
{
    if (n->kind != SESSION_EXEC_EXIT)
        return;
    s->has_status = true;
    s->is_signal = n->text != NULL;
    s->status = n->number;
}

int shell_exit_status(const struct shell *s)
{
    /* As exit(3) has it: the low eight bits. */
    return s->has_status && !s->is_signal ? (int)(s->status & 0xff) : EXIT_SSH_FAILURE;
}
