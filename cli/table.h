/*
 * table.h - text in columns, two blanks or more apart, for a person and for awk.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include "adit.h"
#include "client/texts.h"

struct table {
    size_t columns;
    struct texts cells; /* row by row */
};

void table_init(struct table *t, size_t columns);
void table_wipe(struct table *t);
/* The next cell, a copy; an empty one is shown as "-". False: no memory. */
bool table_add(struct table *t, const char *text) ADIT_MUST_USE;
/* Whole rows, with their line ends, as one text on the heap; nothing stands behind the last cell of a row.
 * NULL: no memory. */
char *table_text(const struct table *t) ADIT_MUST_USE;

/* Columns of a terminal that a text of UTF-8 takes, where each character takes one. */
size_t table_width(const char *text);

#endif
