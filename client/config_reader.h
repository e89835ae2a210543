/*
 * config_reader.h - the text of an ssh_config(5) file into struct options: blocks, conditions, lines.
 *
 * Sans-I/O: what a condition or an Include needs of the world comes through hooks. ssh_config.h is the
 * reader of the files.
 */
#ifndef CLIENT_CONFIG_READER_H
#define CLIENT_CONFIG_READER_H

#include "adit.h"
#include "client/expand.h"
#include "client/options.h"

enum { CONFIG_DEPTH_MAX = 16 }; /* of Include, as ssh */

struct config_reader;

struct config_hooks {
    void *ctx;
    /* Reads the files that one argument of Include names (tokens expanded, "~" not), each by
     * config_read; none is fine. */
    enum adit_err (*include)(void *ctx, struct config_reader *r, const char *pattern, struct adit_error *err);
    /* Match exec: *matches when the command ended with 0. */
    enum adit_err (*exec)(void *ctx, const char *command, bool *matches, struct adit_error *err);
    /* Match localnetwork. */
    enum adit_err (*local_network)(void *ctx, const char *list, bool *matches, struct adit_error *err);
    /* One bad line, "NAME line N: what is wrong" in ssh's words; for whoever reads errors. */
    void (*bad_line)(void *ctx, const char *text);
    /* One line for DEBUG1. May be NULL. */
    void (*debug)(void *ctx, const char *line);
};

/* What conditions look at. Borrowed. */
struct config_facts {
    const char *host;          /* what Host is matched with: as given, or canonical in the second pass */
    const char *given_host;    /* as on the command line */
    const char *command;       /* that is to be run at the server; NULL: none */
    const char *version;       /* of ourselves */
    struct expand_names names; /* home, local_user and local_host; the rest is filled in here */
};

struct config_reader {
    struct options *options;
    const struct config_facts *facts;
    const struct config_hooks *hooks;
    bool is_final;    /* the second pass */
    bool wants_final; /* out: somebody asked for it by Match final */
    bool is_user;     /* the user's own file: "~" may stand in Include */
    /* Inside: start with a zero struct. */
    bool is_active, is_never, error_is_told;
    unsigned depth, bad_lines, files;
};

/* Reads one file's text; name is for messages. At the top (depth 0) it starts active. Each bad line is told
 * through its hook, and the file's end is ADIT_E_CONFIG with "NAME: terminating, N bad configuration
 * options", as it is for one file more than LIMIT_CONFIG_FILES; ADIT_E_MEMORY; what the hooks return. */
enum adit_err config_read(struct config_reader *r, struct span text, const char *name,
                          struct adit_error *err) ADIT_MUST_USE;

/* The names for tokens as the options have them by now; out points into room, and to the options. */
struct config_names_room {
    char host[EXPAND_PATH_CAP];
    char jump[LIMIT_HOST + 1];
};
enum adit_err config_names(const struct config_reader *r, struct expand_names *out,
                           struct config_names_room *room, struct adit_error *err) ADIT_MUST_USE;

#endif
