/*
 * options_table.h - the keywords of ssh_config(5) as rows. For options.c, its setters and -G alone.
 */
#ifndef CLIENT_OPTIONS_TABLE_H
#define CLIENT_OPTIONS_TABLE_H

#include "adit.h"
#include "client/options.h"

/* What a field is, and how its value is written. */
enum option_kind {
    OPTION_FLAG,    /* bool: yes, true, no, false */
    OPTION_CHOICE,  /* uint32_t: one of row->choices */
    OPTION_NUMBER,  /* uint32_t: min..max */
    OPTION_TIME,    /* uint32_t, seconds; "none" is 0 */
    OPTION_TEXT,    /* char *: one word */
    OPTION_COMMAND, /* char *: the rest of the line as it stands */
    OPTION_ALGOS,   /* char *: a list of algorithms, resolved; row->min is the enum ssh_list */
    OPTION_FILES,   /* struct texts: words; "none" only alone */
    OPTION_SPECIAL, /* row->set knows */
    OPTION_FORGET,  /* of long ago: any value, without effect */
};

enum option_state {
    OPTION_BUILT,
    OPTION_PENDING,   /* a value other than the default is refused by options_check */
    OPTION_NOTED,     /* ... gets a note */
    OPTION_NOTED_LOW, /* ... gets a note for DEBUG1: a distribution's own file may give it to everybody */
};

struct option_choice {
    const char *name;
    uint32_t value;
};

/* A line's value. */
struct option_words {
    const char *raw;     /* the rest of the line, blanks at its ends taken off */
    char *const *item;   /* its words without quotes, comment gone */
    size_t count, taken; /* a setter moves taken; what it leaves over is an error */
};

struct option_row;
typedef enum adit_err option_setter(struct options *o, const struct option_row *row,
                                    struct option_words *words, struct adit_error *err);

struct option_row {
    const char *name;
    enum option_kind kind;
    enum option_state state;
    size_t offset; /* of the field in struct options; 0: of none alone */
    uint32_t min, max;
    const struct option_choice *choices; /* ends with a NULL name */
    option_setter *set;                  /* OPTION_SPECIAL */
    const char *words;                   /* ssh's words for a bad value, where it has some of its own */
    bool accumulates;
};

extern const struct option_row option_rows[];
size_t option_row_count(void);

/* The row of a keyword or of one of its old names, any case; NULL: no such keyword. */
const struct option_row *option_row_find(const char *keyword);

/* The name of a choice: the first of the row's that stands for value. */
const char *option_choice_name(const struct option_row *row, uint32_t value);

#endif
