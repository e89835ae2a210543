#define _GNU_SOURCE /* pipe2 */
#include "cli/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/hold.h"
#include "cli/local_command.h"
#include "cli/log.h"
#include "cli/raw.h"
#include "cli/signals.h"
#include "cli/ttymodes.h"
#include "client/environment.h"

enum { EXIT_SSH_FAILURE = 255 };

extern char **environ;

/* ---- What is asked for ---- */

static enum adit_err choose_command(struct shell *s, struct adit_error *err)
{
    const char *configured = client_remote_command(s->client);
    if (s->args->command != NULL && configured != NULL)
        return adit_fail(err, ADIT_E_USAGE, "Cannot execute command-line and remote command.");
    s->exec.text = configured != NULL ? configured : s->args->command;
    if (s->exec.text == NULL || s->exec.text[0] == 0)
        s->exec.kind = SESSION_EXEC_SHELL;
    else if (s->args->options.session_type == SESSION_TYPE_SUBSYSTEM)
        s->exec.kind = SESSION_EXEC_SUBSYSTEM;
    else
        s->exec.kind = SESSION_EXEC_COMMAND;
    return ADIT_E_OK;
}

static enum adit_err choose_environment(struct shell *s, struct adit_error *err)
{
    if (!environment_make(&s->env, &s->args->options, environ))
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    s->exec.env = (const char *const *)s->env.item;
    s->exec.env_count = s->env.count;
    return ADIT_E_OK;
}

static bool wants_terminal(const struct shell *s)
{
    const struct options *o = &s->args->options;
    bool is_wanted = o->request_tty == REQUEST_TTY_YES || o->request_tty == REQUEST_TTY_FORCE ||
                     (o->request_tty == REQUEST_TTY_AUTO && s->exec.kind == SESSION_EXEC_SHELL);
    bool has_one = isatty(STDIN_FILENO) && !o->stdin_null;
    if (is_wanted && !has_one && o->request_tty != REQUEST_TTY_FORCE) {
        log_line(LOG_LEVEL_INFO, "Pseudo-terminal will not be allocated because stdin is not a terminal.");
        return false;
    }
    return is_wanted;
}

static struct ssh_window window_now(void)
{
    struct winsize w;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &w) != 0)
        return (struct ssh_window){0, 0, 0, 0};
    return (struct ssh_window){w.ws_col, w.ws_row, w.ws_xpixel, w.ws_ypixel};
}

static void describe_terminal(struct shell *s)
{
    struct termios t;
    const char *term = environment_find(&s->env, "TERM");
    if (term == NULL || *term == 0)
        term = getenv("TERM");
    s->exec.wants_pty = true;
    s->exec.term = term != NULL ? term : "";
    s->exec.window = window_now();
    s->exec.modes = s->modes;
    s->exec.mode_count = raw_before(STDIN_FILENO, &t) ? ttymodes_of(&t, s->modes) : 0;
}

/* ---- Its input ---- */

static enum adit_err filter_input(struct shell *s, struct adit_error *err)
{
    if (pipe2(s->pipe, O_CLOEXEC) != 0 || fcntl(s->pipe[1], F_SETFL, O_NONBLOCK) != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "pipe: %s", strerror(errno));
    s->exec.in_fd = s->pipe[0];
    s->is_filtered = true;
    return ADIT_E_OK;
}

/* A terminal goes through us without an escape character too: a question on it wants its answer for itself.
 */
static enum adit_err choose_input(struct shell *s, struct adit_error *err)
{
    bool is_ours = s->escape.character >= 0 || isatty(STDIN_FILENO);
    if (s->exec.wants_pty && is_ours && !s->args->options.stdin_null)
        return filter_input(s, err);
    if (!s->args->options.stdin_null)
        return ADIT_E_OK;
    s->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    s->exec.in_fd = s->null_fd;
    return s->null_fd >= 0 ? ADIT_E_OK : adit_fail(err, ADIT_E_SYSTEM, "/dev/null: %s", strerror(errno));
}

enum adit_err shell_init(struct shell *s, const struct args *args, struct client *client,
                         struct adit_error *err)
{
    *s = (struct shell){.args = args,
                        .client = client,
                        .null_fd = -1,
                        .pipe = {-1, -1},
                        .is_wanted = args->options.session_type != SESSION_TYPE_NONE && !args->has_stdio,
                        .escape = escape_make(args->options.escape_char),
                        .exec = {.in_fd = STDIN_FILENO,
                                 .out_fd = STDOUT_FILENO,
                                 .err_fd = STDERR_FILENO,
                                 .is_held = client_local_command(client) != NULL}};
    s->commandline = (struct commandline){.options = &args->options, .client = client};
    if (!s->is_wanted)
        return ADIT_E_OK;
    enum adit_err e = choose_command(s, err);
    if (e == ADIT_E_OK)
        e = choose_environment(s, err);
    if (e == ADIT_E_OK && wants_terminal(s))
        describe_terminal(s);
    if (e == ADIT_E_OK)
        e = choose_input(s, err);
    s->has_commandline = s->is_filtered && args->options.enable_escape_commandline;
    return e == ADIT_E_OK ? client_add_exec(client, &s->exec, err) : e;
}

static void fd_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

void shell_wipe(struct shell *s)
{
    fd_close(&s->null_fd);
    fd_close(&s->pipe[0]);
    fd_close(&s->pipe[1]);
    texts_wipe(&s->env);
    commandline_wipe(&s->commandline);
    adit_wipe(s->typed, sizeof s->typed); /* a password for sudo, perhaps */
    adit_wipe(s->out, sizeof s->out);
}

/* ---- What happens: on the session's thread ---- */

static void note_exit(struct shell *s, const struct session_notice *n)
{
    s->has_status = true;
    s->is_signal = n->text != NULL;
    s->status = n->number;
}

enum shell_news shell_on_notice(struct shell *s, const struct session_notice *n)
{
    switch (n->kind) {
    case SESSION_AUTHENTICATED:
        return SHELL_AUTHENTICATED;
    case SESSION_NO_PTY:
        return SHELL_NO_PTY;
    case SESSION_EXEC_UP:
        s->was_up = true;
        return SHELL_NO_NEWS;
    case SESSION_EXEC_EXIT:
        note_exit(s, n);
        return SHELL_NO_NEWS;
    case SESSION_EXEC_OVER:
        return SHELL_OVER;
    default:
        return SHELL_NO_NEWS;
    }
}

int shell_exit_status(const struct shell *s)
{
    if (!s->has_status)
        log_format(LOG_LEVEL_DEBUG1, "the remote side ended without a status");
    /* As exit(3) has it: the low eight bits. */
    return s->has_status && !s->is_signal ? (int)(s->status & 0xff) : EXIT_SSH_FAILURE;
}

/* ---- What happens: on the main thread ---- */

bool shell_tell(struct shell *s, enum session_command_kind kind)
{
    const struct session_command c = {.kind = kind, .window = window_now()};
    return s->session == NULL || session_do(s->session, &c);
}

static void on_authenticated(struct shell *s)
{
    const char *local = client_local_command(s->client);
    if (local != NULL)
        local_command_run(local, s->args->has_stdio);
    if (s->exec.wants_pty) {
        (void)signals_watch(SIGWINCH);
        /* ssh(1), -tt: without a terminal here there is nothing to make raw. */
        (void)hold_take();
    }
    s->is_reading = s->is_filtered;
    if (s->exec.is_held && !shell_tell(s, SESSION_DO_BEGIN_EXEC)) {
        log_format(LOG_LEVEL_FATAL, "%s: out of memory", s->args->program);
        session_stop(s->session);
    }
}

void shell_on_news(struct shell *s, enum shell_news news, struct session *session)
{
    s->session = session;
    if (news == SHELL_AUTHENTICATED)
        on_authenticated(s);
    else
        hold_give(); /* it is over, or there is no terminal at the other side */
    if (news == SHELL_OVER)
        s->is_reading = false;
}

void shell_on_resize(struct shell *s)
{
    (void)shell_tell(s, SESSION_DO_WINDOW_CHANGE);
}

/* The terminal may have another size when we come back. */
void shell_on_stop(struct shell *s)
{
    hold_stop();
    if (s->exec.wants_pty)
        (void)shell_tell(s, SESSION_DO_WINDOW_CHANGE);
}

void shell_on_continue(struct shell *s)
{
    hold_again();
    if (s->exec.wants_pty)
        (void)shell_tell(s, SESSION_DO_WINDOW_CHANGE);
}

/* ---- To the session ---- */

void shell_end_input(struct shell *s)
{
    s->is_reading = false;
    fd_close(&s->pipe[1]);
}

bool shell_flush(struct shell *s)
{
    while (s->out_from < s->out_to) {
        ssize_t n = write(s->pipe[1], s->out + s->out_from, s->out_to - s->out_from);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0 && errno != EINTR) { /* the session takes no more input */
            shell_end_input(s);
            return true;
        }
        s->out_from += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* ---- The main thread's turn ---- */

void shell_poll(const struct shell *s, struct pollfd fds[static SHELL_POLL_COUNT])
{
    bool waits = s->out_from < s->out_to || s->rest.n > 0;
    fds[0] = (struct pollfd){.fd = s->is_reading && !waits ? STDIN_FILENO : -1, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = s->is_reading && waits ? s->pipe[1] : -1, .events = POLLOUT};
}

static void input_read(struct shell *s)
{
    ssize_t n = read(STDIN_FILENO, s->typed, sizeof s->typed);
    if (n > 0)
        s->rest = span_make(s->typed, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        shell_end_input(s);
}

enum shell_wish shell_serve(struct shell *s, const struct pollfd fds[static SHELL_POLL_COUNT])
{
    enum shell_wish wish = SHELL_STAYS;
    if (fds[0].fd >= 0 && fds[0].revents != 0 && s->is_reading)
        input_read(s);
    while (wish == SHELL_STAYS && s->is_reading && shell_flush(s) && s->rest.n > 0) {
        s->out_from = 0;
        wish = shell_escape(s, escape_take(&s->escape, &s->rest, s->out, &s->out_to));
    }
    return wish;
}

void shell_end(struct shell *s)
{
    s->session = NULL;
    hold_give();
    if (s->exec.wants_pty && s->was_up)
        log_format(LOG_LEVEL_INFO, "Connection to %s closed.", client_host(s->client));
}
