#define _GNU_SOURCE /* daemon */
#include "cli/mux.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/hold.h"
#include "cli/log.h"
#include "cli/shell.h"
#include "cli/signals.h"
#include "client/client.h"
#include "client/mux_client.h"

enum { EXIT_SSH_FAILURE = 255 };

struct guest {
    const struct args *args;
    struct client *client;
    struct mux_client *mux;
    uint32_t master_pid;
    struct stat seen; /* what was at the path before it was connected to */
};

static void guest_wipe(struct guest *g)
{
    mux_client_free(g->mux);
    client_free(g->client);
}

static const char *guest_path(const struct guest *g)
{
    return client_control_path(g->client);
}

static int fail(const char *text)
{
    log_line(LOG_LEVEL_FATAL, text);
    return EXIT_SSH_FAILURE;
}

/* ssh's words, and its level. */
static void tell_lost(void)
{
    log_line(LOG_LEVEL_DEBUG2, "Control master terminated unexpectedly");
}

static int fail_lost(const struct adit_error *err)
{
    log_format(LOG_LEVEL_FATAL, "muxclient: %s", err->text);
    tell_lost();
    return EXIT_SSH_FAILURE;
}

/* As it goes to a person, whatever the log is: -O has no other output. */
static void say(const char *text)
{
    if (log_get_level() > LOG_LEVEL_QUIET)
        (void)log_write_all(STDERR_FILENO, text, strlen(text));
}

/* ssh's words: a person has refused it, or the master could not. */
static void tell_refused(const struct guest *g, enum log_level level, const char *failed, const char *refused,
                         const struct adit_error *err)
{
    if (mux_client_was_denied(g->mux))
        log_format(level, "Master refused %s request: %s", refused, err->text);
    else
        log_format(level, "%s request failed: %s", failed, err->text);
}

/* ---- Forwards ---- */

static void tell_port(const struct guest *g, size_t index, uint32_t port)
{
    char target[FORWARD_TARGET_CAP], line[16];
    const struct forward_spec *spec = client_forward(g->client, index);
    forward_spec_target(spec, target);
    log_format(LOG_LEVEL_VERBOSE, "Allocated port %u for remote forward to %s", port,
               forward_spec_is_socks(spec) ? "socks:0" : target); /* ssh's words */
    size_t n = adit_format(line, sizeof line, "%u\n", port);
    if (g->args->control_command != NULL)
        (void)log_write_all(STDOUT_FILENO, line, n);
}

/* The first that the master refuses ends it. */
static bool ask_forwards(const struct guest *g, bool is_close)
{
    const struct session_config *config = client_session_config(g->client);
    for (size_t i = 0; i < config->forward_count; i++) {
        const struct session_forward *f = &config->forwards[i];
        struct adit_error err = {ADIT_E_OK, ""};
        uint32_t port;
        if (f->type != SESSION_FORWARD_LOCAL && f->type != SESSION_FORWARD_REMOTE &&
            f->type != SESSION_FORWARD_DYNAMIC)
            continue;
        if (f->bind_counts_up) {
            log_line(LOG_LEVEL_ERROR, "a port that counts up, as 10000+, is not for a master");
            return false;
        }
        if (mux_client_forward(g->mux, f, is_close, &port, &err) != ADIT_E_OK) {
            tell_refused(g, LOG_LEVEL_ERROR, "mux_client_forward: forwarding", "forwarding", &err);
            return false;
        }
        if (port != 0)
            tell_port(g, i, port);
    }
    return true;
}

/* ---- -O ---- */

static int check(struct guest *g)
{
    char line[48];
    if (mux_client_alive(g->mux, &g->master_pid, &(struct adit_error){ADIT_E_OK, ""}) != ADIT_E_OK)
        return fail("muxclient: master alive check failed");
    size_t n = adit_format(line, sizeof line, "Master running (pid=%u)\r\n", g->master_pid);
    (void)log_write_all(STDERR_FILENO, line, n);
    return 0;
}

static int command(struct guest *g)
{
    struct adit_error err = {ADIT_E_OK, ""};
    const char *what = g->args->control_command;
    if (strcmp(what, "check") == 0)
        return check(g);
    if (strcmp(what, "forward") == 0)
        return ask_forwards(g, false) ? 0 : fail("muxclient: master forward request failed");
    if (strcmp(what, "cancel") == 0) {
        if (!ask_forwards(g, true))
            log_line(LOG_LEVEL_ERROR, "muxclient: master cancel forward request failed");
        return 0; /* as ssh: what is not there need not be cancelled */
    }
    bool is_stop = strcmp(what, "stop") == 0;
    if ((is_stop ? mux_client_stop(g->mux, &err) : mux_client_terminate(g->mux, &err)) != ADIT_E_OK) {
        tell_refused(g, LOG_LEVEL_FATAL,
                     is_stop ? "mux_client_request_stop_listening: stop listening"
                             : "mux_client_request_terminate: termination",
                     is_stop ? "stop listening" : "termination", &err);
        return EXIT_SSH_FAILURE;
    }
    say(is_stop ? "Stop listening request sent.\r\n" : "Exit request sent.\r\n");
    return 0;
}

static int connect_and_command(struct guest *g)
{
    struct adit_error err = {ADIT_E_OK, ""};
    int why;
    if (client_new_guest(&g->client, &g->args->options, g->args->host, NULL, &err) != ADIT_E_OK)
        return fail(err.text);
    if (guest_path(g) == NULL)
        return fail("No ControlPath specified for \"-O\" command");
    signals_ignore_pipe();
    if (mux_client_open(&g->mux, guest_path(g), g->args->options.connect_timeout_s, &why, &err) == ADIT_E_OK)
        return command(g);
    if (why == 0)
        log_format(LOG_LEVEL_FATAL, "muxclient: master hello exchange failed: %s", err.text);
    else
        log_line(LOG_LEVEL_FATAL, err.text);
    return EXIT_SSH_FAILURE;
}

int mux_command(const struct args *args)
{
    struct guest g = {.args = args};
    int status = connect_and_command(&g);
    guest_wipe(&g);
    return status;
}

/* ---- A session ---- */

static void on_signals(const struct guest *g)
{
    int number, job = 0;
    bool is_resized = false;
    while ((number = signals_take()) != 0) {
        is_resized = is_resized || number == SIGWINCH;
        if (number == SIGTSTP || number == SIGCONT)
            job = number; /* the last one counts: a SIGCONT takes a stop back */
    }
    if (job == SIGTSTP)
        hold_stop();
    else if (job == SIGCONT)
        hold_again();
    if ((is_resized || job != 0) && g->master_pid > 1)
        (void)kill((pid_t)g->master_pid, SIGWINCH); /* the master looks at the terminal itself */
}

/* Until the master closes the socket, or a signal comes. -1: the master said no status. */
static int await_end(const struct guest *g)
{
    struct pollfd fds[2] = {{mux_client_fd(g->mux), POLLIN, 0}, {signals_fd(), POLLIN, 0}};
    struct adit_error err = {ADIT_E_OK, ""};
    int status = -1;
    for (;;) {
        uint32_t number = 0;
        if (poll(fds, ADIT_COUNT(fds), -1) < 0 && errno != EINTR) {
            log_format(LOG_LEVEL_ERROR, "poll: %s", strerror(errno));
            return EXIT_SSH_FAILURE;
        }
        on_signals(g);
        if (signals_seen() != 0)
            return EXIT_SSH_FAILURE;
        if (fds[0].revents == 0)
            continue;
        enum mux_client_news news = mux_client_next(g->mux, &number, &err);
        if (news == MUX_CLIENT_OVER && err.code != ADIT_E_OK && status < 0)
            return fail_lost(&err);
        if (news == MUX_CLIENT_OVER)
            return status;
        if (news == MUX_CLIENT_NO_TTY)
            hold_give();
        else
            status = (int)(number & 0xff);
    }
}

/* As ssh: only once the session is open, and stdin is /dev/null then. Without a session nothing is written,
 * and nobody is to wait for the end of it. */
static void go_to_background(const struct guest *g)
{
    const struct options *o = &g->args->options;
    bool has_output = o->session_type != SESSION_TYPE_NONE || g->args->has_stdio;
    if (!o->fork_after_auth)
        return;
    if (daemon(1, 1) != 0)
        log_format(LOG_LEVEL_ERROR, "daemon: %s", strerror(errno));
    int null = has_output ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
        if (fd != STDERR_FILENO || log_get_level() < LOG_LEVEL_DEBUG1)
            (void)dup2(null, fd);
    if (null > STDERR_FILENO)
        (void)close(null);
}

static bool run_exec(struct guest *g, struct shell *shell, int *status)
{
    struct adit_error err = {ADIT_E_OK, ""};
    const struct mux_client_session wanted = {.exec = &shell->exec,
                                              .escape_char = g->args->options.escape_char,
                                              .wants_agent = g->args->options.forward_agent};
    if (mux_client_session(g->mux, &wanted, &err) != ADIT_E_OK) {
        tell_refused(g, LOG_LEVEL_ERROR, "mux_client_request_session: session", "session", &err);
        return false;
    }
    if (shell->exec.wants_pty && !g->args->options.fork_after_auth) {
        (void)signals_watch(SIGWINCH);
        (void)hold_take();
    }
    go_to_background(g);
    int said = await_end(g);
    hold_give();
    *status = said >= 0 ? said : EXIT_SSH_FAILURE;
    if (said < 0)
        tell_lost();
    if (shell->exec.wants_pty)
        log_format(LOG_LEVEL_INFO, "Shared connection to %s closed.", client_host(g->client));
    return true;
}

static bool run_shell(struct guest *g, int *status)
{
    struct shell shell;
    struct adit_error err = {ADIT_E_OK, ""};
    struct args plain = *g->args;
    plain.options.escape_char = OPTIONS_ESCAPE_NONE; /* escapes are the master's, who reads the terminal */
    bool is_done = true;
    enum adit_err e = shell_init(&shell, &plain, g->client, &err);
    if (shell.is_filtered) /* the master reads the terminal itself */
        shell.exec.in_fd = STDIN_FILENO;
    if (e != ADIT_E_OK)
        *status = fail(err.text);
    else
        is_done = run_exec(g, &shell, status);
    shell_wipe(&shell);
    return is_done;
}

static void run_stdio(struct guest *g, const struct session_forward *stdio, int *status)
{
    struct adit_error err = {ADIT_E_OK, ""};
    int in = g->args->options.stdin_null ? open("/dev/null", O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    enum adit_err e = mux_client_stdio(g->mux, stdio, in, STDOUT_FILENO, &err);
    if (in > STDERR_FILENO)
        (void)close(in);
    if (e != ADIT_E_OK) {
        tell_refused(g, LOG_LEVEL_FATAL, "Stdio forwarding", "stdio forwarding", &err);
        *status = EXIT_SSH_FAILURE;
        return;
    }
    go_to_background(g);
    *status = await_end(g) == -1 ? 0 : EXIT_SSH_FAILURE;
}

static bool run_guest(struct guest *g, int *status)
{
    const struct session_config *config = client_session_config(g->client);
    struct adit_error err = {ADIT_E_OK, ""};
    if (mux_client_alive(g->mux, &g->master_pid, &err) != ADIT_E_OK) {
        log_format(LOG_LEVEL_ERROR, "mux_client_request_session: master alive request failed: %s", err.text);
        return false;
    }
    if (!ask_forwards(g, false)) {
        log_line(LOG_LEVEL_ERROR, "muxclient: master forward request failed");
        return false;
    }
    if (signals_init(EXIT_SSH_FAILURE, &err) != ADIT_E_OK) {
        *status = fail(err.text);
        return true;
    }
    if (g->args->has_stdio) {
        run_stdio(g, &config->forwards[config->forward_count - 1], status);
        return true;
    }
    if (g->args->options.session_type != SESSION_TYPE_NONE)
        return run_shell(g, status);
    go_to_background(g); /* -N: as long as the master lives */
    *status = await_end(g) == -1 ? 0 : EXIT_SSH_FAILURE;
    return true;
}

/* A socket that nobody listens on any more makes way for ours; not the one that another program has put there
 * in the meantime. before: what was there. */
static void remove_stale(const char *path, const struct stat *before)
{
    struct stat now;
    log_format(LOG_LEVEL_DEBUG1, "Stale control socket %.100s, unlinking", path);
    if (lstat(path, &now) == 0 && now.st_dev == before->st_dev && now.st_ino == before->st_ino &&
        now.st_ctim.tv_sec == before->st_ctim.tv_sec && now.st_ctim.tv_nsec == before->st_ctim.tv_nsec)
        (void)unlink(path);
}

/* Why there is no master, in ssh's words. */
static void tell_missing(const struct guest *g, int why, const struct adit_error *err)
{
    bool is_ours = g->args->options.control_master != CONTROL_MASTER_NO;
    if (why == ECONNREFUSED && is_ours)
        remove_stale(guest_path(g), &g->seen);
    else if (why == ENOENT)
        log_format(LOG_LEVEL_DEBUG1, "Control socket \"%.100s\" does not exist", guest_path(g));
    else
        log_line(LOG_LEVEL_ERROR, err->text);
}

static enum adit_err open_master(struct guest *g, int own_fd, int *why, struct adit_error *err)
{
    *why = 0;
    signals_ignore_pipe();
    if (own_fd >= 0)
        return mux_client_take(&g->mux, own_fd, 0, err);
    (void)lstat(guest_path(g), &g->seen); /* all zero: nothing */
    return mux_client_open(&g->mux, guest_path(g), g->args->options.connect_timeout_s, why, err);
}

/* own_fd: -1, or the stream to our own master. */
static bool connect_and_run(struct guest *g, int own_fd, int *status)
{
    struct adit_error err = {ADIT_E_OK, ""};
    const struct args *args = g->args;
    int why;
    if (client_new_guest(&g->client, &args->options, args->host, args->has_stdio ? &args->stdio : NULL,
                         &err) != ADIT_E_OK) {
        *status = fail(err.text);
        return true;
    }
    if (open_master(g, own_fd, &why, &err) == ADIT_E_OK)
        return run_guest(g, status);
    if (why == 0)
        log_line(LOG_LEVEL_ERROR, err.text);
    else
        tell_missing(g, why, &err);
    return false;
}

bool mux_session(const struct args *args, int *status)
{
    struct guest g = {.args = args};
    uint32_t master = args->options.control_master;
    if (option_text(args->options.control_path) == NULL || master == CONTROL_MASTER_YES ||
        master == CONTROL_MASTER_ASK)
        return false;
    bool is_done = connect_and_run(&g, -1, status);
    guest_wipe(&g);
    return is_done;
}

bool mux_session_of_own(const struct args *args, int fd, int *status)
{
    struct guest g = {.args = args};
    bool is_done = connect_and_run(&g, fd, status);
    guest_wipe(&g);
    return is_done;
}
