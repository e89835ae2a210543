/*
 * daemon_loop.c - what comes to the daemon from outside: signals, letters, timers, the network's news.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/daemon_internal.h"
#include "daemon/notify.h"

/* ---- What comes from outside ---- */

static void status_log(struct daemon *d)
{
    size_t up, failed;
    tunnels_badge(d->tunnels, &up, &failed);
    journal_say(d->journal, SESSION_INFO, "%zu up, %zu failed", up, failed);
    for (struct tunnel *t = tunnels_first(d->tunnels); t != NULL; t = tunnels_next(t)) {
        char spec[DEFINITION_SPEC_CAP], text[DEFINITION_SPEC_CAP + 64];
        definition_spec(tunnel_definition(t), false, spec);
        (void)adit_format(text, sizeof text, "%s %s", keep_state_name(tunnel_status(t)->state), spec);
        const struct journal_note note = {
            .level = SESSION_INFO, .tunnel = tunnel_definition(t)->name, .text = text};
        journal_write(d->journal, &note);
    }
}

static void end_begin(struct daemon *d)
{
    uint64_t now = loop_now_ms();
    if (d->is_ending) { /* a second signal: nobody wants to wait */
        tunnels_end(d->tunnels);
        return;
    }
    d->is_ending = true;
    notify_send("STOPPING=1");
    journal_say(d->journal, SESSION_INFO, "ending");
    api_drain(d->api);
    loop_timer_set(&d->loop, &d->end, now + DAEMON_END_MS);
    loop_timer_set(&d->loop, &d->end_hard, now + DAEMON_END_HARD_MS);
    tunnels_end(d->tunnels);
}

static void signal_do(struct daemon *d, uint32_t number)
{
    struct tunnels_reloaded counts;
    struct adit_error err = {0};
    enum adit_err ignored = ADIT_E_OK; /* told by the log */
    if (number == SIGTERM || number == SIGINT)
        end_begin(d);
    else if (number == SIGHUP)
        ignored = daemon_reload(d, &counts, &err);
    else if (number == SIGUSR1)
        tunnels_reconnect_all(d->tunnels);
    else if (number == SIGUSR2)
        status_log(d);
    (void)ignored;
}

static void signals_do(struct daemon *d)
{
    struct signalfd_siginfo info;
    while (read(d->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        signal_do(d, info.ssi_signo);
    loop_fd_not_readable(&d->signals);
}

static void mail_do(struct daemon *d)
{
    struct mail *m;
    loop_fd_not_readable(&d->mail);
    while ((m = mailbox_take(&d->box)) != NULL)
        if (m->kind >= TUNNELS_MAIL_FIRST && m->kind <= TUNNELS_MAIL_LAST)
            tunnels_on_mail(d->tunnels, m);
}

static void network_do(struct daemon *d)
{
    loop_fd_not_readable(&d->network);
    unsigned news = watch_take(&d->watch);
    if (news == 0)
        return;
    journal_say(d->journal, SESSION_VERBOSE, "%s",
                news & WATCH_RESUMED ? "the machine is awake again" : "the network changed");
    tunnels_network(d->tunnels, news);
}

static void fd_do(struct daemon *d, struct loop_fd *f)
{
    if (f == &d->signals)
        signals_do(d);
    else if (f == &d->mail)
        mail_do(d);
    else if (f == &d->network)
        network_do(d);
    else if (f->kind == API_FD_KIND)
        api_on_fd(f);
    else if (f->kind >= TUNNELS_FD_FIRST && f->kind <= TUNNELS_FD_LAST)
        tunnels_on_fd(d->tunnels, f);
}

/* A connection that does not let go has had its time: the system takes the rest. */
static void end_hard(struct daemon *d)
{
    journal_say(d->journal, SESSION_ERROR, "not everything ended in time");
    rendezvous_close(&d->socket);
    _exit(0);
}

static void timer_do(struct daemon *d, struct loop_timer *t)
{
    if (t == &d->end)
        tunnels_end(d->tunnels);
    else if (t == &d->end_hard)
        end_hard(d);
    else if (t == &d->watchdog) {
        notify_send("WATCHDOG=1");
        loop_timer_set(&d->loop, t, loop_now_ms() + d->watchdog_ms);
    } else if (t->kind >= API_TIMER_KIND && t->kind <= API_TIMER_LAST)
        api_on_timer(t);
    else if (t->kind >= TUNNELS_TIMER_FIRST && t->kind <= TUNNELS_TIMER_LAST)
        tunnels_on_timer(d->tunnels, t);
}

/* The status line of `adit status`, to the service manager, whenever something has happened. */
static void status_tell(struct daemon *d)
{
    char text[64];
    size_t up, failed;
    uint64_t newest = events_last(tunnels_events(d->tunnels));
    if (newest == d->told || d->is_ending)
        return;
    d->told = newest;
    tunnels_badge(d->tunnels, &up, &failed);
    (void)adit_format(text, sizeof text, "STATUS=%zu up, %zu failed", up, failed);
    notify_send(text);
}

enum adit_err daemon_loop_run(struct daemon *d, struct adit_error *err)
{
    while (!d->is_ending || !tunnels_has_ended(d->tunnels)) {
        struct loop_fd *f;
        struct loop_timer *t;
        if (loop_wait(&d->loop, LOOP_NEVER, err) != ADIT_E_OK)
            return err->code;
        while ((f = loop_next(&d->loop)) != NULL)
            fd_do(d, f);
        while ((t = loop_expired(&d->loop, loop_now_ms())) != NULL)
            timer_do(d, t);
        status_tell(d);
    }
    return ADIT_E_OK;
}

/* ---- Beginning ---- */

static enum adit_err signals_open(struct daemon *d, struct adit_error *err)
{
    sigset_t set;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    /* A log that nobody reads any more, a file that may not grow: the write says so, and life goes on. */
    (void)sigaction(SIGPIPE, &ignore, NULL);
    (void)sigaction(SIGXFSZ, &ignore, NULL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGUSR1);
    (void)sigaddset(&set, SIGUSR2);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "sigprocmask: %s", strerror(errno));
    d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (d->signal_fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "signalfd: %s", strerror(errno));
    loop_fd_init(&d->signals, FD_SIGNALS, d);
    return loop_add(&d->loop, &d->signals, d->signal_fd, err);
}

enum adit_err daemon_loop_open(struct daemon *d, struct adit_error *err)
{
    d->has_loop = loop_init(&d->loop, err) == ADIT_E_OK;
    d->has_box = d->has_loop && mailbox_init(&d->box, err) == ADIT_E_OK;
    d->has_watch = d->has_box && watch_init(&d->watch, err) == ADIT_E_OK;
    if (!d->has_watch)
        return err->code;
    loop_fd_init(&d->mail, FD_MAIL, d);
    loop_fd_init(&d->network, FD_NETWORK, d);
    loop_timer_init(&d->end, TIMER_END, d);
    loop_timer_init(&d->end_hard, TIMER_END_HARD, d);
    loop_timer_init(&d->watchdog, TIMER_WATCHDOG, d);
    enum adit_err e = loop_add(&d->loop, &d->mail, mailbox_fd(&d->box), err);
    if (e == ADIT_E_OK)
        e = loop_add(&d->loop, &d->network, watch_fd(&d->watch), err);
    return e == ADIT_E_OK ? signals_open(d, err) : e;
}
