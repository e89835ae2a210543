/*
 * log_filter.h - ADIT_LOG: which lines of a log are wanted, by what they are about.
 *
 *     LEVEL[,SUBSYSTEM=LEVEL]...       "info", "error,kex=debug2", "auth=debug1"
 *
 * Levels are those of LogLevel, in either case; subsystems kex auth channel forward daemon api config. A
 * level alone is for all of them, whatever came before it.
 */
#ifndef CLIENT_LOG_FILTER_H
#define CLIENT_LOG_FILTER_H

#include "adit.h"
#include "forward/session.h"

struct log_filter {
    enum session_level level[SESSION_ABOUT_COUNT];
    bool is_set[SESSION_ABOUT_COUNT]; /* by the variable, which wins over flags and files */
};

/* Everything at this level, nothing set. */
void log_filter_init(struct log_filter *f, enum session_level level);
/* text: the variable's. ADIT_E_CONFIG with the piece that is wrong: the filter is half changed then. */
enum adit_err log_filter_parse(struct log_filter *f, const char *text, struct adit_error *err) ADIT_MUST_USE;
/* What the variable leaves open gets this level. */
void log_filter_set_level(struct log_filter *f, enum session_level level);
bool log_filter_wants(const struct log_filter *f, enum session_level level, enum session_about about);
/* The level up to which lines must be made at all. */
enum session_level log_filter_most(const struct log_filter *f);

/* "info", "DEBUG2", ...: ssh's names. */
bool log_level_parse(struct span text, enum session_level *level) ADIT_MUST_USE;

#endif
