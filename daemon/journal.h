/*
 * journal.h - the daemon's log: one line a note, on a descriptor, and the last ones in memory.
 *
 *     [TS ]LEVEL [tunnel=NAME ][conn=N ]message            or, as JSON lines,
 *     {"ts","level","msg","tunnel","transport","conn","kind","errno"}, absent members left out.
 *
 * A line is written at once and whole. A reader of the descriptor who has stopped costs lines, never time:
 * they are left out and counted. Texts are made fit for a terminal here. All of it may be called on any
 * thread but for journal_new and journal_free.
 */
#ifndef DAEMON_JOURNAL_H
#define DAEMON_JOURNAL_H

#include "adit.h"
#include "client/log_filter.h"
#include "forward/session.h"

enum {
    JOURNAL_LINES = 2000,    /* kept in memory */
    JOURNAL_LINE_CAP = 2048, /* the longest line, with its zero; the rest of a longer one is cut off */
};

/* Pointers are borrowed for the call; NULL or 0: there is none. */
struct journal_note {
    enum session_level level;
    enum session_about about;
    const char *tunnel;    /* its name */
    const char *transport; /* the connection's name, "user@host:port" */
    uint64_t conn;
    const char *kind; /* an error's, as adit_err_kind */
    int error_number; /* errno */
    const char *text;
};

struct journal_config {
    int fd; /* where the lines go; it stays the caller's */
    bool is_json;
    enum session_level level;
    const char *filter; /* ADIT_LOG: "level[,subsystem=level]..."; NULL: none. It wins over level. */
};

struct journal;

/* ADIT_E_CONFIG for a filter that is wrong, ADIT_E_MEMORY, ADIT_E_SYSTEM. When nobody writes any more:
 * journal_free (NULL is fine). */
enum adit_err journal_new(struct journal **out, const struct journal_config *config,
                          struct adit_error *err) ADIT_MUST_USE;
void journal_free(struct journal *j);

/* Lines go to this descriptor from now on; and in that form. */
void journal_redirect(struct journal *j, int fd);
void journal_set_form(struct journal *j, bool is_json);
void journal_set_level(struct journal *j, enum session_level level);
/* Whether a note of that level would be written at all: what is not need not be made. */
bool journal_wants(struct journal *j, enum session_level level, enum session_about about);
/* The level up to which somebody wants notes. */
enum session_level journal_most(struct journal *j);

void journal_write(struct journal *j, const struct journal_note *note);
/* A note of the daemon itself; and one about something else. */
void journal_say(struct journal *j, enum session_level level, const char *fmt, ...) ADIT_PRINTF(3, 4);
void journal_say_about(struct journal *j, enum session_level level, enum session_about about, const char *fmt,
                       ...) ADIT_PRINTF(4, 5);

/* Lines have numbers that grow by one, from 1 on. */
/* The number of the first of the last n lines (of that tunnel; NULL: of all) that are kept; with none of them
 * the number that the next line will get. */
uint64_t journal_tail(struct journal *j, const char *tunnel, size_t n);
/* The first line from number `from` on that is kept (and is the tunnel's): always in the text form and with
 * its time, without its line end. Returns its number, 0: there is none yet. */
uint64_t journal_read(struct journal *j, uint64_t from, const char *tunnel,
                      char line[static JOURNAL_LINE_CAP]);

/* For whoever follows: readable after every line until journal_news_take. One waiter. -1 where the system has
 * no such descriptor. */
int journal_news_fd(struct journal *j);
void journal_news_take(struct journal *j);

#endif
