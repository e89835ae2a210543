/* `adit run`: a command with its own tunnels. They are a child's, an adit -N of its own, which says what it
 * listens on by its standard output; the command gets that in variables. */
#define _GNU_SOURCE /* environ */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/run_spec.h"
#include "cli/signals.h"
#include "cli/verb_call.h"
#include "client/secret.h"
#include "net/child.h"
#include "net/loop.h"

enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

struct run {
    const struct verb_call *c;
    struct run_spec spec;
    struct child tunnels;
    int out_fd; /* the tunnels' standard output */
    char lines[16 * 1024];
    size_t lines_len;
};

/* ---- The tunnels ---- */

/* $ADIT_KEY as it stands in the environment, for the one program that may have it: ourselves. NULL: it is not
 * set. */
static const char *key_variable(void)
{
    const size_t n = sizeof ADIT_ENV_KEY "=" - 1;
    for (char **var = environ; var != NULL && *var != NULL; var++)
        if (strncmp(*var, ADIT_ENV_KEY "=", n) == 0)
            return *var;
    return NULL;
}

static enum adit_err tunnels_start(struct run *r, struct adit_error *err)
{
    static const char *const first[] = {"-N", "-o", "AditExitCodes=yes", "-o", "ExitOnForwardFailure=yes"};
    char self[4096];
    int ends[2];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n <= 0)
        return adit_fail(err, ADIT_E_SYSTEM, "/proc/self/exe: %s", strerror(errno));
    self[n] = 0;
    size_t count = ADIT_COUNT(first) + r->spec.options.count;
    const char **argv = calloc(count + 2, sizeof *argv);
    if (argv == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    argv[0] = self;
    memcpy(argv + 1, first, sizeof first);
    for (size_t i = 0; i < r->spec.options.count; i++)
        argv[1 + ADIT_COUNT(first) + i] = r->spec.options.item[i];
    enum adit_err e = sock_pair(ends, err);
    if (e == ADIT_E_OK) {
        (void)sock_set_nonblock(ends[1], false);
        const int fds[3] = {-1, ends[1], STDERR_FILENO};
        const char *const extra[] = {key_variable(), NULL};
        e = child_start(&r->tunnels, argv, extra, fds, false, err);
        secret_wipe_env(ADIT_ENV_KEY); /* it is not needed here any more */
        sock_close(&ends[1]);
        r->out_fd = ends[0];
    }
    free(argv);
    return e;
}

static size_t lines_count(const struct run *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->lines_len; i++)
        n += r->lines[i] == '\n';
    return n;
}

/* They ended before they were up: by a status of the list of errors. */
static enum adit_err ended(struct run *r, int *status, struct adit_error *err)
{
    (void)child_reap(&r->tunnels, true, status);
    *status = *status == 0 || *status == 255 ? 1 : *status;
    return adit_fail(err, ADIT_E_COMMAND, "run: the tunnels ended before they were up");
}

static enum adit_err more_read(struct run *r, uint64_t deadline, bool *is_end, struct adit_error *err)
{
    struct pollfd fds[2] = {{r->out_fd, POLLIN, 0}, {signals_fd(), POLLIN, 0}};
    uint64_t now = loop_now_ms();
    size_t n = 0;
    if (now >= deadline)
        return adit_fail(err, ADIT_E_WAIT_TIMEOUT, "run: the tunnels are not up in time");
    (void)poll(fds, 2, deadline - now > 60000 ? 60000 : (int)(deadline - now));
    while (signals_take() > 0)
        continue; /* the end of the tunnels is seen by their output's */
    if (signals_seen() != 0)
        return adit_fail(err, ADIT_E_INTERRUPTED, "interrupted");
    enum sock_io io =
        sock_read(r->out_fd, r->lines + r->lines_len, sizeof r->lines - 1 - r->lines_len, &n, err);
    *is_end = io == SOCK_IO_EOF;
    if (io == SOCK_IO_FAILED)
        return err->code;
    r->lines_len += n;
    r->lines[r->lines_len] = 0;
    return r->lines_len + 1 < sizeof r->lines ? ADIT_E_OK
                                              : adit_fail(err, ADIT_E_LIMIT, "run: too many listeners");
}

/* Until each forward has told where it listens. */
static enum adit_err tunnels_wait(struct run *r, int *status, struct adit_error *err)
{
    uint64_t deadline = loop_now_ms() + r->spec.timeout_ms;
    enum adit_err e = ADIT_E_OK;
    bool is_end = false;
    while (e == ADIT_E_OK && lines_count(r) < r->spec.forward_count) {
        e = more_read(r, deadline, &is_end, err);
        if (e == ADIT_E_OK && is_end)
            return ended(r, status, err);
    }
    *status = e == ADIT_E_OK ? 0 : adit_err_exit(e);
    return e;
}

static enum adit_err variables_set(struct run *r, struct adit_error *err)
{
    struct span rest = span_make(r->lines, r->lines_len), line;
    struct texts variables;
    bool is_fine = true;
    errno = 0;
    texts_init(&variables);
    for (size_t i = 0; i < r->spec.forward_count && is_fine; i++) {
        char text[1024];
        is_fine = text_line(&rest, &line) && line.n < sizeof text;
        if (is_fine) {
            (void)adit_format(text, sizeof text, "%.*s", (int)line.n, (const char *)line.p);
            is_fine = run_spec_variables(&r->spec.forwards[i], text, &variables);
        }
    }
    for (size_t i = 0; i < variables.count && is_fine; i++) {
        char *sign = strchr(variables.item[i], '=');
        *sign = 0;
        is_fine = setenv(variables.item[i], sign + 1, 1) == 0;
    }
    bool has_no_memory = !is_fine && errno == ENOMEM;
    texts_wipe(&variables);
    if (has_no_memory)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return is_fine ? ADIT_E_OK
                   : adit_fail(err, ADIT_E_PROTOCOL, "run: a listener without an address of its own");
}

/* ---- The command ---- */

/* As a shell tells them apart: there is no such program, or it cannot be run. */
static int status_unstarted(const char *name)
{
    char path[4096];
    const char *folders = getenv("PATH");
    if (strchr(name, '/') != NULL || folders == NULL)
        return access(name, F_OK) == 0 ? EXIT_CANNOT_RUN : EXIT_NOT_FOUND;
    for (const char *at = folders; *at != 0; at += strcspn(at, ":"), at += *at == ':') {
        (void)adit_format(path, sizeof path, "%.*s/%s", (int)strcspn(at, ":"), at, name);
        if (access(path, F_OK) == 0)
            return EXIT_CANNOT_RUN;
    }
    return EXIT_NOT_FOUND;
}

/* A signal for us is one for the command; a terminal's (Ctrl-C) it has got itself. SIGCHLD wakes us. */
static int command_wait(struct child *command)
{
    int status = 0;
    struct pollfd signals = {signals_fd(), POLLIN, 0};
    while (!child_reap(command, false, &status)) {
        (void)poll(&signals, 1, -1);
        int number = signals_take();
        if (number == SIGTERM || number == SIGHUP)
            child_kill(command, number);
        (void)alarm(0); /* the command takes as long as it likes */
    }
    return status;
}

static int command_run(struct run *r)
{
    struct child command;
    struct adit_error err = {0};
    const int fds[3] = {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO};
    const char *const *argv = (const char *const *)(r->c->argv + r->spec.command);
    if (child_start(&command, argv, NULL, fds, false, &err) == ADIT_E_OK)
        return command_wait(&command);
    (void)verb_fail(&err);
    return status_unstarted(argv[0]);
}

int verb_run(struct verb_call *c)
{
    struct run r = {.c = c, .tunnels = {-1}, .out_fd = -1};
    struct adit_error err = {0};
    int status = 0;
    enum adit_err e = run_spec_parse(&r.spec, c->argc, c->argv, &err);
    if (r.spec.wants_help)
        status = verb_help(c);
    else if (e != ADIT_E_OK)
        status = verb_usage_error(c, &err);
    if (e == ADIT_E_OK && !r.spec.wants_help) {
        e = signals_init(-1, &err);
        if (e == ADIT_E_OK && !signals_watch(SIGCHLD))
            e = adit_fail(&err, ADIT_E_SYSTEM, "sigaction: %s", strerror(errno));
        if (e == ADIT_E_OK)
            e = tunnels_start(&r, &err);
        status = adit_err_exit(e);
        if (e == ADIT_E_OK)
            e = tunnels_wait(&r, &status, &err);
        if (e == ADIT_E_OK)
            e = variables_set(&r, &err);
        if (e == ADIT_E_OK)
            status = command_run(&r);
        else
            (void)verb_fail(&err);
        if (e == ADIT_E_PROTOCOL || e == ADIT_E_MEMORY)
            status = adit_err_exit(e);
    }
    child_kill(&r.tunnels, SIGTERM);
    (void)child_reap(&r.tunnels, true, &(int){0});
    sock_close(&r.out_fd);
    run_spec_wipe(&r.spec);
    return status;
}
