/*
 * sandbox.h - least privilege (net/confine.h) for what a process of ours still has to do once it is
 * connected.
 *
 * Whoever uses a file, looks up names or starts a program says so as it does it: sandbox_need. When the
 * connection is up, sandbox_enter gives up all the rest. What is said after that is not listened to.
 *
 * Any thread may call sandbox_need; sandbox_enter is the main thread's, once.
 */
#ifndef CLIENT_SANDBOX_H
#define CLIENT_SANDBOX_H

#include "adit.h"
#include "net/confine.h"

enum { SANDBOX_TEXT_CAP = 256 };

enum sandbox_when {
    SANDBOX_ALWAYS, /* needed while a connection is up */
    SANDBOX_AGAIN,  /* only to connect once more */
};

/* The folder in which the file is (so that it may be replaced by another of its name), with rights of
 * net/confine.h, and the folder of what it is a link to. */
void sandbox_need(const char *file, unsigned rights, enum sandbox_when when);
/* A folder itself, and all that is beneath it. */
void sandbox_need_folder(const char *folder, unsigned rights, enum sandbox_when when);
/* Host names are looked up by ourselves. */
void sandbox_need_names(enum sandbox_when when);
/* Our standard descriptors are opened once more, as net/standard.h does it. */
void sandbox_need_standard(void);
/* Programs are started: for is the keyword, or what else it is ("ProxyCommand"), and stays where it is. */
void sandbox_need_programs(const char *what_for, enum sandbox_when when);

/* A session itself starts programs: nothing can be confined. */
void sandbox_need_all(const char *what_for);

/* What a line of ssh_config or adit.conf may need, whether it applies now or not: the files that it names,
 * and programs. For who connects where nobody knows yet (the daemon). SANDBOX_AGAIN. */
void sandbox_need_line(const char *line);

/* The same line, later: whether the sandbox that was entered meanwhile keeps what it needs from this thread.
 * what: the file, or "ProxyCommand" and the like. A file that is not there lacks nothing. */
bool sandbox_lacks(const char *line, char what[static SANDBOX_TEXT_CAP]);

/* False: a sanitizer looks into its own process, and more, to the very end: whoever is to end well does not
 * enter. */
bool sandbox_suits_build(void);
/* Enters. connects_again: what was needed to connect stays. line: what is in force, for the debug log. False:
 * it was entered before, or memory is short, and nothing was done. */
bool sandbox_enter(bool connects_again, bool is_logged, char line[static SANDBOX_TEXT_CAP]);

#endif
