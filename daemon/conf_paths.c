#include "daemon/conf_paths.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/conf.h"

void conf_world_init(struct conf_world *w)
{
    char user[LIMIT_USER + 1];
    memset(w, 0, sizeof *w);
    w->is_root = geteuid() == 0;
    w->xdg_config_home = getenv("XDG_CONFIG_HOME");
    w->xdg_runtime_dir = getenv("XDG_RUNTIME_DIR");
    w->xdg_state_home = getenv("XDG_STATE_HOME");
    w->adit_config = getenv("ADIT_CONFIG");
    w->adit_sock = getenv("ADIT_SOCK");
    expand_user(w->home, user);
}

static bool is_given(const char *text)
{
    return text != NULL && text[0] != 0;
}

static bool is_absolute(const char *text)
{
    return text != NULL && text[0] == '/';
}

static enum adit_err join(char out[static EXPAND_PATH_CAP], const char *folder, const char *tail,
                          struct adit_error *err)
{
    size_t n = adit_format(out, EXPAND_PATH_CAP, "%s%s", folder, tail);
    if (n != strlen(folder) + strlen(tail))
        return adit_fail(err, ADIT_E_CONFIG, "the path is too long: %.80s...", folder);
    return ADIT_E_OK;
}

/* In the folder of a variable; without it in the home folder. what: for the message. */
static enum adit_err user_path(const struct conf_world *w, const char *xdg, const char *tail,
                               const char *home_tail, const char *what, char out[static EXPAND_PATH_CAP],
                               struct adit_error *err)
{
    if (is_absolute(xdg))
        return join(out, xdg, tail, err);
    if (!is_absolute(w->home))
        return adit_fail(err, ADIT_E_CONFIG, "no home folder is known: set HOME, or say where %s is", what);
    return join(out, w->home, home_tail, err);
}

enum adit_err conf_path_folder(const struct conf_world *w, char out[static EXPAND_PATH_CAP],
                               struct adit_error *err)
{
    if (w->is_root)
        return join(out, CONF_ROOT_FOLDER, "", err);
    return user_path(w, w->xdg_config_home, "/adit", "/.config/adit", "the configuration", out, err);
}

static enum adit_err find_socket(const struct conf_world *w, const char *given, const char *from_file,
                                 char out[static EXPAND_PATH_CAP], struct adit_error *err)
{
    const char *named = is_given(given) ? given : is_given(w->adit_sock) ? w->adit_sock : from_file;
    if (is_given(named))
        return join(out, named, "", err);
    if (w->is_root)
        return join(out, CONF_ROOT_SOCKET, "", err);
    return user_path(w, w->xdg_runtime_dir, "/adit.sock", "/.local/state/adit/adit.sock", "the socket", out,
                     err);
}

enum adit_err conf_path_socket(const struct conf_world *w, const char *given, const char *from_file,
                               char out[static EXPAND_PATH_CAP], struct adit_error *err)
{
    enum adit_err e = find_socket(w, given, from_file, out, err);
    if (e == ADIT_E_OK && strlen(out) > CONF_SOCKET_MAX)
        return adit_fail(err, ADIT_E_CONFIG, "the path of the socket is longer than %d bytes: %.900s",
                         (int)CONF_SOCKET_MAX, out);
    return e;
}

enum adit_err conf_path_state(const struct conf_world *w, const char *given, const char *from_file,
                              char out[static EXPAND_PATH_CAP], struct adit_error *err)
{
    const char *named = is_given(given) ? given : from_file;
    if (is_given(named))
        return join(out, named, "", err);
    if (w->is_root)
        return join(out, CONF_ROOT_STATE, "", err);
    return user_path(w, w->xdg_state_home, "/adit", "/.local/state/adit", "the state folder", out, err);
}
