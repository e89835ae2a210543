#include "client/options.h"

#include <stdlib.h>
#include <string.h>

#include "client/line_words.h"
#include "client/options_table.h"
#include "client/options_values.h"
#include "client/patterns.h"
#include "ssh/ssh.h"

/* ---- Life ---- */

void options_init(struct options *o)
{
    memset(o, 0, sizeof *o);
    o->port = 22;
    o->connection_attempts = 1;
    o->tcp_keepalive = true;
    o->alive_count_max = 3;
    o->ip_qos_interactive = 0x10; /* lowdelay */
    o->ip_qos_bulk = 0x08;        /* throughput */
    o->canonicalize_fallback_local = true;
    o->canonicalize_max_dots = 1;
    o->host_key_order_is_free = true;
    o->required_rsa_size = 1024;
    o->warn_weak_crypto = true;
    o->strict_host_key = STRICT_ASK;
    o->pubkey_auth_mode = PUBKEY_AUTH_YES;
    o->pubkey_auth = o->password_auth = o->kbdint_auth = true;
    o->password_prompts = 3;
    o->stream_local_bind_mask = 0177;
    o->escape_char = '~';
    o->obscure_keystroke_ms = OPTIONS_KEYSTROKE_MS;
    o->log_level = LOG_LEVEL_INFO;
    o->ready_fd = OPTIONS_READY_NONE;
    o->sandbox = true;
    o->forward_x11_trusted = true;
    o->forward_x11_timeout_s = 1200;
}

/* Fields outside the table's own kinds. */
static void wipe_others(struct options *o)
{
    char *owned[] = {o->version_addendum, o->proxy_command,     o->proxy_jump,
                     o->proxy_url,        o->identity_agent,    o->forward_agent_path,
                     o->syslog_facility,  o->refuse_connection, o->tunnel_device};
    struct texts *lists[] = {&o->canonical_domains,
                             &o->canonicalize_permitted_cnames,
                             &o->fingerprints,
                             &o->identity_files,
                             &o->certificate_files,
                             &o->permit_remote_opens,
                             &o->channel_timeouts,
                             &o->send_env,
                             &o->set_env,
                             &o->log_verbose,
                             &o->notes,
                             &o->debug_notes};
    for (size_t i = 0; i < ADIT_COUNT(owned); i++)
        free(owned[i]);
    for (size_t i = 0; i < ADIT_COUNT(lists); i++)
        texts_wipe(lists[i]);
    free(o->forwards);
}

void options_wipe(struct options *o)
{
    for (size_t i = 0; i < option_row_count(); i++) {
        const struct option_row *row = &option_rows[i];
        if (row->kind == OPTION_TEXT || row->kind == OPTION_COMMAND || row->kind == OPTION_ALGOS)
            free(*(char **)option_field(o, row));
        else if (row->kind == OPTION_FILES)
            texts_wipe(option_field(o, row));
    }
    if (o->proxy_url != NULL)
        adit_wipe(o->proxy_url, strlen(o->proxy_url)); /* it may hold a password */
    wipe_others(o);
    memset(o, 0, sizeof *o);
}

const char *option_text(const char *text)
{
    return text == NULL || text_same(text, "none") ? NULL : text;
}

enum update_host_keys options_update_host_keys(const struct options *o)
{
    const struct texts *files = &o->user_known_hosts;
    if (o->update_host_keys_is_set)
        return (enum update_host_keys)o->update_host_keys;
    bool files_are_default =
        files->count == 0 || (files->count == 1 && strcmp(files->item[0], "~/.ssh/known_hosts") == 0);
    return files_are_default && o->verify_host_key_dns == VERIFY_DNS_NO ? UPDATE_HOST_KEYS_YES
                                                                        : UPDATE_HOST_KEYS_NO;
}

/* ---- A line's words ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

bool options_line_is_empty(const char *line)
{
    while (is_blank(*line))
        line++;
    const char *rest = line + (*line == '=' ? 1 : 0); /* ssh sees nothing before and behind it */
    while (is_blank(*rest))
        rest++;
    return *line == '#' || *rest == 0;
}

bool options_split_line(const char *line, char keyword[static OPTIONS_KEYWORD_CAP], const char **value)
{
    size_t n = 0;
    while (is_blank(*line))
        line++;
    bool quoted = *line == '"';
    line += quoted ? 1 : 0;
    while (line[n] != 0 && (quoted ? line[n] != '"' : line[n] != '=' && !is_blank(line[n])))
        n++;
    if (n == 0 || n >= OPTIONS_KEYWORD_CAP || (quoted && line[n] != '"'))
        return false;
    memcpy(keyword, line, n);
    keyword[n] = 0;
    const char *v = line + n + (quoted ? 1 : 0);
    while (is_blank(*v))
        v++;
    if (*v == '=')
        v++;
    while (is_blank(*v))
        v++;
    *value = v;
    return true;
}

/* ---- Setting ---- */

static bool *mark_of(const struct options *o, const struct option_row *row)
{
    return (bool *)&o->is_set[row - option_rows];
}

/* ProxyCommand and ProxyJump compete: the first of them wins. */
static bool is_taken(const struct options *o, const struct option_row *row)
{
    if (row->set == option_set_proxy_command || row->set == option_set_proxy_jump)
        return o->proxy_command != NULL || o->proxy_jump != NULL;
    return !row->accumulates && *mark_of(o, row);
}

enum adit_err options_bad_keyword(struct adit_error *err, const char *before, const char *keyword,
                                  const char *behind)
{
    char shown[2 * OPTIONS_KEYWORD_CAP];
    size_t n = adit_format(shown, sizeof shown, "%s", keyword);
    for (size_t i = 0; i < n; i++)
        if (shown[i] >= 'A' && shown[i] <= 'Z')
            shown[i] = (char)(shown[i] - 'A' + 'a');
    return adit_fail(err, ADIT_E_USAGE, "%s%s%s", before, shown, behind);
}

static enum adit_err no_argument(const char *keyword, struct adit_error *err)
{
    return options_bad_keyword(err, "no argument after keyword \"", keyword, "\"");
}

static enum adit_err set_and_finish(struct options *o, const struct option_row *row,
                                    struct option_words *words, struct adit_error *err)
{
    enum adit_err e = option_set_row(o, row, words, err);
    if (e != ADIT_E_OK)
        return e;
    if (words->taken < words->count)
        return options_bad_keyword(err, "keyword ", row->name, " extra arguments at end of line");
    /* A time of "none" is as if nothing had been said. */
    if (row->kind != OPTION_TIME || strcmp(words->item[0], "none") != 0)
        *mark_of(o, row) = true;
    return ADIT_E_OK;
}

/* A value that lost against an earlier one goes into options of its own: checked, then forgotten. */
static enum adit_err check_only(const struct option_row *row, struct option_words *words,
                                struct adit_error *err)
{
    struct options *scratch = malloc(sizeof *scratch);
    if (scratch == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    options_init(scratch);
    enum adit_err e = set_and_finish(scratch, row, words, err);
    options_wipe(scratch);
    free(scratch);
    return e;
}

static const char unknown_words[] = "Bad configuration option: ";

static enum adit_err unknown(const struct options *o, const char *keyword, struct adit_error *err)
{
    if (o->ignore_unknown != NULL && patterns_match_any_case(o->ignore_unknown, keyword) == PATTERN_MATCH)
        return ADIT_E_OK;
    return options_bad_keyword(err, unknown_words, keyword, "");
}

enum adit_err options_bad_line(struct adit_error *err, enum adit_err code, const char *name, unsigned line,
                               const char *text)
{
    bool is_unknown = strncmp(text, unknown_words, sizeof unknown_words - 1) == 0;
    return adit_fail(err, code, "%s%s line %u: %s", name, is_unknown ? ":" : "", line, text);
}

/* Those of a whole line take it as it stands, quotes and all. */
static bool is_raw(const struct option_row *row)
{
    return row->kind == OPTION_COMMAND || row->set == option_set_proxy_command;
}

static enum adit_err set_words(struct options *o, const struct option_row *row, struct line_words *w,
                               const char *value, struct adit_error *err)
{
    struct adit_error why = {0};
    enum adit_err e = line_words_split(w, value, &why);
    struct option_words words = {.raw = w->raw, .item = w->item, .count = w->count};
    if (e == ADIT_E_MEMORY || w->has_open_quote || (e != ADIT_E_OK && !is_raw(row)))
        return adit_fail(err, e, "%s: %s", row->name, why.text);
    if (words.count == 0 && !is_raw(row))
        return no_argument(row->name, err);
    return o == NULL || is_taken(o, row) ? check_only(row, &words, err) : set_and_finish(o, row, &words, err);
}

/* o: NULL to check only. */
static enum adit_err set_value(struct options *o, const struct options *seen, const char *keyword,
                               const char *value, struct adit_error *err)
{
    const struct option_row *row = option_row_find(keyword);
    if (*value == 0)
        return no_argument(keyword, err);
    struct line_words *w = calloc(1, sizeof *w);
    if (w == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    enum adit_err e = row != NULL ? set_words(o, row, w, value, err) : unknown(seen, keyword, err);
    if (row == NULL && e == ADIT_E_OK) /* what is ignored has its quotes in order all the same */
        e = line_words_split(w, value, err);
    line_words_wipe(w);
    free(w);
    return e;
}

enum adit_err options_set(struct options *o, const char *keyword, const char *value, struct adit_error *err)
{
    return set_value(o, o, keyword, value, err);
}

enum adit_err options_check_value(const struct options *o, const char *keyword, const char *value,
                                  struct adit_error *err)
{
    return set_value(NULL, o, keyword, value, err);
}

enum adit_err options_set_line(struct options *o, const char *line, struct adit_error *err)
{
    char keyword[OPTIONS_KEYWORD_CAP];
    const char *value;
    if (options_line_is_empty(line))
        return ADIT_E_OK;
    if (!options_split_line(line, keyword, &value))
        return adit_fail(err, ADIT_E_USAGE, "'%s' is not Keyword=value", line);
    if (text_same(keyword, "Host") || text_same(keyword, "Match"))
        return adit_fail(err, ADIT_E_USAGE, "%s directive not supported as a command-line option", keyword);
    if (text_same(keyword, "Include"))
        return adit_fail(err, ADIT_E_USAGE, "Include directive not supported as a command-line option");
    return options_set(o, keyword, value, err);
}

bool options_is_set(const struct options *o, const char *keyword)
{
    const struct option_row *row = option_row_find(keyword);
    return row != NULL && *mark_of(o, row);
}

enum adit_err options_add_forward(struct options *o, const struct forward_spec *spec, struct adit_error *err)
{
    /* A second reading of the files gives them all again. */
    for (size_t i = 0; i < o->forward_count; i++)
        if (forward_spec_same(&o->forwards[i], spec))
            return ADIT_E_OK;
    struct forward_spec *more = realloc(o->forwards, (o->forward_count + 1) * sizeof *more);
    if (more == NULL)
        return adit_fail(err, ADIT_E_MEMORY, "out of memory");
    more[o->forward_count++] = *spec;
    o->forwards = more;
    return ADIT_E_OK;
}

static enum adit_err set_plain(struct options *o, const struct option_row *row, const char *value,
                               struct adit_error *err)
{
    char *item[1] = {(char *)value};
    struct option_words words = {.raw = value, .item = item, .count = 1};
    return is_taken(o, row) ? check_only(row, &words, err) : set_and_finish(o, row, &words, err);
}

enum adit_err options_set_word(struct options *o, const char *keyword, const char *value,
                               struct adit_error *err)
{
    const struct option_row *row = option_row_find(keyword);
    return row == NULL ? unknown(o, keyword, err) : set_plain(o, row, value, err);
}

enum adit_err options_default(struct options *o, const char *keyword, const char *value,
                              struct adit_error *err)
{
    const struct option_row *row = option_row_find(keyword);
    return row == NULL || *mark_of(o, row) ? ADIT_E_OK : set_plain(o, row, value, err);
}

enum adit_err options_set_user(struct options *o, const char *user, struct adit_error *err)
{
    o->user_is_literal = o->user_is_literal || o->user == NULL;
    return options_default(o, "User", user, err);
}

enum adit_err options_override(struct options *o, const char *keyword, const char *value,
                               struct adit_error *err)
{
    const struct option_row *row = option_row_find(keyword);
    if (row == NULL)
        return unknown(o, keyword, err);
    *mark_of(o, row) = false;
    return set_plain(o, row, value, err);
}

/* ---- What is built ---- */

/* ssh's own value of a text that has one. */
static bool is_default_text(const struct option_row *row, const char *text)
{
    return (text_same(row->name, "SecurityKeyProvider") && strcmp(text, "internal") == 0) ||
           (text_same(row->name, "XAuthLocation") && strcmp(text, "/usr/bin/xauth") == 0);
}

/* Special rows of which a value is harmless. */
static bool special_is_default(const struct options *o, const struct option_row *row)
{
    if (row->set == option_set_log_verbose)
        return texts_has(&o->log_verbose, "none");
    return row->set == option_set_tunnel_device && strcmp(o->tunnel_device, "any:any") == 0;
}

/* True when the value asks for nothing that adit does not do by itself. */
static bool is_default(const struct options *o, const struct options *plain, const struct option_row *row)
{
    const uint8_t *mine = (const uint8_t *)o + row->offset, *its = (const uint8_t *)plain + row->offset;
    switch (row->kind) {
    case OPTION_FLAG:
        return *(const bool *)mine == *(const bool *)its;
    case OPTION_CHOICE:
    case OPTION_NUMBER:
    case OPTION_TIME:
        return *(const uint32_t *)mine == *(const uint32_t *)its;
    case OPTION_TEXT:
    case OPTION_COMMAND:
        return option_text(*(char *const *)mine) == NULL || is_default_text(row, *(char *const *)mine);
    case OPTION_FILES:
        return texts_has((const struct texts *)mine, "none");
    case OPTION_ALGOS:
        return strcmp(*(char *const *)mine, ssh_list_default((enum ssh_list)row->min)) == 0;
    default:
        return special_is_default(o, row);
    }
}

static enum adit_err row_judge(struct options *o, const struct option_row *row, struct adit_error *err)
{
    char note[128];
    if (row->state == OPTION_PENDING)
        return adit_fail(err, ADIT_E_UNSUPPORTED, "%s is not supported yet", row->name);
    adit_format(note, sizeof note, "%s: adit does not have this; the option has no effect", row->name);
    return option_text_add(row->state == OPTION_NOTED ? &o->notes : &o->debug_notes, note, err);
}

/* Of a build without zlib: as what is noted, but only where it was asked for. */
static enum adit_err compression_judge(struct options *o, struct adit_error *err)
{
    if (ADIT_WITH_ZLIB || !o->compression)
        return ADIT_E_OK;
    return option_text_add(&o->notes, "Compression: this adit is made without zlib; nothing is compressed",
                           err);
}

enum adit_err options_check(struct options *o, struct adit_error *err)
{
    struct options plain;
    enum adit_err e = ADIT_E_OK;
    if (o->refuse_connection != NULL)
        return adit_fail(err, ADIT_E_CONFIG, "the configuration refuses this connection: %s",
                         o->refuse_connection);
    options_init(&plain);
    texts_wipe(&o->notes);
    texts_wipe(&o->debug_notes);
    for (size_t i = 0; i < option_row_count() && e == ADIT_E_OK; i++) {
        const struct option_row *row = &option_rows[i];
        if (row->state != OPTION_BUILT && o->is_set[i] && !is_default(o, &plain, row))
            e = row_judge(o, row, err);
    }
    options_wipe(&plain);
    return e == ADIT_E_OK ? compression_judge(o, err) : e;
}
