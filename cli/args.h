/*
 * args.h - the command line, in ssh's spelling.
 *
 * Flags may be bundled (-Nqp22), stand before and after the host, and end at "--". A flag of ssh that adit
 * does not have yet is refused by name. Nothing is printed and nothing is opened here.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "adit.h"
#include "client/options.h"

struct args {
    struct options options; /* user, port and forwards from the flags and the destination included */
    char host[LIMIT_HOST + 1];
    bool has_destination;      /* a word that was to be one */
    struct forward_spec stdio; /* -W */
    bool has_stdio;
    bool stdin_null; /* -n */
    bool wants_help, wants_version;
};

/* Parses argv[1..]. Even after a failure the rest is looked at, so that AditExitCodes is known. ADIT_E_USAGE
 * and ADIT_E_UNSUPPORTED with what is wrong; args_wipe it in any case. */
enum adit_err args_parse(struct args *args, int argc, char *const argv[],
                         struct adit_error *err) ADIT_MUST_USE;
void args_wipe(struct args *args);

/* "user@host", "ssh://user@host:port", "host": the last '@' splits. Sets User and Port unless they are set.
 */
enum adit_err args_destination(struct args *args, const char *text, struct adit_error *err) ADIT_MUST_USE;

extern const char args_usage[]; /* one short page */

#endif
