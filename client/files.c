#define _GNU_SOURCE /* mkostemp */
#include "client/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

enum adit_err file_read_fd(struct file *file, int fd, const char *name, size_t max, struct adit_error *err)
{
    memset(file, 0, sizeof *file);
    for (;;) {
        if (file->n == file->cap && !file_grow(file, file->cap == 0 ? 4096 : 2 * file->cap)) {
            file_wipe(file);
            return adit_fail(err, ADIT_E_MEMORY, "%s: out of memory", name);
        }
        ssize_t n = read(fd, file->p + file->n, file->cap - file->n);
        if (n == 0)
            return ADIT_E_OK;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            enum adit_err e = read_error(err, name);
            file_wipe(file);
            return e;
        }
        file->n += (size_t)n;
        if (file->n > max) {
            file_wipe(file);
            return adit_fail(err, ADIT_E_LIMIT, "%s: too large", name);
        }
    }
}

enum adit_err file_read(struct file *file, const char *path, size_t max, struct stat *status, bool *missing,
                        struct adit_error *err)
{
    struct stat own = {0};
    status = status != NULL ? status : &own;
    memset(status, 0, sizeof *status);
    memset(file, 0, sizeof *file);
    sandbox_need(path, CONFINE_READ, SANDBOX_AGAIN);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
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

/* The folder of path, opened and locked; made when it is missing. -1 with errno. */
static int folder_lock(const char *path)
{
    char folder[PATH_MAX];
    folder_of(path, folder);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return -1;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    /* Some network file systems have no such lock; the rename is atomic there all the same. */
    while (flock(fd, LOCK_EX) != 0 && errno == EINTR) {
    }
    return fd;
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

static bool replace(const char *path, const struct file *old, const struct stat *status, struct span text)
{
    char copy[PATH_MAX];
    if (adit_format(copy, sizeof copy, "%s.XXXXXX", path) != strlen(path) + 7) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = mkostemp(copy, O_CLOEXEC);
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
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return system_error(err, path);
    enum adit_err e = write_all(fd, text) ? ADIT_E_OK : system_error(err, path);
    (void)close(fd);
    return e;
}

static enum adit_err append_locked(const char *path, struct span text, size_t max, struct adit_error *err)
{
    struct stat status;
    struct file old;
    bool missing = false;
    struct adit_error why = {0};
    enum adit_err e = file_read(&old, path, max, &status, &missing, &why);
    if (e != ADIT_E_OK && !missing)
        return adit_fail(err, e, "%s", why.text);
    bool fine = replace(path, &old, missing ? NULL : &status, text);
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
    int lock = folder_lock(end);
    if (lock < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "the folder of %s: %s", path, strerror(errno));
    enum adit_err e = append_locked(end, text, max, err);
    if (e == ADIT_E_OK)
        (void)fsync(lock); /* the new name; a folder that cannot be synced is no reason to fail */
    (void)close(lock);
    return e;
}

/* ---- Other contents ---- */

static enum adit_err rewrite_locked(const char *path, size_t max, file_edit *edit, void *ctx,
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
        if (!replace(path, &nothing, &status, span_make(text.p, text.n)))
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
    int lock = folder_lock(end);
    if (lock < 0)
        return adit_fail(err, ADIT_E_SYSTEM, "the folder of %s: %s", path, strerror(errno));
    enum adit_err e = rewrite_locked(end, max, edit, ctx, err);
    if (e == ADIT_E_OK)
        (void)fsync(lock);
    (void)close(lock);
    return e;
}
