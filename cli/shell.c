#define _GNU_SOURCE /* pipe2 */
#include "cli/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/raw.h"
#include "cli/signals.h"
#include "cli/ttymodes.h"
#include "client/environment.h"
#include "net/child.h"

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

static enum adit_err choose_input(struct shell *s, struct adit_error *err)
{
    if (s->exec.wants_pty && s->escape.character >= 0 && !s->args->options.stdin_null)
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
    if (!s->is_wanted)
        return ADIT_E_OK;
    enum adit_err e = choose_command(s, err);
    if (e == ADIT_E_OK)
        e = choose_environment(s, err);
    if (e == ADIT_E_OK && wants_terminal(s))
        describe_terminal(s);
    if (e == ADIT_E_OK)
        e = choose_input(s, err);
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
    /* As exit(3) has it: the low eight bits. */
    return s->has_status && !s->is_signal ? (int)(s->status & 0xff) : EXIT_SSH_FAILURE;
}

/* ---- What happens: on the main thread ---- */

static void tell(struct shell *s, enum session_command_kind kind)
{
    const struct session_command c = {.kind = kind, .window = window_now()};
    if (s->session != NULL)
        session_do(s->session, &c);
}

/* ssh waits for it, and does not mind how it ends. */
static void run_local_command(const char *command)
{
    const char *shell = getenv("SHELL");
    const char *const argv[] = {shell != NULL && *shell != 0 ? shell : "/bin/sh", "-c", command, NULL};
    const int fds[3] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    struct child child;
    struct adit_error err = {ADIT_E_OK, ""};
    int status;
    if (child_start(&child, argv, NULL, fds, false, &err) == ADIT_E_OK)
        (void)child_reap(&child, true, &status);
    else
        log_format(LOG_LEVEL_ERROR, "Couldn't execute %s -c \"%s\": %s", argv[0], command, err.text);
}

static void on_authenticated(struct shell *s)
{
    const char *local = client_local_command(s->client);
    if (local != NULL)
        run_local_command(local);
    if (s->exec.wants_pty) {
        (void)signals_watch(SIGWINCH);
        /* ssh(1), -tt: without a terminal here there is nothing to make raw. */
        (void)!raw_enter(STDIN_FILENO);
    }
    s->is_reading = s->is_filtered;
    if (s->exec.is_held)
        tell(s, SESSION_DO_BEGIN_EXEC);
}

void shell_on_news(struct shell *s, enum shell_news news, struct session *session)
{
    s->session = session;
    if (news == SHELL_AUTHENTICATED)
        on_authenticated(s);
    else
        raw_leave(); /* it is over, or there is no terminal at the other side */
    if (news == SHELL_OVER)
        s->is_reading = false;
}

void shell_on_resize(struct shell *s)
{
    tell(s, SESSION_DO_WINDOW_CHANGE);
}

/* ---- Escape sequences ---- */

static const char escape_help[] = "Supported escape sequences:\r\n"
                                  " ~.   - terminate connection\r\n"
                                  " ~B   - send a BREAK to the remote system\r\n"
                                  " ~R   - request rekey\r\n"
                                  " ~V/v - decrease/increase verbosity (LogLevel)\r\n"
                                  " ~^Z  - suspend\r\n"
                                  " ~#   - list forwarded connections\r\n"
                                  " ~?   - this message\r\n"
                                  " ~~   - send the escape character by typing it twice\r\n"
                                  "(Note that escapes are only recognized immediately after newline.)\r\n";

static void print(const char *text)
{
    (void)log_write_all(STDERR_FILENO, text, strlen(text));
}

static void print_typed(const struct shell *s, const char *what, const char *more)
{
    char line[128];
    (void)adit_format(line, sizeof line, "%c%s%s\r\n", s->escape.character, what, more);
    print(line);
}

static void suspend(struct shell *s)
{
    print_typed(s, "^Z", " [suspend ssh]");
    raw_leave();
    (void)kill(getpid(), SIGTSTP); /* all threads stop here */
    (void)!raw_enter(STDIN_FILENO);
    tell(s, SESSION_DO_WINDOW_CHANGE);
}

static void change_level(struct shell *s, int step)
{
    static const char *const names[] = {"QUIET",   "FATAL",  "ERROR",  "INFO",
                                        "VERBOSE", "DEBUG1", "DEBUG2", "DEBUG3"};
    static const enum session_level levels[] = {SESSION_QUIET,  SESSION_QUIET,   SESSION_ERROR,
                                                SESSION_INFO,   SESSION_VERBOSE, SESSION_DEBUG1,
                                                SESSION_DEBUG2, SESSION_DEBUG3};
    char text[32];
    int level = (int)log_get_level() + step;
    if (level >= LOG_LEVEL_QUIET && level <= LOG_LEVEL_DEBUG3)
        log_set_level((enum log_level)level);
    level = (int)log_get_level();
    (void)adit_format(text, sizeof text, " [LogLevel %s]", names[level]);
    print_typed(s, step < 0 ? "V" : "v", text);
    const struct session_command c = {.kind = SESSION_DO_LOG_LEVEL, .level = levels[level]};
    if (s->session != NULL)
        session_do(s->session, &c);
}

static void list_connections(struct shell *s)
{
    print_typed(s, "#", "");
    if (s->session == NULL || s->is_counting)
        return;
    s->is_counting = true;
    s->snapshot.reply_to = s->box;
    session_snapshot(s->session, &s->snapshot);
}

void shell_on_snapshot(struct shell *s)
{
    const struct session_stats *now = &s->snapshot.stats;
    char text[160];
    s->is_counting = false;
    (void)adit_format(text, sizeof text,
                      "The following connections are open:\r\n"
                      "  1 session, %u forwarded; %llu bytes sent, %llu received\r\n",
                      now->open_now > 0 ? now->open_now - 1 : 0, (unsigned long long)now->bytes_up,
                      (unsigned long long)now->bytes_down);
    print(text);
}

/* True: the end. */
static bool escape_execute(struct shell *s, enum escape_action action)
{
    switch (action) {
    case ESCAPE_NONE:
        break;
    case ESCAPE_QUIT:
        print_typed(s, ".", "");
        return true;
    case ESCAPE_SUSPEND:
        suspend(s);
        break;
    case ESCAPE_BACKGROUND:
        print_typed(s, "&", " [not supported]");
        break;
    case ESCAPE_CONNECTIONS:
        list_connections(s);
        break;
    case ESCAPE_HELP:
        print_typed(s, "?", "");
        print(escape_help);
        break;
    case ESCAPE_BREAK:
        print_typed(s, "B", "");
        tell(s, SESSION_DO_BREAK);
        break;
    case ESCAPE_COMMAND:
        print("commandline disabled\r\n");
        break;
    case ESCAPE_REKEY:
        tell(s, SESSION_DO_REKEY);
        break;
    case ESCAPE_QUIETER:
        change_level(s, -1);
        break;
    case ESCAPE_LOUDER:
        change_level(s, 1);
        break;
    }
    return false;
}

/* ---- What is typed ---- */

void shell_poll(const struct shell *s, struct pollfd fds[static SHELL_POLL_COUNT])
{
    bool waits = s->out_from < s->out_to || s->rest.n > 0;
    fds[0] = (struct pollfd){.fd = s->is_reading && !waits ? STDIN_FILENO : -1, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = s->is_reading && waits ? s->pipe[1] : -1, .events = POLLOUT};
}

static void input_over(struct shell *s)
{
    s->is_reading = false;
    fd_close(&s->pipe[1]);
}

/* True: nothing waits any more. */
static bool out_flush(struct shell *s)
{
    while (s->out_from < s->out_to) {
        ssize_t n = write(s->pipe[1], s->out + s->out_from, s->out_to - s->out_from);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n < 0 && errno != EINTR) { /* the session takes no more input */
            input_over(s);
            return true;
        }
        s->out_from += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static void input_read(struct shell *s)
{
    ssize_t n = read(STDIN_FILENO, s->typed, sizeof s->typed);
    if (n > 0)
        s->rest = span_make(s->typed, (size_t)n);
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        input_over(s);
}

bool shell_serve(struct shell *s, const struct pollfd fds[static SHELL_POLL_COUNT])
{
    if (fds[0].fd >= 0 && fds[0].revents != 0 && s->is_reading)
        input_read(s);
    while (s->is_reading && out_flush(s) && s->rest.n > 0) {
        s->out_from = 0;
        if (escape_execute(s, escape_take(&s->escape, &s->rest, s->out, &s->out_to)))
            return true;
    }
    return false;
}

void shell_end(struct shell *s)
{
    s->session = NULL;
    raw_leave();
    if (s->exec.wants_pty && s->was_up)
        log_format(LOG_LEVEL_INFO, "Connection to %s closed.", client_host(s->client));
}
