/*
 * buffer.h - a growing text: what an answer is written into before it is sent.
 */
#ifndef DAEMON_BUFFER_H
#define DAEMON_BUFFER_H

#include "adit.h"

/* All zero at first. Without memory is_failed is set and stays, and what is added is lost: the owner asks
 * once, at the end. */
struct buffer {
    char *p; /* len bytes and a zero; NULL while nothing was added */
    size_t len, cap;
    bool is_failed;
};

void buffer_wipe(struct buffer *b);  /* frees; may be used again */
void buffer_clear(struct buffer *b); /* empty, the memory stays */
void buffer_add(struct buffer *b, struct span bytes);
void buffer_text(struct buffer *b, const char *text);
/* As adit_format. */
void buffer_format(struct buffer *b, const char *fmt, ...) ADIT_PRINTF(2, 3);

#endif
