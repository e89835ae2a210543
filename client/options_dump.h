/*
 * options_dump.h - what -G prints: the resolved options, one "keyword value" a line, in OpenSSH's order and
 * format. Read back as a file they give the same lines again.
 */
#ifndef CLIENT_OPTIONS_DUMP_H
#define CLIENT_OPTIONS_DUMP_H

#include "adit.h"
#include "client/options.h"
#include "client/texts.h"

/* Adds the lines to `lines`. o: after ssh_config_resolve. host: as it was given. ADIT_E_CONFIG for a value
 * that cannot be expanded; ADIT_E_MEMORY. */
enum adit_err options_dump(const struct options *o, const char *host, struct texts *lines,
                           struct adit_error *err) ADIT_MUST_USE;

#endif
