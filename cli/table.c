#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

enum { GAP = 2 };

void table_init(struct table *t, size_t columns)
{
    t->columns = columns;
    texts_init(&t->cells);
}

void table_wipe(struct table *t)
{
    texts_wipe(&t->cells);
}

bool table_add(struct table *t, const char *text)
{
    return texts_add(&t->cells, span_str(text[0] != 0 ? text : "-"));
}

size_t table_width(const char *text)
{
    size_t n = 0;
    for (; *text != 0; text++)
        n += ((uint8_t)*text & 0xc0) != 0x80;
    return n;
}

static size_t column_width(const struct table *t, size_t column)
{
    size_t most = 0;
    for (size_t i = column; i < t->cells.count; i += t->columns) {
        size_t n = table_width(t->cells.item[i]);
        most = n > most ? n : most;
    }
    return most;
}

/* The longest that it can become, with its zero. */
static size_t room_for(const struct table *t)
{
    size_t room = 1;
    for (size_t i = 0; i < t->cells.count; i++)
        room += strlen(t->cells.item[i]) + column_width(t, i % t->columns) + GAP + 1;
    return room;
}

static char *pad(char *out, size_t n)
{
    memset(out, ' ', n);
    return out + n;
}

char *table_text(const struct table *t)
{
    char *text = malloc(room_for(t)), *at = text;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < t->cells.count; i++) {
        const char *cell = t->cells.item[i];
        size_t n = strlen(cell);
        bool is_last = i % t->columns == t->columns - 1;
        memcpy(at, cell, n);
        at += n;
        if (is_last)
            *at++ = '\n';
        else
            at = pad(at, column_width(t, i % t->columns) - table_width(cell) + GAP);
    }
    *at = 0;
    return text;
}
