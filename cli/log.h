/*
 * log.h - what adit tells its user: one line a message, on standard error, in a file (-E) or to syslog (-y).
 *
 * Lines look as ssh's do: "debug1: " and so on before debugging lines, nothing before the others. Each line
 * is one write(2), so that lines of two threads never mix. Texts of a peer are filtered by whoever hands them
 * in, and once more here. Where the lines go is settled before any thread is started.
 */
#ifndef CLI_LOG_H
#define CLI_LOG_H

#include "adit.h"
#include "client/options.h"
#include "forward/session.h"

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* ADIT_LOG (client/log_filter.h): wins over levels that are set; a level without a subsystem is also that of
 * log_line. Before any thread is started. ADIT_E_CONFIG. */
enum adit_err log_set_filter(const char *text, struct adit_error *err) ADIT_MUST_USE;
/* The level up to which lines are to be made: somebody wants them. */
enum log_level log_most(void);

/* From now on lines are appended to the file (made with mode 0600). ADIT_E_SYSTEM with ssh's words. */
enum adit_err log_to_file(const char *path, struct adit_error *err) ADIT_MUST_USE;
/* Or go to syslog(3) as program, which must stay as it is. facility: a value of SyslogFacility; NULL: USER.
 * ADIT_E_USAGE for one that does not exist. */
enum adit_err log_to_syslog(const char *program, const char *facility, struct adit_error *err) ADIT_MUST_USE;
bool log_is_on_stderr(void);
/* From now on no line but a fatal one is waited for: while a terminal is stopped (Ctrl-S), or a pipe is full,
 * lines are left out, and how many is said in the next that is taken. For those whose threads serve others.
 */
void log_wait_for_nobody(void);

/* Any thread. Written only when level is at or below the one that was set. */
void log_line(enum log_level level, const char *text);
void log_format(enum log_level level, const char *fmt, ...) ADIT_PRINTF(2, 3);
void log_line_about(enum log_level level, enum session_about about, const char *text);
/* One of a session's. */
void log_session_line(enum session_level level, enum session_about about, const char *text);
/* The same whatever the level: -q hides what a connection says, not what is wrong with the command line. */
void log_always(const char *text);

/* Writes all of text to fd (a banner, a `listening` line, a usage text), whatever the level. False when the
 * descriptor refuses. */
bool log_write_all(int fd, const char *text, size_t len);

#endif
