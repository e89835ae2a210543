/*
 * log.h - what adit tells its user: one line a message, on standard error.
 *
 * Lines look as ssh's do: "debug1: " and so on before debugging lines, nothing before the others. Each line
 * is one write(2), so that lines of two threads never mix. Texts of a peer are filtered by whoever hands them
 * in, and once more here.
 */
#ifndef CLI_LOG_H
#define CLI_LOG_H

#include "adit.h"
#include "client/options.h"

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Any thread. Written only when level is at or below the one that was set. */
void log_line(enum log_level level, const char *text);
void log_format(enum log_level level, const char *fmt, ...) ADIT_PRINTF(2, 3);

/* Writes all of text to fd (a banner, a `listening` line, a usage text), whatever the level. False when the
 * descriptor refuses. */
bool log_write_all(int fd, const char *text, size_t len);

#endif
