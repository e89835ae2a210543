/*
 * known_hosts_command.h - KnownHostsCommand: a program that prints lines of known_hosts.
 *
 * It is run without a shell; tokens and variables are expanded in its arguments, those that tell why it is
 * asked
 * (%I), for whom (%H) and about which key (%f %K %t, "NONE" before there is one) among them.
 */
#ifndef CLIENT_KNOWN_HOSTS_COMMAND_H
#define CLIENT_KNOWN_HOSTS_COMMAND_H

#include "adit.h"
#include "client/expand.h"
#include "client/files.h"
#include "client/options.h"

enum { KNOWN_HOSTS_COMMAND_NAMES = 8 };

struct known_hosts_command {
    const char *command;       /* borrowed; NULL: none */
    struct expand_names names; /* the texts are ours */
    char *owned[KNOWN_HOSTS_COMMAND_NAMES];
};

/* command: the option's value, or NULL. names are copied. ADIT_E_MEMORY; wipe it in any case. */
enum adit_err known_hosts_command_init(struct known_hosts_command *c, const char *command,
                                       const struct expand_names *names,
                                       struct adit_error *err) ADIT_MUST_USE;
void known_hosts_command_wipe(struct known_hosts_command *c);

struct known_hosts_asked {
    const char *reason;   /* "ORDER", "HOSTNAME", "ADDRESS" */
    const char *searched; /* the name as it stands in known_hosts */
    struct span blob;     /* the server's key, or empty */
    enum fingerprint_hash hash;
};

/* Runs it to its end; out gets what it printed. Blocks for as long as it runs, or until cancel_fd (-1: none)
 * is readable. ADIT_E_HOST_KEY when it cannot be run or does not end well: then nobody knows which keys are
 * to be trusted. *missing: because there is no such program; then the files alone count, and the error is
 * only to be told. */
enum adit_err known_hosts_command_run(const struct known_hosts_command *c,
                                      const struct known_hosts_asked *asked, int cancel_fd, struct file *out,
                                      bool *missing, struct adit_error *err) ADIT_MUST_USE;

#endif
