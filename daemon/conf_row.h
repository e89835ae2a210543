/*
 * conf_row.h - the keywords of adit.conf as rows, and how their values are written. For conf_reader.c and
 * the files of its blocks.
 */
#ifndef DAEMON_CONF_ROW_H
#define DAEMON_CONF_ROW_H

#include "adit.h"
#include "daemon/conf_reader.h"

/* A line's value. */
struct conf_words {
    const char *raw;   /* as it stands */
    char *const *item; /* its words, without quotes and comment; at least one */
    size_t count;
};

enum conf_kind {
    CONF_FLAG,    /* bool: yes, true, no, false */
    CONF_NUMBER,  /* uint32_t: min..max */
    CONF_TIME,    /* uint32_t: seconds times max */
    CONF_CHOICE,  /* an enum or bool: row->choices, the first is 0 */
    CONF_WORD,    /* char *: one word, at most max bytes */
    CONF_PATH,    /* char *: absolute, or with "~/", which is replaced; at most max bytes */
    CONF_SPECIAL, /* row->set knows */
};

struct conf_row;
/* target: the struct conf, profile or definition; or one that is thrown away, where an earlier value won.
 * ADIT_E_CONFIG with what is wrong, without place and keyword. */
typedef enum adit_err conf_setter(struct conf_reader *r, void *target, const struct conf_row *row,
                                  const struct conf_words *words, struct adit_error *err);

struct conf_row {
    const char *name;
    enum conf_kind kind;
    size_t offset, size; /* of the field */
    uint32_t min, max;
    const char *const *choices; /* ends with NULL */
    conf_setter *set;
    bool accumulates;
};

struct conf_table {
    const struct conf_row *rows; /* at most 64 */
    size_t count;
};
extern const struct conf_table conf_daemon_table, conf_profile_table, conf_tunnel_table;

const struct conf_row *conf_row_find(const struct conf_table *table, const char *keyword);

/* Sets the row's field from words. */
enum adit_err conf_row_set(struct conf_reader *r, void *target, const struct conf_row *row,
                           const struct conf_words *words, struct adit_error *err) ADIT_MUST_USE;

/* "~/x" and "/x" as an absolute path, to be freed. ADIT_E_CONFIG. */
enum adit_err conf_path_make(const struct conf_reader *r, const char *text, char **out,
                             struct adit_error *err) ADIT_MUST_USE;
enum adit_err conf_no_memory(struct adit_error *err);
/* ADIT_E_CONFIG unless count is min to max. */
enum adit_err conf_count_check(const struct conf_words *words, size_t min, size_t max,
                               struct adit_error *err) ADIT_MUST_USE;

/* A keyword of ssh_config in a Profile or Tunnel: ADIT_E_CONFIG when there is none of the name, when it has
 * nothing to do with connecting, or its value is wrong or without effect. *name gets its spelling; untouched
 * when there is none. */
enum adit_err conf_keyword_check(const char *keyword, const char *value, const char **name,
                                 struct adit_error *err) ADIT_MUST_USE;
/* The value alone, of a keyword that is known. */
enum adit_err conf_value_check(const char *keyword, const char *value, struct adit_error *err) ADIT_MUST_USE;
/* The same, and adds "Keyword value" to the list. */
enum adit_err conf_keyword_add(struct texts *list, const char *keyword, const char *value, const char **name,
                               struct adit_error *err) ADIT_MUST_USE;

/* LocalForward, RemoteForward, DynamicForward. */
enum adit_err conf_forward_add(struct conf_reader *r, struct definition *d, enum forward_type type,
                               const struct conf_words *words, struct adit_error *err) ADIT_MUST_USE;

#endif
