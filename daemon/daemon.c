/*
 * daemon.c - see daemon.h: how it begins, and how it ends.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/sandbox.h"
#include "daemon/conf_paths.h"
#include "daemon/daemon_internal.h"
#include "daemon/notify.h"
#include "net/host.h"

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
                                          .level = daemon_log_level(d),
                                          .filter = getenv("ADIT_LOG")};
    return journal_new(&d->journal, &config, err);
}

static void on_log(void *ctx, const struct journal_note *note)
{
    struct daemon *d = ctx;
    journal_write(d->journal, note);
}

static enum adit_err on_reload(void *ctx, bool is_check, const char *path, struct tunnels_reloaded *out,
                               struct adit_error *err)
{
    return is_check ? daemon_check(ctx, path, out, err) : daemon_reload(ctx, out, err);
}

/* ---- Beginning ---- */

static enum adit_err api_open(struct daemon *d, struct adit_error *err)
{
    char token[STORE_TOKEN_CAP];
    const char *note = NULL;
    enum adit_err e = daemon_group_find(d->conf, &d->has_group, &d->group, err);
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
                                      .has_group = d->has_group,
                                      .group = d->group,
                                      .ops = {.ctx = d, .reload = on_reload}};
    e = api_new(&d->api, &config, err);
    adit_wipe(token, sizeof token);
    if (e == ADIT_E_OK)
        e = daemon_listen(d, err);
    return e;
}

/* Ids of events are greater than those of the daemon before, however busy that was: whoever comes back with
 * one of its is told `reset`. Microseconds since 1970 are exact in a double. */
static uint64_t events_begin(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || now.tv_sec < 0)
        return 0;
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static enum adit_err tunnels_open(struct daemon *d, struct adit_error *err)
{
    const struct tunnels_config config = {.loop = &d->loop,
                                          .box = &d->box,
                                          .store = d->store,
                                          .conf = d->conf,
                                          .events_before = events_begin(),
                                          .log_level = journal_most(d->journal),
                                          .ops = {.ctx = d, .log = on_log}};
    d->told = config.events_before;
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

/* With fewer it could run, and nobody could talk to it. */
static enum adit_err check_descriptors(struct adit_error *err)
{
    enum { DESCRIPTORS_MIN = 32 };
    uint64_t limit = host_allow_descriptors(DESCRIPTORS_MIN);
    if (limit == 0 || limit >= DESCRIPTORS_MIN)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_SYSTEM, "a limit of %u open files is too low for a daemon: %d at least",
                     (unsigned)limit, (int)DESCRIPTORS_MIN);
}

static enum adit_err begin(struct daemon *d, struct adit_error *err)
{
    enum adit_err e = check_descriptors(err);
    if (e != ADIT_E_OK)
        return e;
    e = daemon_conf_read(d, d->args->config_file, &d->conf, err);
    if (e != ADIT_E_OK || d->conf == NULL)
        return e;
    if (d->conf->sandbox)
        confine_memory();
    e = journal_open(d, err);
    if (e == ADIT_E_OK)
        e = store_begin(d, err);
    if (e == ADIT_E_OK)
        e = daemon_loop_open(d, err);
    if (e == ADIT_E_OK)
        e = tunnels_open(d, err);
    return e == ADIT_E_OK ? api_open(d, err) : e;
}

/* Beyond what the files were seen to name: ~/.ssh, where ssh's own names are; what a unit's credentials are;
 * our own state, configuration and socket. */
static void note_needs(const struct daemon *d)
{
    char user[LIMIT_USER + 1], home[EXPAND_PATH_CAP], path[EXPAND_PATH_CAP + 16];
    struct conf_world world;
    struct texts ignored;
    struct adit_error err = {0};
    expand_user(home, user);
    (void)adit_format(path, sizeof path, "%s/.ssh", home);
    sandbox_need_folder(path, CONFINE_READ | CONFINE_WRITE, SANDBOX_AGAIN);
    sandbox_need_folder(getenv("CREDENTIALS_DIRECTORY"), CONFINE_READ, SANDBOX_AGAIN);
    sandbox_need_folder("/proc/self", CONFINE_READ, SANDBOX_ALWAYS); /* the metrics' */
    conf_world_init(&world);
    if (conf_path_folder(&world, path, &err) == ADIT_E_OK)
        sandbox_need_folder(path, CONFINE_READ, SANDBOX_AGAIN);
    if (conf_path_state(&world, d->args->state_dir, d->conf->state_dir, path, &err) == ADIT_E_OK)
        sandbox_need_folder(path, CONFINE_READ | CONFINE_WRITE, SANDBOX_ALWAYS);
    sandbox_need(d->socket.path, CONFINE_SOCKETS, SANDBOX_ALWAYS);
    texts_init(&ignored);
    if (!conf_aliases(d->conf->ssh_config, &ignored))
        sandbox_need_programs("an ssh_config that cannot be read", SANDBOX_AGAIN);
    texts_wipe(&ignored);
}

static void confine(const struct daemon *d)
{
    char line[SANDBOX_TEXT_CAP];
    if (d->conf == NULL || !d->conf->sandbox || !sandbox_suits_build())
        return;
    note_needs(d);
    if (sandbox_enter(true, daemon_log_level(d) >= SESSION_DEBUG3, line))
        journal_say(d->journal, SESSION_DEBUG1, "%s", line);
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
    daemon_conf_free(d->conf);
}

enum adit_err daemon_run(const struct daemon_args *args, struct adit_error *err)
{
    struct daemon *d = calloc(1, sizeof *d);
    if (d == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    d->args = args;
    d->log_fd = d->signal_fd = d->socket.fd = d->socket_fd = d->listen_fd = -1;
    enum adit_err e = begin(d, err);
    if (e == ADIT_E_OK) {
        ready_tell(d);
        confine(d);
        tunnels_start_all(d->tunnels, NULL, NULL);
        e = daemon_loop_run(d, err);
    }
    end_all(d);
    free(d);
    return e;
}
