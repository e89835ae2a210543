#include "daemon/rendezvous.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/random.h"

enum { TAIL = 8 };

static enum adit_err failed(const char *what, const char *path, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_SYSTEM, "%s %s: %s", what, path, strerror(errno));
}

/* The folders above path. What is there already stays as it is. */
static enum adit_err folders_make(const char *path, struct adit_error *err)
{
    char part[SOCK_PATH_CAP];
    mode_t mode = geteuid() == 0 ? 0755 : 0700;
    (void)adit_format(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(part, mode) != 0 && errno != EEXIST)
            return failed("cannot make the folder", part, err);
        *slash = '/';
    }
    return ADIT_E_OK;
}

/* Nobody is behind the socket: only a refusal says so. */
static enum adit_err check_dead(const char *path, struct adit_error *err)
{
    struct sock_addr to;
    struct adit_error lack = {0};
    int fd = -1;
    if (sock_addr_path(&to, path, &lack) != ADIT_E_OK || sock_open(&fd, &to, &lack) != ADIT_E_OK)
        return adit_fail(err, ADIT_E_SYSTEM, "%s", lack.text);
    int why = connect(fd, (const struct sockaddr *)(const void *)&to.storage, to.len) == 0 ? 0 : errno;
    sock_close(&fd);
    if (why == ECONNREFUSED)
        return ADIT_E_OK;
    if (why == 0 || why == EAGAIN) /* it has no place for us just now */
        return adit_fail(err, ADIT_E_SYSTEM, "another daemon answers at %s", path);
    errno = why;
    return failed("cannot connect to", path, err);
}

/* What is at the path now may be replaced: nothing, or a socket without a daemon behind it. */
static enum adit_err place_check(const char *path, struct adit_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? ADIT_E_OK : failed("cannot look at", path, err);
    if (!S_ISSOCK(st.st_mode))
        return adit_fail(err, ADIT_E_SYSTEM, "%s: is there already, and is no socket", path);
    return check_dead(path, err);
}

static enum adit_err temporary_name(const char *path, char out[static SOCK_PATH_CAP], struct adit_error *err)
{
    uint8_t random[TAIL / 2];
    const char *slash = strrchr(path, '/');
    int folder_len = slash != NULL ? (int)(slash - path) + 1 : 0;
    if (random_seed(random, sizeof random, err) != ADIT_E_OK)
        return err->code;
    size_t n = adit_format(out, SOCK_PATH_CAP, "%.*s.%02x%02x%02x%02x", folder_len, path, random[0],
                           random[1], random[2], random[3]);
    return n + 1 < SOCK_PATH_CAP ? ADIT_E_OK
                                 : adit_fail(err, ADIT_E_CONFIG, "the socket's path is too long (%s)", path);
}

enum adit_err rendezvous_open(struct rendezvous *r, const char *path, const gid_t *group,
                              struct adit_error *err)
{
    char temporary[SOCK_PATH_CAP];
    *r = (struct rendezvous){.fd = -1};
    if (strlen(path) >= sizeof r->path)
        return adit_fail(err, ADIT_E_CONFIG, "the socket's path is too long (%.200s)", path);
    (void)adit_format(r->path, sizeof r->path, "%s", path);
    if (folders_make(path, err) != ADIT_E_OK || place_check(path, err) != ADIT_E_OK ||
        temporary_name(path, temporary, err) != ADIT_E_OK ||
        sock_listen_unix(&r->fd, temporary, 0777 & ~0600, false, &r->file, err) != ADIT_E_OK)
        return err->code;
    bool is_fine = group == NULL || (chown(temporary, (uid_t)-1, *group) == 0 && chmod(temporary, 0660) == 0);
    if (is_fine && rename(temporary, path) == 0)
        return ADIT_E_OK;
    (void)failed(is_fine ? "cannot make" : "cannot give its group to", path, err);
    sock_file_remove(&r->file, temporary);
    sock_close(&r->fd);
    return err->code;
}

/* Closed to all while it is another's. */
enum adit_err rendezvous_set_group(const struct rendezvous *r, const gid_t *group, struct adit_error *err)
{
    bool is_fine = chmod(r->path, 0600) == 0 && chown(r->path, (uid_t)-1, group ? *group : getegid()) == 0 &&
                   (!group || chmod(r->path, 0660) == 0);
    return is_fine ? ADIT_E_OK : failed("cannot give its group to", r->path, err);
}

void rendezvous_close(struct rendezvous *r)
{
    sock_file_remove(&r->file, r->path);
    sock_close(&r->fd);
}
