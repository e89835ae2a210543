#define _GNU_SOURCE /* mkostemp */
#include "client/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "client/sandbox.h"

/* ---- Reading ---- */

static enum adit_err system_error(struct adit_error *err, const char *name)
{
    return adit_fail(err, ADIT_E_SYSTEM, "%s: %s", name, strerror(errno));
}

/* Not for us, or not just now? */
static enum adit_err read_error(struct adit_error *err, const char *name)
{
    bool is_passing = errno == ENOMEM || errno == EMFILE || errno == ENFILE || errno == EIO;
    return adit_fail(err, is_passing ? ADIT_E_MEMORY : ADIT_E_SYSTEM, "%s: %s%s", name, strerror(errno),
                     confine_hint(errno));
}

void file_wipe(struct file *file)
{
    if (file->p != NULL)
        adit_wipe(file->p, file->cap);
    free(file->p);
    memset(file, 0, sizeof *file);
}

/* Not realloc: what it leaves behind cannot be wiped. */
static bool file_grow(struct file *file, size_t cap)
{
    uint8_t *bigger = malloc(cap);
    if (bigger == NULL)
        return false;
    struct file old = *file;
    if (old.n > 0)
        memcpy(bigger, old.p, old.n);
    *file = (struct file){.p = bigger, .n = old.n, .cap = cap};
    file_wipe(&old);
    return true;
}

/* A named pipe that nobody has opened for writing is waited for this long, and not for ever; one that
 * somebody holds open is that one's business, as a terminal is. What tells no size (/dev/zero) is no large
 * file. */
enum { WRITER_MS = 2000, STREAM_MAX = 1024 * 1024 };

/* read(), also from what does not block. waits: an end at the very beginning of a pipe may be none yet. */
static ssize_t read_some(int fd, struct wspan to, bool waits)
{
    struct pollfd ready = {fd, POLLIN, 0};
    for (;;) {
        ssize_t n = read(fd, to.p, to.n);
        if (n == 0 && waits) {
            waits = false;
            if (poll(&ready, 1, WRITER_MS) != 0)
                continue;
            errno = ETIMEDOUT;
            return -1;
        }
        if (n < 0 && errno == EAGAIN)
            (void)poll(&ready, 1, -1);
        else if (n >= 0 || errno != EINTR)
            return n;
    }
}

/* What cannot be right is not read at all, and what is right is held once. */
static enum adit_err read_to_end(struct file *file, int fd, const struct stat *status, const char *name,
                                 size_t max, struct adit_error *err)
{
    bool is_file = S_ISREG(status->st_mode), is_pipe = S_ISFIFO(status->st_mode);
    if (is_file && status->st_size > (off_t)max)
        return adit_fail(err, ADIT_E_LIMIT, "%s: too large", name);
    max = is_file || max < STREAM_MAX ? max : STREAM_MAX;
    size_t first = is_file && status->st_size >= 4096 ? (size_t)status->st_size + 1 : 4096;
    for (;;) {
        if (file->n == file->cap && !file_grow(file, file->cap == 0 ? first : 2 * file->cap))
            return adit_fail(err, ADIT_E_MEMORY, "%s: out of memory", name);
        const struct wspan room = {file->p + file->n, file->cap - file->n};
        ssize_t n = read_some(fd, room, is_pipe && file->n == 0);
        if (n == 0)
            return ADIT_E_OK;
        if (n < 0 && is_pipe && errno == ETIMEDOUT)
            return adit_fail(err, ADIT_E_SYSTEM, "%s: a pipe that nobody writes to", name);
        if (n < 0)
            return read_error(err, name);
        file->n += (size_t)n;
        if (file->n > max)
            return adit_fail(err, ADIT_E_LIMIT, "%s: too large", name);
    }
}

enum adit_err file_read_fd(struct file *file, int fd, const char *name, size_t max, struct adit_error *err)
{
    struct stat status;
    memset(file, 0, sizeof *file);
    if (fstat(fd, &status) != 0)
        return read_error(err, name);
    enum adit_err e = read_to_end(file, fd, &status, name, max, err);
    if (e != ADIT_E_OK)
        file_wipe(file);
    return e;
}

enum adit_err file_read(struct file *file, const char *path, size_t max, struct stat *status, bool *missing,
                        struct adit_error *err)
{
    struct stat own = {0};
    status = status != NULL ? status : &own;
    memset(status, 0, sizeof *status);
    memset(file, 0, sizeof *file);
    sandbox_need(path, CONFINE_READ, SANDBOX_AGAIN);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (missing != NULL)
        *missing = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
    if (fd < 0)
        return read_error(err, path);
    enum adit_err e = fstat(fd, status) != 0 ? read_error(err, path) : ADIT_E_OK;
    if (e == ADIT_E_OK && S_ISDIR(status->st_mode))
        e = adit_fail(err, ADIT_E_SYSTEM, "%s: is a directory", path);
    if (e == ADIT_E_OK)
        e = file_read_fd(file, fd, path, max, err);
    (void)close(fd);
    return e;
}

/* ---- Adding lines ---- */

/* The name that rename() must replace: where the chain of symbolic links at path ends, also when there is
 * nothing yet. */
static bool link_end(const char *path, char out[static PATH_MAX])
{
    if (adit_format(out, PATH_MAX, "%s", path) != strlen(path))
        return false;
    for (int links = 0; links < 32; links++) {
        char target[PATH_MAX];
        ssize_t n = readlink(out, target, sizeof target - 1);
        if (n < 0)
            return errno == EINVAL || errno == ENOENT;
        target[n] = 0;
        char *slash = strrchr(out, '/');
        size_t at = target[0] != '/' && slash != NULL ? (size_t)(slash - out) + 1 : 0;
        if (adit_format(out + at, PATH_MAX - at, "%s", target) != (size_t)n)
            return false;
    }
    errno = ELOOP;
    return false;
}

static void folder_of(const char *path, char out[static PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        adit_format(out, PATH_MAX, ".");
    else
        adit_format(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

/* Whoever takes the lock needs it for an instant. One that was stopped meanwhile, or another user who may
 * open the folder, could keep it for ever. */
enum { LOCK_TRIES = 500, LOCK_PAUSE_MS = 20 };

/* False with errno; EWOULDBLOCK: somebody keeps it. */
static bool lock_take(int fd)
{
    for (unsigned tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0;) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK || ++tries == LOCK_TRIES)
            return false;
        (void)poll(NULL, 0, LOCK_PAUSE_MS);
    }
    return true;
}

/* The folder of path, opened and locked; made when it is missing. -1 with errno, as of lock_take. Some
 * network file systems have no such lock (*is_locked false); the rename is atomic there all the same. */
static int folder_lock(const char *path, bool *is_locked)
{
    char folder[PATH_MAX];
    folder_of(path, folder);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    *is_locked = lock_take(fd);
    if (*is_locked || errno != EWOULDBLOCK)
        return fd;
    (void)close(fd);
    errno = EWOULDBLOCK;
    return -1;
}

static enum adit_err no_folder(struct adit_error *err, const char *path)
{
    return adit_fail(err, ADIT_E_SYSTEM, "the folder of %s: %s", path,
                     errno == EWOULDBLOCK ? "another process keeps it locked" : strerror(errno));
}

static bool write_all(int fd, struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(fd, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return false;
        bytes = span_sub(bytes, n > 0 ? (size_t)n : 0, SIZE_MAX);
    }
    return true;
}

static bool copy_fill(int fd, const struct file *old, const struct stat *status, struct span text)
{
    static const char newline[] = "\n";
    bool needs_end = old->n > 0 && old->p[old->n - 1] != '\n';
    mode_t mode = status != NULL ? status->st_mode & 07777 : 0600;
    /* Owner first: changing it may clear mode bits. Another's file stays another's or is left alone. */
    if (status != NULL && (status->st_uid != geteuid() || status->st_gid != getegid()) &&
        fchown(fd, status->st_uid, status->st_gid) != 0)
        return false;
    return fchmod(fd, mode) == 0 && write_all(fd, span_make(old->p, old->n)) &&
           write_all(fd, span_make(newline, needs_end ? 1 : 0)) && write_all(fd, text) && fsync(fd) == 0;
}

/* Under the lock the copy has one name, so that what a killed one left is taken away by the next. */
static int copy_open(char copy[static PATH_MAX], const char *path, bool is_locked)
{
    const char *tail = is_locked ? ".adit-new" : ".XXXXXX";
    if (adit_format(copy, PATH_MAX, "%s%s", path, tail) != strlen(path) + strlen(tail)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (!is_locked)
        return mkostemp(copy, O_CLOEXEC);
    (void)unlink(copy);
    return open(copy, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static bool replace(const char *path, bool is_locked, const struct file *old, const struct stat *status,
                    struct span text)
{
    char copy[PATH_MAX];
    int fd = copy_open(copy, path, is_locked);
    if (fd < 0)
        return false;
    bool fine = copy_fill(fd, old, status, text) && rename(copy, path) == 0;
    int why = errno;
    (void)close(fd);
    if (!fine)
        (void)unlink(copy);
    errno = why;
    return fine;
}

/* /dev/null and the like take the lines and are never replaced. */
static enum adit_err write_special(const char *path, struct span text, struct adit_error *err)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return system_error(err, path);
    enum adit_err e = write_all(fd, text) ? ADIT_E_OK : system_error(err, path);
    (void)close(fd);
    return e;
}

static enum adit_err append_locked(const char *path, bool is_locked, struct span text, size_t max,
                                   struct adit_error *err)
{
    struct stat status;
    struct file old;
    bool missing = false;
    struct adit_error why = {0};
    enum adit_err e = file_read(&old, path, max, &status, &missing, &why);
    if (e != ADIT_E_OK && !missing)
        return adit_fail(err, e, "%s", why.text);
    bool fine = replace(path, is_locked, &old, missing ? NULL : &status, text);
    e = fine ? ADIT_E_OK : system_error(err, path);
    file_wipe(&old);
    return e;
}

enum adit_err file_append(const char *path, struct span text, size_t max, struct adit_error *err)
{
    char end[PATH_MAX];
    if (!link_end(path, end))
        return system_error(err, path);
    struct stat status;
    if (stat(end, &status) == 0 && !S_ISREG(status.st_mode))
        return write_special(end, text, err);
    bool is_locked = false;
    int lock = folder_lock(end, &is_locked);
    if (lock < 0)
        return no_folder(err, path);
    enum adit_err e = append_locked(end, is_locked, text, max, err);
    if (e == ADIT_E_OK)
        (void)fsync(lock); /* the new name; a folder that cannot be synced is no reason to fail */
    (void)close(lock);
    return e;
}

/* ---- Other contents ---- */

static enum adit_err rewrite_locked(const char *path, bool is_locked, size_t max, file_edit *edit, void *ctx,
                                    struct adit_error *err)
{
    struct stat status;
    struct file old, text = {0};
    struct adit_error why = {0};
    bool missing = false;
    enum adit_err e = file_read(&old, path, max, &status, &missing, &why);
    if (missing)
        return ADIT_E_OK;
    if (e == ADIT_E_OK && edit(ctx, span_make(old.p, old.n), &text, &why)) {
        const struct file nothing = {0};
        if (!replace(path, is_locked, &nothing, &status, span_make(text.p, text.n)))
            e = system_error(&why, path);
    } else if (e == ADIT_E_OK) {
        e = why.code;
    }
    file_wipe(&text);
    file_wipe(&old);
    return e == ADIT_E_OK ? e : adit_fail(err, e, "%s", why.text);
}

enum adit_err file_rewrite(const char *path, size_t max, file_edit *edit, void *ctx, struct adit_error *err)
{
    char end[PATH_MAX];
    struct stat status;
    if (!link_end(path, end))
        return system_error(err, path);
    if (stat(end, &status) != 0 || !S_ISREG(status.st_mode))
        return ADIT_E_OK;
    bool is_locked = false;
    int lock = folder_lock(end, &is_locked);
    if (lock < 0)
        return no_folder(err, path);
    enum adit_err e = rewrite_locked(end, is_locked, max, edit, ctx, err);
    if (e == ADIT_E_OK)
        (void)fsync(lock);
    (void)close(lock);
    return e;
}
