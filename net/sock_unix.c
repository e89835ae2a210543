/*
 * sock_unix.c - Unix sockets that listen at a path: the file's mode, and whose file it is.
 */
#define _GNU_SOURCE /* O_PATH */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/random.h"
#include "net/reason.h"
#include "net/sock.h"

_Static_assert(SOCK_PATH_CAP == sizeof((struct sockaddr_un *)0)->sun_path, "unix(7)");

enum { ALL_MODES = 0777 };

static enum adit_err cannot(const char *what, const char *path, int why, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_FORWARD, "cannot %s %s: %s", what, path, reason_text(why));
}

/* Somebody else's file, and what is no socket, is never removed: the path may be a mistake. */
static enum adit_err make_room(const char *path, struct adit_error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? ADIT_E_OK : cannot("look at", path, errno, err);
    if (!S_ISSOCK(st.st_mode))
        return adit_fail(err, ADIT_E_FORWARD, "cannot listen on %s: it exists and is no socket", path);
    if (st.st_uid != geteuid())
        return adit_fail(err, ADIT_E_FORWARD, "cannot listen on %s: the socket there is another user's",
                         path);
    if (unlink(path) != 0 && errno != ENOENT)
        return cannot("remove", path, errno, err);
    return ADIT_E_OK;
}

/* The mode of a file that was looked at and is still the same: by its descriptor, not by its name. */
static bool widen_mode(const char *path, const struct sock_file *file, mode_t mode)
{
    char link[40];
    struct stat st;
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    errno = EACCES; /* when it is another one by now */
    (void)adit_format(link, sizeof link, "/proc/self/fd/%d", fd);
    bool good = fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && (uint64_t)st.st_dev == file->dev &&
                (uint64_t)st.st_ino == file->ino && chmod(link, mode) == 0;
    (void)close(fd);
    return good;
}

/* Linux gives the new file the mode of the socket without the bits of the umask. So it never has more than
 * it may; what the umask took too much is given back. The process's umask stays as it is: it is shared with
 * threads that make files of their own. */
static bool bind_path(int fd, const struct sock_addr *a, const char *path, mode_t mode,
                      struct sock_file *file)
{
    struct stat st;
    if (fchmod(fd, mode) != 0 || bind(fd, (const struct sockaddr *)(const void *)&a->storage, a->len) != 0)
        return false;
    if (lstat(path, &st) != 0) { /* bind has just made it: there was nothing before */
        int why = errno;
        (void)unlink(path);
        errno = why;
        return false;
    }
    *file = (struct sock_file){.is_ours = true, .dev = (uint64_t)st.st_dev, .ino = (uint64_t)st.st_ino};
    if ((st.st_mode & ALL_MODES) == mode)
        return true;
    return widen_mode(path, file, mode);
}

enum adit_err sock_listen_unix(int *fd, const char *path, uint32_t mask, bool replace, struct sock_file *file,
                               struct adit_error *err)
{
    struct sock_addr a;
    *fd = -1;
    *file = (struct sock_file){0};
    enum adit_err e = sock_addr_path(&a, path, err);
    if (e == ADIT_E_OK && replace)
        e = make_room(path, err);
    if (e != ADIT_E_OK)
        return e;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && bind_path(*fd, &a, path, (mode_t)(ALL_MODES & ~mask), file) &&
        listen(*fd, SOCK_BACKLOG) == 0)
        return ADIT_E_OK;
    int why = errno;
    sock_file_remove(file, path);
    sock_close(fd);
    return cannot("listen on", path, why, err);
}

enum adit_err sock_listen_control(int *fd, const char *path, bool *exists, struct sock_file *file,
                                  struct adit_error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    enum { TAIL = 16 };
    uint8_t random[TAIL];
    char temporary[sizeof(struct sockaddr_un)], tail[TAIL + 1] = {0};
    struct sock_file made;
    *exists = false;
    *fd = -1;
    *file = (struct sock_file){0};
    if (random_seed(random, sizeof random, err) != ADIT_E_OK)
        return err->code;
    for (size_t i = 0; i < TAIL; i++)
        tail[i] = letters[random[i] % 32];
    const char *slash = strrchr(path, '/');
    int folder_len = slash != NULL ? (int)(slash - path) + 1 : 0;
    size_t n = (size_t)folder_len + 1 + TAIL;
    if (n >= sizeof temporary || strlen(path) >= sizeof temporary)
        return adit_fail(err, ADIT_E_CONFIG, "ControlPath too long ('%.100s')", path);
    (void)adit_format(temporary, sizeof temporary, "%.*s.%s", folder_len, path, tail);
    if (sock_listen_unix(fd, temporary, ALL_MODES & ~0600, false, &made, err) != ADIT_E_OK)
        return err->code;
    /* link(2) puts it into place only where nothing is: no race with another master. */
    bool is_linked = link(temporary, path) == 0;
    int why = errno;
    *file = made;
    file->is_ours = is_linked;
    (void)unlink(temporary); /* without a look: nobody else can have guessed the name */
    if (is_linked)
        return ADIT_E_OK;
    sock_close(fd);
    *exists = why == EEXIST;
    return cannot("make the control socket", path, why, err);
}

bool sock_peer_is_us(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && len == sizeof peer &&
           (peer.uid == geteuid() || peer.uid == 0);
}

void sock_file_remove(struct sock_file *file, const char *path)
{
    struct stat st;
    if (file->is_ours && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && (uint64_t)st.st_dev == file->dev &&
        (uint64_t)st.st_ino == file->ino)
        (void)unlink(path);
    file->is_ours = false;
}
