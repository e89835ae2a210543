/*
 * args.h - the command line, in ssh's spelling.
 *
 * Flags may be bundled (-Nqp22), stand before and after the host, and end at "--". Each sets its keyword of
 * ssh_config(5) through the table of options, which refuses by name what is not built. Some flags win over
 * whatever stood before them and some only fill in what nobody has set, each as in ssh. Nothing is printed
 * and nothing is opened here.
 *
 *     args_parse(&args, argc, argv, &err);      the flags, the destination, the command
 *     ... configuration files fill in what is not set ...
 *     args_finish(&args, &err);                 defaults that depend on all of it
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "adit.h"
#include "client/options.h"

#define ARGS_ALIVE_INTERVAL      "15" /* seconds: of a connection that only forwards, and of its jump hosts */
#define ARGS_CONNECT_TIMEOUT     "30" /* of a connection that lasts */
#define ARGS_ALIVE_INTERVAL_FAST "1"  /* with AditDetect fast */

struct args {
    struct options options; /* what the flags and the destination say */
    const char *program;    /* "ssh" or "adit": how we were called */
    bool is_ssh;            /* called as ssh: every default is ssh's */
    char host[LIMIT_HOST + 1];
    bool has_destination; /* a word that was to be one */
    char *command;        /* the words after the host, joined by blanks; NULL: none */

    /* Borrowed from argv; NULL: not given. */
    const char *config_file;     /* -F */
    const char *log_file;        /* -E */
    const char *query;           /* -Q: then nothing else matters */
    const char *control_command; /* -O */

    struct texts identities;   /* -i, which are in options, too */
    struct forward_spec stdio; /* -W */
    bool has_stdio;
    bool is_persistent; /* not of argv: a master that is in the background for ControlPersist, */
    bool has_guest;     /* and whoever started it is its guest, at the other end of guest_fd */
    int guest_fd;
    const struct autossh *autossh; /* not of argv: called as autossh (autossh.h); NULL: no. Borrowed */
    bool is_watched;   /* and the connection cannot last by itself: autossh_watch.h starts it again */
    bool use_syslog;   /* -y */
    bool wants_config; /* -G */
    bool wants_help, wants_version;
    bool wants_usage; /* with an error: the usage text belongs below it */
};

/* Parses argv. Even after a failure the rest is looked at, so that AditExitCodes is known (but for -Q, -V and
 * -h, which end it). ADIT_E_USAGE and ADIT_E_UNSUPPORTED with what is wrong; args_wipe it in any case. */
enum adit_err args_parse(struct args *args, int argc, char *const argv[],
                         struct adit_error *err) ADIT_MUST_USE;
enum adit_err args_finish(struct args *args, struct adit_error *err) ADIT_MUST_USE;
bool args_flag_takes_value(char letter);
/* A connection of adit's own face that only forwards: see ServerAliveInterval in adit(1). */
bool args_only_forwards(const struct args *args);
void args_wipe(struct args *args);

/* One short page for that program, with its name. */
enum { ARGS_USAGE_CAP = 1600 };
void args_usage(const struct args *args, char text[static ARGS_USAGE_CAP]);

#endif
