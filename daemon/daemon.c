#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "client/client.h"
#include "daemon/api.h"
#include "daemon/conf.h"
#include "daemon/conf_paths.h"
#include "daemon/journal.h"
#include "daemon/notify.h"
#include "daemon/rendezvous.h"
#include "daemon/store.h"
#include "daemon/tunnels.h"
#include "net/loop.h"
#include "net/mailbox.h"
#include "net/watch.h"

enum { FD_SIGNALS = 1, FD_MAIL, FD_NETWORK };
enum { TIMER_END = 1, TIMER_END_HARD, TIMER_WATCHDOG };

struct daemon {
    const struct daemon_args *args;
    struct conf *conf; /* what holds now */
    struct journal *journal;
    int log_fd;
    struct store *store;
    struct rendezvous socket;
    struct loop loop;
    struct mailbox box;
    struct watch watch;
    bool has_loop, has_box, has_watch, is_ending;
    struct tunnels *tunnels;
    struct api *api;
    int signal_fd;
    struct loop_fd signals, mail, network;
    struct loop_timer end, end_hard, watchdog;
    uint64_t watchdog_ms;
    uint64_t told; /* the newest event when the service manager was told the status */
};

/* ---- The configuration ---- */

static enum adit_err text_replace(char **to, const char *text, struct adit_error *err)
{
    char *copy = text_copy(span_str(text));
    if (copy == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    free(*to);
    *to = copy;
    return ADIT_E_OK;
}

/* The command line wins over the files, at every reading of them. */
static enum adit_err conf_override(struct conf *conf, const struct daemon_args *a, struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    if (a->ssh_config != NULL)
        e = text_replace(&conf->ssh_config, a->ssh_config, err);
    if (e == ADIT_E_OK && a->listen != NULL) {
        char *host = NULL;
        e = conf_listen_parse(a->listen, &host, &conf->listen_port, err);
        if (e == ADIT_E_OK) {
            free(conf->listen_host);
            conf->listen_host = host;
        }
    }
    if (a->log_format != NULL)
        conf->log_format = strcmp(a->log_format, "json") == 0 ? CONF_LOG_JSON : CONF_LOG_TEXT;
    return e;
}

static void conf_free(struct conf *conf)
{
    if (conf != NULL)
        conf_wipe(conf);
    free(conf);
}

/* The files as they are now; *out is conf_free'd by the caller. */
static enum adit_err conf_read(const struct daemon *d, const char *path, struct conf **out,
                               struct adit_error *err)
{
    struct conf *conf = calloc(1, sizeof *conf);
    *out = NULL;
    if (conf == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    conf_init(conf);
    enum adit_err e = conf_load(conf, path, err);
    if (e == ADIT_E_OK)
        e = conf_override(conf, d->args, err);
    if (e == ADIT_E_OK)
        *out = conf;
    else
        conf_free(conf);
    return e;
}

static enum session_level level_of(const struct daemon *d)
{
    unsigned v = d->args->verbose;
    if (v > 0)
        return v == 1 ? SESSION_DEBUG1 : v == 2 ? SESSION_DEBUG2 : SESSION_DEBUG3;
    return d->conf->has_log_level ? client_log_level(d->conf->log_level) : SESSION_INFO;
}

/* ---- The log ---- */

static enum adit_err journal_open(struct daemon *d, struct adit_error *err)
{
    const char *path = d->args->log_file != NULL ? d->args->log_file : d->args->is_quiet ? "/dev/null" : NULL;
    if (path != NULL)
        d->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (path != NULL && d->log_fd < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "Couldn't open logfile %s: %s", path, strerror(errno));
    const struct journal_config config = {.fd = path != NULL ? d->log_fd : STDERR_FILENO,
                                          .is_json = d->conf->log_format == CONF_LOG_JSON,
                                          .level = level_of(d),
                                          .filter = getenv("ADIT_LOG")};
    return journal_new(&d->journal, &config, err);
}

static void on_log(void *ctx, const struct journal_note *note)
{
    struct daemon *d = ctx;
    journal_write(d->journal, note);
}

/* ---- Reading the files again ---- */

static enum adit_err reload(struct daemon *d, struct tunnels_reloaded *out, struct adit_error *err)
{
    struct conf *conf = NULL;
    notify_reloading();
    enum adit_err e = conf_read(d, d->args->config_file, &conf, err);
    if (e == ADIT_E_OK)
        e = tunnels_reload(d->tunnels, conf, out, err);
    if (e == ADIT_E_OK && conf != NULL) {
        conf_free(d->conf);
        d->conf = conf;
        journal_set_level(d->journal, level_of(d));
        tunnels_set_log_level(d->tunnels, journal_most(d->journal));
        journal_set_form(d->journal, conf->log_format == CONF_LOG_JSON);
        journal_say_about(d->journal, SESSION_INFO, SESSION_ABOUT_CONFIG,
                          "reloaded: %zu added, %zu removed, %zu changed, %zu unchanged", out->added,
                          out->removed, out->changed, out->unchanged);
    } else {
        conf_free(conf);
        journal_say_about(d->journal, SESSION_ERROR, SESSION_ABOUT_CONFIG, "not reloaded: %s", err->text);
    }
    notify_send("READY=1");
    return e;
}

/* What would be, if these were the files. */
static enum adit_err check(struct daemon *d, const char *path, struct tunnels_reloaded *out,
                           struct adit_error *err)
{
    struct conf *conf = NULL;
    struct conf_diff diff = {0};
    if (path != NULL &&
        d->conf->socket_group != NULL) /* what a file holds is not the group's to learn from errors */
        return adit_fail(err, ADIT_E_CONFIG, "with SocketGroup only the daemon's own files are checked");
    enum adit_err e = conf_read(d, path != NULL ? path : d->args->config_file, &conf, err);
    if (e == ADIT_E_OK)
        conf_diff(d->conf, conf, &diff);
    *out = (struct tunnels_reloaded){diff.added, diff.removed, diff.changed, diff.unchanged};
    conf_free(conf);
    return e;
}

static enum adit_err on_reload(void *ctx, bool is_check, const char *path, struct tunnels_reloaded *out,
                               struct adit_error *err)
{
    return is_check ? check(ctx, path, out, err) : reload(ctx, out, err);
}

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
        ignored = reload(d, &counts, &err);
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

static enum adit_err loop_run(struct daemon *d, struct adit_error *err)
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

static enum adit_err loop_open(struct daemon *d, struct adit_error *err)
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

static enum adit_err group_find(const struct daemon *d, bool *has_group, gid_t *group, struct adit_error *err)
{
    const char *name = d->conf->socket_group;
    *has_group = name != NULL;
    *group = 0;
    const struct group *found = name != NULL ? getgrnam(name) : NULL;
    if (name != NULL && found == NULL)
        return adit_fail(err, ADIT_E_CONFIG, "SocketGroup: there is no group '%.100s'", name);
    if (found != NULL)
        *group = found->gr_gid;
    return ADIT_E_OK;
}

static enum adit_err socket_listen(struct daemon *d, bool has_group, gid_t group, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    struct conf_world world;
    size_t count = notify_listen_fds();
    for (int fd = NOTIFY_FD_FIRST; fd < NOTIFY_FD_FIRST + (int)count; fd++) {
        (void)sock_set_nonblock(fd, true); /* whoever made it need not have thought of that */
        if (api_listen(d->api, fd, err) != ADIT_E_OK)
            return err->code;
    }
    if (count > 0)
        return ADIT_E_OK;
    conf_world_init(&world);
    enum adit_err e = conf_path_socket(&world, d->args->socket, d->conf->socket, path, err);
    if (e == ADIT_E_OK)
        e = rendezvous_open(&d->socket, path, has_group ? &group : NULL, err);
    if (e != ADIT_E_OK)
        return e;
    int fd = d->socket.fd;
    d->socket.fd = -1;
    return api_listen(d->api, fd, err);
}

static enum adit_err api_open(struct daemon *d, struct adit_error *err)
{
    char token[STORE_TOKEN_CAP];
    const char *note = NULL;
    bool has_group;
    gid_t group;
    enum adit_err e = group_find(d, &has_group, &group, err);
    if (e == ADIT_E_OK)
        e = store_token(d->store, token, &note, err);
    if (e != ADIT_E_OK)
        return e;
    if (note != NULL)
        journal_say(d->journal, SESSION_INFO, "%s", note);
    const struct api_config config = {.loop = &d->loop,
                                      .tunnels = d->tunnels,
                                      .journal = d->journal,
                                      .token = token,
                                      .has_group = has_group,
                                      .group = group,
                                      .ops = {.ctx = d, .reload = on_reload}};
    e = api_new(&d->api, &config, err);
    adit_wipe(token, sizeof token);
    if (e == ADIT_E_OK)
        e = socket_listen(d, has_group, group, err);
    if (e == ADIT_E_OK && d->conf->listen_host != NULL)
        e = api_listen_tcp(d->api, d->conf->listen_host, d->conf->listen_port, NULL, err);
    return e;
}

static enum adit_err tunnels_open(struct daemon *d, struct adit_error *err)
{
    const struct tunnels_config config = {.loop = &d->loop,
                                          .box = &d->box,
                                          .store = d->store,
                                          .conf = d->conf,
                                          .log_level = journal_most(d->journal),
                                          .ops = {.ctx = d, .log = on_log}};
    return tunnels_new(&d->tunnels, &config, err);
}

static enum adit_err store_begin(struct daemon *d, struct adit_error *err)
{
    char folder[EXPAND_PATH_CAP];
    struct conf_world world;
    conf_world_init(&world);
    enum adit_err e = conf_path_state(&world, d->args->state_dir, d->conf->state_dir, folder, err);
    return e == ADIT_E_OK ? store_open(&d->store, folder, err) : e;
}

static enum adit_err begin(struct daemon *d, struct adit_error *err)
{
    enum adit_err e = conf_read(d, d->args->config_file, &d->conf, err);
    if (e != ADIT_E_OK || d->conf == NULL)
        return e;
    e = journal_open(d, err);
    if (e == ADIT_E_OK)
        e = store_begin(d, err);
    if (e == ADIT_E_OK)
        e = loop_open(d, err);
    if (e == ADIT_E_OK)
        e = tunnels_open(d, err);
    return e == ADIT_E_OK ? api_open(d, err) : e;
}

static void ready_tell(struct daemon *d)
{
    char line[SOCK_PATH_CAP + API_URL_CAP + 64];
    const char *url = api_url(d->api);
    (void)adit_format(line, sizeof line, "adit: ready socket=%s listen=%s tunnels=%zu",
                      d->socket.path[0] != 0 ? d->socket.path : "-", url != NULL ? url : "-",
                      tunnels_count(d->tunnels));
    if (d->args->ready != NULL)
        d->args->ready(d->args->ctx, line);
    notify_send("READY=1");
    d->watchdog_ms = notify_watchdog_ms();
    if (d->watchdog_ms > 0)
        loop_timer_set(&d->loop, &d->watchdog, loop_now_ms());
}

static void end_all(struct daemon *d)
{
    rendezvous_close(&d->socket); /* nobody finds it any more, before it stops to answer */
    api_free(d->api);
    tunnels_free(d->tunnels);
    if (d->has_watch)
        watch_wipe(&d->watch);
    if (d->has_box)
        mailbox_wipe(&d->box);
    if (d->has_loop)
        loop_wipe(&d->loop);
    sock_close(&d->signal_fd);
    store_free(d->store);
    journal_free(d->journal);
    sock_close(&d->log_fd);
    conf_free(d->conf);
}

enum adit_err daemon_run(const struct daemon_args *args, struct adit_error *err)
{
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    d->args = args;
    d->log_fd = d->signal_fd = d->socket.fd = -1;
    enum adit_err e = begin(d, err);
    if (e == ADIT_E_OK) {
        tunnels_start_all(d->tunnels, NULL, NULL);
        ready_tell(d);
        e = loop_run(d, err);
    }
    end_all(d);
    free(d);
    return e;
}
