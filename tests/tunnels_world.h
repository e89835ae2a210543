/*
 * tunnels_world.h - a registry for tests: its loop, its mailbox, a configuration from a text, and the lines
 * of its log.
 */
#ifndef TUNNELS_WORLD_H
#define TUNNELS_WORLD_H

#include "tests/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/conf.h"
#include "daemon/journal.h"
#include "daemon/tunnels.h"

struct world {
    char folder[64];
    struct loop loop;
    struct mailbox box;
    struct conf confs[4]; /* the last one is in use */
    size_t conf_count;
    struct tunnels *t;
    char log[16 * 1024];
    size_t log_len;
    pthread_mutex_t lock; /* of the log: links write to it, too */
};

static struct world world;

static inline void world_log(void *ctx, const struct journal_note *note)
{
    struct world *w = ctx;
    (void)pthread_mutex_lock(&w->lock);
    w->log_len += adit_format(w->log + w->log_len, sizeof w->log - w->log_len, "%s: %s\n",
                              note->tunnel ? note->tunnel : "-", note->text);
    (void)pthread_mutex_unlock(&w->lock);
}

static inline unsigned times_logged(const char *line)
{
    unsigned n = 0;
    (void)pthread_mutex_lock(&world.lock);
    for (const char *at = world.log; (at = strstr(at, line)) != NULL; at++)
        n++;
    (void)pthread_mutex_unlock(&world.lock);
    return n;
}

static inline bool has_logged(const char *line)
{
    return times_logged(line) > 0;
}

static inline const char *world_path(const char *name)
{
    static char path[160];
    (void)adit_format(path, sizeof path, "%s/%s", world.folder, name);
    return path;
}

static inline void write_text(const char *name, const char *text, mode_t mode)
{
    FILE *f = fopen(world_path(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(world_path(name), mode), 0);
}

/* The configuration of a text, with no ssh_config behind it, unless it names one. */
static inline const struct conf *world_conf(const char *text)
{
    struct adit_error err = {ADIT_E_OK, ""};
    char all[4096];
    assert_true(world.conf_count < ADIT_COUNT(world.confs));
    struct conf *conf = &world.confs[world.conf_count++];
    (void)adit_format(all, sizeof all, "%s%s", strstr(text, "SshConfig") ? "" : "SshConfig none\n", text);
    write_text("adit.conf", all, 0600);
    conf_init(conf);
    if (conf_load(conf, world_path("adit.conf"), &err) != ADIT_E_OK)
        fail_msg("%s", err.text);
    return conf;
}

static inline void world_open(const char *conf)
{
    struct adit_error err = {ADIT_E_OK, ""};
    memset(&world, 0, sizeof world);
    assert_int_equal(pthread_mutex_init(&world.lock, NULL), 0);
    memcpy(world.folder, "/tmp/adit-tunnels-XXXXXX", 25);
    assert_non_null(mkdtemp(world.folder));
    assert_int_equal(loop_init(&world.loop, &err), ADIT_E_OK);
    assert_int_equal(mailbox_init(&world.box, &err), ADIT_E_OK);
    struct tunnels_config config = {
        .loop = &world.loop, .box = &world.box, .conf = world_conf(conf), .ops = {&world, world_log}};
    assert_int_equal(tunnels_new(&world.t, &config, &err), ADIT_E_OK);
}

/* All letters that are there. */
static inline void world_mail(void)
{
    struct mail *mail;
    while ((mail = mailbox_take(&world.box)))
        tunnels_on_mail(world.t, mail);
}

static inline void world_wipe(void)
{
    char command[160];
    tunnels_free(world.t);
    loop_wipe(&world.loop);
    mailbox_wipe(&world.box);
    for (size_t i = 0; i < world.conf_count; i++)
        conf_wipe(&world.confs[i]);
    (void)adit_format(command, sizeof command, "rm -rf %s", world.folder);
    assert_int_equal(system(command), 0);
}

/* ---- Tunnels ---- */

/* A definition of the API's: L of `port` to 10.0.0.5:443 by `host`. */
static inline void define(struct definition *d, const char *name, const char *host, uint16_t port)
{
    definition_init(d, DEFINITION_API);
    struct definition_forward *f = definition_forward_add(d, FORWARD_LOCAL);
    assert_non_null(f);
    f->local_port = port;
    f->has_local_port = true;
    f->remote_port = 443;
    f->has_remote_port = true;
    assert_true(definition_set(&f->remote_host, "10.0.0.5") && definition_set(&d->name, name) &&
                definition_set(&d->host, host) && definition_set(&d->profile_id, "default"));
}

/* It is added, and its definition wiped. */
static inline struct tunnel *add_it(struct definition *d)
{
    struct definition_error error = {.code = NULL};
    struct tunnel *u = tunnels_add(world.t, d, &error);
    if (!u)
        fail_msg("%s: %s", error.code, error.message);
    definition_wipe(d);
    return u;
}

static inline struct tunnel *add_local(const char *name, const char *host, uint16_t port)
{
    struct definition d;
    define(&d, name, host, port);
    return add_it(&d);
}

static inline void start_it(struct tunnel *u)
{
    struct definition_error error = {.code = NULL};
    if (!tunnel_start(u, &error))
        fail_msg("%s: %s", error.code, error.message);
}

static inline const char *state_of(const struct tunnel *u)
{
    return keep_state_name(tunnel_status(u)->state);
}

#endif
