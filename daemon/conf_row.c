#include "daemon/conf_row.h"

#include <stdlib.h>
#include <string.h>

#include "client/expand.h"
#include "client/units.h"

const struct conf_row *conf_row_find(const struct conf_table *table, const char *keyword)
{
    for (size_t i = 0; i < table->count; i++)
        if (text_same(table->rows[i].name, keyword))
            return &table->rows[i];
    return NULL;
}

enum adit_err conf_no_memory(struct adit_error *err)
{
    return adit_fail(err, ADIT_E_MEMORY, "out of memory");
}

enum adit_err conf_count_check(const struct conf_words *words, size_t min, size_t max, struct adit_error *err)
{
    if (words->count < min)
        return adit_fail(err, ADIT_E_CONFIG, "an argument is missing");
    if (words->count > max)
        return adit_fail(err, ADIT_E_CONFIG, "extra arguments at the end of the line");
    return ADIT_E_OK;
}

enum adit_err conf_path_make(const struct conf_reader *r, const char *text, char **out,
                             struct adit_error *err)
{
    char room[2 * EXPAND_PATH_CAP];
    const bool is_home = text[0] == '~' && (text[1] == '/' || text[1] == 0);
    /* The value is not shown: it may be a secret that somebody took for what is wanted. */
    if (is_home && r->hooks->home[0] != '/')
        return adit_fail(err, ADIT_E_CONFIG, "no home folder is known");
    if (!is_home && text[0] != '/')
        return adit_fail(err, ADIT_E_CONFIG, "the path must be absolute or begin with ~/");
    size_t n =
        adit_format(room, sizeof room, "%s%s", is_home ? r->hooks->home : "", is_home ? text + 1 : text);
    if (n >= EXPAND_PATH_CAP)
        return adit_fail(err, ADIT_E_CONFIG, "the path is too long");
    *out = text_copy(span_make(room, n));
    return *out != NULL ? ADIT_E_OK : conf_no_memory(err);
}

/* ---- Values ---- */

static enum adit_err read_flag(const char *word, bool *out, struct adit_error *err)
{
    *out = text_same(word, "yes") || text_same(word, "true");
    if (*out || text_same(word, "no") || text_same(word, "false"))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_CONFIG, "'%s' is not yes or no", word);
}

static enum adit_err read_number(const struct conf_row *row, const char *word, uint32_t *out,
                                 struct adit_error *err)
{
    if (units_number(span_str(word), row->min, row->max, out))
        return ADIT_E_OK;
    return adit_fail(err, ADIT_E_CONFIG, "'%s' is not a number of %u to %u", word, row->min, row->max);
}

static enum adit_err read_time(const struct conf_row *row, const char *word, uint32_t *out,
                               struct adit_error *err)
{
    uint32_t seconds;
    if (!units_time(span_str(word), &seconds) || seconds > INT32_MAX / row->max)
        return adit_fail(err, ADIT_E_CONFIG, "'%s' is not a time (as 90, 1m30s or 2h)", word);
    *out = seconds * row->max;
    return ADIT_E_OK;
}

static enum adit_err bad_choice(const struct conf_row *row, const char *word, struct adit_error *err)
{
    char list[256];
    size_t n = 0;
    for (size_t i = 0; row->choices[i] != NULL; i++)
        n += adit_format(list + n, sizeof list - n, i == 0 ? "%s" : ", %s", row->choices[i]);
    return adit_fail(err, ADIT_E_CONFIG, "'%s' is not one of %s", word, list);
}

static enum adit_err read_choice(const struct conf_row *row, const char *word, uint32_t *out,
                                 struct adit_error *err)
{
    for (*out = 0; row->choices[*out] != NULL; ++*out)
        if (text_same(row->choices[*out], word))
            return ADIT_E_OK;
    return bad_choice(row, word, err);
}

static enum adit_err replace(char **to, char *text)
{
    free(*to);
    *to = text;
    return ADIT_E_OK;
}

static enum adit_err set_word(const struct conf_row *row, char **to, const char *word, struct adit_error *err)
{
    if (word[0] == 0 || strlen(word) > row->max)
        return adit_fail(err, ADIT_E_CONFIG, "the value must be 1 to %u bytes", row->max);
    char *copy = text_copy(span_str(word));
    return copy != NULL ? replace(to, copy) : conf_no_memory(err);
}

static enum adit_err set_path(const struct conf_reader *r, const struct conf_row *row, char **to,
                              const char *word, struct adit_error *err)
{
    char *path = NULL;
    enum adit_err e = conf_path_make(r, word, &path, err);
    if (e != ADIT_E_OK)
        return e;
    if (path != NULL && strlen(path) <= row->max)
        return replace(to, path);
    e = adit_fail(err, ADIT_E_CONFIG, "'%s' is longer than %u bytes", path, row->max);
    free(path);
    return e;
}

static enum adit_err set_small(void *field, const struct conf_row *row, const char *word,
                               struct adit_error *err)
{
    uint32_t value = 0;
    bool flag = false;
    enum adit_err e = row->kind == CONF_FLAG     ? read_flag(word, &flag, err)
                      : row->kind == CONF_NUMBER ? read_number(row, word, &value, err)
                      : row->kind == CONF_TIME   ? read_time(row, word, &value, err)
                                                 : read_choice(row, word, &value, err);
    if (e != ADIT_E_OK)
        return e;
    flag = flag || value != 0;
    memcpy(field, row->size == sizeof flag ? (const void *)&flag : (const void *)&value, row->size);
    return ADIT_E_OK;
}

enum adit_err conf_row_set(struct conf_reader *r, void *target, const struct conf_row *row,
                           const struct conf_words *words, struct adit_error *err)
{
    if (row->kind == CONF_SPECIAL)
        return row->set(r, target, row, words, err);
    void *field = (uint8_t *)target + row->offset;
    enum adit_err e = conf_count_check(words, 1, 1, err);
    if (e != ADIT_E_OK)
        return e;
    if (row->kind == CONF_WORD)
        return set_word(row, field, words->item[0], err);
    if (row->kind == CONF_PATH)
        return set_path(r, row, field, words->item[0], err);
    return set_small(field, row, words->item[0], err);
}
