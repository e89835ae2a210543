#include <stdlib.h>
#include <string.h>

#include "client/expand.h"
#include "client/files.h"
#include "client/globs.h"
#include "client/jump_spec.h"
#include "client/line_words.h"
#include "client/options.h"
#include "client/sandbox.h"
#include "daemon/conf.h"

/* ssh_config as a list of names: what a condition would say of a block is not asked. Beyond a limit nothing
 * is listed: that is so each time, and no reason to keep what there is from anybody. */
enum { FILE_MAX = 4 * 1024 * 1024, LINE_CAP = 16 * 1024 };

struct aliases {
    struct texts *out;
    const char *folder; /* of relative paths */
    char home[EXPAND_PATH_CAP];
    unsigned depth, files;
    bool is_failed; /* no memory or descriptor */
};

static void read_file(struct aliases *a, const char *path);

static void add(struct aliases *a, const char *word)
{
    struct span name = span_str(word);
    if (strpbrk(word, "*?!") != NULL || !jump_spec_is_host(name) || a->out->count == CONF_ALIASES_MAX ||
        texts_has(a->out, word))
        return;
    a->is_failed = !texts_add(a->out, name);
}

/* A connection does not take such a file at all; when it is mended, what it names is needed. */
static void pass_over(void)
{
    sandbox_need_programs("an ssh_config of too many files", SANDBOX_AGAIN);
}

static void read_found(struct aliases *a, const char *pattern)
{
    struct texts found;
    texts_init(&found);
    enum adit_err e = globs_find(&found, pattern, NULL);
    for (size_t i = 0; e == ADIT_E_OK && i < found.count && !a->is_failed; i++)
        read_file(a, found.item[i]);
    if (e == ADIT_E_CONFIG)
        pass_over();
    a->is_failed = a->is_failed || e == ADIT_E_MEMORY;
    texts_wipe(&found);
}

static void include(struct aliases *a, const char *pattern)
{
    char path[2 * EXPAND_PATH_CAP];
    if (a->depth == CONF_INCLUDE_DEPTH_MAX)
        return;
    if (pattern[0] == '/')
        adit_format(path, sizeof path, "%s", pattern);
    else if (pattern[0] == '~' && pattern[1] == '/')
        adit_format(path, sizeof path, "%s%s", a->home, pattern + 1);
    else
        adit_format(path, sizeof path, "%s/%s", a->folder, pattern);
    a->depth++;
    read_found(a, path);
    a->depth--;
}

static void on_value(struct aliases *a, const char *value, void (*each)(struct aliases *, const char *))
{
    struct line_words *w = calloc(1, sizeof *w);
    if (w == NULL) {
        a->is_failed = true;
        return;
    }
    enum adit_err e = line_words_split(w, value, NULL);
    for (size_t i = 0; e == ADIT_E_OK && i < w->count && !a->is_failed; i++)
        each(a, w->item[i]);
    a->is_failed = a->is_failed || e == ADIT_E_MEMORY;
    line_words_wipe(w);
    free(w);
}

/* What any host of it would need is known then, too: see client/sandbox.h. */
static void on_line(struct aliases *a, struct span line)
{
    char text[LINE_CAP], keyword[OPTIONS_KEYWORD_CAP];
    const char *value;
    if (line.n == 0 || line.n >= sizeof text || memchr(line.p, 0, line.n) != NULL)
        return;
    memcpy(text, line.p, line.n);
    text[line.n] = 0;
    sandbox_need_line(text);
    if (options_line_is_empty(text) || !options_split_line(text, keyword, &value))
        return;
    if (text_same(keyword, "Host"))
        on_value(a, value, add);
    else if (text_same(keyword, "Include"))
        on_value(a, value, include);
}

static void read_file(struct aliases *a, const char *path)
{
    struct file file;
    if (a->is_failed)
        return;
    if (++a->files > LIMIT_CONFIG_FILES) {
        pass_over();
        return;
    }
    enum adit_err e = file_read(&file, path, FILE_MAX, NULL, NULL, NULL);
    if (e == ADIT_E_OK) {
        struct span text = span_make(file.p, file.n), line;
        while (!a->is_failed && text_line(&text, &line))
            on_line(a, line);
    }
    a->is_failed = a->is_failed || e == ADIT_E_MEMORY;
    file_wipe(&file);
}

static void read_user(struct aliases *a)
{
    char folder[EXPAND_PATH_CAP + 8], path[EXPAND_PATH_CAP + 16];
    adit_format(folder, sizeof folder, "%s/.ssh", a->home);
    adit_format(path, sizeof path, "%s/config", folder);
    a->folder = folder;
    read_file(a, path);
    a->folder = "/etc/ssh";
}

bool conf_aliases(const char *ssh_config, struct texts *out)
{
    char user[LIMIT_USER + 1], folder[EXPAND_PATH_CAP + 8];
    struct aliases *a = calloc(1, sizeof *a);
    if (a == NULL)
        return false;
    a->out = out;
    expand_user(a->home, user);
    if (ssh_config == NULL) {
        if (a->home[0] == '/')
            read_user(a);
        a->folder = "/etc/ssh";
        read_file(a, "/etc/ssh/ssh_config");
    } else if (!text_same(ssh_config, "none")) {
        adit_format(folder, sizeof folder, "%s/.ssh", a->home);
        a->folder = folder; /* as ssh has it for -F */
        read_file(a, ssh_config);
    }
    bool done = !a->is_failed;
    free(a);
    return done;
}
