/*
 * confine.h - a process that gives up what it does not need any more: no privileges are ever gained again,
 * a list of system calls (seccomp), the files that it may open (Landlock), no core image.
 *
 * Each part falls back to nothing by itself where the kernel has it not or does not let us; the report says
 * which are in force. Nothing of it can be taken back, and programs that are started inherit it: who still
 * has to start some confines its sessions alone.
 *
 * What is forbidden fails with EPERM (files: EACCES), so that a corner that was forgotten is an error and not
 * the end; only what no part of adit could ever want (ptrace, kernel modules and the like, the calls of
 * another architecture) ends the process. Calls that are newer than this list fail with ENOSYS, as libc
 * expects.
 */
#ifndef NET_CONFINE_H
#define NET_CONFINE_H

#include "adit.h"

enum {
    CONFINE_READ = 1,    /* what is beneath may be opened for reading and listed */
    CONFINE_WRITE = 2,   /* written, made, renamed in its folder, removed */
    CONFINE_SOCKETS = 4, /* Unix sockets and folders may be made there, and files removed */
    CONFINE_TEXT_CAP = 128,
};

struct confine_path {
    const char *path; /* a folder or a file. One that is not there yet: what is above it, unless only
                       * CONFINE_READ is given or that is the root */
    unsigned rights;
};

struct confine_rules {
    const struct confine_path *paths;
    size_t count;
    bool may_open;      /* files may be opened at all: where there is no Landlock this is all that there is */
    bool only_sessions; /* the threads of sessions, now and later; the others may start programs */
    bool is_logged;     /* the kernel's log gets a line for each forbidden call */
};

struct confine_report {
    bool has_filter;             /* seccomp */
    int landlock;                /* its version; 0: none */
    char text[CONFINE_TEXT_CAP]; /* "seccomp, Landlock 7, no new privileges", or why not */
};

/* No core image, and no other process of this user looks into us (PR_SET_DUMPABLE). Programs that are started
 * do not inherit it. */
void confine_memory(void);

/* Once, on the main thread. Works on every thread of net/thread.h that there is, and that comes. */
void confine_process(const struct confine_rules *rules, struct confine_report *report);

/* For messages: when why (an errno) may be our own doing, a hint at it with a blank before; else "". */
const char *confine_hint(int why);

#endif
