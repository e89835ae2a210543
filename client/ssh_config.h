/*
 * ssh_config.h - ~/.ssh/config and /etc/ssh/ssh_config, ssh_config(5): the options of one host.
 *
 *     options_init(&o); ... what the command line says ...
 *     ssh_config_resolve(&o, &query, &err);
 *
 * The user's file, then the system's; the first value wins. With CanonicalizeHostname or Match final all is
 * read a second time for the host's final name. A file of the user's, and every included one, must belong to
 * us or root and be writable by no one else.
 *
 * Blocks: reads files, and (but for files_alone) runs the commands of Match exec and looks names up for
 * CanonicalizeHostname.
 */
#ifndef CLIENT_SSH_CONFIG_H
#define CLIENT_SSH_CONFIG_H

#include "adit.h"
#include "client/options.h"

/* Texts are borrowed. */
struct ssh_config_query {
    const char *host;           /* as it was given */
    const char *file;           /* -F: this file alone; "none": none; NULL: the two files */
    const char *remote_command; /* what is to be run at the server, a subsystem's name included; or NULL */
    const char *version;        /* for Match version; NULL: adit's own */
    /* What is wrong with a line of a file; any number of them before the error; may be NULL. */
    void (*bad_line)(void *ctx, const char *text);
    /* Lines for DEBUG1; may be NULL. */
    void (*debug)(void *ctx, const char *line);
    void *ctx;
    int cancel_fd; /* becomes readable when a command of Match exec is to be waited for no longer; 0: never */
    bool files_alone; /* nothing is run, no name is looked up: ADIT_E_INTERRUPTED where that would have to be
                       */
};

/* Afterwards host_name is the name to connect to, without tokens (see host_name_is_final); User and SetEnv of
 * a file have theirs expanded too. ADIT_E_CONFIG: "FILE: terminating, N bad configuration options" behind the
 * lines themselves; a jump host that is the host; ... ADIT_E_RESOLVE
 * for a name that must be canonical and is not; ADIT_E_INTERRUPTED (cancel_fd, files_alone); ADIT_E_MEMORY.
 */
enum adit_err ssh_config_resolve(struct options *o, const struct ssh_config_query *q,
                                 struct adit_error *err) ADIT_MUST_USE;

#endif
