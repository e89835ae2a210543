/*
 * texts.h - a growing list of texts that it owns, and copies of texts.
 */
#ifndef CLIENT_TEXTS_H
#define CLIENT_TEXTS_H

#include "adit.h"

struct texts {
    char **item; /* zero-terminated each; NULL while count is 0 */
    size_t count;
};

/* A zero-terminated copy of text on the heap, or NULL (no memory, or a zero byte within). free() it. */
char *text_copy(struct span text) ADIT_MUST_USE;

void texts_init(struct texts *t);
void texts_wipe(struct texts *t);
/* Adds a copy at the end; false as text_copy, and then nothing has changed. */
bool texts_add(struct texts *t, struct span text) ADIT_MUST_USE;
/* Every text that is equal to this one. */
void texts_remove(struct texts *t, const char *text);
bool texts_has(const struct texts *t, const char *text);

/* The next word of a line in ssh_config's manner: separated by blanks, double quotes keep blanks inside, a
 * backslash keeps the quote or backslash that follows it. *rest moves on; word gets at most cap - 1 bytes and
 * a zero. False at the end of the line. *bad is set for a quote that is not closed or a word that does not
 * fit, and false returned. */
bool text_word(struct span *rest, char *word, size_t cap, bool *bad);

/* RFC 4251 name-lists and the like: the next piece between commas, without blanks around it. Empty pieces are
 * skipped. False at the end. */
bool text_comma(struct span *rest, struct span *piece);

/* The next line of a text, without its LF or CR LF. False at the end. */
bool text_line(struct span *rest, struct span *line);

/* True when a and b are equal but for the case of ASCII letters. */
bool text_same(const char *a, const char *b);

#endif
