#define _GNU_SOURCE /* pipe2, POSIX_SPAWN_SETSID */

#include "net/child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/confine.h"
#include "net/sock.h"

extern char **environ;

/* ---- What the program gets ---- */

static bool env_same_name(const char *a, const char *b)
{
    while (*a && *a != '=' && *a == *b)
        a++, b++;
    return *a == '=' && *b == '=';
}

/* Conditions of the configuration, and what an earlier host on the way starts, run before a key was taken out
 * of the environment. */
static pthread_mutex_t hidden_lock = PTHREAD_MUTEX_INITIALIZER;
static char **hidden; /* "NAME=" each */
static size_t hidden_count;

static bool is_hidden(const char *var)
{
    for (size_t i = 0; i < hidden_count; i++)
        if (env_same_name(hidden[i], var))
            return true;
    return env_same_name(var, ADIT_ENV_KEY "=");
}

bool child_env_is_hidden(const char *variable)
{
    (void)pthread_mutex_lock(&hidden_lock);
    bool is = is_hidden(variable);
    (void)pthread_mutex_unlock(&hidden_lock);
    return is;
}

/* name ends with '='. Takes it over. */
static bool hidden_add(char *name)
{
    char **more = is_hidden(name) ? NULL : realloc(hidden, (hidden_count + 1) * sizeof *more);
    if (more == NULL)
        return false;
    hidden = more;
    hidden[hidden_count++] = name;
    return true;
}

bool child_hide_env(struct span name)
{
    char *copy = malloc(name.n + 2);
    if (copy == NULL)
        return false;
    memcpy(copy, name.p, name.n);
    copy[name.n] = '=';
    copy[name.n + 1] = 0;
    (void)pthread_mutex_lock(&hidden_lock);
    bool added = hidden_add(copy), is = added || is_hidden(copy);
    (void)pthread_mutex_unlock(&hidden_lock);
    if (!added)
        free(copy);
    return is;
}

static bool env_is_overridden(const char *var, char *const *env, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (env_same_name(env[i], var))
            return true;
    return false;
}

/* The extra variables, then those of ours that they do not replace and that are no secret. The strings stay
 * where they are. */
static char **env_new(const char *const extra[])
{
    size_t n = 0, n_extra = 0;
    char **env;

    while (environ && environ[n])
        n++;
    env = calloc(n + CHILD_ENV_EXTRAS + 1, sizeof *env);
    if (!env)
        return NULL;
    while (extra && n_extra < CHILD_ENV_EXTRAS && extra[n_extra]) {
        env[n_extra] = (char *)(uintptr_t)extra[n_extra];
        n_extra++;
    }
    n = n_extra;
    for (char **var = environ; var && *var; var++)
        if (!env_is_overridden(*var, env, n_extra) && !child_env_is_hidden(*var))
            env[n++] = *var;
    return env;
}

/* Where the kernel has no close_range. */
static void guard_one_by_one(void)
{
    DIR *all = opendir("/proc/self/fd");
    struct dirent *one;
    while (all != NULL && (one = readdir(all)) != NULL) {
        int fd = (int)strtol(one->d_name, NULL, 10);
        if (fd > STDERR_FILENO)
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    if (all != NULL)
        (void)closedir(all);
}

void child_guard_descriptors(void)
{
#ifdef SYS_close_range
    enum { CLOSE_RANGE_SETS_CLOEXEC = 4 }; /* CLOSE_RANGE_CLOEXEC, which older headers lack */
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, CLOSE_RANGE_SETS_CLOEXEC) == 0)
        return;
#endif
    guard_one_by_one();
}

static int attr_fill(posix_spawnattr_t *attr, bool new_session)
{
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (new_session ? POSIX_SPAWN_SETSID : 0);
    sigset_t none, all;
    int why;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    why = posix_spawnattr_setsigmask(attr, &none);
    if (why == 0)
        why = posix_spawnattr_setsigdefault(attr, &all);
    return why == 0 ? posix_spawnattr_setflags(attr, (short)flags) : why;
}

/* Copies above the standard three, so that no dup2 on the way overwrites the source of a later one. */
static int fds_lift(int lifted[3], const int fds[3])
{
    for (int i = 0; i < 3; i++) {
        int fd = fds[i] >= 0 ? fds[i] : open("/dev/null", O_RDWR | O_CLOEXEC);
        int why;

        lifted[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
        why = errno;
        if (fds[i] < 0)
            sock_close(&fd);
        if (lifted[i] < 0)
            return why;
    }
    return 0;
}

static int spawn_with(struct child *child, const char *const argv[], char *const env[], const int lifted[3],
                      const posix_spawnattr_t *attr)
{
    posix_spawn_file_actions_t actions;
    int why = posix_spawn_file_actions_init(&actions);

    if (why != 0)
        return why;
    for (int i = 0; i < 3 && why == 0; i++)
        why = posix_spawn_file_actions_adddup2(&actions, lifted[i], i);
    /* argv is not written to, whatever the type says. */
    if (why == 0)
        why = posix_spawnp(&child->pid, argv[0], &actions, attr, (char *const *)(uintptr_t)argv, env);
    (void)posix_spawn_file_actions_destroy(&actions);
    return why;
}

static int spawn(struct child *child, const char *const argv[], char *const env[], const int fds[3],
                 bool new_session)
{
    int lifted[3] = {-1, -1, -1};
    posix_spawnattr_t attr;
    int why = posix_spawnattr_init(&attr);

    if (why != 0)
        return why;
    why = attr_fill(&attr, new_session);
    if (why == 0)
        why = fds_lift(lifted, fds);
    if (why == 0)
        why = spawn_with(child, argv, env, lifted, &attr);
    for (int i = 0; i < 3; i++)
        sock_close(&lifted[i]);
    (void)posix_spawnattr_destroy(&attr);
    return why;
}

enum adit_err child_start(struct child *child, const char *const argv[], const char *const env_extra[],
                          const int fds[static 3], bool new_session, struct adit_error *err)
{
    char **env = env_new(env_extra);
    int why = env ? spawn(child, argv, env, fds, new_session) : ENOMEM;

    free(env);
    if (why == 0)
        return ADIT_E_OK;
    child->pid = -1;
    return adit_fail(err, ADIT_E_SYSTEM, "cannot run %s: %s%s", argv[0], strerror(why), confine_hint(why));
}

/* ---- Its end ---- */

bool child_reap(struct child *child, bool wait, int *status)
{
    int raw = 0;
    pid_t pid;

    if (child->pid < 0)
        return false;
    do
        pid = waitpid(child->pid, &raw, wait ? 0 : WNOHANG);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    /* Somebody else reaped it: it has ended, and how is lost. */
    if (pid < 0)
        *status = 255;
    else
        *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    child->pid = -1;
    return true;
}

void child_kill(const struct child *child, int sig)
{
    if (child->pid > 0)
        (void)kill(child->pid, sig);
}

void child_abandon(struct child *child)
{
    int status;

    child_kill(child, SIGKILL);
    (void)child_reap(child, true, &status);
}

/* ---- The first line of its output ---- */

struct line {
    char *text; /* CHILD_LINE_CAP */
    size_t n;
    bool is_complete, is_too_long;
};

static void line_add(struct line *line, const char *p, size_t n)
{
    for (size_t i = 0; i < n && !line->is_complete; i++) {
        if (p[i] == '\n' || p[i] == '\0')
            line->is_complete = true;
        else if (line->n + 1 < CHILD_LINE_CAP)
            line->text[line->n++] = p[i];
        else
            line->is_complete = line->is_too_long = true;
    }
}

static void line_finish(struct line *line)
{
    if (line->n > 0 && line->text[line->n - 1] == '\r')
        line->n--;
    adit_wipe(line->text + line->n, CHILD_LINE_CAP - line->n);
}

/* ---- All of its output ---- */

struct output {
    uint8_t *p;
    size_t n, cap, max;
    bool is_too_long, is_out_of_memory;
};

static void output_add(struct output *o, const char *p, size_t n)
{
    if (n > o->max - o->n)
        o->is_too_long = true;
    if (n == 0 || o->is_too_long || o->is_out_of_memory)
        return;
    if (n > o->cap - o->n) {
        size_t cap = 2 * (o->n + n);
        uint8_t *more = realloc(o->p, cap);
        o->is_out_of_memory = more == NULL;
        if (more == NULL)
            return;
        o->p = more;
        o->cap = cap;
    }
    memcpy(o->p + o->n, p, n);
    o->n += n;
}

/* ---- A run ---- */

/* Where output goes: one of the two. */
struct sink {
    struct line *line;
    struct output *output;
};

static enum adit_err read_to_end(int fd, int cancel_fd, const struct sink *sink, struct adit_error *err)
{
    char buf[512];
    enum sock_io io = SOCK_IO_OK;
    size_t n;

    while (io == SOCK_IO_OK || io == SOCK_IO_AGAIN) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = cancel_fd, .events = POLLIN}};

        if (poll(p, 2, -1) < 0 && errno != EINTR)
            return adit_fail(err, ADIT_E_SYSTEM, "cannot wait for a program: %s", strerror(errno));
        if (p[1].revents)
            return adit_fail(err, ADIT_E_INTERRUPTED, "interrupted");
        io = sock_read(fd, buf, sizeof buf, &n, err);
        if (sink->line)
            line_add(sink->line, buf, n);
        else
            output_add(sink->output, buf, n);
        adit_wipe(buf, sizeof buf);
    }
    return io == SOCK_IO_EOF ? ADIT_E_OK : ADIT_E_SYSTEM;
}

/* It has closed its output, and may still run. There is no descriptor for its end that old kernels know, so
 * look at it every 50 ms as long as somebody may cancel. */
static enum adit_err wait_for_end(struct child *child, int cancel_fd, int *status, struct adit_error *err)
{
    struct pollfd p = {.fd = cancel_fd, .events = POLLIN};

    while (!child_reap(child, cancel_fd < 0, status))
        if (poll(&p, 1, 50) > 0)
            return adit_fail(err, ADIT_E_INTERRUPTED, "interrupted");
    return ADIT_E_OK;
}

static enum adit_err pipe_open(int fds[2], struct adit_error *err)
{
    if (pipe2(fds, O_CLOEXEC) != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "cannot make a pipe: %s", strerror(errno));
    if (sock_set_nonblock(fds[0], true)) /* ours; the program's end stays as it expects it */
        return ADIT_E_OK;
    sock_close(&fds[0]);
    sock_close(&fds[1]);
    return adit_fail(err, ADIT_E_SYSTEM, "cannot set up a pipe");
}

enum adit_err child_start_reading(struct child *child, const char *const argv[],
                                  const char *const env_extra[], int *out_fd, struct adit_error *err)
{
    int fds[2];
    enum adit_err e = pipe_open(fds, err);

    child->pid = -1;
    *out_fd = -1;
    if (e != ADIT_E_OK)
        return e;
    e = child_start(child, argv, env_extra, (const int[3]){-1, fds[1], STDERR_FILENO}, false, err);
    sock_close(&fds[1]);
    if (e == ADIT_E_OK)
        *out_fd = fds[0];
    else
        sock_close(&fds[0]);
    return e;
}

static enum adit_err run_to_end(const char *const argv[], const char *const env_extra[], int cancel_fd,
                                const struct sink *sink, int *status, struct adit_error *err)
{
    struct child child;
    int fd;
    enum adit_err e = child_start_reading(&child, argv, env_extra, &fd, err);

    if (e == ADIT_E_OK)
        e = read_to_end(fd, cancel_fd, sink, err);
    sock_close(&fd);
    if (e == ADIT_E_OK)
        e = wait_for_end(&child, cancel_fd, status, err);
    if (child.pid > 0) {
        child_kill(&child, SIGKILL);
        (void)child_reap(&child, true, status);
    }
    return e;
}

enum adit_err child_run_line(const char *const argv[], const char *const env_extra[], int cancel_fd,
                             char text[static CHILD_LINE_CAP], int *status, struct adit_error *err)
{
    struct line line = {.text = text};

    adit_wipe(text, CHILD_LINE_CAP);
    enum adit_err e = run_to_end(argv, env_extra, cancel_fd, &(struct sink){.line = &line}, status, err);
    if (e == ADIT_E_OK && line.is_too_long)
        e = adit_fail(err, ADIT_E_LIMIT, "the first line of %s is too long", argv[0]);
    line_finish(&line);
    if (e != ADIT_E_OK)
        adit_wipe(text, CHILD_LINE_CAP);
    return e;
}

enum adit_err child_run_output(const char *const argv[], int cancel_fd, size_t max, uint8_t **out, size_t *n,
                               int *status, struct adit_error *err)
{
    struct output output = {.max = max};
    enum adit_err e = run_to_end(argv, NULL, cancel_fd, &(struct sink){.output = &output}, status, err);

    if (e == ADIT_E_OK && output.is_too_long)
        e = adit_fail(err, ADIT_E_LIMIT, "%s prints more than %zu bytes", argv[0], max);
    if (e == ADIT_E_OK && output.is_out_of_memory)
        e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
    if (e != ADIT_E_OK) {
        free(output.p);
        output = (struct output){0};
    }
    *out = output.p;
    *n = output.n;
    return e;
}
