/*
 * reclaim.h - AditReclaim: what is said to a server, and what it answers, so that a session of ours that is
 * dead but not gone yet can be ended from a new login, and lets go of the port that it holds for -R.
 *
 * A session's process at the server is known by three numbers: its process id, its parent's, and when it was
 * started (field 22 of /proc/PID/stat, see proc(5)): an id that was given to another process since has
 * another start. OpenSSH's and dropbear's process of a connection, which holds its listening ports, is the
 * parent of the command that runs in it: $PPID.
 *
 * Pure text. The commands hold nothing of what a server has said but these numbers, which were read as
 * digits. They are for whatever login shell there is: all that it does is to start sh.
 */
#ifndef CLIENT_RECLAIM_H
#define CLIENT_RECLAIM_H

#include "adit.h"

struct reclaim_id {
    uint32_t pid; /* 0: not known */
    uint32_t parent;
    uint64_t start; /* clock ticks of the server since its boot */
};

bool reclaim_id_same(const struct reclaim_id *a, const struct reclaim_id *b);

enum { RECLAIM_COMMAND_CAP = 640 };
/* Which process is this session's? */
void reclaim_who(char out[static RECLAIM_COMMAND_CAP]);
/* Ends that process, and waits up to some seconds until it is gone; touches none that is another one. */
void reclaim_end(const struct reclaim_id *id, char out[static RECLAIM_COMMAND_CAP]);

/* What a command wrote: its last line counts, for a login shell may have said something before. */

enum reclaim_who {
    RECLAIM_WHO_KNOWN,
    RECLAIM_WHO_NO_PROC, /* it was run, but there is no /proc/PID/stat to be read */
    RECLAIM_WHO_FOREIGN, /* that is no answer of ours: another command was run */
};
/* out is set with KNOWN alone. */
enum reclaim_who reclaim_read_who(const char *text, struct reclaim_id *out) ADIT_MUST_USE;

enum reclaim_end {
    RECLAIM_END_DONE,    /* it has ended */
    RECLAIM_END_GONE,    /* it was not there any more */
    RECLAIM_END_OTHER,   /* that id is another process's now; nothing was done */
    RECLAIM_END_DENIED,  /* we may not end it */
    RECLAIM_END_ALIVE,   /* it was told to, and is still there */
    RECLAIM_END_FOREIGN, /* as above */
};
enum reclaim_end reclaim_read_end(const char *text) ADIT_MUST_USE;

#endif
