#define _GNU_SOURCE
#include "daemon/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/files.h"
#include "daemon/state_json.h"
#include "net/random.h"

struct store {
    char folder[PATH_MAX];
    int folder_fd; /* -1: there is none, and it cannot be made */
    int lock_fd;   /* -1: the folder may only be read */
    bool is_writable;
    bool is_loaded; /* what is in the file is known: it may be replaced */
    struct state_extras extras;
    char token[STORE_TOKEN_CAP]; /* empty: not asked for yet */
};

static enum adit_err failed(const struct store *s, const char *file, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_SYSTEM, "%s/%s: %s", s->folder, file, strerror(errno));
}

/* What is written to is somebody else's now, or may not be written to at all. */
static bool is_read_only(int why)
{
    return why == EROFS || why == EACCES || why == EPERM;
}

/* ---- The folder ---- */

/* What is missing of the path, each with mode 0700. */
static bool folder_make(const char *path)
{
    char part[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        (void)adit_format(part, sizeof part, "%.*s", (int)(slash - path), path);
        int why = mkdir(part, 0700) != 0 ? errno : EEXIST;
        if (why != EEXIST && access(part, X_OK) != 0) {
            errno = why;
            return false;
        }
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

/* Who may write to the folder may replace every file in it. Who may read it is shut out, where it is ours. */
static enum adit_err folder_check(const struct store *s, struct adit_error *err)
{
    struct stat status;
    if (fstat(s->folder_fd, &status) != 0)
        return failed(s, ".", err);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "%s: belongs to another user", s->folder);
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return adit_fail(err, ADIT_E_SYSTEM, "%s: others may write to it", s->folder);
    bool is_ours = status.st_uid == geteuid(), is_open = (status.st_mode & (S_IRWXG | S_IRWXO)) != 0;
    if (is_ours && is_open && fchmod(s->folder_fd, status.st_mode & S_IRWXU) != 0 && !is_read_only(errno))
        return failed(s, ".", err);
    return ADIT_E_OK;
}

static enum adit_err folder_open(struct store *s, struct adit_error *err)
{
    bool made = folder_make(s->folder);
    int why = errno;
    s->folder_fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->folder_fd >= 0)
        return folder_check(s, err);
    /* It is not there, and cannot be: an empty one that may only be read. */
    if (!made && is_read_only(why))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_SYSTEM, "%s: %s", s->folder, strerror(made ? errno : why));
}

/* ---- The lock ---- */

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

/* The kernel knows who holds the lock; across process id namespaces it says 0, and the file is asked. */
static long lock_holder(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[24] = {0};
    if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
        return lock.l_pid;
    return pread(fd, text, sizeof text - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

static enum adit_err lock_take(struct store *s, struct adit_error *err)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(s->lock_fd, F_SETLK, &lock) == 0)
        return ADIT_E_OK;
    if (errno != EACCES && errno != EAGAIN)
        return failed(s, "lock", err);
    return adit_fail(err, ADIT_E_SYSTEM, "another daemon (pid %ld) holds %s", lock_holder(s->lock_fd),
                     s->folder);
}

/* For people. Whether the disk has room for it changes nothing: the lock is held. */
static void lock_sign(const struct store *s)
{
    char text[24];
    size_t n = adit_format(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(s->lock_fd, 0) == 0)
        (void)write_all(s->lock_fd, span_make(text, n));
}

static enum adit_err lock_open(struct store *s, struct adit_error *err)
{
    if (s->folder_fd < 0)
        return ADIT_E_OK;
    s->lock_fd = openat(s->folder_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (s->lock_fd < 0 && !is_read_only(errno))
        return failed(s, "lock", err);
    s->is_writable = s->lock_fd >= 0;
    if (!s->is_writable)
        return ADIT_E_OK;
    enum adit_err e = lock_take(s, err);
    if (e == ADIT_E_OK)
        lock_sign(s);
    return e;
}

/* A lock file of its own may be open for writing in a folder that is not. */
static enum adit_err writable_check(struct store *s, struct adit_error *err)
{
    if (!s->is_writable || faccessat(s->folder_fd, ".", W_OK, AT_EACCESS) == 0)
        return ADIT_E_OK;
    s->is_writable = false;
    return is_read_only(errno) ? ADIT_E_OK : failed(s, ".", err);
}

enum adit_err store_open(struct store **out, const char *folder, struct adit_error *err)
{
    *out = NULL;
    struct store *s = calloc(1, sizeof *s);
    if (s == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    s->folder_fd = s->lock_fd = -1;
    enum adit_err e = ADIT_E_OK;
    if (folder[0] == 0 || adit_format(s->folder, sizeof s->folder, "%s", folder) != strlen(folder))
        e = adit_fail(err, ADIT_E_SYSTEM, "the state folder's name is empty or too long");
    if (e == ADIT_E_OK)
        e = folder_open(s, err);
    if (e == ADIT_E_OK)
        e = lock_open(s, err);
    if (e == ADIT_E_OK)
        e = writable_check(s, err);
    if (e == ADIT_E_OK)
        *out = s;
    else
        store_free(s);
    return e;
}

void store_free(struct store *s)
{
    if (s == NULL)
        return;
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd);
    if (s->folder_fd >= 0)
        (void)close(s->folder_fd);
    state_extras_wipe(&s->extras);
    adit_wipe(s->token, sizeof s->token);
    free(s);
}

const char *store_folder(const struct store *s)
{
    return s->folder;
}

bool store_is_writable(const struct store *s)
{
    return s->is_writable;
}

/* ---- Files ---- */

/* The whole file at name; *missing says that there is none, with ADIT_E_OK. Nothing but a file is read. */
static enum adit_err read_file(const struct store *s, const char *name, size_t max, struct file *file,
                               struct stat *status, bool *missing, struct adit_error *err)
{
    *file = (struct file){0};
    *missing = s->folder_fd < 0;
    if (*missing)
        return ADIT_E_OK;
    int fd = openat(s->folder_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    *missing = fd < 0 && errno == ENOENT;
    if (*missing)
        return ADIT_E_OK;
    if (fd < 0)
        return failed(s, name, err);
    enum adit_err e = fstat(fd, status) != 0 ? failed(s, name, err) : ADIT_E_OK;
    if (e == ADIT_E_OK && !S_ISREG(status->st_mode))
        e = adit_fail(err, ADIT_E_SYSTEM, "%s/%s: is no regular file", s->folder, name);
    if (e == ADIT_E_OK && status->st_size > (off_t)max)
        e = adit_fail(err, ADIT_E_CONFIG, "%s/%s: too large", s->folder, name);
    char path[PATH_MAX + 16];
    (void)adit_format(path, sizeof path, "%s/%s", s->folder, name);
    if (e == ADIT_E_OK)
        e = file_read_fd(file, fd, path, max, err);
    (void)close(fd);
    return e;
}

/* A rename is on the disk when its folder is; some file systems know no such order, and need none. */
static bool folder_sync(const struct store *s)
{
    return fsync(s->folder_fd) == 0 || errno == EINVAL || errno == ENOTSUP;
}

/* The copy has one name, since only the holder of the lock writes: what a killed one left is replaced. */
static bool replace_file(const struct store *s, const char *name, const char *copy, struct span text)
{
    if (unlinkat(s->folder_fd, copy, 0) != 0 && errno != ENOENT)
        return false;
    int fd = openat(s->folder_fd, copy, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool fine = fchmod(fd, 0600) == 0 && write_all(fd, text) && fsync(fd) == 0;
    int why = fine ? 0 : errno;
    /* Some file systems say only now that there is no room. */
    if (close(fd) != 0 && why == 0)
        why = errno;
    if (why == 0 && renameat(s->folder_fd, copy, s->folder_fd, name) != 0)
        why = errno;
    if (why == 0)
        return folder_sync(s);
    (void)unlinkat(s->folder_fd, copy, 0);
    errno = why;
    return false;
}

/* ---- state.json ---- */

static enum adit_err load_text(struct store *s, const struct file *file, struct definition **out,
                               size_t *count, struct adit_error *err)
{
    char path[PATH_MAX + 16];
    (void)adit_format(path, sizeof path, "%s/state.json", s->folder);
    return state_parse(span_make(file->p, file->n), path, out, count, &s->extras, err);
}

enum adit_err store_load(struct store *s, struct definition **out, size_t *count, struct adit_error *err)
{
    struct file file;
    struct stat status;
    bool missing = false;
    *out = NULL;
    *count = 0;
    state_extras_wipe(&s->extras);
    enum adit_err e = read_file(s, "state.json", STORE_STATE_MAX, &file, &status, &missing, err);
    if (e == ADIT_E_OK && !missing)
        e = load_text(s, &file, out, count, err);
    file_wipe(&file);
    s->is_loaded = e == ADIT_E_OK;
    return e;
}

enum adit_err store_save(struct store *s, const struct definition *const *tunnels, size_t count,
                         struct adit_error *err)
{
    if (!s->is_loaded)
        return adit_fail(err, ADIT_E_SYSTEM, "%s/state.json could not be read, and is not replaced",
                         s->folder);
    if (!s->is_writable)
        return adit_fail(err, ADIT_E_SYSTEM, "%s: may only be read", s->folder);
    char *text = state_format(tunnels, count, &s->extras);
    if (text == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "%s/state.json: out of memory", s->folder);
    bool fine = replace_file(s, "state.json", "state.json.new", span_str(text));
    enum adit_err e = fine ? ADIT_E_OK : failed(s, "state.json", err);
    free(text);
    return e;
}

/* ---- The token ---- */

static const char token_digits[] = "0123456789abcdef";

/* 64 digits; and the end of a line, where somebody wrote it. */
static bool token_take(char out[static STORE_TOKEN_CAP], const struct file *file)
{
    size_t n = file->n > 0 && file->p[file->n - 1] == '\n' ? file->n - 1 : file->n;
    if (n != STORE_TOKEN_CAP - 1)
        return false;
    for (size_t i = 0; i < n; i++)
        if (memchr(token_digits, file->p[i], sizeof token_digits - 1) == NULL)
            return false;
    memcpy(out, file->p, n);
    out[n] = 0;
    return true;
}

/* What is wrong with the one that is there, or NULL. */
static const char *token_read(struct store *s, bool *missing)
{
    struct file file;
    struct stat status = {0};
    const char *note = NULL;
    if (read_file(s, "token", 4096, &file, &status, missing, NULL) != ADIT_E_OK)
        note = "the token could not be read: a new one was made";
    else if (!*missing && (status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        note = "others could read the token: a new one was made";
    else if (!*missing && !token_take(s->token, &file))
        note = "the token was damaged: a new one was made";
    file_wipe(&file);
    return note;
}

static enum adit_err token_make(struct store *s, struct adit_error *err)
{
    uint8_t seed[(STORE_TOKEN_CAP - 1) / 2];
    enum adit_err e = random_seed(seed, sizeof seed, err);
    for (size_t i = 0; e == ADIT_E_OK && i < sizeof seed; i++) {
        s->token[2 * i] = token_digits[seed[i] >> 4];
        s->token[2 * i + 1] = token_digits[seed[i] & 15];
    }
    adit_wipe(seed, sizeof seed);
    return e;
}

static bool token_write(const struct store *s)
{
    return s->is_writable && replace_file(s, "token", "token.new", span_str(s->token));
}

enum adit_err store_token(struct store *s, char out[static STORE_TOKEN_CAP], const char **note,
                          struct adit_error *err)
{
    bool missing = false;
    *note = NULL;
    if (s->token[0] == 0)
        *note = token_read(s, &missing);
    if (s->token[0] == 0) {
        enum adit_err e = token_make(s, err);
        if (e != ADIT_E_OK)
            return e;
        if (!token_write(s))
            *note = "the token cannot be saved: it holds until the daemon ends";
    }
    memcpy(out, s->token, STORE_TOKEN_CAP);
    return ADIT_E_OK;
}
