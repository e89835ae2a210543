/*
 * conf_paths.h - where the daemon's files are: configuration, socket, state folder. For root the system's
 * places, for a user those of the XDG base directory specification; never /tmp.
 */
#ifndef DAEMON_CONF_PATHS_H
#define DAEMON_CONF_PATHS_H

#include "adit.h"
#include "client/expand.h"

#define CONF_ROOT_FOLDER "/etc/adit"
#define CONF_ROOT_SOCKET "/run/adit/adit.sock"
#define CONF_ROOT_STATE  "/var/lib/adit"

/* What the places follow from. Texts are borrowed: NULL or empty where they are not set. */
struct conf_world {
    bool is_root; /* by the effective user: sudo keeps HOME and the XDG variables of another, and changes none
                   * of root's places */
    const char *xdg_config_home, *xdg_runtime_dir, *xdg_state_home; /* what is no absolute path is ignored */
    const char *adit_config, *adit_sock;                            /* $ADIT_CONFIG, $ADIT_SOCK */
    const char *ssh_config;     /* -F: instead of SshConfig's, whatever a file says; conf_load_in copies it */
    char home[EXPAND_PATH_CAP]; /* empty: unknown */
};

/* From the environment; the texts live as long as it stays unchanged. */
void conf_world_init(struct conf_world *w);

/* The folder of adit.conf and conf.d. ADIT_E_CONFIG: no home folder is known, or the path is too long. */
enum adit_err conf_path_folder(const struct conf_world *w, char out[static EXPAND_PATH_CAP],
                               struct adit_error *err) ADIT_MUST_USE;
/* given: --socket, or NULL; from_file: Socket, or NULL. In this order: given, $ADIT_SOCK, from_file, the
 * default. ADIT_E_CONFIG, also for more than 107 bytes, with the path. */
enum adit_err conf_path_socket(const struct conf_world *w, const char *given, const char *from_file,
                               char out[static EXPAND_PATH_CAP], struct adit_error *err) ADIT_MUST_USE;
/* given: --state, or NULL; from_file: StateDir, or NULL. */
enum adit_err conf_path_state(const struct conf_world *w, const char *given, const char *from_file,
                              char out[static EXPAND_PATH_CAP], struct adit_error *err) ADIT_MUST_USE;

#endif
