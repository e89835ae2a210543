/*
 * autossh.h - called as autossh(1): its flags and its environment. What is not its own is ssh's.
 *
 * A connection that only forwards lasts by itself (AditReconnect, run_lasting.h). One with a shell or a
 * command is a process of its own that is started again (autossh_watch.h).
 */
#ifndef CLI_AUTOSSH_H
#define CLI_AUTOSSH_H

#include "adit.h"
#include "client/options.h"
#include "client/texts.h"

enum { AUTOSSH_USAGE_CAP = 1200 };

struct autossh {
    bool is_in_background; /* -f: at once, and without a gate */
    bool wants_version;    /* -V */
    bool is_monitored;     /* -M or AUTOSSH_PORT asked for a port */
    uint64_t gate_ms;      /* AUTOSSH_GATETIME: the first connection must last longer; 0: it need not */
    int64_t max_start;     /* AUTOSSH_MAXSTART: how many connections there may be; -1: no limit */
    uint32_t lifetime_s;   /* AUTOSSH_MAXLIFETIME; 0: no limit */
    uint32_t poll_s;       /* AUTOSSH_POLL: the longest pause between two starts */
    const char *log_level; /* AUTOSSH_LOGLEVEL and AUTOSSH_DEBUG, as LogLevel has it; NULL: not given */
    bool is_debugging;     /* AUTOSSH_DEBUG */
    const char *log_file, *pid_file; /* of the environment; NULL: none */
    struct texts notes;              /* a line for each thing that is accepted and has no meaning here */
    /* ssh's: argv[0] is "ssh"; NULL behind the last one. Some are the caller's words, some are in text. */
    int argc;
    char **argv;
    char *text;
};

bool autossh_is_called(const char *name); /* argv[0]; NULL: no */

/* Takes what is autossh's out of argv and the environment (getenv's texts and argv's words are used until
 * autossh_wipe). ADIT_E_USAGE with what is wrong, in autossh's words; empty: usage. autossh_wipe it in any
 * case. */
enum adit_err autossh_init(struct autossh *a, int argc, char *const argv[],
                           struct adit_error *err) ADIT_MUST_USE;
void autossh_wipe(struct autossh *a);

void autossh_usage(char text[static AUTOSSH_USAGE_CAP]);

/* AUTOSSH_PIDFILE: this process; and away with it. ADIT_E_SYSTEM. */
enum adit_err autossh_pid_write(const struct autossh *a, struct adit_error *err) ADIT_MUST_USE;
void autossh_pid_remove(const struct autossh *a);

#endif
