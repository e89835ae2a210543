/*
 * daemon_conf.c - the daemon's files: read at the beginning, and again.
 */
#include <stdlib.h>
#include <string.h>

#include "client/client.h"
#include "daemon/conf_paths.h"
#include "daemon/daemon_internal.h"
#include "daemon/notify.h"

/* ---- The configuration ---- */

/* The command line wins over the files, at every reading of them; -F does so while they are read. */
static enum adit_err conf_override(struct conf *conf, const struct daemon_args *a, struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    if (a->listen != NULL) {
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

void daemon_conf_free(struct conf *conf)
{
    if (conf != NULL)
        conf_wipe(conf);
    free(conf);
}

/* The files as they are now; *out is conf_free'd by the caller. */
enum adit_err daemon_conf_read(const struct daemon *d, const char *path, struct conf **out,
                               struct adit_error *err)
{
    struct conf *conf = calloc(1, sizeof *conf);
    struct conf_world world;
    *out = NULL;
    if (conf == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    conf_init(conf);
    conf_world_init(&world);
    world.ssh_config = d->args->ssh_config;
    enum adit_err e = conf_load_in(conf, &world, path, err);
    if (e == ADIT_E_OK)
        e = conf_override(conf, d->args, err);
    if (e == ADIT_E_OK)
        *out = conf;
    else
        daemon_conf_free(conf);
    return e;
}

enum session_level daemon_log_level(const struct daemon *d)
{
    unsigned v = d->args->verbose;
    if (v > 0)
        return v == 1 ? SESSION_DEBUG1 : v == 2 ? SESSION_DEBUG2 : SESSION_DEBUG3;
    return d->conf->has_log_level ? client_log_level(d->conf->log_level) : SESSION_INFO;
}

/* ---- Reading the files again ---- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* What is kept there, its lock and the token belong to this process; and what was given up is gone. */
static enum adit_err state_check(const struct daemon *d, const struct conf *conf, struct adit_error *err)
{
    if (d->args->state_dir == NULL && !same_text(d->conf->state_dir, conf->state_dir))
        return conf_fail(conf, "StateDir", err, "another folder needs a restart");
    if (d->conf->sandbox != conf->sandbox)
        return conf_fail(conf, "Sandbox", err, "to turn it on or off needs a restart");
    return ADIT_E_OK;
}

static void take(struct daemon *d, struct conf *conf)
{
    daemon_conf_free(d->conf);
    d->conf = conf;
    journal_set_level(d->journal, daemon_log_level(d));
    journal_set_form(d->journal, conf->log_format == CONF_LOG_JSON);
    tunnels_set_log_level(d->tunnels, journal_most(d->journal));
}

/* Where it listens comes first, since that may fail; its old places go last. */
static enum adit_err apply(struct daemon *d, const struct conf *conf, struct tunnels_reloaded *out,
                           struct adit_error *err)
{
    struct daemon_move move;
    enum adit_err e = state_check(d, conf, err);
    if (e == ADIT_E_OK)
        e = daemon_move_begin(d, conf, &move, err);
    if (e != ADIT_E_OK)
        return e;
    e = tunnels_reload(d->tunnels, conf, out, err);
    if (e == ADIT_E_OK)
        daemon_move_end(d, &move);
    else
        daemon_move_undo(d, &move);
    return e;
}

enum adit_err daemon_reload(struct daemon *d, struct tunnels_reloaded *out, struct adit_error *err)
{
    struct conf *conf = NULL;
    notify_reloading();
    enum adit_err e = daemon_conf_read(d, d->args->config_file, &conf, err);
    if (e == ADIT_E_OK && conf != NULL)
        e = apply(d, conf, out, err);
    if (e == ADIT_E_OK && conf != NULL) {
        take(d, conf);
        journal_say_about(d->journal, SESSION_INFO, SESSION_ABOUT_CONFIG,
                          "reloaded: %zu added, %zu removed, %zu changed, %zu unchanged", out->added,
                          out->removed, out->changed, out->unchanged);
    } else {
        daemon_conf_free(conf);
        journal_say_about(d->journal, SESSION_ERROR, SESSION_ABOUT_CONFIG, "not reloaded: %s", err->text);
    }
    notify_send("READY=1");
    return e;
}

enum adit_err daemon_check(const struct daemon *d, const char *path, struct tunnels_reloaded *out,
                           struct adit_error *err)
{
    struct conf *conf = NULL;
    struct conf_diff diff = {0};
    if (path != NULL &&
        d->conf->socket_group != NULL) /* what a file holds is not the group's to learn from errors */
        return adit_fail(err, ADIT_E_CONFIG, "with SocketGroup only the daemon's own files are checked");
    enum adit_err e = daemon_conf_read(d, path != NULL ? path : d->args->config_file, &conf, err);
    if (e == ADIT_E_OK && conf != NULL)
        e = state_check(d, conf, err);
    if (e == ADIT_E_OK)
        conf_diff(d->conf, conf, &diff);
    *out = (struct tunnels_reloaded){diff.added, diff.removed, diff.changed, diff.unchanged};
    daemon_conf_free(conf);
    return e;
}
