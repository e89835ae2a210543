#include "cli/verb_socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/conf.h"
#include "daemon/conf_paths.h"

static enum adit_err path_find(const struct conf_world *w, const char *given, const char *from_file,
                               char out[static SOCK_PATH_CAP], struct adit_error *err)
{
    char path[EXPAND_PATH_CAP];
    enum adit_err e = conf_path_socket(w, given, from_file, path, err);
    if (e == ADIT_E_OK)
        (void)adit_format(out, SOCK_PATH_CAP, "%s", path);
    return e;
}

enum adit_err verb_socket_own(const char *given, char out[static SOCK_PATH_CAP], struct adit_error *err)
{
    struct conf_world w;
    struct conf conf;
    struct adit_error ignored = {0};
    conf_world_init(&w);
    if (given != NULL || (w.adit_sock != NULL && w.adit_sock[0] != 0))
        return path_find(&w, given, NULL, out, err);
    /* What is wrong with the files is the daemon's to say: a verb must reach one that runs. */
    conf_init(&conf);
    bool is_read = conf_load(&conf, NULL, &ignored) == ADIT_E_OK;
    enum adit_err e = path_find(&w, NULL, is_read ? conf.socket : NULL, out, err);
    conf_wipe(&conf);
    return e;
}

enum adit_err verb_socket_find(const char *given, char out[static SOCK_PATH_CAP], struct adit_error *err)
{
    struct stat st;
    const char *variable = getenv("ADIT_SOCK");
    enum adit_err e = verb_socket_own(given, out, err);
    bool is_chosen = given != NULL || (variable != NULL && variable[0] != 0);
    if (e == ADIT_E_OK && !is_chosen && stat(out, &st) != 0 && stat(CONF_ROOT_SOCKET, &st) == 0)
        (void)adit_format(out, SOCK_PATH_CAP, "%s", CONF_ROOT_SOCKET);
    return e;
}
