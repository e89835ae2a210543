/*
 * daemon.h - `adit daemon`: the tunnels, the API and the log in one loop, from the configuration to the end.
 *
 *     configuration -> log -> state folder (its lock) -> socket -> tunnels -> API -> ready, and then the
 * loop: SIGHUP reads the files again, SIGUSR1 connects all anew, SIGUSR2 writes the state of all to the log,
 * SIGTERM and SIGINT end it within 5 s, all tunnels stopped.
 */
#ifndef DAEMON_DAEMON_H
#define DAEMON_DAEMON_H

#include "adit.h"

enum {
    DAEMON_END_MS = 3000,
    DAEMON_END_HARD_MS = 4500
}; /* after a signal: no more waiting; no more at all */

/* What the command line says over the configuration; NULL or 0: nothing. Borrowed. */
struct daemon_args {
    const char *config_file, *ssh_config, *socket, *state_dir, *listen, *log_format, *log_file;
    unsigned verbose; /* how often -v */
    /* Once the socket answers, with the line "adit: ready ..." (no line end): whoever waits is told. */
    void (*ready)(void *ctx, const char *line);
    void *ctx;
    bool is_quiet; /* no lines of the log on standard error, which goes away when it is ready */
};

/* Once, in a process without other threads. ADIT_E_OK after an orderly end; else what stopped it from
 * beginning, with nothing left behind: ADIT_E_CONFIG ("FILE:LINE: ..."), ADIT_E_SYSTEM ("another daemon (pid
 * N) holds P"), ... */
enum adit_err daemon_run(const struct daemon_args *args, struct adit_error *err) ADIT_MUST_USE;

#endif
