/* A folder's entries have 64 bits for their place, which readdir refuses on 32-bit systems without this. */
#define _FILE_OFFSET_BITS 64
#include "client/globs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/sandbox.h"

/* ---- One name ---- */

/* The letter at p[*at], which a backslash may stand before; *at moves behind it. */
static uint8_t letter(struct span p, size_t *at)
{
    if (p.p[*at] == '\\' && *at + 1 < p.n)
        (*at)++;
    return p.p[(*at)++];
}

/* A set that begins at p.p[0] == '[': its length with both brackets, 0 when it has no end; *has says whether
 * c is in it. A ']' at its beginning is one of its letters. */
static size_t set_take(struct span p, uint8_t c, bool *has)
{
    size_t at = 1;
    bool is_negated = at < p.n && (p.p[at] == '!' || p.p[at] == '^'), found = false;
    at += is_negated ? 1 : 0;
    for (size_t first = at; at < p.n && (p.p[at] != ']' || at == first);) {
        uint8_t low = letter(p, &at), high = low;
        if (at + 1 < p.n && p.p[at] == '-' && p.p[at + 1] != ']') {
            at++;
            high = letter(p, &at);
        }
        found = found || (c >= low && c <= high);
    }
    *has = found != is_negated;
    return at < p.n ? at + 1 : 0;
}

/* What stands at the beginning of p, no star, against c: its length in *n. */
static bool one_matches(struct span p, uint8_t c, size_t *n)
{
    bool has = false;
    *n = p.p[0] == '[' ? set_take(p, c, &has) : 0;
    if (*n > 0)
        return has;
    if (p.p[0] == '?')
        return (*n = 1) == 1;
    return letter(p, n) == c;
}

/* Only the last star ever needs to be taken back: what an earlier one took can be given to it. */
bool glob_matches(struct span pattern, struct span name)
{
    size_t p = 0, t = 0, star = SIZE_MAX, mark = 0, n = 0;
    while (t < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            mark = t;
        } else if (p < pattern.n && one_matches(span_sub(pattern, p, SIZE_MAX), name.p[t], &n)) {
            p += n;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++mark;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

/* ---- Paths ---- */

/* A path in the making: the part of it that has no pattern any more. */
struct walk {
    struct texts *out;
    char path[PATH_MAX];
    size_t n;
    size_t looked_at; /* names in folders */
    int why;          /* errno of what failed; 0: too many of them */
};

static bool walk_on(struct walk *w, const char *rest);

static bool is_plain(struct span name)
{
    static const char special[] = "*?[\\";
    for (size_t i = 0; i < name.n; i++)
        if (memchr(special, name.p[i], sizeof special - 1) != NULL)
            return false;
    return true;
}

/* False: the path would be longer than any may be, and so is not there. */
static bool append(struct walk *w, struct span name)
{
    if (name.n >= sizeof w->path - w->n)
        return false;
    memcpy(w->path + w->n, name.p, name.n);
    w->n += name.n;
    w->path[w->n] = 0;
    return true;
}

/* One name behind what there is, and then the rest of the pattern. */
static bool walk_into(struct walk *w, struct span name, const char *rest)
{
    size_t before = w->n;
    bool fine = !append(w, name) || walk_on(w, rest);
    w->n = before;
    w->path[before] = 0;
    return fine;
}

static bool keep(struct walk *w, struct texts *texts, struct span text)
{
    if (texts_add(texts, text))
        return true;
    w->why = ENOMEM;
    return false;
}

/* Is what could not be looked at as good as not there? Not when that may be another time. */
static bool is_none(struct walk *w)
{
    if (errno == ENOMEM || errno == EMFILE || errno == ENFILE || errno == EIO)
        w->why = errno;
    return w->why == 0;
}

/* NULL: there are no more, or w->why. */
static struct dirent *next_entry(struct walk *w, DIR *dir)
{
    errno = 0;
    struct dirent *entry = readdir(dir);
    if (entry == NULL)
        w->why = errno;
    return entry;
}

static bool names_that_match(struct walk *w, struct texts *names, struct span pattern)
{
    const char *folder = w->path;
    sandbox_need_folder(folder[0] != 0 ? folder : ".", CONFINE_READ, SANDBOX_AGAIN);
    DIR *dir = opendir(folder[0] != 0 ? folder : ".");
    if (dir == NULL)
        return is_none(w);
    struct dirent *entry;
    bool fine = true,
         wants_dot = pattern.p[0] == '.' || (pattern.n > 1 && pattern.p[0] == '\\' && pattern.p[1] == '.');
    while (fine && (entry = next_entry(w, dir)) != NULL) {
        fine = ++w->looked_at <= LIMIT_GLOB_NAMES;
        struct span name = span_str(entry->d_name);
        if (fine && (entry->d_name[0] != '.' || wants_dot) && glob_matches(pattern, name))
            fine = keep(w, names, name);
    }
    (void)closedir(dir);
    return fine && w->why == 0;
}

static bool walk_folder(struct walk *w, struct span pattern, const char *rest)
{
    struct texts names;
    texts_init(&names);
    bool fine = names_that_match(w, &names, pattern);
    for (size_t i = 0; fine && i < names.count; i++)
        fine = walk_into(w, span_str(names.item[i]), rest);
    texts_wipe(&names);
    return fine;
}

static bool walk_on(struct walk *w, const char *rest)
{
    struct stat status;
    size_t slashes = strspn(rest, "/");
    if (slashes > 0)
        return walk_into(w, span_make(rest, slashes), rest + slashes);
    if (rest[0] == 0)
        return lstat(w->path, &status) != 0 ? is_none(w) : keep(w, w->out, span_str(w->path));
    struct span name = span_make(rest, strcspn(rest, "/"));
    return is_plain(name) ? walk_into(w, name, rest + name.n) : walk_folder(w, name, rest + name.n);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum adit_err globs_find(struct texts *out, const char *pattern, struct adit_error *err)
{
    struct walk w = {.out = out};
    texts_wipe(out);
    texts_init(out);
    if (!walk_on(&w, pattern))
        return adit_fail(err, w.why != 0 ? ADIT_E_MEMORY : ADIT_E_CONFIG, "glob failed for %s: %s", pattern,
                         w.why != 0 ? strerror(w.why) : "too many names");
    if (out->count > 1)
        qsort(out->item, out->count, sizeof *out->item, by_bytes);
    return ADIT_E_OK;
}
