#include "cli/autossh_watch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/log.h"
#include "net/loop.h"

enum {
    QUICK_MS = 10 * 1000, /* a connection that is over sooner has failed */
    QUICK_FREE = 5,       /* so many of them in a row are made anew at once */
};

enum outcome { AGAIN, DONE, FAILED };

struct watch_state {
    const struct autossh *a;
    sigset_t signals, before;
    uint64_t end_ms; /* of AUTOSSH_MAXLIFETIME; UINT64_MAX */
    int64_t starts;
    uint32_t quick; /* starts in a row that failed quickly */
};

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The next of our signals; 0: it is time. */
static int wait_signal(const struct watch_state *w, uint64_t until_ms)
{
    for (;;) {
        uint64_t now = loop_now_ms();
        if (now >= until_ms)
            return 0;
        uint64_t ms = earlier(until_ms - now, 3600 * 1000);
        const struct timespec limit = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
        int number = sigtimedwait(&w->signals, NULL, &limit);
        if (number > 0)
            return number;
    }
}

static void end_child(pid_t pid)
{
    (void)kill(pid, SIGTERM); /* it ends within seconds, whatever it does: see signals.h */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static enum outcome over(const char *why)
{
    log_format(LOG_LEVEL_INFO, "autossh: %s", why);
    return DONE;
}

/* What its status says, in autossh's words. */
static enum outcome judge(const struct watch_state *w, int status, uint64_t begun_ms)
{
    bool is_first = w->starts == 1 && w->a->gate_ms != 0;
    if (WIFSIGNALED(status)) {
        log_format(LOG_LEVEL_INFO, "autossh: ssh exited on signal %d, restarting ssh", WTERMSIG(status));
        return AGAIN;
    }
    int code = WEXITSTATUS(status);
    if (is_first && loop_now_ms() - begun_ms <= w->a->gate_ms) {
        log_format(LOG_LEVEL_ERROR, "autossh: ssh exited prematurely with status %d; autossh exiting", code);
        return FAILED;
    }
    if (code == 255 || code == 2 || (code == 1 && !is_first)) {
        log_format(LOG_LEVEL_INFO, "autossh: ssh exited with error status %d; restarting ssh", code);
        return AGAIN;
    }
    log_format(LOG_LEVEL_INFO, "autossh: ssh exited with status %d; autossh exiting", code);
    return code == 0 ? DONE : FAILED;
}

/* Up to the end of one connection. */
static enum outcome attend(struct watch_state *w, pid_t pid, uint64_t begun_ms)
{
    for (;;) {
        int status, number = wait_signal(w, w->end_ms);
        if (number == SIGCHLD && waitpid(pid, &status, WNOHANG) == pid)
            return judge(w, status, begun_ms);
        if (number == SIGTERM || number == SIGINT) {
            end_child(pid);
            log_format(LOG_LEVEL_INFO, "autossh: received signal to exit (%d)", number);
            return FAILED;
        }
        if (number == SIGUSR1) {
            end_child(pid);
            return AGAIN;
        }
        if (number == 0) {
            end_child(pid);
            return over("exceeded maximum time to live, shutting down");
        }
    }
}

/* A pause where they fail one after the other: 1, 4, 9, ... seconds. */
static enum outcome pause_between(struct watch_state *w, uint64_t begun_ms)
{
    w->quick = loop_now_ms() - begun_ms < QUICK_MS ? w->quick + 1 : 0;
    if (w->quick <= QUICK_FREE)
        return AGAIN;
    uint64_t n = earlier(w->quick - QUICK_FREE, 1000), s = earlier(n * n, w->a->poll_s);
    uint64_t until = loop_now_ms() + s * 1000;
    int number;
    do
        number = wait_signal(w, earlier(until, w->end_ms));
    while (number != 0 && number != SIGTERM && number != SIGINT && number != SIGUSR1 && number != SIGHUP);
    if (number == SIGTERM || number == SIGINT)
        return FAILED;
    return loop_now_ms() >= w->end_ms ? over("exceeded maximum time to live, shutting down") : AGAIN;
}

static enum outcome start_once(struct watch_state *w, int (*start)(void *ctx), void *ctx)
{
    uint64_t begun = loop_now_ms();
    w->starts++;
    pid_t pid = fork();
    if (pid < 0) {
        log_format(LOG_LEVEL_ERROR, "autossh: fork: %s", strerror(errno));
        return FAILED;
    }
    if (pid == 0) {
        (void)sigprocmask(SIG_SETMASK, &w->before, NULL);
        _exit(start(ctx));
    }
    enum outcome what = attend(w, pid, begun);
    return what == AGAIN ? pause_between(w, begun) : what;
}

int autossh_watch(const struct autossh *a, int (*start)(void *ctx), void *ctx)
{
    static const int ours[] = {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP};
    struct watch_state w = {.a = a, .end_ms = UINT64_MAX};
    enum outcome what = AGAIN;
    (void)sigemptyset(&w.signals);
    for (size_t i = 0; i < ADIT_COUNT(ours); i++)
        (void)sigaddset(&w.signals, ours[i]);
    (void)sigprocmask(SIG_BLOCK, &w.signals, &w.before);
    if (a->lifetime_s > 0)
        w.end_ms = loop_now_ms() + a->lifetime_s * 1000ULL;
    while (what == AGAIN && (a->max_start < 0 || w.starts < a->max_start))
        what = start_once(&w, start, ctx);
    if (what == AGAIN)
        (void)over("max start count reached; exiting");
    (void)sigprocmask(SIG_SETMASK, &w.before, NULL);
    return what == FAILED ? AUTOSSH_EXIT_FAILED : AUTOSSH_EXIT_OK;
}
