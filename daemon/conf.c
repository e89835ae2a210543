#include "daemon/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/files.h"
#include "client/globs.h"
#include "client/sandbox.h"
#include "client/secret_store.h"
#include "daemon/conf_paths.h"
#include "daemon/conf_reader.h"
#include "net/child.h"

enum { FILE_MAX = 4 * 1024 * 1024 };

/* One loading. */
struct loader {
    struct conf *conf;
    struct conf_world world;
    char folder[EXPAND_PATH_CAP]; /* what Include's relative paths begin with */
    struct texts aliases;
    bool has_aliases;
};

/* ---- Life ---- */

void conf_init(struct conf *c)
{
    memset(c, 0, sizeof *c);
    c->sandbox = true;
}

void conf_wipe(struct conf *c)
{
    char *owned[] = {c->socket, c->socket_group, c->state_dir, c->listen_host, c->ssh_config};
    for (size_t i = 0; i < ADIT_COUNT(owned); i++)
        free(owned[i]);
    for (size_t i = 0; i < c->profile_count; i++)
        profile_wipe(&c->profiles[i]);
    for (size_t i = 0; i < c->tunnel_count; i++)
        definition_wipe(&c->tunnels[i]);
    free(c->profiles);
    free(c->tunnels);
    texts_wipe(&c->files);
    texts_wipe(&c->errors);
    conf_init(c);
}

/* ---- Files ---- */

/* What others can write to could send us anywhere, and run commands as us. */
static enum adit_err check_owner(const struct stat *status, const char *path, struct adit_error *err)
{
    bool is_ours = status->st_uid == 0 || status->st_uid == geteuid();
    if (is_ours && (status->st_mode & 022) == 0)
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_CONFIG, "%s: bad owner or permissions (others can write to it)", path);
}

/* A daemon that runs gave up what it did not need as it began: what is new may be out of its reach. */
static enum adit_err note_needs(struct span text, const char *path, struct adit_error *err)
{
    char what[SANDBOX_TEXT_CAP];
    struct span line;
    enum adit_err e = ADIT_E_OK;
    for (size_t number = 1; e == ADIT_E_OK && text_line(&text, &line); number++) {
        char *copy = text_copy(line);
        bool has_zero = line.n > 0 && memchr(line.p, 0, line.n) != NULL; /* the reader's to refuse */
        if (copy == NULL && !has_zero) /* what is not known to be needed would be out of reach */
            e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
        else if (copy != NULL && sandbox_lacks(copy, what))
            e = adit_fail(err, ADIT_E_CONFIG,
                          "%s:%zu: %s: the daemon gave up what it did not need when it began: this needs a "
                          "restart",
                          path, number, what);
        free(copy);
    }
    return e;
}

static enum adit_err read_file(struct conf_reader *r, const char *path, bool check, bool may_miss,
                               struct adit_error *err)
{
    struct file text;
    struct stat status;
    struct adit_error why = {0};
    bool missing = false;
    enum adit_err e = file_read(&text, path, FILE_MAX, &status, &missing, &why);
    if (missing && may_miss)
        return ADIT_E_OK;
    if (e != ADIT_E_OK)
        return adit_fail(err, e == ADIT_E_MEMORY ? e : ADIT_E_CONFIG, "%s", why.text);
    e = check ? check_owner(&status, path, err) : ADIT_E_OK;
    if (e == ADIT_E_OK)
        e = note_needs(span_make(text.p, text.n), path, err);
    if (e == ADIT_E_OK && !secret_store_hide(span_make(text.p, text.n)))
        e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
    if (e == ADIT_E_OK)
        e = conf_read(r, span_make(text.p, text.n), path, err);
    file_wipe(&text);
    return e;
}

static enum adit_err on_include(void *ctx, struct conf_reader *r, const char *pattern, struct adit_error *err)
{
    const struct loader *l = ctx;
    char path[3 * EXPAND_PATH_CAP];
    struct texts found;
    enum adit_err e;
    const bool is_home = pattern[0] == '~' && pattern[1] == '/';
    if (is_home && l->world.home[0] == 0)
        return adit_fail(err, ADIT_E_CONFIG, "'%s': no home folder is known", pattern);
    if (is_home)
        adit_format(path, sizeof path, "%s%s", l->world.home, pattern + 1);
    else if (pattern[0] == '/')
        adit_format(path, sizeof path, "%s", pattern);
    else
        adit_format(path, sizeof path, "%s/%s", l->folder, pattern);
    texts_init(&found);
    e = globs_find(&found, path, err);
    for (size_t i = 0; i < found.count && e == ADIT_E_OK; i++)
        e = read_file(r, found.item[i], true, true, err);
    texts_wipe(&found);
    return e;
}

/* ---- Names of the system ---- */

static bool is_group(void *ctx, const char *name)
{
    char room[4096];
    struct group entry, *found = NULL;
    (void)ctx;
    return getgrnam_r(name, &entry, room, sizeof room, &found) == ERANGE || found != NULL;
}

static bool is_alias(void *ctx, const char *name, bool *is_unsure)
{
    struct loader *l = ctx;
    if (!l->has_aliases)
        l->has_aliases = conf_aliases(l->conf->ssh_config, &l->aliases);
    *is_unsure = !l->has_aliases;
    return texts_has(&l->aliases, name);
}

/* ---- All of it ---- */

/* The folder's name as a pattern that nothing else matches. */
static bool pattern_of(const char *folder, const char *tail, char *out, size_t cap)
{
    size_t n = 0;
    for (; *folder != 0 && n + 2 < cap; folder++) {
        if (strchr("*?[\\", *folder) != NULL)
            out[n++] = '\\';
        out[n++] = *folder;
    }
    return *folder == 0 && adit_format(out + n, cap - n, "%s", tail) == strlen(tail);
}

/* No folder is an empty one; one that cannot be read is none. */
static enum adit_err check_readable(const char *folder, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP + 16];
    adit_format(path, sizeof path, "%s/conf.d", folder);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    if (fd >= 0 || errno == ENOENT || errno == ENOTDIR)
        return ADIT_E_OK;
    bool is_lack = errno == ENOMEM || errno == EMFILE || errno == ENFILE || errno == EIO;
    return adit_fail(err, is_lack ? ADIT_E_MEMORY : ADIT_E_CONFIG, "%s: the folder cannot be read: %s", path,
                     strerror(errno));
}

/* In byte order, without hidden ones. */
static enum adit_err find_parts(const char *folder, struct texts *found, struct adit_error *err)
{
    char pattern[2 * EXPAND_PATH_CAP];
    if (!pattern_of(folder, "/conf.d/*.conf", pattern, sizeof pattern))
        return adit_fail(err, ADIT_E_CONFIG, "the path is too long: %.80s...", folder);
    enum adit_err e = check_readable(folder, err);
    return e == ADIT_E_OK ? globs_find(found, pattern, err) : e;
}

/* A part that is bad does not keep the next one from being looked at. */
static enum adit_err read_parts(struct conf_reader *r, const struct loader *l, enum adit_err e,
                                struct adit_error *err)
{
    struct texts found;
    texts_init(&found);
    enum adit_err listed = find_parts(l->folder, &found, err);
    e = e == ADIT_E_OK ? listed : e;
    for (size_t i = 0; i < found.count && e != ADIT_E_MEMORY && !r->is_over; i++) {
        enum adit_err part = read_file(r, found.item[i], true, false, err);
        e = e == ADIT_E_OK || part == ADIT_E_MEMORY ? part : e;
    }
    texts_wipe(&found);
    return e;
}

static enum adit_err read_defaults(struct conf_reader *r, struct loader *l, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP + 16];
    enum adit_err e = conf_path_folder(&l->world, l->folder, err);
    if (e != ADIT_E_OK)
        return e;
    adit_format(path, sizeof path, "%s/adit.conf", l->folder);
    e = read_file(r, path, true, true, err);
    return e == ADIT_E_MEMORY || r->is_over ? e : read_parts(r, l, e, err);
}

static enum adit_err read_one(struct conf_reader *r, struct loader *l, const char *path,
                              struct adit_error *err)
{
    const char *slash = strrchr(path, '/');
    int n = slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path);
    if (adit_format(l->folder, sizeof l->folder, "%.*s", n, slash == NULL ? "." : path) != (size_t)n)
        return adit_fail(err, ADIT_E_CONFIG, "the path is too long: %.80s...", path);
    return read_file(r, path, false, false, err);
}

/* A password in the environment is ours alone. */
static enum adit_err hide_passwords(const struct conf *c, struct adit_error *err)
{
    for (size_t i = 0; i < c->profile_count; i++)
        if (c->profiles[i].password_env != NULL && !child_hide_env(span_str(c->profiles[i].password_env)))
            return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return ADIT_E_OK;
}

/* Before the tunnels are judged: they may name its aliases. */
static enum adit_err override(struct conf *c, const struct conf_world *world, struct adit_error *err)
{
    if (world->ssh_config != NULL && !definition_set(&c->ssh_config, world->ssh_config))
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    return ADIT_E_OK;
}

static enum adit_err load(struct loader *l, const char *path, struct adit_error *err)
{
    const struct conf_hooks hooks = {
        .ctx = l, .include = on_include, .is_group = is_group, .is_alias = is_alias, .home = l->world.home};
    struct conf_reader r = {.conf = l->conf, .hooks = &hooks};
    if (path == NULL && l->world.adit_config != NULL && l->world.adit_config[0] != 0)
        path = l->world.adit_config;
    enum adit_err e = path != NULL ? read_one(&r, l, path, err) : read_defaults(&r, l, err);
    if (e == ADIT_E_OK || e == ADIT_E_CONFIG) {
        enum adit_err given = override(l->conf, &l->world, err);
        e = given == ADIT_E_OK ? e : given;
    }
    e = conf_read_end(&r, e, err);
    return e == ADIT_E_OK ? hide_passwords(l->conf, err) : e;
}

enum adit_err conf_load_in(struct conf *c, const struct conf_world *world, const char *path,
                           struct adit_error *err)
{
    struct loader *l = calloc(1, sizeof *l);
    conf_init(c);
    if (l == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    l->conf = c;
    l->world = *world;
    enum adit_err e = load(l, path, err);
    texts_wipe(&l->aliases);
    free(l);
    return e;
}

enum adit_err conf_load(struct conf *c, const char *path, struct adit_error *err)
{
    struct conf_world world;
    conf_world_init(&world);
    return conf_load_in(c, &world, path, err);
}
