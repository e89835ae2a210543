#include "client/secret_store.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/secret.h"
#include "client/texts.h"
#include "net/child.h"

enum { NAME_CAP = 256 };

struct entry {
    struct entry *next;
    char name[NAME_CAP]; /* as IdentityFile has it */
    uint8_t *text;       /* secret_new memory; NULL: a descriptor that was taken and gave none */
    size_t n;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;

static enum adit_err no_memory(const char *name, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "%s: out of memory", name);
}

static struct entry *find(const char *name)
{
    struct entry *e = entries;
    while (e != NULL && strcmp(e->name, name) != 0)
        e = e->next;
    return e;
}

static bool fill(struct entry *e, const void *text, size_t n)
{
    e->text = secret_new(n);
    if (e->text == NULL)
        return false;
    memcpy(e->text, text, n);
    e->n = n;
    return true;
}

/* n may be 0. */
static struct entry *keep(const char *name, const void *text, size_t n)
{
    struct entry *e = calloc(1, sizeof *e);
    if (e == NULL || (n > 0 && !fill(e, text, n))) {
        free(e);
        return NULL;
    }
    (void)adit_format(e->name, sizeof e->name, "%s", name);
    e->next = entries;
    entries = e;
    return e;
}

static enum adit_err copy_out(struct file *out, const struct entry *e, struct adit_error *err)
{
    uint8_t *copy = malloc(e->n);
    if (copy == NULL)
        return no_memory(e->name, err);
    memcpy(copy, e->text, e->n);
    *out = (struct file){.p = copy, .n = e->n, .cap = e->n};
    return ADIT_E_OK;
}

/* It leaves the environment when it is kept, and not before: it can be had only once. */
static enum adit_err take_env(struct file *out, const char *name, const char *variable,
                              struct adit_error *err)
{
    const struct entry *e = find(name);
    if (e != NULL)
        return copy_out(out, e, err);
    const char *value = getenv(variable);
    if (value == NULL || *value == 0)
        return adit_fail(err, ADIT_E_CONFIG, "the variable is not set or empty");
    e = keep(name, value, strlen(value));
    if (e == NULL)
        return no_memory(name, err);
    secret_wipe_env(variable);
    return copy_out(out, e, err);
}

enum adit_err secret_store_env(struct file *out, const char *variable, struct adit_error *err)
{
    char name[NAME_CAP];
    if (adit_format(name, sizeof name, "env:%s", variable) != strlen(variable) + 4)
        return adit_fail(err, ADIT_E_CONFIG, "the variable's name is too long");
    (void)pthread_mutex_lock(&lock);
    enum adit_err e = take_env(out, name, variable, err);
    (void)pthread_mutex_unlock(&lock);
    return e;
}

static enum adit_err fill_from_fd(struct entry *e, int fd, struct adit_error *err)
{
    struct file text;
    enum adit_err failed = file_read_fd(&text, fd, e->name, LIMIT_FILE_KEY, err);
    if (failed == ADIT_E_OK && text.n == 0)
        failed = adit_fail(err, ADIT_E_CONFIG, "%s: it is empty", e->name);
    else if (failed == ADIT_E_OK && !fill(e, text.p, text.n))
        failed = no_memory(e->name, err);
    file_wipe(&text);
    if (fd > STDERR_FILENO)
        (void)close(fd);
    return failed;
}

/* The entry is there before the descriptor is touched, and stays, whatever came: its number may be anybody's
 * from then on. */
static enum adit_err take_fd(struct file *out, const char *name, int fd, struct adit_error *err)
{
    struct entry *e = find(name);
    if (e != NULL && e->text == NULL)
        return adit_fail(err, ADIT_E_CONFIG, "%s: it was empty or could not be read", name);
    if (e != NULL)
        return copy_out(out, e, err);
    e = keep(name, NULL, 0);
    if (e == NULL)
        return no_memory(name, err);
    enum adit_err failed = fill_from_fd(e, fd, err);
    return failed == ADIT_E_OK ? copy_out(out, e, err) : failed;
}

enum adit_err secret_store_fd(struct file *out, int fd, struct adit_error *err)
{
    char name[NAME_CAP];
    (void)adit_format(name, sizeof name, "fd:%d", fd);
    (void)pthread_mutex_lock(&lock);
    enum adit_err e = take_fd(out, name, fd, err);
    (void)pthread_mutex_unlock(&lock);
    return e;
}

void secret_store_wipe(void)
{
    (void)pthread_mutex_lock(&lock);
    while (entries != NULL) {
        struct entry *e = entries;
        entries = e->next;
        secret_free(e->text, e->n);
        free(e);
    }
    (void)pthread_mutex_unlock(&lock);
}

/* ---- Names of variables ---- */

static bool is_name(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool secret_store_hide(struct span text)
{
    static const char head[] = "env:";
    const size_t head_len = sizeof head - 1;
    for (size_t i = 0; i + head_len < text.n; i++) {
        if (memcmp(text.p + i, head, head_len) != 0)
            continue;
        size_t end = i + head_len;
        while (end < text.n && is_name(text.p[end]))
            end++;
        if (end > i + head_len && !child_hide_env(span_sub(text, i + head_len, end - i - head_len)))
            return false;
    }
    return true;
}
