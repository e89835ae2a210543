/*
 * conf.h - adit.conf: what the daemon is to do, the profiles and the tunnels of the configuration files.
 *
 *     enum adit_err e = conf_load(&conf, path, &err);    ... use it unless e is an error ...
 *     conf_wipe(&conf);                                  in any case
 *
 * A conf that was loaded is right as a whole: every keyword was checked, every definition by
 * definition_check, every name is there once. Secrets are not in it: only the paths of their files are
 * (conf_secret.h).
 */
#ifndef DAEMON_CONF_H
#define DAEMON_CONF_H

#include "adit.h"
#include "client/texts.h"
#include "daemon/definition.h"
#include "daemon/profile.h"

#define CONF_PROFILE_DEFAULT "default" /* plain ssh_config: no Profile block has the name */

enum {
    CONF_ERRORS_MAX = 100, /* lines of errors that are kept; the rest is read and not told */
    CONF_INCLUDE_DEPTH_MAX = 16,
    CONF_ALIASES_MAX = 10000, /* names of ssh_config's Host lines: each is looked for among the others */
    CONF_SOCKET_MAX = 107,    /* bytes of a Unix socket's path */
};

enum conf_log_format { CONF_LOG_TEXT, CONF_LOG_JSON };

struct conf_place {
    const char *file; /* one of conf->files; NULL: nowhere */
    unsigned line;
};
enum { CONF_DAEMON_KEYWORDS = 8 };

/* A text that is NULL was not given. It owns all of it. */
struct conf {
    char *socket, *socket_group, *state_dir;
    char *listen_host; /* an address or "localhost", loopback; NULL: no TCP */
    uint16_t listen_port;
    uint32_t log_level; /* enum log_level of options.h */
    bool has_log_level;
    enum conf_log_format log_format;
    bool has_log_format;
    bool sandbox;     /* yes */
    char *ssh_config; /* a file or "none"; NULL: ssh's own two files */

    struct conf_place places[CONF_DAEMON_KEYWORDS]; /* of the daemon's keywords: conf_fail */
    struct profile *profiles;
    size_t profile_count;
    struct definition *tunnels; /* origin FILE, id and name the same, in the order of the files */
    size_t tunnel_count;

    struct texts files;  /* all that were read, in order */
    struct texts errors; /* one line each, "FILE:LINE: KEYWORD: what is wrong"; empty: all is well */
};

void conf_init(struct conf *c);
void conf_wipe(struct conf *c);

/* Reads path (-c: that file with its Includes alone), else $ADIT_CONFIG, else the default files
 * (conf_paths.h; a missing one is empty). Any error: ADIT_E_CONFIG with the first line of c->errors (or
 * "FILE: why" for what cannot be read); ADIT_E_MEMORY. */
enum adit_err conf_load(struct conf *c, const char *path, struct adit_error *err) ADIT_MUST_USE;

/* The same in a given world (conf_paths.h) instead of the environment's. */
struct conf_world;
enum adit_err conf_load_in(struct conf *c, const struct conf_world *world, const char *path,
                           struct adit_error *err) ADIT_MUST_USE;

/* NULL: there is none; "default" is none either. */
const struct profile *conf_profile(const struct conf *c, const char *name);
const struct definition *conf_tunnel(const struct conf *c, const char *name);

/* A tunnel may name it: a Profile, "default", or a literal Host alias of ssh_config as it is now. *is_unsure:
 * false, but not all of the aliases could be had (conf_aliases). */
bool conf_has_profile(const struct conf *c, const char *name, bool *is_unsure);
/* The Host aliases of ssh_config (file as in struct conf) without wildcards, each once, in their order. What
 * cannot be read is left out; so is what is beyond a limit: the files behind the first LIMIT_CONFIG_FILES or
 * deeper than CONF_INCLUDE_DEPTH_MAX, all files of a pattern that would look at more than LIMIT_GLOB_NAMES
 * names, the names behind the first CONF_ALIASES_MAX. False, with CONF_ALIASES_LACK for a reason: there may
 * be others, and another time they may be had. */
#define CONF_ALIASES_LACK "not all of ssh_config could be read: no memory or descriptor, or the disk failed"
bool conf_aliases(const char *ssh_config, struct texts *out) ADIT_MUST_USE;

/* "127.0.0.1:7171", "[::1]:0", "localhost:80" for Listen and --listen; *host is to be freed. ADIT_E_USAGE:
 * it is off loopback or malformed. */
enum adit_err conf_listen_parse(const char *text, char **host, uint16_t *port,
                                struct adit_error *err) ADIT_MUST_USE;

/* "FILE:LINE: KEYWORD: what", of one of the daemon's keywords that was given; without its place otherwise.
 * ADIT_E_CONFIG. */
enum adit_err conf_fail(const struct conf *c, const char *keyword, struct adit_error *err, const char *what);

/* What a new configuration is to the old one. */
enum conf_change {
    CONF_UNCHANGED,
    CONF_CHANGED, /* policy, names: a running tunnel goes on */
    CONF_RESTART, /* its connection, profile or a forward: see definition_needs_restart */
};
enum conf_change conf_compare(const struct conf *old_conf, const struct definition *old_tunnel,
                              const struct conf *new_conf, const struct definition *new_tunnel);

struct conf_diff {
    size_t added, removed, changed, unchanged; /* tunnels, by name */
};
void conf_diff(const struct conf *old_conf, const struct conf *new_conf, struct conf_diff *out);

#endif
