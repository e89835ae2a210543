/*
 * line_words.h - the words of a line of ssh_config(5): separated by blanks, single and double quotes keep
 * what is inside, a backslash keeps the quote, the backslash or (outside quotes) the blank that follows it,
 * and '#' at a word's start begins a comment.
 */
#ifndef CLIENT_LINE_WORDS_H
#define CLIENT_LINE_WORDS_H

#include "adit.h"

enum { LINE_WORDS_MAX = 512 };

struct line_words {
    char *raw;                  /* the line without blanks at its end */
    char *item[LINE_WORDS_MAX]; /* count of them, zero-terminated, without their quotes */
    size_t count;
    char *text; /* where they stand */
    bool has_open_quote;
};

/* text has no zero byte but its end. ADIT_E_USAGE: a quote is open, or too many words (raw is there all the
 * same); ADIT_E_MEMORY. line_words_wipe it in any case. */
enum adit_err line_words_split(struct line_words *w, const char *text, struct adit_error *err) ADIT_MUST_USE;
void line_words_wipe(struct line_words *w);

#endif
