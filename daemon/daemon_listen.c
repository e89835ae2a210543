/*
 * daemon_listen.c - where the daemon's API listens, and how that becomes another place.
 */
#include <grp.h>
#include <string.h>

#include "daemon/conf_paths.h"
#include "daemon/daemon_internal.h"
#include "daemon/notify.h"

enum adit_err daemon_group_find(const struct conf *conf, bool *has_group, gid_t *group,
                                struct adit_error *err)
{
    const char *name = conf->socket_group;
    *has_group = name != NULL;
    *group = 0;
    const struct group *found = name != NULL ? getgrnam(name) : NULL;
    if (name != NULL && found == NULL)
        return conf_fail(conf, "SocketGroup", err, "there is no such group");
    if (found != NULL)
        *group = found->gr_gid;
    return ADIT_E_OK;
}

/* ---- The beginning ---- */

static enum adit_err listen_given(struct daemon *d, size_t count, struct adit_error *err)
{
    d->is_activated = count > 0;
    for (int fd = NOTIFY_FD_FIRST; fd < NOTIFY_FD_FIRST + (int)count; fd++) {
        (void)sock_set_nonblock(fd, true); /* whoever made it need not have thought of that */
        if (api_listen(d->api, fd, err) != ADIT_E_OK)
            return err->code;
    }
    return ADIT_E_OK;
}

static enum adit_err socket_path(const struct daemon *d, const struct conf *conf,
                                 char path[static EXPAND_PATH_CAP], struct adit_error *err)
{
    struct conf_world world;
    conf_world_init(&world);
    return conf_path_socket(&world, d->args->socket, conf->socket, path, err);
}

static enum adit_err socket_open(struct daemon *d, const char *path, const gid_t *group, struct rendezvous *r,
                                 int *api_fd, struct adit_error *err)
{
    enum adit_err e = rendezvous_open(r, path, group, err);
    if (e != ADIT_E_OK)
        return e;
    int fd = r->fd;
    r->fd = -1;
    e = api_listen(d->api, fd, err);
    if (e == ADIT_E_OK)
        *api_fd = fd;
    else
        rendezvous_close(r);
    return e;
}

enum adit_err daemon_listen(struct daemon *d, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    size_t count = notify_listen_fds();
    enum adit_err e = listen_given(d, count, err);
    if (e == ADIT_E_OK && count == 0)
        e = socket_path(d, d->conf, path, err);
    if (e == ADIT_E_OK && count == 0)
        e = socket_open(d, path, d->has_group ? &d->group : NULL, &d->socket, &d->socket_fd, err);
    if (e == ADIT_E_OK && d->conf->listen_host != NULL)
        e = api_listen_tcp(d->api, d->conf->listen_host, d->conf->listen_port, &d->listen_fd, err);
    return e;
}

/* ---- Another configuration ---- */

/* What cannot be there says where it was asked for. */
static enum adit_err at_its_line(const struct conf *conf, const char *keyword, struct adit_error *err)
{
    char why[LIMIT_ERROR_TEXT];
    (void)adit_format(why, sizeof why, "%s", err->text);
    *err = (struct adit_error){ADIT_E_OK, ""};
    return conf_fail(conf, keyword, err, why);
}

static bool same_place(const struct conf *a, const struct conf *b)
{
    bool both = a->listen_host != NULL && b->listen_host != NULL;
    return both ? strcmp(a->listen_host, b->listen_host) == 0 && a->listen_port == b->listen_port
                : a->listen_host == b->listen_host;
}

static enum adit_err begin_listen(struct daemon *d, const struct conf *conf, struct daemon_move *m,
                                  struct adit_error *err)
{
    m->changes_listen = !same_place(d->conf, conf);
    if (!m->changes_listen || conf->listen_host == NULL ||
        api_listen_tcp(d->api, conf->listen_host, conf->listen_port, &m->listen_fd, err) == ADIT_E_OK)
        return ADIT_E_OK;
    return at_its_line(conf, "Listen", err);
}

static enum adit_err begin_socket(struct daemon *d, const struct conf *conf, struct daemon_move *m,
                                  struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    const gid_t *group = m->has_group ? &m->group : NULL;
    enum adit_err e = socket_path(d, conf, path, err);
    bool is_other = e == ADIT_E_OK && strcmp(path, d->socket.path) != 0;
    if (is_other) {
        e = socket_open(d, path, group, &m->socket, &m->socket_fd, err);
        m->has_socket = e == ADIT_E_OK;
    }
    if (e != ADIT_E_OK)
        return at_its_line(conf, "Socket", err);
    if (is_other || !m->changes_group || rendezvous_set_group(&d->socket, group, err) == ADIT_E_OK)
        return ADIT_E_OK;
    return at_its_line(conf, "SocketGroup", err);
}

enum adit_err daemon_move_begin(struct daemon *d, const struct conf *conf, struct daemon_move *m,
                                struct adit_error *err)
{
    *m = (struct daemon_move){.socket_fd = -1, .listen_fd = -1};
    enum adit_err e = daemon_group_find(conf, &m->has_group, &m->group, err);
    m->changes_group = m->has_group != d->has_group || m->group != d->group;
    if (e == ADIT_E_OK)
        e = begin_listen(d, conf, m, err);
    if (e == ADIT_E_OK && !d->is_activated)
        e = begin_socket(d, conf, m, err);
    if (e != ADIT_E_OK)
        daemon_move_undo(d, m);
    return e;
}

static void unlisten(struct daemon *d, int *fd)
{
    if (*fd >= 0)
        api_unlisten(d->api, *fd);
    *fd = -1;
}

void daemon_move_end(struct daemon *d, struct daemon_move *m)
{
    if (m->changes_listen) {
        unlisten(d, &d->listen_fd);
        d->listen_fd = m->listen_fd;
    }
    if (m->has_socket) {
        rendezvous_close(&d->socket); /* nobody finds it any more, before it stops to answer */
        unlisten(d, &d->socket_fd);
        d->socket = m->socket;
        d->socket_fd = m->socket_fd;
    }
    d->has_group = m->has_group;
    d->group = m->group;
    if (m->changes_group)
        api_set_group(d->api, m->has_group, m->group);
}

void daemon_move_undo(struct daemon *d, struct daemon_move *m)
{
    struct adit_error ignored = {ADIT_E_OK, ""};
    unlisten(d, &m->listen_fd);
    if (m->has_socket) {
        rendezvous_close(&m->socket);
        unlisten(d, &m->socket_fd);
    } else if (m->changes_group && !d->is_activated) {
        enum adit_err e = rendezvous_set_group(&d->socket, d->has_group ? &d->group : NULL, &ignored);
        (void)e; /* it was so a moment ago */
    }
}
