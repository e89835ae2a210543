#include "daemon/conf_secret.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/expand.h"
#include "client/files.h"
#include "client/texts.h"

enum { FILE_MAX = 64 * 1024 };

void conf_secret_wipe(struct conf_secret *s)
{
    adit_wipe(s, sizeof *s);
}

static enum adit_err check_mode(const struct stat *status, const char *path, struct adit_error *err)
{
    const unsigned mode = status->st_mode;
    if (!S_ISREG(status->st_mode))
        return adit_fail(err, ADIT_E_CONFIG, "%s: is not a regular file", path);
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return adit_fail(err, ADIT_E_CONFIG, "%s: belongs to somebody else", path);
    if ((status->st_mode & 077) != 0)
        return adit_fail(err, ADIT_E_CONFIG, "%s: its mode is 0%u%u%u and must be 0600: others can use it",
                         path, mode >> 6 & 7, mode >> 3 & 7, mode & 7);
    return ADIT_E_OK;
}

static enum adit_err take(struct conf_secret *out, struct span text, const char *name, struct adit_error *err)
{
    struct span line = {0};
    if (!text_line(&text, &line) || line.n == 0)
        return adit_fail(err, ADIT_E_CONFIG, "%s: is empty", name);
    if (line.n > CONF_SECRET_MAX || memchr(line.p, 0, line.n) != NULL)
        return adit_fail(err, ADIT_E_CONFIG,
                         "%s: the first line is longer than %d bytes, or holds a zero byte", name,
                         (int)CONF_SECRET_MAX);
    memcpy(out->text, line.p, line.n);
    out->text[line.n] = 0;
    return ADIT_E_OK;
}

static enum adit_err read_from(struct conf_secret *out, const char *path, bool check, struct adit_error *err)
{
    struct file file;
    struct stat status;
    struct adit_error why = {0};
    memset(out, 0, sizeof *out);
    enum adit_err e = file_read(&file, path, FILE_MAX, &status, NULL, &why);
    if (e != ADIT_E_OK)
        e = e == ADIT_E_MEMORY ? adit_fail(err, e, "%s", why.text)
                               : adit_fail(err, ADIT_E_CONFIG, "%s", why.text);
    if (e == ADIT_E_OK && check)
        e = check_mode(&status, path, err);
    if (e == ADIT_E_OK)
        e = take(out, span_make(file.p, file.n), path, err);
    file_wipe(&file);
    return e;
}

enum adit_err conf_secret_read(struct conf_secret *out, const char *path, struct adit_error *err)
{
    return read_from(out, path, true, err);
}

enum adit_err conf_secret_env(struct conf_secret *out, const char *variable, struct adit_error *err)
{
    const char *value = getenv(variable);
    memset(out, 0, sizeof *out);
    if (value == NULL)
        return adit_fail(err, ADIT_E_CONFIG, "the variable %s is not set", variable);
    return take(out, span_str(value), variable, err);
}

enum adit_err conf_secret_credential(struct conf_secret *out, const char *name, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    memset(out, 0, sizeof *out);
    if (folder == NULL || folder[0] != '/')
        return adit_fail(err, ADIT_E_CONFIG, "credential %s: systemd gave none (LoadCredential= in the unit)",
                         name);
    if (adit_format(path, sizeof path, "%s/%s", folder, name) + 1 >= sizeof path)
        return adit_fail(err, ADIT_E_CONFIG, "credential %s: the path is too long", name);
    return read_from(out, path, false, err);
}
