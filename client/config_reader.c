#include "client/config_reader.h"

#include <stdlib.h>
#include <string.h>

#include "client/config_match.h"
#include "client/jump_spec.h"
#include "client/line_words.h"
#include "client/texts.h"

enum { LINE_CAP = 16 * 1024 };

static const char *text_or(const char *text, const char *other)
{
    return text != NULL ? text : other;
}

enum adit_err config_names(const struct config_reader *r, struct expand_names *out,
                           struct config_names_room *room, struct adit_error *err)
{
    const struct options *o = r->options;
    *out = r->facts->names;
    out->given_host = r->facts->given_host;
    out->host = r->facts->host;
    out->host_key = text_or(o->host_key_alias, r->facts->given_host);
    out->remote_user = text_or(o->user, r->facts->names.local_user);
    out->port = o->port;
    out->jump = jump_spec_nearest(o->proxy_jump, room->jump) ? room->jump : NULL;
    if (o->host_name == NULL)
        return ADIT_E_OK;
    if (o->host_name_is_final) {
        out->host = o->host_name;
        return ADIT_E_OK;
    }
    enum adit_err e = expand_tokens(room->host, o->host_name, "h", out, err);
    out->host = room->host;
    return e;
}

/* ---- Directives ---- */

static void debug(const struct config_reader *r, const char *name, unsigned line, const char *fmt,
                  const char *word)
{
    char what[256], text[512];
    if (r->hooks->debug == NULL)
        return;
    adit_format(what, sizeof what, fmt, word);
    adit_format(text, sizeof text, "%s line %u: %s", name, line, what);
    r->hooks->debug(r->hooks->ctx, text);
}

static enum adit_err read_include(struct config_reader *r, const char *argument, struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    struct config_names_room room;
    struct expand_names names;
    if (argument[0] == 0)
        return adit_fail(err, ADIT_E_CONFIG, "keyword include empty argument");
    if (argument[0] == '~' && !r->is_user)
        return adit_fail(err, ADIT_E_CONFIG, "bad include path %s.", argument);
    if (r->depth == CONFIG_DEPTH_MAX)
        return adit_fail(err, ADIT_E_CONFIG, "Too many recursive configuration includes");
    enum adit_err e = config_names(r, &names, &room, err);
    if (e == ADIT_E_OK)
        e = expand_value(path, argument, &names, err);
    if (e != ADIT_E_OK)
        return e;
    /* Inside a block that does not apply no block of the file's does. */
    const bool never = r->is_never;
    r->is_never = never || !r->is_active;
    r->depth++;
    e = r->hooks->include(r->hooks->ctx, r, path, err);
    r->depth--;
    r->is_never = never;
    return e;
}

static enum adit_err on_include(struct config_reader *r, const struct line_words *words,
                                struct adit_error *err)
{
    enum adit_err e = ADIT_E_OK;
    for (size_t i = 0; i < words->count && e == ADIT_E_OK; i++)
        e = read_include(r, words->item[i], err);
    return e;
}

static enum adit_err on_match(struct config_reader *r, const struct line_words *words, struct adit_error *err)
{
    bool matches = false;
    enum adit_err e = config_match(r, words, &matches, err);
    r->is_active = matches && !r->is_never;
    return e;
}

static enum adit_err on_block(struct config_reader *r, const char *keyword, const struct line_words *words,
                              struct adit_error *err)
{
    if (words->count == 0)
        return options_bad_keyword(err, "no argument after keyword \"", keyword, "\"");
    if (text_same(keyword, "Include"))
        return on_include(r, words, err);
    if (text_same(keyword, "Match"))
        return on_match(r, words, err);
    for (size_t i = 0; i < words->count; i++)
        if (words->item[i][0] == 0)
            return adit_fail(err, ADIT_E_CONFIG, "keyword host empty argument");
    r->is_active = !r->is_never && config_host_matches(r, words);
    return ADIT_E_OK;
}

static bool is_block(const char *keyword)
{
    return text_same(keyword, "Host") || text_same(keyword, "Match") || text_same(keyword, "Include");
}

static enum adit_err read_block(struct config_reader *r, const char *keyword, const char *value,
                                struct adit_error *err)
{
    struct line_words *w = calloc(1, sizeof *w);
    if (w == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = line_words_split(w, value, err);
    if (e == ADIT_E_OK)
        e = on_block(r, keyword, w, err);
    line_words_wipe(w);
    free(w);
    return e;
}

/* ---- Lines ---- */

static enum adit_err read_line(struct config_reader *r, const char *line, const char *name, unsigned number,
                               struct adit_error *err)
{
    char keyword[OPTIONS_KEYWORD_CAP];
    const char *value;
    if (options_line_is_empty(line))
        return ADIT_E_OK;
    if (!options_split_line(line, keyword, &value))
        return adit_fail(err, ADIT_E_CONFIG, "no keyword, or one that is too long: %.40s", line);
    if (!is_block(keyword))
        return r->is_active ? options_set(r->options, keyword, value, err)
                            : options_check_value(r->options, keyword, value, err);
    enum adit_err e = read_block(r, keyword, value, err);
    if (e == ADIT_E_OK && r->is_active && !text_same(keyword, "Include"))
        debug(r, name, number, "Applying options for %s", value);
    return e;
}

/* A bad line is told, and the next one is looked at. What is no fault of the line, and an included file that
 * was bad, ends all reading. */
static enum adit_err judge(struct config_reader *r, const char *name, unsigned number,
                           const struct adit_error *why, struct adit_error *err)
{
    struct adit_error line = {0};
    if (r->error_is_told)
        return adit_fail(err, why->code, "%s", why->text);
    enum adit_err e = options_bad_line(&line, ADIT_E_CONFIG, name, number, why->text);
    if (why->code != ADIT_E_USAGE && why->code != ADIT_E_CONFIG && why->code != ADIT_E_UNSUPPORTED)
        return adit_fail(err, why->code, "%s", line.text);
    r->hooks->bad_line(r->hooks->ctx, line.text);
    r->bad_lines++;
    return e == ADIT_E_CONFIG ? ADIT_E_OK : e;
}

static enum adit_err at_line(struct config_reader *r, struct span line, const char *name, unsigned number,
                             struct adit_error *err)
{
    char text[LINE_CAP];
    struct adit_error why = {0};
    if (line.n >= sizeof text || (line.n > 0 && memchr(line.p, 0, line.n) != NULL)) {
        (void)adit_fail(&why, ADIT_E_CONFIG, "the line is too long or holds a zero byte");
        return judge(r, name, number, &why, err);
    }
    if (line.n > 0)
        memcpy(text, line.p, line.n);
    text[line.n] = 0;
    if (read_line(r, text, name, number, &why) == ADIT_E_OK)
        return ADIT_E_OK;
    return judge(r, name, number, &why, err);
}

static enum adit_err read_lines(struct config_reader *r, struct span text, const char *name,
                                struct adit_error *err)
{
    struct span line;
    enum adit_err e = ADIT_E_OK;
    const unsigned before = r->bad_lines; /* of the file that includes this one */
    r->bad_lines = 0;
    for (unsigned number = 1; e == ADIT_E_OK && text_line(&text, &line); number++)
        e = at_line(r, line, name, number, err);
    if (e == ADIT_E_OK && r->bad_lines > 0) {
        r->error_is_told = true;
        e = adit_fail(err, ADIT_E_CONFIG, "%s: terminating, %u bad configuration options", name,
                      r->bad_lines);
    }
    r->bad_lines = before;
    return e;
}

enum adit_err config_read(struct config_reader *r, struct span text, const char *name, struct adit_error *err)
{
    if (++r->files > LIMIT_CONFIG_FILES)
        return adit_fail(err, ADIT_E_CONFIG, "more than %d files of configuration", (int)LIMIT_CONFIG_FILES);
    if (r->depth == 0) {
        r->is_active = true;
        r->is_never = false;
    }
    const bool active = r->is_active; /* blocks end with their file */
    enum adit_err e = read_lines(r, text, name, err);
    r->is_active = active;
    return e;
}
