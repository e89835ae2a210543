#include "daemon/conf_reader.h"

#include <stdlib.h>
#include <string.h>

#include "client/line_words.h"
#include "client/options.h"
#include "client/options_table.h"
#include "daemon/conf_row.h"

enum { LINE_CAP = 16 * 1024 };

/* A line in its parts. */
struct line {
    char keyword[OPTIONS_KEYWORD_CAP];
    const char *shown; /* the keyword in its own spelling */
    size_t indent;
    struct line_words split;
    struct conf_words words;
};

/* ---- Errors ---- */

static enum adit_err tell(struct conf_reader *r, const struct conf_place *place, const char *keyword,
                          const char *why)
{
    struct adit_error line = {0};
    struct texts *errors = &r->conf->errors;
    (void)adit_fail(&line, ADIT_E_CONFIG, "%s:%u: %s: %s", place->file, place->line, keyword, why);
    r->bad_lines++;
    if (errors->count >= CONF_ERRORS_MAX)
        return ADIT_E_OK;
    return texts_add(errors, span_str(line.text)) ? ADIT_E_OK : ADIT_E_MEMORY;
}

static struct conf_notes *notes_of(const struct conf_reader *r)
{
    switch (r->block.kind) {
    case CONF_BLOCK_TUNNEL:
        return r->tunnels[r->block.index];
    case CONF_BLOCK_PROFILE:
        return r->profiles[r->block.index];
    default:
        return (struct conf_notes *)&r->daemon;
    }
}

/* ---- Blocks ---- */

/* One more place in each; what is there already stays, also when memory is short. */
static bool notes_add(struct conf_notes ***array, size_t count)
{
    struct conf_notes **more = realloc(*array, (count + 1) * sizeof(struct conf_notes *));
    if (more == NULL)
        return false;
    *array = more;
    more[count] = calloc(1, sizeof(struct conf_notes));
    return more[count] != NULL;
}

static enum adit_err twice(const char *name, const char *file, unsigned line, struct adit_error *err)
{
    return adit_fail(err, ADIT_E_CONFIG, "'%s' is already defined at %s:%u", name, file, line);
}

static enum adit_err check_header(const struct conf_words *words, struct adit_error *err)
{
    if (words->count > 1)
        return adit_fail(err, ADIT_E_CONFIG,
                         "extra arguments at the end of the line (quote a name with blanks)");
    if (!definition_name_is_plain(words->item[0]))
        return adit_fail(err, ADIT_E_CONFIG,
                         "'%.80s' is no name: 1 to %d of A-Z a-z 0-9 . _ - (in quotes blanks too)",
                         words->item[0], (int)DEFINITION_NAME_MAX);
    return ADIT_E_OK;
}

/* ssh_config has a Tunnel of its own. */
static bool is_ssh_tunnel(const char *word)
{
    static const char *const values[] = {"yes", "no", "point-to-point", "ethernet", "true", "false"};
    for (size_t i = 0; i < ADIT_COUNT(values); i++)
        if (text_same(values[i], word))
            return true;
    return false;
}

static enum adit_err tunnel_new(struct conf_reader *r, const char *name, struct adit_error *err)
{
    struct conf *c = r->conf;
    struct definition *more = realloc(c->tunnels, (c->tunnel_count + 1) * sizeof *more);
    if (more == NULL)
        return conf_no_memory(err);
    c->tunnels = more;
    if (!notes_add(&r->tunnels, c->tunnel_count))
        return conf_no_memory(err);
    struct definition *d = &c->tunnels[c->tunnel_count];
    definition_init(d, DEFINITION_FILE);
    r->block.kind = CONF_BLOCK_TUNNEL;
    r->block.index = c->tunnel_count++;
    d->line = r->place.line;
    bool done = definition_set(&d->name, name) && definition_set(&d->id, name) &&
                definition_set(&d->file, r->place.file);
    return done ? ADIT_E_OK : conf_no_memory(err);
}

static enum adit_err on_tunnel(struct conf_reader *r, const struct line *line, struct adit_error *err)
{
    const char *name = line->words.item[0];
    if (is_ssh_tunnel(name))
        return adit_fail(err, ADIT_E_CONFIG,
                         "'%s' is a value of ssh_config's Tunnel, which forwards whole networks and is not "
                         "supported; here Tunnel NAME begins the definition of a tunnel",
                         name);
    enum adit_err e = check_header(&line->words, err);
    if (e != ADIT_E_OK)
        return e;
    const struct definition *other = conf_tunnel(r->conf, name);
    if (other != NULL)
        return twice(name, other->file, other->line, err);
    return tunnel_new(r, name, err);
}

static enum adit_err profile_new(struct conf_reader *r, const char *name, struct adit_error *err)
{
    struct conf *c = r->conf;
    struct profile *more = realloc(c->profiles, (c->profile_count + 1) * sizeof *more);
    if (more == NULL)
        return conf_no_memory(err);
    c->profiles = more;
    if (!notes_add(&r->profiles, c->profile_count))
        return conf_no_memory(err);
    struct profile *p = &c->profiles[c->profile_count];
    profile_init(p);
    r->block.kind = CONF_BLOCK_PROFILE;
    r->block.index = c->profile_count++;
    p->line = r->place.line;
    bool done = definition_set(&p->name, name) && definition_set(&p->file, r->place.file);
    return done ? ADIT_E_OK : conf_no_memory(err);
}

static enum adit_err on_profile(struct conf_reader *r, const struct line *line, struct adit_error *err)
{
    const char *name = line->words.item[0];
    enum adit_err e = check_header(&line->words, err);
    if (e != ADIT_E_OK)
        return e;
    if (strcmp(name, CONF_PROFILE_DEFAULT) == 0)
        return adit_fail(err, ADIT_E_CONFIG, "'%s' is plain ssh_config: a Profile has another name", name);
    const struct profile *other = conf_profile(r->conf, name);
    if (other != NULL)
        return twice(name, other->file, other->line, err);
    return profile_new(r, name, err);
}

/* "Profile NAME" where a tunnel is being written. */
static bool is_use_of_profile(const struct conf_reader *r, const struct line *line)
{
    return (r->block.kind == CONF_BLOCK_TUNNEL || r->block.kind == CONF_BLOCK_SKIPPED) &&
           !(r->block.has_deeper && line->indent <= r->block.indent);
}

static enum adit_err begin_block(struct conf_reader *r, const struct line *line, struct adit_error *err)
{
    r->block = (struct conf_block){.kind = CONF_BLOCK_SKIPPED, .indent = line->indent};
    if (text_same(line->keyword, "Tunnel"))
        return on_tunnel(r, line, err);
    if (text_same(line->keyword, "Profile"))
        return on_profile(r, line, err);
    return adit_fail(err, ADIT_E_CONFIG,
                     "has no place here: it stays in ssh_config, and Via may name its alias");
}

/* ---- Keywords ---- */

/* An earlier value won: this one is looked at, and forgotten. */
static enum adit_err set_scratch(struct conf_reader *r, const struct conf_row *row,
                                 const struct conf_words *words, struct adit_error *err)
{
    struct conf conf;
    struct profile profile;
    struct definition definition;
    conf_init(&conf);
    profile_init(&profile);
    definition_init(&definition, DEFINITION_FILE);
    void *target = r->block.kind == CONF_BLOCK_TUNNEL    ? (void *)&definition
                   : r->block.kind == CONF_BLOCK_PROFILE ? (void *)&profile
                                                         : (void *)&conf;
    enum adit_err e = conf_row_set(r, target, row, words, err);
    conf_wipe(&conf);
    profile_wipe(&profile);
    definition_wipe(&definition);
    return e;
}

static enum adit_err set_row(struct conf_reader *r, void *target, const struct conf_table *table,
                             const struct conf_row *row, const struct conf_words *words,
                             struct adit_error *err)
{
    struct conf_notes *notes = notes_of(r);
    size_t at = (size_t)(row - table->rows);
    if ((notes->given & UINT64_C(1) << at) != 0 && !row->accumulates)
        return set_scratch(r, row, words, err);
    enum adit_err e = conf_row_set(r, target, row, words, err);
    notes->given |= UINT64_C(1) << at;
    notes->at[at] = r->place;
    if (table == &conf_daemon_table)
        r->conf->places[at] = r->place;
    return e;
}

/* Both blocks say these, and a table has them for one of the two. */
static bool is_shared(const char *keyword)
{
    return text_same(keyword, "User") || text_same(keyword, "ProxyJump") ||
           text_same(keyword, "ProxyCommand");
}

static bool is_ours(const char *keyword)
{
    return conf_row_find(&conf_daemon_table, keyword) != NULL ||
           conf_row_find(&conf_profile_table, keyword) != NULL ||
           conf_row_find(&conf_tunnel_table, keyword) != NULL;
}

/* A keyword that is one somewhere else. */
static const char *place_of(const struct conf_reader *r, const char *keyword)
{
    if (conf_row_find(&conf_daemon_table, keyword) != NULL)
        return "belongs before the first Tunnel or Profile";
    if (r->block.kind == CONF_BLOCK_DAEMON && option_row_find(keyword) != NULL &&
        (is_shared(keyword) || !is_ours(keyword)))
        return "belongs in a Tunnel or a Profile";
    if (conf_row_find(&conf_tunnel_table, keyword) != NULL)
        return "belongs in a Tunnel";
    return conf_row_find(&conf_profile_table, keyword) != NULL ? "belongs in a Profile" : "unknown keyword";
}

/* list: where a block keeps what ssh_config knows; NULL in the daemon's part. */
static enum adit_err set_other(struct conf_reader *r, struct texts *list, struct line *line,
                               struct adit_error *err)
{
    if (list == NULL || (is_ours(line->keyword) && !is_shared(line->keyword)))
        return adit_fail(err, ADIT_E_CONFIG, "%s", place_of(r, line->keyword));
    return conf_keyword_add(list, line->keyword, line->words.raw, &line->shown, err);
}

static enum adit_err on_keyword(struct conf_reader *r, struct line *line, struct adit_error *err)
{
    const struct conf_block *block = &r->block;
    struct profile *p = block->kind == CONF_BLOCK_PROFILE ? &r->conf->profiles[block->index] : NULL;
    struct definition *d = block->kind == CONF_BLOCK_TUNNEL ? &r->conf->tunnels[block->index] : NULL;
    const struct conf_table *table = d != NULL   ? &conf_tunnel_table
                                     : p != NULL ? &conf_profile_table
                                                 : &conf_daemon_table;
    void *target = d != NULL ? (void *)d : p != NULL ? (void *)p : (void *)r->conf;
    const struct conf_row *row = conf_row_find(table, line->keyword);
    if (row == NULL)
        return set_other(r, d != NULL ? &d->keywords : p != NULL ? &p->keywords : NULL, line, err);
    line->shown = row->name;
    return set_row(r, target, table, row, &line->words, err);
}

/* ---- Lines ---- */

static enum adit_err on_include(struct conf_reader *r, const struct conf_words *words, struct adit_error *err)
{
    const struct conf_block block = r->block;
    const struct conf_place place = r->place;
    const unsigned before = r->bad_lines;
    enum adit_err e = ADIT_E_OK;
    if (r->depth == CONF_INCLUDE_DEPTH_MAX)
        return adit_fail(err, ADIT_E_CONFIG, "more than %d levels of Include", (int)CONF_INCLUDE_DEPTH_MAX);
    for (size_t i = 0; i < words->count && e == ADIT_E_OK; i++) {
        r->depth++;
        e = r->hooks->include(r->hooks->ctx, r, words->item[i], err);
        r->depth--;
        r->block = block;
        r->place = place;
    }
    r->is_over = r->is_over || r->bad_lines > before;
    return e;
}

static bool is_header(const struct conf_reader *r, const struct line *line)
{
    if (text_same(line->keyword, "Profile"))
        return !is_use_of_profile(r, line);
    return text_same(line->keyword, "Tunnel") || text_same(line->keyword, "Host") ||
           text_same(line->keyword, "Match");
}

static enum adit_err on_words(struct conf_reader *r, struct line *line, struct adit_error *err)
{
    if (is_header(r, line))
        return begin_block(r, line, err);
    r->block.has_deeper = r->block.has_deeper || line->indent > r->block.indent;
    if (text_same(line->keyword, "Include"))
        return on_include(r, &line->words, err);
    return r->block.kind == CONF_BLOCK_SKIPPED ? ADIT_E_OK : on_keyword(r, line, err);
}

static enum adit_err read_line(struct conf_reader *r, const char *text, struct line *line,
                               struct adit_error *err)
{
    const char *value;
    if (!options_split_line(text, line->keyword, &value))
        return adit_fail(err, ADIT_E_CONFIG, "no keyword, or one that is too long");
    line->shown = line->keyword;
    line->indent = strspn(text, " \t");
    enum adit_err e = line_words_split(&line->split, value, err);
    if (e != ADIT_E_OK)
        return e;
    line->words = (struct conf_words){line->split.raw, line->split.item, line->split.count};
    e = conf_count_check(&line->words, 1, LINE_WORDS_MAX, err);
    return e == ADIT_E_OK ? on_words(r, line, err) : e;
}

/* A bad line is told, and the next one is looked at. */
static enum adit_err judge(struct conf_reader *r, const char *keyword, const struct adit_error *why,
                           struct adit_error *err)
{
    if (r->is_over) /* told already, where it is */
        return ADIT_E_OK;
    if (why->code == ADIT_E_MEMORY)
        return conf_no_memory(err);
    notes_of(r)->is_bad = true;
    return tell(r, &r->place, keyword, why->text) == ADIT_E_OK ? ADIT_E_OK : conf_no_memory(err);
}

static enum adit_err at_line(struct conf_reader *r, struct span raw, struct adit_error *err)
{
    char text[LINE_CAP];
    struct adit_error why = {0};
    enum adit_err e = ADIT_E_OK;
    if (raw.n >= sizeof text || (raw.n > 0 && memchr(raw.p, 0, raw.n) != NULL)) {
        (void)adit_fail(&why, ADIT_E_CONFIG, "the line is too long or holds a zero byte");
        return judge(r, "?", &why, err);
    }
    if (raw.n > 0)
        memcpy(text, raw.p, raw.n);
    text[raw.n] = 0;
    if (options_line_is_empty(text))
        return ADIT_E_OK;
    struct line *line = calloc(1, sizeof *line);
    if (line == NULL)
        return conf_no_memory(err);
    if (read_line(r, text, line, &why) != ADIT_E_OK)
        e = judge(r, line->shown != NULL ? line->shown : "?", &why, err);
    line_words_wipe(&line->split);
    free(line);
    adit_wipe(text, raw.n); /* a proxy's address may hold a password */
    return e;
}

/* ---- Files ---- */

enum adit_err conf_read(struct conf_reader *r, struct span text, const char *name, struct adit_error *err)
{
    struct span line;
    struct texts *files = &r->conf->files;
    const unsigned before = r->bad_lines;
    enum adit_err e = ADIT_E_OK;
    if (files->count == LIMIT_CONFIG_FILES)
        return adit_fail(err, ADIT_E_CONFIG, "more than %d files of configuration", (int)LIMIT_CONFIG_FILES);
    if (!texts_add(files, span_str(name)))
        return conf_no_memory(err);
    const char *file = files->item[files->count - 1];
    if (r->depth == 0)
        r->block = (struct conf_block){.kind = CONF_BLOCK_DAEMON};
    for (unsigned number = 1; e == ADIT_E_OK && !r->is_over && text_line(&text, &line); number++) {
        r->place = (struct conf_place){file, number};
        e = at_line(r, line, err);
    }
    if (e == ADIT_E_OK && r->bad_lines > before)
        e = adit_fail(err, ADIT_E_CONFIG, "%s",
                      r->conf->errors.count > 0 ? r->conf->errors.item[0] : "too many errors");
    return e;
}

/* ---- Blocks as wholes ---- */

static const struct {
    const char *field, *keyword;
} keyword_of[] = {
    {"host", "Via"},
    {"profile_id", "Profile"},
    {"jump_host_id", "ProxyJump"},
    {"description", "Description"},
    {"socks_user", "SocksUser"},
    {"socks_password_file", "SocksPasswordFile"},
    {"max_retries", "MaxRetries"},
    {"idle_exit", "IdleExit"},
    {"hold_max", "HoldMax"},
    {"jitter", "BackoffJitter"},
    {"backoff", "Backoff"},
};

static const char *forward_keyword(enum forward_type type)
{
    return type == FORWARD_LOCAL    ? "LocalForward"
           : type == FORWARD_REMOTE ? "RemoteForward"
                                    : "DynamicForward";
}

/* At the keyword's line, if it was given; at the block's, if not. */
static enum adit_err tell_at(struct conf_reader *r, size_t index, const char *keyword, const char *why)
{
    const struct definition *d = &r->conf->tunnels[index];
    const struct conf_row *row = conf_row_find(&conf_tunnel_table, keyword);
    size_t at = row != NULL ? (size_t)(row - conf_tunnel_table.rows) : 0;
    if (row != NULL && (r->tunnels[index]->given & UINT64_C(1) << at) != 0)
        return tell(r, &r->tunnels[index]->at[at], keyword, why);
    return tell(r, &(struct conf_place){d->file, d->line}, "Tunnel", why);
}

static enum adit_err tell_fault(struct conf_reader *r, size_t index, const struct definition_error *fault)
{
    const struct definition *d = &r->conf->tunnels[index];
    if (fault->forward < d->forward_count) {
        const struct definition_forward *f = &d->forwards[fault->forward];
        const struct conf_place place = {r->tunnels[index]->forward_files[fault->forward], f->line};
        return tell(r, &place, forward_keyword(f->type), fault->message);
    }
    for (size_t i = 0; i < ADIT_COUNT(keyword_of); i++)
        if (strcmp(keyword_of[i].field, fault->field) == 0)
            return tell_at(r, index, keyword_of[i].keyword, fault->message);
    return tell_at(r, index, "Tunnel", fault->message);
}

/* is_unsure: perhaps it is one, but not all of ssh_config's names could be had. */
static bool is_profile(const struct conf_reader *r, const char *name, bool *is_unsure)
{
    return strcmp(name, CONF_PROFILE_DEFAULT) == 0 || conf_profile(r->conf, name) != NULL ||
           (r->hooks->is_alias != NULL && r->hooks->is_alias(r->hooks->ctx, name, is_unsure));
}

static enum adit_err judge_tunnel(struct conf_reader *r, size_t index, bool *is_unsure)
{
    struct definition *d = &r->conf->tunnels[index];
    struct definition_error fault;
    char why[256];
    if (d->host == NULL) {
        adit_format(why, sizeof why, "'%s' has no Via", d->name);
        return tell_at(r, index, "Tunnel", why);
    }
    if (d->forward_count == 0) {
        adit_format(why, sizeof why, "'%s' has no LocalForward, RemoteForward or DynamicForward", d->name);
        return tell_at(r, index, "Tunnel", why);
    }
    if (d->profile_id == NULL && !definition_set(&d->profile_id, CONF_PROFILE_DEFAULT))
        return ADIT_E_MEMORY;
    if (!is_profile(r, d->profile_id, is_unsure)) {
        if (*is_unsure)
            return ADIT_E_MEMORY;
        adit_format(why, sizeof why, "there is no Profile '%s'", d->profile_id);
        return tell_at(r, index, "Profile", why);
    }
    return definition_check(d, &fault) ? ADIT_E_OK : tell_fault(r, index, &fault);
}

static enum adit_err judge_tunnels(struct conf_reader *r, struct adit_error *err)
{
    for (size_t i = 0; i < r->conf->tunnel_count; i++) {
        bool is_unsure = false;
        if (!r->tunnels[i]->is_bad && judge_tunnel(r, i, &is_unsure) == ADIT_E_MEMORY)
            return is_unsure ? adit_fail(err, ADIT_E_MEMORY, "%s", CONF_ALIASES_LACK) : conf_no_memory(err);
    }
    return ADIT_E_OK;
}

static void reader_wipe(struct conf_reader *r)
{
    for (size_t i = 0; i < r->conf->tunnel_count; i++)
        free(r->tunnels[i]);
    for (size_t i = 0; i < r->conf->profile_count; i++)
        free(r->profiles[i]);
    free(r->tunnels);
    free(r->profiles);
    r->tunnels = r->profiles = NULL;
}

enum adit_err conf_read_end(struct conf_reader *r, enum adit_err e, struct adit_error *err)
{
    const struct texts *errors = &r->conf->errors;
    struct adit_error lack = {ADIT_E_OK, ""};
    if ((e == ADIT_E_OK || e == ADIT_E_CONFIG) && judge_tunnels(r, &lack) != ADIT_E_OK) {
        *err = lack; /* rather than a bad line: what else is bad is not known */
        e = lack.code;
    }
    reader_wipe(r);
    if (e == ADIT_E_OK && errors->count > 0)
        e = adit_fail(err, ADIT_E_CONFIG, "%s", errors->item[0]);
    return e;
}
