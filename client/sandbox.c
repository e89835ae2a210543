#include "client/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/expand.h"
#include "client/line_words.h"
#include "client/options.h"
#include "client/texts.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

enum {
    NEEDS_MAX = 4096, /* different places; with more, what comes later cannot be used again */
    ROOM_OF_PLACES = 32,
};

struct need {
    char *path;
    unsigned rights;
    enum sandbox_when when;
    bool is_folder;
};

static struct {
    pthread_mutex_t lock;
    struct need *needs;
    size_t count, room;
    bool is_entered;
    bool has_names[2]; /* by enum sandbox_when */
    bool has_standard;
    const char *programs[2]; /* what for; NULL: none */
    const char *everything;  /* the same */
    bool has_no_programs;    /* entered, and no thread may start any */
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Where sandbox_lacks is told of the first thing that is not there; NULL: not asked. */
static _Thread_local char *lacks_to;

/* ---- What is needed ---- */

static void lacks(const char *what)
{
    if (lacks_to != NULL && lacks_to[0] == 0)
        (void)adit_format(lacks_to, SANDBOX_TEXT_CAP, "%s", what);
}

/* Landlock alone says so of what permissions allow. */
static bool is_shut(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int why = fd < 0 ? errno : 0;
    if (fd >= 0)
        (void)close(fd);
    return why == EACCES && access(path, R_OK) == 0;
}

static struct need *need_find(const char *path, bool is_folder, enum sandbox_when when)
{
    for (size_t i = 0; i < all.count; i++)
        if (all.needs[i].is_folder == is_folder && all.needs[i].when == when &&
            strcmp(all.needs[i].path, path) == 0)
            return &all.needs[i];
    return NULL;
}

static struct need *need_new(void)
{
    if (all.count == all.room && all.room < NEEDS_MAX) {
        size_t room = all.room == 0 ? 32 : 2 * all.room;
        struct need *bigger = realloc(all.needs, room * sizeof *bigger);
        if (bigger == NULL)
            return NULL;
        all.needs = bigger;
        all.room = room;
    }
    return all.count < all.room ? &all.needs[all.count] : NULL;
}

static void need_add(const char *path, bool is_folder, unsigned rights, enum sandbox_when when)
{
    struct need *n = need_find(path, is_folder, when);
    if (n != NULL) {
        n->rights |= rights;
        return;
    }
    n = need_new();
    char *copy = n != NULL ? text_copy(span_str(path)) : NULL;
    if (copy == NULL)
        return; /* it will be an error then, and say so */
    *n = (struct need){copy, rights, when, is_folder};
    all.count++;
}

static void add(const char *path, bool is_folder, unsigned rights, enum sandbox_when when)
{
    if (path == NULL || path[0] == 0)
        return;
    (void)pthread_mutex_lock(&all.lock);
    if (!all.is_entered)
        need_add(path, is_folder, rights, when);
    else if (lacks_to != NULL && path[0] == '/' && is_shut(path))
        lacks(path);
    (void)pthread_mutex_unlock(&all.lock);
}

void sandbox_need(const char *file, unsigned rights, enum sandbox_when when)
{
    add(file, false, rights, when);
}

void sandbox_need_folder(const char *folder, unsigned rights, enum sandbox_when when)
{
    add(folder, true, rights, when);
}

void sandbox_need_names(enum sandbox_when when)
{
    (void)pthread_mutex_lock(&all.lock);
    all.has_names[when] = true;
    (void)pthread_mutex_unlock(&all.lock);
}

void sandbox_need_standard(void)
{
    (void)pthread_mutex_lock(&all.lock);
    all.has_standard = true;
    (void)pthread_mutex_unlock(&all.lock);
}

void sandbox_need_programs(const char *what_for, enum sandbox_when when)
{
    (void)pthread_mutex_lock(&all.lock);
    if (all.programs[when] == NULL)
        all.programs[when] = what_for;
    if (all.has_no_programs)
        lacks(what_for);
    (void)pthread_mutex_unlock(&all.lock);
}

void sandbox_need_all(const char *what_for)
{
    (void)pthread_mutex_lock(&all.lock);
    all.everything = what_for;
    (void)pthread_mutex_unlock(&all.lock);
}

/* ---- Of a configuration's line ---- */

static const struct {
    const char *keyword;
    unsigned rights;
} files[] = {
    {"IdentityFile", CONFINE_READ},
    {"CertificateFile", CONFINE_READ},
    {"RevokedHostKeys", CONFINE_READ},
    {"GlobalKnownHostsFile", CONFINE_READ},
    {"UserKnownHostsFile", CONFINE_READ | CONFINE_WRITE},
    {"PassphraseFile", CONFINE_READ},
    {"PasswordFile", CONFINE_READ},
    {"SocksPasswordFile", CONFINE_READ},
};

/* Up to the first token that only a connection knows. */
static void need_word(const char *word, unsigned rights)
{
    char home[EXPAND_PATH_CAP], user[LIMIT_USER + 1];
    const struct expand_names names = {.home = home, .local_user = user};
    struct adit_error ignored = {ADIT_E_OK, ""};
    char known[EXPAND_PATH_CAP], expanded[EXPAND_PATH_CAP];
    bool is_whole = true;
    expand_user(home, user);
    (void)adit_format(known, sizeof known, "%s", word);
    for (char *p = strchr(known, '%'); p != NULL && is_whole; p = is_whole ? strchr(p + 2, '%') : NULL)
        if (p[1] == 0 || strchr("du%", p[1]) == NULL) {
            is_whole = false;
            *p = 0;
        }
    if (expand_path(expanded, known, &names, &ignored) != ADIT_E_OK)
        return;
    char *slash = strrchr(expanded, '/');
    if (is_whole) {
        sandbox_need(expanded, rights, SANDBOX_AGAIN);
    } else if (slash != NULL && slash != expanded) { /* a folder, and never the root for that */
        *slash = 0;
        sandbox_need_folder(expanded, rights, SANDBOX_AGAIN);
    }
}

/* systemd's own file for ssh has one for its containers on every machine, which are no host of ours. */
static bool is_program(const char *command)
{
    return option_text(command) != NULL && strstr(command, "/systemd-ssh-proxy") == NULL;
}

static void need_words(const struct line_words *w, const char *keyword)
{
    for (size_t i = 0; i < ADIT_COUNT(files); i++)
        for (size_t k = 0; text_same(files[i].keyword, keyword) && k < w->count; k++)
            need_word(w->item[k], files[i].rights);
    for (size_t k = 0; text_same(keyword, "Match") && k < w->count; k++) {
        const char *word = w->item[k] + (w->item[k][0] == '!');
        if (strncasecmp(word, "exec", 4) == 0 && (word[4] == 0 || word[4] == '='))
            sandbox_need_programs("Match exec", SANDBOX_AGAIN);
    }
}

void sandbox_need_line(const char *line)
{
    char keyword[OPTIONS_KEYWORD_CAP];
    const char *value;
    if (options_line_is_empty(line) || !options_split_line(line, keyword, &value))
        return;
    if (text_same(keyword, "ProxyCommand") && is_program(value))
        sandbox_need_programs("ProxyCommand", SANDBOX_AGAIN);
    if (text_same(keyword, "KnownHostsCommand") && is_program(value))
        sandbox_need_programs("KnownHostsCommand", SANDBOX_AGAIN);
    struct line_words *w = calloc(1, sizeof *w);
    struct adit_error ignored = {ADIT_E_OK, ""};
    if (w != NULL && line_words_split(w, value, &ignored) == ADIT_E_OK)
        need_words(w, keyword);
    if (w != NULL)
        line_words_wipe(w);
    free(w);
}

bool sandbox_lacks(const char *line, char what[static SANDBOX_TEXT_CAP])
{
    what[0] = 0;
    lacks_to = what;
    sandbox_need_line(line);
    lacks_to = NULL;
    return what[0] != 0;
}

/* ---- Entering ---- */

struct places {
    struct confine_path *item;
    size_t count, room;
};

static void place_add(struct places *p, const char *path, unsigned rights)
{
    char *copy = p->count < p->room ? text_copy(span_str(path)) : NULL;
    if (copy != NULL)
        p->item[p->count++] = (struct confine_path){copy, rights};
}

static void place_add_folder_of(struct places *p, const char *path, unsigned rights)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    size_t n = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
    if (adit_format(folder, sizeof folder, "%.*s", (int)n, path) == n)
        place_add(p, n == 0 ? "." : folder, rights);
}

static void place_of(struct places *p, const struct need *n)
{
    char target[PATH_MAX];
    if (n->is_folder) {
        place_add(p, n->path, n->rights);
        return;
    }
    place_add_folder_of(p, n->path, n->rights);
    if (realpath(n->path, target) != NULL)
        place_add_folder_of(p, target, n->rights);
}

/* What a resolver reads: its files are replaced when the network changes, so their folders. */
static void add_resolver(struct places *p)
{
    const struct need conf = {(char *)(uintptr_t) "/etc/resolv.conf", CONFINE_READ, SANDBOX_ALWAYS, false};
    place_of(p, &conf);
    place_add(p, "/etc", CONFINE_READ);
#ifdef __GLIBC__ /* it loads libraries for that */
    place_add(p, "/lib", CONFINE_READ);
    place_add(p, "/lib64", CONFINE_READ);
    place_add(p, "/usr", CONFINE_READ);
#endif
}

/* Named pipes and terminals: the file itself. Other pipes, and sockets, have no name. */
static void add_standard(struct places *p)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        char link[32], path[PATH_MAX];
        (void)adit_format(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, path, sizeof path - 1);
        path[n > 0 ? n : 0] = 0;
        if (path[0] == '/')
            place_add(p, path, CONFINE_READ | CONFINE_WRITE);
    }
}

static void add_devices(struct places *p)
{
    place_add(p, "/dev/null", CONFINE_READ | CONFINE_WRITE);
    place_add(p, "/dev/tty", CONFINE_READ | CONFINE_WRITE);
    place_add(p, "/dev/random", CONFINE_READ);
    place_add(p, "/dev/urandom", CONFINE_READ);
}

/* Two for each need: a link's end lies elsewhere. */
static bool collect(struct places *p, bool connects_again)
{
    *p = (struct places){.room = 2 * all.count + ROOM_OF_PLACES};
    p->item = calloc(p->room, sizeof *p->item);
    if (p->item == NULL)
        return false;
    for (size_t i = 0; i < all.count; i++)
        if (connects_again || all.needs[i].when == SANDBOX_ALWAYS)
            place_of(p, &all.needs[i]);
    if (all.has_names[SANDBOX_ALWAYS] || connects_again)
        add_resolver(p);
    return true;
}

static void places_wipe(struct places *p)
{
    for (size_t i = 0; i < p->count; i++)
        free((void *)(uintptr_t)p->item[i].path);
    free(p->item);
}

static const char *programs_for(bool connects_again)
{
    if (all.programs[SANDBOX_ALWAYS] != NULL || !connects_again)
        return all.programs[SANDBOX_ALWAYS];
    return all.programs[SANDBOX_AGAIN];
}

static void needs_wipe(void)
{
    for (size_t i = 0; i < all.count; i++)
        free(all.needs[i].path);
    free(all.needs);
    all.needs = NULL;
    all.count = all.room = 0;
    all.is_entered = true;
}

bool sandbox_suits_build(void)
{
    return !IS_SANITIZED;
}

bool sandbox_enter(bool connects_again, bool is_logged, char line[static SANDBOX_TEXT_CAP])
{
    struct places places;
    struct confine_report report;
    (void)pthread_mutex_lock(&all.lock);
    bool enters = !all.is_entered && collect(&places, connects_again);
    const char *programs = programs_for(connects_again);
    needs_wipe();
    (void)pthread_mutex_unlock(&all.lock);
    if (!enters)
        return false;
    if (all.everything != NULL) {
        (void)adit_format(line, SANDBOX_TEXT_CAP, "sandbox: none (%s)", all.everything);
        places_wipe(&places);
        return true;
    }
    bool may_open = places.count > 0 || all.has_standard;
    if (all.has_standard)
        add_standard(&places);
    add_devices(&places);
    const struct confine_rules rules = {.paths = places.item,
                                        .count = places.count,
                                        .may_open = may_open,
                                        .only_sessions = programs != NULL,
                                        .is_logged = is_logged};
    confine_process(&rules, &report);
    all.has_no_programs = programs == NULL && (report.has_filter || report.landlock > 0);
    if (programs != NULL)
        (void)adit_format(line, SANDBOX_TEXT_CAP,
                          "sandbox: %s, for the sessions' threads; programs may be started (%s)", report.text,
                          programs);
    else
        (void)adit_format(line, SANDBOX_TEXT_CAP, "sandbox: %s; %s", report.text,
                          may_open ? "some files, no programs" : "no files, no programs");
    places_wipe(&places);
    return true;
}
