/* `adit ui`: the daemon's page in a browser. Its address holds the token, which no command line may: a file
 * of our user's alone leads the browser there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/verb_call.h"
#include "daemon/client_json.h"
#include "net/child.h"

enum { KEY_PRINT = 2 };

static bool take(void *ctx, int key, const char *value, struct adit_error *err)
{
    (void)value;
    (void)err;
    return *(bool *)ctx = key == KEY_PRINT;
}

/* An address of the daemon's, which needs no escaping. */
static bool url_is_fine(const char *url)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/.[]#=";
    return strncmp(url, "http://", 7) == 0 && url[strspn(url, letters)] == 0;
}

static enum adit_err url_get(const struct verb_call *c, char **url, struct adit_error *err)
{
    struct http_client_reply reply = {0};
    enum adit_err e = verb_ask(c, "POST", "/ui", NULL, &reply, err);
    bool is_read = e == ADIT_E_OK && client_text_read(reply.body, reply.len, "url", url);
    if (e == ADIT_E_OK && !is_read && errno == ENOMEM)
        e = adit_fail(err, ADIT_E_MEMORY, "out of memory");
    else if (e == ADIT_E_OK && (!is_read || !url_is_fine(*url)))
        e = adit_fail(err, ADIT_E_PROTOCOL, "%s: the daemon's answer holds no address", c->socket);
    http_client_reply_wipe(&reply);
    return e;
}

/* Beside the socket: a folder of the same user's. */
static bool file_make(const struct verb_call *c, const char *url, char path[static SOCK_PATH_CAP + 16])
{
    char text[512];
    const char *slash = strrchr(c->socket, '/');
    (void)adit_format(path, SOCK_PATH_CAP + 16, "%.*s/adit-ui.html",
                      slash != NULL ? (int)(slash - c->socket) : 1, slash != NULL ? c->socket : ".");
    size_t n = adit_format(text, sizeof text,
                           "<!doctype html><meta charset=\"utf-8\"><title>adit</title>"
                           "<meta http-equiv=\"refresh\" content=\"0; url=%s\">\n",
                           url);
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_written = fd >= 0 && log_write_all(fd, text, n);
    sock_close(&fd);
    adit_wipe(text, sizeof text);
    return is_written;
}

/* False: there is no browser to be had. */
static bool browser_open(const char *path)
{
    struct child child;
    struct adit_error ignored = {0};
    int status = 1;
    const int fds[3] = {-1, -1, -1};
    const char *const argv[] = {"xdg-open", path, NULL};
    return child_start(&child, argv, NULL, fds, false, &ignored) == ADIT_E_OK &&
           child_reap(&child, true, &status) && status == 0;
}

static bool has_display(void)
{
    const char *x11 = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY");
    return (x11 != NULL && x11[0] != 0) || (wayland != NULL && wayland[0] != 0);
}

int verb_ui(struct verb_call *c)
{
    static const struct verb_option options[] = {{"print", 0, false, KEY_PRINT}, {0}};
    struct adit_error err = {0};
    bool prints = false;
    char *url = NULL, path[SOCK_PATH_CAP + 16];
    int status;
    if (!verb_parse(c, options, &prints, take, 0, 0, &status))
        return status;
    enum adit_err e = verb_need_daemon(c, &err);
    if (e == ADIT_E_OK)
        e = url_get(c, &url, &err);
    if (e != ADIT_E_OK)
        status = verb_fail(&err);
    else if (prints || !has_display() || !file_make(c, url, path) || !browser_open(path))
        status = verb_print(0, "%s", url);
    else
        status = 0;
    if (url != NULL)
        adit_wipe(url, strlen(url));
    free(url);
    return status;
}
